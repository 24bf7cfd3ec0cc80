"""Labels moved along the optical flow, from frame to frame: the baselines that learn nothing.

PoseWarper's table has FlowNet2 here; DIS and Lucas-Kanade are OpenCV's, RAFT is torchvision's.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torchvision.models.optical_flow import raft_large

from lib.dataset.people import Person
from lib.propagation.targets import PropagatedPoses, Target
from lib.utils.checkpoint import load_weights

Read = Callable[[int, int], np.ndarray]
"""Video and frame number to the image (H, W, 3), uint8, BGR."""

Step = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Two images and points (P, 2) of the first to points of the second, and (P,) whether they were found there."""


def along_flow(read: Read, people: Sequence[Person], targets: Sequence[Target], step: Step) -> PropagatedPoses:
    """Labels moved step by step over all the frames between.

    A joint that a step does not find stays where it is and has score 0 from there on; any other has score 1.
    """
    num_joints = len(people[targets[0].person].joints)
    result = PropagatedPoses(np.zeros((len(targets), num_joints, 2)), np.zeros((len(targets), num_joints)))
    for (video, start, direction), ends in sorted(_paths(people, targets).items()):
        sources = sorted({targets[index].person for indices in ends.values() for index in indices})
        row = {person: k for k, person in enumerate(sources)}
        joints = np.array([people[person].joints for person in sources])  # (P, J, 2)
        known = np.array([people[person].labeled for person in sources])  # (P, J)
        farthest = max(ends, key=lambda number: abs(number - start))
        image = read(video, start)
        for number in range(start, farthest + direction, direction):
            if number != start:
                following = read(video, number)
                if image.shape == following.shape:
                    joints[known], found = step(image, following, joints[known])
                    known[known] = found
                else:  # another camera: nothing can be followed over the cut
                    known[:] = False
                image = following
            for index in ends.get(number, ()):
                result.joints[index] = joints[row[targets[index].person]]
                result.scores[index] = known[row[targets[index].person]]
    return result


def _paths(people: Sequence[Person], targets: Sequence[Target]) -> dict[tuple[int, int, int], dict[int, list[int]]]:
    """Moves by their ends, of each way out of a labelled frame: video, number of that frame, direction."""
    paths: dict[tuple[int, int, int], dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, target in enumerate(targets):
        source = people[target.person]
        direction = -1 if target.number < source.number else 1
        paths[source.video, source.number, direction][target.number].append(index)
    return paths


def lucas_kanade(first: np.ndarray, second: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A Step: sparse pyramidal Lucas-Kanade at the joints themselves."""
    if not len(joints):
        return joints, np.zeros(0, dtype=bool)
    poses, found, _ = cv2.calcOpticalFlowPyrLK(_gray(first), _gray(second), joints.astype(np.float32)[:, None], None)
    found = found[:, 0] > 0
    return np.where(found[:, None], poses[:, 0], joints), found


def dis(first: np.ndarray, second: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A Step: dense flow by OpenCV's Dense Inverse Search, its medium preset."""
    flow = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(_gray(first), _gray(second), None)
    return joints + _sample(flow, joints), np.ones(len(joints), dtype=bool)


def load_raft(path: Path) -> torch.nn.Module:
    """Torchvision's raft_large with weights of a file, in eval mode.

    Raises:
        InputError: the file is not there, or is not of that net.
    """
    net = raft_large(weights=None)
    load_weights(net, path).raise_if_incomplete()
    return net.eval()


def raft(net: torch.nn.Module, device: torch.device) -> Step:
    """A Step: dense flow by torchvision's RAFT.

    Args:
        net: torchvision.models.optical_flow.raft_large or raft_small, on `device`, in eval mode.
    """

    def step(first: np.ndarray, second: np.ndarray, joints: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        height, width = first.shape[:2]
        pair = np.stack([first, second])[..., ::-1].astype(np.float32) / 127.5 - 1  # RGB, −1 … 1
        images = torch.from_numpy(pair).movedim(3, 1).to(device)  # (2, 3, H, W)
        images = torch.nn.functional.pad(images, (0, -width % 8, 0, -height % 8), mode="replicate")
        with torch.inference_mode():
            flow = net(images[:1], images[1:])[-1][0]  # (2, H, W)
        flow = flow[:, :height, :width].movedim(0, 2).float().cpu().numpy()
        return joints + _sample(flow, joints), np.ones(len(joints), dtype=bool)

    return step


def _sample(flow: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """(P, 2) of a flow (H, W, 2) at points (P, 2), bilinear; outside the image that of its edge."""
    x, y = joints.astype(np.float32).T
    return cv2.remap(flow, x[:, None], y[:, None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0]


def _gray(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
