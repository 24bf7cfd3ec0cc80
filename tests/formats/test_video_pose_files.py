import json
from collections import Counter

import numpy as np
import pytest
from pycocotools.coco import COCO

from lib.formats.tracked_poses import FramePoses, TrackedPose
from lib.formats.video_poses import PosesFile
from lib.utils.errors import InputError

MADE_WITH = {"video": {"file": "clip.mp4", "bytes": 7}, "start": 0, "config": "A: 1\n"}
NAMES, BONES = ["head", "tail"], [(0, 1)]


def pose(track, x=10.0):
    joints = np.array([[x, 20.12345], [x + 1, 30.0]])
    one = TrackedPose.rounded(np.array([x, 5, 30, 40.00049]), 0.87654321, joints, np.array([0.91239, -0.2]), 0.5)
    return TrackedPose(**{**vars(one), "track": track})


FRAMES = [
    FramePoses(number=0, poses=[pose(0), pose(1, 50.5)], left_out={"outside": 2}),
    FramePoses(number=1, damaged=True),
    FramePoses(number=2),
    FramePoses(number=3, poses=[pose(1, 52.25)], replaced=3, left_out={"outside": 1, "repeated": 1}),
]


def write(path, frames=FRAMES, made_with=MADE_WITH):
    with PosesFile(path, made_with) as file:
        file.begin(lambda frame: None)
        file.append(frames)
        return file.finish(
            {"video": "clip.mp4", "fps": 25.0}, Counter(low=4), "clip.mp4#{}".format, (640, 480), NAMES, BONES
        )


def kept(path, made_with=MADE_WITH):
    """The frames that a run goes on after."""
    frames = []
    with PosesFile(path, made_with) as file:
        file.begin(frames.append)
    return frames


def test_a_finished_file_is_coco_s(tmp_path):
    path = tmp_path / "new/poses.json"
    counts = write(path)
    content = json.loads(path.read_text())
    assert counts == {
        "frames": 4,
        "people": 3,
        "tracks": 2,
        "damaged_frames": 1,
        "replaced_frames": 3,
        "boxes_left_out": {"low": 4, "outside": 3, "repeated": 1},
    }
    assert content["info"] == {"video": "clip.mp4", "fps": 25.0, **counts, "made_with": MADE_WITH}
    assert content["images"][1] == {
        "id": 1,
        "file_name": "clip.mp4#1",
        "frame": 1,
        "width": 640,
        "height": 480,
        "damaged": True,
    }
    assert [image["id"] for image in content["images"]] == [0, 1, 2, 3]
    assert content["categories"] == [{"id": 1, "name": "person", "keypoints": NAMES, "skeleton": [[1, 2]]}]
    assert content["annotations"][1] == {
        "id": 1,
        "image_id": 0,
        "category_id": 1,
        "track_id": 1,
        "keypoints": [50.5, 20.123, 2, 0, 0, 0],
        "num_keypoints": 1,
        "scores": [0.9124, -0.2],
        "score": 0.5,
        "bbox": [50.5, 5, 30, 40],
        "bbox_score": 0.8765,
        "area": 1200,
        "iscrowd": 0,
    }
    coco = COCO(str(path))
    assert coco.getAnnIds(imgIds=[3]) == [2]
    assert list(path.parent.iterdir()) == [path]


def test_people_come_back_frame_by_frame(tmp_path):
    write(tmp_path / "poses.json")
    with PosesFile(tmp_path / "poses.json", MADE_WITH) as file:
        assert file.finished
        found = dict(file.people())
    assert list(found) == [0, 3]
    for own, given in zip([*found[0], *found[3]], [*FRAMES[0].poses, *FRAMES[3].poses], strict=True):
        for key, value in vars(given).items():
            np.testing.assert_array_equal(getattr(own, key), value)


def test_a_video_without_people(tmp_path):
    assert write(tmp_path / "poses.json", [FramePoses(number=0), FramePoses(number=1)])["people"] == 0
    assert json.loads((tmp_path / "poses.json").read_text())["annotations"] == []
    with PosesFile(tmp_path / "poses.json", MADE_WITH) as file:
        assert list(file.people()) == []


def test_an_interrupted_file_goes_on_after_its_last_whole_line(tmp_path):
    path = tmp_path / "poses.json"
    with PosesFile(path, MADE_WITH) as file:
        file.begin(lambda frame: None)
        file.append(FRAMES[:3])
    assert not path.exists()
    part = tmp_path / "poses.json.part"
    part.write_bytes(part.read_bytes()[:-4])  # in the midst of the third frame
    with PosesFile(path, MADE_WITH) as file:
        assert not file.finished
        seen = []
        file.begin(seen.append)
        assert [frame.number for frame in seen] == [0, 1]
        assert seen[0].left_out == {"outside": 2}
        assert seen[1].damaged
        file.append(FRAMES[2:])
        file.finish({"video": "clip.mp4", "fps": 25.0}, Counter(low=4), "clip.mp4#{}".format, (640, 480), NAMES, BONES)
    write(tmp_path / "whole.json")
    assert path.read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert not part.exists()


def test_other_settings_start_from_the_beginning(tmp_path):
    path = tmp_path / "poses.json"
    with PosesFile(path, MADE_WITH) as file:
        file.begin(lambda frame: None)
        file.append(FRAMES[:2])
    assert len(kept(path)) == 2
    assert kept(path, MADE_WITH | {"start": 1}) == []
    assert kept(path) == []  # the others' frames are in their place


def test_a_finished_file_stays_until_the_next_one_is_whole(tmp_path):
    path = tmp_path / "poses.json"
    write(path)
    before = path.read_bytes()
    other = MADE_WITH | {"start": 1}
    with PosesFile(path, other) as file:
        assert not file.finished
        file.begin(lambda frame: None)
        file.append(FRAMES[:1])
    assert path.read_bytes() == before
    write(path, FRAMES[1:], other)
    assert json.loads(path.read_text())["info"]["made_with"] == other


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"images": [],\n "annotations": []}', '{"info": {"year": 1}}'])
def test_a_file_of_something_else_is_not_replaced(tmp_path, content):
    path = tmp_path / "labels.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"labels\.json: this file does not contain these poses"):
        PosesFile(path, MADE_WITH)
    assert path.read_text() == content
