"""One's own video: a PoseWarper learns from its labelled frames and gives the others labels."""

import argparse
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from _propagating import needs_net
from _steps import ROOT, Step, carry_out
from yacs.config import CfgNode

from lib.config import load_config
from lib.dataset.own_video import box_sizes, crop_size, repetitions, spaced
from lib.formats.coco import drop_propagated, keep_labels, read_labels
from lib.formats.posetrack_set import read_videos
from lib.frames.store import ImageStore, frame_number
from lib.frames.video import FrameFolder
from lib.utils.errors import InputError
from lib.utils.files import read_json, write_json

RECIPE = ROOT / "experiments" / "video"  # files of both stages
STAGES = ("single", "posewarper")


def label_video(args: argparse.Namespace) -> None:
    """Train both stages on the labelled frames of a video, and propagate their labels to the other frames.

    What a run leaves is in a folder named like `--out`: the nets, under a name that stands for what they learn and how,
    and what lies between each two labels. The same command goes on where it was interrupted; after a correction of
    labels the nets stay as they are, and so does what does not hang on it.

    Raises:
        InputError: labels or frames that cannot be used, or a file to write that would be in the way.
    """
    if args.out.suffix != ".json" or args.out.is_dir() or args.out.resolve() == args.labels.resolve():
        raise InputError(f"--out {args.out}: it has to name a .json file, and not that of the labels")
    if args.out.with_suffix("").resolve() == args.video.resolve():
        raise InputError(
            f"--out {args.out}: nets and logs would go into {args.video}, among the frames; name it otherwise"
        )
    content, numbers = _labels(args)
    labeled = {person["image_id"] for person in content["annotations"]}
    names = {
        frame_number(image["file_name"]): image["file_name"] for image in content["images"] if image["id"] in labeled
    }
    kept = spaced(list(names), args.every) if args.every else list(names)
    if args.every and len(kept) == len(names):
        raise InputError(f"--every {args.every} hides no label: there is nothing to measure")
    if not numbers - set(kept) and args.merge != "fill":
        raise InputError(f"{args.labels}: every frame of {args.video} is labelled")
    kept_content = keep_labels(content, [names[number] for number in kept])
    nets, keys = _prepare(args, kept_content)
    labels, truth = nets / "labels.json", nets / "truth.json"
    write_json(labels, kept_content)
    write_json(truth, content)

    keys += ["DATASET.TRAIN_ANNOTATIONS", str(labels), "OUTPUT_DIR", str(nets), "LOG_DIR", str(nets / "log")]
    cfgs = [load_config(args.recipe / f"{stage}.yaml", keys) for stage in STAGES]
    first, second = (_product(cfg, nets, stage) for cfg, stage in zip(cfgs, STAGES, strict=True))
    later = [*keys, "MODEL.PRETRAINED", first, "EXPERIMENT_NAME", STAGES[1]]
    train = ["train.py", "--cfg", args.recipe / f"{STAGES[0]}.yaml", *keys, "EXPERIMENT_NAME", STAGES[0]]
    steps = [
        Step("The pose net learns from the labelled frames.", train, first),
        Step(
            "The warping head learns from pairs of a labelled frame and one near it.",
            ["train.py", "--cfg", args.recipe / f"{STAGES[1]}.yaml", *later],
            second,
        ),
    ]
    options = ["--method", args.method, *(["--fuse"] if args.fuse else []), "--out", args.out]
    options += [part for prior in args.prior for part in ("--prior", prior)]
    options += ["--raft", args.raft] if args.raft else []
    options += ["--merge", args.merge] if args.merge else []
    measured = ["DATASET.TEST_ANNOTATIONS", truth] if args.every else []
    propagate = ["propagate.py", "--cfg", args.recipe / f"{STAGES[1]}.yaml", *later, *measured, *options]
    steps = steps if needs_net(args, cfgs[1]) else []
    print(f"{len(kept_content['annotations'])} poses are labelled, in {len(kept)} of {len(numbers)} frames.")
    carry_out([*steps, Step("The labels are propagated.", propagate, None)])


def _prepare(args: argparse.Namespace, labels: dict[str, Any]) -> tuple[Path, list[Any]]:
    """The folder of the nets that learn from these labels, or have learned from earlier ones, and their keys.

    The size of crops and the length of epochs go by the labels that the nets learn from.
    """
    names = labels["categories"][0]["keypoints"]
    given = ["DATASET.ROOT", str(args.frames), "MODEL.NUM_JOINTS", len(names), *args.opts]
    cfgs = [load_config(args.recipe / f"{stage}.yaml", given) for stage in STAGES]
    learned = [{section: dict(cfg[section]) for section in ("MODEL", "DATASET", "TRAIN", "LOSS")} for cfg in cfgs]
    digest = hashlib.sha256(json.dumps(labels).encode()).hexdigest()
    identity = [names, learned, cfgs[0].SEED, digest if args.every else None]
    nets = args.out.with_suffix("") / hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:8]
    recipe = nets / "recipe.json"
    if recipe.exists() and (args.relearn or read_json(recipe)["labels"] != digest):
        if args.relearn or not _product(cfgs[1], nets, STAGES[1]).exists():
            shutil.rmtree(nets)
        else:
            print("The nets stay as they are, and have learned from other labels: --relearn teaches them these.")
    if not recipe.exists():
        path = nets / "labels.json"
        write_json(path, labels)
        boxes = box_sizes(read_videos(path, names))
        if not len(boxes):
            raise InputError(f"{args.labels}: no labelled joint")
        keys = {"MODEL.IMAGE_SIZE": crop_size(boxes), "DATASET.REPEAT": repetitions(len(boxes))}
        write_json(recipe, {"labels": digest, "keys": keys})
    chosen = [part for pair in read_json(recipe)["keys"].items() for part in pair]
    return nets, ["DATASET.ROOT", str(args.frames), "MODEL.NUM_JOINTS", len(names), *chosen, *args.opts]


def _product(cfg: CfgNode, nets: Path, stage: str) -> Path:
    """What the training of a stage leaves."""
    return nets / cfg.DATASET.DATASET / cfg.MODEL.NAME / stage / "final_state.pth"


def _labels(args: argparse.Namespace) -> tuple[dict[str, Any], set[int]]:
    """The labels, with the names that the frames' files have, and the numbers of all frames that are there."""
    content = drop_propagated(read_labels(args.labels))
    frames, numbers = FrameFolder(ImageStore(args.frames), "."), set()
    for index, image in enumerate(content["images"]):
        number = frames.number_of(image["file_name"])
        if number in numbers:
            raise InputError(f"{args.labels}: images[{index}]: a second frame {number}: {image['file_name']}")
        numbers.add(number)
        image["file_name"] = frames.name(number)
    return content, set(frames.numbers)
