"""PoseMark's files, as poseinterface's documentation has them."""

import json

import numpy as np
import pytest

from lib.formats.labels import posemark
from lib.formats.labels.frames import Frame
from lib.formats.labels.model import checked_labels
from lib.formats.labels.registry import check_written, find_format, read_any_labels, write_any_labels
from lib.utils.errors import InputError

SESSION = "sub-M708149_ses-20200317_cam-topdown"
CLIP = f"{SESSION}_start-1000_dur-3"


def store(path, names, ids, labeled):
    size = {"width": 1300, "height": 1028}
    images = [{"id": id, "file_name": name, **size} for id, name in zip(ids, names, strict=True)]
    person = {"category_id": 1, "num_keypoints": 2, "bbox": [3, 4, 2, 2], "area": 4, "iscrowd": 0}
    people = [
        person | {"id": number, "image_id": id, "keypoints": [3, 4, 2, 5, 6, 1]}
        for number, id in enumerate(labeled, start=1)
    ]
    categories = [{"id": 1, "name": "mouse", "keypoints": ["snout", "tailbase"], "skeleton": []}]
    path.write_text(json.dumps({"images": images, "annotations": people, "categories": categories}))
    return path


def test_frame_labels(tmp_path):
    numbers = [1000, 19800]
    names = [f"{SESSION}_frame-{number:05}.png" for number in numbers]
    path = store(tmp_path / f"{SESSION}_framelabels.json", names, numbers, numbers)
    assert find_format(path) == "posemark"
    labels = read_any_labels(path)
    assert labels.frames == (
        Frame(f"{SESSION}.mp4", 1000, names[0], 1300, 1028),
        Frame(f"{SESSION}.mp4", 19800, names[1], 1300, 1028),
    )
    assert labels.visibility.tolist() == [[2, 1], [2, 1]]
    assert (labels.category, labels.track.tolist()) == ("mouse", [0, 0])
    assert write_any_labels(tmp_path / f"new/{SESSION}_framelabels.json", labels) == []
    again = json.loads((tmp_path / f"new/{SESSION}_framelabels.json").read_text())
    first = json.loads(path.read_text())
    assert again["images"] == first["images"]
    assert again["categories"] == first["categories"]
    assert [one["image_id"] for one in again["annotations"]] == numbers
    assert "videos" not in again


def test_clip_labels_are_frames_of_the_clip(tmp_path):
    names = [f"{SESSION}_frame-{number}" for number in (1000, 1001, 1002)]
    path = store(tmp_path / f"{CLIP}_cliplabels.json", names, range(3), [0, 1, 2])
    labels = read_any_labels(path)
    assert labels.frames == tuple(Frame(f"{CLIP}.mp4", number, "", 1300, 1028) for number in range(3))
    assert write_any_labels(tmp_path / f"new/{CLIP}_cliplabels.json", labels) == []
    again = json.loads((tmp_path / f"new/{CLIP}_cliplabels.json").read_text())
    assert again["images"] == json.loads(path.read_text())["images"]
    path.rename(tmp_path / "renamed.json")  # then the names of the images alone tell the frames
    labels = read_any_labels(tmp_path / "renamed.json")
    assert labels.frames[1] == Frame(f"{SESSION}.mp4", 1001, "", 1300, 1028)


def labels_of(frames, people=None, **changes):
    people = range(len(frames)) if people is None else people
    return checked_labels("x", ["snout"], frames, people, [[[1, 2]]] * len(people), **changes)


def test_a_clip_lists_all_of_its_frames(tmp_path):
    frames = [Frame(f"{SESSION}.mp4", number, f"img{number}.png", 64, 48) for number in (1002, 1000)]
    lines = posemark.write(tmp_path / f"{CLIP}_cliplabels.json", labels_of(frames, scores=np.array([[np.nan], [0.5]])))
    assert lines == ["2 file names of frames: only their numbers are written", f"the video's name, {SESSION}.mp4"]
    content = json.loads((tmp_path / f"{CLIP}_cliplabels.json").read_text())
    assert [(image["id"], image["file_name"]) for image in content["images"]] == [
        (number, f"{SESSION}_frame-{1000 + number}") for number in range(3)
    ]
    assert [(one["image_id"], one.get("scores")) for one in content["annotations"]] == [(2, None), (0, [0.5])]
    first = labels_of([Frame("other.mp4", 0)])
    assert posemark.write(tmp_path / f"{CLIP}_startlabels.json", first) == ["the video's name, other.mp4"]
    assert read_any_labels(tmp_path / f"{CLIP}_startlabels.json").frames == (Frame(f"{CLIP}.mp4", 0),)


def test_images_of_other_names_are_told(tmp_path):
    lines = posemark.write(tmp_path / f"{SESSION}_framelabels.json", labels_of([Frame("", 7, "a/img7.JPG")]))
    assert lines == ["image names of 1 frames: save them under the names in the file"]
    (frame,) = read_any_labels(tmp_path / f"{SESSION}_framelabels.json").frames
    assert frame.file_name == f"{SESSION}_frame-0007.jpg"


@pytest.mark.parametrize(
    ("name", "frames", "people", "fault"),
    [
        ("labels.json", [Frame("a", 1)], [0], "PoseMark's files are named sub-<subject>"),
        ("sub-a_b_ses-1_cam-2_framelabels.json", [Frame("a", 1)], [0], "PoseMark's files are named"),
        (f"{SESSION}_cliplabels.json", [Frame("a", 1)], [0], "PoseMark's files are named"),
        (f"{CLIP}_framelabels.json", [Frame("a", 1)], [0], "PoseMark's files are named"),
        (f"{SESSION}_framelabels.json", [Frame("a", 1), Frame("b", 1)], [0, 1], "holds one video"),
        (f"{SESSION}_framelabels.json", [Frame("a", 1)], [0, 0], "holds one individual; write COCO's format"),
        (f"{SESSION}_framelabels.json", [Frame("", -1, "a.png")], [0], "some have no number"),
        (f"{CLIP}_cliplabels.json", [Frame("a", 3)], [0], "frame a#3 is not one of the 3 frames"),
        (f"{CLIP}_cliplabels.json", [Frame(f"{SESSION}.mp4", 3)], [0], "mp4#3 is not one of the 3 frames"),
        (f"{CLIP}_startlabels.json", [Frame("a", 1)], [0], "frame a#1 is not one of the 1 frames"),
        (f"{SESSION}_start-0_dur-9999999_cliplabels.json", [Frame("a", 1)], [0], "clips of up to 1000000 frames"),
    ],
)
def test_labels_that_cannot_be_written(tmp_path, name, frames, people, fault):
    with pytest.raises(InputError, match=fault):
        posemark.write(tmp_path / name, labels_of(frames, people))
    assert list(tmp_path.iterdir()) == []


def test_names_are_checked_before_a_run(tmp_path):
    with pytest.raises(InputError, match="PoseMark's files are named"):
        check_written(tmp_path / "mouse_framelabels.json")
    assert check_written(tmp_path / f"{SESSION}_framelabels.json") == "posemark"


def test_images_that_are_named_otherwise(tmp_path):
    path = store(tmp_path / f"{SESSION}_framelabels.json", [f"{SESSION}_frame-1.png", "img2.png"], [1, 2], [1, 2])
    with pytest.raises(InputError, match=r"images\[1\]: img2.png is not sub-…_ses-…_cam-…_frame-<number>"):
        read_any_labels(path)
