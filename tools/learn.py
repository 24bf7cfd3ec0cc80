"""Watch a PoseWarper learn from a few labelled frames: make videos, train both stages, test on other videos, draw.

python tools/learn.py --out output/demo
python tools/learn.py --out output/posetrack --cfg stage1.yaml stage2.yaml --augment \\
    DATASET.NUM_LABELED_VIDEOS 50 DATASET.NUM_LABELED_FRAMES_PER_VIDEO 1

The second does the same with a data set of yours, where DATASET.ROOT of both experiments says; --augment makes more
labels of the sparse ones and learns from these too. Each step is a command that is shown and can be typed as well. What
an earlier run finished is not done again.
"""

import argparse
from pathlib import Path

import _init_paths  # noqa: F401
from _steps import ROOT, Step, carry_out
from table import compare
from yacs.config import CfgNode

from lib.config import load_config
from lib.utils.errors import InputError, run
from lib.utils.files import atomic_path, claim_outputs, read_json, write_json

EXPERIMENTS = ROOT / "experiments" / "embedded"
TRAIN, VAL = 80, 20  # videos
LABEL_EVERY = 4  # frames of the test videos: neighbours tell nearly the same
STAGES = ("single", "posewarper")
AUGMENTED = "augmented"  # experiments that train on propagated labels too
MODES = {
    "single": "each frame alone",
    "average": "five frames, averaged where they are",
    "aggregate": "five frames, warped to the middle one and averaged",
}


def main() -> None:
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
    args = parser.parse_intermixed_args()
    if args.cfg and not (args.experiment is args.train is args.val is None):
        raise InputError("--cfg takes the data that its experiments name: no --experiment, --train and --val then")
    steps = plan(args)
    carry_out(steps)
    report(args, [step.product for step in steps if step.arguments[0] == "test.py"])


def plan(args: argparse.Namespace) -> list[Step]:
    """The steps, after checking that `--out` is not another run's.

    Raises:
        InputError: a key is wrong, or the folder holds a run with other settings.
    """
    files = args.cfg or [EXPERIMENTS / (args.experiment or "demo") / f"{stage}.yaml" for stage in STAGES]
    videos = args.out / "videos"
    train, val, seed = (
        usual if given is None else given for given, usual in ((args.train, TRAIN), (args.val, VAL), (args.seed, 0))
    )
    own = ["AUTO_RESUME", "True", *(["DATASET.ROOT", videos] if not args.cfg else [])]
    own += ["SEED", seed] if not args.cfg or args.seed is not None else []
    keys = [*own, "OUTPUT_DIR", args.out, "LOG_DIR", args.out / "log", *args.opts]
    keys = [str(key) for key in keys]
    cfgs = [load_config(file, keys) for file in files]
    first, second = (_results(cfg, file) for cfg, file in zip(cfgs, files, strict=True))
    later = [*keys, "MODEL.PRETRAINED", str(first / "final_state.pth")]
    _check(cfgs, [first, second], args.augment)
    settings = {"augment": args.augment, "configs": [cfgs[0].dump(), load_config(files[1], later).dump()]}
    settings |= {"train": train, "val": val} if not args.cfg else {}
    record = args.out / "learn.json"
    if record.exists() and read_json(record) != settings:
        raise InputError(f"{args.out}: holds a run with other settings; name another --out, or remove this one")
    made = ["table.txt", "curves.png", "warp.png", "poses.mp4", *(["augmented.json"] if args.augment else [])]
    claim_outputs([("--out", args.out / name) for name in made], [("--cfg", file) for file in files])
    write_json(record, settings)

    numbers = ["--seed", seed, "--train", train, "--val", val, "--label-every", LABEL_EVERY]
    drawn = [Step("Videos are drawn.", ["make_synthetic.py", "--out", videos, *numbers], None)]
    steps = [
        *(drawn if not args.cfg else []),
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
        steps += _augmentation(files, keys, later, args.out, second.parent)
    return [
        *steps,
        Step(
            "Pictures.",
            ["illustrate.py", "--cfg", files[1], "--out", args.out, *later, "TEST.MODE", "aggregate"],
            args.out / "poses.mp4",
        ),
    ]


def _results(cfg: CfgNode, file: Path) -> Path:
    """Where training and tests of an experiment leave what they make."""
    return Path(cfg.OUTPUT_DIR, cfg.DATASET.DATASET, cfg.MODEL.NAME, cfg.EXPERIMENT_NAME or file.stem)


def _check(cfgs: list[CfgNode], folders: list[Path], augment: bool) -> None:
    """Refuse what would be found out after hours."""
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
    """Propagated labels, and both stages and their tests with them (PoseWarper paper, data augmentation)."""
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
    command = ["test.py", "--cfg", file, *keys, "TEST.MODE", mode]
    return Step(f"Test on other videos: {MODES[mode]}.", command, folder / f"result-{mode}.json")


def report(args: argparse.Namespace, results: list[Path]) -> None:
    """Print the table and where everything lies."""
    out = args.out
    modes = "\n".join(f"{mode}: {what}" for mode, what in MODES.items())
    on = "the experiments' test set" if args.cfg else "videos that were not trained on"
    table = f"PoseTrack AP in per cent, on {on}:\n\n{compare(results)}\n\n{modes}\n"
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
