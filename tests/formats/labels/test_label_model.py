"""The common representation of all label formats: checks, warnings, and losses."""

import logging

import numpy as np
import pytest

from lib.formats.labels.frames import Frame, frame_name, named_frame
from lib.formats.labels.losses import lost
from lib.formats.labels.model import Labels, checked_labels, name_tracks, number_tracks, take_video
from lib.utils.errors import InputError

NAN = float("nan")


def arrays(**changes):
    fields = {
        "names": ("nose", "tail"),
        "edges": ((0, 1),),
        "frames": (Frame("clip.mp4", 3, "", 10, 8), Frame("clip.mp4", 4)),
        "frame": np.array([0, 1]),
        "track": np.array([5, 5]),
        "joints": np.array([[[1.0, 2], [NAN, NAN]], [[3, 4], [5, 6]]]),
        "visibility": np.array([[2, 0], [1, 2]], dtype=np.uint8),
        "scores": np.array([[NAN, NAN], [0.5, 1]]),
        "boxes": np.full((2, 4), NAN),
    }
    return fields | changes


def test_joints_that_are_labeled_and_people_who_labeled_them():
    labels = Labels(**arrays())
    assert labels.labeled.tolist() == [[True, False], [True, True]]
    assert (~np.isnan(labels.scores)).any(axis=1).tolist() == [False, True]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"track": np.array([1])}, "track has shape"),
        ({"joints": np.zeros((2, 3, 2))}, "joints has shape"),
        ({"frame": np.array([0, 2])}, "indices into frames"),
        ({"names": ("nose", "nose")}, "unique"),
        ({"frames": (Frame("", 1), Frame("", 1))}, "unique"),
        ({"track_names": {1: "a", 2: "a"}}, "unique"),
        ({"edges": ((0, 2),)}, "edges"),
        ({"visibility": np.array([[2, 2], [1, 2]], dtype=np.uint8)}, "NaN elsewhere"),
        ({"joints": np.full((2, 2, 2), np.inf)}, "joints must be finite"),
        ({"scores": np.array([[NAN, 1], [0.5, 1]])}, "scores must be NaN"),
        ({"boxes": np.full((2, 4), np.inf)}, "infinite"),
    ],
)
def test_arrays_that_do_not_fit_are_a_fault_of_the_code(changes, fault):
    with pytest.raises(ValueError, match=fault):
        Labels(**arrays(**changes))


def test_a_frame_is_a_number_or_a_file():
    with pytest.raises(ValueError, match="number or a file name"):
        Frame("clip.mp4")


@pytest.mark.parametrize(
    ("name", "frame"),
    [
        ("small robot.mp4#79", Frame("small robot.mp4", 79)),
        ("#3", Frame("", 3)),
        ("labeled-data/reach/img005.png", Frame("reach", 5, "labeled-data/reach/img005.png")),
        ("labeled-data/img01.png", Frame("", 1, "labeled-data/img01.png")),
        ("alone.png", Frame("", -1, "alone.png")),
        ("../../x/7.png", Frame("x", 7, "../../x/7.png")),
        ("a#b.png", Frame("", -1, "a#b.png")),
    ],
)
def test_names_of_frames(name, frame):
    assert named_frame(name) == frame
    assert frame_name(frame) == name


def test_individuals_are_numbered_and_named():
    numbers, names = number_tracks(["bob", "track1", "alice", "bob", "track01"])
    assert numbers == {"bob": 0, "track1": 1, "alice": 2, "track01": 3}
    assert names == {0: "bob", 2: "alice", 3: "track01"}
    assert name_tracks(Labels(**arrays(track=np.array([5, 2]), track_names={2: "bob"}))) == {2: "bob", 5: "track5"}


def read(**changes):
    joints = changes.pop("joints", [[1, 2, NAN, NAN], [3, 4, 5, 6]])
    frames = changes.pop("frames", [Frame("", 3), Frame("", 4)])
    return checked_labels("f.csv", ["nose", "tail"], frames, changes.pop("frame", [0, 1]), joints, **changes)


def test_what_a_file_does_not_tell():
    labels = read()
    assert labels.visibility.tolist() == [[2, 0], [2, 2]]
    assert labels.track.tolist() == [0, 0]
    assert np.isnan(labels.scores).all()
    assert read(frame=[1, 1]).track.tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"joints": np.full((2, 4), NAN)}, "no joint is labeled"),
        ({"frame": [1, 1], "track": [7, 7]}, "frame #4: track7 appears 2 times"),
        ({"frame": [1, 1], "track": [7, 7], "track_names": {7: "bob"}}, "bob appears 2 times"),
        ({"frames": [Frame("", 3), Frame("", 3)]}, "frame #3 is listed more than once"),
        ({"track_names": {1: "bob", 2: "bob"}}, "two individuals are named 'bob'"),
        ({"joints": [[1, 2, 3, 4], [1, np.inf, 3, 4]]}, "not a finite number"),
        ({"frames": [Frame("", 3), Frame("", 10**20)]}, "frame #100000000000000000000: its number or size is larger"),
        ({"frames": [Frame("", 3), Frame("", 4, "", 10**20, 5)]}, "frame #4: its number or size is larger"),
        ({"edges": [(0, 9)]}, "a line of the skeleton names a joint"),
    ],
)
def test_files_that_cannot_be_used(changes, fault):
    with pytest.raises(InputError, match=f"^f.csv: .*{fault}"):
        read(**changes)


def test_flags_out_of_range_are_the_nearest():
    labels = read(visibility=np.array([[256.0, -1], [3, NAN]]))
    assert labels.visibility.tolist() == [[2, 0], [2, 0]]


def test_joints_outside_their_image_stay_and_are_told(caplog):
    frames = [Frame("", 3, "", 10, 8), Frame("", 4)]
    with caplog.at_level(logging.WARNING):
        labels = read(frames=frames, joints=[[9.5, -0.5, 1, 1], [3, 4, 5, 1000]])
        assert caplog.messages == []
        labels = read(frames=frames, joints=[[9.6, 2, 1, 1], [-0.6, 4, 5, 1000]])
    assert caplog.messages == ["f.csv: joints outside their image: 2, first in frame #3"]
    assert labels.joints[0, 0, 0] == 9.6


def test_what_is_lost_is_told():
    labels = Labels(**arrays(track=np.array([-1, 3]), track_names={3: "bob"}, boxes=np.ones((2, 4))))
    lines = lost(labels)
    assert len(lines) == 8
    for line in (
        "1 edges",
        "1 hidden joints",
        "2 scores",
        "2 boxes",
        "1 frames' width",
        "1 individuals",
        "1 names",
        "1 poses",
    ):
        assert any(one.startswith(line) for one in lines), line
    held = ["edges", "hidden", "scores", "boxes", "sizes", "tracks", "track names", "no track"]
    assert lost(labels, *held) == []
    other = Labels(**arrays(frames=(Frame("a", 3, "7.png"), Frame("", 4)), frame=np.array([1, 1])))
    assert [line for line in lost(other) if "frames" in line] == [
        "1 frames whose file names lack their number or video",
        "1 frames without labels",
    ]


def test_one_video_of_several():
    frames = (Frame("a/one.mp4", 3), Frame("two.mp4", 3), Frame("b/one.mp4", 3), Frame("two.mp4", 9))
    labels = Labels(**arrays(frames=frames, frame=np.array([3, 0]), boxes=np.arange(8.0).reshape(2, 4)))
    two = take_video(labels, "two.mp4")
    assert (two.frames, two.frame.tolist(), two.boxes.tolist()) == ((frames[1], frames[3]), [1], [[0, 1, 2, 3]])
    assert take_video(labels, "a/one.mp4").frames == (frames[0],)
    for name, count in (("one.mp4", 2), ("three.mp4", 0)):
        with pytest.raises(InputError, match=f"{count} videos are named '{name}'"):
            take_video(labels, name)
