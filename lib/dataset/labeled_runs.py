"""Runs of test videos over which labels are propagated (paper, video pose propagation)."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from yacs.config import CfgNode

from lib.dataset.people import Person
from lib.dataset.runs import labeled_of_run, longest_run
from lib.dataset.sources import build_annotations_path, build_people, build_split_name, build_videos
from lib.dataset.test_set import build_detected_people
from lib.dataset.video_people import reasons
from lib.formats.video_annotations import VideoAnnotations, take_frames
from lib.frames.images import ImageList
from lib.frames.video import FrameFolder
from lib.utils.errors import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LabeledRuns:
    """Runs of consecutive annotated frames, some of which keep their labels.

    Attributes:
        videos: Annotations of the runs.
        people: People in the runs, sorted by video and frame.
        sources: People in the labeled frames.
        labeled: Indices of the labeled frames of each run.
        frames: Frames of each video, by its index.
        split: Name of the split.
    """

    videos: Sequence[VideoAnnotations]
    people: list[Person]
    sources: list[Person]
    labeled: Sequence[Sequence[int]]
    frames: Mapping[int, FrameFolder | ImageList]
    split: str


def build_labeled_runs(cfg: CfgNode, every: int) -> LabeledRuns:
    """Return the longest annotated run of each test video, some of whose frames are labeled (paper, video propagation).

    Args:
        cfg: The experiment.
        every: Interval between labeled frames (lib.dataset.runs).

    Raises:
        InputError: Annotations or frames are missing, no run is long enough for a label, or no person is labeled.
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
        raise InputError(f"{annotations}: no people in the labeled frames{reasons(found.dropped)}")
    logger.info(
        "%d people in %d labeled of %d frames, %d videos%s",
        len(sources),
        sum(map(len, labeled)),
        sum(len(video.frame_names) for video in videos),
        len(videos),
        reasons(found.dropped),
    )
    return LabeledRuns(
        videos=videos,
        people=found.people,
        sources=sources,
        labeled=labeled,
        frames=found.frames,
        split=build_split_name(cfg, train=False),
    )


def _propagated_path(cfg: CfgNode) -> Path:
    """Return the path to the labels that are propagated over test videos."""
    annotations = Path(cfg.DATASET.GT_DIR) if cfg.DATASET.GT_DIR else build_annotations_path(cfg, train=False)
    if annotations is None:
        raise InputError("there are no labels to propagate: set DATASET.TEST_ANNOTATIONS or DATASET.ROOT")
    return annotations


def build_pseudo_labeled(cfg: CfgNode, runs: LabeledRuns) -> list[Person]:
    """Return the people of runs whose pseudo-labels a pose net estimates.

    TEST.PROPAGATE.PSEUDO_LABELS selects all frames of the runs or the unlabeled ones, TEST.USE_GT_BBOX the boxes.

    Args:
        cfg: The experiment.
        runs: Labeled runs.

    Raises:
        InputError: The box file is missing or broken, or its frames cannot be found.
    """
    people = runs.people
    if not cfg.TEST.USE_GT_BBOX:
        found = build_detected_people(cfg, runs.videos, build_videos(cfg, _propagated_path(cfg)))
        logger.info("%d detected people in the runs%s", len(found.people), reasons(found.dropped))
        people = found.people
    if cfg.TEST.PROPAGATE.PSEUDO_LABELS == "all":
        return people
    return [person for person in people if person.frame not in runs.labeled[person.video]]
