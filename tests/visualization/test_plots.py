import cv2
import numpy as np
import pytest
from PIL import Image, ImageSequence

from lib.visualization.plots import WarpExample, animate_warp, plot_curves, plot_warps


def test_curves_of_two_stages(tmp_path):
    history = [{"epoch": e, "loss": 1 / (e + 1), "accuracy": 0.1 * e} for e in range(3)]
    tested = [{**record, "test": {"score": 10.0 * record["epoch"]}} for record in history]
    plot_curves({"stage 1": history, "stage 2": tested}, tmp_path / "curves.png")
    both = cv2.imread(str(tmp_path / "curves.png"))
    plot_curves({"stage 1": history}, tmp_path / "one.png")
    one = cv2.imread(str(tmp_path / "one.png"))
    assert both.shape[0] == 2 * one.shape[0]
    assert both.shape[1] == one.shape[1]

    red = [(picture[..., 2] > 180) & (picture[..., 1] < 60) & (picture[..., 0] < 60) for picture in (one, both)]
    assert red[0].sum() == 0
    assert red[1][: one.shape[0]].sum() == 0  # only stage 2 was tested: its mAP is the red line
    assert red[1][one.shape[0] :].sum() > 50


@pytest.fixture
def example():
    heatmaps = np.zeros((3, 24, 16), np.float32)
    heatmaps[:, 12, 8] = 1
    return WarpExample(
        joint="left_wrist",
        offsets=[0, -1, 1],
        weights=[0.5, 0.25, 0.25],
        crops=np.full((3, 96, 64, 3), 128, np.uint8),
        before=heatmaps,
        after=np.roll(heatmaps, 3, axis=2),
        label=np.array([2.0, 3.0]),
        pose=np.full((96, 64, 3), (20, 220, 20), np.uint8),
    )


def test_a_warp_has_two_rows_of_frames_and_a_sum(example, tmp_path):
    plot_warps([example], tmp_path / "warp.png")
    picture = cv2.imread(str(tmp_path / "warp.png")).astype(int)
    cyan = (picture[..., 0] > 150) & (picture[..., 1] > 150) & (picture[..., 2] < 60)
    _, _, stats, centers = cv2.connectedComponentsWithStats(cyan.astype(np.uint8))
    joints = centers[1:][stats[1:, cv2.CC_STAT_AREA] > 10]  # the highest cell of each heatmap
    assert len(joints) == 8
    rows = joints[np.argsort(joints[:, 1])].reshape(2, 4, 2)
    before, after = (np.sort(row[:, 0]) for row in rows)
    assert (after - before > 5).all()  # three cells to the right
    assert np.ptp(after - before) < 3


def test_a_loop_shows_frames_heatmaps_and_the_pose(example, tmp_path):
    animate_warp(example, tmp_path / "warp.gif")
    assert (tmp_path / "warp.gif").stat().st_size < 3e6
    with Image.open(tmp_path / "warp.gif") as loop:
        pictures = [np.array(picture.convert("RGB")).astype(int) for picture in ImageSequence.Iterator(loop)]
        assert loop.info["loop"] == 0
    assert len(pictures) == 4
    cyan, green = (
        [(abs(picture - color).max(axis=2) < 40).sum() for picture in pictures]
        for color in ((0, 190, 190), (20, 220, 20))
    )
    assert [count > 10 for count in cyan] == [False, True, True, False]  # the highest cells of the heatmaps
    assert [count > 1000 for count in green] == [False, False, False, True]
