"""tools/check_data.py from its command line: small data sets of images and videos, with files taken away or broken."""

import json
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from posetrack_sample import make_video, write_experiment
from row_data import coco_style

from tests.tool_runner import run_tool

ROOT = Path(__file__).parents[2]
KEYS = [
    "DATASET.DATASET",
    "coco",
    "DATASET.ROOT",
    "data",
    "DATASET.TRAIN_SET",
    "train2017",
    "DATASET.TEST_SET",
    "val2017",
]


def check(folder, *arguments):
    command = [sys.executable, ROOT / "tools/check_data.py", "--cfg", folder / "small.yaml", *arguments]
    done = run_tool(command, folder)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout.splitlines(), done.stderr


@pytest.fixture
def coco(tmp_path):
    """A folder with 6 images of val2017, each with a person, and an experiment on it; there is no training split."""
    content = coco_style("coco")
    ((image,), (person,)) = content["images"], content["annotations"]
    content["images"] = [image | {"id": n, "file_name": f"{n:012d}.jpg"} for n in range(6)]
    content["annotations"] = [person | {"id": n, "image_id": n} for n in range(6)]
    (tmp_path / "data/annotations").mkdir(parents=True)
    (tmp_path / "data/annotations/person_keypoints_val2017.json").write_text(json.dumps(content))
    images = tmp_path / "data/images/val2017"
    images.mkdir(parents=True)
    picture = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    for n in range(6):
        cv2.imwrite(str(images / f"{n:012d}.jpg"), picture)
    write_experiment(tmp_path, Path("data"))
    return tmp_path


def test_all_files_exist(coco):
    status, lines, _ = check(coco, *KEYS)
    assert status == 0
    assert lines[0].startswith("not checked: data/annotations/person_keypoints_train2017.json: no such file")
    assert lines[1] == "data/annotations/person_keypoints_val2017.json: 6 images, 6 people, 102 labeled joints"
    assert lines[2:] == ["  0 missing, 0 misplaced, 0 broken"]


def test_missing_misplaced_and_broken_images(coco):
    images = coco / "data/images/val2017"
    (images / "000000000000.jpg").unlink()
    (images / "000000000001.jpg").rename(coco / "data/images/000000000001.jpg")
    whole = (images / "000000000002.jpg").read_bytes()
    (images / "000000000002.jpg").write_bytes(whole[: len(whole) // 2])
    (images / "000000000003.jpg").write_bytes(b"<html>")
    status, lines, _ = check(coco, *KEYS)
    assert status == 1
    assert lines[2:] == [
        "missing    data/images/val2017/000000000000.jpg",
        "misplaced  data/images/val2017/000000000001.jpg lies at data/images/000000000001.jpg",
        "broken     data/images/val2017/000000000003.jpg: not an image",
        "  1 missing, 1 misplaced, 1 broken",
    ]
    status, lines, _ = check(coco, "--decode", *KEYS)
    assert status == 1
    assert lines[4].startswith("broken     data/images/val2017/000000000002.jpg: damaged or truncated image")
    assert lines[-1] == "  1 missing, 1 misplaced, 2 broken"


def test_twenty_problems_are_shown_and_all_counted(coco):
    path = coco / "data/annotations/person_keypoints_val2017.json"
    content = json.loads(path.read_text())
    content["images"] = [content["images"][0] | {"id": n, "file_name": f"{n:012d}.jpg"} for n in range(40)]
    path.write_text(json.dumps(content))
    status, lines, _ = check(coco, *KEYS)
    assert status == 1
    assert sum(line.startswith("missing  ") for line in lines) == 20
    assert lines[-1] == "  34 missing, 0 misplaced, 0 broken"


def test_images_in_an_archive(coco):
    shutil.make_archive(str(coco / "data/images/val2017"), "zip", coco / "data/images/val2017")
    shutil.rmtree(coco / "data/images/val2017")
    assert check(coco, *KEYS)[0] == 1
    assert check(coco, *KEYS, "DATASET.DATA_FORMAT", "zip")[0] == 0


def test_videos(tmp_path):
    for name in ("a_video", "b_video"):
        make_video(tmp_path / "data", name, num_frames=3, people=2)
    write_experiment(tmp_path, Path("data"))
    keys = ["DATASET.TRAIN_SET", "none"]
    status, lines, _ = check(tmp_path, *keys)
    assert status == 0
    assert lines[1].startswith("data/annotations/val: 6 images, 12 people, ")
    frames = tmp_path / "data/images/val/a_video"
    (frames / "000001.jpg").unlink()
    (frames / "000002.jpg").rename(frames / "2.jpg")  # another padding: it is found
    (tmp_path / "data/elsewhere").mkdir()
    (tmp_path / "data/images/val/b_video").rename(tmp_path / "data/elsewhere/b_video")
    status, lines, _ = check(tmp_path, *keys)
    assert status == 1
    assert lines[2] == "missing    data/images/val/a_video/000001.jpg"
    assert lines[3] == "misplaced  data/images/val/b_video/000000.jpg lies at data/elsewhere/b_video/000000.jpg"
    assert lines[-1] == "  1 missing, 3 misplaced, 0 broken"


def test_bad_input(coco):
    for keys, message in (
        (["DATASET.DATASET", "cocoa"], "DATASET.DATASET is 'cocoa'"),
        (["DATASET.ROOT", "nowhere"], "nowhere/annotations/person_keypoints_train2017.json: no such file"),
    ):
        status, _, error = check(coco, *KEYS, *keys)
        assert status == 2
        assert error.startswith(f"error: {message}")
        assert len(error.splitlines()) == 1
    (coco / "data/annotations/person_keypoints_val2017.json").write_text("{")
    status, _, error = check(coco, *KEYS)
    assert (status, len(error.splitlines())) == (2, 1)
