"""examples/quickstart.ipynb: its cells run, on fewer videos and epochs."""

import json
import os
import re
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from tests.tool_runner import run_tool

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "examples" / "quickstart.ipynb"
SMALL = """
OUT = Path({out!r})
OPTIONS = ["--train", "2", "--val", "1", "TRAIN.END_EPOCH", "1"]
"""


@pytest.fixture
def cells():
    """The source of all cells, by kind."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return [(cell["cell_type"], "".join(cell["source"]), cell["metadata"]) for cell in notebook["cells"]]


@pytest.mark.slow
def test_all_cells_run(cells, tmp_path, monkeypatch, capsys):
    plt.switch_backend("Agg")
    monkeypatch.chdir(NOTEBOOK.parent)
    monkeypatch.setattr("sys.path", sys.path.copy())
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append([len(axis.images) for axis in plt.gcf().axes]))
    monkeypatch.setattr("subprocess.run", fork)
    scope = {}
    for number, (kind, source, metadata) in enumerate(cells):
        if metadata.get("tags") == ["parameters"]:
            source = SMALL.format(out=str(tmp_path / "out"))
        if kind == "code":
            exec(compile(source, f"cell {number}", "exec"), scope)
    plt.close("all")
    assert Path.cwd() == ROOT
    assert shown == [[1], [1, 1], [1, 1, 1]]
    text = capsys.readouterr().out
    assert len(re.findall(r"(?:single|aggregate): joints are \d+\.\d pixels", text)) == 2
    propagated = re.search(r"(\d+) propagated joints are (\d+\.\d) pixels", text)
    assert int(propagated[1]) > 200
    assert float(propagated[2]) < 20  # people are at least 91 pixels tall; by flow and interpolation alone: 12
    assert "Mean" in text


def fork(command, check):
    """Run a tool as `subprocess.run` does, without the seconds that importing PyTorch takes in each of its steps."""
    done = run_tool(command)
    assert check
    assert done.returncode == 0, done.stderr


def test_outside_the_repository_it_is_cloned_and_installed(cells, tmp_path, monkeypatch):
    commands = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("subprocess.run", lambda command, check: clone(commands, command, tmp_path))
    monkeypatch.setattr("sys.path", sys.path.copy())
    setup = next(source for kind, source, _ in cells if kind == "code")
    exec(setup, {})
    assert commands[0][:2] == ["git", "clone"]
    assert str(commands[1][-1]) == str(tmp_path / "posewarper" / "requirements.txt")
    assert os.getcwd() == str(tmp_path / "posewarper")


def clone(commands, command, folder):
    commands.append(command)
    (folder / "posewarper").mkdir(exist_ok=True)


def test_links_lead_somewhere(cells):
    targets = re.findall(r"\]\(([^)\s]+)\)", "".join(source for kind, source, _ in cells if kind == "markdown"))
    assert targets
    assert [target for target in targets if not (NOTEBOOK.parent / target).exists()] == []


def test_outputs_are_not_kept(cells):
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert [cell for cell in notebook["cells"] if cell.get("outputs") or cell.get("execution_count")] == []
