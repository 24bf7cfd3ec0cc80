"""Labels that follow the optical flow from frame to frame: baselines that learn nothing.

PoseWarper's table has FlowNet2 here. DIS and Lucas-Kanade are from OpenCV, RAFT is from torchvision.
"""

import math
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torchvision.models.optical_flow import raft_large

from lib.dataset.people import Person
from lib.frames.image_cache import ImageCache
from lib.frames.source import FrameSource
from lib.propagation.targets import PropagatedPoses, Target
from lib.utils.checkpoint import load_weights

Read = Callable[[int, int], np.ndarray]
"""Function from the index of a video and a frame number to the image that a Step takes."""

Step = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Function from two images and joints (P, 2) in the first to the joints in the second, and (P,) bool, True if found."""

MARGIN = 0.25
"""Margin around the joints in which dense flow is computed, as a share of the longer side of their box."""
MIN_MARGIN = 32
"""Smallest such margin, in pixels."""
MIN_SIDE = 128
"""Smallest side of the region in pixels: RAFT takes no smaller image."""
MAX_SIDE = 384
"""Longest side of the region for DIS in pixels. Larger ones are scaled down, which is faster and no less accurate."""
GRAY_BYTES = 256 << 20
"""Memory for grayscale frames: 256 frames of 1024×1024 pixels, so frames between two labels are decoded once."""


class GrayFrames:
    """Grayscale frames of videos, decoded once for all threads and methods.

    Args:
        videos: Frames of each video.
    """

    def __init__(self, videos: Mapping[int, FrameSource]) -> None:
        self._videos = videos
        self._images = ImageCache(GRAY_BYTES)
        self._lock = threading.Lock()  # the cache of a frame source is not thread-safe

    def __call__(self, video: int, number: int) -> np.ndarray:
        """Return a frame, or the nearest one that can be read, as a (H, W) uint8 array.

        Args:
            video: Index of the video.
            number: Number of the frame.

        Raises:
            InputError: No frame nearby can be read.
        """

        def read() -> np.ndarray:
            return cv2.cvtColor(self._videos[video].read_nearest(number)[0], cv2.COLOR_BGR2GRAY)

        with self._lock:
            return self._images.get((video, number), read)


class _Path(NamedTuple):
    """Path of one person's joints away from a labeled frame.

    Attributes:
        video: Index of the video.
        start: Number of the labeled frame.
        direction: 1 or -1.
        person: Index of the person.
        ends: Indices of targets by frame number.
    """

    video: int
    start: int
    direction: int
    person: int
    ends: dict[int, list[int]]

    @property
    def last(self) -> int:
        """Number of the farthest frame."""
        return max(self.ends, key=lambda number: abs(number - self.start))


def along_flow(
    read: Read, people: Sequence[Person], targets: Sequence[Target], step: Step, *, threads: int = 1
) -> PropagatedPoses:
    """Return labels that follow the flow over all frames up to their targets.

    A joint that a step does not find keeps its position, and its score is 0 from then on; other joints have score 1.
    The pose of a target depends only on its label and the frames, not on other people or the number of threads.

    Args:
        read: Returns the frames of videos; called from several threads.
        people: Labeled people.
        targets: At least one target.
        step: Follows joints from one frame to the next.
        threads: Number of paths to follow at the same time.
    """
    num_joints = len(people[targets[0].person].joints)
    result = PropagatedPoses(np.zeros((len(targets), num_joints, 2)), np.zeros((len(targets), num_joints)))

    def follow(path: _Path) -> None:
        person = people[path.person]
        joints, known = person.joints.astype(np.float64), person.labeled.copy()
        image = read(path.video, path.start)
        for number in range(path.start, path.last + path.direction, path.direction):
            if number != path.start and known.any():
                following = read(path.video, number)
                if image.shape == following.shape:
                    joints[known], found = step(image, following, joints[known])
                    known[known] = found
                else:  # another camera: joints cannot be followed across the cut
                    known[:] = False
                image = following
            for index in path.ends.get(number, ()):
                result.joints[index], result.scores[index] = joints, known

    with _one_thread_each(), ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(follow, _paths(people, targets)):
            pass  # raises the exception of a path
    return result


def _paths(people: Sequence[Person], targets: Sequence[Target]) -> list[_Path]:
    """Return the paths to all targets, sorted so that paths over the same frames are adjacent."""
    ends: dict[tuple[int, int], dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, target in enumerate(targets):
        direction = -1 if target.number < people[target.person].number else 1
        ends[target.person, direction][target.number].append(index)
    paths = [
        _Path(people[person].video, people[person].number, direction, person, dict(own))
        for (person, direction), own in ends.items()
    ]
    return sorted(paths, key=lambda path: (path.video, min(path.start, path.last), path.person))


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Let each call of OpenCV use one thread, because the flow of DIS depends on the number of threads."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def lucas_kanade(first: np.ndarray, second: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Follow joints by sparse pyramidal Lucas-Kanade flow; a Step on grayscale images.

    Args:
        first: (H, W) uint8 image.
        second: (H, W) uint8 image.
        joints: (P, 2) x, y in the first image.

    Returns:
        (P, 2) joints in the second image, and (P,) bool, True if found.
    """
    points = joints.astype(np.float32)[:, None]
    moved, status, _ = cv2.calcOpticalFlowPyrLK(first, second, points, None)  # type: ignore[call-overload]
    found = status[:, 0] > 0
    return np.where(found[:, None], moved[:, 0], joints), found


def dis(first: np.ndarray, second: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Follow joints by dense flow, OpenCV's Dense Inverse Search (medium preset); a Step on grayscale images.

    Flow is computed in a region around the joints, with at most MAX_SIDE pixels along its longer side.

    Args:
        first: (H, W) uint8 image.
        second: (H, W) uint8 image.
        joints: (P, 2) x, y in the first image.

    Returns:
        (P, 2) joints in the second image, and (P,) bool, all True.
    """
    rows, columns = _region(first.shape, joints)
    size = np.array([columns.stop - columns.start, rows.stop - rows.start])
    scaled = np.round(size * min(1.0, MAX_SIDE / size.max())).astype(int)
    pair = [
        cv2.resize(image[rows, columns], scaled.tolist(), interpolation=cv2.INTER_AREA) for image in (first, second)
    ]
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(*pair, None)  # type: ignore[call-overload]
    factor = scaled / size
    inside = (joints - (columns.start, rows.start) + 0.5) * factor - 0.5  # pixel centers are whole numbers
    return joints + _sample(flow, inside) / factor, np.ones(len(joints), dtype=bool)


def load_raft(path: Path) -> torch.nn.Module:
    """Return torchvision's raft_large with weights from a file, in evaluation mode.

    Args:
        path: Path to the weights.

    Raises:
        InputError: The file does not exist, or its weights belong to another net.
    """
    net: torch.nn.Module = raft_large(weights=None)
    load_weights(net, path).raise_if_incomplete()
    return net.eval()


def raft(net: torch.nn.Module, device: torch.device) -> Step:
    """Return a Step on BGR images that follows dense flow by torchvision's RAFT.

    Args:
        net: torchvision.models.optical_flow.raft_large or raft_small, on `device`, in evaluation mode.
        device: Device of the net.
    """

    def step(first: np.ndarray, second: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows, columns = _region(first.shape, joints)
        pair = np.stack([first[rows, columns], second[rows, columns]])[..., ::-1].astype(np.float32) / 127.5 - 1  # RGB
        height, width = pair.shape[1:3]
        images = torch.from_numpy(pair).movedim(3, 1).to(device)  # (2, 3, H, W), from -1 to 1
        images = torch.nn.functional.pad(images, (0, -width % 8, 0, -height % 8), mode="replicate")
        with torch.inference_mode():
            flow = net(images[:1], images[1:])[-1][0]  # (2, H, W)
        flow = flow[:, :height, :width].movedim(0, 2).float().cpu().numpy()
        return joints + _sample(flow, joints - (columns.start, rows.start)), np.ones(len(joints), dtype=bool)

    return step


def _region(shape: Sequence[int], joints: np.ndarray) -> tuple[slice, slice]:
    """Return the rows and columns of an image (H, W, …) around joints (P, 2) on which flow is computed."""
    low, high = joints.min(axis=0), joints.max(axis=0)
    margin = max(MARGIN * float((high - low).max()), MIN_MARGIN)
    slices = []
    for axis, length in ((1, shape[0]), (0, shape[1])):
        start, stop = math.floor(low[axis] - margin), math.ceil(high[axis] + margin) + 1
        short = max(MIN_SIDE - (stop - start), 0)
        start = min(max(start - short // 2, 0), max(length - MIN_SIDE, 0))
        stop = min(max(stop + short - short // 2, start + MIN_SIDE), length)
        slices.append(slice(start, stop))
    return slices[0], slices[1]


def _sample(flow: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Return a flow (H, W, 2) at joints (P, 2), interpolated bilinearly; outside the image the flow at its edge."""
    x, y = joints.astype(np.float32).T
    return cv2.remap(flow, x[:, None], y[:, None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0]
