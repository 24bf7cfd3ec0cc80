"""Methods that carry labels to other frames. To add a method, add an entry to METHODS.

The entries import their modules only when they are built, so that command lines can list them without loading PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from lib.utils.cores import num_cores

if TYPE_CHECKING:
    from lib.propagation.propagator import Propagator
    from lib.propagation.targets import PropagationMethod


@dataclass(frozen=True)
class MethodSpec:
    """A method that carries labels to other frames.

    Attributes:
        description: Help text for command lines.
        build: Builds the method for a Propagator, with its options, frames, device and nets. The pose that the method
            returns for a target may depend only on the target's label.
        is_prior: True if the method can be fused with another one (--prior).
        needs_net: True if the method runs the experiment's PoseWarper.
    """

    description: str
    build: Callable[[Propagator], PropagationMethod]
    _: KW_ONLY
    is_prior: bool = True
    needs_net: bool = False


def _warp(propagator: Propagator) -> PropagationMethod:
    from lib.core.strategies import scatter, scatter_estimates
    from lib.propagation.targets import warp

    options = propagator.options
    infer = propagator.estimate(scatter if options.from_labels else scatter_estimates)
    return partial(warp, infer, hop=options.hop, follow=options.follow, relative=options.relative)


def _copy(propagator: Propagator) -> PropagationMethod:
    from lib.propagation.targets import copy_labels

    return copy_labels


def _lucas_kanade(propagator: Propagator) -> PropagationMethod:
    from lib.propagation import flow

    return partial(flow.along_flow, propagator.gray, step=flow.lucas_kanade, threads=num_cores())


def _dis(propagator: Propagator) -> PropagationMethod:
    from lib.propagation import flow

    return partial(flow.along_flow, propagator.gray, step=flow.dis, threads=num_cores())


def _raft(propagator: Propagator) -> PropagationMethod:
    from lib.propagation import flow

    def read(video: int, number: int) -> np.ndarray:
        return propagator.frames[video].read_nearest(number)[0]

    weights = propagator.options.raft
    assert weights is not None  # PropagationOptions refuses raft without weights
    step = flow.raft(flow.load_raft(weights).to(propagator.device), propagator.device)
    return partial(flow.along_flow, read, step=step)


METHODS: dict[str, MethodSpec] = {
    "warp": MethodSpec("PoseWarper's head", _warp, is_prior=False, needs_net=True),
    "copy": MethodSpec("leave labels where they are", _copy, is_prior=False),
    "linear": MethodSpec("the straight line between two labels of the same person", _copy),  # copied from both sides
    "lucas_kanade": MethodSpec("sparse optical flow at the joints, frame by frame", _lucas_kanade),
    "dis": MethodSpec("dense optical flow, OpenCV's DIS, frame by frame", _dis),
    "raft": MethodSpec("dense optical flow, torchvision's RAFT, frame by frame", _raft),
}
"""All methods, by name."""
