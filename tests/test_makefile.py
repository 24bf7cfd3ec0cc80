"""The checks of the Makefile and setup.py before they install or build something."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(sys.platform == "win32" or not shutil.which("make"), reason="needs make")


@pytest.fixture
def folder(tmp_path):
    for name in ("Makefile", "requirements.txt", "setup.py"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def run(folder, *command, **environment):
    kept = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "CONDA_PREFIX", "MAKEFLAGS")}
    return subprocess.run(command, cwd=folder, env=kept | environment, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("variable", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_an_active_environment_is_compared_with_the_requirements(folder, variable):
    stamp = f"build/{sys.prefix.replace('/', '_')}/requirements"
    assert run(folder, "make", stamp, **{variable: sys.prefix}).returncode == 0
    for line in ("no-such-package>=1", "torch>=1000"):
        (folder / "requirements.txt").write_text(f"numpy>=1\n{line}\n")
        done = run(folder, "make", stamp, **{variable: sys.prefix})
        assert done.returncode == 2
        expected = f"error: {sys.prefix} lacks something of requirements.txt: pip install -r requirements.txt"
        assert done.stderr.splitlines()[0] == expected


def test_another_torch_is_not_installed_into_an_active_environment(folder):
    done = run(folder, "make", "TORCH=cpu", VIRTUAL_ENV=sys.prefix)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert f"TORCH=cpu is for .venv, but {sys.prefix} is active: pip install torch torchvision --index-url" in line


@pytest.mark.slow
def test_an_index_that_cannot_be_reached(folder):
    done = run(folder, "make", "TORCH=cpu", "TORCH_INDEX=http://127.0.0.1:9/whl/cpu")
    assert done.returncode == 2
    line = "error: TORCH=cpu: http://127.0.0.1:9/whl/cpu cannot be reached, or does not exist; "
    assert done.stderr.splitlines()[0].startswith(line)
    assert not list(folder.glob("build/*/requirements"))


def test_without_a_compiler_the_build_says_what_stands_in(folder):
    done = run(folder, sys.executable, "setup.py", "build_ext", PATH=str(folder))
    assert done.returncode == 1
    assert done.stderr.startswith("error: no C++ compiler is found (c++): install one (g++), or go without: PyTorch")
    assert len(done.stderr.splitlines()) == 1
