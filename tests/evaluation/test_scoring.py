"""One way to score whatever was tested."""

import json
from types import SimpleNamespace

import pytest

from lib.evaluation.scoring import format_result, is_ranked, is_scorable, score_files
from lib.formats.data_sets import known_data_sets
from lib.pose.skeletons import find_skeleton
from lib.utils.errors import InputError


@pytest.mark.parametrize(
    ("data_set", "ranked"),
    [
        ("posetrack18", True),
        ("coco", True),
        ("crowdpose", True),
        ("mpii", False),
        ("mpii_trb", False),
        ("jhmdb", False),
        ("custom", True),
        ("horses", False),  # nobody scores it, so nobody is left out
    ],
)
def test_ranked_data_sets(data_set, ranked):
    assert is_ranked(data_set) == ranked


@pytest.mark.parametrize(("data_set", "score", "row"), [("coco", 1, "100.0"), ("jhmdb", 100, "torso")])
def test_a_result_contains_its_headline_score(tmp_path, data_set, score, row):
    names = list(find_skeleton(known_data_sets()[data_set].joints).names)
    keypoints = [value for joint in range(len(names)) for value in (10 + 5 * joint, 20 + 3 * joint**2, 2)]
    person = {"id": 5, "image_id": 7, "category_id": 1, "bbox": [10, 20, 90, 600], "area": 9000, "keypoints": keypoints}
    truth = {"images": [{"id": 7}], "annotations": [person], "categories": [{"id": 1, "keypoints": names}]}
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "predictions.json").write_text(json.dumps([person | {"score": 0.5}]))
    result = score_files(data_set, tmp_path / "truth.json", tmp_path / "predictions.json")
    assert result["score"] == pytest.approx(score)
    assert row in format_result(data_set, result)


def test_a_data_set_without_a_scorer_is_one_line_of_yaml():
    labeled = SimpleNamespace(has_ground_truth=True)
    with pytest.raises(
        InputError, match=r"DATASET\.DATASET horses: there is no scorer of this name, only coco, .*custom"
    ):
        is_scorable("horses", labeled)
