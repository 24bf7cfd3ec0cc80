"""The scorer against the official tool's figures, cases worked out by hand, and a slow second scorer."""

import json
import logging
import math
from pathlib import Path

import numpy as np
import posetrack_oracle as oracle
import pytest
from posetrack_sets import content_2017, content_2018, frame, person, random_video, write_set

from lib.evaluation.posetrack_metrics import evaluate_posetrack
from lib.formats.video_annotations import JOINT_NAMES
from lib.utils.errors import InputError

GOLDEN = Path(__file__).parent.parent / "golden" / "poseval"
COLUMNS = ["Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle", "Mean"]
NOSE = "nose"


def score(folder, truth, predicted, tracking=False, **forms):
    """Evaluate one video."""
    return evaluate_posetrack(*write_set(folder, {"video": truth}, {"video": predicted}, **forms), tracking=tracking)


def nose(x, y=0.0, track=0, score=0.5):
    """A person of whom only the nose (id 13) is known."""
    return person({13: (x, y)}, track, scores={13: score})


@pytest.mark.parametrize(
    ("truth", "name"), [("small/gt", "small"), ("small/gt_2017", "small"), ("medium/gt", "medium")]
)
def test_equals_the_official_tool(truth, name):
    result = evaluate_posetrack(GOLDEN / truth, GOLDEN / name / "pred", tracking=True)
    expected = json.loads((GOLDEN / name / "result.json").read_text())
    assert list(result["joints"]) == expected["joint_order"][:15]
    assert list(result["table"]) == COLUMNS
    for key, expected_key in (("ap", "ap"), ("precision", "pre"), ("recall", "rec")):
        values = [joint[key] for joint in result["joints"].values()]
        np.testing.assert_allclose(values, expected["ap"][expected_key][:15], rtol=0, atol=1e-6)
    np.testing.assert_allclose(list(result["table"].values()), expected["ap"]["table"], rtol=0, atol=1e-6)
    for key, expected_key in (("mota", "mota"), ("motp", "motp"), ("mot_precision", "pre"), ("mot_recall", "rec")):
        values = [result[key][joint] for joint in (*JOINT_NAMES, "Mean")]
        figures = expected["mot_original_motmetrics_bundle"][expected_key]
        np.testing.assert_allclose(values, figures, rtol=0, atol=1e-6)
        head = np.mean([result[key][joint] for joint in ("head_top", "neck", "nose")])
        assert result[key]["Head"] == pytest.approx(head, abs=1e-9)


@pytest.mark.parametrize("seed", range(60))
def test_equals_the_slow_scorer(tmp_path, seed):
    rng = np.random.default_rng(seed)
    joints = range(15) if seed % 3 else [joint for joint in range(15) if joint != 4]  # a left knee nobody labeled
    videos = {f"v{k}": random_video(rng, 6, crowd=int(rng.integers(1, 9)), joints=joints) for k in range(3)}
    forms = [content_2017, content_2018]
    folders = write_set(
        tmp_path,
        {name: truth for name, (truth, _) in videos.items()},
        {name: predicted for name, (_, predicted) in videos.items()},
        truth_form=forms[seed % 2],
        predicted_form=forms[seed // 2 % 2],
    )
    result = evaluate_posetrack(*folders, tracking=True)
    cleaned = [oracle.clean(*videos[name]) for name in sorted(videos)]

    ap = oracle.average_precision(cleaned)
    for key, values in zip(("ap", "precision", "recall"), zip(*ap, strict=True), strict=True):
        assert [joint[key] for joint in result["joints"].values()] == pytest.approx(values, abs=1e-9, nan_ok=True), key
    expected = oracle.columns([values[0] for values in ap])
    assert list(result["table"].values()) == pytest.approx(expected, abs=1e-9, nan_ok=True)

    keys = ("mota", "motp", "mot_precision", "mot_recall")
    for key, values in zip(keys, zip(*oracle.tracking(cleaned), strict=True), strict=True):
        assert [result[key][name] for name in JOINT_NAMES] == pytest.approx(values, abs=1e-9, nan_ok=True), key
        expected = oracle.columns(values)
        assert [result[key][name] for name in COLUMNS] == pytest.approx(expected, abs=1e-9, nan_ok=True), key


def test_workers_give_what_one_process_gives(tmp_path):
    rng = np.random.default_rng(0)
    videos = {f"v{k:02d}": random_video(rng, 4, crowd=3) for k in range(9)}
    sides = [{name: video[side] for name, video in videos.items()} for side in (0, 1)]
    result = evaluate_posetrack(*write_set(tmp_path, *sides), tracking=True)
    ap = oracle.average_precision([oracle.clean(*videos[name]) for name in sorted(videos)])
    assert [joint["ap"] for joint in result["joints"].values()] == pytest.approx([values[0] for values in ap], abs=1e-9)


def test_threshold_is_half_a_head_and_includes_it(tmp_path):
    """The head size is 0.6 · 100 pixels, so 30 pixels are a hit and a little more is none."""
    result = score(
        tmp_path, [frame(nose(0, track=0), nose(1000, track=1))], [frame(nose(30, track=0), nose(1030.1, track=1))]
    )
    assert result["joints"][NOSE]["precision"] == 50.0
    assert result["joints"][NOSE]["recall"] == 50.0


def test_precision_envelope(tmp_path):
    """Ranked miss, hit, miss, hit of four labeled noses: precision 1/2 at both hits, half of the recall is reached."""
    truth = [frame(*(nose(1000 * k, track=k) for k in range(4)))]
    places, scores = [(500, 0), (0, 0), (1500, 0), (1000, 0)], [0.9, 0.8, 0.7, 0.6]
    predicted = [
        frame(*(nose(*place, track=k, score=s) for k, (place, s) in enumerate(zip(places, scores, strict=True))))
    ]
    joint = score(tmp_path, truth, predicted)["joints"][NOSE]
    assert joint == {"ap": 25.0, "precision": 50.0, "recall": 50.0}


def test_equal_scores_rank_by_video_frame_and_person(tmp_path):
    """Four detections of score 0.5, hits first and third: AP (1 + 2/3) / 2; in another order it would differ."""
    folders = write_set(
        tmp_path,
        {"b": [frame(nose(0)), frame(nose(0))], "a": [frame(nose(0))]},
        {"b": [frame(nose(500)), frame(nose(0, track=0), nose(500, track=1))], "a": [frame(nose(0))]},
    )
    assert evaluate_posetrack(*folders)["joints"][NOSE]["ap"] == pytest.approx(100 * (1 + 2 / 3) / 3)


def test_frames_without_ground_truth_are_free(tmp_path):
    joint = score(tmp_path, [frame(nose(0)), frame()], [frame(nose(0)), frame(nose(0), nose(9, track=1))])["joints"][
        NOSE
    ]
    assert joint == {"ap": 100.0, "precision": 100.0, "recall": 100.0}


@pytest.mark.parametrize("form", [content_2017, content_2018])
def test_a_person_without_points_keeps_its_frame(tmp_path, form):
    """He himself is dropped, but his frame was kept before that: its predictions are false."""
    truth = [frame(nose(0)), frame(person(None))]
    joint = score(tmp_path, truth, [frame(nose(0)), frame(nose(0))], truth_form=form)["joints"][NOSE]
    assert joint == {"ap": 100.0, "precision": 50.0, "recall": 100.0}


@pytest.mark.parametrize("form", [content_2017, content_2018])
@pytest.mark.parametrize(("someone", "recall"), [(person({}), 100.0), (person(None), 50.0)])
def test_an_empty_person_makes_a_frame_two_sided(tmp_path, form, someone, recall):
    """A person without joints is somebody, so nothing is missed; one without a list of joints is nobody.

    The region is in another frame than his, where he would go.
    """
    truth = [frame(nose(0), regions=[[(500, 500), (510, 500), (500, 510)]]), frame(someone), frame(nose(0))]
    result = score(tmp_path, truth, [frame(nose(0))] * 3, tracking=True, truth_form=form)
    assert result["mot_precision"][NOSE] == 50.0  # the last frame is left out
    assert result["mot_recall"][NOSE] == recall


def test_a_lost_best_match_is_not_replaced(tmp_path):
    """Both predictions prefer the first person; the loser does not fall back on the second, whom it hits too."""
    truth = [frame(person({12: (0, 0), 13: (100, 0)}, 0), person({13: (100, 0), 14: (500, 0), 12: (900, 0)}, 1))]
    close = person({12: (0, 0), 13: (100, 0)}, 0)
    also = person({12: (0, 0), 13: (100, 0), 14: (500, 500)}, 1)
    joint = score(tmp_path, truth, [frame(close, also)])["joints"]
    assert joint[NOSE] == {"ap": 50.0, "precision": 50.0, "recall": 50.0}
    assert joint["head_top"]["precision"] == 0.0


def test_the_first_of_equal_pairs_wins(tmp_path):
    """Two equal predictions of one person: the first in the file is the match, whatever the scores."""
    predicted = [frame(nose(0, track=0, score=0.1), nose(0, track=1, score=0.9))]
    assert score(tmp_path, [frame(nose(0))], predicted)["joints"][NOSE]["ap"] == 50.0


def test_a_joint_that_the_match_lacks_is_false(tmp_path):
    """The head top is predicted twice, but the first person has none: a miss, then a hit of the same score."""
    both = person({13: (0, 0), 14: (0, 50)})
    joints = score(tmp_path, [frame(nose(0)), frame(both)], [frame(both), frame(both)])["joints"]
    assert joints["head_top"] == {"ap": 50.0, "precision": 50.0, "recall": 100.0}


SQUARE = [(0, 0), (100, 0), (100, 100), (0, 100)]
BOWTIE = [(0, 0), (100, 100), (100, 0), (0, 100)]


@pytest.mark.parametrize(
    ("region", "place", "counts"),
    [
        (SQUARE, (50, 50), False),
        (SQUARE, (100, 50), True),  # on the border
        (SQUARE, (0, 0), True),  # on a corner
        (SQUARE, (101, 50), True),
        (BOWTIE, (90, 50), False),
        (BOWTIE, (50, 90), True),  # between the wings
        (BOWTIE, (50, 50), True),  # where it crosses itself
        (SQUARE[:2], (50, 0), True),  # encloses nothing
    ],
)
def test_ignore_regions(tmp_path, region, place, counts):
    joint = score(tmp_path, [frame(nose(*place), nose(900, track=1), regions=[region])], [frame(nose(*place))])[
        "joints"
    ][NOSE]
    assert joint["recall"] == (50.0 if counts else 0.0)


def test_a_frame_emptied_by_its_region_stays(tmp_path):
    """Its prediction outside is a false positive, and for tracks it is one miss and one false hypothesis per joint."""
    truth = [frame(nose(50, 50), regions=[SQUARE]), frame(nose(0)), frame(nose(0))]
    predicted = [frame(nose(500)), frame(nose(0)), frame(nose(0))]
    result = score(tmp_path, truth, predicted, tracking=True)
    assert result["joints"][NOSE]["precision"] == pytest.approx(200 / 3)
    assert result["mota"][NOSE] == 0.0  # two objects, one missed, one false hypothesis
    assert result["mota"]["left_knee"] == -100.0  # never labeled, yet one object


def test_an_empty_region_still_drops_empty_persons(tmp_path):
    """Regions that enclose nothing make the frame one with regions: its all-zero person goes, and it is one-sided."""
    truth = [frame(person({}), regions=[[]]), frame(nose(0))]
    assert score(tmp_path, truth, [frame(nose(0)), frame(nose(0))], tracking=True)["mota"][NOSE] == -100.0


def test_no_prediction_at_all_is_zero(tmp_path):
    result = score(tmp_path, [frame(nose(0)), frame(nose(0))], [frame(), frame()], tracking=True)
    assert result["table"] == dict.fromkeys(COLUMNS, 0.0)
    assert result["mota"][NOSE] == -100.0
    assert result["motp"]["Mean"] == 0.0


def test_a_joint_never_labeled_is_nan_and_left_out_of_the_mean(tmp_path):
    everything = person({joint: (joint * 100, 0) for joint in range(15)})
    without_knee = person({joint: (joint * 100, 0) for joint in range(15) if joint != 4})
    result = score(tmp_path, [frame(without_knee)] * 2, [frame(everything)] * 2, tracking=True)
    knee = result["joints"]["left_knee"]
    assert math.isnan(knee["ap"])
    assert math.isnan(knee["recall"])
    assert knee["precision"] == 0.0
    assert result["table"]["Mean"] == 100.0
    assert math.isnan(result["table"]["Knee"])
    assert math.isnan(result["mota"]["left_knee"])
    assert result["mota"]["Mean"] == 100.0
    assert result["mot_precision"]["left_knee"] == 0.0


def test_a_joint_never_labeled_nor_predicted_is_zero(tmp_path):
    assert score(tmp_path, [frame(nose(0))], [frame(nose(0))])["joints"]["left_knee"] == {
        "ap": 0.0,
        "precision": 0.0,
        "recall": 0.0,
    }


def test_a_joint_at_the_origin_is_present_if_visible(tmp_path):
    """In the form of 2018 only x = y = v = 0 means absent."""
    joint = score(
        tmp_path, [frame(nose(0, 0))], [frame(nose(0, 0))], truth_form=content_2018, predicted_form=content_2018
    )
    assert joint["joints"][NOSE]["ap"] == 100.0


def test_a_missing_score_ranks_last(tmp_path):
    predicted = [frame(person({13: (500, 0)}, 0, scores={}), nose(0, track=1, score=-5.0))]
    assert score(tmp_path, [frame(nose(0))], predicted)["joints"][NOSE]["ap"] == 100.0


def test_switches_count_after_any_gap(tmp_path):
    """The person is tracked as 7, lost for a frame, found as 8: one switch of three objects, and one miss."""
    truth = [frame(nose(0, track=3), nose(900, track=4)) for _ in range(4)]
    predicted = [frame(nose(0, track=7)), frame(nose(500, track=7)), frame(nose(0, track=8)), frame()]
    result = score(tmp_path, truth, predicted, tracking=True)
    # objects 6; misses 1 + 2 + 1, one switch, one false hypothesis; the last frame is left out
    assert result["mota"][NOSE] == pytest.approx(0.0)
    assert result["mot_recall"][NOSE] == pytest.approx(100 / 3)
    assert result["motp"][NOSE] == pytest.approx(100.0)


def test_the_last_pairing_is_kept_before_a_nearer_one(tmp_path):
    truth = [frame(nose(0))] * 3
    predicted = [frame(nose(0, track=1)), frame(nose(0, track=2), nose(20, track=1)), frame()]
    result = score(tmp_path, truth, predicted, tracking=True)
    assert result["mota"][NOSE] == 50.0  # no switch, one false hypothesis of two objects
    assert result["motp"][NOSE] == pytest.approx(100 * (1 - (20 / 60) / 2))


def test_the_number_of_pairs_comes_before_their_distance(tmp_path):
    """Hypothesis 1 is 0 from A and 25 from B, hypothesis 2 is 25 from A only: two far pairs beat one near pair."""
    truth = [frame(nose(0, track=0), nose(25, track=1))] * 2
    predicted = [frame(nose(0, track=1), nose(-25, track=2)), frame()]
    result = score(tmp_path, truth, predicted, tracking=True)
    assert result["mot_recall"][NOSE] == 100.0
    assert result["motp"][NOSE] == pytest.approx(100 * (1 - 25 / 60))


def test_ground_truth_may_repeat_a_track_id(tmp_path):
    """As in py-motmetrics both are objects of one history: the second pair of the frame is a switch."""
    truth = [frame(nose(0, track=5), nose(900, track=5))] * 2
    predicted = [frame(nose(0, track=1), nose(900, track=2)), frame()]
    assert score(tmp_path, truth, predicted, tracking=True)["mota"][NOSE] == 50.0


@pytest.mark.parametrize(
    ("predicted", "fault"),
    [
        ([frame(nose(0, track=None))], "no track id"),
        ([frame(nose(0, track=1), nose(9, track=1))], "two persons have track id 1"),
    ],
)
def test_bad_track_ids_stop_tracking_only(tmp_path, caplog, predicted, fault):
    truth = [frame(nose(0))]
    folders = write_set(tmp_path, {"a": truth, "b": truth}, {"a": predicted, "b": predicted})
    with pytest.raises(InputError, match=rf"a\.json: frame 000000\.jpg: .*{fault}"):
        evaluate_posetrack(*folders, tracking=True)
    with caplog.at_level(logging.WARNING):
        assert evaluate_posetrack(*folders)["joints"][NOSE]["recall"] == 100.0
    assert len(caplog.records) == 1
    assert fault in caplog.text


def test_ground_truth_without_track_ids(tmp_path):
    truth, predicted = [frame(nose(0, track=None))], [frame(nose(0))]
    assert score(tmp_path, truth, predicted)["joints"][NOSE]["ap"] == 100.0
    with pytest.raises(InputError, match=r"gt/video\.json: .*no track id"):
        score(tmp_path, truth, predicted, tracking=True)


def test_missing_head_boxes_matter_only_for_compared_people(tmp_path):
    headless = person({13: (0, 0)}, head=None)
    assert score(tmp_path, [frame(headless)], [frame()])["joints"][NOSE]["ap"] == 0.0
    with pytest.raises(InputError, match=r"gt/video\.json: frame 000001\.jpg: a person has no head box"):
        score(tmp_path, [frame(nose(0)), frame(headless)], [frame(nose(0)), frame(nose(0))], truth_form=content_2017)


def test_a_different_number_of_frames(tmp_path):
    with pytest.raises(InputError, match=r"pred/video\.json: 1 frames, but the ground truth has 2"):
        score(tmp_path, [frame(nose(0)), frame()], [frame(nose(0))])


def test_missing_and_extra_files(tmp_path, caplog):
    video = [frame(nose(0))]
    gt, pred = write_set(tmp_path, {"a": video, "b": video}, {"a": video, "c": video})
    (gt / "readme.txt").write_text("not a video")
    with pytest.raises(InputError, match=r"pred/b\.json: missing; 1 of 2"):
        evaluate_posetrack(gt, pred)
    (gt / "b.json").unlink()
    with caplog.at_level(logging.WARNING):
        assert evaluate_posetrack(gt, pred)["joints"][NOSE]["ap"] == 100.0
    assert len(caplog.records) == 1
    assert "c.json" in caplog.text
    (gt / "a.json").unlink()
    with pytest.raises(InputError, match=r"gt: no \.json or \.mat file"):
        evaluate_posetrack(gt, pred)
    with pytest.raises(InputError, match="nowhere: no such folder"):
        evaluate_posetrack(gt, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("frames", "warned"),
    [
        ([(0,), (0, 1), (0, 1, 2)], True),
        ([(0,), (0, 1), (1, 0)], False),
        ([(0,), (1,), (1, 2)], False),
        ([(0,), (0,), (0,)], False),  # one person: it may well be a track
    ],
)
def test_track_ids_that_only_count_people_are_reported(tmp_path, caplog, frames, warned):
    predicted = [frame(*(nose(50 * place, track=track) for place, track in enumerate(tracks))) for tracks in frames]
    score(tmp_path, [frame(nose(0))] * 3, predicted, tracking=True)
    assert ("MOTA is meaningless" in caplog.text) == warned
    caplog.clear()
    score(tmp_path, [frame(nose(0))] * 3, predicted)
    assert "MOTA" not in caplog.text
