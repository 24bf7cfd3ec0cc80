"""Formats are found by content and ending, and labels go through all of them."""

import json
import os
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import loadmat

from lib.formats.coco import labeled_images
from lib.formats.labels import coco
from lib.formats.labels.frames import Frame
from lib.formats.labels.model import checked_labels
from lib.formats.labels.registry import FORMATS, find_format, read_any_labels, write_any_labels
from lib.formats.video_annotations import KEYPOINT_NAMES
from lib.utils.errors import InputError

GOLDEN = Path(__file__).parents[2] / "golden"
FOLDER = os.environ.get("POSEWARPER_TEST_DATA", "")
real = pytest.mark.skipif(not FOLDER, reason="POSEWARPER_TEST_DATA is not set")
NAN = float("nan")


def small(**changes):
    frames = [Frame("v", number, f"labeled-data/v/img{number:03}.png") for number in (3, 7, 40)]
    joints = [[1, 2, 5, 8.25], [3, 4, NAN, NAN], [1 / 3, 9, 0.1, 2]]
    return checked_labels("x", ["nose", "left_ear"], frames, [0, 1, 2], joints, **changes)


@pytest.mark.parametrize(
    "name",
    ["a.json", "a.csv", "CollectedData_me.csv", "vDLC_x.csv", "a.h5", "a.hdf5", "a.xml", "a.XML", "posetrack18:a.json"],
)
def test_a_file_is_recognised_whatever_it_is_called(tmp_path, name):
    format, _, name = name.rpartition(":")
    write_any_labels(tmp_path / name, small(), format or None)
    os.rename(tmp_path / name, tmp_path / "file.txt")
    labels = read_any_labels(tmp_path / "file.txt")
    known = [labels.names.index(name) for name in ("nose", "left_ear") if name in labels.names]
    joints = labels.joints[:, known]
    joints[:, 1][~labels.labeled[:, known][:, 1]] = np.nan
    expected = small().joints.copy()
    if format:  # PoseTrack has ears and never labels them
        expected[:, 1] = np.nan
    np.testing.assert_array_equal(joints, expected)
    assert [frame.number for frame in labels.frames] == [3, 7, 40]


def test_slp_mat_and_the_form_of_2017():
    assert read_any_labels(GOLDEN / "labels/two_videos.slp").names[0] == "tail"
    (path, *_) = sorted((GOLDEN / "poseval/small/gt").iterdir())
    assert read_any_labels(path).names == KEYPOINT_NAMES


def test_nothing_is_written_under_an_ending_that_is_read_alone(tmp_path):
    with pytest.raises(InputError, match=r"out\.mat: unknown format of labels"):
        write_any_labels(tmp_path / "out.mat", small())
    assert not list(tmp_path.iterdir())


def test_a_category_without_joints_before_posetracks(tmp_path):
    write_any_labels(tmp_path / "a.json", small(), "posetrack18")
    content = json.loads((tmp_path / "a.json").read_text())
    content["categories"].insert(0, {"id": 0, "name": "people"})
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert find_format(tmp_path / "a.json") == "posetrack18"
    assert read_any_labels(tmp_path / "a.json").names == KEYPOINT_NAMES


def test_what_is_written_to_a_csv_file_depends_on_its_name(tmp_path):
    for name, start in (("a.csv", "frame"), ("CollectedData_me.csv", "scorer"), ("vDLC_x.csv", "scorer")):
        write_any_labels(tmp_path / name, small(scores=np.ones((3, 2))))
        assert (tmp_path / name).read_text().startswith(start)
    write_any_labels(tmp_path / "b.csv", small(), "deeplabcut")
    assert (tmp_path / "b.csv").read_text().startswith("scorer")


@pytest.mark.parametrize("content", ["", "  \n", "\ufeff"])
def test_empty_files(tmp_path, content):
    (tmp_path / "a.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.json: an empty file"):
        read_any_labels(tmp_path / "a.json")


def test_files_of_no_format(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("annotations.xml", "<annotations/>")
    with pytest.raises(InputError, match="an archive; unpack it"):
        read_any_labels(tmp_path / "a.zip")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["tracks"] = [1]
    with pytest.raises(InputError, match="pandas frames"):
        read_any_labels(tmp_path / "a.h5")
    (tmp_path / "a.json").write_text("[1, 2]")
    with pytest.raises(InputError, match="not a COCO-style file"):
        read_any_labels(tmp_path / "a.json")
    (tmp_path / "a.bin").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="CSV"):
        read_any_labels(tmp_path / "a.bin")


def test_formats_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match="no format of labels is named 'dlc'; choose from coco, cvat, deeplabcut, "):
        read_any_labels(GOLDEN / "labels/two_videos.slp", "dlc")
    with pytest.raises(InputError, match="unknown format"):
        write_any_labels(tmp_path / "a.txt", small())
    with pytest.raises(InputError, match="the format deeplabcut-project can be read but not written; choose from c"):
        write_any_labels(tmp_path / "a.yaml", small(), "deeplabcut-project")
    assert list(tmp_path.iterdir()) == []


CLIP = "sub-1_ses-2_cam-a"
FILES = {
    "coco": "labels.json",
    "csv": "labels.csv",
    "cvat": "labels.xml",
    "deeplabcut": "clipDLC_x.csv",
    "label-studio": "label_studio.json",
    "nwb": "labels.nwb",
    "posemark": f"{CLIP}_framelabels.json",
    "posetrack18": "posetrack.json",
    "sleap": "labels.slp",
    "yolo": "data.yaml",
}


def test_each_format_that_is_written_has_an_example():
    assert {*FILES} == {name for name, known in FORMATS.items() if known.write}


@pytest.mark.parametrize("format", FILES)
def test_who_set_what_is_kept_or_told(tmp_path, format):
    """A frame of a person's, one of both, and one of a program's; fed back, the program's joints are no labels."""
    if format == "nwb":
        pytest.importorskip("ndx_pose")
    frames = [Frame(f"{CLIP}.mp4", number, "", 64, 48) for number in range(3)]
    scores = np.array([[NAN, NAN], [NAN, 0.5], [0.25, 1]])
    labels = checked_labels("x", ["nose", "left_ankle"], frames, range(3), [[[8, 4], [16, 24]]] * 3, scores=scores)
    lost = write_any_labels(tmp_path / FILES[format], labels, format)
    told = [line for line in lost if "scores" in line]
    again = read_any_labels(tmp_path / FILES[format])
    assert find_format(tmp_path / FILES[format]) == format
    columns = [again.names.index(name) for name in labels.names]
    expected = np.full_like(scores, NAN) if told else scores
    np.testing.assert_allclose(again.scores[:, columns], expected, rtol=1e-15)
    assert told == (["3 scores: their joints look like those that a person set"] if format == "yolo" else [])
    content = coco.keep_manual_labels(coco.content_of(again), "labels")
    assert len(labeled_images(content)) == (3 if told else 2)


def everywhere(labels, folder):
    """The labels through the formats in turn that hold all digits; numbers and points are compared after each."""
    reference = labels
    for format in ("coco", "cvat", "deeplabcut", "csv", "sleap"):
        path = folder / f"CollectedData_me{Path(FORMATS[format].patterns[0]).suffix}"
        write_any_labels(path, labels, format)
        labels = read_any_labels(path)
        assert labels.names == reference.names
        assert [labels.frames[frame].number for frame in labels.frame] == [
            reference.frames[frame].number for frame in reference.frame
        ]
        np.testing.assert_array_equal(labels.joints, reference.joints)
        np.testing.assert_array_equal(labels.track, reference.track)


@real
def test_real_deeplabcut_labels_of_both_kinds_of_file(tmp_path):
    folder = Path(FOLDER, "dlc_reaching/labeled-data/reachingvideo1")
    text, table = (read_any_labels(folder / f"CollectedData_Mackenzie{ending}") for ending in (".csv", ".h5"))
    assert text.names == table.names == ("Hand", "Finger1", "Tongue", "Joystick1", "Joystick2")
    assert text.frames == table.frames
    assert len(text.frames) == 55
    np.testing.assert_array_equal(text.joints, table.joints)
    assert text.joints[0, 0].tolist() == [185.25173502386923, 610.3622760638572]
    assert text.frames[0] == Frame("reachingvideo1", 5, "labeled-data/reachingvideo1/img005.png")
    everywhere(text, tmp_path)


@real
def test_real_labels_of_lightning_pose(tmp_path):
    labels = read_any_labels(Path(FOLDER, "lightning_pose_mirror_mouse/CollectedData.csv"))
    assert labels.joints.shape == (90, 17, 2)
    assert labels.joints[0, 0].tolist() == [77.25, 36.25]
    assert labels.frames[0] == Frame("", 1, "labeled-data/img01.png")
    assert np.isnan(labels.joints[0, 4]).all()
    everywhere(labels, tmp_path)


@real
def test_a_real_sleap_project(tmp_path):
    folder = Path(FOLDER, "sleap_robot")
    labels = read_any_labels(folder / "small_robot_minimal.slp")
    derived = read_any_labels(folder / "derived/small_robot_coco.json")
    assert labels.names == ("A", "B") == derived.names
    assert [frame.number for frame in labels.frames] == [0, 79]
    assert [derived.frames[frame].number for frame in derived.frame] == [0, 79]
    np.testing.assert_allclose(labels.joints, derived.joints, atol=5.1e-4)
    everywhere(labels, tmp_path)


@real
def test_real_labels_of_penn_action(tmp_path):
    folder = Path(FOLDER, "penn_action_0001")
    labels = read_any_labels(folder / "derived/0001_coco.json")
    content = loadmat(folder / "labels/0001.mat")
    np.testing.assert_array_equal(labels.joints, np.stack([content["x"], content["y"]], axis=2))
    np.testing.assert_array_equal(labels.visibility, content["visibility"] + 1)
    everywhere(labels, tmp_path)


@real
def test_real_posetrack_files(tmp_path):
    paths = sorted(Path(FOLDER, "mini/posetrack18/annotations/val").glob("*.json"))
    assert len(paths) == 3
    for path in paths:
        labels = read_any_labels(path)
        content = json.loads(path.read_text())
        assert labels.labeled.sum() == sum(
            (np.array(person["keypoints"]).reshape(-1, 3)[:, 2] > 0).sum() for person in content["annotations"]
        )
        assert write_any_labels(tmp_path / path.name, labels, "posetrack18") == []
        np.testing.assert_array_equal(read_any_labels(tmp_path / path.name).joints, labels.joints)
