"""Help of the tools."""

import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = sorted(path for path in (Path(__file__).parents[2] / "tools").glob("*.py") if not path.name.startswith("_"))
PROGRAM = """
import runpy, sys
sys.path.insert(0, sys.argv[1].rpartition("/")[0])
sys.argv = [sys.argv[1], "--help"]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    assert "torch" not in sys.modules
"""


@pytest.mark.parametrize("tool", TOOLS, ids=lambda path: path.stem)
def test_help_does_not_load_torch(tool):
    done = subprocess.run([sys.executable, "-c", PROGRAM, tool], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: ")
