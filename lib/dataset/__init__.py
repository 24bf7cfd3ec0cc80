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
from lib.dataset.clips import ClipDataset, FixedFrames, RandomPair
from lib.dataset.people import Person, is_well_centered, sparse_people
from lib.dataset.posetrack import detected_people, labeled_people, relist
from lib.formats.boxes import read_boxes
from lib.formats.posetrack import PoseTrackVideo
from lib.formats.posetrack_set import read_videos
from lib.frames.store import ImageStore
from lib.frames.video import FrameFolder
from lib.pose.skeletons import POSETRACK as POSETRACK_SKELETON
from lib.utils.cores import num_cores
from lib.utils.errors import InputError
from lib.utils.interrupts import forgive_broken_connections

logger = logging.getLogger(__name__)

POSETRACK = ("posetrack17", "posetrack18")
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


def build_test_set(cfg: CfgNode) -> TestSet:
    """The people and frames that TEST and DATASET of an experiment name.

    Raises:
        InputError: annotations, boxes or frames that are not there, or are broken.
    """
    store = build_image_store(cfg)
    annotations = _annotations(cfg, train=False)
    videos = read_videos(annotations) if annotations else []
    if cfg.DATASET.DATASET == "posetrack17" and any(np.isfinite(video.boxes).any() for video in videos):
        logger.warning("%s is in the form of 2018, which DATASET.DATASET posetrack18 would submit in", annotations)
    width, height = cfg.MODEL.IMAGE_SIZE
    if cfg.TEST.USE_GT_BBOX:
        if not annotations:
            raise InputError("TEST.USE_GT_BBOX needs annotations: set DATASET.TEST_ANNOTATIONS or DATASET.ROOT")
        found = labeled_people(videos, store, width / height)
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
    return TestSet(clips, found.videos, _split(cfg, train=False), found.dropped)


def build_test_loader(cfg: CfgNode, clips: ClipDataset, process: tuple[int, int], cuda: bool) -> DataLoader:
    """Batches of clips in order, read by at most as many processes as the machine has cores.

    Args:
        process: rank and number of the processes that share the clips.
    """
    rank, count = process
    size = cfg.TEST.BATCH_SIZE_PER_GPU
    if not cuda:
        size = min(size, max(1, CPU_PIXELS // (len(_frame_offsets(cfg)) * prod(cfg.MODEL.IMAGE_SIZE))))
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
    annotations = _annotations(cfg, train=True)
    width, height = cfg.MODEL.IMAGE_SIZE
    found = labeled_people(read_videos(annotations), build_image_store(cfg), width / height)
    people = [person for person in found.people if person.visible.any()]
    people = sparse_people(people, cfg.DATASET.NUM_LABELED_VIDEOS, cfg.DATASET.NUM_LABELED_FRAMES_PER_VIDEO, cfg.SEED)
    if cfg.DATASET.SELECT_DATA:
        people = [person for person in people if is_well_centered(person)]
    if not people:
        raise InputError(f"{annotations}: nobody to train on{_reasons(found.dropped)}")
    augmentation = Augmentation(
        POSETRACK_SKELETON,
        cfg.DATASET.PROB_HALF_BODY,
        cfg.DATASET.NUM_JOINTS_HALF_BODY,
        cfg.DATASET.SCALE_FACTOR,
        cfg.DATASET.ROT_FACTOR,
        cfg.DATASET.FLIP,
    )
    pairs = cfg.MODEL.WARP.ENABLED
    clips = _clips(
        cfg, people, found.frames, RandomPair(cfg.DATASET.FRAME_DELTAS) if pairs else FixedFrames([0]), augmentation
    )
    frames = {(person.video, person.frame) for person in people}
    logger.info(
        "training on %d people in %d labelled frames of %d videos%s",
        len(clips),
        len(frames),
        len({video for video, _ in frames}),
        _reasons(found.dropped),
    )
    return clips


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


def build_image_store(cfg: CfgNode) -> ImageStore:
    """The images that DATASET names.

    Raises:
        InputError: a data set, or a number of joints, that is not PoseTrack's.
    """
    if cfg.DATASET.DATASET not in POSETRACK:
        raise InputError(f"DATASET.DATASET is {cfg.DATASET.DATASET!r}; this version knows {' and '.join(POSETRACK)}")
    if cfg.MODEL.NUM_JOINTS != 17:
        raise InputError(f"MODEL.NUM_JOINTS is {cfg.MODEL.NUM_JOINTS}; PoseTrack has 17")
    return ImageStore(cfg.DATASET.IMAGE_DIR or cfg.DATASET.ROOT or ".", zipped=cfg.DATASET.DATA_FORMAT == "zip")


def _clips(
    cfg: CfgNode,
    people: list[Person],
    frames: dict[int, FrameFolder],
    sample_frames: FixedFrames | RandomPair,
    augmentation: Augmentation | None = None,
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
    )


def _sample_frames(cfg: CfgNode) -> FixedFrames | RandomPair:
    return RandomPair(cfg.DATASET.FRAME_DELTAS) if cfg.TEST.MODE == "pair" else FixedFrames(_frame_offsets(cfg))


def _frame_offsets(cfg: CfgNode) -> list[int]:
    """The frames of a clip; those of a pair are drawn, these are as many."""
    several = cfg.TEST.AGGREGATE.OFFSETS
    return {"pair": [0, 1], "aggregate": several, "average": several}.get(cfg.TEST.MODE, [0])


def _split(cfg: CfgNode, train: bool) -> str:
    name = cfg.DATASET.TRAIN_SET if train else cfg.DATASET.TEST_SET
    return name.removesuffix("2017")  # the first PoseTrack files said val2017


def _annotations(cfg: CfgNode, train: bool) -> Path | None:
    """The annotations of a split: those that are named, or those that lie where they usually do."""
    folder = Path(cfg.DATASET.ANNOTATION_DIR or Path(cfg.DATASET.ROOT, "annotations"))
    key = "TRAIN_ANNOTATIONS" if train else "TEST_ANNOTATIONS"
    if cfg.DATASET[key]:
        given = Path(cfg.DATASET[key])
        if not given.exists() and not (folder / given).exists():
            raise InputError(f"DATASET.{key}: neither {given} nor {folder / given} exists")
        return given if given.exists() else folder / given
    split = _split(cfg, train)
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


def _reasons(dropped: Counter) -> str:
    reasons = [f"{count} boxes {reason}" for reason, count in dropped.items() if count]
    return f"; left out: {', '.join(reasons)}" if reasons else ""
