"""Draw the figures of the method and of the code's data flow: docs/images/method.svg and docs/images/data_flow.svg.

python docs/make_figures.py

Backgrounds are transparent, and the colors are readable on white and on black. The frames of the first figure are
synthetic. Its heatmaps and offsets are those of an ideal net, computed from the labels.
"""

import sys
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from lib.formats.video_annotations import KEYPOINT_NAMES  # noqa: E402
from lib.pose.crop import box_to_center_scale, crop_image, crop_matrix, transform_points  # noqa: E402
from lib.pose.draw import draw_pose  # noqa: E402
from lib.pose.heatmaps import encode  # noqa: E402
from lib.pose.skeletons import skeleton  # noqa: E402
from lib.synthetic.labels import annotate  # noqa: E402
from lib.synthetic.presets import VideoSpec  # noqa: E402
from lib.synthetic.videos import draw_video  # noqa: E402

GRAY, BLUE, ORANGE, GREEN = "#768390", "#3572b0", "#b35900", "#2f7d4f"
SPEC = VideoSpec(frames=9, people=(1, 1), person_height=(0.5, 0.6), occlusion=0, damage=0, clutter=6)
SEED, FRAMES, KEY, JOINT = 3, (2, 4, 6), 4, "right_wrist"
CROP, MAP, SIGMA = (144, 192), (48, 64), 2.5  # width and height in pixels, in cells; cells
WEIGHTS = (0.25, 0.5, 0.25)
HALF_WIDTH = 0.41  # of a box in the data flow, in columns

COLUMNS = (
    ("clip", "T frames of a person"),
    ("heatmaps", "pose net, frame by frame"),
    ("offsets", "from key frame − frame"),
    ("warped heatmaps", "deformable convolution"),
    ("weighted sum", "of the T frames"),
    ("pose", "of the key frame"),
)

FLOW = (
    # title, file or folder, x, y, color
    ("annotations", "lib/formats", 0, 2, GRAY),
    ("video frames", "lib/frames", 0, 0, GRAY),
    ("clips", "lib/dataset", 1, 1, BLUE),
    ("Trainer", "lib/core/trainer.py", 2, 2, ORANGE),
    ("Predictor", "lib/core/predictor.py", 2, 1, ORANGE),
    ("Propagator", "lib/propagation/propagator.py", 2, 0, ORANGE),
    ("weights", "lib/utils/checkpoint.py", 3, 2, GRAY),
    ("submission, table", "lib/evaluation", 3, 1, GREEN),
    ("labels, review page", "lib/labeling", 3, 0, GREEN),
)
"""Boxes of the data flow. tests/test_figures.py checks that the files and folders exist."""

ARROWS = (
    ("annotations", "clips"),
    ("video frames", "clips"),
    ("clips", "Trainer"),
    ("clips", "Predictor"),
    ("clips", "Propagator"),
    ("Trainer", "weights"),
    ("Predictor", "submission, table"),
    ("Propagator", "labels, review page"),
)


def main() -> None:
    """Draw both figures."""
    matplotlib.rcParams["svg.hashsalt"] = "posewarper"  # the same bytes each time
    _save(draw_method(), "method")
    _save(draw_flow(), "data_flow")


def _save(figure: Figure, name: str) -> None:
    figure.savefig(ROOT / f"docs/images/{name}.svg", transparent=True, metadata={"Date": None})


def draw_method() -> Figure:
    """Return the figure of the method: clip, heatmaps, offsets, warped heatmaps, their sum, and the pose."""
    crops, joints = read_clip()
    index = KEYPOINT_NAMES.index(JOINT)
    ones = np.ones(len(KEYPOINT_NAMES))
    maps = np.stack([encode(points, ones, CROP, MAP, SIGMA)[0][index] for points in joints])
    places = joints[:, index] / (CROP[0] / MAP[0])
    key = FRAMES.index(KEY)
    figure = Figure(figsize=(10, 6))
    grid = figure.subplots(
        len(FRAMES), len(COLUMNS), gridspec_kw={"left": 0.07, "right": 0.99, "top": 0.86, "bottom": 0.02}
    )
    for row, axes in enumerate(grid):
        _show(axes[0], crops[row])
        _show(axes[1], crops[row], maps[row])
        _show_offsets(axes[2], maps[key] - maps[row], places[key], places[row])
        _show(axes[3], crops[key], maps[key])
        offset = FRAMES[row] - KEY
        axes[0].set_ylabel("key frame" if offset == 0 else f"frame {offset:+d}".replace("-", "−"), color=GRAY)
        for last in axes[4:]:
            last.set_axis_off()
    _show(grid[key, 4], crops[key], np.tensordot(WEIGHTS, maps[[key] * len(FRAMES)], 1))
    for left, right in zip(grid[key], grid[key, 1:], strict=False):
        arrow = {"arrowstyle": "-|>", "color": GRAY, "lw": 1.5, "shrinkA": 4, "shrinkB": 4}
        right.annotate("", (0, 0.5), (1, 0.5), "axes fraction", left.transAxes, arrowprops=arrow)
    pose = draw_pose(crops[key][..., ::-1].copy(), joints[key], ones > 0, skeleton("posetrack18"))
    _show(grid[key, 5], pose[..., ::-1])
    for axes, (title, text) in zip(grid[0], COLUMNS, strict=True):
        middle = axes.get_position().x0 + axes.get_position().width / 2
        figure.text(middle, 0.93, title, ha="center", color=GRAY, fontsize=11, weight="bold")
        figure.text(middle, 0.89, text, ha="center", color=GRAY, fontsize=8)
    return figure


def read_clip() -> tuple[list[np.ndarray], np.ndarray]:
    """Return the frames' crops of a person, RGB, and the joints (T, J, 2) in pixels of the crops."""
    drawn = list(draw_video(np.random.default_rng(SEED), SPEC))
    people = [annotate(scene, drawing, 0)[0] for _, scene, drawing in drawn]
    keypoints = np.array([people[frame]["keypoints"] for frame in FRAMES]).reshape(len(FRAMES), -1, 3)
    boxes = np.array([people[frame]["bbox"] for frame in FRAMES])
    low, high = boxes[:, :2].min(axis=0), (boxes[:, :2] + boxes[:, 2:]).max(axis=0)
    center, scale = box_to_center_scale([*low, *(high - low)], CROP[0] / CROP[1])
    matrix = crop_matrix(center, scale, 0.0, CROP)
    crops = [crop_image(drawn[frame][0], matrix, CROP)[..., ::-1] for frame in FRAMES]
    return crops, np.stack([transform_points(points, matrix) for points in keypoints[..., :2]])


def _show(axes: Axes, crop: np.ndarray, heatmap: np.ndarray | None = None) -> None:
    axes.set_axis_on()
    axes.imshow(crop, extent=(-0.5, MAP[0] - 0.5, MAP[1] - 0.5, -0.5))
    if heatmap is not None:
        axes.imshow(heatmap, cmap="inferno", alpha=0.3 + 0.6 * np.clip(heatmap, 0, 1), vmin=0, vmax=1)
    _frame(axes)


def _show_offsets(axes: Axes, difference: np.ndarray, target: np.ndarray, source: np.ndarray) -> None:
    """Show a difference of heatmaps, and for cells around the joint in the key frame where the warp samples."""
    axes.imshow(difference, cmap="PuOr", vmin=-1, vmax=1)
    shift = source - target
    if np.linalg.norm(shift) > 1:
        cells = target + np.array([(x, y) for x in (-4, 0, 4) for y in (-4, 0, 4)])
        axes.quiver(*cells.T, *shift, angles="xy", scale_units="xy", scale=1, color=BLUE, width=0.015)
    _frame(axes)


def _frame(axes: Axes) -> None:
    axes.set(xlim=(-0.5, MAP[0] - 0.5), ylim=(MAP[1] - 0.5, -0.5), xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_color(GRAY)


def draw_flow() -> Figure:
    """Return the figure of the data flow: files and folders of lib/, and what passes between them."""
    figure = Figure(figsize=(10, 4))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-0.45, 3.45), ylim=(-0.5, 2.5))
    axes.set_axis_off()
    place = {title: (x, y) for title, _, x, y, _ in FLOW}
    for start, end in ARROWS:
        (x0, y0), (x1, y1) = place[start], place[end]
        arrow = {"arrowstyle": "-|>", "color": GRAY, "lw": 1.5, "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", (x1 - HALF_WIDTH, y1), (x0 + HALF_WIDTH, y0), arrowprops=arrow)
    for title, path, x, y, color in FLOW:
        corner, style = (x - 0.36, y - 0.2), "round,pad=0.05"
        axes.add_patch(FancyBboxPatch(corner, 0.72, 0.4, style, facecolor=color, edgecolor="none"))
        axes.text(x, y + 0.08, title, color="white", ha="center", va="center", fontsize=11, weight="bold")
        axes.text(x, y - 0.1, path, color="white", ha="center", va="center", fontsize=7.5)
    return figure


if __name__ == "__main__":
    main()
