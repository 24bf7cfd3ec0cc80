"""Write a synthetic PoseTrack set, `gt/` and `pred/`, in the format of 2018, to time and test the scorer.

    python benchmarks/make_posetrack_set.py --out /tmp/posetrack_set

The default has the size of PoseTrack18's validation set. The predictions are the ground truth with noise, missing
joints and persons, false persons and switched tracks. The same options give the same bytes.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from lib.formats import posetrack18
from lib.formats.video_annotations import NO_SCORE, VideoAnnotations
from lib.utils.errors import run
from lib.utils.files import claim_outputs

WIDTH, HEIGHT = 1280, 720
BODY = np.array(  # a standing person, in units of its height, in the order of JOINT_NAMES
    [
        *[(-0.10, 0.50), (-0.09, 0.25), (-0.07, 0.02), (0.07, 0.02), (0.09, 0.25), (0.10, 0.50)],
        *[(-0.20, 0.00), (-0.16, -0.13), (-0.11, -0.28), (0.11, -0.28), (0.16, -0.13), (0.20, 0.00)],
        *[(0.00, -0.32), (0.01, -0.40), (0.00, -0.50)],
    ]
)


def make_truth(rng: np.random.Generator, name: str, num_frames: int, num_persons: float, regions: float):
    """Return a video of walking persons who come and go, with `num_persons` per frame on average."""
    num_tracks = 1 + rng.poisson(max(num_persons / 0.8 - 1, 0))
    height = rng.uniform(80, 400, num_tracks)
    start = rng.uniform((0, 0), (WIDTH, HEIGHT), (num_tracks, 2))
    step = rng.normal(0, 4, (num_tracks, 2))
    frame, track = np.nonzero(rng.random((num_frames, num_tracks)) < 0.8)
    num_rows = len(frame)
    center = start[track] + step[track] * frame[:, None]
    swing = rng.normal(0, 0.02, (num_rows, 15, 2))
    joints = (center[:, None] + (BODY + swing) * height[track, None, None]).round(1)
    present = rng.random((num_rows, 15)) < 0.85
    head = center - height[track, None] * (0, 0.41)
    half = height[track, None] * (0.05, 0.09)
    corners = np.hstack([head - half, head + half]).round()
    low, high = joints.min(axis=1), joints.max(axis=1)
    has_regions = rng.random() < regions
    return VideoAnnotations(
        name=name,
        frame_names=[f"images/val/{name}/{index:06d}.jpg" for index in range(num_frames)],
        image_ids=[10_000_000_000 + int(name[:6]) * 10_000 + index for index in range(num_frames)],
        frame_labeled=np.ones(num_frames, dtype=bool),
        nframes=num_frames,
        ignore_regions=[make_regions(rng) if has_regions else [] for _ in range(num_frames)],
        person_frame=frame,
        has_joint_list=np.ones(num_rows, dtype=bool),
        joints=np.where(present[:, :, None], joints, 0),
        present=present,
        labeled=present,
        scores=np.full((num_rows, 15), NO_SCORE),
        person_scores=np.full(num_rows, np.nan),
        track_ids=track,
        annotation_ids=np.full(num_rows, -1),
        head_boxes=corners,
        boxes=np.hstack([low, high - low]),
        crowd=np.zeros(num_rows, dtype=bool),
    )


def make_regions(rng: np.random.Generator) -> list[np.ndarray]:
    """Return two jagged polygons, possibly self-intersecting."""
    regions = []
    for corners in (9, 30):
        angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
        radius = rng.uniform(40, 160, corners)
        center = rng.uniform((0, 0), (WIDTH, HEIGHT))
        regions.append((center + radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)).round())
    return regions


def make_prediction(rng: np.random.Generator, truth: VideoAnnotations) -> VideoAnnotations:
    """Return the output of a fair tracker: most persons, one in ten duplicated and wrong, noisier at lower scores."""
    found = np.flatnonzero(rng.random(len(truth.person_frame)) < 0.93)
    false = rng.choice(found, size=len(found) // 10, replace=False)
    rows = np.sort(np.concatenate([found, false]))
    is_false = np.concatenate([[False], rows[1:] == rows[:-1]])
    num_rows = len(rows)
    scores = rng.beta(5, 2, (num_rows, 15))
    head = np.linalg.norm(truth.head_boxes[rows, 2:] - truth.head_boxes[rows, :2], axis=1)
    noise = rng.normal(size=(num_rows, 15, 2)) * ((0.02 + 0.4 * (1 - scores)) * head[:, None])[:, :, None]
    shift = np.where(is_false[:, None], rng.normal(0, 200, (num_rows, 2)), 0)
    base = truth.joints[rows] + np.where(truth.present[rows, :, None], 0, truth.boxes[rows, None, :2])
    joints = base + noise + shift[:, None]
    present = rng.random((num_rows, 15)) < 0.97
    num_tracks = truth.track_ids.max(initial=0) + 1
    switched = truth.person_frame[rows] > rng.integers(1, 4 * len(truth.frame_names), num_rows)
    tracks = truth.track_ids[rows] + num_tracks * (switched + 2 * is_false)
    low, high = joints.min(axis=1), joints.max(axis=1)
    return VideoAnnotations(
        name=truth.name,
        frame_names=truth.frame_names,
        image_ids=truth.image_ids,
        frame_labeled=truth.frame_labeled,
        nframes=truth.nframes,
        ignore_regions=[[] for _ in truth.frame_names],
        person_frame=truth.person_frame[rows],
        has_joint_list=np.ones(num_rows, dtype=bool),
        joints=joints,
        present=present,
        labeled=present,
        scores=np.where(present, scores, NO_SCORE),
        person_scores=scores.mean(axis=1),
        track_ids=tracks,
        annotation_ids=np.full(num_rows, -1),
        head_boxes=np.full((num_rows, 4), np.nan),
        boxes=np.hstack([low, high - low]),
        crowd=np.zeros(num_rows, dtype=bool),
    )


def make_set(out: Path, videos: int, frames: int, persons: float, regions: float, seed: int) -> tuple[int, int]:
    """Write the set under `out`; return the number of persons in the ground truth and in the predictions."""
    names = [f"{index + 1:06d}_mpii_test" for index in range(videos)]
    claim_outputs([("--out", out / kind / f"{name}.json") for kind in ("gt", "pred") for name in names])
    rng = np.random.default_rng(seed)
    num_truth = num_predicted = 0
    for name in names:
        truth = make_truth(rng, name, frames, persons, regions)
        predicted = make_prediction(rng, truth)
        posetrack18.write(out / "gt" / f"{truth.name}.json", truth)
        posetrack18.write(out / "pred" / f"{truth.name}.json", predicted)
        num_truth += len(truth.person_frame)
        num_predicted += len(predicted.person_frame)
    return num_truth, num_predicted


def main() -> None:
    """Run the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write gt/ and pred/ to")
    parser.add_argument("--videos", type=int, default=74)
    parser.add_argument("--frames", type=int, default=50, help="frames per video")
    parser.add_argument("--persons", type=float, default=5.7, help="persons per frame, on average")
    parser.add_argument("--regions", type=float, default=0.5, help="share of videos with ignore regions")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    num_truth, num_predicted = make_set(args.out, args.videos, args.frames, args.persons, args.regions, args.seed)
    print(f"{args.videos * args.frames} frames, {num_truth} ground-truth and {num_predicted} predicted persons")


if __name__ == "__main__":
    run(main)
