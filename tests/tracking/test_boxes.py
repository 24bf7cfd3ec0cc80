import json

import numpy as np
import pytest

from lib.tracking.boxes import ListedBoxes, whole_frame
from lib.utils.errors import InputError


def listed(tmp_path, *boxes, min_score=0.5):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps([{"category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.9, **box} for box in boxes]))
    return ListedBoxes(path, min_score)


def test_a_whole_frame_is_one_box():
    first, second = whole_frame([4, 5], [np.zeros((20, 30, 3), np.uint8), np.zeros((40, 10, 3), np.uint8)])
    assert [(box.image, box.box.tolist(), box.score) for box in first + second] == [
        (4, [0, 0, 30, 20], 1.0),
        (5, [0, 0, 10, 40], 1.0),
    ]


def test_frames_are_named_in_any_of_these_ways(tmp_path):
    names = ["clip/000012.jpg", "my.mp4#12", "a/12.png"]
    find = listed(tmp_path, {"image_id": 12}, *({"image_name": name} for name in names), {"image_id": 3})
    twelve, four, three = find([12, 4, 3], [None, None, None])
    assert [box.image for box in twelve] == [12, *names]
    assert four == []
    assert three[0].box.tolist() == [1, 2, 3, 4]


def test_low_scores_and_frames_that_are_not_there_are_counted(tmp_path):
    find = listed(tmp_path, {"image_id": 0, "score": 0.4}, {"image_id": 5}, {"image_id": 9}, {"image_id": 9})
    assert find([0], [None]) == [[]]
    assert find.dropped == {"with a score under 0.5": 1}
    assert find.outside(0, 9) == 2
    assert find.outside(6, 10) == 1


def test_a_name_without_a_number_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"boxes\.json: image_name 'clip/last\.jpg' does not end with the number"):
        listed(tmp_path, {"image_name": "clip/last.jpg"})
