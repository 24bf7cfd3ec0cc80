"""Training on labeled images, and estimation of every frame of a video without labels."""

import hashlib
import json
import shutil
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from lib.frames.store import ImageStore
from lib.frames.video_file import VideoFile
from lib.labeling.estimation import build_estimates
from lib.labeling.label_checks import mirroring_keys, summarize_labels
from lib.labeling.nets import TrainingLabels, TrainingStage, run_keys
from lib.labeling.options import STAGES, Configure, LabelingOptions
from lib.labeling.recipe import crop_size, repetitions
from lib.labeling.settings import report_changes
from lib.labeling.time_estimate import MEASURING, estimate_inference_seconds, estimate_training_seconds
from lib.labeling.video_labels import read_person_labels
from lib.labeling.video_match import find_image
from lib.tracking.boxes import whole_frame
from lib.utils.device import choose_device
from lib.utils.errors import InputError
from lib.utils.files import atomic_path, write_json
from lib.utils.progress import RunProgress, format_minutes

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
    assert options.labels is not None  # and those without --labels label_with_nets
    stage = STAGES[0]
    recipe = configure(stage, WHOLE_FRAMES)  # refuses wrong keys before anything is done
    given = read_person_labels(options.labels, None)
    print("\n".join(summarize_labels(given.labels, options.labels)), flush=True)
    content, names = given.content, given.labels.names
    keys = [*WHOLE_FRAMES, "MODEL.NUM_JOINTS", len(names), *mirroring_keys(names)]
    cfg = configure(stage, keys)
    learned = [content, cfg.dump(), str(images.absolute())]
    work = options.work / hashlib.sha256(json.dumps(learned).encode()).hexdigest()[:8]
    sizes = _gather(options, images, content, work / "images", cfg.DATASET.EXIF_ORIENTATION)
    write_json(work / "labels.json", content)

    keys += ["MODEL.IMAGE_SIZE", crop_size(sizes), "DATASET.REPEAT", repetitions(len(content["annotations"]))]
    data = ["DATASET.ROOT", str(work / "images"), "DATASET.TRAIN_ANNOTATIONS", str(work / "labels.json")]
    cfg = configure(stage, keys, [*run_keys(work, stage), *data])
    training = TrainingStage(stage, cfg)
    print(f"{len(content['annotations'])} labeled poses in {len(sizes)} images")
    print(MEASURING, flush=True)
    device = choose_device(cfg.GPUS)
    clips = len(content["annotations"]) * cfg.DATASET.REPEAT
    seconds = [0.0 if training.weights.exists() else estimate_training_seconds(cfg, clips, device)]
    seconds.append(estimate_inference_seconds(cfg, VideoFile(options.video).num_frames, device))
    print(f"Time on this machine: about {format_minutes(sum(seconds))}.")
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    others = {"joints": ", ".join(names), "--images": str(images), "labels": f"sha256 {digest[:8]}"}
    report_changes(options.work, {stage: recipe}, others, seconds)
    with RunProgress(2) as progress:
        progress.expect(seconds)
        training.train(progress, "Train the pose net on the labeled images.")
        return build_estimates(
            cfg,
            stage,
            options.video,
            work / "dense.json",
            progress=progress,
            build_finder=lambda net, device: whole_frame,
        )


def gather_images(labels: Path, images: Path, work: Path, oriented: bool) -> TrainingLabels:
    """Return the labels of images as a part of the labels that a pose net is trained on.

    Args:
        labels: File of the labels.
        images: Folder of the images.
        work: Folder to copy the images to, into a folder named by the images that are labeled.
        oriented: True to rotate images according to their EXIF tags.

    Raises:
        InputError: Labels or images cannot be used.
    """
    content = read_person_labels(labels, None).content
    found = [find_image(images, image["file_name"]) for image in content["images"]]
    stamps = [(name, (images / name).stat().st_size, (images / name).stat().st_mtime_ns) for name in found if name]
    digest = hashlib.sha256(json.dumps([str(images.absolute()), stamps]).encode()).hexdigest()[:8]
    folder = work / f"images-{digest}"
    _copy(labels, images, content, folder, oriented)
    return TrainingLabels(name=folder.name, labels=content, frames=folder.absolute(), source=labels, is_pairs=False)


def _gather(
    options: LabelingOptions, images: Path, content: dict[str, Any], folder: Path, oriented: bool
) -> np.ndarray:
    """Copy the labeled images, and set people's boxes to whole images.

    Args:
        options: Options of the run.
        images: Folder of the images.
        content: Labels, modified in place: file names and boxes.
        folder: Folder to copy to.
        oriented: True if sizes are those of images rotated according to their EXIF tag.

    Returns:
        (I, 2) width and height of each image in pixels.
    """
    assert options.labels is not None  # callers without --labels use label_with_nets
    sizes = _copy(options.labels, images, content, folder, oriented)
    for person in content["annotations"]:
        person["bbox"] = [0, 0, *sizes[person["image_id"]]]
    return np.array(list(sizes.values()))


def _copy(
    labels: Path, images: Path, content: dict[str, Any], folder: Path, oriented: bool
) -> dict[int, tuple[int, int]]:
    """Copy labeled images to numbered files, with a folder for each size, and name the files in the labels.

    Returns:
        Width and height in pixels of each image, by its id.
    """
    store, sizes = ImageStore(images, oriented=oriented), {}
    for number, image in enumerate(content["images"]):
        name = find_image(images, image["file_name"])
        if name is None:
            raise InputError(f"{labels}: image {image['file_name']} is not in {images}")
        width, height = sizes[image["id"]] = store.size(name)
        if image.get("width") and (image["width"], image["height"]) != (width, height):
            raise InputError(
                f"{labels}: {image['file_name']} has {image['width']}×{image['height']} pixels, and "
                f"{images / name} has {width}×{height}: labels of another image?"
            )
        image["file_name"] = f"{width}x{height}/{number:06}{PurePosixPath(name).suffix}"
        place = folder / image["file_name"]
        if not place.exists():
            with atomic_path(place) as temporary:
                shutil.copyfile(images / name, temporary)
    return sizes
