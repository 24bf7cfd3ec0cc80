"""`Tester`: estimate the people of a test set, write the submission, and score it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from yacs.config import CfgNode

from lib.core.debug import DebugImages
from lib.core.predictor import Estimates, Poses, Predictor
from lib.dataset import TestSet, build_data_set, build_skeleton, build_test_set
from lib.dataset.video_people import DAMAGED
from lib.evaluation.posetrack_submission import TrackPeople, make_submission
from lib.evaluation.scoring import is_ranked, is_scorable, score_files, score_videos
from lib.evaluation.submission import Rules, write_results
from lib.formats.data_sets import DataSet
from lib.formats.posetrack_set import write_videos
from lib.pose.skeletons import Skeleton
from lib.utils.errors import InputError
from lib.utils.logging import detail_level

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Tester:
    """A test set, and how its poses are submitted and scored.

    Attributes:
        name: Name of the data set.
        test_set: People, frames and ground truth.
        skeleton: Joints of the data set.
        rules: Rules for scores and for leaving out people.
        data_set: The data set.
        is_scored: True if the test is scored.
        folder: Folder of the run, for predictions and debug images.
        process: Rank and number of the processes that share the clips. Only the first one writes and scores.
        print_every: Number of batches between two lines of progress in the log.
        debug: Writes images of some batches; None if they are not wanted.
    """

    name: str
    test_set: TestSet
    skeleton: Skeleton
    rules: Rules
    data_set: DataSet
    is_scored: bool
    folder: Path
    process: tuple[int, int]
    print_every: int
    debug: DebugImages | None

    def run(self, predictor: Predictor, name: str, track: TrackPeople | None = None) -> dict[str, Any]:
        """Estimate all people, write the submission to `predictions/<name>/`, and score it.

        Args:
            predictor: Estimates the poses.
            name: Name of the test.
            track: Tracks the people of videos, which are then scored as tracks too; None: they are not tracked.

        Returns:
            Counts and, if there is something to score, `table`, `joints` and `score`, the measure to compare trainings
            by. Empty in all processes but the first.

        Raises:
            InputError: All images with people are damaged, or the heatmaps are not finite.
        """
        count = predictor.num_batches(self.test_set.clips)

        def watch(step: int, batch: Estimates) -> None:
            if step % self.print_every == 0 and self.process[0] == 0:
                logger.log(detail_level(), "Test: [%d/%d]", step, count)
                if self.debug:
                    self.debug.write(f"{name}_{step}", batch, predictor)

        poses = predictor.predict(self.test_set.clips, on_batch=watch)
        if poses.replaced:
            logger.warning("%d missing or damaged frames of clips were replaced by the nearest frame", poses.replaced)
        if self.process[0] > 0:
            return {}
        videos, left_out = self.test_set.videos, self.test_set.dropped.copy()
        if poses.damaged:
            self._check_damaged(poses.damaged)
            left_out[DAMAGED] += len(poses.damaged)
        counts = {"videos": len(videos)} if self.data_set.has_videos else {"images": len(videos[0].frame_names)}
        people = len(self.test_set.clips) - len(poses.damaged)
        result = {"people": people, **counts, "replaced_frames": poses.replaced}
        others = {"boxes_left_out": dict(left_out)}
        return result | others | self._submit(poses, self.folder / "predictions" / name / self.test_set.split, track)

    def _check_damaged(self, damaged: Sequence[int]) -> None:
        """Warn about people who are left out because their image is damaged."""
        clips = self.test_set.clips
        if len(damaged) == len(clips):
            raise InputError(f"all images with people are damaged, such as {clips.describe(damaged[0])}")
        line = "left out: %d boxes of damaged images, such as %s"
        logger.warning(line, len(damaged), clips.describe(damaged[0]))

    def _submit(self, poses: Poses, path: Path, track: TrackPeople | None) -> dict[str, Any]:
        """Write the submission, and return its scores."""
        kept = np.setdiff1d(np.arange(len(self.test_set.clips)), poses.damaged)
        people = [self.test_set.clips.people[index] for index in kept]
        joints, scores = poses.joints[kept], poses.scores[kept]
        if self.data_set.is_posetrack:
            videos = make_submission(self.test_set.videos, people, joints, scores, self.rules, track=track)
            write_videos(path, videos, self.data_set.format)
            return score_videos(self.test_set.videos, videos, track is not None) if self.is_scored else {}
        written = write_results(
            path,
            self.data_set,
            self.test_set.videos,
            people,
            joints=joints,
            scores=scores,
            rules=self.rules,
            sigmas=self.skeleton.sigmas,
        )
        if not self.is_scored:
            return {}
        if poses.damaged and not is_ranked(self.name):
            logger.warning("not scored: some images are damaged, and %s scores one pose for each person", self.name)
            return {}
        assert self.test_set.truth is not None  # only PoseTrack's test sets have none
        return score_files(self.name, self.test_set.truth, written, self.rules.sigma_scale)


def build_tester(cfg: CfgNode, folder: Path, process: tuple[int, int] = (0, 1), *, tracking: bool = False) -> Tester:
    """Return the test of an experiment, after checking that it can be scored.

    Args:
        cfg: The experiment.
        folder: Folder of the run.
        process: Rank and number of the processes that share the clips.
        tracking: The people of videos will be tracked.

    Raises:
        InputError: Annotations, boxes or frames are missing or broken, or cannot be scored; or `tracking` is True for a
            data set without track ids.
    """
    if tracking and not build_data_set(cfg).is_posetrack:
        raise InputError(
            f"TEST.TRACKING is True, but DATASET.DATASET is {cfg.DATASET.DATASET}, and only PoseTrack's data sets have "
            f"tracks to score; set it to False"
        )
    name, test_set, skeleton = cfg.DATASET.DATASET, build_test_set(cfg), build_skeleton(cfg)
    if cfg.TEST.EVALUATE:
        is_scored = is_scorable(name, test_set, tracking=tracking)
    else:
        logger.info("TEST.EVALUATE is false: not scored")
        is_scored = False
    return Tester(
        name=name,
        test_set=test_set,
        skeleton=skeleton,
        rules=replace(build_rules(cfg), min_joint_score=cfg.TEST.JOINT_THRE) if tracking else build_rules(cfg),
        data_set=build_data_set(cfg),
        is_scored=is_scored,
        folder=folder,
        process=process,
        print_every=cfg.PRINT_FREQ,
        debug=_build_debug_images(cfg, folder, skeleton, test_set.clips.udp) if cfg.DEBUG.DEBUG else None,
    )


def _build_debug_images(cfg: CfgNode, folder: Path, skeleton: Skeleton, udp: bool) -> DebugImages:
    return DebugImages(
        folder / "debug",
        skeleton,
        labels=cfg.DEBUG.SAVE_BATCH_IMAGES_GT,
        poses=cfg.DEBUG.SAVE_BATCH_IMAGES_PRED,
        targets=cfg.DEBUG.SAVE_HEATMAPS_GT,
        heatmaps=cfg.DEBUG.SAVE_HEATMAPS_PRED,
        rgb=cfg.DATASET.COLOR_RGB,
        udp=udp,
        warps=cfg.TEST.MODE in ("pair", "aggregate"),
    )


def build_rules(cfg: CfgNode) -> Rules:
    """Return the rules of an experiment's submission.

    Args:
        cfg: The experiment.
    """
    return Rules(
        times_box=cfg.TEST.JOINT_SCORE == "heatmap_times_box",
        rescore=cfg.TEST.RESCORE and is_ranked(cfg.DATASET.DATASET),
        oks_nms=cfg.TEST.OKS_NMS and is_ranked(cfg.DATASET.DATASET),
        soft=cfg.TEST.SOFT_NMS,
        oks_threshold=cfg.TEST.OKS_THRE,
        sigma_scale=cfg.TEST.SIGMA_SCALE,
        rescore_threshold=cfg.TEST.IN_VIS_THRE,
    )
