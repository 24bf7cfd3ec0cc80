"""NWB files of ndx-pose: as pynwb and sleap-io write them, and made by hand as other versions have them."""

import logging
from pathlib import Path

import h5py
import numpy as np
import pytest

from lib.formats.labels import nwb, nwb_writer, registry
from lib.formats.labels.frames import Frame
from lib.formats.labels.model import checked_labels
from lib.formats.labels.registry import find_format, read_any_labels, write_any_labels
from lib.utils.errors import InputError

GOLDEN = Path(__file__).parents[2] / "golden/labels"
NAN = float("nan")


def group(parent, name, kind):
    made = parent.create_group(name)
    made.attrs["neurodata_type"] = kind
    return made


def add_series(estimate, name, data, **columns):
    series = group(estimate, name, "PoseEstimationSeries")
    series["data"] = np.array(data, dtype=np.float32)
    for key, values in columns.items():
        series[key] = values
    return series


def add_rate(node, start, rate):
    node["starting_time"] = start
    node["starting_time"].attrs["rate"] = rate


@pytest.fixture
def made(tmp_path):
    """A file of ndx-pose 0.1: nodes and edges are in the estimate, the video is a name, the tail has no confidence."""
    path = tmp_path / "a.nwb"
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.5.0"
        estimate = group(file, "processing/behavior/PoseEstimationDeepLabCut", "PoseEstimation")
        estimate["nodes"], estimate["edges"] = ["nose", "tail"], np.array([[0, 1]], dtype=np.uint8)
        estimate["original_videos"] = ["cage.avi"]
        nose = add_series(estimate, "nose", [[1, 2], [3, 4]], confidence=[0.25, 0.5])
        add_rate(nose, 2.0, 30.0)
        tail = add_series(estimate, "tail", [[NAN, NAN], [7, 8]])
        add_rate(tail, 2.0, 30.0)
    return path


def test_estimates_with_a_rate(made):
    assert find_format(made) == "nwb"
    labels = read_any_labels(made)
    assert (labels.names, labels.edges) == (("nose", "tail"), ((0, 1),))
    assert labels.frames == (Frame("cage.avi", 60), Frame("cage.avi", 61))
    np.testing.assert_array_equal(labels.joints, [[[1, 2], [NAN, NAN]], [[3, 4], [7, 8]]])
    np.testing.assert_array_equal(labels.scores, [[0.25, NAN], [0.5, 1]])
    assert (labels.track.tolist(), dict(labels.track_names)) == ([0, 0], {})


@pytest.mark.parametrize("timed", ["rate", "timestamps"])
def test_times_are_those_of_the_source_video(made, timed):
    with h5py.File(made, "r+") as file:
        video = group(file, "acquisition/video", "ImageSeries")
        video["external_file"] = ["one.mp4", "two.mp4"]
        video["external_file"].attrs["starting_frame"] = [0, 5]
        video["dimension"] = [64, 48]
        if timed == "rate":
            add_rate(video, 100.0, 10.0)
        else:
            video["timestamps"] = 100 + 0.1 * np.arange(9)
        estimate = file["processing/behavior/PoseEstimationDeepLabCut"]
        estimate["source_video"] = h5py.SoftLink("/acquisition/video")
        for name in ("nose", "tail"):
            del estimate[name]["starting_time"]
            estimate[name]["timestamps"] = [100.301, 100.698]
    assert read_any_labels(made).frames == (Frame("one.mp4", 3, "", 64, 48), Frame("two.mp4", 2, "", 64, 48))


def test_times_without_a_rate(made, caplog):
    with h5py.File(made, "r+") as file:
        estimate = file["processing/behavior/PoseEstimationDeepLabCut"]
        for name, times in (("nose", [4.0, 9.0]), ("tail", [9.0, 11.0])):
            del estimate[name]["starting_time"]
            estimate[name]["timestamps"] = times
    labels = read_any_labels(made)
    assert [frame.number for frame in labels.frames] == [4, 9, 11]
    np.testing.assert_array_equal(labels.labeled, [[True, False], [True, False], [False, True]])
    with h5py.File(made, "r+") as file:
        file["processing/behavior/PoseEstimationDeepLabCut/nose/timestamps"][...] = [0.04, 0.09]
    with caplog.at_level(logging.WARNING):
        assert [frame.number for frame in read_any_labels(made).frames] == [0, 1, 3]
    assert any("has no frame rate" in line for line in caplog.messages)


def mixed(images=False):
    """Two mice and a third without a track; the nose of one is a person's, and hidden."""
    frames = [Frame("cage.mp4", 3, "", 64, 48), Frame("cage.mp4", 900, "", 64, 48)]
    if images:
        frames = [Frame("a", 3, "a/3.png"), Frame("a", 900, "a/900.png")]
    joints = [[[1, 2], [3, 4]], [[5.25, 6], [7, 8]], [[9, 10], [NAN, NAN]], [[1, 1], [2, 2]]]
    scores = np.array([[NAN, 0.5], [0.25, 0.75], [NAN, NAN], [NAN, NAN]])
    visibility = np.array([[1, 2], [2, 2], [2, 0], [2, 2]])
    return checked_labels(
        "x", ["nose", "tail"], frames, [0, 0, 1, 1], joints, visibility=visibility, scores=scores, track=[0, 1, 0, -1],
        edges=[(0, 1)], track_names={0: "alice", 1: "bob"},
    )  # fmt: skip


@pytest.mark.parametrize("images", [False, True])
def test_who_set_each_joint_is_kept(tmp_path, images):
    pytest.importorskip("ndx_pose")
    labels = mixed(images)
    assert write_any_labels(tmp_path / "a.nwb", labels) == []
    again = read_any_labels(tmp_path / "a.nwb")
    assert (again.names, again.edges, again.frames) == (labels.names, labels.edges, labels.frames)
    assert dict(again.track_names) == {0: "alice", 1: "bob"}
    assert again.track.tolist() == labels.track.tolist()
    for name in ("joints", "visibility", "scores"):
        np.testing.assert_array_equal(getattr(again, name), getattr(labels, name))


def test_pynwb_finds_a_written_file_valid(tmp_path):
    pynwb = pytest.importorskip("pynwb")
    pytest.importorskip("ndx_pose")
    nwb_writer.write(tmp_path / "a.nwb", mixed())
    assert not pynwb.validate(path=str(tmp_path / "a.nwb"))
    with pynwb.NWBHDF5IO(str(tmp_path / "a.nwb"), "r") as file:
        session = file.read()
        estimates = session.processing["pose_estimation"]
        assert [*estimates.data_interfaces] == ["alice", "bob"]
        tail = estimates["alice"]["tail"]
        assert (tail.timestamps[()].tolist(), tail.confidence[0]) == ([3, 900], 0.5)
        np.testing.assert_array_equal(estimates["alice"]["nose"].confidence, [1, 1])
        frames = session.processing["behavior"]["PoseTraining"].training_frames.training_frames
        assert {*frames} == {"frame_3", "frame_900"}
        assert frames["frame_900"].source_video_frame_index == 900
        assert frames["frame_900"].source_video.external_file[:].tolist() == ["cage.mp4"]
        (alice,) = frames["frame_3"].skeleton_instances.skeleton_instances.values()
        assert (alice.name, alice.node_visibility[:].tolist()) == ("alice", [False, False])


def test_what_sleap_io_writes():
    """sleap-io 0.9.5 wrote the files; the specifications that pynwb puts into each were taken out."""
    labels = read_any_labels(GOLDEN / "sleap_io_estimates.nwb")
    assert labels.frames == tuple(Frame("cage.mp4", number) for number in range(3))
    assert (labels.names, labels.edges) == (("nose", "tail"), ((0, 1),))
    assert dict(labels.track_names) == {0: "alice", 1: "bob"}
    assert labels.joints[:, 0, 0].tolist() == [0, 0, 1, 1, 2, 2]
    assert labels.scores[0].tolist() == [0.5, 0.25]
    labels = read_any_labels(GOLDEN / "sleap_io_training.nwb")
    assert labels.frames == (Frame("", 7, "img7.png", 64, 48),)
    assert labels.track.tolist() == [-1, -1]  # the ids are places in the frame
    np.testing.assert_array_equal(labels.joints, [[[1, 2], [NAN, NAN]], [[6, 7], [NAN, NAN]]])
    assert np.isnan(labels.scores).all()


def test_what_is_lost_is_told(tmp_path):
    pytest.importorskip("ndx_pose")
    frames = [Frame("", 1), Frame("", 2)]
    labels = checked_labels(
        "x", ["a/b"], frames, [0, 0, 0], [[[1, 2]]] * 3, scores=np.array([[0.5], [0.5], [NAN]]), track=[7, -1, -1],
        visibility=np.array([[1], [2], [2]]), track_names={7: "x:y"}, boxes=np.ones((3, 4)),
    )  # fmt: skip
    assert nwb_writer.write(tmp_path / "a.nwb", labels) == [
        "1 poses without a track: they become individuals",
        "1 hidden joints that a program set: they become visible",
        "1 names of individuals with / or :, which become _",
        "3 boxes",
        "1 frames without labels",
    ]
    again = nwb.read(tmp_path / "a.nwb")
    assert again.names == ("a/b",)
    assert sorted(again.track_names.values()) == ["x_y"]


@pytest.mark.parametrize(
    ("frames", "names", "fault"),
    [
        ([Frame("a", 1), Frame("b", 1)], ["n"], "holds one video"),
        ([Frame("a", 1), Frame("a", 2, "a/2.png")], ["n"], "some frames are images"),
        ([Frame("a", 1), Frame("a", 2)], ["a/b", "a:b"], "the joints 'a/b' and 'a:b' would have the same name, 'a_b'"),
    ],
)
def test_labels_that_a_file_cannot_hold(tmp_path, frames, names, fault):
    with pytest.raises(InputError, match=fault):
        nwb_writer.write(tmp_path / "a.nwb", checked_labels("x", names, frames, [0, 1], np.ones((2, len(names), 2))))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"a.nwb: to write the format nwb, install .*: pip install pynwb ndx-pose$"):
        registry.check_written(tmp_path / "a.nwb")
    monkeypatch.setattr(registry, "find_spec", lambda name: name != "ndx_pose" or None)
    with pytest.raises(InputError, match=r"pip install ndx-pose$"):
        write_any_labels(tmp_path / "a.nwb", mixed())
    assert list(tmp_path.iterdir()) == []


def damage(file, fault):
    estimate = file["processing/behavior/PoseEstimationDeepLabCut"]
    if fault == "version":
        del file.attrs["nwb_version"]
    elif fault == "poses":
        estimate.attrs["neurodata_type"] = "Other"
    elif fault == "dimensions":
        del estimate["nose"]["data"]
        estimate["nose"]["data"] = np.zeros((2, 3))
    elif fault == "nodes":
        other = group(file, "processing/behavior/PoseEstimationOther", "PoseEstimation")
        other["nodes"] = ["nose", "ear"]
    elif fault == "external":
        estimate["source_video"] = h5py.ExternalLink("/etc/other.h5", "video")
    elif fault == "dangling":
        estimate["source_video"] = h5py.SoftLink("/nothing")
    elif fault == "rate":
        del estimate["nose"]["starting_time"].attrs["rate"]
    elif fault == "length":
        del estimate["nose"]["confidence"]
        estimate["nose"]["confidence"] = [0.5]
    elif fault == "infinite":
        estimate["nose"]["data"][0] = np.inf


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("version", "not an NWB file"),
        ("poses", r"it has no poses of ndx-pose \(PoseEstimation or PoseTraining\)"),
        ("dimensions", "PoseEstimationDeepLabCut/nose: only poses in two dimensions"),
        ("nodes", "its skeletons have different nodes"),
        ("external", "source_video leads elsewhere"),
        ("dangling", "a damaged one"),
        ("rate", "a damaged one"),
        ("length", "a damaged one"),
        ("infinite", "not a finite number"),
    ],
)
def test_files_that_cannot_be_used(made, fault, message):
    with h5py.File(made, "r+") as file:
        damage(file, fault)
    with pytest.raises(InputError, match=message) as error:
        nwb.read(made)
    assert "\n" not in str(error.value)


def test_truncated_files(made):
    content = made.read_bytes()
    for size in (0, 50, len(content) // 2):
        made.write_bytes(content[:size])
        with pytest.raises(InputError, match="not an HDF5 file, or a truncated one"):
            nwb.read(made)
