"""One's own video: a PoseWarper learns from its labelled frames and gives the others labels."""

import argparse
import hashlib
import json
import math
from typing import Any

import numpy as np
from _steps import TOOLS, Step, carry_out

from lib.config import load_config
from lib.formats.coco import keep_labels, read_labels
from lib.formats.posetrack18 import keypoint_names
from lib.frames.store import ImageStore, frame_number
from lib.frames.video import FrameFolder
from lib.utils.errors import InputError
from lib.utils.files import write_json

EXPERIMENTS = TOOLS.parent / "experiments" / "video"
STAGES = ("single", "posewarper")
CLIPS = 960  # in an epoch of either stage, about
PIXELS = 160 * 192  # of a crop, at most


def label_video(args: argparse.Namespace) -> None:
    """Train both stages on the labelled frames of a folder, and propagate their labels to the other frames.

    What a run leaves is in a folder named like `--out`, under a name that stands for its labels and settings: the same
    command goes on where it was interrupted, and other labels begin anew beside it.

    Raises:
        InputError: labels or frames that cannot be used.
    """
    content = _labels(args)
    kept = _keep(content, args.every)
    people = _box_sizes(kept)
    if not people:
        raise InputError(f"{args.labels}: no labelled joint")
    keys = ["DATASET.ROOT", str(args.video), "MODEL.NUM_JOINTS", len(keypoint_names(content, args.labels))]
    keys += ["MODEL.IMAGE_SIZE", _crop_size(people), "DATASET.REPEAT", math.ceil(CLIPS / len(people)), *args.opts]
    files = [EXPERIMENTS / f"{stage}.yaml" for stage in STAGES]
    configs = [load_config(file, keys).dump() for file in files]
    identity = hashlib.sha256(json.dumps([kept, configs]).encode()).hexdigest()[:8]
    work = args.out.with_suffix("") / identity
    labels, truth = work / "labels.json", work / "truth.json"
    write_json(labels, kept)
    write_json(truth, content)

    keys += ["DATASET.TRAIN_ANNOTATIONS", labels, "OUTPUT_DIR", work, "LOG_DIR", work / "log"]
    first, second = (work / "coco" / "pose_hrnet" / stage / "final_state.pth" for stage in STAGES)
    later = [*keys, "MODEL.PRETRAINED", first]
    last = [*later, *(["DATASET.TEST_ANNOTATIONS", truth] if args.every else [])]
    options = ["--method", args.method, *(["--fuse"] if args.fuse else [])]
    options += [part for prior in args.prior for part in ("--prior", prior)] + (
        ["--raft", args.raft] if args.raft else []
    )
    carry_out(
        [
            Step("The pose net learns from the labelled frames.", ["train.py", "--cfg", files[0], *keys], first),
            Step(
                "The warping head learns from pairs of a labelled frame and one near it.",
                ["train.py", "--cfg", files[1], *later],
                second,
            ),
            Step(
                "The labels are propagated.",
                ["propagate.py", "--cfg", files[1], *last, "--out", args.out, *options],
                None,
            ),
        ]
    )


def _labels(args: argparse.Namespace) -> dict[str, Any]:
    """The labels, whose frames have to be there."""
    if not args.video.is_dir():
        raise InputError(f"{args.video}: not a folder of numbered frames")
    content = read_labels(args.labels)
    frames = FrameFolder(ImageStore(args.video), ".")
    for image in content["images"]:
        frames.number_of(image["file_name"])
    return content


def _keep(content: dict[str, Any], every: int | None) -> dict[str, Any]:
    """The labels of the first labelled frame, and of those a multiple of `every` after it; None: all."""
    labeled = {person["image_id"] for person in content["annotations"]}
    names = {
        image["file_name"]: frame_number(image["file_name"]) for image in content["images"] if image["id"] in labeled
    }
    first = min(names.values(), default=0)
    return keep_labels(content, [name for name, number in names.items() if (number - first) % (every or 1) == 0])


def _box_sizes(content: dict[str, Any]) -> list[np.ndarray]:
    """Width and height of the box around each person's labelled joints."""
    keypoints = [np.reshape(person["keypoints"], (-1, 3)) for person in content["annotations"]]
    return [np.ptp(points[points[:, 2] > 0, :2], axis=0) for points in keypoints if (points[:, 2] > 0).any()]


def _crop_size(boxes: list[np.ndarray]) -> list[int]:
    """Width and height of crops: those that show the largest people largest, in steps of what the net can take."""
    width, height = np.maximum(np.quantile(boxes, 0.9, axis=0), 1)
    sides = range(96, 289, 32)
    sizes = [(w, h) for w in sides for h in sides if w * h <= PIXELS and w <= 2 * h and h <= 2 * w]
    return list(max(sizes, key=lambda size: (min(size[0] / width, size[1] / height), -size[0] * size[1])))
