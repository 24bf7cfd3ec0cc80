"""Training set of an experiment."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from yacs.config import CfgNode

from lib.dataset.clips import ClipDataset, FixedFrames, RandomPair
from lib.dataset.loaders import build_clip_dataset
from lib.dataset.people import Person, is_well_centered, sparse_people
from lib.dataset.propagated_labels import is_augmented
from lib.dataset.sources import (
    build_box_rule,
    build_data_set,
    build_image_people,
    build_images,
    build_known_annotations,
    build_people,
    build_skeleton,
    build_videos,
)
from lib.dataset.transforms import Augmentation
from lib.dataset.video_people import reasons, with_boxes
from lib.formats.video_annotations import VideoAnnotations
from lib.frames.images import ImageList
from lib.frames.video import FrameFolder
from lib.utils.errors import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SparseLabels:
    """Labels to train on.

    Attributes:
        path: Path to the annotations.
        videos: Annotations of each video.
        people: Labeled people in the labeled frames.
        frames: Frames of each video, by its index.
    """

    path: Path
    videos: Sequence[VideoAnnotations]
    people: list[Person]
    frames: Mapping[int, FrameFolder | ImageList]


def build_training_set(cfg: CfgNode) -> ClipDataset:
    """Return the clips that an experiment trains on: pairs of frames for PoseWarper, else single frames.

    Args:
        cfg: The experiment.

    Raises:
        InputError: Annotations or frames are missing or broken, or no person is labeled.
    """
    pairs = cfg.MODEL.WARP.ENABLED
    if pairs and not build_data_set(cfg).has_videos:
        raise InputError(f"MODEL.WARP.ENABLED requires videos, and {cfg.DATASET.DATASET} has only single images")
    people, frames = _together([build_sparse_labels(part) for part in build_parts(cfg)])
    people = people * cfg.DATASET.REPEAT
    if cfg.DATASET.SELECT_DATA:
        people = [person for person in people if is_well_centered(person)]
        if not people:
            raise InputError("no people to train on; DATASET.SELECT_DATA leaves all of them out")
    skeleton = build_skeleton(cfg)
    if (cfg.DATASET.FLIP or cfg.TEST.FLIP_TEST) and not skeleton.flip_pairs:
        logger.warning("images are mirrored, but no joint names have two sides, such as left_paw and right_paw")
    augmentation = Augmentation(
        skeleton=skeleton,
        shift=cfg.DATASET.SHIFT_FACTOR,
        shift_probability=cfg.DATASET.PROB_SHIFT,
        half_body_probability=cfg.DATASET.PROB_HALF_BODY,
        half_body_joints=cfg.DATASET.NUM_JOINTS_HALF_BODY,
        scale=cfg.DATASET.SCALE_FACTOR,
        rotation=cfg.DATASET.ROT_FACTOR,
        flip=cfg.DATASET.FLIP,
    )
    sample_frames = RandomPair(cfg.DATASET.FRAME_DELTAS) if pairs else FixedFrames([0])
    return build_clip_dataset(cfg, people, frames, sample_frames, augmentation=augmentation, damaged_key="another")


def build_parts(cfg: CfgNode) -> list[CfgNode]:
    """Return the experiment with each data set that it trains on: its own, and those of DATASET.ALSO.

    Args:
        cfg: The experiment.

    Raises:
        InputError: The data sets have different joints.
    """
    parts, names = [cfg], build_skeleton(cfg).names
    for data_set in cfg.DATASET.ALSO:
        part = cfg.clone()
        part.DATASET.update(data_set)
        if build_skeleton(part).names != names:
            raise InputError(f"DATASET.ALSO: {part.DATASET.DATASET} does not have the joints of {cfg.DATASET.DATASET}")
        parts.append(part)
    return parts


def _together(parts: Sequence[SparseLabels]) -> tuple[list[Person], dict[int, FrameFolder | ImageList]]:
    """Return the people of all parts and the frames of their videos, with continuous indices of videos."""
    people: list[Person] = []
    frames: dict[int, FrameFolder | ImageList] = {}
    count = 0
    for part in parts:
        people += [replace(person, video=count + person.video) for person in part.people]
        frames |= {count + video: files for video, files in part.frames.items()}
        count += len(part.videos)
    return people, frames


def build_sparse_labels(cfg: CfgNode) -> SparseLabels:
    """Return the labels of as many videos and frames as DATASET requests; of an augmented set, return all labels.

    Args:
        cfg: The experiment.

    Raises:
        InputError: Annotations or frames are missing or broken, or no person is labeled.
    """
    has_videos = build_data_set(cfg).has_videos
    if has_videos:
        annotations = build_known_annotations(cfg, train=True)
        videos = [with_boxes(video, build_box_rule(cfg)) for video in build_videos(cfg, annotations)]
        found = build_people(cfg, videos)
    else:
        images, files, annotations = build_images(cfg, train=True)
        videos, found = [images], build_image_people(cfg, images, files)
    people = [person for person in found.people if person.labeled.any()]
    limits = cfg.DATASET.NUM_LABELED_VIDEOS, cfg.DATASET.NUM_LABELED_FRAMES_PER_VIDEO
    if has_videos and is_augmented(annotations):
        logger.info("%s holds sparse and propagated labels: all of them are used", annotations)
    elif not has_videos and max(limits) >= 0:
        text = "%s has images, not videos: DATASET.NUM_LABELED_VIDEOS and NUM_LABELED_FRAMES_PER_VIDEO have no effect"
        logger.warning(text, cfg.DATASET.DATASET)
    elif has_videos:
        _warn_of_few(people, *limits)
        people = sparse_people(people, *limits, cfg.SEED)
    if not people:
        raise InputError(f"{annotations}: no people to train on{reasons(found.dropped)}")
    labeled = {(person.video, person.frame) for person in people}
    where = f"labeled frames of {len({video for video, _ in labeled})} videos" if has_videos else "images"
    logger.info("labels: %d people in %d %s%s", len(people), len(labeled), where, reasons(found.dropped))
    return SparseLabels(path=annotations, videos=videos, people=people, frames=found.frames)


def _warn_of_few(people: Sequence[Person], num_videos: int, num_frames: int) -> None:
    """Warn if fewer videos or frames are labeled than DATASET requests."""
    frames: dict[int, set[int]] = {}
    for person in people:
        frames.setdefault(person.video, set()).add(person.frame)
    max_frames = max(map(len, frames.values()), default=0)
    for key, wanted, there, found in (
        ("NUM_LABELED_VIDEOS", num_videos, len(frames), "%d videos are labeled"),
        ("NUM_LABELED_FRAMES_PER_VIDEO", num_frames, max_frames, "at most %d frames of a video are labeled"),
    ):
        if wanted > there:
            logger.warning(f"DATASET.%s is %d, but {found}: all of them are used", key, wanted, there)


def build_truth(cfg: CfgNode) -> list[Person]:
    """Return the labeled people in the test annotations.

    Args:
        cfg: The experiment.

    Raises:
        InputError: Annotations or frames are missing or broken.
    """
    return build_people(cfg, build_videos(cfg, build_known_annotations(cfg, train=False))).people
