r"""Watch a PoseWarper learn from a few labeled frames: make videos, train both stages, test on other videos, draw.

python tools/learn.py --out output/demo
python tools/learn.py --out output/posetrack --cfg stage1.yaml stage2.yaml --augment \
    DATASET.NUM_LABELED_VIDEOS 50 DATASET.NUM_LABELED_FRAMES_PER_VIDEO 1
python tools/learn.py --out output/grid --grid --videos 20 40 80 --frames 1 2 8 --seeds 0 1 2

The second command does the same with a custom data set in DATASET.ROOT of both experiments; --augment makes additional
labels from the sparse ones and trains on them too. The third repeats it for each number of labeled videos, of labeled
frames per video, and each seed, and ends with a table and a plot. Each step is printed as a command that can also be
run by hand. Steps that an earlier run finished are skipped.
"""

import argparse
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import _init_paths  # noqa: F401
from _steps import ROOT, Step, run_steps
from table import Rows, by_key, compare, for_plot, format_over
from yacs.config import CfgNode

from lib.config import load_config
from lib.utils.errors import InputError, run
from lib.utils.files import atomic_path, claim_outputs, read_json, write_json
from lib.visualization.plots import plot_over

EXPERIMENTS = ROOT / "experiments" / "embedded"
TRAIN, VAL = 80, 20  # videos
LABEL_EVERY = 4  # frames of the test videos: neighbors are nearly identical
STAGES = ("single", "posewarper")
GRID_VIDEOS, GRID_FRAMES = [20, 40, 80], [1, 2, 8]  # default grid
VIDEOS, FRAMES = "DATASET.NUM_LABELED_VIDEOS", "DATASET.NUM_LABELED_FRAMES_PER_VIDEO"
AUGMENTED = "augmented"  # experiments that train on propagated labels too
MODES = {
    "single": "each frame alone",
    "average": "five frames, averaged where they are",
    "aggregate": "five frames, warped to the middle one and averaged",
}


@dataclass(frozen=True)
class Chain:
    """The steps from labels to results, their output folder, and the settings that identify the run."""

    folder: Path
    settings: dict[str, Any]
    steps: list[Step]

    @property
    def results(self) -> list[Path]:
        """Return the files that the tests write."""
        return [step.product for step in self.steps if step.product and step.arguments[0] == "test.py"]


def _text(numbers: list[int]) -> str:
    return " ".join(map(str, numbers))


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for videos, nets, results and pictures")
    names = sorted(path.name for path in EXPERIMENTS.iterdir() if path.is_dir())
    parser.add_argument("--experiment", choices=names, help="folder of experiments/embedded (demo)")
    parser.add_argument(
        "--cfg",
        type=Path,
        nargs=2,
        metavar=("STAGE1", "STAGE2"),
        help="experiments of both stages, on data that are there",
    )
    parser.add_argument("--seed", type=int, help="of the videos and the training (0; with --cfg, what the files say)")
    parser.add_argument("--train", type=int, help=f"number of training videos ({TRAIN})")
    parser.add_argument("--val", type=int, help=f"number of videos to test on ({VAL})")
    parser.add_argument(
        "--augment", action="store_true", help="then propagate the labels, train both stages again with them, and test"
    )
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE", help="keys of the experiments to change")
    parser.add_argument(
        "--grid", action="store_true", help="learn from several numbers of labelled videos and frames, and compare"
    )
    parser.add_argument(
        "--videos", nargs="+", metavar="V", help=f"of the grid: numbers of labelled videos ({_text(GRID_VIDEOS)})"
    )
    parser.add_argument(
        "--frames", nargs="+", metavar="N", help=f"of the grid: labelled frames per video ({_text(GRID_FRAMES)})"
    )
    parser.add_argument(
        "--seeds",
        nargs="+",
        metavar="SEED",
        help="of the grid: seeds of the choice of labels and the training (--seed, which the videos are drawn by)",
    )
    args = parser.parse_intermixed_args()
    for name in ("videos", "frames", "seeds"):
        take_numbers(args, name, least=0 if name == "seeds" else 1)
    if args.cfg and not (args.experiment is args.train is args.val is None):
        raise InputError("--cfg takes the data that its experiments name: no --experiment, --train and --val then")
    if not args.grid and (args.videos or args.frames or args.seeds):
        raise InputError("--videos, --frames and --seeds are of the grid: add --grid")
    complete(args)
    cells = plan_grid(args) if args.grid else {}
    chains = list(cells.values()) or [plan(args, args.out, args.opts, args.seed)]
    data = [Chain(args.out, videos_settings(args), [])] if args.grid else []
    claim(args, chains)
    keep_settings([*data, *chains])
    run_steps([*draw(args), *itertools.chain(*(chain.steps for chain in chains))])
    if args.grid:
        report_grid(args, cells)
    else:
        report(args, chains[0].results)


def take_numbers(args: argparse.Namespace, name: str, least: int) -> None:
    """Parse an option's words, "20 40" or "20,40", as numbers, and move KEY VALUE pairs after them to `args.opts`."""
    words = getattr(args, name) or []
    numbers = list(itertools.takewhile(lambda word: word.replace(",", "").isdecimal(), words))
    args.opts = [*args.opts, *words[len(numbers) :]]
    found = [int(part) for word in numbers for part in word.split(",") if part]
    if words and (not found or min(found) < least or len(set(found)) < len(found)):
        raise InputError(f"--{name} {' '.join(words)}: it takes different whole numbers from {least} on, such as 20 40")
    setattr(args, name, found)


def complete(args: argparse.Namespace) -> None:
    """Fill in defaults for the generated videos and the grid."""
    if not args.cfg:
        args.train, args.val, args.seed = (
            usual if given is None else given for given, usual in ((args.train, TRAIN), (args.val, VAL), (args.seed, 0))
        )
    if not args.grid:
        return
    if args.cfg and not (args.videos and args.frames):
        raise InputError("--grid with --cfg: say --videos and --frames, as many as the data have")
    if args.seeds and args.seed is not None and args.cfg:
        raise InputError("--seed or --seeds: one of them")
    args.videos, args.frames = args.videos or GRID_VIDEOS, args.frames or GRID_FRAMES
    args.seeds = args.seeds or [args.seed]
    if not args.cfg and max(args.videos) > args.train:
        raise InputError(f"--videos {max(args.videos)}: there are {args.train} training videos; --train makes more")
    if given := {VIDEOS, FRAMES, "SEED"} & set(args.opts[::2]):
        raise InputError(f"--grid sets {min(given)}: say --videos, --frames or --seeds")


def plan_grid(args: argparse.Namespace) -> dict[tuple[int, int, int | None], Chain]:
    """Plan the cells of the grid by videos, frames and seed, without pictures; they share the generated videos.

    Args:
        args: The parsed command line.

    Raises:
        InputError: A key is wrong.
    """
    cells = {}
    for seed, videos, frames in itertools.product(args.seeds, args.videos, args.frames):
        name = f"videos{videos}_frames{frames}" + (f"_seed{seed}" if seed is not None else "")
        chain = plan(args, args.out / name, [*args.opts, VIDEOS, str(videos), FRAMES, str(frames)], seed)
        cells[videos, frames, seed] = replace(chain, steps=chain.steps[:-1])
    return cells


def videos_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of the generated videos; empty with --cfg."""
    return {} if args.cfg else {"train": args.train, "val": args.val, "seed": args.seed}


def draw(args: argparse.Namespace) -> list[Step]:
    """Return the step that generates the videos; none with --cfg."""
    if args.cfg:
        return []
    numbers = ["--seed", args.seed, "--train", args.train, "--val", args.val, "--label-every", LABEL_EVERY]
    return [Step("Videos are drawn.", ["make_synthetic.py", "--out", args.out / "videos", *numbers], None)]


def claim(args: argparse.Namespace, chains: Iterable[Chain]) -> None:
    """Refuse to replace files that this tool did not write."""
    names = ["table.txt", *(["grid.png"] if args.grid else ["curves.png", "warp.png", "poses.mp4"])]
    outputs = [args.out / name for name in names]
    outputs += [chain.folder / "augmented.json" for chain in chains if args.augment]
    claim_outputs([("--out", path) for path in outputs], [("--cfg", file) for file in args.cfg or ()])


def keep_settings(chains: Sequence[Chain]) -> None:
    """Write the settings of each chain to its folder.

    Args:
        chains: The chains.

    Raises:
        InputError: A folder holds a run with other settings; nothing is written then.
    """
    records = [(chain.folder / "learn.json", chain.settings) for chain in chains]
    for record, settings in records:
        if record.exists() and read_json(record) != settings:
            raise InputError(
                f"{record.parent}: holds a run with other settings; name another --out, or remove this one"
            )
    for record, settings in records:
        write_json(record, settings)


def plan(args: argparse.Namespace, out: Path, opts: list[str], seed: int | None) -> Chain:
    """Plan the steps from the first training to the pictures, which come last.

    Args:
        args: The parsed command line.
        out: Folder of the nets and results.
        opts: Keys of the experiments to change, and their values.
        seed: Seed of the labels and the training; None keeps the seed of the experiments.

    Raises:
        InputError: A key is wrong.
    """
    files = args.cfg or [EXPERIMENTS / (args.experiment or "demo") / f"{stage}.yaml" for stage in STAGES]
    data = ["DATASET.ROOT", args.out / "videos"] if not args.cfg else []
    data += ["SEED", seed] if seed is not None else []
    keys = [str(key) for key in ("AUTO_RESUME", True, *data, "OUTPUT_DIR", out, "LOG_DIR", out / "log", *opts)]
    cfgs = [load_config(file, keys) for file in files]
    first, second = (_results(cfg, file) for cfg, file in zip(cfgs, files, strict=True))
    later = [*keys, "MODEL.PRETRAINED", str(first / "final_state.pth")]
    _check(cfgs, [first, second], args.augment)
    settings = {"augment": args.augment, "configs": [cfgs[0].dump(), load_config(files[1], later).dump()]}
    settings |= {"train": args.train, "val": args.val} if not args.cfg else {}
    steps = [
        Step(
            "Stage 1: the pose net learns from the labelled frames.",
            ["train.py", "--cfg", files[0], *keys, "TEST.EVALUATE", "False"],
            first / "final_state.pth",
        ),
        Step(
            "Stage 2: the warping head learns from pairs of a labelled frame and one near it.",
            ["train.py", "--cfg", files[1], *later, "TEST.EVALUATE", "False"],
            second / "final_state.pth",
        ),
        *(_test(files[1], later, mode, second) for mode in MODES),
    ]
    if args.augment:
        steps += _augmentation(files, keys, later, out, second.parent)
    pictures = ["illustrate.py", "--cfg", files[1], "--out", out, *later, "TEST.MODE", "aggregate"]
    return Chain(out, settings, [*steps, Step("Pictures.", pictures, out / "poses.mp4")])


def _results(cfg: CfgNode, file: Path) -> Path:
    """Return the folder where training and tests of an experiment write their results."""
    return Path(cfg.OUTPUT_DIR, cfg.DATASET.DATASET, cfg.MODEL.NAME, cfg.EXPERIMENT_NAME or file.stem)


def _check(cfgs: list[CfgNode], folders: list[Path], augment: bool) -> None:
    """Reject early what would otherwise fail after hours."""
    reserved = {AUGMENTED, f"{AUGMENTED}-{STAGES[0]}"}
    if folders[0] == folders[1] or reserved & {folder.name for folder in folders}:
        raise InputError(f"results go to {folders[0]} and {folders[1]}: names have to differ, and not be {AUGMENTED}")
    if not cfgs[1].MODEL.WARP.ENABLED:
        raise InputError("stage 2 has no warping head: its MODEL.WARP.ENABLED has to be True")
    for cfg in cfgs:
        if not cfg.TEST.EVALUATE or cfg.TEST.MODEL_FILE or cfg.DATA_DIR:
            raise InputError("TEST.EVALUATE has to be True, TEST.MODEL_FILE and DATA_DIR empty: the steps see to them")
    sparse = ("NUM_LABELED_VIDEOS", "NUM_LABELED_FRAMES_PER_VIDEO", "TRAIN_ANNOTATIONS")
    if augment and any(cfgs[0].DATASET[key] != cfgs[1].DATASET[key] for key in sparse):
        raise InputError(f"--augment compares nets of the same labels: DATASET.{', '.join(sparse)} have to be alike")


def _augmentation(files: list[Path], keys: list[str], later: list[str], out: Path, results: Path) -> list[Step]:
    """Return the steps that propagate labels, then train and test both stages with them (PoseWarper paper)."""
    labels, again, warper = out / "augmented.json", results / f"{AUGMENTED}-{STAGES[0]}", results / AUGMENTED
    more = [*keys, "DATASET.TRAIN_ANNOTATIONS", str(labels)]
    last = [*keys, "MODEL.PRETRAINED", str(again / "final_state.pth"), "EXPERIMENT_NAME", AUGMENTED]
    propagate = ["TEST.MODE", "propagate", "TEST.PROPAGATE.SAVE", "True"]
    precise = ["TEST.PROPAGATE.RELATIVE", "True", "TEST.DARK", "True"]
    return [
        Step(
            "The labels are propagated to the frames around them: where the warp and optical flow agree.",
            ["propagate.py", "--cfg", files[1], "--prior", "dis", "--out", labels, *later, *propagate, *precise],
            labels,
        ),
        Step(
            "Stage 1 from the start, on real and propagated labels.",
            ["train.py", "--cfg", files[0], *more, "EXPERIMENT_NAME", again.name, "TEST.EVALUATE", "False"],
            again / "final_state.pth",
        ),
        Step(
            "Stage 2 over that pose net, on the real labels.",
            ["train.py", "--cfg", files[1], *last, "TEST.EVALUATE", "False"],
            warper / "final_state.pth",
        ),
        *(_test(files[1], last, mode, warper) for mode in ("single", "aggregate")),
    ]


def _test(file: Path, keys: list[str], mode: str, folder: Path) -> Step:
    command: list[str | Path] = ["test.py", "--cfg", file, *keys, "TEST.MODE", mode]
    return Step(f"Test on other videos: {MODES[mode]}.", command, folder / f"result-{mode}.json")


def report_grid(args: argparse.Namespace, cells: dict[tuple[int, int, int | None], Chain]) -> None:
    """Print, write and plot the results of each test over the numbers of labels."""
    out = args.out
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
    seeds = ", mean ± standard deviation over n seeds" if len(args.seeds) > 1 else ""
    head = f"AP in per cent by the number of labelled videos (V) and of labelled frames in each of them (N){seeds}"
    table = "\n\n".join([head, *(f"{test}\n{format_over('V', rows)}" for test, rows in grids.items())]) + "\n"
    with atomic_path(out / "table.txt") as path:
        path.write_text(table)
    plot_over("labelled videos", for_plot({f"AP, {test}": rows for test, rows in grids.items()}), out / "grid.png")
    print(f"\n{table}\n{out}/table.txt, {out}/grid.png: this table, and its curves")
    print(f"{out}/videos…_frames…/: checkpoints, logs, predictions and results of each cell")


def report(args: argparse.Namespace, results: list[Path]) -> None:
    """Print the table and the locations of the output."""
    out = args.out
    modes = "\n".join(f"{mode}: {what}" for mode, what in MODES.items())
    on = "the experiments' test set" if args.cfg else "videos that were not trained on"
    table = f"AP in per cent, on {on}:\n\n{compare(results)}\n\n{modes}\n"
    with atomic_path(out / "table.txt") as path:
        path.write_text(table)
    print(f"\n{table}\n{out}/curves.png: loss and accuracy in training")
    if (out / "warp.png").exists():
        print(f"{out}/warp.png: heatmaps before and after the warp")
    print(f"{out}/poses.mp4: test videos; left: each frame alone, right: five frames, warped")
    print(
        f"{results[0].parents[1]}/: checkpoints, logs, predictions, results" + ("" if args.cfg else f"; {out}/videos/")
    )


if __name__ == "__main__":
    run(main)
