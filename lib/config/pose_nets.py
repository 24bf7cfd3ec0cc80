"""The pose nets of lib/models and their keys of MODEL.EXTRA, read from source because importing them takes seconds."""

import ast
from pathlib import Path

from lib.utils.errors import InputError

MODELS = Path(__file__).parents[1] / "models"
SHARED = ("PRETRAINED_LAYERS",)  # parts to load from MODEL.PRETRAINED; ['*'] or unset: all


def read_pose_nets(folder: Path = MODELS) -> dict[str, tuple[str, ...]]:
    """Return the keys of MODEL.EXTRA of each pose net, by its MODEL.NAME.

    A pose net is a module pose_<name>.py that assigns its keys to EXTRA, as a tuple of text (docs/extending.md).

    Args:
        folder: Folder of the modules.

    Raises:
        InputError: A module assigns something else to EXTRA.
    """
    nets = {}
    for path in sorted(folder.glob("pose_*.py")):
        for statement in ast.parse(path.read_bytes(), filename=str(path)).body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "EXTRA":
                nets[path.stem] = (*SHARED, *_keys(statement.value, path))
    return nets


def _keys(value: ast.expr, path: Path) -> tuple[str, ...]:
    try:
        keys = ast.literal_eval(value)
    except ValueError:
        keys = None
    if not isinstance(keys, tuple) or not all(isinstance(key, str) for key in keys):
        raise InputError(f'{path}: EXTRA must be a tuple of text, such as ("WIDTH",)')
    return keys


EXTRA = read_pose_nets()
"""Keys of MODEL.EXTRA by pose net. MODEL.NAME is one of these names."""
