"""Annotations, joints and images that DATASET of an experiment names."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
from yacs.config import CfgNode

from lib.dataset.images import Listed, find_images, read_images
from lib.dataset.samplers import block_workers
from lib.dataset.video_people import Folders, VideoPeople, joint_boxes, labeled_people
from lib.formats.data_sets import DataSet, known_data_sets
from lib.formats.posetrack_set import read_joints, read_videos
from lib.formats.video_annotations import KEYPOINT_OF_JOINT, VideoAnnotations
from lib.frames.images import ImageList
from lib.frames.store import CACHED_BYTES, ImageStore
from lib.pose.crop import widen_boxes
from lib.pose.skeletons import Skeleton, find_skeleton, named_skeleton
from lib.utils.cores import num_cores
from lib.utils.errors import InputError
from lib.utils.files import frame_number

logger = logging.getLogger(__name__)


def build_skeleton(cfg: CfgNode) -> Skeleton:
    """Return the skeleton of the data set that DATASET names, or of the annotations of custom data.

    Args:
        cfg: The experiment.

    Raises:
        InputError: The data set is unknown, a file is broken, or MODEL.NUM_JOINTS is another number of joints.
    """
    data_set = build_data_set(cfg)
    if data_set.is_custom:
        path = _joint_file(cfg)
        skeleton, where = named_skeleton(*read_joints(path)), str(path)
    else:
        skeleton, where = find_skeleton(data_set.joints), data_set.name
    if cfg.MODEL.NUM_JOINTS != skeleton.num_joints:
        raise InputError(f"MODEL.NUM_JOINTS is {cfg.MODEL.NUM_JOINTS}; {where} has {skeleton.num_joints}")
    return skeleton


def _joint_file(cfg: CfgNode) -> Path:
    """Return the file that names the joints of custom data: the training annotations, or else those of the test."""
    try:
        return build_known_annotations(cfg, train=True)
    except InputError:
        if not cfg.DATASET.TEST_ANNOTATIONS:
            raise
        return build_known_annotations(cfg, train=False)


def build_data_set(cfg: CfgNode) -> DataSet:
    """Return the data set that DATASET names.

    Args:
        cfg: The experiment.

    Raises:
        InputError: No data set of this name is known.
    """
    name, known = cfg.DATASET.DATASET, known_data_sets()
    if name not in known:
        raise InputError(f"DATASET.DATASET is {name!r}; known are {', '.join(known)}")
    return known[name]


def build_image_store(cfg: CfgNode) -> ImageStore:
    """Return the store of the images that DATASET names.

    Args:
        cfg: The experiment.
    """
    workers = max(1, block_workers(min(cfg.WORKERS, num_cores())))
    return ImageStore(
        cfg.DATASET.IMAGE_DIR or cfg.DATASET.ROOT or ".",
        zipped=cfg.DATASET.DATA_FORMAT == "zip",
        oriented=cfg.DATASET.EXIF_ORIENTATION,
        cached_bytes=max(CACHED_BYTES, (cfg.TRAIN.FRAME_CACHE_MB << 20) // workers),
    )


def build_videos(cfg: CfgNode, annotations: Path) -> list[VideoAnnotations]:
    """Return the annotated videos; unless they are PoseTrack's, their boxes depend on DATASET.BOXES.

    Args:
        cfg: The experiment.
        annotations: Path to the annotations.

    Raises:
        InputError: A file is broken.
    """
    skeleton = build_skeleton(cfg)
    if build_data_set(cfg).is_posetrack:
        return read_videos(annotations)
    videos = read_videos(annotations, skeleton.names)
    _check_numbers(videos, annotations)
    return (
        videos
        if cfg.DATASET.BOXES == "file"
        else [replace(video, boxes=widen_boxes(joint_boxes(video), video.boxes)) for video in videos]
    )


def _check_numbers(videos: Sequence[VideoAnnotations], path: Path) -> None:
    """Raise an error if frames cannot be distinguished by their numbers."""
    for video in videos:
        name_of: dict[int | None, str] = {}
        for name in video.frame_names:
            number = frame_number(name)
            if number is None or number in name_of:
                fault = "no number in its name" if number is None else f"the number of {name_of[number]}"
                raise InputError(
                    f"{path}: image {name} has {fault}: images in a folder are frames of a video "
                    "and must have different numbers"
                )
            name_of[number] = name


def build_people(cfg: CfgNode, videos: Sequence[VideoAnnotations]) -> VideoPeople:
    """Return the labeled people in videos.

    Args:
        cfg: The experiment.
        videos: Annotated videos, as returned by `build_videos`.
    """
    width, height = cfg.MODEL.IMAGE_SIZE
    columns = KEYPOINT_OF_JOINT if build_data_set(cfg).is_posetrack else range(cfg.MODEL.NUM_JOINTS)
    return labeled_people(
        videos,
        Folders(build_image_store(cfg)),
        aspect_ratio=width / height,
        columns=columns,
        num_joints=cfg.MODEL.NUM_JOINTS,
        clip_rule=cfg.DATASET.CLIP_BOXES,
        joints_box=build_box_rule(cfg),
    )


def build_box_rule(cfg: CfgNode) -> str:
    """Return the rule for boxes around joints (lib.pose.crop): DATASET.JOINTS_BOX, where `auto` is the data set's rule.

    Args:
        cfg: The experiment.
    """
    rule: str = cfg.DATASET.JOINTS_BOX
    return build_data_set(cfg).joints_box if rule == "auto" else rule


def build_images(cfg: CfgNode, train: bool) -> tuple[VideoAnnotations, Listed, Path]:
    """Return the annotations of a data set of images, its files, and the path to the annotations.

    Args:
        cfg: The experiment.
        train: Return the training split, not the test split.

    Raises:
        InputError: A file or all images are missing, or a file is broken.
    """
    path = build_known_annotations(cfg, train)
    images, sizes = read_images(path, build_data_set(cfg), build_skeleton(cfg))
    store = build_image_store(cfg)
    folders = build_image_folders(cfg, train)
    folder, there = find_images(store, folders, images.frame_names)
    absent = set(np.flatnonzero(~there).tolist())
    if absent and not there.any():
        places = ", ".join(str(store.root / place / images.frame_names[0]) for place in folders)
        raise InputError(
            f"no image was found; the first one is expected at {places}; check DATASET.ROOT and DATASET.IMAGE_DIR"
        )
    if not train and not cfg.TEST.USE_GT_BBOX:
        sizes = np.zeros_like(sizes)  # detected boxes cannot reveal a wrong order of sizes, so the images are read
    names = [str(PurePosixPath(folder, name)) for name in images.frame_names]
    if absent:
        line = "%s: %d of %d images are missing, such as %s; tools/check_data.py lists them all"
        logger.warning(line, path, len(absent), len(names), store.root / names[min(absent)])
    return images, Listed(ImageList(store, names, sizes), folder, absent), path


def build_image_folders(cfg: CfgNode, train: bool) -> list[str]:
    """Return the folders of a store that may hold the images of a data set, the usual one first.

    Args:
        cfg: The experiment.
        train: Return the folders of the training split, not of the test split.
    """
    if cfg.DATASET.IMAGE_DIR:
        return ["."]
    usual = build_data_set(cfg).images.get(build_split_name(cfg, train), ".")
    return list(dict.fromkeys([usual, "images", "."]))


def build_image_people(cfg: CfgNode, images: VideoAnnotations, files: Listed) -> VideoPeople:
    """Return the labeled people in a data set of images.

    Args:
        cfg: The experiment.
        images: Annotations, as returned by `build_images`.
        files: Files, as returned by `build_images`.
    """
    width, height = cfg.MODEL.IMAGE_SIZE
    joints = cfg.MODEL.NUM_JOINTS
    clip_rule = None if build_data_set(cfg).has_crops else cfg.DATASET.CLIP_BOXES  # these boxes are crops
    return labeled_people(
        [images],
        files,
        aspect_ratio=width / height,
        columns=range(joints),
        num_joints=joints,
        clip_rule=clip_rule,
    )


def build_split_name(cfg: CfgNode, train: bool) -> str:
    """Return the name of the split to train on or to test on.

    Args:
        cfg: The experiment.
        train: Return the training split, not the test split.
    """
    name: str = cfg.DATASET.TRAIN_SET if train else cfg.DATASET.TEST_SET
    return name.removesuffix("2017")  # experiments of the first PoseTrack code have val2017


def build_annotations_path(cfg: CfgNode, train: bool) -> Path | None:
    """Return the path to the annotations of a split: the given one, or the usual one.

    Args:
        cfg: The experiment.
        train: Return the path of the training split, not of the test split.

    Returns:
        The path; None for a test of videos without annotations, whose frames are those of the detected boxes.

    Raises:
        InputError: The annotations do not exist.
    """
    folder = Path(cfg.DATASET.ANNOTATION_DIR or Path(cfg.DATASET.ROOT, "annotations"))
    key = "TRAIN_ANNOTATIONS" if train else "TEST_ANNOTATIONS"
    if cfg.DATASET[key]:
        given = Path(cfg.DATASET[key])
        places = [Path(cfg.DATA_DIR, given), folder / given, Path(cfg.DATASET.ROOT, given)]
        if not any(place.exists() for place in places):
            made = "; tools/prepare_posetrack.py makes such files, '' takes the official ones"
            hint = made if build_data_set(cfg).is_posetrack else ""
            raise InputError(f"DATASET.{key}: none of {', '.join(map(str, dict.fromkeys(places)))} exists{hint}")
        return next(place for place in places if place.exists())
    split = build_split_name(cfg, train)
    if not build_data_set(cfg).has_videos:
        return _usual_file(cfg, split)
    candidates = [folder / split, folder / f"{cfg.DATASET.DATASET}_{split}.json", folder / f"posetrack_{split}.json"]
    for candidate in candidates:
        if candidate.exists():
            return candidate
    if cfg.DATASET.GT_DIR and not train:
        return Path(cfg.DATASET.GT_DIR)
    if cfg.DATASET.ANNOTATION_DIR or cfg.TEST.USE_GT_BBOX or train:
        names = ", ".join(str(candidate) for candidate in candidates)
        raise InputError(
            f"no annotations for the split {split!r}: none of {names} exists; set DATASET.{key} if they are elsewhere"
        )
    logger.info("no annotations under %s: the frames are those listed in the box file", folder)
    return None


def build_known_annotations(cfg: CfgNode, train: bool) -> Path:
    """Return the path to the annotations of a split that must have some (`build_annotations_path`).

    Args:
        cfg: The experiment.
        train: Return the path of the training split, not of the test split.

    Raises:
        InputError: The annotations do not exist.
    """
    path = build_annotations_path(cfg, train)
    if path is None:
        raise InputError("no annotations: set DATASET.TEST_ANNOTATIONS or DATASET.ROOT")
    return path


def _usual_file(cfg: CfgNode, split: str) -> Path:
    """Return the usual path to the annotations of a data set of images, in DATASET.ANNOTATION_DIR if it is set."""
    usual = build_data_set(cfg).annotations
    if split not in usual:
        raise InputError(f"{cfg.DATASET.DATASET} has no split {split!r}: it has {', '.join(usual)}")
    path = Path(cfg.DATASET.ROOT, usual[split])
    path = Path(cfg.DATASET.ANNOTATION_DIR, path.name) if cfg.DATASET.ANNOTATION_DIR else path
    if not path.exists():
        raise InputError(f"{path}: no such file; it must contain the annotations of {cfg.DATASET.DATASET}, {split}")
    return path
