"""Functions of users, named on the command line as FILE.py:FUNCTION or MODULE:FUNCTION."""

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from lib.utils.errors import InputError


def check_function(name: str, option: str) -> None:
    """Check the name of a function without importing anything.

    Args:
        name: Name of the function.
        option: Option that named it, for messages.

    Raises:
        InputError: The name has another form, or its file or package does not exist.
    """
    module, _, function = name.rpartition(":")
    if not module or not function.isidentifier():
        raise InputError(f"{option} {name}: expected FILE.py:FUNCTION or MODULE:FUNCTION")
    if module.endswith(".py"):
        if not Path(module).is_file():
            raise InputError(f"{option} {name}: no file {module}")
    elif find_spec(module.partition(".")[0]) is None:
        raise InputError(f"{option} {name}: no module {module} is installed; name a file, {module}.py:{function}")


def load_function(name: str, option: str) -> Callable[..., Any]:
    """Import a function.

    Args:
        name: Name of the function.
        option: Option that named it, for messages.

    Raises:
        InputError: The module or a package that it imports is not installed, or it has no such function.
    """
    module, _, function = name.rpartition(":")
    try:
        found = getattr(_load_file(Path(module)) if module.endswith(".py") else import_module(module), function, None)
    except ImportError as error:
        raise InputError(f"{option} {name}: {error}") from None
    if not callable(found):
        raise InputError(f"{option} {name}: {module} has no function {function}")
    loaded: Callable[..., Any] = found
    return loaded


def _load_file(path: Path) -> ModuleType:
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
