"""Illustrations of what a PoseWarper learned: training curves, heatmaps before and after the warp, a test video."""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from yacs.config import CfgNode

from lib.core.predictor import Poses, Predictor, build_predictor
from lib.core.strategies import average, gather, single
from lib.dataset import TestSet, build_data_set, build_image_store, build_skeleton, build_test_set
from lib.dataset.people import Person
from lib.formats.video_annotations import KEYPOINT_OF_JOINT
from lib.frames.store import ImageStore
from lib.frames.video_writer import VideoWriter
from lib.models import PoseWarper
from lib.pose.crop import PIXELS_PER_SCALE, crop_matrix, transform_points
from lib.pose.draw import draw_pose
from lib.pose.pixels import normalize
from lib.pose.skeletons import Skeleton
from lib.visualization.plots import WarpExample

SEARCHED, EXAMPLES = 240, 3  # people
MISSED, FOUND = 0.10, 0.03  # distance of a joint from its label, in heights of the crop
MIN_SCORE = 0.2  # of a joint that is drawn
FRAMES_PER_SECOND = 3  # labeled frames of test videos are several frames apart
MAX_VIDEOS = 3


def read_histories(folders: Mapping[str, Path]) -> dict[str, list[dict[str, Any]]]:
    """Return the records of the trainings that left any.

    Args:
        folders: Folder of each training, by its name.
    """
    paths = {name: folder / "history.jsonl" for name, folder in folders.items()}
    texts = {name: path.read_text(encoding="utf-8") for name, path in paths.items() if path.exists()}
    return {name: [json.loads(line) for line in text.splitlines()] for name, text in texts.items()}


@dataclass(frozen=True)
class Illustrator:
    """A PoseWarper and the test set that it is illustrated on.

    Attributes:
        net: The net, on `device`.
        device: Device of the net.
        predictors: Estimate poses from single frames, from five averaged in place, and from five warped first.
        test_set: The test set.
        store: The images of its frames.
        skeleton: Its joints.
        learned: (J,) bool, True for joints that are labeled in training.
        offsets: Frames of a clip relative to its key frame, which comes first.
        heatmap_size: Width and height, in cells.
        rgb: The crops are RGB, not BGR.
    """

    net: PoseWarper
    device: torch.device
    predictors: Sequence[Predictor]
    test_set: TestSet
    store: ImageStore
    skeleton: Skeleton
    learned: np.ndarray
    offsets: Sequence[int]
    heatmap_size: Sequence[int]
    rgb: bool

    def estimate(self, people: Sequence[Person]) -> list[Poses]:
        """Return the poses of people by each of the predictors."""
        clips = copy.copy(self.test_set.clips)
        clips.people = people
        return [predictor.predict(clips) for predictor in self.predictors]

    def find_examples(self) -> list[WarpExample]:
        """Return the joints where the warp improves most on the others, each of a different type and video."""
        people = self.test_set.clips.people[:: max(1, len(self.test_set.clips) // SEARCHED)]
        heights = np.array([person.scale[1] * PIXELS_PER_SCALE for person in people])[:, None]
        labels = np.stack([person.joints for person in people])
        labeled = np.stack([person.labeled for person in people])
        one, unwarped, warped = (
            np.linalg.norm(found.joints - labels, axis=2) / heights for found in self.estimate(people)
        )
        missed = np.minimum(one, unwarped)
        gains = zip(*np.nonzero(labeled & (missed > MISSED) & (warped < FOUND)), strict=True)
        chosen: dict[tuple[int, str], WarpExample] = {}
        for index, joint in sorted(gains, key=lambda at: -missed[at]):
            video, kind = people[index].video, self.skeleton.names[joint].rpartition("_")[2]
            if len(chosen) < EXAMPLES and all(video != v and kind != k for v, k in chosen):
                chosen[video, kind] = self.make_example(people[index], joint)
        return list(chosen.values())

    def make_example(self, person: Person, joint: int) -> WarpExample:
        """Return a joint's heatmaps in all frames of a person's clip, before and after the warp."""
        clips = copy.copy(self.test_set.clips)
        clips.people = [person]
        frames = clips[0].frames  # (T, H, W, 3)
        with torch.inference_mode():
            before = self.net.estimate(normalize(frames.to(self.device))[None])[0]  # (T, J, h, w)
            after = self.net.warp(before, source=before, target=before[:1].expand_as(before))
        poses = self.predictors[-1].predict(clips)
        crops = (frames if self.rgb else frames.flip(-1)).numpy()
        place = tuple(person.center), tuple(person.scale), 0.0
        to_heatmap = crop_matrix(*place, self.heatmap_size, udp=clips.udp)
        to_crop = crop_matrix(*place, crops.shape[2:0:-1], udp=clips.udp)
        found = replace(poses, joints=transform_points(poses.joints, to_crop))
        return WarpExample(
            joint=self.skeleton.names[joint],
            offsets=self.offsets,
            weights=self.net.weights,
            crops=crops,
            before=before[:, joint].cpu().numpy(),
            after=after[:, joint].cpu().numpy(),
            label=transform_points(person.joints[joint], to_heatmap),
            pose=self._draw(crops[0, ..., ::-1], found, [0])[..., ::-1],
        )

    def render_video(self, path: Path) -> None:
        """Write labeled frames of the first test videos: poses from single frames left, from five warped right.

        Args:
            path: Path of the .mp4 file.
        """
        videos = sorted({person.video for person in self.test_set.clips.people})[:MAX_VIDEOS]
        people = [person for person in self.test_set.clips.people if person.video in videos]
        alone, _, warped = self.estimate(people)
        # Without a labeled person there is no box.
        rows_of: dict[tuple[int, int], list[int]] = {}
        for row, person in enumerate(people):
            rows_of.setdefault((person.video, person.frame), []).append(row)
        height, width = self._read(*min(rows_of)).shape[:2]
        with VideoWriter(path, (2 * width, height), FRAMES_PER_SECOND) as writer:
            for (video, frame), rows in sorted(rows_of.items()):
                image = cv2.resize(self._read(video, frame), (width, height))
                writer.write(np.hstack([self._draw(image, poses, rows) for poses in (alone, warped)]))

    def _read(self, video: int, frame: int) -> np.ndarray:
        return self.store.read(self.test_set.videos[video].frame_names[frame])

    def _draw(self, image: np.ndarray, poses: Poses, rows: Sequence[int]) -> np.ndarray:
        for row in rows:
            image = draw_pose(image, poses.joints[row], self.learned & (poses.scores[row] >= MIN_SCORE), self.skeleton)
        return image


def build_illustrator(cfg: CfgNode, net: PoseWarper, device: torch.device) -> Illustrator:
    """Return the illustrator of an experiment.

    Args:
        cfg: The experiment.
        net: Its net, on `device`.
        device: Device of the net.

    Raises:
        InputError: Annotations, boxes or frames are missing or broken.
    """
    runs = ((net.pose_net, single), (net, average), (net, gather))
    skeleton = build_skeleton(cfg)
    learned = np.ones(skeleton.num_joints, dtype=bool)
    if build_data_set(cfg).is_posetrack:  # ears are never labeled in PoseTrack
        learned = np.isin(np.arange(skeleton.num_joints), KEYPOINT_OF_JOINT)
    return Illustrator(
        net=net,
        device=device,
        predictors=[build_predictor(cfg, used, device, strategy=strategy) for used, strategy in runs],
        test_set=build_test_set(cfg),
        store=build_image_store(cfg),
        skeleton=skeleton,
        learned=learned,
        offsets=cfg.TEST.AGGREGATE.OFFSETS,
        heatmap_size=cfg.MODEL.HEATMAP_SIZE,
        rgb=cfg.DATASET.COLOR_RGB,
    )
