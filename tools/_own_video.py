"""One's own video: a PoseWarper learns from its labelled frames and gives the others labels."""

import argparse
import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from _propagating import needs_net
from _steps import ROOT, Step, carry_out

from lib.config import load_config
from lib.formats.coco import keep_labels, read_labels
from lib.formats.posetrack_set import read_joints, read_videos
from lib.frames.store import ImageStore, frame_number
from lib.frames.video import FrameFolder
from lib.utils.errors import InputError
from lib.utils.files import write_json

EXPERIMENTS = ROOT / "experiments" / "video"
STAGES = ("single", "posewarper")
CLIPS = 960  # in an epoch of either stage, about
PIXELS = 160 * 192  # of a crop, at most


def label_video(args: argparse.Namespace) -> None:
    """Train both stages on the labelled frames of a folder, and propagate their labels to the other frames.

    What a run leaves is in a folder named like `--out`, under a name that stands for its labels and settings: the same
    command goes on where it was interrupted, and other labels begin anew beside it.

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
    names = [image["file_name"] for image in content["images"] if image["id"] in labeled]
    kept = _spaced(names, args.every)
    if args.every and len(kept) == len(names):
        raise InputError(f"--every {args.every} hides no label: there is nothing to measure")
    if not numbers - {frame_number(name) for name in kept}:
        raise InputError(f"{args.labels}: every frame of {args.video} is labelled")
    boxes = _box_sizes(args.labels, kept)
    if not len(boxes):
        raise InputError(f"{args.labels}: no labelled joint")

    keys = ["DATASET.ROOT", str(args.video.absolute()), "MODEL.NUM_JOINTS", len(read_joints(args.labels))]
    keys += ["MODEL.IMAGE_SIZE", _crop_size(boxes), "DATASET.REPEAT", math.ceil(CLIPS / len(boxes)), *args.opts]
    files = [EXPERIMENTS / f"{stage}.yaml" for stage in STAGES]
    cfgs = [load_config(file, keys) for file in files]
    learned = [{section: dict(cfg[section]) for section in ("MODEL", "DATASET", "TRAIN", "LOSS")} for cfg in cfgs]
    kept_content = keep_labels(content, kept)
    identity = hashlib.sha256(json.dumps([kept_content, learned, cfgs[0].SEED]).encode()).hexdigest()[:8]
    work = args.out.with_suffix("") / identity
    labels, truth = work / "labels.json", work / "truth.json"
    write_json(labels, kept_content)
    write_json(truth, content)

    keys += ["DATASET.TRAIN_ANNOTATIONS", labels, "OUTPUT_DIR", work, "LOG_DIR", work / "log"]
    results = work / cfgs[0].DATASET.DATASET / cfgs[0].MODEL.NAME
    first, second = (results / stage / "final_state.pth" for stage in STAGES)
    later = [*keys, "MODEL.PRETRAINED", first, "EXPERIMENT_NAME", STAGES[1]]
    train = ["train.py", "--cfg", files[0], *keys, "EXPERIMENT_NAME", STAGES[0]]
    steps = [
        Step("The pose net learns from the labelled frames.", train, first),
        Step(
            "The warping head learns from pairs of a labelled frame and one near it.",
            ["train.py", "--cfg", files[1], *later],
            second,
        ),
    ]
    options = ["--method", args.method, *(["--fuse"] if args.fuse else []), "--out", args.out]
    options += [part for prior in args.prior for part in ("--prior", prior)]
    options += ["--raft", args.raft] if args.raft else []
    measured = ["DATASET.TEST_ANNOTATIONS", truth] if args.every else []
    propagate = ["propagate.py", "--cfg", files[1], *later, *measured, *options]
    carry_out([*(steps if needs_net(args, cfgs[1]) else []), Step("The labels are propagated.", propagate, None)])


def _labels(args: argparse.Namespace) -> tuple[dict[str, Any], set[int]]:
    """The labels, with the names that the frames' files have, and the numbers of all frames that are there."""
    if not args.video.is_dir():
        raise InputError(f"{args.video}: not a folder of numbered frames")
    content = read_labels(args.labels)
    frames, numbers = FrameFolder(ImageStore(args.video), "."), set()
    for index, image in enumerate(content["images"]):
        number = frames.number_of(image["file_name"])
        if number in numbers:
            raise InputError(f"{args.labels}: images[{index}]: a second frame {number}: {image['file_name']}")
        numbers.add(number)
        image["file_name"] = frames.name(number)
    return content, set(frames.numbers)


def _spaced(names: list[str], every: int | None) -> list[str]:
    """The first of these frames, and each that is at least `every` frames after the last one taken; None: all."""
    taken: list[str] = []
    for name in sorted(names, key=frame_number):
        if not taken or frame_number(name) - frame_number(taken[-1]) >= (every or 0):
            taken.append(name)
    return taken


def _box_sizes(path: Path, kept: list[str]) -> np.ndarray:
    """(P, 2) width and height around the labelled joints of everybody in these frames."""
    numbers = {frame_number(name) for name in kept}
    sizes = []
    for video in read_videos(path, read_joints(path)):
        for frame, points, labeled in zip(video.person_frame, video.points, video.labeled, strict=True):
            if labeled.any() and frame_number(video.frame_names[frame]) in numbers:
                sizes.append(np.ptp(points[labeled], axis=0))
    return np.array(sizes)


def _crop_size(boxes: np.ndarray) -> list[int]:
    """Width and height of crops: those that show the largest people largest, in steps of what the net can take."""
    width, height = np.maximum(np.quantile(boxes, 0.9, axis=0), 1)
    sides = range(96, 289, 32)
    sizes = [(w, h) for w in sides for h in sides if w * h <= PIXELS and w <= 2 * h and h <= 2 * w]
    return list(max(sizes, key=lambda size: (min(size[0] / width, size[1] / height), -size[0] * size[1])))
