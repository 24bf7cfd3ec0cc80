"""One's own labelled images: a pose net learns from them and estimates every frame of a video without labels."""

import argparse
import hashlib
import json
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from _own_video import STAGES, check_places, finish, given_labels, product
from _steps import Step, carry_out

from lib.config import load_config
from lib.dataset.custom_video import crop_size, repetitions
from lib.formats.posetrack18 import keypoint_category
from lib.frames.store import ImageStore
from lib.utils.errors import InputError
from lib.utils.files import atomic_path, read_json, write_json

WHOLE = ["DATASET.BOXES", "file", "TEST.MODE", "single", "TEST.PROPAGATE.REFINE", 0]


def label_from_images(args: argparse.Namespace) -> None:
    """Train a pose net on labelled images, and let it estimate every frame of a video that has no labels.

    The net sees images and frames whole: each shows one animal. What a run leaves is in a folder named like `--out`;
    the same command goes on where it was interrupted, and with other labels begins anew.

    Raises:
        InputError: labels, images or a video that cannot be used, or a file to write that would be in the way.
    """
    check_places(args)
    if not args.video.is_file():
        raise InputError(f"{args.video}: --images estimates the frames of a video file, and this is none")
    content = given_labels(args, of_video=False)
    names = keypoint_category(content)["keypoints"]
    keys = [*WHOLE, "MODEL.NUM_JOINTS", len(names), *args.opts]
    recipe = args.recipe / f"{STAGES[0]}.yaml"
    cfg = load_config(recipe, keys)
    identity = hashlib.sha256(json.dumps([content, cfg.dump(), str(args.images.absolute())]).encode()).hexdigest()[:8]
    work = args.out.with_suffix("") / identity
    sizes = _gather(args, content, work / "images", cfg.DATASET.EXIF_ORIENTATION)
    write_json(work / "labels.json", content)

    chosen = ["MODEL.IMAGE_SIZE", crop_size(sizes), "DATASET.REPEAT", repetitions(len(content["annotations"]))]
    keys = [
        *chosen,
        *keys,
        "DATASET.ROOT",
        str(work / "images"),
        "DATASET.TRAIN_ANNOTATIONS",
        str(work / "labels.json"),
    ]
    keys += ["OUTPUT_DIR", str(work), "LOG_DIR", str(work / "log"), "EXPERIMENT_NAME", STAGES[0]]
    net, dense = product(load_config(recipe, keys), work, STAGES[0]), work / "dense.json"
    estimate = ["demo.py", "--video", args.video, "--json", dense, "--cfg", recipe, *keys, "TEST.MODEL_FILE", net]
    print(f"{len(content['annotations'])} poses are labelled, in {len(sizes)} images.")
    steps = [
        Step("The pose net learns from the labelled images.", ["train.py", "--cfg", recipe, *keys], net),
        Step("It estimates each frame of the video.", estimate, None),
    ]
    carry_out(steps)
    finish(args, read_json(dense))


def _gather(args: argparse.Namespace, content: dict[str, Any], folder: Path, oriented: bool) -> np.ndarray:
    """Give the images numbers, and each size of images a folder; their people have the whole image as box.

    Args:
        oriented: sizes are of images that are turned as their EXIF tag says.
    Returns:
        (I, 2) width and height of each.
    """
    store, sizes = ImageStore(args.images, oriented=oriented), {}
    for number, image in enumerate(content["images"]):
        name = _find(args, image["file_name"])
        width, height = sizes[image["id"]] = store.size(name)
        image["file_name"] = f"{width}x{height}/{number:06}{PurePosixPath(name).suffix}"
        place = folder / image["file_name"]
        if not place.exists():
            with atomic_path(place) as temporary:
                shutil.copyfile(args.images / name, temporary)
    for person in content["annotations"]:
        person["bbox"] = [0, 0, *sizes[person["image_id"]]]
    return np.array(list(sizes.values()))


def _find(args: argparse.Namespace, name: str) -> str:
    """Where an image of the labels is under --images: by its whole name, or by as many of its last parts as will do."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..")]
    for start in range(len(parts)):
        candidate = "/".join(parts[start:])
        if (args.images / candidate).is_file():
            return candidate
    raise InputError(f"{args.labels}: image {name} is not under {args.images}")
