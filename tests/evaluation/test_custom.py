"""Scores of custom data: any joints, from one file of ground truth and one of predictions."""

import json
import math

import pytest

from lib.evaluation.custom import COLUMNS, check_custom, evaluate_custom
from lib.pose.skeletons import SIGMA
from lib.utils.errors import InputError

NAMES = ["nose", "tail"]
PERSON = {"category_id": 1, "bbox": [0, 0, 100, 50], "area": 2000}


def keypoints(x=0.0, labeled=(2, 2)):
    return [20 + x, 30, labeled[0], 70 + x, 40, labeled[1]]


def truth(*people, category=None, images=(1, 2), is_labeled=None):
    records = [PERSON | {"id": 10 + k, "image_id": 1, "keypoints": keypoints()} | one for k, one in enumerate(people)]
    listed = [{"id": own, "file_name": f"{own}.png"} for own in images]
    if is_labeled is not None:
        listed[-1]["is_labeled"] = is_labeled
    return {
        "images": listed,
        "annotations": records,
        "categories": [{"id": 1, "name": "mouse", "keypoints": NAMES} | (category or {})],
    }


def pose(own, x=0.0, image=1, score=0.9):
    named = {} if own is None else {"id": own}
    return {"image_id": image, "category_id": 1, "keypoints": keypoints(x, (0.5, 0.5)), "score": score} | named


@pytest.fixture
def score(tmp_path):
    def evaluate(content, predictions, **options):
        (tmp_path / "gt.json").write_text(json.dumps(content))
        (tmp_path / "pred.json").write_text(json.dumps(predictions))
        return evaluate_custom(tmp_path / "gt.json", tmp_path / "pred.json", **options)

    return evaluate


def test_labels_are_a_perfect_score(score):
    result = score(truth({}), [pose(10)])
    assert list(result["table"]) == list(COLUMNS)
    assert result["table"] == pytest.approx(dict.fromkeys(COLUMNS, 100.0) | {"AUC": 95.0, "EPE": 0.0})
    assert result["joints"]["tail"] == {"PCK@0.05": 100, "PCK@0.1": 100, "PCK@0.2": 100, "EPE": 0}


def test_pck_is_by_the_longer_side_of_the_box_and_epe_in_pixels(score):
    table = score(truth({}, {"image_id": 2}), [pose(10, x=7), pose(11, x=15, image=2)])["table"]
    assert [table[name] for name in ("PCK@0.05", "PCK@0.1", "PCK@0.2", "EPE")] == pytest.approx([0, 50, 100, 11])


def test_a_factor_on_the_sigmas_is_one_on_the_errors(score):
    poses = [pose(10, 2 * error_of(0.72, SIGMA, 2000))]
    assert score(truth({}), poses)["table"]["AP"] == 0
    assert score(truth({}), poses, sigma_scale=2)["table"]["AP"] == pytest.approx(50)


def error_of(oks, sigma, area):
    """The distance of both joints at which a person has this OKS."""
    return math.sqrt(-math.log(oks) * 2 * (2 * sigma) ** 2 * area)


@pytest.mark.parametrize(
    ("category", "person", "sigma", "area"),
    [
        ({}, {}, SIGMA, 2000),
        ({"sigmas": [0.025, 0.025]}, {}, 0.025, 2000),
        ({}, {"area": None}, SIGMA, 0.53 * 5000),
        ({}, {"area": 0, "bbox": [0, 0, 0, 0]}, SIGMA, 0.53 * 65 * 65 / 4),  # joints of 50 × 10, as wide as 65 × 65/4
    ],
)
def test_oks_is_by_the_sigmas_of_the_file_and_the_area(score, category, person, sigma, area):
    """An OKS of .72 passes five of the ten thresholds, .5 to .7."""
    table = score(truth(person, category=category), [pose(10, x=error_of(0.72, sigma, area))])["table"]
    assert table["AP"] == pytest.approx(50)


def test_a_single_joint_without_a_box_has_a_64_pixel_square(score):
    alone = {"keypoints": keypoints(labeled=(2, 0)), "bbox": [20, 30, 0, 0], "area": 0}
    for x, share in ((6.3, 100), (6.5, 0)):
        assert score(truth(alone), [pose(10, x)])["table"]["PCK@0.1"] == share


def test_people_are_ranked_by_their_scores(score):
    found = [pose(10, score=0.3), pose(None, x=900, score=0.5) | {"id": 11}]
    assert score(truth({}, {}), found)["table"]["AP"] < 50
    found[0]["score"] = 0.6
    assert score(truth({}, {}), found)["table"]["AP"] == pytest.approx(50, abs=1)


@pytest.mark.parametrize(("is_labeled", "ap"), [(None, 100), (False, 100), (True, 50)])
def test_frames_without_labels_do_not_count_unless_the_file_says_so(score, is_labeled, ap):
    found = [pose(10, score=0.5), pose(None, image=2, score=0.9)]
    table = score(truth({}, is_labeled=is_labeled), found)["table"]
    assert table["AP"] == pytest.approx(ap)


def test_without_poses_of_their_own_people_have_ap_alone(score, caplog):
    """Detected boxes, or somebody whom NMS left out."""
    result = score(truth({}, {}), [pose(10)])
    assert math.isnan(result["table"]["PCK@0.2"])
    assert math.isnan(result["table"]["EPE"])
    assert result["table"]["AR"] == pytest.approx(50)
    assert result["joints"] == {}
    assert "no PCK: 1 labeled people have no pose with the id of their annotation" in caplog.text


def test_people_of_all_categories_are_scored_alike(score):
    content = truth({"category_id": 7})
    content["categories"].append({"id": 7, "name": "rat"})
    assert score(content, [pose(10)])["table"]["AP"] == pytest.approx(100)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (truth({"id": 10}, {"id": 10}), r"annotations\[1\]: id 10 is used twice"),
        (truth({"id": None}), r"annotations\[0\]: no 'id'"),
        (truth({}, images=(1, 1)), r"images\[1\]: id 1 is used twice"),
        (truth({"keypoints": [0] * 6}), "no annotation has a labeled joint"),
        (truth({}, category={"sigmas": [0.1]}), r"categories\[0\]: 'sigmas' must be 2 numbers over 0"),
        (truth({}, category={"sigmas": [0.1, 0]}), "must be 2 numbers over 0"),
        (truth({}, category={"sigmas": "ab"}), "must be 2 numbers over 0"),
    ],
)
def test_ground_truth_that_cannot_be_scored_is_refused_early(tmp_path, content, message):
    (tmp_path / "gt.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"gt\.json: .*{message}"):
        check_custom(tmp_path / "gt.json")


def test_a_prediction_of_another_image_is_refused(score):
    with pytest.raises(InputError, match=r"predictions\[0\]: image_id 5 is not in "):
        score(truth({}), [pose(10, image=5)])
