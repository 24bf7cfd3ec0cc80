"""CVAT's XML as it writes it, what it shows between keyframes, and what may be wrong with it."""

import logging

import numpy as np
import pytest

from lib.formats.labels import cvat
from lib.formats.labels import cvat_writer as cvat_writing
from lib.formats.labels.frames import Frame
from lib.formats.labels.model import checked_labels
from lib.utils.errors import InputError

NAN = float("nan")

# One skeleton of a task that takes each 5th frame: keyframes 0 and 15, the tail ends at 10; as CVAT exports it, all
# frames that show something, rounded to 2 digits.
SKELETON = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <id>7</id>
      <size>5</size>
      <mode>interpolation</mode>
      <start_frame>0</start_frame>
      <stop_frame>20</stop_frame>
      <frame_filter>step=5</frame_filter>
      <labels>
        <label><name>mouse</name><type>skeleton</type><svg>&lt;line x1="1" y1="2" x2="3" y2="4" data-type="edge"
          data-node-from="2" data-node-to="1"&gt;&lt;/line&gt;&lt;circle r="0.75" data-node-id="1"
          data-label-name="nose"&gt;&lt;/circle&gt;&lt;circle r="0.75" data-node-id="2" data-label-name="tail"&gt;
          &lt;/circle&gt;</svg></label>
        <label><name>nose</name><type>points</type><parent>mouse</parent></label>
        <label><name>tail</name><type>points</type><parent>mouse</parent></label>
        <label><name>cage</name><type>rectangle</type></label>
      </labels>
      <original_size><width>64</width><height>48</height></original_size>
      <source>../../clip.mp4</source>
    </task>
  </meta>
  <track id="0" label="cage" source="manual">
    <box frame="0" keyframe="1" outside="0" occluded="0" xtl="1.00" ytl="2.00" xbr="3.00" ybr="4.00" z_order="0"></box>
  </track>
  <track id="3" label="mouse" source="manual">
    <skeleton frame="0" keyframe="1" z_order="0">
      <points label="tail" keyframe="1" outside="0" occluded="0" points="10.50,20.50">
      </points>
      <points label="nose" keyframe="1" outside="0" occluded="1" points="1.00,1.00">
      </points>
    </skeleton>
    <skeleton frame="5" keyframe="0" z_order="0">
      <points label="tail" keyframe="0" outside="0" occluded="0" points="11.50,20.50"></points>
      <points label="nose" keyframe="0" outside="0" occluded="1" points="1.33,1.67"></points>
    </skeleton>
    <skeleton frame="10" keyframe="1" z_order="0">
      <points label="tail" keyframe="1" outside="1" occluded="0" points="12.50,20.50"></points>
      <points label="nose" keyframe="0" outside="0" occluded="1" points="1.67,2.33"></points>
    </skeleton>
    <skeleton frame="15" keyframe="1" z_order="0">
      <points label="nose" keyframe="1" outside="0" occluded="0" points="2.00,3.00"></points>
    </skeleton>
    <skeleton frame="20" keyframe="0" z_order="0">
      <points label="nose" keyframe="0" outside="0" occluded="0" points="2.00,3.00"></points>
    </skeleton>
  </track>
</annotations>
"""


def read(folder, text):
    path = folder / "annotations.xml"
    path.write_text(text)
    return cvat.read(path)


def track(*shapes, attributes='id="0" label="nose"', kind="points"):
    return f"<annotations><track {attributes}>{''.join(shapes)}</track></annotations>"


def point(frame, points, **attributes):
    keys = {"frame": frame, "keyframe": 1, "outside": 0, "occluded": 0, "points": points} | attributes
    return "<points " + " ".join(f'{key}="{value}"' for key, value in keys.items()) + "/>"


def test_a_skeleton_that_cvat_exported(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        labels = read(tmp_path, SKELETON)
    assert (labels.names, labels.edges, labels.category) == (("nose", "tail"), ((1, 0),), "mouse")
    assert labels.frames == tuple(Frame("../../clip.mp4", number, "", 64, 48) for number in (0, 5, 10, 15, 20))
    assert labels.track.tolist() == [3] * 5
    np.testing.assert_allclose(
        labels.joints[:, 0], [[0.5, 0.5], [5 / 6, 7 / 6], [7 / 6, 11 / 6], [1.5, 2.5], [1.5, 2.5]], atol=1e-12
    )
    np.testing.assert_array_equal(labels.joints[:3, 1], [[10, 20], [11, 20], [NAN, NAN]])
    assert labels.visibility.tolist() == [[1, 2], [1, 2], [1, 0], [2, 0], [2, 0]]
    np.testing.assert_array_equal(labels.scores, [[NAN, NAN], [1, 1], [1, NAN], [NAN, NAN], [1, NAN]])
    assert "tracks that are not skeleton are left out: 1" in caplog.text


def test_the_origin_is_the_corner_of_the_first_pixel(tmp_path):
    labels = read(tmp_path, track(point(0, "0.5,0.50"), point(1, "64.00,47.13")))
    assert labels.joints[:, 0].tolist() == [[0, 0], [63.5, 46.63]]


def test_keyframes_alone_are_filled_as_cvat_does(tmp_path):
    shapes = [point(2, "10,10"), point(4, "14,10", outside=1), point(7, "1,1"), point(9, "3,5", occluded=1)]
    stop = "<annotations><meta><job><stop_frame>11</stop_frame></job></meta>"
    labels = read(tmp_path, track(*shapes).replace("<annotations>", stop))
    assert [frame.number for frame in labels.frames] == [2, 3, 7, 8, 9, 10, 11]
    assert labels.joints[:, 0].tolist() == [
        [9.5, 9.5],
        [11.5, 9.5],
        [0.5, 0.5],
        [1.5, 2.5],
        [2.5, 4.5],
        [2.5, 4.5],
        [2.5, 4.5],
    ]
    assert labels.visibility[:, 0].tolist() == [2, 2, 2, 2, 1, 1, 1]
    assert np.isnan(labels.scores[:, 0]).tolist() == [True, False, True, False, True, False, False]


def test_points_are_of_the_individual_of_their_group(tmp_path):
    tracks = [
        f'<track id="{number}" label="{name}" {group}>{point(4, place)}</track>'
        for number, (name, group, place) in enumerate(
            [("nose", 'group_id="2"', "1,2"), ("nose", "", "3,4"), ("tail", 'group_id="2"', "5,6")]
        )
    ]
    labels = read(tmp_path, f"<annotations>{''.join(tracks)}</annotations>")
    assert (labels.names, labels.category, labels.track.tolist()) == (("nose", "tail"), "", [0, 2])
    np.testing.assert_array_equal(labels.joints, [[[2.5, 3.5], [NAN, NAN]], [[0.5, 1.5], [4.5, 5.5]]])


def shape(number, frame, last=False):
    end = (
        ""
        if last
        else f'<skeleton frame="{frame + 1}" keyframe="1"><points label="a" outside="1" points="1,1"/></skeleton>'
    )
    return (
        f'<track id="{number}" label="m" source="manual"><skeleton frame="{frame}" keyframe="1">'
        f'<points label="a" keyframe="1" outside="0" occluded="0" points="{frame},1"/></skeleton>{end}</track>'
    )


def test_shapes_of_single_frames_are_no_tracks(tmp_path):
    """CVAT numbers each as a track, and does not end those of the last two frames."""
    meta = "<meta><task><stop_frame>5</stop_frame></task></meta>"
    text = f"<annotations>{meta}{shape(0, 2)}{shape(1, 2)}{shape(2, 4, True)}{shape(3, 5, True)}</annotations>"
    labels = read(tmp_path, text)
    assert labels.frame.tolist() == [0, 0, 1, 2]
    assert labels.track.tolist() == [-1] * 4
    assert np.isnan(labels.scores).all()


def test_poses_end_where_the_next_frame_is_without_them(tmp_path):
    points = [[[1, 2], [3, 4]], [[5, 6], [NAN, NAN]], [[7, 8], [9, 10]]]
    labels = checked_labels("x", ["a", "b"], [Frame("v", number) for number in (3, 4, 9)], [0, 1, 2], points)
    assert cvat_writing.write(tmp_path / "a.xml", labels) == []
    root = cvat.ElementTree.parse(tmp_path / "a.xml").getroot()
    shown = {
        int(one.get("frame")): [(point.get("outside"), point.get("points")) for point in one]
        for one in root.iter("skeleton")
    }
    assert shown == {
        3: [("0", "1.5,2.5"), ("0", "3.5,4.5")],
        4: [("0", "5.5,6.5"), ("1", "3.5,4.5")],
        5: [("1", "5.5,6.5"), ("1", "3.5,4.5")],
        9: [("0", "7.5,8.5"), ("0", "9.5,10.5")],
    }
    assert {one.get("keyframe") for one in root.iter("points")} == {"1"}


def test_joints_that_a_program_set_have_their_score_as_an_attribute(tmp_path):
    labels = checked_labels("x", ["nose", "tail"], [Frame("", 1)], [0], [1, 2, 3, 4], scores=np.array([[0.25, NAN]]))
    cvat_writing.write(tmp_path / "a.xml", labels)
    text = (tmp_path / "a.xml").read_text()
    assert text.count('<attribute name="score">0.25</attribute>') == 1
    np.testing.assert_array_equal(cvat.read(tmp_path / "a.xml").scores, labels.scores)
    (tmp_path / "a.xml").write_text(text.replace("0.25", "good"))
    with pytest.raises(InputError, match="track 0: a point's attribute 'score' must be a number, not 'good'"):
        cvat.read(tmp_path / "a.xml")


def test_evenly_spaced_frames_are_those_of_the_task(tmp_path):
    labels = checked_labels(
        "x", ["a"], [Frame("v", number) for number in (10, 15, 20)], [0, 2], [[1, 2], [3, 4]], track=[0, 0]
    )
    cvat_writing.write(tmp_path / "a.xml", labels)
    root = cvat.ElementTree.parse(tmp_path / "a.xml").getroot()
    assert [one.get("frame") for one in root.iter("skeleton")] == ["10", "15", "20"]
    assert root.findtext("meta/task/frame_filter") == "step=5"


@pytest.mark.parametrize(
    ("frames", "fault"),
    [
        ([Frame("a", 1), Frame("b", 2)], "holds one video"),
        ([Frame("", 1), Frame("", -1, "x.png")], "no number"),
        ([Frame("", 1, "a1.png"), Frame("", 1, "b1.png")], "or share one"),
    ],
)
def test_labels_that_cvat_cannot_hold(tmp_path, frames, fault):
    labels = checked_labels("x", ["a"], frames, [0, 1], [[1, 2], [3, 4]])
    with pytest.raises(InputError, match=fault):
        cvat_writing.write(tmp_path / "a.xml", labels)
    assert list(tmp_path.iterdir()) == []


BOMB = '<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><annotations><track label="&b;"/></annotations>'
FILE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><annotations><track label="&a;"/></annotations>'
TASKS = (
    f'<annotations><track task_id="1" label="a">{point(0, "1,1")}</track><track task_id="2" label="a"/></annotations>'
)
TWO = '<track id="{}" label="{}"><skeleton frame="0"><points label="{}" points="1,1"/></skeleton></track>'


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not an XML file, or a truncated one"),
        (SKELETON[:900], "truncated"),
        (BOMB, "declares entities"),
        (FILE, "declares entities"),
        ("<html></html>", "without tracks"),
        ('<annotations><image id="0"/></annotations>', r"\(for images\) without tracks; export it"),
        ('<annotations><track id="0" label="a"><box frame="0"/></track></annotations>', "no track has a skeleton"),
        (TASKS, "several tasks"),
        (track(point(0, "nan,1")), "track 0: frame 0: nose must be one point"),
        (track(point(0, "1,inf")), "one point"),
        (track(point(0, "1,1e999")), "one point"),
        (track(point(0, "1,1;2,2")), "one point"),
        (track(point(0, "")), "one point"),
        (track(point("x", "1,1")), "'frame' must be a whole number, not 'x'"),
        (track(point(-1, "1,1")), "'frame'"),
        (track(point(10**9, "1,1")), "only videos of up to"),
        (track(point(0, "1,1"), point(0, "2,2")), "track 0: frame 0: nose is repeated"),
        (track(point(0, "1,1"), attributes='id="0"'), "points need a label"),
        (track(point(0, "1,1", outside=1)), "no joint is labeled"),
        (f"<annotations>{track(point(0, '1,1'))[13:-14] * 2}</annotations>", "frame 0: individual 0 has two nose"),
        (
            f"<annotations>{TWO.format(1, 'm', 'a')}{TWO.format(1, 'm', 'a')}</annotations>",
            "individual 1 has two a",
        ),
        (f"<annotations>{TWO.format(1, 'm', 'a')}{TWO.format(2, 'n', 'b')}</annotations>", "different joints"),
        (f"<annotations>{TWO.format('x', 'm', 'a')}</annotations>", "'id' must be a whole number"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, text, fault):
    with pytest.raises(InputError, match=fault) as error:
        read(tmp_path, text)
    assert "\n" not in str(error.value)


def test_a_small_file_of_many_joints(tmp_path):
    """Of one keyframe CVAT shows all frames to the video's end: more than can be wanted is not read."""
    points = "".join(f'<points label="{joint}" points="{joint},1"/>' for joint in range(17))

    def text(stop):
        meta = f"<meta><task><stop_frame>{stop}</stop_frame></task></meta>"
        return f'<annotations>{meta}<track id="0"><skeleton frame="0">{points}</skeleton></track></annotations>'

    labels = read(tmp_path, text(30_000))
    assert labels.joints.shape == (30_001, 17, 2)
    assert (labels.joints[:, :, 0] == np.arange(17) - 0.5).all()
    with pytest.raises(InputError, match="over 5000000 joints") as error:
        read(tmp_path, text(900_000))
    assert "\n" not in str(error.value)


def test_many_joints_of_which_each_is_of_another_individual(tmp_path):
    tracks = "".join(f'<track label="{n}" group_id="{n}">{point(0, "1,1")}</track>' for n in range(2300))
    with pytest.raises(InputError, match="over 5000000 joints"):
        read(tmp_path, f"<annotations>{tracks}</annotations>")


def test_skeletons_without_points(tmp_path):
    with pytest.raises(InputError, match="its skeletons have no points"):
        read(tmp_path, '<annotations><track id="0" label="m"><skeleton frame="0"/></track></annotations>')
