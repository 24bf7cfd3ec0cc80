"""Plots of training curves and of warped heatmaps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from lib.utils.files import atomic_path

SCENE_MILLISECONDS = 1500
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
"""Colors of curves that color-blind people can tell apart (Okabe and Ito, 2008)."""


def plot_curves(histories: Mapping[str, Sequence[Mapping[str, Any]]], path: Path) -> None:
    """Plot loss and accuracy over the epochs, and mAP where it was tested, to a .png file.

    Args:
        histories: The lines of each stage's history.jsonl, by the stage's name.
        path: Path of the .png file.
    """
    figure = Figure(figsize=(8, 2.6 * len(histories)), layout="constrained")
    for row, (axes, (name, history)) in enumerate(
        zip(figure.subplots(len(histories), 2, squeeze=False), histories.items(), strict=True)
    ):
        epochs = [record["epoch"] + 1 for record in history]
        for axis, key in zip(axes, ("loss", "accuracy"), strict=True):
            axis.plot(epochs, [record[key] for record in history], marker=".", label=key)
            axis.set_title(f"{name}: {key} in training")
            axis.xaxis.get_major_locator().set_params(integer=True)
            axis.set_xlabel("epoch" if row == len(histories) - 1 else "")
            axis.grid(alpha=0.3)
        tested = [(record["epoch"] + 1, record["test"]["score"]) for record in history if _is_tested(record)]
        if tested:
            right = axes[1].twinx()
            right.plot(*zip(*tested, strict=True), color="tab:red", marker=".")
            right.set_ylabel("mAP", color="tab:red")
    _save(figure, path)


def plot_over(
    quantity: str, measures: Mapping[str, Mapping[str, Mapping[float, tuple[float, float]]]], path: Path
) -> None:
    """Plot a curve per method over a quantity, one panel per measure, to a .png file.

    Args:
        quantity: Label of the x axis.
        measures: By measure and method, the mean and its standard deviation for each value of the quantity. A NaN mean
            leaves a gap; a NaN deviation has no error bar.
        path: Path of the .png file.
    """
    figure = Figure(figsize=(4.5 * len(measures) + 1.5, 3.6), layout="constrained")
    for axis, (measure, rows) in zip(
        figure.subplots(1, len(measures), squeeze=False)[0], measures.items(), strict=True
    ):
        axis.set_prop_cycle(color=COLORS)
        for name, row in rows.items():
            means, deviations = zip(*row.values(), strict=True)
            axis.errorbar(list(row), means, yerr=deviations, marker=".", capsize=2, label=name)
        axis.set_title(measure)
        axis.set_xlabel(quantity)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.grid(alpha=0.3)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside right center", fontsize="small")
    _save(figure, path)


def _is_tested(record: Mapping[str, Any]) -> bool:
    return record.get("test", {}).get("score") is not None


@dataclass(frozen=True)
class WarpExample:
    """One joint of one person in a clip of T frames.

    Attributes:
        joint: Name of the joint.
        offsets: (T) offsets from the key frame, in frames; the first is the key frame, 0.
        weights: (T) weights of the frames.
        crops: (T, H, W, 3) uint8, RGB.
        before: (T, h, w) heatmap of each frame.
        after: (T, h, w) the same heatmaps, warped to the key frame.
        label: x, y of the joint in the key frame, in heatmap cells.
        pose: (H, W, 3) uint8, RGB: the key frame's crop with the pose found by the warped frames.
    """

    joint: str
    offsets: Sequence[int]
    weights: Sequence[float]
    crops: np.ndarray
    before: np.ndarray
    after: np.ndarray
    label: np.ndarray
    pose: np.ndarray

    def sum(self, heatmaps: np.ndarray) -> np.ndarray:
        """Return the weighted sum (h, w) of the frames' heatmaps (T, h, w)."""
        return np.tensordot(self.weights, heatmaps, 1)


def plot_warps(examples: Sequence[WarpExample], path: Path) -> None:
    """Plot each example's heatmaps: before the warp over their own crops, after it over the key frame's crop.

    The last column is the weighted sum. A white cross marks the label, a cyan point the highest cell.

    Args:
        examples: The examples to plot.
        path: Path of the image file.
    """
    columns = len(examples[0].offsets) + 1
    figure = Figure(figsize=(1.6 * columns, 2.25 * 2 * len(examples)), layout="constrained")
    grid = figure.subplots(2 * len(examples), columns)
    for example, before, after in zip(examples, grid[::2], grid[1::2], strict=True):
        _plot_warp(example, before, after)
    figure.supxlabel("white cross: label; cyan point: highest cell; each panel from 0 to its own maximum", fontsize=9)
    _save(figure, path)


def animate_warp(example: WarpExample, path: Path) -> None:
    """Write a .gif loop: the frames, a joint's heatmaps before and after the warp with their sums, and the pose.

    Args:
        example: The example to show.
        path: Path of the .gif file.
    """
    order, joint = np.argsort(example.offsets), example.joint.replace("_", " ")
    key, count = example.crops[0], len(order)
    frames = [(example.crops[t], None) for t in order]
    before = [(example.crops[t], example.before[t]) for t in order]
    after = [(key, example.after[t]) for t in order]
    scenes = {
        f"{count} frames": frames,
        f"{joint}: heatmaps of the {count} frames, and their sum": [*before, (key, example.sum(example.before))],
        f"{joint}: heatmaps warped to the key frame, and their sum": [*after, (key, example.sum(example.after))],
        f"pose of the key frame, from {count} frames": [*frames, (example.pose, None)],
    }
    pictures = [Image.fromarray(_draw_scene(title, panels, count + 1)) for title, panels in scenes.items()]
    with atomic_path(path) as temporary:
        pictures[0].save(
            temporary, format="GIF", save_all=True, append_images=pictures[1:], duration=SCENE_MILLISECONDS, loop=0
        )


def _draw_scene(title: str, panels: Sequence[tuple[np.ndarray, np.ndarray | None]], columns: int) -> np.ndarray:
    """Return a picture (H, W, 3), uint8, RGB, of crops and the heatmaps over them; its size depends on `columns`."""
    figure = Figure(figsize=(1.4 * columns, 2.4), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=11)
    for column, axes in enumerate(figure.subplots(1, columns)):
        axes.set_axis_off()
        if column < len(panels):
            crop, heatmap = panels[column]
            axes.imshow(crop) if heatmap is None else _overlay(axes, crop, heatmap, None)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3].copy()


def _plot_warp(example: WarpExample, before: Sequence[Axes], after: Sequence[Axes]) -> None:
    order = np.argsort(example.offsets)
    key = example.crops[0]
    for column, t in enumerate(order):
        offset = example.offsets[t]
        _overlay(before[column], example.crops[t], example.before[t], example.label if offset == 0 else None)
        _overlay(after[column], key, example.after[t], example.label)
        before[column].set_title("key frame" if offset == 0 else f"frame {offset:+d}", fontsize=9)
    _overlay(before[-1], key, example.sum(example.before), example.label)
    _overlay(after[-1], key, example.sum(example.after), example.label)
    before[-1].set_title("weighted sum", fontsize=9)
    before[0].set_ylabel(f"{example.joint.replace('_', ' ')}\nbefore the warp", fontsize=9)
    after[0].set_ylabel("warped to\nthe key frame", fontsize=9)


def _overlay(axes: Axes, crop: np.ndarray, heatmap: np.ndarray, label: np.ndarray | None) -> None:
    height, width = heatmap.shape
    axes.imshow(crop, extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    shares = np.clip(heatmap / max(1e-6, float(heatmap.max())), 0, 1)
    axes.imshow(shares, cmap="inferno", alpha=0.4 + 0.5 * shares, vmin=0, vmax=1)
    y, x = np.unravel_index(np.argmax(heatmap), heatmap.shape)
    axes.plot(x, y, "c.", markersize=7)
    if label is not None:
        axes.plot(*label, "w+", markersize=9, markeredgewidth=1.5)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), xticks=[], yticks=[])


def _save(figure: Figure, path: Path) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
