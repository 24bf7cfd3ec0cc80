"""What DATASET of an experiment names: annotations, joints and images."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from yacs.config import CfgNode

from lib.dataset.posetrack import PoseTrack, joint_boxes, labeled_people
from lib.formats.posetrack import KEYPOINT_OF_JOINT, PoseTrackVideo
from lib.formats.posetrack_set import read_joints, read_videos
from lib.frames.store import ImageStore
from lib.pose.skeletons import POSETRACK as POSETRACK_SKELETON
from lib.pose.skeletons import Skeleton, named_skeleton
from lib.utils.errors import InputError

logger = logging.getLogger(__name__)

POSETRACK = ("posetrack17", "posetrack18")
COCO = "coco"  # a COCO-style file of the frames of videos, with joints of its own
LONE_JOINT = 64  # pixels, the box around a person of one labelled joint and no box


def build_skeleton(cfg: CfgNode) -> Skeleton:
    """The joints of the data set that DATASET names: PoseTrack's 17, or those that a COCO-style file lists.

    Raises:
        InputError: another data set, a broken file, a number of joints that is not MODEL.NUM_JOINTS.
    """
    name = cfg.DATASET.DATASET
    if name in POSETRACK:
        skeleton, where = POSETRACK_SKELETON, "PoseTrack"
    elif name == COCO:
        where = build_annotations_path(cfg, train=True)
        skeleton = named_skeleton(read_joints(where))
    else:
        raise InputError(f"DATASET.DATASET is {name!r}; this version knows {', '.join(POSETRACK)} and {COCO}")
    if cfg.MODEL.NUM_JOINTS != skeleton.num_joints:
        raise InputError(f"MODEL.NUM_JOINTS is {cfg.MODEL.NUM_JOINTS}; {where} has {skeleton.num_joints}")
    return skeleton


def build_image_store(cfg: CfgNode) -> ImageStore:
    """The images that DATASET names."""
    return ImageStore(cfg.DATASET.IMAGE_DIR or cfg.DATASET.ROOT or ".", zipped=cfg.DATASET.DATA_FORMAT == "zip")


def build_videos(cfg: CfgNode, annotations: Path) -> list[PoseTrackVideo]:
    """The annotated videos. Of files that are not PoseTrack's, the boxes are those of the joints, as 2017's.

    Raises:
        InputError: a broken file.
    """
    skeleton = build_skeleton(cfg)
    if cfg.DATASET.DATASET in POSETRACK:
        return read_videos(annotations)
    return [replace(video, boxes=_grown(video)) for video in read_videos(annotations, skeleton.names)]


def _grown(video: PoseTrackVideo) -> np.ndarray:
    """(P, 4) boxes of the joints, of which no side is under a quarter of the other; a lone joint has the file's box."""
    boxes = joint_boxes(video)
    longer = boxes[:, 2:].max(axis=1, keepdims=True)
    sides = np.maximum(boxes[:, 2:], longer / 4)
    boxes = np.hstack([boxes[:, :2] - (sides - boxes[:, 2:]) / 2, sides])
    lone = np.hstack([boxes[:, :2] - LONE_JOINT / 2, np.full_like(sides, LONE_JOINT)])
    lone = np.where((video.boxes[:, 2:] > 0).all(axis=1, keepdims=True), video.boxes, lone)
    return np.where(longer > 0, boxes, np.where(np.isnan(boxes), boxes, lone))


def build_people(cfg: CfgNode, videos: Sequence[PoseTrackVideo]) -> PoseTrack:
    """The labelled people of videos, as of `build_videos`."""
    width, height = cfg.MODEL.IMAGE_SIZE
    columns = KEYPOINT_OF_JOINT if cfg.DATASET.DATASET in POSETRACK else range(cfg.MODEL.NUM_JOINTS)
    return labeled_people(videos, build_image_store(cfg), width / height, columns, cfg.MODEL.NUM_JOINTS)


def build_split_name(cfg: CfgNode, train: bool) -> str:
    """The name of the split to train on or to test on."""
    name = cfg.DATASET.TRAIN_SET if train else cfg.DATASET.TEST_SET
    return name.removesuffix("2017")  # the first PoseTrack files said val2017


def build_annotations_path(cfg: CfgNode, train: bool) -> Path | None:
    """The annotations of a split: those that are named, or those that lie where they usually do."""
    folder = Path(cfg.DATASET.ANNOTATION_DIR or Path(cfg.DATASET.ROOT, "annotations"))
    key = "TRAIN_ANNOTATIONS" if train else "TEST_ANNOTATIONS"
    if cfg.DATASET[key]:
        given = Path(cfg.DATASET[key])
        if not given.exists() and not (folder / given).exists():
            made = "; tools/prepare_posetrack.py makes such files, '' takes the official ones"
            hint = made if cfg.DATASET.DATASET in POSETRACK else ""
            raise InputError(f"DATASET.{key}: neither {given} nor {folder / given} exists{hint}")
        return given if given.exists() else folder / given
    split = build_split_name(cfg, train)
    candidates = [folder / split, folder / f"{cfg.DATASET.DATASET}_{split}.json", folder / f"posetrack_{split}.json"]
    for candidate in candidates:
        if candidate.exists():
            return candidate
    if cfg.DATASET.GT_DIR and not train:
        return Path(cfg.DATASET.GT_DIR)
    if cfg.DATASET.ANNOTATION_DIR or cfg.TEST.USE_GT_BBOX or train:
        names = ", ".join(str(candidate) for candidate in candidates)
        raise InputError(f"no annotations of the split {split!r}: none of {names} exists")
    logger.info("no annotations under %s: the frames are those that the boxes name", folder)
    return None
