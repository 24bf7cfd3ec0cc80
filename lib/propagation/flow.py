"""Labels that follow the optical flow from frame to frame: baselines that learn nothing.

PoseWarper's table has FlowNet2 here. DIS and Lucas-Kanade are from OpenCV, RAFT is from torchvision. Other models of
dense flow need only be a FlowModel.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import torch

from lib.dataset.people import Person
from lib.frames.image_cache import ImageCache
from lib.frames.source import FrameSource
from lib.propagation.paths import LabelPath, label_paths, region
from lib.propagation.targets import PropagatedPoses, Target
from lib.utils.checkpoint import load_weights
from lib.utils.errors import InputError
from lib.utils.progress import progress_bar

Read = Callable[[int, int], np.ndarray]
"""Function from the index of a video and a frame number to the image that a Step takes."""

Step = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Function from two images and joints (P, 2) in the first to the joints in the second, and (P,) bool, True if found."""

FlowModel = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Function from two images (N, 3, H, W) float32 RGB from 0 to 255 to the flow (N, 2, H, W) x, y in pixels."""

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

    def follow(path: LabelPath) -> None:
        person = people[path.person]
        joints, known = person.joints.astype(np.float64), person.labeled.copy()
        image = read(path.video, path.start)
        for number in range(path.start, path.last + path.direction, path.direction):
            if number != path.start:
                with lock:
                    bar.update()
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

    paths, lock = label_paths(people, targets), threading.Lock()
    bar = progress_bar(sum(path.num_steps for path in paths), "frame", desc="optical flow", delay=2, leave=False)
    with bar, _one_thread_each(), ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(follow, paths):
            pass  # raises the exception of a path
    return result


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
    rows, columns = region(first.shape, joints)
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
    from torchvision.models.optical_flow import raft_large  # takes seconds: first the files are checked

    net: torch.nn.Module = raft_large(weights=None)
    load_weights(net, path).raise_if_incomplete()
    return net.eval()


def raft(net: torch.nn.Module) -> FlowModel:
    """Return the FlowModel of torchvision's RAFT.

    Args:
        net: torchvision.models.optical_flow.raft_large or raft_small, in evaluation mode.
    """

    def flow(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = net(first / 127.5 - 1, second / 127.5 - 1)[-1]
        return found

    return flow


def dense(model: FlowModel, device: torch.device, multiple: int = 32) -> Step:
    """Return a Step on BGR images that follows the dense flow of a model.

    Args:
        model: Computes the flow.
        device: Device of the model.
        multiple: Number that divides the height and width of the images that the model gets.
    """

    def step(first: np.ndarray, second: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows, columns = region(first.shape, joints)
        pair = np.stack([first[rows, columns], second[rows, columns]])[..., ::-1].astype(np.float32)  # RGB
        height, width = pair.shape[1:3]
        images = torch.from_numpy(pair).movedim(3, 1).to(device)  # (2, 3, H, W)
        images = torch.nn.functional.pad(images, (0, -width % multiple, 0, -height % multiple), mode="replicate")
        with torch.inference_mode():
            flow = model(images[:1], images[1:])
        if flow.shape != (1, 2, *images.shape[2:]):
            raise InputError(f"the flow model returned {tuple(flow.shape)} for two images {tuple(images[:1].shape)}")
        found = flow[0, :, :height, :width].movedim(0, 2).float().cpu().numpy()
        return joints + _sample(found, joints - (columns.start, rows.start)), np.ones(len(joints), dtype=bool)

    return step


def _sample(flow: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Return a flow (H, W, 2) at joints (P, 2), interpolated bilinearly; outside the image the flow at its edge."""
    x, y = joints.astype(np.float32).T
    return cv2.remap(flow, x[:, None], y[:, None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0]
