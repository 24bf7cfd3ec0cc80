"""The NMS: golden keep lists, the compiled loops against their NumPy twin, hand-made cases, bad input."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lib.nms
import lib.nms.suppression as subject
from lib.nms import nms, oks_iou, oks_nms, reference, soft_oks_nms

COCO_SIGMAS = np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000
GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "pipeline" / "oks_nms.json").read_text())


@pytest.fixture(params=["cython", "numpy"])
def implementation(request, monkeypatch) -> str:
    if request.param == "numpy":
        monkeypatch.setattr(subject, "kernels", reference)
    elif subject.kernels is reference:
        pytest.skip("the extension is not built")
    return request.param


def golden_people() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    people = GOLDEN["people"]
    keypoints = np.array([person["keypoints"] for person in people]).reshape(len(people), -1, 3)
    return keypoints, np.array([p["score"] for p in people]), np.array([p["area"] for p in people])


def crowd(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Poses in clusters, so that every OKS between 0 and 1 occurs; scores with ties."""
    rng = np.random.default_rng(seed)
    poses = rng.uniform(0, 500, (max(count // 4, 1), 17, 2))[rng.integers(0, max(count // 4, 1), count)]
    poses = poses + rng.normal(0, 1, (count, 17, 2)) * rng.choice([1, 5, 20], (count, 1, 1))
    return poses, rng.integers(0, 50, count) / 50, rng.uniform(2000, 40000, count)


@pytest.mark.parametrize("thresh", GOLDEN["keep"])
def test_golden_keep_lists(implementation, thresh):
    assert oks_nms(*golden_people(), COCO_SIGMAS, float(thresh)) == GOLDEN["keep"][thresh]


@pytest.mark.parametrize("thresh", GOLDEN["soft_keep"])
def test_golden_soft_keep_lists(implementation, thresh):
    assert soft_oks_nms(*golden_people(), COCO_SIGMAS, float(thresh)) == GOLDEN["soft_keep"][thresh]


@pytest.mark.parametrize("count", [0, 1, 2, 30, 300])
@pytest.mark.parametrize("thresh", [0.05, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_implementations_agree_on_poses(count, thresh, monkeypatch):
    people = crowd(count, seed=count)
    compiled = (
        oks_nms(*people, COCO_SIGMAS, thresh),
        soft_oks_nms(*people, COCO_SIGMAS, thresh),
        soft_oks_nms(*people, COCO_SIGMAS, thresh, max_dets=count + 1),
    )
    monkeypatch.setattr(subject, "kernels", reference)
    assert oks_nms(*people, COCO_SIGMAS, thresh) == compiled[0]
    assert soft_oks_nms(*people, COCO_SIGMAS, thresh) == compiled[1]
    assert soft_oks_nms(*people, COCO_SIGMAS, thresh, max_dets=count + 1) == compiled[2]
    assert len(compiled[2]) == count


@pytest.mark.parametrize("count", [0, 1, 200])
@pytest.mark.parametrize("thresh", [0.0, 0.3, 0.7])
def test_implementations_agree_on_boxes(count, thresh, monkeypatch):
    rng = np.random.default_rng(count)
    corner, size = rng.uniform(0, 100, (count, 2)), rng.uniform(5, 60, (count, 2))
    boxes = np.concatenate([corner, corner + size, rng.integers(0, 20, (count, 1)) / 20], axis=1)
    compiled = nms(boxes, thresh)
    monkeypatch.setattr(subject, "kernels", reference)
    assert nms(boxes, thresh) == compiled


def test_the_corner_pixels_belong_to_the_box(implementation):
    # 10×10 pixels each; 5×10 are shared: IoU 50 / 150
    boxes = np.array([[0, 0, 9, 9, 0.9], [5, 0, 14, 9, 0.8], [10, 0, 19, 9, 0.7]])
    assert nms(boxes, 0.34) == [0, 1, 2]
    assert nms(boxes, 0.33) == [0, 2]


def test_an_overlap_of_exactly_the_threshold_is_kept(implementation):
    boxes = np.array([[0, 0, 9, 9, 0.9], [0, 0, 9, 4, 0.8]])  # IoU 1/2
    assert nms(boxes, 0.5) == [0, 1]
    pose = np.zeros((2, 3, 2))
    assert oks_nms(pose, [1, 0.5], [100, 100], [0.1, 0.1, 0.1], 1.0) == [0, 1]
    assert oks_nms(pose, [1, 0.5], [100, 100], [0.1, 0.1, 0.1], 0.999) == [0]


def test_of_equal_scores_the_first_is_chosen_first(implementation):
    boxes = np.array([[0, 0, 9, 9, 0.5], [50, 0, 59, 9, 0.5], [0, 1, 9, 10, 0.5], [90, 0, 99, 9, 0.6]])
    assert nms(boxes, 0.5) == [3, 0, 1]
    poses = np.arange(4)[:, None, None] * 1000.0 + np.zeros((4, 2, 2))
    scores, areas, sigmas = [0.5, 0.5, 0.7, 0.5], np.full(4, 100.0), [0.1, 0.1]
    assert oks_nms(poses, scores, areas, sigmas, 0.9) == [2, 0, 1, 3]
    assert soft_oks_nms(poses, scores, areas, sigmas, 0.9) == [2, 0, 1, 3]


def test_oks_by_hand(implementation):
    # one joint at distance 3, one in its place; mean area 150, variance 0.2²
    pose = np.array([[0.0, 0.0], [7.0, 7.0]])
    other = np.array([[0.0, 3.0], [7.0, 7.0]])
    expected = (np.exp(-9 / (2 * 0.04 * 150)) + 1) / 2
    result = oks_iou(pose, other[None], 100, [200], [0.1, 0.1])
    np.testing.assert_allclose(result, [expected], rtol=1e-12)


def test_soft_nms_by_hand(implementation):
    # One joint with (2σ)² = 1 and areas of 1: OKS is exp(−d²/2), and at 0.5 a score decays by exp(−2 · OKS²).
    # First choice: 0. Distance 1 leaves pose 1 with 0.8 · 0.479 = 0.383, distance 2 pose 2 with 0.5 · 0.964 = 0.482.
    # Second: 2. It leaves pose 1, at a distance of 1 again, with 0.383 · 0.479 = 0.184, so 3 with its 0.35 is third.
    poses = np.array([0.0, 1.0, 2.0, 20.0])[:, None, None] * [1.0, 0.0]
    scores, areas, sigmas = [0.9, 0.8, 0.5, 0.35], np.ones(4), [0.5]
    assert soft_oks_nms(poses, scores, areas, sigmas, 0.5) == [0, 2, 3, 1]
    assert soft_oks_nms(poses, scores, areas, sigmas, 0.5, max_dets=3) == [0, 2, 3]
    assert soft_oks_nms(poses, scores, areas, sigmas, 50.0) == [0, 1, 2, 3]  # hardly a decay
    assert oks_nms(poses, scores, areas, sigmas, 0.5) == [0, 2, 3]


def test_implementations_agree_on_oks(monkeypatch):
    poses, _, areas = crowd(50)
    compiled = oks_iou(poses[0], poses, areas[0], areas, COCO_SIGMAS)
    monkeypatch.setattr(subject, "kernels", reference)
    np.testing.assert_allclose(oks_iou(poses[0], poses, areas[0], areas, COCO_SIGMAS), compiled, rtol=1e-12, atol=1e-17)


def test_poses_without_an_area(implementation):
    poses = np.array([[[0.0, 0.0]], [[0.0, 0.0]], [[1.0, 0.0]]])
    assert oks_nms(poses, [3, 2, 1], [0, 0, 0], [0.1], 0.9) == [0, 2]


def test_the_score_column_is_not_read_and_the_callers_scores_stay(implementation):
    keypoints, scores, areas = golden_people()
    before = scores.copy()
    soft = soft_oks_nms(keypoints, scores, areas, COCO_SIGMAS, 0.5)
    assert np.array_equal(scores, before)
    keypoints[..., 2] = np.nan
    assert soft_oks_nms(keypoints, scores, areas, COCO_SIGMAS, 0.5) == soft


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((2, 3)), [1, 2], [1, 1], np.ones(3), 0.5), r"keypoints are \(2, 3\)"),
        ((np.zeros((2, 4, 2)), [1, 2], [1, 1], np.ones(3), 0.5), r"keypoints are \(2, 4, 2\); expected \(N, 3"),
        ((np.zeros((2, 3, 2)), [1], [1, 1], np.ones(3), 0.5), r"scores are \(1,\); expected \(2\)"),
        ((np.zeros((2, 3, 2)), [1, 2], [1, 1, 1], np.ones(3), 0.5), r"areas are \(3,\)"),
        ((np.zeros((2, 3, 2)), [1, np.nan], [1, 1], np.ones(3), 0.5), "scores contain a value that is not finite"),
        ((np.full((2, 3, 2), np.inf), [1, 2], [1, 1], np.ones(3), 0.5), "keypoints contain"),
    ],
)
def test_poses_that_do_not_fit(arguments, message):
    for function in (oks_nms, soft_oks_nms):
        with pytest.raises(ValueError, match=message):
            function(*arguments)


def test_other_arguments_that_do_not_fit():
    with pytest.raises(ValueError, match=r"boxes are \(3, 4\)"):
        nms(np.zeros((3, 4)), 0.5)
    with pytest.raises(ValueError, match="thresh is 0"):
        soft_oks_nms(np.zeros((1, 1, 2)), [1], [1], [1], 0)


def test_numpy_fallback_without_the_extension_is_logged(monkeypatch):
    monkeypatch.setitem(sys.modules, "lib.nms._nms", None)
    monkeypatch.delattr(sys.modules["lib.nms"], "_nms", raising=False)
    monkeypatch.delitem(sys.modules, "lib.nms.suppression")
    with pytest.warns(UserWarning, match="run `make`"):
        import lib.nms.suppression as fresh
    assert fresh.kernels is reference


def test_what_stands_in_is_said_once_and_not_in_workers(tmp_path):
    package = Path(lib.nms.__file__).parent
    shutil.copytree(package, tmp_path / "lib" / "nms", ignore=shutil.ignore_patterns("*.so"))
    (tmp_path / "lib" / "__init__.py").touch()
    (tmp_path / "main.py").write_text(
        "import multiprocessing, lib.nms\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.apply(abs, (-1,)))\n"
    )
    run = subprocess.run([sys.executable, tmp_path / "main.py"], capture_output=True, text=True, check=True)
    assert run.stdout == "1\n"
    assert run.stderr.count("lib.nms is not built for this Python and runs in NumPy") == 1
