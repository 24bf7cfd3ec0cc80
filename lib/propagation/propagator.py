"""`Propagator`: labels of some frames in, poses of other frames out, by any method and from one or both sides."""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from yacs.config import CfgNode

from lib.core.predictor import Poses, build_predictor
from lib.core.strategies import Strategy, near_labels
from lib.dataset import build_clips, build_data_set
from lib.dataset.people import Person
from lib.dataset.training_set import SparseLabels
from lib.frames.source import FrameSource
from lib.frames.video import FrameFolder
from lib.propagation import flow
from lib.propagation.cache import propagate_cached
from lib.propagation.fusion import combine, fuse_sides, joint_sources, refine
from lib.propagation.leave_one_out import LeaveOneOut, measure
from lib.propagation.likeness import likeness
from lib.propagation.memo import Memo
from lib.propagation.methods import METHODS
from lib.propagation.options import PropagationOptions
from lib.propagation.probability import probabilities, shift
from lib.propagation.targets import EstimateClips, PropagatedPoses, PropagationMethod, Target, copy_labels
from lib.utils.errors import InputError
from lib.utils.files import read_json, write_json

logger = logging.getLogger(__name__)

Estimate = Callable[[Strategy], EstimateClips]
"""Function from a strategy to a function that runs the experiment's net with it over clips of people."""


class Propagator:
    """Carry labels of some frames to others.

    Args:
        options: Methods and their settings.
        frames: Files of each video, by index of the video.
        estimate: Runs the PoseWarper over clips; None if `options` need no net.
        estimate_single: Runs the PoseWarper's pose net over clips; used to refine poses.
        device: Device for RAFT; the CPU by default.
        settings: All other values that the results depend on, such as the net's weights. They are part of the cache's
            key.
        is_shared: Several processes share the clips, so the cache is not used.
    """

    def __init__(
        self,
        options: PropagationOptions,
        frames: Mapping[int, FrameSource],
        *,
        estimate: Estimate | None = None,
        estimate_single: Estimate | None = None,
        device: torch.device | None = None,
        settings: Sequence[object] = (),
        is_shared: bool = False,
    ) -> None:
        self.options = options
        self.frames = frames
        self._estimate = estimate
        self._estimate_single = estimate_single
        self.device = device or torch.device("cpu")
        self._settings = settings
        self._is_shared = is_shared
        self.gray = flow.GrayFrames(frames)
        self._methods: dict[str, PropagationMethod] = {}

    def estimate(self, strategy: Strategy) -> EstimateClips:
        """Return a function that runs the PoseWarper over clips of people.

        Args:
            strategy: Turns the frames of a clip into heatmaps (lib.core.strategies).

        Raises:
            ValueError: The propagator has no net.
        """
        if self._estimate is None:
            raise ValueError("this method needs a net: build the propagator with one")
        return self._estimate(strategy)

    def propagate(
        self, people: Sequence[Person], targets: Sequence[Target], left_out: LeaveOneOut | None = None
    ) -> PropagatedPoses:
        """Return the poses of labeled people in other frames.

        Args:
            people: Labeled people.
            targets: At least one target.
            left_out: What `leave_one_out` returned; None to measure it. Errors of NaN give all methods the same weight.

        Raises:
            ValueError: The options need a net, and the propagator has none.
        """
        left_out = left_out or self.leave_one_out(people)
        return _calibrated(self._propagate(left_out.errors, people, targets), left_out)

    def propagate_cached(
        self, people: Sequence[Person], targets: Sequence[Target], folder: Path, stamps: Sequence[object]
    ) -> PropagatedPoses:
        """Return the same as `propagate`, with a disk cache; a corrected label invalidates only its neighbors.

        Args:
            people: Labeled people.
            targets: At least one target.
            folder: Folder of the cache.
            stamps: Identity of each video's files, part of the cache's key.
        """
        if self._is_shared:
            return self.propagate(people, targets)
        files = [path.stat() for _, path in self.options.files]
        settings = [self.options, *self._settings, *((file.st_size, file.st_mtime_ns) for file in files)]
        settings += stamps
        path = folder / f"errors-{hashlib.sha256(repr(settings).encode()).hexdigest()[:16]}.json"
        kept: dict[str, Any] = read_json(path) if path.exists() else {"errors": [None]}  # null: an unknown error
        if None in kept["errors"]:
            kept = asdict(self.leave_one_out(people))
            write_json(path, kept)
        left_out = LeaveOneOut(**kept)
        method = partial(self._propagate, left_out.errors)
        key = repr([left_out.errors, *settings])
        return _calibrated(propagate_cached(people, targets, method, folder / "segments", key), left_out)

    def joint_sources(self, people: Sequence[Person], targets: Sequence[Target]) -> list[list[list[int]]]:
        """Return the numbers of the labeled frames that each joint of each target comes from, in ascending order.

        Args:
            people: Labeled people.
            targets: Targets.
        """
        return joint_sources(people, targets, self.options.both_sides)

    def leave_one_out(self, people: Sequence[Person]) -> LeaveOneOut:
        """Return the errors of the method and of each prior on left-out labels; none without priors.

        Args:
            people: Labeled people.
        """
        names = self.options.names if self.options.priors else ()
        return measure(people, [self._method(name) for name in names], self.options, self._fuse)

    def _propagate(
        self, errors: Sequence[float], people: Sequence[Person], targets: Sequence[Target]
    ) -> PropagatedPoses:
        method = self._method(self.options.method)
        if self.options.priors:
            return self._fuse([self._method(name) for name in self.options.names], errors, people, targets)
        poses = fuse_sides(people, targets, method) if self.options.both_sides else method(people, targets)
        return self._refine(people, targets, poses)

    def _refine(self, people: Sequence[Person], targets: Sequence[Target], poses: PropagatedPoses) -> PropagatedPoses:
        options = self.options
        if not options.refine:
            return poses
        if self._estimate_single is None:
            raise ValueError("refinement needs a net: build the propagator with one")
        estimate = self._estimate_single

        def look(share: float) -> EstimateClips:
            return estimate(partial(near_labels, spread=share, sigma=options.sigma))

        return refine(look, people, targets, poses, spread=options.refine)

    def _fuse(
        self,
        methods: Sequence[PropagationMethod],
        errors: Sequence[float],
        people: Sequence[Person],
        targets: Sequence[Target],
        is_refined: bool = True,
    ) -> PropagatedPoses:
        """Return the poses fused from several methods, refined unless the net knows the labels that are left out."""
        alike = partial(likeness, self.gray)
        poses = combine(people, targets, methods, errors, alike)
        if is_refined:
            poses = self._refine(people, targets, poses)
        if not self.options.score_probabilities:
            return poses
        return poses._replace(scores=probabilities(people, targets, poses, alike))

    def _method(self, name: str) -> PropagationMethod:
        """Return a method that propagates each label from its own side."""
        if name not in self._methods:
            method = METHODS[name].build(self)
            self._methods[name] = method if method is copy_labels else Memo(method)
        return self._methods[name]


def _calibrated(poses: PropagatedPoses, left_out: LeaveOneOut) -> PropagatedPoses:
    """Return poses whose scores, if they are probabilities, include what left-out labels say."""
    return poses._replace(scores=shift(poses.scores, np.array(left_out.offsets))) if left_out.offsets else poses


def build_options(cfg: CfgNode, methods: PropagationOptions) -> PropagationOptions:
    """Return options with the settings of an experiment.

    Args:
        cfg: The experiment.
        methods: Options that choose the methods.
    """
    keys = cfg.TEST.PROPAGATE
    return replace(
        methods,
        from_labels=keys.FROM == "labels",
        hop=keys.HOP,
        follow=keys.FOLLOW,
        relative=keys.RELATIVE,
        refine=keys.REFINE,
        sigma=cfg.MODEL.SIGMA,
        learned_from_labels=(is_custom := build_data_set(cfg).is_custom),
        score_probabilities=is_custom and bool(methods.priors),
    )


def build_propagator(
    cfg: CfgNode,
    options: PropagationOptions,
    frames: Mapping[int, FrameSource],
    *,
    net: nn.Module | None,
    device: torch.device,
    process: tuple[int, int] = (0, 1),
) -> Propagator:
    """Return the propagator of an experiment.

    Args:
        cfg: The experiment.
        options: Methods and their settings.
        frames: Files of each video, by index of the video.
        net: The experiment's PoseWarper, on `device`; None if `options` need no net.
        device: Device of the net.
        process: Rank and number of the processes that share the work.
    """

    def run_with(own_net: nn.Module) -> Estimate:
        def estimate(strategy: Strategy) -> EstimateClips:
            predictor = build_predictor(cfg, own_net, device, process=process, strategy=strategy)

            def run(people: list[Person], offsets: list[int]) -> Poses:
                return predictor.predict(build_clips(cfg, people, frames, offsets), desc="net", delay=2, leave=False)

            return run

        return estimate

    return Propagator(
        options,
        frames,
        estimate=run_with(net) if net else None,
        estimate_single=run_with(net.get_submodule("pose_net")) if net else None,
        device=device,
        settings=[cfg.MODEL, cfg.TEST, _fingerprint(net)],
        is_shared=process[1] > 1,
    )


def video_folders(labels: SparseLabels) -> dict[int, FrameFolder]:
    """Return the files of each labeled video, by index of the video.

    Args:
        labels: Labels of frames of videos.

    Raises:
        InputError: The labels are of images, which have no other frames.
    """
    folders = {video: frames for video, frames in labels.frames.items() if isinstance(frames, FrameFolder)}
    if len(folders) < len(labels.frames):
        raise InputError(f"{labels.path}: labels of images; only labels of video frames can be propagated")
    return folders


def _fingerprint(net: nn.Module | None) -> str:
    """Return a digest of a net's weights."""
    digest = hashlib.sha256()
    for tensor in net.state_dict().values() if net else ():
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
