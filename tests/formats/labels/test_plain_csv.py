"""Plain CSV files as people write them."""

from dataclasses import replace

import numpy as np
import pytest

from lib.formats.labels import plain_csv
from lib.formats.labels.frames import Frame
from lib.utils.errors import InputError

NAN = float("nan")


def read(folder, text):
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return plain_csv.read(path)


def test_the_least_that_a_file_holds(tmp_path):
    labels = read(tmp_path, "frame,joint,x,y\n12,nose,1,2.5\n12,tail,,\n0,tail,3,4\n")
    assert (labels.names, labels.frames) == (("nose", "tail"), (Frame("", 12), Frame("", 0)))
    np.testing.assert_array_equal(labels.joints, [[[1, 2.5], [NAN, NAN]], [[NAN, NAN], [3, 4]]])
    assert labels.track.tolist() == [0, 0]
    assert labels.visibility.tolist() == [[2, 0], [0, 2]]


def test_all_that_a_file_holds(tmp_path):
    text = """\ufeffjoint,x,y,track,frame,score,visibility
nose,1,2,bob,clip.mp4#7,0.5,1
tail,3,NaN,bob,clip.mp4#7,,
nose,5,6,12,clip.mp4#7,nan,2
tail,7,8,12,clip.mp4#7,,0
nose,7,8,,img010.png,,
nose,9,9,,img010.png,,
,,,,img011.png,,
"""
    labels = read(tmp_path, text.replace("3,NaN", "NaN,nan"))
    assert labels.frames == (Frame("clip.mp4", 7), Frame("", 10, "img010.png"), Frame("", 11, "img011.png"))
    assert labels.track.tolist() == [0, 12, -1, -1]
    assert dict(labels.track_names) == {0: "bob"}
    assert labels.visibility.tolist() == [[1, 0], [2, 0], [2, 0], [2, 0]]
    np.testing.assert_array_equal(labels.scores[0], [0.5, NAN])


def test_names_are_numbered_in_the_order_of_their_first_rows(tmp_path):
    labels = read(tmp_path, "frame,track,joint,x,y\n0,zoe,nose,1,2\n1,amy,nose,3,4\n1,zoe,nose,5,6\n")
    assert (labels.track.tolist(), dict(labels.track_names)) == ([0, 1, 0], {0: "zoe", 1: "amy"})
    assert (
        plain_csv.write(
            tmp_path / "again.csv", replace(labels, track=1 - labels.track, track_names={1: "zoe", 0: "amy"})
        )
        == []
    )
    again = plain_csv.read(tmp_path / "again.csv")
    assert [again.track_names[track] for track in again.track.tolist()] == ["zoe", "amy", "zoe"]


HEADER = "frame,track,joint,x,y,visibility,score\n"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "line 1 must name"),
        ("a,b\n1,2\n", "line 1 must name"),
        ("frame,joint,x,y,z\n1,a,2,3,4\n", "line 1 must name"),
        ("frame,joint,x,y,x\n1,a,2,3,4\n", "line 1 must name"),
        (HEADER, "no joint is labeled"),
        (HEADER + "1,,a,,,,\n", "no joint is labeled"),
        (HEADER + "1,,a,1\n", "line 2: expected a value for each"),
        (HEADER + "1,,a,1,2,2,1,5\n", "line 2: expected a value for each"),
        (HEADER + ",,a,1,2,2,1\n", "line 2: expected a value for each"),
        (HEADER + "1,,a,1,2,2,\n-5,,a,1,2,2,\n", "line 3: frames are numbered from 0, so '-5' is not one"),
        (HEADER + "-5.0,,a,1,2,2,\n", "line 2: frames are numbered from 0"),
        (HEADER + "1,,a,inf,2,2,\n", "line 2: x must be a finite number or empty, not 'inf'"),
        (HEADER + "1,,a,1,1e999,2,\n", "line 2: y must be a finite"),
        (HEADER + "1,,a,1,two,2,\n", "line 2: y must be a finite"),
        (HEADER + "1,,a,1,2,2,-inf\n", "line 2: score must be"),
        (HEADER + "1,,a,1,,2,\n", "line 2: one of x and y is empty"),
        (HEADER + "1,,a,1,2,3,\n", "line 2: visibility must be"),
        (HEADER + "1,7,a,1,2,2,\n1,7,a,1,2,2,\n", "line 3: 7 has two a in frame 1"),
        (HEADER + "1,7,a,1,2,2,\n01,7,a,1,2,2,\n", "frame #1 is listed more than once"),
        ("\xff\xfe".encode("latin-1"), "not a CSV file"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, text, fault):
    path = tmp_path / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=fault) as error:
        plain_csv.read(path)
    assert "\n" not in str(error.value)
