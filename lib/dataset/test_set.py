"""What an experiment is tested on."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from yacs.config import CfgNode

from lib.dataset.clips import ClipDataset, FixedFrames, RandomPair
from lib.dataset.frame_names import find_renamed_people, restore_names
from lib.dataset.images import Listed
from lib.dataset.loaders import build_clip_dataset
from lib.dataset.people import Person
from lib.dataset.posetrack import Folders, PoseTrack, detected_people, match_ground_truth, reasons, videos_of
from lib.dataset.runs import labeled_of_run, longest_run
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
from lib.formats.boxes import DetectedBox, read_boxes
from lib.formats.posetrack import VideoAnnotations, take_frames
from lib.formats.posetrack_set import read_joints, read_videos
from lib.frames.video import FrameFolder
from lib.utils.errors import InputError

logger = logging.getLogger(__name__)

MPII_TRUTH = ("gt_valid.mat", "mpii_gt_val.mat")  # HRNet's and MMPose's name; the lists in JSON have no head boxes


@dataclass(frozen=True)
class TestSet:
    """What a test runs on and is scored against.

    Attributes:
        clips: the people, and their frames as the mode of testing wants them.
        videos: the frames that a submission has to list, and the truth about them: the official ground truth if
            DATASET.GT_DIR names it, else the annotations.
        split: name of the split.
        dropped: boxes that were left out, by reason.
        scorable: somebody is labelled, and there is the unit of distances: head boxes, where they are that.
        truth: of a data set of images and of custom data, the file that the scorer takes as ground truth.
    """

    clips: ClipDataset
    videos: Sequence[VideoAnnotations]
    split: str
    dropped: Counter
    scorable: bool
    truth: Path | None = None


@dataclass(frozen=True)
class LabeledRuns:
    """Runs of consecutive annotated frames, some of which keep their labels.

    Attributes:
        videos: the runs, as annotated.
        people: everybody in them, sorted by video and frame.
        sources: those in the labelled frames.
        labeled: per video the indices of the labelled frames.
        frames: by index of the video, its files.
        split: name of the split.
    """

    videos: Sequence[VideoAnnotations]
    people: list[Person]
    sources: list[Person]
    labeled: Sequence[Sequence[int]]
    frames: dict[int, FrameFolder]
    split: str


def build_test_set(cfg: CfgNode) -> TestSet:
    """The people and frames that TEST and DATASET of an experiment name.

    Raises:
        InputError: annotations, boxes or frames that are not there, or are broken.
    """
    build_skeleton(cfg)  # raises
    videos = build_data_set(cfg).has_videos
    if not videos and cfg.TEST.MODE != "single":
        raise InputError(f"TEST.MODE {cfg.TEST.MODE}: {cfg.DATASET.DATASET} has images alone, no frames beside them")
    if cfg.TEST.SOFT_NMS and not cfg.TEST.OKS_NMS:
        raise InputError("TEST.SOFT_NMS is a variant of TEST.OKS_NMS, which is False; set that True")
    found, source, truth = _videos(cfg) if videos else _images(cfg)
    if cfg.TEST.COCO_BBOX_FILE and (cfg.TEST.USE_GT_BBOX or build_data_set(cfg).has_crops):
        logger.info("boxes are those of the annotations; TEST.COCO_BBOX_FILE %s is not used", cfg.TEST.COCO_BBOX_FILE)
    if not found.people:
        raise InputError(f"{source}: nobody to estimate{reasons(found.dropped)}")
    clips = build_clip_dataset(cfg, found.people, found.frames, _sample_frames(cfg))
    where = f"{len(found.frames)} videos" if videos else f"{len(found.videos[0].frame_names)} images"
    logger.info("%d people in %s%s", len(clips), where, reasons(found.dropped))
    return TestSet(
        clips, found.videos, build_split_name(cfg, train=False), found.dropped, _scorable(cfg, found, truth), truth
    )


def _scorable(cfg: CfgNode, found: PoseTrack, truth: Path | None) -> bool:
    """Whether there are labels, and what their scorer needs beside them."""
    labeled = any(video.labeled.any() for video in found.videos)
    heads = any(np.isfinite(video.head_boxes).any() for video in found.videos)
    in_heads = truth is None or build_data_set(cfg).form == "mpii_trb"
    return labeled and (heads or not in_heads) and (truth is None or truth.exists())


def _videos(cfg: CfgNode) -> tuple[PoseTrack, str, Path | None]:
    """The people to be tested in videos, where they are from, and the ground truth if it is a file of custom data."""
    annotations = build_annotations_path(cfg, train=False)
    custom = build_data_set(cfg).is_custom
    if custom:
        _check_custom(cfg, annotations)
    videos = build_videos(cfg, annotations) if annotations else []
    if build_data_set(cfg).form == "posetrack17" and any(np.isfinite(video.boxes).any() for video in videos):
        logger.warning("%s is in the form of 2018, which DATASET.DATASET posetrack18 would submit in", annotations)
    if cfg.TEST.USE_GT_BBOX:
        if not annotations:
            raise InputError("TEST.USE_GT_BBOX needs annotations: set DATASET.TEST_ANNOTATIONS or DATASET.ROOT")
        found = build_people(cfg, videos)
    else:
        found = _detected_in_videos(cfg, videos, videos)
    if cfg.DATASET.GT_DIR and annotations != Path(cfg.DATASET.GT_DIR):
        truth = read_videos(cfg.DATASET.GT_DIR)
        renamed = {}
        if build_data_set(cfg).form == "posetrack17":
            renamed = find_renamed_people(found.people, found.videos, truth, annotations)
        found = match_ground_truth(found, truth, cfg.DATASET.GT_DIR, renamed)
    source = annotations if cfg.TEST.USE_GT_BBOX else f"{cfg.TEST.COCO_BBOX_FILE} (annotations: {annotations})"
    return found, str(source), annotations if custom else None


def _check_custom(cfg: CfgNode, annotations: Path | None) -> None:
    """Refuse a test of custom data whose predictions could not be scored by the file that lists the frames."""
    if annotations is None or annotations.is_dir():
        raise InputError("DATASET.DATASET is custom: set DATASET.TEST_ANNOTATIONS to the COCO-style file to test on")
    if cfg.DATASET.GT_DIR:
        raise InputError("DATASET.GT_DIR is PoseTrack's; custom data are scored by DATASET.TEST_ANNOTATIONS")
    names, known = read_joints(annotations)[0], build_skeleton(cfg).names
    if tuple(names) != known:
        raise InputError(
            f"{annotations}: its joints are {', '.join(names)}; the net's are {', '.join(known)}: "
            f"list the same in the same order"
        )


def _images(cfg: CfgNode) -> tuple[PoseTrack, str, Path]:
    """The people to be tested in a data set of images, where they are from, and the ground truth."""
    images, files, path = build_images(cfg, train=False)
    data_set = build_data_set(cfg)
    truth = _mpii_truth(path.parent) if data_set.form == "mpii" else path
    if cfg.TEST.USE_GT_BBOX or data_set.has_crops:  # nobody detects people in these
        return build_image_people(cfg, images, files), str(path), truth
    boxes, dropped = _boxes(cfg)
    found = _detected(cfg, [images], boxes, files)
    found.dropped.update(dropped)
    return found, f"{cfg.TEST.COCO_BBOX_FILE} (annotations: {path})", truth


def _mpii_truth(folder: Path) -> Path:
    """What MPII's predictions are scored against, beside the list of people; where it belongs, if it is not there."""
    places = [folder / name for name in MPII_TRUTH]
    return next((place for place in places if place.exists()), places[0])


def _boxes(cfg: CfgNode) -> tuple[list[DetectedBox], Counter]:
    """The detected boxes that TEST names, and how many were left out, by reason."""
    if not cfg.TEST.COCO_BBOX_FILE:
        raise InputError("no boxes: set TEST.COCO_BBOX_FILE to detected ones, or TEST.USE_GT_BBOX True")
    if not Path(cfg.TEST.COCO_BBOX_FILE).is_file():
        raise InputError(f"TEST.COCO_BBOX_FILE: there is no file {cfg.TEST.COCO_BBOX_FILE}")
    return read_boxes(cfg.TEST.COCO_BBOX_FILE, cfg.TEST.IMAGE_THRE)


def _detected_in_videos(
    cfg: CfgNode, videos: Sequence[VideoAnnotations], whole: Sequence[VideoAnnotations]
) -> PoseTrack:
    """The people in the detected boxes that TEST names.

    Args:
        videos: the annotated ones, of which there may be parts; without any, those that the boxes name are taken.
        whole: the same with all of their annotated frames.
    """
    boxes, dropped = _boxes(cfg)
    store = build_image_store(cfg)
    if build_data_set(cfg).form == "posetrack17":
        boxes = restore_names(boxes, whole, store, cfg.TEST.COCO_BBOX_FILE)
    found = _detected(cfg, videos or videos_of(boxes, store), boxes, Folders(store))
    found.dropped.update(dropped)
    return found


def _detected(
    cfg: CfgNode, videos: Sequence[VideoAnnotations], boxes: Sequence[DetectedBox], files: Folders | Listed
) -> PoseTrack:
    width, height = cfg.MODEL.IMAGE_SIZE
    return detected_people(videos, boxes, files, width / height, cfg.TEST.NMS_THRE, cfg.MODEL.NUM_JOINTS)


def build_labeled_runs(cfg: CfgNode, every: int) -> LabeledRuns:
    """The longest annotated run of each test video, with labels on some of its frames (paper, video pose propagation).

    Args:
        every: frames from one label to the next (lib.dataset.runs).

    Raises:
        InputError: no annotations, no run that is long enough for a label, nobody labelled, frames that are not there.
    """
    annotations = _propagated_path(cfg)
    videos, labeled = [], []
    for video in build_videos(cfg, annotations):
        run = longest_run(video)
        if kept := labeled_of_run(len(run), every):
            videos.append(take_frames(video, run))
            labeled.append(kept)
        else:
            logger.warning("%s: left out: fewer than %d consecutive annotated frames", video.name, every // 2 + 1)
    if not videos:
        raise InputError(
            f"{annotations}: no video has {every // 2 + 1} consecutive annotated frames, so none is labeled"
        )
    found = build_people(cfg, videos)
    sources = [person for person in found.people if person.frame in labeled[person.video]]
    if not sources:
        raise InputError(f"{annotations}: nobody in the labeled frames{reasons(found.dropped)}")
    logger.info(
        "%d people in %d labeled of %d frames, %d videos%s",
        len(sources),
        sum(map(len, labeled)),
        sum(len(video.frame_names) for video in videos),
        len(videos),
        reasons(found.dropped),
    )
    return LabeledRuns(videos, found.people, sources, labeled, found.frames, build_split_name(cfg, train=False))


def _propagated_path(cfg: CfgNode) -> Path:
    """Where the labels are that are propagated over test videos."""
    annotations = Path(cfg.DATASET.GT_DIR) if cfg.DATASET.GT_DIR else build_annotations_path(cfg, train=False)
    if annotations is None:
        raise InputError("there are no labels to propagate: set DATASET.TEST_ANNOTATIONS or DATASET.ROOT")
    return annotations


def build_pseudo_labeled(cfg: CfgNode, runs: LabeledRuns) -> list[Person]:
    """Return the people of runs whose pseudo-labels a pose net estimates.

    TEST.PROPAGATE.PSEUDO_LABELS says in which frames of the runs, all of them or the unlabelled ones, and
    TEST.USE_GT_BBOX in which boxes.

    Raises:
        InputError: there is no file of boxes, it is broken, or its frames cannot be found.
    """
    people = runs.people
    if not cfg.TEST.USE_GT_BBOX:
        found = _detected_in_videos(cfg, runs.videos, build_videos(cfg, _propagated_path(cfg)))
        logger.info("%d detected people in the runs%s", len(found.people), reasons(found.dropped))
        people = found.people
    if cfg.TEST.PROPAGATE.PSEUDO_LABELS == "all":
        return people
    return [person for person in people if person.frame not in runs.labeled[person.video]]


def _sample_frames(cfg: CfgNode) -> FixedFrames | RandomPair:
    if cfg.TEST.MODE == "pair":
        return RandomPair(cfg.DATASET.FRAME_DELTAS)
    return FixedFrames(cfg.TEST.AGGREGATE.OFFSETS if cfg.TEST.MODE in ("aggregate", "average") else [0])
