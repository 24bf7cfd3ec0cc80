"""Training on labeled images, and estimation of every frame of a video without labels."""

import hashlib
import json
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from lib.config import output_folder
from lib.config.run_folder import FINAL_WEIGHTS
from lib.core.run import build_run
from lib.core.trained_model import build_trained_model
from lib.evaluation.trained_run import train_experiment
from lib.formats.posetrack18 import keypoint_category
from lib.formats.video_poses import PosesFile
from lib.frames.store import ImageStore
from lib.frames.video_file import VideoFile
from lib.labeling.options import STAGES, Configure, LabelingOptions
from lib.labeling.recipe import crop_size, repetitions
from lib.labeling.video_labels import read_person_labels
from lib.tracking.boxes import whole_frame
from lib.tracking.estimator import build_video_estimator
from lib.tracking.pose_video import VideoPart, estimate_video, identity
from lib.utils.errors import InputError
from lib.utils.files import atomic_path, read_json, write_json
from lib.utils.progress import Stages

WHOLE_FRAMES: list[Any] = ["DATASET.BOXES", "file", "TEST.MODE", "single", "TEST.PROPAGATE.REFINE", 0]


def label_from_images(options: LabelingOptions, configure: Configure) -> dict[str, Any]:
    """Train a pose net on labeled images, and estimate every frame of a video that has no labels.

    The net sees whole images and frames, each of which shows one animal. Call the function again to resume an
    interrupted run.

    Args:
        options: Options of the run; `images` must be set.
        configure: Returns the configuration of a stage.

    Returns:
        COCO-style labels of all frames.

    Raises:
        InputError: Labels, images or the video cannot be used.
    """
    if not options.video.is_file():
        raise InputError(f"{options.video}: not a video file, which --images requires")
    images = options.images
    assert images is not None  # callers without --images use label_video
    content, stage = read_person_labels(options.labels, None), STAGES[0]
    keys = [*WHOLE_FRAMES, "MODEL.NUM_JOINTS", len(keypoint_category(content)["keypoints"])]
    cfg = configure(stage, keys, ())
    learned = [content, cfg.dump(), str(images.absolute())]
    work = options.work / hashlib.sha256(json.dumps(learned).encode()).hexdigest()[:8]
    sizes = _gather(options, images, content, work / "images", cfg.DATASET.EXIF_ORIENTATION)
    write_json(work / "labels.json", content)

    keys += ["MODEL.IMAGE_SIZE", crop_size(sizes), "DATASET.REPEAT", repetitions(len(content["annotations"]))]
    places: list[Any] = ["DATASET.ROOT", str(work / "images"), "DATASET.TRAIN_ANNOTATIONS", str(work / "labels.json")]
    places += ["OUTPUT_DIR", str(work), "LOG_DIR", str(work / "log"), "EXPERIMENT_NAME", stage, "AUTO_RESUME", True]
    cfg = configure(stage, keys, places)
    weights = output_folder(cfg, stage) / FINAL_WEIGHTS
    print(f"{len(content['annotations'])} labeled poses in {len(sizes)} images")
    stages = Stages(2)
    stages.begin("Train the pose net on the labeled images.", weights if weights.exists() else None)
    if not weights.exists():
        train_experiment(cfg, stage)
    dense = work / "dense.json"
    with build_run(cfg, stage, "estimate") as run:
        made_with = {"video": identity(options.video), "weights": identity(weights), "config": cfg.dump()}
        with PosesFile(dense, made_with) as file:
            stages.begin("Estimate each frame of the video.", dense if file.finished else None)
            if not file.finished:
                net, forced = build_trained_model(cfg, run.folder, run.device)
                estimator = build_video_estimator(cfg, net, run.device, whole_frame)
                estimate_video(estimator, VideoPart(VideoFile(options.video)), file, run.describe(forced))
    return read_json(dense)


def _gather(
    options: LabelingOptions, images: Path, content: dict[str, Any], folder: Path, oriented: bool
) -> np.ndarray:
    """Copy the labeled images to numbered files, with a folder for each size, and set people's boxes to whole images.

    Args:
        options: Options of the run.
        images: Folder of the images.
        content: Labels, modified in place: file names and boxes.
        folder: Folder to copy to.
        oriented: True if sizes are those of images rotated according to their EXIF tag.

    Returns:
        (I, 2) width and height of each image in pixels.
    """
    store, sizes = ImageStore(images, oriented=oriented), {}
    for number, image in enumerate(content["images"]):
        name = _find(options, images, image["file_name"])
        width, height = sizes[image["id"]] = store.size(name)
        image["file_name"] = f"{width}x{height}/{number:06}{PurePosixPath(name).suffix}"
        place = folder / image["file_name"]
        if not place.exists():
            with atomic_path(place) as temporary:
                shutil.copyfile(images / name, temporary)
    for person in content["annotations"]:
        person["bbox"] = [0, 0, *sizes[person["image_id"]]]
    return np.array(list(sizes.values()))


def _find(options: LabelingOptions, images: Path, name: str) -> str:
    """Return the name of an image in the folder, by its full name or by as many of its last parts as exist."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..")]
    for start in range(len(parts)):
        candidate = "/".join(parts[start:])
        if (images / candidate).is_file():
            return candidate
    raise InputError(f"{options.labels}: image {name} is not in {images}")
