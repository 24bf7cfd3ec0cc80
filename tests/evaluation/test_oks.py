"""OKS AP: equal to the official tools' on golden sets, and worked out by hand where data sets differ from COCO."""

import json
import math
import random
from pathlib import Path

import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from lib.evaluation.coco_scorer import STATS
from lib.evaluation.oks import WHOLEBODY_FIELDS, WHOLEBODY_PARTS, evaluate_oks, format_table
from lib.utils.errors import InputError

GOLDEN = Path(__file__).parents[1] / "golden" / "coco"
EXPECTED = json.loads((GOLDEN / "expected.json").read_text())
NOSE = 0.026  # COCO's constant
APPROX_1 = pytest.approx(1)  # COCO divides by a count and a little more


def golden(data_set, side):
    return json.loads((GOLDEN / f"{data_set}_{side}.json").read_text())


@pytest.fixture
def score(tmp_path):
    """The table of ground truth and predictions that are given as they would stand in the files."""

    def scored(data_set, truth, predictions, **options):
        (tmp_path / "gt.json").write_text(json.dumps(truth))
        (tmp_path / "pred.json").write_text(json.dumps(predictions))
        return evaluate_oks(data_set, tmp_path / "gt.json", tmp_path / "pred.json", **options)["table"]

    return scored


def row(joints, third, num_joints=17, shift=0.0):
    """Keypoints: of the first `joints`, in a line 10 pixels apart from (100, 100), `third` is not 0."""
    return [
        value
        for joint in range(num_joints)
        for value in ((100 + 10 * joint + shift, 100 + 10 * joint, third) if joint < joints else (0, 0, 0))
    ]


def truth(*people, images=1, **of_images):
    people = [
        {"id": i, "image_id": 0, "category_id": 1, "bbox": [100, 100, 100, 100], **p} for i, p in enumerate(people)
    ]
    images = [{"id": i, **{key: values[i] for key, values in of_images.items()}} for i in range(images)]
    return {"images": images, "annotations": people, "categories": [{"id": 1}]}


def found(keypoints, score=0.5, **more):
    return {"image_id": 0, "category_id": 1, "keypoints": keypoints, "score": score} | more


@pytest.mark.parametrize("data_set", EXPECTED)
def test_golden_sets(data_set):
    expected = EXPECTED[data_set]
    if data_set == "coco_wholebody":
        expected = {f"{part} {name}": value for part, stats in expected.items() for name, value in stats.items()}
    else:
        expected = expected["stats"]
    table = evaluate_oks(data_set, GOLDEN / f"{data_set}_gt.json", GOLDEN / f"{data_set}_pred.json")["table"]
    assert list(table) == list(expected)
    assert table == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("data_set", EXPECTED)
def test_a_factor_on_the_sigmas_is_one_on_the_distances(score, data_set):
    """Twice as far from the labels, and scored with twice the sigmas: the same numbers."""
    fields = {"coco_wholebody": WHOLEBODY_FIELDS, "aic": {"keypoints": 14}, "crowdpose": {"keypoints": 14}}
    fields = fields.get(data_set, {"keypoints": 17})
    labels = truth({"area": 10_000} | {name: row(n, 2, n) for name, n in fields.items()}, crowdIndex=[0.5])

    def predict(shift):
        parts = {f"{part}_score": 0.5 for part in WHOLEBODY_PARTS} if data_set == "coco_wholebody" else {}
        return [found(**{name: row(n, 1, n, shift) for name, n in fields.items()}, **parts)]

    step = 1 if data_set == "aic" else 4  # pixels; AI Challenger's sigmas are small
    near, far = score(data_set, labels, predict(step)), score(data_set, labels, predict(2 * step))
    assert near != far
    assert score(data_set, labels, predict(2 * step), sigma_scale=2) == near
    assert score(data_set, labels, predict(step), sigma_scale=0.5) == far


def test_coco_is_plain_pycocotools():
    plain = COCO(GOLDEN / "coco_gt.json")
    scorer = COCOeval(plain, plain.loadRes(str(GOLDEN / "coco_pred.json")), "keypoints")
    scorer.evaluate()
    scorer.accumulate()
    scorer.summarize()
    table = evaluate_oks("coco", GOLDEN / "coco_gt.json", GOLDEN / "coco_pred.json")["table"]
    assert list(table.values()) == scorer.stats.tolist()


@pytest.mark.parametrize("data_set", ["coco", "crowdpose"])
def test_fields_that_real_files_lack(score, data_set):
    content = golden(data_set, "gt")
    for image in content["images"]:
        del image["width"], image["height"]
    for person in content["annotations"]:
        del person["num_keypoints"]
        if not person["iscrowd"]:
            del person["iscrowd"]
    assert score(data_set, content, golden(data_set, "pred")) == EXPECTED[data_set]["stats"]


def test_order_of_predictions_does_not_matter(score):
    predictions = golden("crowdpose", "pred")
    for index, person in enumerate(predictions):
        person["score"] += index * 1e-6
    assert len({person["score"] for person in predictions}) == len(predictions)
    tables = []
    for _ in range(2):
        tables.append(score("crowdpose", golden("crowdpose", "gt"), predictions))
        random.Random(0).shuffle(predictions)
    assert tables[0] == tables[1]


def test_the_error_is_divided_by_the_area(score):
    """An error d of the nose alone: OKS = exp(−d² / (2 (2σ)² area)), .72 passes the thresholds .5 to .7."""
    error = math.sqrt(-math.log(0.72) * 2 * (2 * NOSE) ** 2 * 5000)
    person = {"keypoints": row(1, 2), "area": 5000}
    assert score("coco", truth(person), [found(row(1, 0.9, shift=error))])["AP"] == pytest.approx(0.5)
    assert score("coco", truth(person | {"area": 1e9}), [found(row(1, 0.9, shift=error))])["AP"] == pytest.approx(1)


@pytest.mark.parametrize("area", [{}, {"area": 1e9}])
def test_share_of_the_box_is_the_area(score, area):
    """Images without one, and all of AI Challenger, whose first joint has the constant .01388152."""
    error = math.sqrt(-math.log(0.72) * 2 * (2 * 0.01388152) ** 2 * 0.53 * 100 * 100)
    person = {"keypoints": row(1, 2, 14)} | area
    assert score("aic", truth(person), [found(row(1, 0.9, 14, error))])["AP"] == pytest.approx(0.5)
    error *= NOSE / 0.01388152
    result = score("coco", truth({"keypoints": row(1, 2)} | area), [found(row(1, 0.9, shift=error))])
    assert result["AP"] == pytest.approx(1 if area else 0.5)


@pytest.mark.parametrize(("x", "ap"), [(1, 1.0), (299, 1.0), (340, 0.5)])
def test_person_without_labeled_joint_is_ignored(score, x, ap):
    """A prediction within his box, grown by its size on each side, is not false; one outside is, at the first rank."""
    nobody = {"keypoints": [0] * 51, "bbox": [100, 1000, 100, 100], "area": 100}
    near = found([x, 1050, 0.9] * 17, score=0.9)
    table = score("coco", truth({"keypoints": row(17, 2)}, nobody), [near, found(row(17, 0.9))])
    assert table["AP"] == pytest.approx(ap)


def test_crowd_takes_any_number_of_predictions(score):
    crowd = {"keypoints": row(17, 2, shift=1000), "iscrowd": 1}
    predictions = [found(row(17, 0.9, shift=1000), score=0.9), found(row(17, 0.9, shift=1001), score=0.8)]
    assert score("coco", truth({"keypoints": row(17, 2)}, crowd), [*predictions, found(row(17, 0.9))])["AP"] == APPROX_1


@pytest.mark.parametrize(("box", "medium", "large"), [(None, 0.5, -1), ([0, 0, 200, 200], 1.0, -1)])
def test_area_of_a_false_prediction(score, box, medium, large):
    """It is the extent of the joints, 40 × 40, or `bbox` if there is one, and tells to which size the fault belongs."""
    false = found([500, 500, 0.9, *[540, 540, 0.9] * 16], score=0.9)
    true = found(row(17, 0.9))
    if box:
        false, true = false | {"bbox": box}, true | {"bbox": box}
    table = score("coco", truth({"keypoints": row(17, 2), "area": 2000}), [false, true])
    assert (table["AP"], table["AP (M)"], table["AP (L)"]) == pytest.approx((0.5, medium, large))


def test_prediction_without_scored_joint_is_left_out(score):
    unseen = found(row(17, 0, shift=500), score=0.9)
    assert score("coco", truth({"keypoints": row(17, 2)}), [unseen, found(row(17, 0.9))])["AP"] == APPROX_1
    assert score("coco", truth({"keypoints": row(17, 2)}), [unseen | {"keypoints": row(17, 0.1, shift=500)}])["AP"] == 0


def test_person_of_id_0_counts(score):
    """pycocotools takes a match with him for none."""
    assert truth({})["annotations"][0]["id"] == 0
    assert score("coco", truth({"keypoints": row(17, 2)}), [found(row(17, 0.9))])["AR"] == 1


def test_twenty_predictions_an_image(score):
    person = truth({"keypoints": row(17, 2)})
    false = [found(row(17, 0.9, shift=500), score=0.9)]
    assert score("coco", person, 19 * false + [found(row(17, 0.9))])["AR"] == 1
    assert score("coco", person, 20 * false + [found(row(17, 0.9))])["AR"] == 0


def test_crowdpose_levels(score):
    """An index of .2 is medium, one of .8 hard; where there is nobody, the level is −1."""
    people = [{"keypoints": row(14, 2, 14), "image_id": image} for image in range(3)]
    right = [found(row(14, 0.9, 14)) | {"image_id": 1}]
    table = score("crowdpose", truth(*people, images=3, crowdIndex=[0.19, 0.2, 0.8]), right)
    assert [table[name] for name in ("AP(E)", "AP(M)", "AP(H)")] == [0, 1, 0]
    table = score("crowdpose", truth(*people, images=3, crowdIndex=[0.2, 0.3, 0.79]), right)
    assert (table["AP(E)"], table["AP(H)"]) == (-1, -1)
    assert table["AP(M)"] == round(table["AP"], 4) == pytest.approx(0.3366, abs=1e-4)  # 34 of 101 recalls: ≤ 1/3


def test_crowdpose_ignores_by_num_keypoints(score):
    """CrowdPose's own count is of visible joints; someone of hidden joints alone does not count."""
    people = [{"keypoints": row(14, 2, 14)}, {"keypoints": row(14, 1, 14, 500), "num_keypoints": 0}]
    ignored = score("crowdpose", truth(*people, crowdIndex=[0.5]), [found(row(14, 0.9, 14))])
    del people[1]["num_keypoints"]
    counted = score("crowdpose", truth(*people, crowdIndex=[0.5]), [found(row(14, 0.9, 14))])
    assert (ignored["AR"], counted["AR"]) == (1, 0.5)
    assert score("coco", truth({"keypoints": row(17, 2), "num_keypoints": 0}), [found(row(17, 0.9))])["AP"] == APPROX_1


def apart(predictions):
    """WholeBody predictions with a key for each part."""
    for person in predictions:
        values = person.pop("keypoints")
        for key, count in WHOLEBODY_FIELDS.items():
            person[key], values = values[: 3 * count], values[3 * count :]
    return predictions


def test_wholebody_formats_of_predictions(score):
    flat = score("coco_wholebody", golden("coco_wholebody", "gt"), golden("coco_wholebody", "pred"))
    parts = score("coco_wholebody", golden("coco_wholebody", "gt"), apart(golden("coco_wholebody", "pred")))
    assert flat == parts


def test_wholebody_scores_of_parts(score):
    """A part's own score ranks it; a part without scored joint is left out; the area is the body's for every part."""
    person = {key: row(count, 2, count) for key, count in WHOLEBODY_FIELDS.items()}
    right = found(**{key: row(count, 0.9, count) for key, count in WHOLEBODY_FIELDS.items()}, score=0.9)
    wrong = found(**{key: row(count, 0.9, count, 500) for key, count in WHOLEBODY_FIELDS.items()}, score=0.1)
    table = score("coco_wholebody", truth(person), [right, wrong | {"foot_score": 0.95}])
    assert (table["foot AP"], table["face AP"], table["body AP"]) == pytest.approx((0.5, 1, 1))
    unseen = wrong | {"foot_score": 0.95, "foot_kpts": row(6, 0, 6, 500)}
    assert score("coco_wholebody", truth(person), [right, unseen])["foot AP"] == pytest.approx(1)
    tiny = wrong | {"foot_score": 0.95, "keypoints": [500, 500, 0.9] * 17}  # 0 pixels: neither medium nor large
    table = score("coco_wholebody", truth(person | {"area": 5000}), [right, tiny])
    assert (table["foot AP"], table["foot AP (M)"]) == pytest.approx((0.5, 1))


def test_no_prediction_is_zero(score):
    assert score("coco", truth({"keypoints": row(17, 2), "area": 5000}), []) == dict.fromkeys(STATS, 0.0) | {
        "AP (L)": -1,
        "AR (L)": -1,
    }
    assert set(score("crowdpose", golden("crowdpose", "gt"), []).values()) == {0}
    assert set(score("coco_wholebody", golden("coco_wholebody", "gt"), []).values()) == {0}


def test_table_as_text():
    names = ("AP", "AR .5")
    values = {"lefthand AP": 0.5, "lefthand AR .5": -1, "righthand AP": 0.7, "righthand AR .5": 0.2}
    lines = [line.split() for line in format_table({"table": values}).splitlines()]
    assert lines == [
        ["AP", "AR", ".5"],
        ["lefthand", "50.0", "nan"],
        ["righthand", "70.0", "20.0"],
        ["hand", "60.0", "nan"],
    ]
    assert format_table({"table": dict.fromkeys(names, 0.25)}).splitlines()[1].split() == ["25.0", "25.0"]


def test_other_categories_do_not_count_with_a_warning(score, caplog):
    table = score("coco", truth({"keypoints": row(17, 2)}), [found(row(17, 0.9), category_id=0)])
    assert table["AP"] == 0
    assert "1 predictions do not count" in caplog.text


def test_predictions_for_an_unknown_image_are_refused(score):
    with pytest.raises(InputError, match=r"pred.json: predictions\[1\]: image_id 7 is not in .*gt.json"):
        score("coco", truth(), [found(row(17, 1)), found(row(17, 1), image_id=7)])


def test_crowdpose_requires_crowd_indices(score):
    with pytest.raises(InputError, match=r"gt.json: images\[0\]: no 'crowdIndex'"):
        score("crowdpose", truth(), [])
