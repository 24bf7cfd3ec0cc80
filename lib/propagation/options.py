"""Propagation options: methods, their settings, and command-line arguments."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from lib.propagation.methods import METHODS
from lib.utils.errors import InputError
from lib.utils.hooks import check_function

TRACKER_PACKAGES = {"cotracker3": "cotracker", "tapnext": "tapnet"}
"""Packages of the trackers in lib.propagation.trackers."""


@dataclass(frozen=True, kw_only=True)
class PropagationOptions:
    """Options for carrying labels to other frames.

    Attributes:
        method: Name of a method in METHODS.
        priors: Names of further methods that have `is_prior`. All methods are used from both sides and weighted by
            their leave-one-out errors.
        fuse: Combine the labels before and after each frame, instead of using the nearer one.
        raft: Path to the weights of torchvision's raft_large.
        flow_model: Function that returns the model of dense flow, as FILE.py:FUNCTION or MODULE:FUNCTION.
        tracker: Point tracker: NAME:WEIGHTS of TRACKERS in lib.propagation.trackers, or a function that returns it.
        from_labels: Warp the labels; otherwise warp the net's own heatmaps of the labeled frame.
        hop: Largest number of frames that one warp bridges.
        follow: Move the crop along with the pose after each hop.
        relative: Measure the displacement from the label warped onto its own frame.
        refine: Width of the neighborhood in which the net's own heatmap moves a propagated joint, for each frame of
            distance and as a share of the crop's height. 0 turns it off.
        sigma: Standard deviation of the labels' heatmaps in cells.
        learned_from_labels: The net was trained on the labels that it propagates. Its leave-one-out error is then too
            small, and the best error of the priors replaces it if it is larger.
        score_probabilities: With priors, the score of a joint is the probability that its error is small
            (lib.propagation.probability).

    Raises:
        InputError: Options contradict each other, or weights are missing.
    """

    method: str = "warp"
    priors: tuple[str, ...] = ()
    fuse: bool = False
    raft: Path | None = None
    flow_model: str | None = None
    tracker: str | None = None
    from_labels: bool = True
    hop: int = 3
    follow: bool = True
    relative: bool = False
    refine: float = 0.0
    sigma: float = 2.0
    learned_from_labels: bool = False
    score_probabilities: bool = False

    def __post_init__(self) -> None:
        used = self.names
        if unknown := [name for name in used if name not in METHODS]:
            raise InputError(f"{unknown[0]}: unknown method; choose from {', '.join(METHODS)}")
        if others := [name for name in self.priors if not METHODS[name].is_prior]:
            raise InputError(f"--prior {others[0]}: choose from {', '.join(_priors())}")
        if "raft" in used and not self.raft:
            raise InputError("raft needs --raft WEIGHTS, a file of torchvision's raft_large")
        if "flow" in used:
            if not self.flow_model:
                raise InputError("flow needs --flow-model FILE.py:FUNCTION, a model of dense flow")
            check_function(self.flow_model, "--flow-model")
        if "tracker" in used:
            _check_tracker(self.tracker)
        if self.method == "copy" and self.priors:
            raise InputError(
                "--prior uses both sides, and copying from both sides is linear interpolation: use --method linear"
            )
        if self.fuse and (self.priors or self.method == "linear"):
            raise InputError(f"--fuse: {'--prior uses' if self.priors else 'linear uses'} both sides already")
        if len(set(used)) < len(used):
            raise InputError("--prior: a method is named twice")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the method and of the priors."""
        return self.method, *self.priors

    @property
    def needs_net(self) -> bool:
        """True if a net is used."""
        return self.refine > 0 or any(METHODS[name].needs_net for name in self.names)

    @property
    def both_sides(self) -> bool:
        """True if the labels before and after a frame are used, not only the nearer one."""
        return self.fuse or bool(self.priors) or self.method == "linear"

    @property
    def files(self) -> list[tuple[str, Path]]:
        """Files that the methods read, each with its option."""
        options = [("--raft", str(self.raft)), ("--flow-model", self.flow_model), ("--tracker", self.tracker)]
        found = [(option, _file_of(name)) for option, name in options if name]
        return [(option, path) for option, path in found if path.is_file()]

    @property
    def name(self) -> str:
        """Name of the options, used in file names."""
        parts = [*self.names, *(["fused"] if self.fuse else []), *(["refined"] if self.refine else [])]
        return "-".join(parts)


def _check_tracker(tracker: str | None) -> None:
    if not tracker:
        raise InputError("tracker needs --tracker, such as cotracker3:WEIGHTS or FILE.py:FUNCTION")
    name, _, weights = tracker.partition(":")
    if name not in TRACKER_PACKAGES:
        check_function(tracker, "--tracker")
    elif find_spec(TRACKER_PACKAGES[name]) is None:
        raise InputError(
            f"--tracker {tracker}: the package {TRACKER_PACKAGES[name]} is not installed (docs/propagation.md)"
        )
    elif not Path(weights).is_file():
        raise InputError(f"--tracker {tracker}: expected {name}:WEIGHTS with a file of weights (docs/propagation.md)")


def _file_of(name: str) -> Path:
    """Return the file in FILE.py:FUNCTION, NAME:FILE, or FILE."""
    module, _, rest = name.rpartition(":")
    return Path(module if module.endswith(".py") else rest)


def _priors() -> list[str]:
    """Return the names of the methods that can be fused with another one."""
    return [name for name, method in METHODS.items() if method.is_prior]


def add_arguments(
    parser: argparse.ArgumentParser, method: str, priors: Sequence[str] = (), *, others: Mapping[str, str] | None = None
) -> argparse._ArgumentGroup:
    """Add the options that choose methods, and return their group.

    Args:
        parser: Argument parser of a tool.
        method: Method that the tool uses without --method.
        priors: Priors that it uses without --method and --prior.
        others: Further choices of this tool, with descriptions.
    """
    group = parser.add_argument_group("propagation")
    methods = {name: method.description for name, method in METHODS.items()} | dict(others or {})
    listed = "; ".join(f"{name}: {text}" for name, text in methods.items())
    group.add_argument(
        "--method",
        choices=methods,
        help=f"method that carries labels to other frames (default: {method}); {listed}",
    )
    group.add_argument("--fuse", action="store_true", help="combine the labels before and after each frame")
    defaults = f" (default without --method: {', '.join(priors)})" if priors else ""
    group.add_argument(
        "--prior",
        choices=_priors(),
        action="append",
        help=f"use this method too, from both sides, and weight all by their leave-one-out errors{defaults}",
    )
    group.add_argument("--raft", type=Path, metavar="WEIGHTS", help="weights of torchvision's raft_large")
    group.add_argument(
        "--flow-model", metavar="FUNCTION", help="function that returns a model of dense flow, FILE.py:FUNCTION"
    )
    group.add_argument(
        "--tracker",
        metavar="TRACKER",
        help="cotracker3:WEIGHTS or tapnext:WEIGHTS, if installed, or a function that returns a point tracker, "
        "FILE.py:FUNCTION",
    )
    return group


def choose_methods(args: argparse.Namespace, method: str, priors: Sequence[str] = ()) -> PropagationOptions:
    """Return the options that the command line chooses, with default settings.

    Args:
        args: Parsed arguments, including those of `add_arguments`.
        method: Method to use without --method.
        priors: Priors to use without --method and --prior.

    Raises:
        InputError: The methods contradict each other.
    """
    default_priors = priors if args.method is None else ()
    return PropagationOptions(
        method=args.method or method,
        priors=tuple(args.prior or default_priors),
        fuse=args.fuse,
        raft=args.raft,
        flow_model=args.flow_model,
        tracker=args.tracker,
    )
