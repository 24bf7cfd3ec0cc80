"""Report of a run that learned from a few labeled frames: tables, and the curves of a grid."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lib.evaluation.comparison import Rows, by_key, compare, for_plot, format_over
from lib.labeling.learning import AUGMENTED, MODES, Chain
from lib.labeling.learning_options import VIDEOS, LearningOptions
from lib.utils.files import atomic_path
from lib.visualization.plots import plot_over


def report_grid(options: LearningOptions, cells: Mapping[tuple[int, int, int | None], Chain]) -> None:
    """Print, write and plot the results of each test over the numbers of labels.

    Args:
        options: Options of the run.
        cells: Steps of the grid's cells, by number of videos, number of frames, and seed.
    """
    out = options.out
    paths: dict[str, dict[str, list[Path]]] = {}
    for (_, frames, _), cell in cells.items():
        for path in cell.results:
            test = f"{AUGMENTED} " if path.parent.name == AUGMENTED else ""
            test += path.stem.removeprefix("result-")
            paths.setdefault(test, {}).setdefault(f"N {frames}", []).append(path)
    grids: dict[str, Rows] = {}
    for test, by_frames in paths.items():
        rows = {name: by_key(own, VIDEOS) for name, own in by_frames.items()}
        grids[test] = {name: row for name, only in rows.items() for row in only.values()}
    seeds = ", mean ± standard deviation over n seeds" if len(options.seeds) > 1 else ""
    head = f"AP in percent by the number of labeled videos (V) and of labeled frames per video (N){seeds}"
    table = "\n\n".join([head, *(f"{test}\n{format_over('V', rows)}" for test, rows in grids.items())]) + "\n"
    with atomic_path(out / "table.txt") as path:
        path.write_text(table, encoding="utf-8")
    plot_over("labeled videos", for_plot({f"AP, {test}": rows for test, rows in grids.items()}), out / "grid.png")
    print(f"\n{table}\n{out}/table.txt, {out}/grid.png: this table and its curves")
    print(f"{out}/videos…_frames…/: checkpoints, logs, predictions and results of each cell")


def report(options: LearningOptions, results: Sequence[Path]) -> None:
    """Print the table and the locations of the output.

    Args:
        options: Options of the run.
        results: Paths to the result files.
    """
    out = options.out
    modes = "\n".join(f"{mode}: {what}" for mode, what in MODES.items())
    on = "the experiments' test set" if options.cfg else "videos that the nets were not trained on"
    table = f"AP in percent on {on}:\n\n{compare(results)}\n\n{modes}\n"
    with atomic_path(out / "table.txt") as path:
        path.write_text(table, encoding="utf-8")
    print(f"\n{table}\n{out}/curves.png: loss and accuracy in training")
    for name, text in (("warp.png", "heatmaps before and after the warp"), ("warp.gif", "one of them in a loop")):
        if (out / name).exists():
            print(f"{out}/{name}: {text}")
    print(f"{out}/poses.mp4: test videos; left: each frame alone, right: five frames, warped")
    videos = "" if options.cfg else f"; {out}/videos/"
    print(f"{results[0].parents[1]}/: checkpoints, logs, predictions, results{videos}")
