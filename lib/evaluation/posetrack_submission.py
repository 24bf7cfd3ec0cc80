"""PoseTrack's submissions from estimated poses: a person in every frame, with a track id."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lib.dataset.people import Person
from lib.evaluation.submission import Rules, select_people, submitted_scores
from lib.formats.tracked_poses import TrackedPose
from lib.formats.video_annotations import JOINT_NAMES, KEYPOINT_OF_JOINT, NO_SCORE, VideoAnnotations
from lib.pose.skeletons import POSETRACK

Place = tuple[int, int]
"""Index of a video, and of one of its annotated frames."""


@dataclass(frozen=True, kw_only=True)
class Estimated:
    """P people of a test set as estimated.

    Attributes:
        people: The people, sorted by video and frame.
        joints: (P, J, 2) x, y in image pixels.
        scores: (P, J) heatmap values of the joints; 0 for joints that are not submitted.
        person_scores: (P,) scores of the people.
        kept: Indices of the people to submit.
    """

    people: Sequence[Person]
    joints: np.ndarray
    scores: np.ndarray
    person_scores: np.ndarray
    kept: Mapping[Place, Sequence[int]]


TrackPeople = Callable[[Sequence[VideoAnnotations], Estimated], Mapping[Place, Sequence[TrackedPose]]]
"""Function from annotated videos and the people estimated in them to the people to submit, with their track ids."""

DUMMY_SCORE = -100.0


@dataclass(frozen=True, kw_only=True)
class _Submitted:
    """P people as submitted: joints (P, J, 2), True for given joints (P, J), scores (P, J) and (P,), track ids (P,)."""

    joints: np.ndarray
    given: np.ndarray
    joint_scores: np.ndarray
    person_scores: np.ndarray
    tracks: np.ndarray


def make_submission(
    videos: Sequence[VideoAnnotations],
    people: Sequence[Person],
    joints: np.ndarray,
    scores: np.ndarray,
    rules: Rules,
    *,
    track: TrackPeople | None = None,
) -> list[VideoAnnotations]:
    """Return every annotated frame of every video with the people estimated in it.

    A frame without people gets one person with one joint at (0, 0), since the official MOTA needs a person in every
    frame.

    Args:
        videos: Annotated videos.
        people: P people, sorted by video and frame.
        joints: (P, J, 2) x, y in image pixels.
        scores: (P, J) scores of the joints.
        rules: Rules of the submission.
        track: Tracks the people; None: track ids count the people of each frame.

    Returns:
        One VideoAnnotations per video, with estimates in place of annotations.
    """
    kept, person_scores = select_people(people, joints, scores, rules, POSETRACK.sigmas)
    joint_scores = submitted_scores(people, scores, rules)
    given = joint_scores >= rules.min_joint_score
    kept = {place: [p for p in rows if given[p, list(KEYPOINT_OF_JOINT)].any()] for place, rows in kept.items()}
    if track:
        estimated = Estimated(
            people=people, joints=joints, scores=np.where(given, scores, 0), person_scores=person_scores, kept=kept
        )
        kept, submitted = _tracked(track(videos, estimated), rules)
    else:
        tracks = np.zeros(len(people), dtype=np.int64)
        for rows in kept.values():
            tracks[rows] = np.arange(len(rows))
        submitted = _Submitted(
            joints=joints, given=given, joint_scores=joint_scores, person_scores=person_scores, tracks=tracks
        )
    filled = []
    for v, video in enumerate(videos):
        rows_of_frame = [kept.get((v, frame), []) for frame in range(len(video.frame_names))]
        own = submitted.tracks[[p for rows in rows_of_frame for p in rows]]
        filled.append(_fill(video, rows_of_frame, submitted, own.max(initial=-1) + 1 if track else 0))
    return filled


def _tracked(found: Mapping[Place, Sequence[TrackedPose]], rules: Rules) -> tuple[dict[Place, list[int]], _Submitted]:
    """Return tracked people as submitted, and their indices by video and frame."""
    kept: dict[Place, list[int]] = {}
    poses: list[TrackedPose] = []
    for place, own in sorted(found.items()):
        kept[place] = [*range(len(poses), len(poses) + len(own))]
        poses += own
    scores = np.array([pose.scores for pose in poses])
    box_scores = np.array([pose.box_score for pose in poses])
    submitted = _Submitted(
        joints=np.array([pose.joints for pose in poses]),
        given=scores > 0,
        joint_scores=scores * (box_scores[:, None] if rules.times_box else 1.0),
        person_scores=np.array([pose.score for pose in poses]),
        tracks=np.array([pose.track for pose in poses], dtype=np.int64),
    )
    return kept, submitted


def _fill(
    video: VideoAnnotations, rows_of_frame: Sequence[Sequence[int]], submitted: _Submitted, dummy_track: int
) -> VideoAnnotations:
    """Return the video with the given people, or a dummy, in each of its frames."""
    num_joints, columns = len(JOINT_NAMES), list(KEYPOINT_OF_JOINT)
    rows: list[tuple[int, int | None]] = []  # (frame, person or None)
    for frame, chosen in enumerate(rows_of_frame):
        rows += [(frame, p) for p in chosen] or [(frame, None)]
    n = len(rows)
    present, tracks = np.zeros((n, num_joints), dtype=bool), np.full(n, dummy_track, dtype=np.int64)
    filled, joint, person = np.zeros((n, num_joints, 2)), np.full((n, num_joints), NO_SCORE), np.zeros(n)
    for row, (_, p) in enumerate(rows):
        if p is None:
            present[row, 0], joint[row, 0] = True, DUMMY_SCORE
            continue
        given = present[row] = submitted.given[p, columns]
        filled[row, given] = submitted.joints[p, columns][given]
        joint[row, given] = submitted.joint_scores[p, columns][given]
        person[row], tracks[row] = submitted.person_scores[p], submitted.tracks[p]
    return replace(
        video,
        ignore_regions=[[] for _ in video.frame_names],
        person_frame=np.array([frame for frame, _ in rows], dtype=np.int64),
        has_joint_list=np.ones(n, dtype=bool),
        joints=filled,
        present=present,
        labeled=present,
        scores=joint,
        person_scores=person,
        track_ids=tracks,
        annotation_ids=np.full(n, -1),
        head_boxes=np.full((n, 4), np.nan),
        boxes=np.full((n, 4), np.nan),
        crowd=np.zeros(n, dtype=bool),
    )
