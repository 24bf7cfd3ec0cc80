"""SLEAP's project files: one that sleap-io 0.9.5 wrote, and what may be wrong with one.

tests/golden/labels/two_videos.slp has two videos, two tracks, a corrected prediction, one of a track that a person
labeled in the frame too, a point that is not visible, and a symmetry beside the edges.
"""

import json
import logging
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from label_cases import assert_same

from lib.formats.labels import sleap
from lib.formats.labels.frames import Frame
from lib.formats.labels.model import checked_labels
from lib.utils.errors import InputError

GOLDEN = Path(__file__).parents[2] / "golden/labels/two_videos.slp"
NAN = float("nan")
CAGE = "videos/cage one.mp4"


@pytest.fixture
def project(tmp_path):
    return Path(shutil.copy(GOLDEN, tmp_path))


def test_what_sleap_shows(caplog):
    with caplog.at_level(logging.WARNING):
        labels = sleap.read(GOLDEN)
    assert labels.names == ("tail", "nose", "left_ear", "right_ear")
    assert labels.edges == ((1, 2), (1, 3), (0, 1))
    assert labels.frames == (
        Frame(CAGE, 3, "", 64, 48),
        Frame(CAGE, 11, "", 64, 48),
        Frame("../../elsewhere/two.avi", 3),
    )
    assert dict(labels.track_names) == {0: "alice", 1: "bob"}
    assert labels.frame.tolist() == [0, 0, 1, 1, 2]
    assert labels.track.tolist() == [0, 1, 1, 0, -1]
    np.testing.assert_array_equal(labels.joints[0], [[1.5, 2.25], [3, 4], [NAN, NAN], [7, 8]])
    np.testing.assert_array_equal(labels.joints[1], [[10, 20], [30, 40], [NAN, NAN], [50, 47]])
    np.testing.assert_array_equal(labels.scores[1], [0.9, 0.8, NAN, 0.7])
    np.testing.assert_array_equal(labels.joints[3], [[1, 1], [NAN, NAN], [3, 3], [4, 4]])
    assert (~np.isnan(labels.scores)).any(axis=1).tolist() == [False, True, False, False, False]
    told = "\n".join(caplog.messages)
    assert f"its video is missing: {CAGE}" in told
    assert "two.avi" in told
    assert "invisible points, which count as not labeled: 1" in told


def test_a_video_that_is_there_is_not_told(project, caplog):
    (project.parent / "cage one.mp4").touch()
    sleap.read(project)
    assert "cage one" not in "\n".join(message for message in caplog.messages if "beside" in message)


def test_early_files_have_the_corner_as_origin(project):
    after = sleap.read(project).joints
    with h5py.File(project, "r+") as file:
        file["metadata"].attrs["format_id"] = 1.0
    np.testing.assert_array_equal(sleap.read(project).joints, after - 0.5)


def test_the_order_of_nodes_is_the_skeletons(project):
    with h5py.File(project, "r+") as file:
        metadata = json.loads(file["metadata"].attrs["json"])
        metadata["skeletons"][0]["nodes"] = [{"id": 3}, {"id": 1}, {"id": 0}, {"id": 2}]
        file["metadata"].attrs["json"] = np.bytes_(json.dumps(metadata))
    labels = sleap.read(project)
    assert labels.names == ("right_ear", "nose", "tail", "left_ear")
    assert labels.edges == ((1, 3), (1, 0), (2, 1))


def test_frames_in_the_file_itself_and_images(project):
    videos = [
        {"backend": {"filename": ".", "dataset": "video7/video", "shape": [2, 48, 64, 1]}},
        {"backend": {"filename": "a/img10.png", "filenames": [f"a\\img{10 * k}.png" for k in range(1, 6)]}},
    ]
    with h5py.File(project, "r+") as file:
        del file["videos_json"]
        file["videos_json"] = [json.dumps(video) for video in videos]
        group = file.create_group("video7/source_video")
        group.attrs["json"] = json.dumps({"filename": "C:\\cage.mp4"})
        frames = file["frames"][()]
        frames["video"] = [7, 7, 1]
        file["frames"][...] = frames
    frames = sleap.read(project).frames
    assert frames == (
        Frame("C:/cage.mp4", 3, "", 64, 48),
        Frame("C:/cage.mp4", 11, "", 64, 48),
        Frame("a", 40, "a/img40.png"),
    )


def damage(file, name):
    """One thing wrong with the file."""
    if name == "no metadata":
        del file["metadata"]
    elif name == "metadata":
        file["metadata"].attrs["json"] = "{"
    elif name == "skeletons":
        metadata = json.loads(file["metadata"].attrs["json"])
        other = json.loads(json.dumps(metadata["skeletons"][0]))
        other["nodes"].reverse()
        metadata["skeletons"].append(other)
        file["metadata"].attrs["json"] = np.bytes_(json.dumps(metadata))
        instances = file["instances"][()]
        instances["skeleton"][6] = 1
        file["instances"][...] = instances
    elif name == "twice":
        instances = file["instances"][()]
        instances["track"][5] = 1
        file["instances"][...] = instances
    elif name == "infinite":
        points = file["points"][()]
        points["x"][0] = np.inf
        file["points"][...] = points
    elif name == "empty":
        frames = file["frames"][()]
        frames["instance_id_end"] = frames["instance_id_start"]
        file["frames"][...] = frames
    elif name == "link":
        del file["points"]
        file["points"] = h5py.ExternalLink("/etc/other.h5", "points")
    elif name == "external":
        points = file["points"][()]
        del file["points"]
        file.create_dataset("points", points.shape, points.dtype, external=[("/etc/hostname", 0, points.nbytes)])
    elif name == "virtual":
        layout = h5py.VirtualLayout(file["points"].shape, file["points"].dtype)
        layout[...] = h5py.VirtualSource("/etc/other.h5", "points", layout.shape)
        del file["points"]
        file.create_virtual_dataset("points", layout)
    else:
        table, column, value = name
        content = file[table][()]
        content[column][0] = value
        file[table][...] = content


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no metadata", "not a SLEAP project"),
        ("metadata", "not a SLEAP file, or a damaged one"),
        ("skeletons", "skeletons with different nodes"),
        ("twice", "frame videos/cage one.mp4#11: bob appears 2 times"),
        ("infinite", "not a finite number"),
        ("empty", "no joint is labeled"),
        ("link", "points leads elsewhere"),
        ("external", "points is kept in another file"),
        ("virtual", "points is kept in another file"),
        (("frames", "instance_id_end", 99), "instances of a frame"),
        (("frames", "video", 5), "damaged"),
        (("instances", "skeleton", 4), "damaged"),
        (("instances", "track", 4), "damaged"),
        (("instances", "point_id_end", 3), "damaged"),
    ],
)
def test_damaged_projects(project, fault, message):
    with h5py.File(project, "r+") as file:
        damage(file, fault)
        if fault[0] == "instances":  # of the first instance, which is shown once nobody has corrected it
            content = file["instances"][()]
            content["from_predicted"], content["track"][1:] = -1, -1
            file["instances"][...] = content
    with pytest.raises(InputError, match=message) as error:
        sleap.read(project)
    assert "\n" not in str(error.value)


def test_truncated_projects(project):
    content = project.read_bytes()
    for size in (0, 50, len(content) // 2, len(content) - 2000):
        project.write_bytes(content[:size])
        with pytest.raises(InputError, match=r"not an HDF5 file, or a truncated one|SLEAP"):
            sleap.read(project)


def mixed(**changes):
    """Two mice in a frame, one set by a program but for its nose, and another frame; an image."""
    frames = [Frame("cage.mp4", 3, "", 64, 48), Frame("cage.mp4", 9, "", 64, 48), Frame("a", 7, "a/img7.png")]
    joints = [[[1, 2], [3, 4]], [[5.25, 6], [7, 8]], [[9, 10], [NAN, NAN]], [[1, 1], [2, 2]]]
    scores = [[NAN, 0.5], [0.25, 0.75], [NAN, NAN], [NAN, NAN]]
    track = [0, 1, 0, -1]
    return checked_labels("x", ["nose", "tail"], frames, [0, 0, 1, 2], joints, scores=scores, track=track, **changes)


def test_a_pose_of_a_person_and_a_program_corrects_a_prediction(tmp_path):
    labels = mixed(edges=[(0, 1)], track_names={0: "alice", 1: "bob"})
    assert sleap.write(tmp_path / "a.slp", labels) == []
    assert_same(sleap.read(tmp_path / "a.slp"), labels)
    with h5py.File(tmp_path / "a.slp", "r+") as file:
        instances, points = file["instances"][()], file["points"][()]
        assert instances["instance_type"].tolist() == [1, 0, 1, 0, 0]
        assert instances["from_predicted"].tolist() == [-1, 0, -1, -1, -1]
        points["x"][1] += 1  # the tail, moved by a person in SLEAP
        file["points"][...] = points
    assert np.isnan(sleap.read(tmp_path / "a.slp").scores[0]).all()


def test_a_corrected_prediction_of_sleaps_own_is_all_a_persons(tmp_path):
    sleap.write(tmp_path / "a.slp", mixed())
    with h5py.File(tmp_path / "a.slp", "r+") as file:
        metadata = json.loads(file["metadata"].attrs["json"])
        file["metadata"].attrs["json"] = np.bytes_(json.dumps(metadata | {"provenance": {}}))
    assert np.isnan(sleap.read(tmp_path / "a.slp").scores[0]).all()


def test_sleap_io_reads_what_is_written(tmp_path):
    sleap_io = pytest.importorskip("sleap_io")
    sleap.write(tmp_path / "a.slp", mixed(edges=[(0, 1)], track_names={0: "alice", 1: "bob"}))
    project = sleap_io.load_file(str(tmp_path / "a.slp"))
    assert project.skeleton.node_names == ["nose", "tail"]
    assert project.skeleton.edge_inds == [(0, 1)]
    assert [track.name for track in project.tracks] == ["alice", "bob"]
    predicted, user, other = project[0].instances
    assert user.from_predicted is predicted
    np.testing.assert_array_equal(user.numpy(), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(predicted.numpy(scores=True), [[NAN, NAN, 0], [3, 4, 0.5]])
    np.testing.assert_array_equal(other.numpy(scores=True), [[5.25, 6, 0.25], [7, 8, 0.75]])
    assert (other.track.name, project[1].frame_idx, project[0].video.filename) == ("bob", 9, "cage.mp4")
    assert tuple(project[0].video.shape) == (10, 48, 64, 3)
    assert [str(name) for name in project[2].video.filename] == ["a/img7.png"]
    project.save(str(tmp_path / "b.slp"))
    assert_same(sleap.read(tmp_path / "b.slp"), mixed(edges=[(0, 1)], track_names={0: "alice", 1: "bob"}))
