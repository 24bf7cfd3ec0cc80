"""Plan of a run that learns from a few labeled frames: steps of both stages, of their tests, and of a grid."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from lib.config import load_config, output_folder
from lib.config.changes import read_config
from lib.config.run_folder import FINAL_WEIGHTS
from lib.labeling.learning_options import FRAMES, VIDEOS, LearningOptions
from lib.labeling.options import STAGES
from lib.utils.commands import ROOT, Step
from lib.utils.errors import InputError
from lib.utils.files import claim_outputs, read_json, write_json
from lib.utils.provenance import command_line, commit, seconds

EXPERIMENTS = ROOT / "experiments" / "synthetic"
LABEL_EVERY = 4  # frames of the test videos: neighbors are nearly identical
RECORD = "learn.json"  # settings, command, commit, and duration
AUGMENTED = "augmented"  # experiments that train on propagated labels too
MODES = {
    "single": "each frame alone",
    "average": "five frames, averaged where they are",
    "aggregate": "five frames, warped to the middle one and averaged",
}


@dataclass(frozen=True)
class Chain:
    """The steps from labels to results.

    Attributes:
        folder: Output folder.
        settings: Settings that identify the run.
        steps: Commands to run, in order.
    """

    folder: Path
    settings: dict[str, Any]
    steps: list[Step]

    @property
    def results(self) -> list[Path]:
        """Return the files that the tests write."""
        return [step.product for step in self.steps if step.product and step.arguments[0] == "test.py"]


def plan_grid(options: LearningOptions) -> dict[tuple[int, int, int | None], Chain]:
    """Plan the cells of the grid, which share the generated videos and have no pictures.

    Args:
        options: Options of the run.

    Returns:
        Steps by number of videos, number of frames, and seed.

    Raises:
        InputError: A key is wrong.
    """
    cells = {}
    for seed, videos, frames in itertools.product(options.seeds, options.videos, options.frames):
        name = f"videos{videos}_frames{frames}" + (f"_seed{seed}" if seed is not None else "")
        chain = plan(options, options.out / name, [*options.opts, VIDEOS, str(videos), FRAMES, str(frames)], seed)
        cells[videos, frames, seed] = replace(chain, steps=chain.steps[:-1])
    return cells


def videos_settings(options: LearningOptions) -> dict[str, Any]:
    """Return the settings of the generated videos; empty with --cfg.

    Args:
        options: Options of the run.
    """
    return {} if options.cfg else {"train": options.train, "val": options.val, "seed": options.seed}


def plan_videos(options: LearningOptions) -> list[Step]:
    """Return the step that generates the videos; none with --cfg.

    Args:
        options: Options of the run.
    """
    if options.cfg:
        return []
    numbers = {"--seed": options.seed, "--train": options.train, "--val": options.val, "--label-every": LABEL_EVERY}
    given = [part for option, number in numbers.items() for part in (option, str(number))]
    return [Step("Generate the videos.", ["make_synthetic.py", "--out", options.out / "videos", *given], None)]


def check_outputs(options: LearningOptions, chains: Iterable[Chain]) -> None:
    """Refuse to replace files that this tool did not write.

    Args:
        options: Options of the run.
        chains: Planned chains.

    Raises:
        InputError: A file of another origin would be replaced.
    """
    names = ["table.txt", *(["grid.png"] if options.grid else ["curves.png", "warp.png", "warp.gif", "poses.mp4"])]
    outputs = [options.out / name for name in names]
    outputs += [chain.folder / "augmented.json" for chain in chains if options.augment]
    claim_outputs([("--out", path) for path in outputs], [("--cfg", file) for file in options.cfg or ()])


def keep_settings(chains: Sequence[Chain]) -> None:
    """Write the settings of each chain, and the command, to its folder.

    Args:
        chains: Planned chains.

    Raises:
        InputError: A folder contains a run with other settings. In this case, nothing is written.
    """
    records = [(chain.folder / RECORD, chain.settings) for chain in chains]
    for path, settings in records:
        if path.exists() and not _has_settings(read_json(path), settings):
            raise InputError(
                f"{path.parent}: contains a run with other settings; choose another --out, or remove this folder"
            )
    for path, settings in records:
        earlier = read_json(path) if path.exists() else {}
        write_json(path, earlier | settings | {"command": command_line(), "commit": commit()})


def add_seconds(folder: Path) -> None:
    """Add the duration of this command to that of the earlier ones, in the record of `keep_settings`.

    Args:
        folder: Folder of a chain or of the grid.
    """
    record = read_json(folder / RECORD)
    write_json(folder / RECORD, record | {"seconds": round(record.get("seconds", 0.0) + seconds(), 3)})


def _has_settings(record: Any, settings: dict[str, Any]) -> bool:
    """Return True if a stored record has these settings; keys that its version did not have count as defaults."""
    if not isinstance(record, dict) or not isinstance(record.get("configs", []), list):
        return False

    def read(values: dict[str, Any]) -> dict[str, Any]:
        return values | {"configs": [read_config(str(text)) for text in values.get("configs", [])]}

    known = read(record)
    return known | read(settings) == known


def plan(options: LearningOptions, out: Path, opts: Sequence[str], seed: int | None) -> Chain:
    """Plan the steps from the first training to the pictures, which come last.

    Args:
        options: Options of the run.
        out: Folder of the nets and results.
        opts: Keys and values that change the experiments.
        seed: Seed of the labels and the training; None for the seeds of the experiments.

    Raises:
        InputError: A key is wrong.
    """
    files = options.cfg or [EXPERIMENTS / (options.experiment or "demo") / f"{stage}.yaml" for stage in STAGES]
    data = ["DATASET.ROOT", options.out / "videos"] if not options.cfg else []
    data += ["SEED", seed] if seed is not None else []
    keys = [str(key) for key in ("AUTO_RESUME", True, *data, "OUTPUT_DIR", out, "LOG_DIR", out / "log", *opts)]
    cfgs = [load_config(file, keys) for file in files]
    names = [cfg.EXPERIMENT_NAME or file.stem for cfg, file in zip(cfgs, files, strict=True)]
    first, second = (output_folder(cfg, name) for cfg, name in zip(cfgs, names, strict=True))
    later = [*keys, "MODEL.PRETRAINED", str(first / FINAL_WEIGHTS)]
    _check(cfgs, [first, second], options.augment)
    settings = {"augment": options.augment, "configs": [cfgs[0].dump(), load_config(files[1], later).dump()]}
    settings |= {"train": options.train, "val": options.val} if not options.cfg else {}
    steps = [
        Step(
            "Stage 1: train the pose net on the labeled frames.",
            ["train.py", "--cfg", files[0], *keys, "TEST.EVALUATE", "False"],
            first / FINAL_WEIGHTS,
        ),
        Step(
            "Stage 2: train the warping head on pairs of a labeled frame and one near it.",
            ["train.py", "--cfg", files[1], *later, "TEST.EVALUATE", "False"],
            second / FINAL_WEIGHTS,
        ),
        *(_test(files[1], later, mode, second) for mode in MODES),
    ]
    if options.augment:
        steps += _augmentation(files, keys, later, out, second.parent)
    pictures: list[str | Path] = ["illustrate.py", "--cfg", files[1], "--out", out, *later, "TEST.MODE", "aggregate"]
    return Chain(out, settings, [*steps, Step("Draw the pictures.", pictures, out / "poses.mp4")])


def _check(cfgs: list[CfgNode], folders: list[Path], augment: bool) -> None:
    """Reject settings with which a step would fail after hours."""
    reserved = {AUGMENTED, f"{AUGMENTED}-{STAGES[0]}"}
    if folders[0] == folders[1] or reserved & {folder.name for folder in folders}:
        raise InputError(
            f"results go to {folders[0]} and {folders[1]}: the names must differ, and must not be {AUGMENTED}"
        )
    if not cfgs[1].MODEL.WARP.ENABLED:
        raise InputError("stage 2 has no warping head: set its MODEL.WARP.ENABLED to True")
    for cfg in cfgs:
        if not cfg.TEST.EVALUATE or cfg.TEST.MODEL_FILE or cfg.DATA_DIR:
            raise InputError(
                "TEST.EVALUATE must be True, and TEST.MODEL_FILE and DATA_DIR must be empty: the steps set them"
            )
    sparse = ("NUM_LABELED_VIDEOS", "NUM_LABELED_FRAMES_PER_VIDEO", "TRAIN_ANNOTATIONS")
    if augment and any(cfgs[0].DATASET[key] != cfgs[1].DATASET[key] for key in sparse):
        raise InputError(
            f"--augment compares nets of the same labels: DATASET.{', '.join(sparse)} must be equal in both stages"
        )


def _augmentation(files: Sequence[Path], keys: list[str], later: list[str], out: Path, results: Path) -> list[Step]:
    """Return the steps that propagate labels, then train and test both stages on them (PoseWarper paper)."""
    labels, again, warper = out / "augmented.json", results / f"{AUGMENTED}-{STAGES[0]}", results / AUGMENTED
    more = [*keys, "DATASET.TRAIN_ANNOTATIONS", str(labels)]
    last = [*keys, "MODEL.PRETRAINED", str(again / FINAL_WEIGHTS), "EXPERIMENT_NAME", AUGMENTED]
    propagate = ["TEST.MODE", "propagate", "TEST.PROPAGATE.SAVE", "True"]
    precise = ["TEST.PROPAGATE.RELATIVE", "True", "TEST.DARK", "True"]
    return [
        Step(
            "Propagate the labels to the frames around them, where the warp and optical flow agree.",
            ["propagate.py", "--cfg", files[1], "--prior", "dis", "--out", labels, *later, *propagate, *precise],
            labels,
        ),
        Step(
            "Train stage 1 from the start on real and propagated labels.",
            ["train.py", "--cfg", files[0], *more, "EXPERIMENT_NAME", again.name, "TEST.EVALUATE", "False"],
            again / FINAL_WEIGHTS,
        ),
        Step(
            "Train stage 2 with that pose net on the real labels.",
            ["train.py", "--cfg", files[1], *last, "TEST.EVALUATE", "False"],
            warper / FINAL_WEIGHTS,
        ),
        *(_test(files[1], last, mode, warper) for mode in ("single", "aggregate")),
    ]


def _test(file: Path, keys: list[str], mode: str, folder: Path) -> Step:
    command: list[str | Path] = ["test.py", "--cfg", file, *keys, "TEST.MODE", mode]
    return Step(f"Test on other videos: {MODES[mode]}.", command, folder / f"result-{mode}.json")
