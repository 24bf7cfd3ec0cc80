"""Methods that carry labels to other frames. To add a method, add an entry to METHODS.

The entries import their modules only when they are built, so that command lines can list them without loading PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lib.utils.cores import num_cores
from lib.utils.hooks import load_function

if TYPE_CHECKING:
    from lib.dataset.people import Person
    from lib.propagation.propagator import Propagator
    from lib.propagation.targets import PropagatedPoses, PropagationMethod, Target


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
    net = flow.load_raft(weights).to(propagator.device)
    return partial(flow.along_flow, read, step=flow.dense(flow.raft(net), propagator.device, 8))


def _flow(propagator: Propagator) -> PropagationMethod:
    from lib.propagation import flow

    def read(video: int, number: int) -> np.ndarray:
        return propagator.frames[video].read_nearest(number)[0]

    model = load_function(str(propagator.options.flow_model), "--flow-model")(propagator.device)
    return partial(flow.along_flow, read, step=flow.dense(model, propagator.device))


def _tracker(propagator: Propagator) -> PropagationMethod:
    from lib.propagation.trackers import TRACKERS, along_tracks

    name = str(propagator.options.tracker)
    known, _, weights = name.partition(":")
    if known in TRACKERS:
        tracker = TRACKERS[known](Path(weights), propagator.device)
    else:
        tracker = load_function(name, "--tracker")(propagator.device)

    def follow(people: Sequence[Person], targets: Sequence[Target]) -> PropagatedPoses:
        return along_tracks(propagator.frames, people, targets, tracker)

    return follow


METHODS: dict[str, MethodSpec] = {
    "warp": MethodSpec("PoseWarper's head", _warp, is_prior=False, needs_net=True),
    "copy": MethodSpec("copy the label unchanged", _copy, is_prior=False),
    "linear": MethodSpec("the straight line between two labels of the same person", _copy),  # copied from both sides
    "lucas_kanade": MethodSpec("sparse optical flow at the joints, frame by frame", _lucas_kanade),
    "dis": MethodSpec("dense optical flow, OpenCV's DIS, frame by frame", _dis),
    "raft": MethodSpec("dense optical flow, torchvision's RAFT, frame by frame", _raft),
    "flow": MethodSpec("dense optical flow of another model, --flow-model, frame by frame", _flow),
    "tracker": MethodSpec("a point tracker, --tracker", _tracker),
}
"""All methods, by name."""
