"""YOLO-pose data sets as Ultralytics documents them, and what is refused."""

import numpy as np
import pytest
import yaml
from PIL import Image

from lib.formats.labels import yolo, yolo_writer
from lib.formats.labels.frames import Frame
from lib.formats.labels.model import checked_labels, with_size
from lib.formats.labels.registry import check_written, find_format, read_any_labels
from lib.utils.errors import InputError

NAN = float("nan")

# As in docs.ultralytics.com/datasets/pose: the YAML file is beside the data set's folder or in it.
DATA = """\
path: set # dataset root dir
train: images/train # train images (relative to 'path') 4 images
val: images/val # val images (relative to 'path') 4 images
test: # test images (optional)

# Keypoints
kpt_shape: [3, 3] # number of keypoints, number of dims (2 for x,y or 3 for x,y,visible)
flip_idx: [0, 2, 1]

names:
  0: person
  1: dog

kpt_names:
  0:
    - nose
    - left_eye
    - right_eye
"""


@pytest.fixture
def data_set(tmp_path):
    """An image of two people, one without labels, and one of validation."""
    for name, size in (("train/a1.jpg", (100, 50)), ("train/a2.jpg", (100, 50)), ("val/b.png", (10, 20))):
        (tmp_path / "set/images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size).save(tmp_path / "set/images" / name)
    for name, text in (
        ("train/a1.txt", "0 0.5 0.5 0.2 0.4 0.45 0.4 2 0.55 0.6 1 0 0 0\n0 0.1 0.2 0.1 0.2 0.1 0.2 2 0 0 0 0 0 0\n"),
        ("val/b.txt", "0 0.5 0.5 1 1 0 0.5 2 0.25 0.25 2 1 1 2"),
    ):
        (tmp_path / "set/labels" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set/labels" / name).write_text(text)
    (tmp_path / "coco8-pose.yaml").write_text(DATA)
    return tmp_path


def test_the_documented_example(data_set):
    assert find_format(data_set) == find_format(data_set / "coco8-pose.yaml") == "yolo"
    labels = read_any_labels(data_set)
    assert labels.names == ("nose", "left_eye", "right_eye")
    assert labels.category == "person"
    assert labels.frames == (
        Frame("", 1, "images/train/a1.jpg", 100, 50),
        Frame("", 2, "images/train/a2.jpg", 100, 50),
        Frame("", -1, "images/val/b.png", 10, 20),
    )
    assert labels.frame.tolist() == [0, 0, 2]
    np.testing.assert_allclose(labels.joints[0], [[45, 20], [55, 30], [NAN, NAN]])
    assert labels.visibility.tolist() == [[2, 1, 0], [2, 0, 0], [2, 2, 2]]
    np.testing.assert_allclose(labels.boxes[:2], [[40, 15, 20, 20], [5, 5, 10, 10]])
    assert labels.track.tolist() == [-1, -1, -1]


def test_two_numbers_a_joint_and_no_names(data_set):
    text = DATA.replace("[3, 3]", "[3, 2]").partition("kpt_names")[0]
    (data_set / "coco8-pose.yaml").write_text(text.replace("val: images/val", "val: []"))
    (data_set / "set/labels/train/a1.txt").write_text("1 0.5 0.5 0.2 0.4 0.45 0.4 0.55 0.6 0 0\n")
    labels = read_any_labels(data_set)
    assert (labels.names, labels.category) == (("0", "1", "2"), "dog")
    assert labels.visibility.tolist() == [[2, 2, 0]]


def test_folders_as_roboflow_writes_them(data_set):
    root = data_set / "set"
    for split in ("train", "val"):
        for kind in ("images", "labels"):
            (root / split).mkdir(exist_ok=True)
            (root / kind / split).rename(root / split / kind)
    text = DATA.replace("path: set", "path: /gone").replace("images/train", "../train/images")
    (root / "data.yaml").write_text(text.replace("images/val", "../val/images"))
    labels = read_any_labels(root)
    assert [frame.file_name for frame in labels.frames][::2] == ["train/images/a1.jpg", "val/images/b.png"]
    assert labels.labeled.sum() == 6


def test_images_that_a_text_file_lists(data_set):
    (data_set / "set/train.txt").write_text("./images/train/a1.jpg\nimages/val/b.png\n")
    text = DATA.replace("train: images/train", "train: train.txt").replace("val: images/val", "val:")
    (data_set / "coco8-pose.yaml").write_text(text)
    assert read_any_labels(data_set).frame.tolist() == [0, 0, 1]


def test_the_size_is_that_after_exifs_rotation(data_set):
    image = Image.new("RGB", (50, 100))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(data_set / "set/images/train/a1.jpg", exif=exif)
    assert read_any_labels(data_set).joints[0, 0].tolist() == [45, 20]


def small(**changes):
    frames = [Frame("cage.mp4", 3, "", 64, 48), Frame("cage.mp4", 12, "", 64, 48), Frame("cage.mp4", 20, "", 64, 48)]
    joints = [[[32, 12], [16, 24]], [[64, 48], [-1, 2]]]
    return checked_labels("x", ["left_ear", "right_ear"], frames, [0, 1], joints, **changes)


def test_what_is_written(tmp_path):
    lines = yolo_writer.write(tmp_path / "data.yaml", small(scores=np.array([[0.5, 1], [NAN, NAN]]), edges=[(0, 1)]))
    config = yaml.safe_load((tmp_path / "data.yaml").read_text())
    assert {key: value for key, value in config.items() if key != "labels_sha256"} == {
        "train": "images/train",
        "val": "images/train",
        "kpt_shape": [2, 3],
        "flip_idx": [1, 0],
        "names": {0: "individual"},
        "kpt_names": {0: ["left_ear", "right_ear"]},
        "image_size": [64, 48],
    }
    text = "0 0.375 0.375 0.25 0.25 0.5 0.25 2 0.25 0.5 2\n"
    assert (tmp_path / "labels/train/cage/img000003.txt").read_text() == text
    assert (tmp_path / "labels/train/cage/img000012.txt").read_text().endswith(" 1.0 1.0 2 0 0 0\n")
    assert lines == [
        "1 joints outside their image",
        "image files of 2 frames: extract them, under the names in the file",
        "2 frames whose image names give another number or video",
        "1 edges of the skeleton",
        "2 scores: their joints look like those that a person set",
        "1 frames without labels",
    ]
    labels = read_any_labels(tmp_path)
    assert labels.frames[1] == Frame("cage", 12, "images/train/cage/img000012.png", 64, 48)
    np.testing.assert_array_equal(labels.joints, [[[32, 12], [16, 24]], [[64, 48], [NAN, NAN]]])


def test_no_image_leads_out_of_the_data_set(tmp_path):
    frames = [Frame("", 1, "../../a1.png", 9, 9), Frame("", 2, "/b/2.png", 9, 9), Frame("", 3, "C:\\c\\3.png", 9, 9)]
    yolo_writer.write(tmp_path / "data.yaml", checked_labels("x", ["a"], frames, range(3), [[1, 1]] * 3))
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.txt"))
    assert found == [f"labels/train/{name}.txt" for name in ("a1", "b/2", "c/3")]


def test_labels_that_cannot_be_written(tmp_path):
    unsized = checked_labels("x", ["a"], [Frame("cage.mp4", 3)], [0], [1, 2])
    with pytest.raises(InputError, match=r"the size of frame cage.mp4#3 is unknown; convert with --size"):
        yolo_writer.write(tmp_path / "data.yaml", unsized)
    twins = [Frame("", 1, "a/1.png"), Frame("", 1, "a/1.jpg")]
    with pytest.raises(InputError, match="two frames would have the same labels"):
        yolo_writer.write(
            tmp_path / "data.yaml", with_size(checked_labels("x", ["a"], twins, [0, 1], [1, 2, 3, 4]), 9, 9)
        )
    assert list(tmp_path.iterdir()) == []


def test_only_labels_as_they_were_written_are_replaced(tmp_path):
    with pytest.raises(InputError, match="give the YAML file another name"):
        check_written(tmp_path / "labels.yaml")
    (tmp_path / "labels/train").mkdir(parents=True)
    with pytest.raises(InputError, match="labels exists, and was changed or not written with"):
        check_written(tmp_path / "data.yaml")
    (tmp_path / "labels/train").rmdir()
    (tmp_path / "labels").rmdir()
    yolo_writer.write(tmp_path / "data.yaml", small())
    (tmp_path / "labels/train.cache").touch()  # of Ultralytics
    yolo_writer.write(tmp_path / "data.yaml", small())
    (tmp_path / "labels/train/mine.txt").touch()
    with pytest.raises(InputError, match="labels exists"):
        yolo_writer.write(tmp_path / "data.yaml", small())
    assert (tmp_path / "labels/train/mine.txt").exists()


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("coco8-pose.yaml", "[3, 3]", "[3]", "kpt_shape must be the number of joints and 2 or 3"),
        ("coco8-pose.yaml", "[3, 3]", "[3, 4]", "kpt_shape must be"),
        ("coco8-pose.yaml", "[3, 3]", "[4, 3]", "kpt_names must list the names of 4 joints"),
        ("coco8-pose.yaml", "left_eye", "nose", "kpt_names must contain unique names"),
        ("coco8-pose.yaml", "images/train", "images/gone", "neither .*images/gone nor .*labels/gone is a folder"),
        ("coco8-pose.yaml", "images/train", "../../images", "is outside"),
        ("coco8-pose.yaml", "images/train", "gone.txt", "gone.txt: No such file"),
        ("set/labels/val/b.txt", "0 0.5", "0 0.5 0.5", "b.txt: line 1: expected a class and 13 numbers, not 15 values"),
        ("set/labels/val/b.txt", "0 0.5", "zero 0.5", "b.txt: line 1: expected a class"),
        ("set/labels/val/b.txt", "0 0.5", "0 nan", "b.txt: line 1: expected a class"),
        ("set/labels/val/b.txt", "0 0.5", "0.5 0.5", "b.txt: line 1: expected a class"),
    ],
)
def test_data_sets_that_cannot_be_read(data_set, file, old, new, fault):
    text = (data_set / file).read_text()
    assert old in text
    (data_set / file).write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=fault) as error:
        yolo.read(data_set / "coco8-pose.yaml")
    assert "\n" not in str(error.value)


def test_images_that_are_missing_or_damaged(data_set):
    (data_set / "set/images/train/a1.jpg").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"a1.jpg: not an image"):
        read_any_labels(data_set)
    (data_set / "set/images/train/a1.jpg").unlink()
    with pytest.raises(InputError, match=r"a1.png is missing; labels are shares of its width and height"):
        read_any_labels(data_set)
    (data_set / "set/labels/train/a1.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"a1.txt: not a text file"):
        read_any_labels(data_set)
