"""From an experiment file to clips of people: which annotations, which frames, which loader."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from torch.utils.data import DataLoader, DistributedSampler
from yacs.config import CfgNode

from lib.dataset.augment import Augmentation
from lib.dataset.augmented import is_augmented
from lib.dataset.clips import ClipDataset, FixedFrames, RandomPair
from lib.dataset.people import Person, is_well_centered, sparse_people
from lib.dataset.posetrack import detected_people, relist, with_boxes
from lib.dataset.runs import labeled_of_run, longest_run
from lib.dataset.sources import (
    COCO,
    build_annotations_path,
    build_image_store,
    build_people,
    build_skeleton,
    build_split_name,
    build_videos,
)
from lib.formats.boxes import read_boxes
from lib.formats.posetrack import PoseTrackVideo, take_frames
from lib.formats.posetrack_set import read_videos
from lib.frames.video import FrameFolder
from lib.utils.cores import num_cores
from lib.utils.errors import InputError
from lib.utils.interrupts import forgive_broken_connections

logger = logging.getLogger(__name__)

# Of a test batch on the CPU, five crops of 384×288: larger ones gain nothing, and progress stands still.
CPU_PIXELS = 600_000


@dataclass(frozen=True)
class TestSet:
    """What a test runs on and is scored against.

    Attributes:
        clips: the people, and their frames as the mode of testing wants them.
        videos: the frames that a submission has to list, and the truth about them: the official ground truth if
            DATASET.GT_DIR names it, else the annotations.
        split: name of the split.
        dropped: boxes that were left out, by reason.
    """

    clips: ClipDataset
    videos: Sequence[PoseTrackVideo]
    split: str
    dropped: Counter

    @property
    def scorable(self) -> bool:
        """Somebody is labelled, and there are head boxes, the unit of PoseTrack's distances."""
        labeled = any(video.labeled.any() for video in self.videos)
        return labeled and any(np.isfinite(video.head_boxes).any() for video in self.videos)


@dataclass(frozen=True)
class SparseLabels:
    """The labels that there are to train on.

    Attributes:
        path: of the annotations.
        videos: what these say of each video.
        people: those who are labelled, in the frames that are.
        frames: by index of the video, its files.
    """

    path: Path
    videos: Sequence[PoseTrackVideo]
    people: list[Person]
    frames: dict[int, FrameFolder]


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

    videos: Sequence[PoseTrackVideo]
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
    if cfg.DATASET.DATASET == COCO:
        raise InputError("DATASET.DATASET is coco: PoseTrack alone has a test; set TEST.EVALUATE False to train")
    build_skeleton(cfg)  # raises
    store = build_image_store(cfg)
    annotations = build_annotations_path(cfg, train=False)
    videos = read_videos(annotations) if annotations else []
    if cfg.DATASET.DATASET == "posetrack17" and any(np.isfinite(video.boxes).any() for video in videos):
        logger.warning("%s is in the form of 2018, which DATASET.DATASET posetrack18 would submit in", annotations)
    width, height = cfg.MODEL.IMAGE_SIZE
    if cfg.TEST.USE_GT_BBOX:
        if not annotations:
            raise InputError("TEST.USE_GT_BBOX needs annotations: set DATASET.TEST_ANNOTATIONS or DATASET.ROOT")
        found = build_people(cfg, videos)
    elif cfg.TEST.COCO_BBOX_FILE:
        boxes, dropped = read_boxes(cfg.TEST.COCO_BBOX_FILE, cfg.TEST.IMAGE_THRE)
        found = detected_people(videos, boxes, store, width / height, cfg.TEST.NMS_THRE)
        found.dropped.update(dropped)
    else:
        raise InputError("no boxes: set TEST.COCO_BBOX_FILE to detected ones, or TEST.USE_GT_BBOX True")
    if cfg.DATASET.GT_DIR and annotations != Path(cfg.DATASET.GT_DIR):
        found = relist(found, read_videos(cfg.DATASET.GT_DIR), cfg.DATASET.GT_DIR)
    if not found.people:
        source = annotations if cfg.TEST.USE_GT_BBOX else f"{cfg.TEST.COCO_BBOX_FILE} (annotations: {annotations})"
        raise InputError(f"{source}: nobody to estimate{_reasons(found.dropped)}")
    clips = _clips(cfg, found.people, found.frames, _sample_frames(cfg))
    logger.info("%d people in %d videos%s", len(clips), len(found.frames), _reasons(found.dropped))
    return TestSet(clips, found.videos, build_split_name(cfg, train=False), found.dropped)


def build_labeled_runs(cfg: CfgNode, every: int) -> LabeledRuns:
    """The longest annotated run of each test video, with labels on some of its frames (paper, video pose propagation).

    Args:
        every: frames from one label to the next (lib.dataset.runs).
    Raises:
        InputError: no annotations, no run that is long enough for a label, nobody labelled, frames that are not there.
    """
    annotations = Path(cfg.DATASET.GT_DIR) if cfg.DATASET.GT_DIR else build_annotations_path(cfg, train=False)
    if annotations is None:
        raise InputError("there are no labels to propagate: set DATASET.TEST_ANNOTATIONS or DATASET.ROOT")
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
            f"{annotations}: no video has {every // 2 + 1} consecutive annotated frames, so none is labelled"
        )
    found = build_people(cfg, videos)
    sources = [person for person in found.people if person.frame in labeled[person.video]]
    if not sources:
        raise InputError(f"{annotations}: nobody in the labelled frames{_reasons(found.dropped)}")
    logger.info(
        "%d people in %d labelled of %d frames, %d videos%s",
        len(sources),
        sum(map(len, labeled)),
        sum(len(video.frame_names) for video in videos),
        len(videos),
        _reasons(found.dropped),
    )
    return LabeledRuns(videos, found.people, sources, labeled, found.frames, build_split_name(cfg, train=False))


def build_clips(
    cfg: CfgNode, people: list[Person], frames: dict[int, FrameFolder], offsets: Sequence[int]
) -> ClipDataset:
    """Clips of these people with the frames at these offsets, the first of them 0, or the nearest that are there."""
    return _clips(cfg, people, frames, FixedFrames(offsets), replace_key=True)


def build_test_loader(cfg: CfgNode, clips: ClipDataset, process: tuple[int, int], cuda: bool) -> DataLoader:
    """Batches of clips in order, read by at most as many processes as the machine has cores.

    Args:
        process: rank and number of the processes that share the clips.
    """
    rank, count = process
    size = cfg.TEST.BATCH_SIZE_PER_GPU
    if not cuda:
        size = min(size, max(1, CPU_PIXELS // (clips.num_frames * prod(cfg.MODEL.IMAGE_SIZE))))
    return DataLoader(
        clips,
        batch_size=size,
        sampler=range(rank, len(clips), count),
        num_workers=min(cfg.WORKERS, num_cores()),
        worker_init_fn=forgive_broken_connections,
        pin_memory=cfg.PIN_MEMORY and cuda,
    )


def build_training_set(cfg: CfgNode) -> ClipDataset:
    """The labelled people that an experiment trains on: single frames, or pairs where it has a warping head.

    Raises:
        InputError: annotations or frames that are not there, or are broken; nobody to train on.
    """
    labels = build_sparse_labels(cfg)
    people = labels.people * cfg.DATASET.REPEAT
    if cfg.DATASET.SELECT_DATA:
        people = [person for person in people if is_well_centered(person)]
        if not people:
            raise InputError("nobody to train on: DATASET.SELECT_DATA leaves everybody out")
    augmentation = Augmentation(
        build_skeleton(cfg),
        cfg.DATASET.PROB_HALF_BODY,
        cfg.DATASET.NUM_JOINTS_HALF_BODY,
        cfg.DATASET.SCALE_FACTOR,
        cfg.DATASET.ROT_FACTOR,
        cfg.DATASET.FLIP,
    )
    pairs = cfg.MODEL.WARP.ENABLED
    return _clips(
        cfg, people, labels.frames, RandomPair(cfg.DATASET.FRAME_DELTAS) if pairs else FixedFrames([0]), augmentation
    )


def build_sparse_labels(cfg: CfgNode) -> SparseLabels:
    """The labels of the training set, of as many videos and frames as DATASET says; of an augmented set, all of them.

    Raises:
        InputError: annotations or frames that are not there, or are broken; nobody to train on.
    """
    annotations = build_annotations_path(cfg, train=True)
    videos = [with_boxes(video) for video in build_videos(cfg, annotations)]
    found = build_people(cfg, videos)
    people = [person for person in found.people if person.visible.any()]
    if is_augmented(annotations):
        logger.info("%s holds a sparse set and what was propagated from it: all of it is used", annotations)
    else:
        limits = cfg.DATASET.NUM_LABELED_VIDEOS, cfg.DATASET.NUM_LABELED_FRAMES_PER_VIDEO
        people = sparse_people(people, *limits, cfg.SEED)
    if not people:
        raise InputError(f"{annotations}: nobody to train on{_reasons(found.dropped)}")
    frames = {(person.video, person.frame) for person in people}
    logger.info(
        "training on %d people in %d labelled frames of %d videos%s",
        len(people),
        len(frames),
        len({video for video, _ in frames}),
        _reasons(found.dropped),
    )
    return SparseLabels(annotations, videos, people, found.frames)


def build_truth(cfg: CfgNode) -> list[Person]:
    """Everybody whom DATASET.TEST_ANNOTATIONS label, to measure by.

    Raises:
        InputError: annotations or frames that are not there, or are broken.
    """
    return build_people(
        cfg, [with_boxes(video) for video in build_videos(cfg, build_annotations_path(cfg, train=False))]
    ).people


def build_training_loader(cfg: CfgNode, clips: ClipDataset, process: tuple[int, int], cuda: bool) -> DataLoader:
    """Shuffled batches of clips; `loader.sampler.set_epoch` draws another order, the same for the same SEED.

    Args:
        process: rank and number of the processes that share the clips.
    """
    rank, count = process
    return DataLoader(
        clips,
        batch_size=cfg.TRAIN.BATCH_SIZE_PER_GPU,
        sampler=DistributedSampler(clips, count, rank, shuffle=cfg.TRAIN.SHUFFLE, seed=cfg.SEED),
        num_workers=min(cfg.WORKERS, num_cores()),
        worker_init_fn=forgive_broken_connections,
        pin_memory=cfg.PIN_MEMORY and cuda,
    )


def _clips(
    cfg: CfgNode,
    people: list[Person],
    frames: dict[int, FrameFolder],
    sample_frames: FixedFrames | RandomPair,
    augmentation: Augmentation | None = None,
    replace_key: bool = False,
) -> ClipDataset:
    return ClipDataset(
        people,
        frames,
        sample_frames,
        cfg.MODEL.IMAGE_SIZE,
        cfg.MODEL.HEATMAP_SIZE,
        cfg.MODEL.SIGMA,
        cfg.DATASET.COLOR_RGB,
        cfg.SEED,
        augmentation,
        cfg.MODEL.TARGET_TYPE == "unbiased",
        replace_key,
    )


def _sample_frames(cfg: CfgNode) -> FixedFrames | RandomPair:
    if cfg.TEST.MODE == "pair":
        return RandomPair(cfg.DATASET.FRAME_DELTAS)
    return FixedFrames(cfg.TEST.AGGREGATE.OFFSETS if cfg.TEST.MODE in ("aggregate", "average") else [0])


def _reasons(dropped: Counter) -> str:
    reasons = [f"{count} boxes {reason}" for reason, count in dropped.items() if count]
    return f"; left out: {', '.join(reasons)}" if reasons else ""
