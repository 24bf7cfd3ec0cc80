"""IDF1 and HOTA of tracked joints, counted by motrics, whose figures equal those of TrackEval.

IDF1: Ristani et al., ECCV Workshops 2016. HOTA: Luiten et al., IJCV 2021; for joints: Doering et al., PoseTrack21, CVPR
2022.
"""

from dataclasses import dataclass

import motrics
import numpy as np

from lib.evaluation.posetrack_video import THRESHOLD, Comparison
from lib.formats.video_annotations import JOINT_NAMES

Frames = tuple[list[list[int]], list[list[int]], list[np.ndarray]]
"""For each frame, the tracks of its G labeled joints, the tracks of its P predicted ones, and their distances (G, P)"""


@dataclass
class IdentityCounts:
    """Counts of each joint behind IDF1, and behind HOTA at its A thresholds; `+` adds the counts of several videos.

    Attributes:
        objects: (15,) numbers of joints in the ground truth.
        hypotheses: (15,) numbers of predicted joints.
        identities: (15,) numbers of hits between tracks that belong together for the whole video (IDTP).
        matches: (15, A) numbers of pairs (TP).
        associations: (15, A) sums of the association accuracies of all pairs.
    """

    objects: np.ndarray
    hypotheses: np.ndarray
    identities: np.ndarray
    matches: np.ndarray
    associations: np.ndarray

    def __add__(self, other: "IdentityCounts") -> "IdentityCounts":
        return IdentityCounts(**{name: array + getattr(other, name) for name, array in vars(self).items()})

    def idf1(self) -> np.ndarray:
        """Return IDF1 (15,), 0 to 1; NaN for a joint that is never labeled."""
        return np.where(self.objects > 0, 2 * self.identities / np.maximum(self.objects + self.hypotheses, 1), np.nan)

    def hota(self) -> np.ndarray:
        """Return HOTA (15,), 0 to 1, the mean over the thresholds; NaN for a joint that is never labeled."""
        everything = (self.objects + self.hypotheses)[:, None] - self.matches
        detection = self.matches / np.maximum(everything, 1)
        association = self.associations / np.maximum(self.matches, 1)
        return np.where(self.objects > 0, np.sqrt(detection * association).mean(axis=1), np.nan)


def identify(comparison: Comparison) -> IdentityCounts:
    """Compare the tracks of each joint over the whole video.

    Every frame that counts is compared, and joints are counted as they are; the official tool's treatment of the last
    frame and of empty frames affects MOTA alone. A pair of joints is a hit of IDF1 if it is one of MOTA. The similarity
    of HOTA falls from 1 at distance 0 to 0 at the largest distance of a hit, as in PoseTrack21.

    Args:
        comparison: Comparison of one video.
    """
    rows = [_identify(_frames(comparison, joint)) for joint in range(len(JOINT_NAMES))]
    return IdentityCounts(*(np.array(column) for column in zip(*rows, strict=True)))


def _identify(frames: Frames) -> tuple[int, int, int, list[float], np.ndarray]:
    """Return the counts of one joint, in the order of IdentityCounts."""
    tracks, found, distances = frames
    hits = [(frame <= THRESHOLD).astype(float).tolist() for frame in distances]
    similarities = [np.maximum(0, 1 - frame / THRESHOLD).tolist() for frame in distances]
    identity = motrics.compute_identity_from_similarity(tracks, found, hits)
    hota = motrics.compute_hota_from_similarity(tracks, found, similarities)
    associations = np.array(hota.assa_alphas) * hota.hota_tp_alphas
    return identity.num_gt, identity.num_pred, identity.idtp, hota.hota_tp_alphas, associations


def _frames(comparison: Comparison, joint: int) -> Frames:
    truth, predicted = comparison.truth, comparison.predicted
    sides = [np.searchsorted(side.frames, [comparison.frames, comparison.frames + 1]).T for side in (truth, predicted)]
    first_pair = np.searchsorted(truth.frames[comparison.truth_of_pair], comparison.frames)
    tracks, found, distances = [], [], []
    for (i, i_end), (k, k_end), pair in zip(*(side.tolist() for side in sides), first_pair.tolist(), strict=True):
        labeled, given = truth.present[i:i_end, joint], predicted.present[k:k_end, joint]
        shape = (i_end - i, k_end - k)
        every = comparison.distances[pair : pair + shape[0] * shape[1], joint].reshape(shape)
        tracks.append(truth.track_ids[i:i_end][labeled].tolist())
        found.append(predicted.track_ids[k:k_end][given].tolist())
        distances.append(every[labeled][:, given])
    return tracks, found, distances
