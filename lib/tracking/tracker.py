"""Tracking: links the poses of each frame to the tracks of earlier frames.

The similarity to a track is that of its last poses, carried to the new frame, as in the flow-based tracker of Xiao et
al. (ECCV 2018); poses with a low box score are linked in a second pass, as in ByteTrack (Zhang et al., ECCV 2022).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import linear_sum_assignment

from lib.formats.tracked_poses import TrackedPose
from lib.tracking.similarity import PoseArrays, color_similarities, distinctness, pose_similarities
from lib.tracking.track import Track, moved_pose, shifted_pose

Carry = Callable[[Sequence[TrackedPose], int], np.ndarray]
"""Function from N poses of a frame and the number of the next frame to their joints (N, J, 2) there."""

CLEAR_SIMILARITY = 0.5
"""Similarity from which a pose belongs to a track without a look at the images, if no other comes near."""
CLEAR_SHARE = 0.5
"""Share of that similarity below which all others must be."""


@dataclass(frozen=True)
class TrackerOptions:
    """Options of a tracker.

    Attributes:
        velocity: Move a track's last poses with its velocity; False: leave them where they were.
        optimal: Maximize the sum of similarities; False: link the most similar first.
        min_similarity: Minimum similarity of a pose to its track.
        memory: Number of frames after which a person who is not seen is forgotten.
        confident: Poses with a lower box score are linked after the others, and begin no tracks.
        votes: Number of a track's last poses to compare with.
        color_weight: Weight of the colors around the joints in the similarity; 0: they are not compared.
    """

    velocity: bool = True
    optimal: bool = True
    min_similarity: float = 0.02
    memory: int = 15
    confident: float = 0.0
    votes: int = 1
    color_weight: float = 0.2


class Tracker:
    """Links the poses of a video frame by frame.

    Its state depends only on the linked poses, so a run can be continued from them.

    Args:
        sigmas: (J,) OKS constants; if empty, only the boxes are compared.
        options: Options; None: the defaults.
    """

    def __init__(self, sigmas: Sequence[float], options: TrackerOptions | None = None) -> None:
        self.options = options or TrackerOptions()
        self._sigmas = np.asarray(sigmas, dtype=np.float64)
        self._tracks: dict[int, Track] = {}
        self._next = 0

    def link(self, frame: int, poses: Sequence[TrackedPose], carry: Carry | None = None) -> list[TrackedPose]:
        """Return poses with the ids of their tracks; new tracks are counted from 0.

        Args:
            frame: Number of the frame, higher than those of earlier calls.
            poses: Poses of the frame.
            carry: Carries poses of the frame before to this frame; it is called for people who were seen there and
                whose track is not clear without it. None: by their velocity.

        Returns:
            The poses in their order, without those that belong to no track and whose box score is too low for a new
            one.
        """
        self._forget(frame)
        found = self._assign(frame, poses, carry) if poses and self._tracks else {}
        linked = []
        for index, pose in enumerate(poses):
            if index in found:
                linked.append(replace(pose, track=found[index]))
            elif pose.box_score >= self.options.confident:
                linked.append(replace(pose, track=self._next))
                self._next += 1
        self.recall(frame, linked)
        return linked

    def recall(self, frame: int, poses: Sequence[TrackedPose]) -> None:
        """Add poses that already have track ids, for example when continuing a run.

        Args:
            frame: Number of the frame.
            poses: Poses of the frame.

        Raises:
            ValueError: Two poses have the same track.
        """
        self._forget(frame)
        tracks = [pose.track for pose in poses]
        repeated = next((track for track in tracks if tracks.count(track) > 1), None)
        if repeated is not None:
            raise ValueError(f"frame {frame}: track {repeated} has {tracks.count(repeated)} poses")
        for pose, distinct in zip(poses, distinctness(poses, self._sigmas).tolist(), strict=True):
            self._tracks.setdefault(pose.track, Track(pose.track)).add(frame, pose, distinct, self.options.votes)
            self._next = max(self._next, pose.track + 1)

    def missing(self, frame: int, carry: Carry | None = None) -> list[TrackedPose]:
        """Return the poses of people who were seen in the frame before but not in this one, carried to it.

        Args:
            frame: Number of the frame, whose poses were linked.
            carry: Carries poses of the frame before to this frame; None: by their velocity.
        """
        tracks = [track for track in self._tracks.values() if track.gap(frame) == 1]
        poses = [track.poses[0][1] for track in tracks]
        if carry and tracks:
            joints = carry(poses, frame)
            return [moved_pose(pose, own) for pose, own in zip(poses, joints, strict=True)]
        return [shifted_pose(pose, self._shift(track, 1)) for pose, track in zip(poses, tracks, strict=True)]

    def _forget(self, frame: int) -> None:
        memory = self.options.memory
        self._tracks = {id: track for id, track in self._tracks.items() if track.gap(frame) <= memory}

    def _assign(self, frame: int, poses: Sequence[TrackedPose], carry: Carry | None) -> dict[int, int]:
        """Return the track of each pose that belongs to one, by the index of the pose."""
        tracks = list(self._tracks.values())
        similarities = self._similarities(frame, tracks, poses, None)
        if carry:
            self._look(frame, tracks, poses, similarities, carry)
        first = [index for index, pose in enumerate(poses) if pose.box_score >= self.options.confident]
        second = [index for index in range(len(poses)) if index not in first]
        found: dict[int, int] = {}
        for columns in (first, second):
            rows = [row for row in range(len(tracks)) if row not in found.values()]
            for row, column in self._pairs(similarities[np.ix_(rows, columns)]):
                found[columns[column]] = rows[row]
        return {index: tracks[row].id for index, row in found.items()}

    def _look(
        self,
        frame: int,
        tracks: Sequence[Track],
        poses: Sequence[TrackedPose],
        similarities: np.ndarray,
        carry: Carry,
    ) -> None:
        """Replace the similarities (N, P) of tracks that are not clear by those of poses carried by the images."""
        carried: set[int] = set()
        while True:  # a track may be clear until its neighbor is carried to the same pose
            rows = [row for row in _unclear(similarities) if tracks[row].gap(frame) == 1 and row not in carried]
            if not rows:
                break
            unclear = [tracks[row] for row in rows]
            joints = carry([track.poses[0][1] for track in unclear], frame)
            similarities[rows] = self._similarities(frame, unclear, poses, joints)
            carried.update(rows)

    def _pairs(self, similarities: np.ndarray) -> list[tuple[int, int]]:
        """Return disjoint pairs of a row and a column with at least the minimum similarity."""
        allowed = np.where(similarities >= self.options.min_similarity, similarities, 0)
        if self.options.optimal:
            pairs = list(zip(*(part.tolist() for part in linear_sum_assignment(-allowed)), strict=True))
        else:
            order = np.argsort(-allowed, axis=None, kind="stable")
            pairs = list(zip(*(part.tolist() for part in np.unravel_index(order, allowed.shape)), strict=True))
        rows, columns, chosen = set(), set(), []
        for row, column in pairs:
            if similarities[row, column] >= self.options.min_similarity and row not in rows and column not in columns:
                chosen.append((row, column))
                rows.add(row)
                columns.add(column)
        return chosen

    def _similarities(
        self, frame: int, tracks: Sequence[Track], poses: Sequence[TrackedPose], joints: np.ndarray | None
    ) -> np.ndarray:
        """Return the similarity of each track to each pose.

        Args:
            frame: Number of the frame.
            tracks: N tracks.
            poses: P poses of the frame.
            joints: (N, J, 2) joints of the tracks' last poses, carried to the frame; None: by their velocity.
        """
        found = PoseArrays.stack(poses, distinctness(poses, self._sigmas))
        total, counts = np.zeros((len(tracks), len(poses))), np.zeros((len(tracks), 1))
        for vote in range(self.options.votes):
            rows = [row for row, track in enumerate(tracks) if len(track.poses) > vote]
            if not rows:
                break
            carried, distinct = [], []
            for row in rows:
                seen, pose, own = tracks[row].poses[vote]
                distinct.append(own)
                if vote == 0 and joints is not None:
                    carried.append(moved_pose(pose, joints[row]))
                else:
                    carried.append(shifted_pose(pose, self._shift(tracks[row], frame - seen)))
            total[rows] += pose_similarities(PoseArrays.stack(carried, distinct), found, self._sigmas)
            counts[rows] += 1
        return self._with_colors(total / counts, tracks, poses, found.distinct)

    def _with_colors(
        self, similarities: np.ndarray, tracks: Sequence[Track], poses: Sequence[TrackedPose], distinct: np.ndarray
    ) -> np.ndarray:
        """Return the similarities (N, P) with those of the colors, where these are known and the poses are near."""
        if not self.options.color_weight or not len(self._sigmas):
            return similarities
        unknown = np.full((len(self._sigmas), 3), np.nan)
        of_tracks = [unknown if track.colors is None else track.colors for track in tracks]
        of_poses = [unknown if pose.colors is None else pose.colors for pose in poses]
        weight = self.options.color_weight * distinct  # the same pose has the same colors
        mixed = (1 - weight) * similarities + weight * color_similarities(np.stack(of_tracks), np.stack(of_poses))
        return np.where(np.isfinite(mixed) & (similarities > 0), mixed, similarities)

    def _shift(self, track: Track, gap: int) -> np.ndarray:
        """Return how far (2,) a person moves in `gap` frames."""
        return track.shift(gap) if self.options.velocity else np.zeros(2)


def _unclear(similarities: np.ndarray) -> list[int]:
    """Return the rows (tracks) whose best column (pose) is not like them, or where others are nearly as similar."""
    rows = np.arange(len(similarities))
    best = similarities.argmax(axis=1)
    highest = similarities[rows, best]
    others = similarities.copy()
    others[rows, best] = 0
    same_pose = similarities[:, best].T.copy()  # (N, N): of each track's best pose to all tracks
    same_pose[rows, rows] = 0
    rivals = np.maximum(others.max(axis=1), same_pose.max(axis=1))
    return np.flatnonzero((highest < CLEAR_SIMILARITY) | (rivals > CLEAR_SHARE * highest)).tolist()
