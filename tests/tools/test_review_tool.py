import importlib
import json
import sys
from pathlib import Path

import cv2
import pytest
from reviewed_video import FRAMES, make_content, read_frame

from lib.frames.video_writer import VideoWriter
from lib.utils.errors import InputError
from lib.utils.files import frame_number

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The tool on frames and labels of a test video, with other options."""
    monkeypatch.syspath_prepend(str(TOOLS))
    review = importlib.import_module("review")
    (tmp_path / "frames").mkdir()
    for number in range(100, 100 + FRAMES):
        cv2.imwrite(str(tmp_path / f"frames/{number:06}.png"), read_frame(f"{number:04}.png"))
    (tmp_path / "dense.json").write_text(json.dumps(make_content()))

    def run(labels="dense.json", video="frames", out="review.html", options=()):
        places = [str(tmp_path / labels), "--video", str(tmp_path / video), "--out", str(tmp_path / out)]
        monkeypatch.setattr(sys, "argv", ["review.py", *places, *options])
        review.main()
        return (tmp_path / out).read_text(encoding="utf-8")

    return run


def test_a_page_from_a_video_file_and_from_a_folder(run):
    page = run()
    assert "<title>frames: review</title>" in page  # the video
    assert page.count("data-frame=") == FRAMES  # found by number, whatever the padding
    assert len(run(options=["--megabytes", "0.12"]).encode()) <= 120_000


def test_frames_of_a_video_file(run, tmp_path):
    content = make_content()
    for image in content["images"]:
        image["file_name"] = f"clip.mp4#{frame_number(image['file_name']) - 100}"
    (tmp_path / "clip.json").write_text(json.dumps(content))
    height, width = read_frame("0100.png").shape[:2]
    with VideoWriter(tmp_path / "clip.mp4", (width, height), 25) as writer:
        for number in range(100, 100 + FRAMES):
            writer.write(read_frame(f"{number:04}.png"))
    assert run(labels="clip.json", video="clip.mp4").count("data-frame=") == FRAMES


@pytest.mark.parametrize(
    ("places", "options", "message"),
    [
        ({"out": "review.json"}, [], "expected a .html file"),
        ({"labels": "nothing.json"}, [], "nothing.json"),
        ({"video": "nothing"}, [], "nothing: no such video file"),
        ({}, ["--megabytes", "0"], "--megabytes 0"),
        ({}, ["--megabytes", "0.01"], "left for pictures"),
    ],
)
def test_bad_input_is_refused(run, tmp_path, places, options, message):
    with pytest.raises(InputError, match=message):
        run(**places, options=options)
    assert not (tmp_path / "review.html").exists()


def test_a_missing_frame(run, tmp_path):
    (tmp_path / "frames/000103.png").unlink()
    with pytest.raises(InputError, match=r"no frame 0103\.png"):
        run()


def test_what_is_missing_is_named(run, monkeypatch):
    review = importlib.import_module("review")
    for arguments, message in (
        (["--video", "a.mp4"], "the file of labels is missing: python tools/review.py LABELS --video VIDEO"),
        (["dense.json"], "--video is missing: it names the video, or the folder of frames, that dense.json labels"),
    ):
        monkeypatch.setattr(sys, "argv", ["review.py", *arguments, "--out", "review.html"])
        with pytest.raises(InputError, match=message):
            review.main()


def test_labels_are_summarized_and_another_video_is_refused(run, tmp_path, capsys):
    run()
    assert capsys.readouterr().out.startswith(f"{tmp_path}/dense.json: ")
    content = make_content()
    for image in content["images"]:
        image |= {"width": 560, "height": 320}
    (tmp_path / "robot.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"has 560×320 pixels, the frames of .*/frames have .*: labels of another"):
        run(labels="robot.json", out="other.html")
    assert not (tmp_path / "other.html").exists()
