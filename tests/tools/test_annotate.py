"""Wrong arguments of tools/annotate.py end in one line, and leave nothing behind."""

import pytest
from annotated_video import COMMAND, write_video

from tests.tool_runner import run_tool


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    write_video(folder / "clip.mp4", frames=3)
    (folder / "other.mp4").write_bytes((folder / "clip.mp4").read_bytes())
    (folder / "labels.json").write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["missing.mp4"], "missing.mp4: no such file or folder"),
        (["clip.mp4", "other.mp4", "--labels", "labels.json"], "name only one video"),
        (["clip.mp4", "--joints", "a,a"], "two joints are named 'a'"),
        (["clip.mp4", "--labels", "labels.json"], "labels.json: not a COCO-style file: no 'images'"),
        (["labels.json", "--joints", "a"], "labels.json: cannot be read as a video"),
    ],
)
def test_wrong_arguments_end_in_one_line(folder, arguments, line):
    before = sorted(folder.iterdir())
    done = run_tool([*COMMAND, *arguments], folder)
    assert done.returncode == 2
    assert line in done.stderr.splitlines()[-1]
    assert sorted(folder.iterdir()) == before
