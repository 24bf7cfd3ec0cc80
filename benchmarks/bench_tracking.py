"""Track people in synthetic videos by each motion model: changes of track, MOTA, IDF1, and the error of the joints.

python benchmarks/bench_tracking.py
python benchmarks/bench_tracking.py --weights final_state.pth --cfg experiments/synthetic/demo/posewarper.yaml

Boxes are those of the labels with noise. Without --weights, poses are those of the labels with noise, too. Requires
motmetrics (pip install motmetrics).
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import motmetrics
import numpy as np
import torch
from noisy_boxes import BoxNoise, NoisyBox, make_noisy_boxes
from timing import keep, output_file
from yacs.config import CfgNode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib.config import load_config
from lib.core.predictor import Poses, build_predictor
from lib.core.trained_model import build_trained_model
from lib.dataset import build_clips, build_skeleton
from lib.dataset.clips import ClipDataset
from lib.dataset.people import Person, unlabeled_person
from lib.evaluation.submission import Rules
from lib.formats.posetrack_set import read_videos
from lib.formats.tracked_poses import FramePoses
from lib.formats.video_annotations import KEYPOINT_OF_JOINT, VideoAnnotations
from lib.frames.store import ImageStore
from lib.frames.video import FrameFolder
from lib.synthetic.presets import PRESETS
from lib.synthetic.videos import make_videos
from lib.tracking.box_poses import BoxEstimator
from lib.tracking.estimator import VideoEstimator
from lib.tracking.offline import build_finish
from lib.tracking.similarity import box_iou
from lib.tracking.video_tracker import build_tracker_factory

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "experiments/synthetic/demo/posewarper.yaml"
NOISES = {"jitter": BoxNoise(jitter=0.05), "all": BoxNoise(jitter=0.05, missing=0.1, false=0.1)}
BEFORE = ["MOTION", "none", "ASSIGNMENT", "greedy", "MIN_SIMILARITY", 0.1, "COLOR_WEIGHT", 0.0]
ROWS: dict[str, list[Any]] = {  # keys of TEST.TRACKER
    "before": BEFORE,
    "none": ["MOTION", "none"],
    "velocity": ["MOTION", "velocity"],
    "flow": ["MOTION", "flow"],
    "warp": ["MOTION", "warp"],
    "velocity, greedy": ["ASSIGNMENT", "greedy"],
    "velocity, no colors": ["COLOR_WEIGHT", 0.0],
    "velocity, 3 votes": ["VOTES", 3],
    "velocity, second pass": ["CONFIDENT", 0.6],
    "velocity, filled": ["FILL", 3],
    "velocity, offline pass": ["SMOOTH", True],
    "flow, offline pass": ["MOTION", "flow", "SMOOTH", True],
    "second pass, filled": ["CONFIDENT", 0.6, "FILL", 3],
    "second pass, offline pass": ["CONFIDENT", 0.6, "SMOOTH", True],
}
MAX_DISTANCE = 0.5
"""Largest 1 − IoU of boxes that match."""
JOINT_NOISE = 0.02
"""Standard deviation of the label's joints, as a share of the height of the box."""


@dataclass
class Video:
    """A video with its labels, noisy boxes, and the poses in these."""

    labels: VideoAnnotations
    frames: FrameFolder
    boxes: list[list[NoisyBox]]
    poses: dict[Any, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


class KnownPoses:
    """Predictor of the poses in the noisy boxes, which are estimated before; poses in other boxes are estimated.

    Args:
        video: The video.
        predict: Estimates poses; None: nothing is found in other boxes.
    """

    device, shares_crops = torch.device("cpu"), False

    def __init__(self, video: Video, predictor: Any) -> None:
        self._video = video
        self._predictor = predictor

    def predict(self, clips: ClipDataset, **progress: Any) -> Poses:
        """Return the poses of all clips in order."""
        keys = [_key(person) for person in clips.people]
        if all(key in self._video.poses for key in keys):
            joints, scores = zip(*(self._video.poses[key] for key in keys), strict=True)
            return Poses(np.stack(joints), np.stack(scores), 0)
        if self._predictor is not None:
            return self._predictor.predict(clips, disable=True)
        shape = len(clips.people), len(clips.people[0].joints)
        return Poses(np.zeros((*shape, 2)), np.zeros(shape, np.float32), 0)


def _person(noisy: NoisyBox, number: int, aspect: float, num_joints: int) -> Person:
    """Return the person in a noisy box."""
    box = noisy.box
    return unlabeled_person(box.box, aspect, frame=number, number=number, num_joints=num_joints, box_score=box.score)


def _key(person: Person) -> tuple[int, bytes, bytes]:
    return person.number, person.center.tobytes(), person.scale.tobytes()


def read_set(folder: Path) -> list[tuple[VideoAnnotations, FrameFolder]]:
    """Return the annotations and frames of a folder of synthetic videos."""
    store = ImageStore(folder)
    videos = read_videos(folder / "annotations/val")
    return [(video, FrameFolder(store, str(Path(video.frame_names[0]).parent))) for video in videos]


def label_poses(video: Video, rng: np.random.Generator, num_joints: int, aspect: float) -> None:
    """Set the poses of the noisy boxes to those of the labels with noise; those of false boxes are random."""
    for number, noisy in enumerate(video.boxes):
        for one in noisy:
            joints, scores = np.zeros((num_joints, 2)), np.zeros(num_joints, np.float32)
            columns, (x, y, w, h) = list(KEYPOINT_OF_JOINT), one.box.box
            if one.row >= 0:
                own = video.labels.joints[one.row]
                joints[columns] = own + JOINT_NOISE * h * rng.normal(size=own.shape)
                scores[columns] = 0.8 * video.labels.labeled[one.row]
            else:
                joints[columns] = (x, y) + rng.random((len(columns), 2)) * (w, h)
                scores[columns] = rng.uniform(0.05, 0.4, len(columns))
            video.poses[_key(_person(one, number, aspect, num_joints))] = joints, scores


def net_poses(video: Video, predictor: Any, cfg: CfgNode, aspect: float) -> float:
    """Estimate the poses of the noisy boxes, and return the seconds of the processor per frame."""
    people = [
        _person(one, number, aspect, cfg.MODEL.NUM_JOINTS) for number, noisy in enumerate(video.boxes) for one in noisy
    ]
    start = time.process_time()
    poses = predictor.predict(build_clips(cfg, people, {0: video.frames}, cfg.TEST.AGGREGATE.OFFSETS), disable=True)
    seconds = time.process_time() - start
    for person, *pose in zip(people, poses.joints, poses.scores, strict=True):
        video.poses[_key(person)] = (pose[0], pose[1])
    return seconds / len(video.boxes)


def track(video: Video, cfg: CfgNode, net: Any, predictor: Any) -> tuple[list[FramePoses], float]:
    """Return the tracked poses of a video, and the processor's seconds per frame without the poses in given boxes."""
    estimate_poses = BoxEstimator(
        KnownPoses(video, predictor),  # type: ignore[arg-type]
        skeleton=build_skeleton(cfg),
        rules=Rules(),
        aspect_ratio=cfg.MODEL.IMAGE_SIZE[0] / cfg.MODEL.IMAGE_SIZE[1],
        build_clips=lambda people, frames: build_clips(cfg, people, {0: frames}, cfg.TEST.AGGREGATE.OFFSETS),
    )
    estimator = VideoEstimator(
        lambda numbers, images: [[one.box for one in video.boxes[number]] for number in numbers],
        estimate_poses,
        tracker=build_tracker_factory(cfg, net, torch.device("cpu"), estimate_poses)(),
        offsets=[0],
        nms_threshold=1.0,
    )
    start = time.process_time()
    found = [estimator.estimate([number], video.frames)[0] for number in range(len(video.boxes))]  # type: ignore[arg-type]
    finish = build_finish(cfg, build_skeleton(cfg).sigmas)
    found = finish(found) if finish else found
    return found, (time.process_time() - start) / len(found)


def count_changes(video: Video, frames: Sequence[FramePoses]) -> int:
    """Return how often a person of the labels is on another track than in the last frame with a box."""
    last: dict[int, int] = {}
    changes = 0
    for noisy, frame in zip(video.boxes, frames, strict=True):
        tracks = {tuple(pose.box): pose.track for pose in frame.poses}
        for one in noisy:
            own = tracks.get(tuple(np.round(one.box.box, 3)))
            if one.row >= 0 and own is not None:
                person = int(video.labels.track_ids[one.row])
                changes += last.get(person, own) != own
                last[person] = own
    return changes


def joint_figures(video: Video, frames: Sequence[FramePoses]) -> tuple[float, float]:
    """Return the mean error of labeled joints and their jitter, as percentages of the height of the person's box.

    Jitter is the mean length of the second difference of a joint's path over three frames in a row.
    """
    paths: dict[int, dict[int, np.ndarray]] = {}  # by person and frame: joints, NaN where not labeled
    errors = []
    for noisy, frame in zip(video.boxes, frames, strict=True):
        found = {tuple(pose.box): pose for pose in frame.poses}
        for one in noisy:
            pose = found.get(tuple(np.round(one.box.box, 3)))
            if one.row >= 0 and pose is not None:
                labeled, height = video.labels.labeled[one.row][:, None], video.labels.boxes[one.row][3]
                joints = np.where(labeled, pose.joints[list(KEYPOINT_OF_JOINT)], np.nan)
                errors.append(np.linalg.norm(joints - video.labels.joints[one.row], axis=1) / height)
                paths.setdefault(int(video.labels.track_ids[one.row]), {})[frame.number] = joints / height
    bends = [
        np.linalg.norm(path[number - 1] - 2 * path[number] + path[number + 1], axis=1)
        for path in paths.values()
        for number in path
        if number - 1 in path and number + 1 in path
    ]
    return 100 * float(np.nanmean(errors)), 100 * float(np.nanmean(bends))


def accumulate(video: Video, frames: Sequence[FramePoses]) -> motmetrics.MOTAccumulator:
    """Return motmetrics' events of a video: boxes match from an IoU of 0.5."""
    events = motmetrics.MOTAccumulator(auto_id=True)
    for frame in frames:
        rows = np.flatnonzero(video.labels.person_frame == frame.number)
        tracks = [pose.track for pose in frame.poses]
        boxes = np.array([pose.box for pose in frame.poses]).reshape(-1, 4)
        distances = 1 - box_iou(video.labels.boxes[rows], boxes)
        distances[distances > MAX_DISTANCE] = np.nan
        events.update(video.labels.track_ids[rows], tracks, distances)
    return events


def measure(name: str, videos: Sequence[Video], cfg: CfgNode, net: Any, predictor: Any) -> dict[str, Any]:
    """Track all videos with the keys of a row, and return its figures."""
    cfg = cfg.clone()
    cfg.defrost()
    cfg.TEST.TRACKER.merge_from_list(ROWS[name])
    results = [track(video, cfg, net, predictor) for video in videos]
    events = [accumulate(video, frames) for video, (frames, _) in zip(videos, results, strict=True)]
    metrics = ["mota", "idf1", "num_switches", "num_false_positives", "num_misses"]
    summary = motmetrics.metrics.create().compute_many(events, metrics=metrics, generate_overall=True).loc["OVERALL"]
    changes = sum(count_changes(video, frames) for video, (frames, _) in zip(videos, results, strict=True))
    figures = [joint_figures(video, frames) for video, (frames, _) in zip(videos, results, strict=True)]
    error, jitter = np.mean(figures, axis=0).tolist()
    seconds = float(np.mean([seconds for _, seconds in results]))
    found = {"changes": changes, "error": error, "jitter": jitter, "ms": 1e3 * seconds}
    return found | {key: float(summary[key]) for key in metrics}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="seeds of the videos and the noise")
    parser.add_argument("--videos", type=int, default=12, help="number of videos for each seed (%(default)s)")
    parser.add_argument("--folder", type=Path, help="folder to keep the videos in; default: a temporary folder")
    parser.add_argument("--cfg", type=Path, default=DEMO, help="experiment of the net (%(default)s)")
    parser.add_argument("--weights", help="weights of the net; default: poses of the labels with noise")
    parser.add_argument("--noise", nargs="+", choices=NOISES, default=list(NOISES), help="of the boxes")
    parser.add_argument("--rows", nargs="+", choices=ROWS, help="default: all that need no net, or all")
    parser.add_argument("--out", type=output_file, help="JSON file for the results")
    args = parser.parse_args()
    cfg = load_config(args.cfg, ["WORKERS", 0, *(["TEST.MODEL_FILE", args.weights] if args.weights else [])])
    names = args.rows or [name for name in ROWS if args.weights or name != "warp"]
    net = predictor = None
    if args.weights:
        net, _ = build_trained_model(cfg, Path(), torch.device("cpu"))
        predictor = build_predictor(cfg, net, torch.device("cpu"))
    aspect = cfg.MODEL.IMAGE_SIZE[0] / cfg.MODEL.IMAGE_SIZE[1]
    kept = []
    with tempfile.TemporaryDirectory() as temporary:
        for seed in args.seeds:
            folder = (args.folder or Path(temporary)) / str(seed)
            make_videos(folder, PRESETS["default"], {"train": 0, "val": args.videos}, seed=seed)
            for noise in args.noise:
                videos, inference = [], []
                for index, (labels, frames) in enumerate(read_set(folder)):
                    rng = np.random.default_rng([seed, index])
                    video = Video(labels, frames, make_noisy_boxes(labels, frames.size(0), NOISES[noise], rng))
                    if predictor:
                        inference.append(net_poses(video, predictor, cfg, aspect))
                    else:
                        label_poses(video, rng, cfg.MODEL.NUM_JOINTS, aspect)
                    videos.append(video)
                people = sum(len(set(video.labels.track_ids)) for video in videos)
                rate = f", five-frame inference {1e3 * np.mean(inference):.0f} ms per frame" if inference else ""
                print(f"seed {seed}, {noise}: {people} people{rate}", flush=True)
                for name in names:
                    row = measure(name, videos, cfg, net, predictor)
                    kept.append({"seed": seed, "noise": noise, "row": name, **row})
                    print(
                        f"  {name:30} {row['changes']:4d} changes  MOTA {100 * row['mota']:5.1f}  "
                        f"IDF1 {100 * row['idf1']:5.1f}  joints {row['error']:5.2f} %  jitter {row['jitter']:5.2f} %  "
                        f"{row['ms']:6.1f} ms",
                        flush=True,
                    )
    if args.out:
        keep(args.out, kept)


if __name__ == "__main__":
    main()
