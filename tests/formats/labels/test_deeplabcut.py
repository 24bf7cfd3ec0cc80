"""DeepLabCut's tables as it and pandas write them."""

import pickle

import h5py
import numpy as np
import pandas as pd
import pytest

from lib.formats.labels import deeplabcut
from lib.formats.labels.frames import Frame
from lib.formats.labels.model import checked_labels
from lib.utils.errors import InputError

NAN = float("nan")
SINGLE = pd.MultiIndex.from_product([["me"], ["nose", "tail"], ["x", "y"]], names=["scorer", "bodyparts", "coords"])
PATHS = ["labeled-data/v/img003.png", "labeled-data/v/img010.png"]
VALUES = [[1.5, 2.25, NAN, NAN], [3, 4, 5, 6]]


def several():
    """Two mice of two parts and a box corner that is nobody's, as a multi-animal project has it."""
    columns = [("me", who, part, xy) for who in ("bob", "al") for part in ("nose", "tail") for xy in "xy"]
    columns += [("me", "single", "corner", xy) for xy in "xy"]
    values = [[1, 2, 3, 4, 5, 6, NAN, NAN, 60, 61], [NAN] * 4 + [7, 8, 9, 10] + [NAN] * 2]
    names = ["scorer", "individuals", "bodyparts", "coords"]
    return pd.DataFrame(np.array(values, dtype=float), columns=pd.MultiIndex.from_tuples(columns, names=names))


def store(frame, path, **settings):
    if path.suffix == ".csv":
        frame.to_csv(path)
    else:
        frame.to_hdf(path, key="df_with_missing", mode="w", **settings)
    return path


@pytest.mark.parametrize("name", ["CollectedData_me.csv", "CollectedData_me.h5"])
@pytest.mark.parametrize(
    "index",
    [
        PATHS,
        pd.MultiIndex.from_tuples([tuple(path.split("/")) for path in PATHS]),
        [path.replace("/", "\\") for path in PATHS],
    ],
    ids=["paths", "three columns", "of Windows"],
)
def test_labels_of_one_animal(tmp_path, name, index):
    labels = deeplabcut.read(store(pd.DataFrame(VALUES, index=index, columns=SINGLE), tmp_path / name))
    assert labels.names == ("nose", "tail")
    assert labels.frames == (Frame("v", 3, PATHS[0]), Frame("v", 10, PATHS[1]))
    np.testing.assert_array_equal(labels.joints.reshape(2, 4), VALUES)
    assert labels.track.tolist() == [0, 0]
    assert np.isnan(labels.scores).all()


@pytest.mark.parametrize("name", ["CollectedData_me.csv", "CollectedData_me.h5"])
def test_labels_of_several_animals(tmp_path, name):
    labels = deeplabcut.read(store(several().set_index(pd.Index(PATHS)), tmp_path / name))
    assert labels.names == ("nose", "tail", "corner")
    assert dict(labels.track_names) == {0: "bob", 1: "al", 2: "single"}
    assert list(zip(labels.frame.tolist(), labels.track.tolist(), strict=True)) == [(0, 0), (0, 1), (0, 2), (1, 1)]
    assert labels.joints[2].tolist()[2] == [60, 61]
    assert labels.labeled.sum() == 2 + 1 + 1 + 2


@pytest.mark.parametrize("settings", [{}, {"format": "table"}])
@pytest.mark.parametrize("name", ["clipDLC_resnet50_reachAug30shuffle1_1000.csv", "clipDLC_snapshot.h5"])
def test_estimates_of_a_video(tmp_path, name, settings):
    columns = pd.MultiIndex.from_product(
        [["DLC_resnet50"], ["nose", "tail"], ["x", "y", "likelihood"]], names=SINGLE.names
    )
    values = [[1, 2, 0.9, 3, 4, 0.01], [NAN] * 6, [5, 6, 1, 7, 8, 0.5]]
    labels = deeplabcut.read(store(pd.DataFrame(values, columns=columns), tmp_path / name, **settings))
    assert labels.frames == tuple(Frame("clip", number) for number in range(3))
    assert labels.frame.tolist() == [0, 2]
    assert labels.scores.tolist() == [[0.9, 0.01], [1, 0.5]]  # a likelihood of 1 in a file of another program's
    assert labels.joints[1].tolist() == [[5, 6], [7, 8]]


def test_what_is_written_is_what_deeplabcut_writes(tmp_path):
    """pandas reads it back as the frame that DeepLabCut would have made."""
    frame = several().drop(columns="single", level="individuals").set_index(pd.Index(PATHS))
    labels = deeplabcut.read(store(frame, tmp_path / "CollectedData_other.h5"))
    for name in ("CollectedData_me.h5", "CollectedData_me.csv"):
        assert deeplabcut.write(tmp_path / name, labels) == []
    pd.testing.assert_frame_equal(pd.read_hdf(tmp_path / "CollectedData_me.h5"), frame)
    text = pd.read_csv(tmp_path / "CollectedData_me.csv", header=[0, 1, 2, 3], index_col=0)
    pd.testing.assert_frame_equal(text, frame, check_index_type=False)


def test_one_animal_has_the_short_header_and_frames_of_a_video_get_names(tmp_path):
    labels = checked_labels(
        "x", ["nose"], [Frame("a/clip.mp4", 7), Frame("a/clip.mp4", 1200)], [0, 1], [[1, 2], [3, 4]]
    )
    lines = deeplabcut.write(tmp_path / "out.csv", labels)
    assert (tmp_path / "out.csv").read_text() == (
        "scorer,out,out\nbodyparts,nose,nose\ncoords,x,y\n"
        "labeled-data/clip/img0007.png,1.0,2.0\nlabeled-data/clip/img1200.png,3.0,4.0\n"
    )
    assert lines[0].startswith("image files of 2 frames")


def test_estimates_have_a_row_for_each_frame(tmp_path):
    joints, scores = [[1, 2, 5, 6], [3, 4, NAN, NAN]], np.array([[NAN, 0.5], [0.25, NAN]])
    labels = checked_labels("x", ["nose", "tail"], [Frame("clip", 1), Frame("clip", 3)], [0, 1], joints, scores=scores)
    lines = deeplabcut.write(tmp_path / "clipDLC_x.csv", labels)
    assert (tmp_path / "clipDLC_x.csv").read_text().splitlines()[2:] == [
        "coords,x,y,likelihood,x,y,likelihood",
        "0,,,,,,",
        "1,1.0,2.0,1.0,5.0,6.0,0.5",
        "2,,,,,,",
        "3,3.0,4.0,0.25,,,",
    ]
    assert lines == ["2 frames between the labeled ones get an empty row"]
    np.testing.assert_array_equal(deeplabcut.read(tmp_path / "clipDLC_x.csv").scores, scores)
    deeplabcut.write(tmp_path / "CollectedData_x.csv", labels)
    assert "likelihood" not in (tmp_path / "CollectedData_x.csv").read_text()


@pytest.mark.parametrize(
    ("frames", "track", "fault"),
    [
        ([Frame("a", 1), Frame("b", 1)], [0, 0], "of one video"),
        ([Frame("", -1, "x.png"), Frame("", 1)], [0, 0], "of one video"),
        ([Frame("a", 10**9), Frame("a", 1)], [0, 0], "frame 1000000000"),
        ([Frame("a", 1), Frame("a", 2)], [-1, 0], "need individuals"),
    ],
)
def test_labels_that_a_table_cannot_hold(tmp_path, frames, track, fault):
    labels = checked_labels("x", ["nose"], frames, [0, 1], [[1, 2], [3, 4]], track=track, scores=np.ones((2, 1)))
    with pytest.raises(InputError, match=fault):
        deeplabcut.write(tmp_path / "out.csv", labels)
    assert list(tmp_path.iterdir()) == []


HEADER = "scorer,me,me\nbodyparts,nose,nose\ncoords,x,y\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not a DeepLabCut table"),
        ("frame,x,y\n1,2,3\n", "not a DeepLabCut table"),
        ("scorer,me,me\nbodyparts,nose,nose\na.png,1,2\n", "its header has scorer, bodyparts"),
        (HEADER, "not a DeepLabCut table"),
        (HEADER + "a1.png,,\n", "no joint is labeled"),
        (HEADER + "a1.png,1\n", "row a1.png has 2 cells, the header has 3"),
        (HEADER + "a1.png,1,inf\n", "row a1.png, me nose y: not a finite number"),
        (HEADER + "a1.png,1,two\n", "row a1.png: could not convert"),
        (HEADER + "a1.png,1,2\na1.png,1,2\n", "frame a1.png is listed more than once"),
        ("scorer,me,me,me,me\nbodyparts,n,n,n,n\ncoords,x,y,x,y\na1.png,1,2,3,4\n", "a column is repeated"),
        (
            "scorer,me,me,me,me\nindividuals,a,a,b,b\nbodyparts,n,n,m,m\ncoords,x,y,x,y\na1.png,1,2,3,4\n",
            "the body parts of b and a differ",
        ),
        ("\x00\xff", "not a"),
    ],
)
def test_tables_that_are_none(tmp_path, text, fault):
    path = tmp_path / "CollectedData_me.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=fault) as error:
        deeplabcut.read(path)
    assert "\n" not in str(error.value)


def test_truncated_and_foreign_h5_files(tmp_path):
    path = store(pd.DataFrame(VALUES, index=PATHS, columns=SINGLE), tmp_path / "a.h5")
    content = path.read_bytes()
    for size in (0, 100, len(content) // 2, len(content) - 3000):
        path.write_bytes(content[:size])
        with pytest.raises(InputError, match=r"HDF5|DeepLabCut"):
            deeplabcut.read(path)
    with h5py.File(path, "w") as file:
        file["x"] = [1]
    with pytest.raises(InputError, match="it holds 0 pandas frames"):
        deeplabcut.read(path)
    with h5py.File(path, "w") as file:
        file["x"] = h5py.ExternalLink("../../secret.h5", "/x")
    with pytest.raises(InputError, match="x leads elsewhere"):
        deeplabcut.read(path)


class Trap:
    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


def test_no_code_of_a_file_is_run(tmp_path):
    """pandas would unpickle the columns of such a file."""
    path = store(pd.DataFrame(VALUES, index=PATHS, columns=SINGLE), tmp_path / "a.h5", format="table")
    with h5py.File(path, "r+") as file:
        file["df_with_missing"].attrs["non_index_axes"] = np.bytes_(pickle.dumps([(1, [Trap()])], protocol=0))
    with pytest.raises(InputError, match="in the list of columns"):
        deeplabcut.read(path)
