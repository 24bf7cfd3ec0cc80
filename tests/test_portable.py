"""lib/ and the tools do without what only Linux has: tests/as_windows.py hides it."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from posetrack_sample import make_video, write_experiment

ROOT = Path(__file__).parents[1]
FOLDERS = ("lib", "tools", "docs", "examples")
FILES = [ROOT / "hubconf.py", *sorted(path for name in FOLDERS for path in (ROOT / name).rglob("*.py"))]
IMPORT_ALL = """
import importlib, pkgutil
import hubconf, lib
for module in pkgutil.walk_packages(lib.__path__, "lib."):
    importlib.import_module(module.name)
"""
LOCK_TWICE = """
import sys
from pathlib import Path
from lib.utils.errors import InputError
from lib.utils.folder_lock import lock_folder
with lock_folder(Path(sys.argv[1])):
    try:
        with lock_folder(Path(sys.argv[1])):
            pass
    except InputError as error:
        print(error)
"""


def run(*command):
    done = subprocess.run(
        [sys.executable, ROOT / "tests/as_windows.py", *command], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done


def text_files_without_encoding(path):
    """Yield the lines of a file that read or write text in the encoding of the system."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or any(keyword.arg == "encoding" for keyword in node.keywords):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        modes = [part.value for mode in node.args[1:2] for part in ast.walk(mode) if isinstance(part, ast.Constant)]
        is_text_file = isinstance(node.func, ast.Name) and name == "open" and not any("b" in mode for mode in modes)
        if is_text_file or name in ("read_text", "write_text"):
            yield node.lineno


def test_text_is_utf_8_on_every_system():
    assert [f"{path}:{line}" for path in FILES for line in text_files_without_encoding(path)] == []


def test_all_modules_are_imported_without_what_only_linux_has(tmp_path):
    (tmp_path / "all.py").write_text(IMPORT_ALL)
    run(tmp_path / "all.py")


def test_a_folder_is_locked(tmp_path):
    (tmp_path / "lock.py").write_text(LOCK_TWICE)
    assert "another process is writing to this folder" in run(tmp_path / "lock.py", tmp_path / "run").stdout


@pytest.fixture
def training(tmp_path):
    """The command of a training on images in an archive; its results are in output/posetrack18/pose_hrnet/small."""
    make_video(tmp_path / "data", "video", num_frames=4)
    shutil.make_archive(tmp_path / "data/images/val", "zip", tmp_path / "data/images/val")
    shutil.rmtree(tmp_path / "data/images/val")
    keys = ["DATASET.DATA_FORMAT", "zip", "DATASET.TRAIN_SET", "val", "TEST.MODE", "pair", "TRAIN.END_EPOCH", "1"]
    keys += ["LOG_DIR", tmp_path / "log", "MODEL.FREEZE_POSE_NET", "True"]
    return [ROOT / "tools/train.py", "--cfg", write_experiment(tmp_path, tmp_path / "data"), *keys]


def check_results(tmp_path):
    names = {path.name for path in (tmp_path / "output/posetrack18/pose_hrnet/small").iterdir()}
    assert {"final_state.pth", "history.jsonl", "result-train.json"} <= names
    assert not [name for name in names if name.endswith(".unfinished")]


@pytest.mark.slow
def test_a_training_without_what_only_linux_has(tmp_path, training):
    run(*training)
    check_results(tmp_path)


@pytest.mark.slow
def test_a_training_with_spawned_workers(tmp_path, training):
    spawn = "import multiprocessing, runpy, sys; multiprocessing.set_start_method('spawn'); sys.argv.pop(0)"
    (tmp_path / "spawn.py").write_text(
        f"if __name__ == '__main__':\n    {spawn}; sys.path.insert(0, {str(ROOT / 'tools')!r})\n"
        f"    runpy.run_path(sys.argv[0], run_name='__main__')\n"
    )
    command = [sys.executable, tmp_path / "spawn.py", *training, "WORKERS", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    check_results(tmp_path)


def test_signs_that_the_output_cannot_show_end_no_tool():
    code = "from lib.utils.errors import run; run(lambda: print('96\\u2009×\\u2009128 → 1'))"
    command = [sys.executable, "-X", "utf8=0", "-c", code]
    done = subprocess.run(
        command, capture_output=True, cwd=ROOT, env={**os.environ, "PYTHONIOENCODING": "cp1252"}, timeout=60
    )
    assert (done.returncode, done.stdout.decode("cp1252").strip()) == (0, "96?×?128 ? 1")
