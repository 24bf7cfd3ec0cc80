"""What DATASET of an experiment names: annotations, joints and images."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

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


def build_skeleton(cfg: CfgNode) -> Skeleton:
    """The joints of the data set that DATASET names: PoseTrack's 17, or those that a COCO-style file lists.

    Raises:
        InputError: another data set, a broken file, a number of joints that is not MODEL.NUM_JOINTS.
    """
    name = cfg.DATASET.DATASET
    if name in POSETRACK:
        skeleton, where = POSETRACK_SKELETON, "PoseTrack"
    elif name == COCO:
        where = find_annotations(cfg, train=True)
        skeleton = named_skeleton(*read_joints(where))
    else:
        raise InputError(f"DATASET.DATASET is {name!r}; this version knows {', '.join(POSETRACK)} and {COCO}")
    if cfg.MODEL.NUM_JOINTS != skeleton.num_joints:
        raise InputError(f"MODEL.NUM_JOINTS is {cfg.MODEL.NUM_JOINTS}; {where} has {skeleton.num_joints}")
    return skeleton


def build_image_store(cfg: CfgNode) -> ImageStore:
    """The images that DATASET names."""
    return ImageStore(cfg.DATASET.IMAGE_DIR or cfg.DATASET.ROOT or ".", zipped=cfg.DATASET.DATA_FORMAT == "zip")


def read_annotated(cfg: CfgNode, annotations: Path) -> list[PoseTrackVideo]:
    """The annotated videos. Of files that are not PoseTrack's, the boxes are those of the joints, as 2017's."""
    skeleton = build_skeleton(cfg)
    if cfg.DATASET.DATASET in POSETRACK:
        return read_videos(annotations)
    return [replace(video, boxes=joint_boxes(video)) for video in read_videos(annotations, skeleton.names)]


def find_labeled(cfg: CfgNode, videos: Sequence[PoseTrackVideo]) -> PoseTrack:
    """The labelled people of videos, as of `read_annotated`."""
    width, height = cfg.MODEL.IMAGE_SIZE
    columns = KEYPOINT_OF_JOINT if cfg.DATASET.DATASET in POSETRACK else range(cfg.MODEL.NUM_JOINTS)
    return labeled_people(videos, build_image_store(cfg), width / height, columns, cfg.MODEL.NUM_JOINTS)


def split_name(cfg: CfgNode, train: bool) -> str:
    """The name of the split to train on or to test on."""
    name = cfg.DATASET.TRAIN_SET if train else cfg.DATASET.TEST_SET
    return name.removesuffix("2017")  # the first PoseTrack files said val2017


def find_annotations(cfg: CfgNode, train: bool) -> Path | None:
    """The annotations of a split: those that are named, or those that lie where they usually do."""
    folder = Path(cfg.DATASET.ANNOTATION_DIR or Path(cfg.DATASET.ROOT, "annotations"))
    key = "TRAIN_ANNOTATIONS" if train else "TEST_ANNOTATIONS"
    if cfg.DATASET[key]:
        given = Path(cfg.DATASET[key])
        if not given.exists() and not (folder / given).exists():
            raise InputError(f"DATASET.{key}: neither {given} nor {folder / given} exists")
        return given if given.exists() else folder / given
    split = split_name(cfg, train)
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
