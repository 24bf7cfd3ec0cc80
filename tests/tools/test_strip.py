import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image
from posetrack_sample import make_video

from tests.tool_runner import run_tool

TOOL = Path(__file__).parents[2] / "tools/strip.py"


@pytest.fixture
def files(tmp_path):
    """Annotations of a video, and predictions of it with everybody 4 pixels to the right."""
    content = make_video(tmp_path / "data", "a_video", num_frames=3, people=1)
    for person in content["annotations"]:
        joints = np.reshape(person["keypoints"], (17, 3))
        joints[:, 0] += 4 * (joints[:, 2] > 0)
        person |= {"keypoints": joints.ravel().tolist(), "scores": [0.9] * 17}
    predicted = tmp_path / "propagate-warp-every7/val/a_video.json"
    predicted.parent.mkdir(parents=True)
    predicted.write_text(json.dumps(content))
    return tmp_path / "data/annotations/val/a_video.json", predicted


def strip(files, out, *arguments):
    command = [sys.executable, TOOL, *files, "--root", files[0].parents[2], "--out", out, *arguments]
    return run_tool(command)


def test_a_row_for_each_file_and_a_column_for_each_frame(files, tmp_path):
    out = tmp_path / "pictures/strip.png"
    done = strip(files, out, "--frames", 0, 2)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out}: 2 rows of 2 frames\n"
    picture = cv2.imread(str(out))
    assert picture.shape[0] == 2 * 220
    labels, predictions = np.vsplit(picture.astype(int), 2)
    width = picture.shape[1] // 2
    found = [np.argwhere(np.abs(row[30:, :width] - (60, 60, 230)).sum(axis=2) < 60) for row in (labels, predictions)]
    annotated = json.loads(files[0].read_text())["annotations"]
    extents = []
    for person in (annotated[0], annotated[2]):
        joints = np.reshape(person["keypoints"], (17, 3))
        extents.append(np.ptp(joints[joints[:, 2] > 0][:, :2], axis=0))
    extent = np.max(extents, axis=0)
    scale = 220 / (extent[1] + 0.25 * extent.max())
    assert found[1][:, 1].mean() - found[0][:, 1].mean() == pytest.approx(4 * scale, rel=0.15)
    assert found[1][:, 0].mean() == pytest.approx(found[0][:, 0].mean(), abs=0.15 * 4 * scale)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--frames", 0, 7], "a_video.json: there is no frame 7"),
        (["--frames", 0, "--track", 5], "track 5 is not labeled"),
    ],
)
def test_bad_input_is_one_line(files, tmp_path, arguments, message):
    done = strip(files, tmp_path / "strip.png", *arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr
    assert not (tmp_path / "strip.png").exists()


def test_frames_are_rotated_by_exif_on_request(files, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # shown after a quarter turn clockwise
    plain, turned, as_stored = (tmp_path / f"{name}.png" for name in ("plain", "turned", "as_stored"))
    frames = sorted((files[0].parents[2] / "images").rglob("*.jpg"))
    for path in frames:  # with the content of PNG files, which lose nothing
        Image.fromarray(cv2.imread(str(path))[..., ::-1]).save(path, format="png")
    assert strip(files, plain, "--frames", 0).returncode == 0
    for path in frames:
        Image.fromarray(np.rot90(np.asarray(Image.open(path)))).save(path, format="png", exif=exif)
    assert strip(files, turned, "--frames", 0, "--exif-orientation").returncode == 0
    assert strip(files, as_stored, "--frames", 0).returncode == 0
    np.testing.assert_array_equal(cv2.imread(str(turned)), cv2.imread(str(plain)))
    assert (cv2.imread(str(as_stored)) != cv2.imread(str(plain))).any()
