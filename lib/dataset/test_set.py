"""Test set of an experiment."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from yacs.config import CfgNode

from lib.dataset.clips import ClipDataset, FixedFrames, RandomPair
from lib.dataset.detections import detected_people, videos_of
from lib.dataset.frame_names import find_renamed_people, restore_names
from lib.dataset.images import Listed
from lib.dataset.loaders import build_clip_dataset, build_offsets
from lib.dataset.sources import (
    build_annotations_path,
    build_data_set,
    build_image_people,
    build_image_store,
    build_images,
    build_people,
    build_skeleton,
    build_split_name,
    build_videos,
)
from lib.dataset.video_people import Folders, VideoPeople, match_ground_truth, reasons
from lib.formats.boxes import DetectedBox, read_boxes
from lib.formats.posetrack_set import read_joints, read_videos
from lib.formats.video_annotations import VideoAnnotations
from lib.utils.errors import InputError

logger = logging.getLogger(__name__)

MPII_TRUTH = ("gt_valid.mat", "mpii_gt_val.mat")  # HRNet's and MMPose's name; the lists in JSON have no head boxes


@dataclass(frozen=True, kw_only=True)
class TestSet:
    """People to estimate, and ground truth to score the estimates against.

    Attributes:
        clips: Clips of the people, with the frames that TEST.MODE requires.
        videos: Frames that a submission must list, with their ground truth: the official one if DATASET.GT_DIR is set,
            else the annotations.
        split: Name of the split.
        dropped: Number of boxes that were left out, by reason.
        has_ground_truth: True if labels exist, and head boxes if distances are measured in them.
        truth: Ground-truth file of a data set of images or of custom data; None for PoseTrack.
    """

    clips: ClipDataset
    videos: Sequence[VideoAnnotations]
    split: str
    dropped: Counter[str]
    has_ground_truth: bool
    truth: Path | None = None


def build_test_set(cfg: CfgNode) -> TestSet:
    """Return the test set that TEST and DATASET of an experiment describe.

    Args:
        cfg: The experiment.

    Raises:
        InputError: Annotations, boxes or frames are missing or broken.
    """
    build_skeleton(cfg)  # raises
    videos = build_data_set(cfg).has_videos
    if not videos and cfg.TEST.MODE != "single":
        raise InputError(f"TEST.MODE {cfg.TEST.MODE}: {cfg.DATASET.DATASET} has only single images, no videos")
    if cfg.TEST.SOFT_NMS and not cfg.TEST.OKS_NMS:
        raise InputError("TEST.SOFT_NMS requires TEST.OKS_NMS; set it to True")
    found, source, truth = _videos(cfg) if videos else _images(cfg)
    if cfg.TEST.COCO_BBOX_FILE and (cfg.TEST.USE_GT_BBOX or build_data_set(cfg).has_crops):
        logger.info("boxes are from the annotations; TEST.COCO_BBOX_FILE %s is not used", cfg.TEST.COCO_BBOX_FILE)
    if not found.people:
        raise InputError(f"{source}: no people to estimate{reasons(found.dropped)}")
    clips = build_clip_dataset(cfg, found.people, found.frames, _sample_frames(cfg), damaged_key="blank")
    where = f"{len(found.frames)} videos" if videos else f"{len(found.videos[0].frame_names)} images"
    logger.info("test set: %d people in %s%s", len(clips), where, reasons(found.dropped))
    return TestSet(
        clips=clips,
        videos=found.videos,
        split=build_split_name(cfg, train=False),
        dropped=found.dropped,
        has_ground_truth=_has_ground_truth(cfg, found, truth),
        truth=truth,
    )


def _has_ground_truth(cfg: CfgNode, found: VideoPeople, truth: Path | None) -> bool:
    """Return True if labels exist, and everything else that their scorer requires."""
    labeled = any(video.labeled.any() for video in found.videos)
    heads = any(np.isfinite(video.head_boxes).any() for video in found.videos)
    in_heads = truth is None or build_data_set(cfg).format == "mpii_trb"
    return labeled and (heads or not in_heads) and (truth is None or truth.exists())


def _videos(cfg: CfgNode) -> tuple[VideoPeople, str, Path | None]:
    """Return the people in videos, the name of their source, and the ground-truth file of custom data."""
    annotations = build_annotations_path(cfg, train=False)
    custom = build_data_set(cfg).is_custom
    if custom:
        _check_custom(cfg, annotations)
    videos = build_videos(cfg, annotations) if annotations else []
    if build_data_set(cfg).format == "posetrack17" and any(np.isfinite(video.boxes).any() for video in videos):
        logger.warning(
            "%s is in the 2018 format; to submit in this format, set DATASET.DATASET posetrack18", annotations
        )
    if cfg.TEST.USE_GT_BBOX:
        if not annotations:
            raise InputError("TEST.USE_GT_BBOX requires annotations; set DATASET.TEST_ANNOTATIONS or DATASET.ROOT")
        found = build_people(cfg, videos)
    else:
        found = build_detected_people(cfg, videos, videos)
    if cfg.DATASET.GT_DIR and annotations != Path(cfg.DATASET.GT_DIR):
        truth = read_videos(cfg.DATASET.GT_DIR)
        renamed = {}
        if build_data_set(cfg).format == "posetrack17":
            renamed = find_renamed_people(found.people, found.videos, truth, annotations)
        found = match_ground_truth(found, truth, cfg.DATASET.GT_DIR, renamed)
    source = annotations if cfg.TEST.USE_GT_BBOX else f"{cfg.TEST.COCO_BBOX_FILE} (annotations: {annotations})"
    return found, str(source), annotations if custom else None


def _check_custom(cfg: CfgNode, annotations: Path | None) -> None:
    """Raise an error if predictions for custom data could not be scored with the file that lists the frames."""
    if annotations is None or annotations.is_dir():
        raise InputError("DATASET.DATASET is custom; set DATASET.TEST_ANNOTATIONS to the COCO-style file to test on")
    if cfg.DATASET.GT_DIR:
        raise InputError("DATASET.GT_DIR is only for PoseTrack; custom data is scored against DATASET.TEST_ANNOTATIONS")
    names, known = read_joints(annotations)[0], build_skeleton(cfg).names
    if tuple(names) != known:
        raise InputError(
            f"{annotations}: its joints are {', '.join(names)}, but those of the net are {', '.join(known)}; "
            f"list the same joints in the same order"
        )


def _images(cfg: CfgNode) -> tuple[VideoPeople, str, Path]:
    """Return the people in a data set of images, the name of their source, and the ground-truth file."""
    images, files, path = build_images(cfg, train=False)
    data_set = build_data_set(cfg)
    truth = _mpii_truth(path.parent) if data_set.format == "mpii" else path
    if cfg.TEST.USE_GT_BBOX or data_set.has_crops:  # nobody detects people in these
        return build_image_people(cfg, images, files), str(path), truth
    boxes, dropped = _boxes(cfg)
    found = _detected(cfg, [images], boxes, files)
    found.dropped.update(dropped)
    return found, f"{cfg.TEST.COCO_BBOX_FILE} (annotations: {path})", truth


def _mpii_truth(folder: Path) -> Path:
    """Return the path to MPII's ground truth beside the list of people, or its usual path if it does not exist."""
    places = [folder / name for name in MPII_TRUTH]
    return next((place for place in places if place.exists()), places[0])


def _boxes(cfg: CfgNode) -> tuple[list[DetectedBox], Counter[str]]:
    """Return the detected boxes that TEST names, and the number of boxes that were left out, by reason."""
    if not cfg.TEST.COCO_BBOX_FILE:
        raise InputError("no boxes: set TEST.COCO_BBOX_FILE to detected ones, or TEST.USE_GT_BBOX True")
    if not Path(cfg.TEST.COCO_BBOX_FILE).is_file():
        raise InputError(f"TEST.COCO_BBOX_FILE: there is no file {cfg.TEST.COCO_BBOX_FILE}")
    return read_boxes(cfg.TEST.COCO_BBOX_FILE, cfg.TEST.IMAGE_THRE)


def build_detected_people(
    cfg: CfgNode, videos: Sequence[VideoAnnotations], whole: Sequence[VideoAnnotations]
) -> VideoPeople:
    """Return the people in the detected boxes that TEST names.

    Args:
        cfg: The experiment.
        videos: Annotated videos or parts of them; if there are none, the videos of the boxes are used.
        whole: The same videos with all of their annotated frames.

    Raises:
        InputError: The file of boxes is missing or broken, or its frames cannot be found.
    """
    boxes, dropped = _boxes(cfg)
    store = build_image_store(cfg)
    if build_data_set(cfg).format == "posetrack17":
        boxes = restore_names(boxes, whole, store, cfg.TEST.COCO_BBOX_FILE)
    found = _detected(cfg, videos or videos_of(boxes, store), boxes, Folders(store))
    found.dropped.update(dropped)
    return found


def _detected(
    cfg: CfgNode, videos: Sequence[VideoAnnotations], boxes: Sequence[DetectedBox], files: Folders | Listed
) -> VideoPeople:
    (width, height), joints = cfg.MODEL.IMAGE_SIZE, cfg.MODEL.NUM_JOINTS
    return detected_people(
        videos, boxes, files, aspect_ratio=width / height, nms_threshold=cfg.TEST.NMS_THRE, num_joints=joints
    )


def _sample_frames(cfg: CfgNode) -> FixedFrames | RandomPair:
    if cfg.TEST.MODE == "pair":
        return RandomPair(cfg.DATASET.FRAME_DELTAS)
    return FixedFrames(build_offsets(cfg))
