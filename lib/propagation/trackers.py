"""Labels that follow a point tracker, such as CoTracker3 or TAPNext, which users install themselves."""

from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path

import cv2
import numpy as np
import torch

from lib.dataset.people import Person
from lib.frames.source import FrameSource
from lib.propagation.paths import label_paths, region
from lib.propagation.targets import PropagatedPoses, Target
from lib.utils.checkpoint_files import read_state_dict
from lib.utils.errors import InputError
from lib.utils.progress import progress_bar

Tracker = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Function from a clip (T, H, W, 3) uint8 RGB and points (P, 2) x, y in its first frame, whose pixel centers are whole
numbers, to their positions (T, P, 2) in all frames, and (T, P) from 0, hidden, to 1, visible."""

CLIP = 24
"""Frames of a clip. Longer paths are followed clip by clip."""
MARGIN = 1.0
"""Margin around the joints that leaves room for motion in a clip, as a share of the longer side of their box."""
MAX_SIDE = 512
"""Longest side of the images in pixels, about that of the trackers' own input."""


def along_tracks(
    frames: Mapping[int, FrameSource], people: Sequence[Person], targets: Sequence[Target], tracker: Tracker
) -> PropagatedPoses:
    """Return labels that follow a point tracker to their targets.

    A clip always has CLIP frames, so that the pose of a target depends only on its label and the frames. Hidden joints
    have score 0, and if they are hidden in the last frame of a clip, they stay unknown.

    Args:
        frames: Frames of each video, by index of the video.
        people: Labeled people.
        targets: At least one target.
        tracker: Follows the joints.
    """
    num_joints = len(people[targets[0].person].joints)
    result = PropagatedPoses(np.zeros((len(targets), num_joints, 2)), np.zeros((len(targets), num_joints)))
    paths = label_paths(people, targets)
    bar = progress_bar(len(paths), "label", iterable=paths, desc="point tracker", delay=2, leave=False)
    for path in bar:
        source, person = frames[path.video], people[path.person]
        joints, scores = person.joints.astype(np.float64), person.labeled.astype(np.float64)
        for index in path.ends.get(path.start, ()):
            result.joints[index], result.scores[index] = joints, scores
        for start in range(path.start, path.last, path.direction * (CLIP - 1)):
            steps = [path.direction * step for step in range(CLIP)]
            known = scores > 0
            tracks, visible = np.tile(joints, (CLIP, 1, 1)), np.zeros((CLIP, num_joints))
            if known.any():
                clip = _read(source, source.clip(start, steps))
                tracks[: len(clip), known], visible[: len(clip), known] = _track(tracker, clip, joints[known])
            for step, distance in enumerate(steps[1:], start=1):
                for index in path.ends.get(start + distance, ()):
                    result.joints[index], result.scores[index] = tracks[step], visible[step]
            joints, scores = tracks[-1], visible[-1]
    return result


def _read(source: FrameSource, numbers: Sequence[int]) -> list[np.ndarray]:
    """Return the images of a clip, up to one of another size, which is another camera's."""
    images = [source.read_nearest(number)[0] for number in numbers]
    return list(takewhile(lambda image: image.shape == images[0].shape, images))


def _track(tracker: Tracker, clip: Sequence[np.ndarray], joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions (T, P, 2) and visibilities (T, P) of joints (P, 2) in a clip of BGR images.

    Raises:
        InputError: The tracker returns arrays of other shapes.
    """
    rows, columns = region(clip[0].shape, joints, MARGIN)
    size = np.array([columns.stop - columns.start, rows.stop - rows.start])
    scaled = np.round(size * min(1.0, MAX_SIDE / size.max())).astype(int)
    images = [
        cv2.resize(image[rows, columns], scaled.tolist(), interpolation=cv2.INTER_AREA)[..., ::-1] for image in clip
    ]
    factor, corner = scaled / size, (columns.start, rows.start)
    tracks, visible = tracker(np.stack(images), (joints - corner + 0.5) * factor - 0.5)  # pixel centers: whole numbers
    if tracks.shape != (len(clip), len(joints), 2) or visible.shape != tracks.shape[:2]:
        raise InputError(
            f"the tracker returned {tracks.shape} and {visible.shape} for {len(clip)} frames and {len(joints)} points"
        )
    return (tracks.astype(np.float64) + 0.5) / factor - 0.5 + corner, np.clip(visible.astype(np.float64), 0, 1)


def cotracker3(weights: Path, device: torch.device) -> Tracker:
    """Return CoTracker3 of the package `cotracker` with the weights scaled_offline.pth (CC BY-NC 4.0)."""
    from cotracker.predictor import CoTrackerPredictor

    net = CoTrackerPredictor(checkpoint=None)
    net.model.load_state_dict(read_state_dict(weights))
    net = net.to(device).eval()

    def track(clip: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        video = torch.from_numpy(clip).to(device).movedim(3, 1)[None].float()  # (1, T, 3, H, W), from 0 to 255
        queries = torch.from_numpy(np.insert(points, 0, 0, axis=1)).to(device).float()[None]  # (1, P, 3) frame, x, y
        with torch.inference_mode():
            tracks, visible = net(video, queries=queries)
        return tracks[0].cpu().numpy(), visible[0].cpu().numpy()

    return track


def tapnext(weights: Path, device: torch.device) -> Tracker:
    """Return TAPNext of the package `tapnet` (Apache-2.0) with the weights bootstapnext_ckpt.npz."""
    from tapnet.tapnext.tapnext_torch import TAPNext
    from tapnet.tapnext.tapnext_torch_utils import restore_model_from_jax_checkpoint

    side = 256  # of its input
    net = restore_model_from_jax_checkpoint(TAPNext(image_size=(side, side)), str(weights)).to(device).eval()

    def track(clip: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        factor = side / np.array(clip.shape[2:0:-1])  # x, y
        images = np.stack([cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR) for image in clip])
        video = torch.from_numpy(images).to(device)[None].float() / 127.5 - 1  # (1, T, H, W, 3)
        scaled = (points + 0.5) * factor - 0.5
        queries = np.insert(scaled[:, ::-1], 0, 0, axis=1)  # frame, y, x
        with torch.inference_mode():
            tracks, _, visible, _ = net(video=video, query_points=torch.from_numpy(queries)[None].float().to(device))
        found = tracks[0].float().cpu().numpy()[..., ::-1]  # (T, P, 2) y, x
        return (found + 0.5) / factor - 0.5, visible[0, ..., 0].cpu().numpy() > 0

    return track


TRACKERS: dict[str, Callable[[Path, torch.device], Tracker]] = {"cotracker3": cotracker3, "tapnext": tapnext}
"""Loaders of the trackers of installed packages, by name, from the path to the weights and the device to run on.

They raise ImportError if the package is not installed, and InputError if the weights cannot be read."""
