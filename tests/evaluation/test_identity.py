"""IDF1 and HOTA against TrackEval's figures and cases worked out by hand."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from posetrack_sets import frame, person, write_set

from lib.evaluation.posetrack_metrics import evaluate_posetrack, evaluate_videos, format_table
from lib.formats.posetrack_set import read_videos
from lib.formats.video_annotations import JOINT_NAMES

GOLDEN = Path(__file__).parent.parent / "golden" / "poseval"


def nose(x, track):
    """A person of whom only the nose is known, in a head of 60 pixels: a hit is within 30."""
    return person({13: (x, 0)}, track)


def score(folder, truth, predicted):
    result = evaluate_posetrack(*write_set(folder, {"v": truth}, {"v": predicted}), tracking=True)
    return result["idf1"]["nose"], result["hota"]["nose"]


@pytest.mark.parametrize("name", ["small", "medium"])
def test_equals_trackeval(name):
    """The sets have 3 and 12 videos, so this is how TrackEval combines sequences, too."""
    expected = json.loads((GOLDEN / name / "trackeval.json").read_text())
    result = evaluate_posetrack(GOLDEN / name / "gt", GOLDEN / name / "pred", tracking=True)
    for key in ("idf1", "hota"):
        values = [result[key][joint] for joint in expected["joint_order"]]
        np.testing.assert_allclose(values, expected[key], rtol=0, atol=1e-9)
        assert result[key]["Mean"] == pytest.approx(np.mean(expected[key]))


def test_perfect_tracks_have_100(tmp_path):
    video = [frame(nose(0, 1), nose(900, 2))] * 3
    assert score(tmp_path, video, video) == pytest.approx((100, 100))


def test_a_swap_costs_identities_and_not_detections(tmp_path):
    """Two people swap after two of four frames: half of each track is right, and a pair's accuracy is 2 of 6."""
    truth = [frame(nose(0, 1), nose(900, 2))] * 4
    swapped = [frame(nose(0, 2), nose(900, 1))] * 2
    assert score(tmp_path, truth, truth[:2] + swapped) == pytest.approx((50, 100 * math.sqrt(1 / 3)))


def test_another_number_for_a_track_costs_nothing(tmp_path):
    truth, predicted = [frame(nose(0, 1))] * 3, [frame(nose(0, 70))] * 3
    assert score(tmp_path, truth, predicted) == pytest.approx((100, 100))


def test_the_last_frame_counts(tmp_path):
    """Unlike in MOTA: one of two noses is missed, and one is false."""
    truth = [frame(nose(0, 1))] * 2
    idf1, hota = score(tmp_path, truth, [truth[0], frame(nose(500, 1))])
    assert (idf1, hota) == pytest.approx((50, 100 / 3))  # detection accuracy 1 of 3, association accuracy 1 of 3


@pytest.mark.parametrize(("distance", "idf1", "thresholds"), [(0, 100, 19), (15, 100, 10), (30, 100, 0), (31, 0, 0)])
def test_hota_averages_over_thresholds_up_to_a_hit(tmp_path, distance, idf1, thresholds):
    """A nose half of the largest distance of a hit away has similarity 0.5: a pair at thresholds 0.05 to 0.5."""
    truth, predicted = [frame(nose(0, 1))] * 2, [frame(nose(distance, 1))] * 2
    assert score(tmp_path, truth, predicted) == pytest.approx((idf1, 100 * thresholds / 19))


def test_a_frame_without_a_prediction_is_missed_joints_alone(tmp_path):
    """MOTA counts it as a false hypothesis too."""
    truth = [frame(nose(0, 1), nose(900, 2)), frame(nose(0, 1))]
    assert score(tmp_path, truth, [frame(), frame(nose(0, 1))])[0] == pytest.approx(50)  # 2 · 1 of 3 + 1


def test_a_joint_that_is_never_labeled_is_nan_and_left_out_of_the_mean(tmp_path):
    truth, predicted = [frame(nose(0, 1))] * 2, [frame(person({13: (0, 0), 4: (9, 9)}, 1))] * 2
    result = evaluate_posetrack(*write_set(tmp_path, {"v": truth}, {"v": predicted}), tracking=True)
    for key in ("idf1", "hota"):
        assert [name for name in JOINT_NAMES if not math.isnan(result[key][name])] == ["nose"]
        assert result[key]["Mean"] == pytest.approx(100)


def test_the_table_has_a_row_for_each_measure_and_videos_in_memory_give_the_same():
    gt, pred = GOLDEN / "small/gt", GOLDEN / "small/pred"
    result = evaluate_posetrack(gt, pred, tracking=True)
    rows = [line.split()[0] for line in format_table(result).splitlines()[1:]]
    assert rows == ["AP", "MOTA", "MOTP", "Precision", "Recall", "IDF1", "HOTA"]
    pairs = zip(read_videos(gt), read_videos(pred), strict=True)
    assert format_table(evaluate_videos(pairs, tracking=True)) == format_table(result)
    untracked = evaluate_videos(zip(read_videos(gt), read_videos(pred), strict=True))
    assert len(format_table(untracked).splitlines()) == 2
