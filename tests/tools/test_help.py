"""Help of the tools."""

import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from docs.make_reference import read_parsers, subcommands

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
    assert f"\npython tools/{tool.name} " in done.stdout


def untold_defaults():
    """The options whose default is a value that the help does not tell."""
    found = []
    for tool, parser in read_parsers().items():
        for command, own in {"": parser, **subcommands(parser)}.items():
            for action in own._actions:
                is_told = "default" in (action.help or "") or action.default in (None, False, [], "==SUPPRESS==")
                found += [] if is_told else [f"{tool} {command} {action.option_strings}"]
    return found


def test_help_tells_defaults():
    # In a process of its own, because tools set up logging and signals when they start.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(untold_defaults).result() == []


@pytest.mark.parametrize(
    ("tool", "groups"),
    [
        ("demo", ["input", "output", "people", "download of published weights", "experiment"]),
        ("label_video", ["input", "output", "training", "propagation"]),
    ],
)
def test_options_are_grouped(tool, groups):
    path = Path(__file__).parents[2] / f"tools/{tool}.py"
    done = subprocess.run([sys.executable, path, "--help"], capture_output=True, text=True, timeout=600)
    lines = done.stdout.splitlines()
    assert [line[:-1] for line in lines if line[:-1] in groups and line.endswith(":")] == groups
