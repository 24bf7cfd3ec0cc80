"""Accuracy of propagated labels by distance from the label."""

from collections.abc import Sequence

import numpy as np

from lib.dataset.people import Person
from lib.evaluation.pck import joint_errors, pck
from lib.evaluation.posetrack_metrics import evaluate_videos
from lib.formats.video_annotations import VideoAnnotations, take_frames


def score_by_distance(
    truth: Sequence[VideoAnnotations], predicted: Sequence[VideoAnnotations], labeled: Sequence[Sequence[int]]
) -> dict[str, float]:
    """Return PoseTrack's AP (Mean) of the frames at each distance from a label.

    Args:
        truth: Ground truth of the videos.
        predicted: Predictions for the same videos and frames.
        labeled: Indices of the labeled frames of each video, at least one.

    Returns:
        AP by distance in frames, "0", "1", …; distances without a labeled joint are left out.
    """
    distance = [
        np.abs(np.arange(len(video.frame_names))[:, None] - np.array(frames)).min(axis=1)
        for video, frames in zip(truth, labeled, strict=True)
    ]
    scores = {}
    for d in range(max(int(own.max()) for own in distance) + 1):
        frames = [np.flatnonzero(own == d).tolist() for own in distance]
        pairs = [
            (take_frames(video, chosen), take_frames(estimate, chosen))
            for video, estimate, chosen in zip(truth, predicted, frames, strict=True)
            if chosen
        ]
        if any(video.labeled.any() for video, _ in pairs):
            scores[str(d)] = evaluate_videos(pairs)["table"]["Mean"]
    return scores


def compare_tracks(
    people: Sequence[Person],
    joints: np.ndarray,
    distances: np.ndarray,
    truth: Sequence[Person],
    names: Sequence[str],
) -> dict[str, dict[str, dict[str, float]]]:
    """Return errors of propagated poses relative to labels of the same people, by distance from the label and by joint.

    Args:
        people: P people in the frames that their poses were propagated to.
        joints: (P, J, 2) propagated poses, x and y in image pixels.
        distances: (P,) numbers of frames from the label.
        truth: People and joints to compare with (lib.propagation.targets.reachable_ground_truth).
        names: J joint names.

    Returns:
        `tracks_by_distance`, by distance, with "1+" for all but 0, and `tracks_by_joint`, for all distances but 0. Each
        has `joints`, the number of joints; `pck`, `pck_0.1` and `pck_0.2`, the percentages within 0.05, 0.1 and 0.2 of
        the person's size; and the errors `pixels` and `median_pixels`.
    """
    labels = {(person.video, person.number, person.track): person for person in truth}
    keys = [(person.video, person.number, person.track) for person in people]
    rows = [row for row, key in enumerate(keys) if key in labels]
    if not rows:
        return {"tracks_by_distance": {}, "tracks_by_joint": {}}
    matched = [labels[keys[row]] for row in rows]
    truths, labeled = (np.array([getattr(person, name) for person in matched]) for name in ("joints", "labeled"))
    pixels, shares = joint_errors(joints[rows], truths, labeled)
    of_joint = np.repeat(np.asarray(distances)[rows], labeled.sum(axis=1))
    kind = np.nonzero(labeled)[1]
    by_distance = {str(d): of_joint == d for d in np.unique(of_joint)} | {"1+": of_joint > 0}
    by_joint = {name: (kind == index) & (of_joint > 0) for index, name in enumerate(names)}
    return {
        key: {name: _errors(pixels[group], shares[group]) for name, group in groups.items() if group.any()}
        for key, groups in (("tracks_by_distance", by_distance), ("tracks_by_joint", by_joint))
    }


def _errors(pixels: np.ndarray, shares: np.ndarray) -> dict[str, float]:
    """Return the measures of N joints from their errors in pixels and relative to the person's size."""
    return {
        "joints": len(pixels),
        "pck": pck(shares),
        "pck_0.1": pck(shares, 0.1),
        "pck_0.2": pck(shares, 0.2),
        "pixels": float(pixels.mean()),
        "median_pixels": float(np.median(pixels)),
    }
