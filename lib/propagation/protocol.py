"""Protocol of video pose propagation in the paper: labels of some frames of a run are propagated to all and scored."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn
from yacs.config import CfgNode

from lib.config import named_paths
from lib.core.predictor import build_predictor
from lib.core.run import Run, build_run
from lib.core.strategies import single
from lib.core.trained_model import build_trained_model, build_weights_path
from lib.dataset import (
    LabeledRuns,
    build_clips,
    build_data_set,
    build_labeled_runs,
    build_pseudo_labeled,
    build_skeleton,
)
from lib.dataset.people import Person
from lib.evaluation.posetrack_metrics import check_truth, format_table
from lib.evaluation.posetrack_submission import make_submission
from lib.evaluation.propagation import compare_tracks, score_by_distance
from lib.evaluation.result_files import check_result
from lib.evaluation.scoring import score_videos
from lib.evaluation.submission import Rules, check_predictions
from lib.evaluation.tables import format_rows
from lib.evaluation.tester import build_rules
from lib.formats.posetrack_set import write_videos
from lib.propagation.options import PropagationOptions
from lib.propagation.propagator import build_options, build_propagator
from lib.propagation.targets import (
    PropagatedPoses,
    Target,
    copy_labels,
    distances,
    nearest_targets,
    reachable_ground_truth,
)
from lib.utils.errors import InputError
from lib.utils.files import frame_number, sha256, write_json
from lib.utils.logging import to_log_file

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RunPoses:
    """P poses in all frames of the runs.

    Attributes:
        people: People with the `video` and `frame` of the runs.
        joints: (P, J, 2) x and y in image pixels.
        scores: (P, J) scores of the joints.
        distances: (P,) numbers of frames from the label, or from the nearest labeled frame.
    """

    people: list[Person]
    joints: np.ndarray
    scores: np.ndarray
    distances: np.ndarray

    def sorted(self) -> "RunPoses":
        """Return the poses in the order of videos and frames."""
        order = sorted(range(len(self.people)), key=lambda index: (self.people[index].video, self.people[index].frame))
        people = [self.people[index] for index in order]
        return RunPoses(
            people=people, joints=self.joints[order], scores=self.scores[order], distances=self.distances[order]
        )


def run_protocol(
    cfg: CfgNode, experiment: str, methods: PropagationOptions | None, every: int, *, force: bool = False
) -> None:
    """Propagate labels over the runs of the test videos, write the submission, and score it.

    Args:
        cfg: The experiment.
        experiment: Name of the experiment.
        methods: Methods that carry labels to other frames; None: the pose net's own estimates, as a baseline.
        every: Number of frames from one label to the next.
        force: Accept weights that were trained with other settings.

    Raises:
        InputError: Data or weights are missing or broken, or a file of another origin would be replaced.
    """
    options = build_options(cfg, methods) if methods else None
    pseudo_labels = pseudo_label_name(cfg.TEST.PROPAGATE.PSEUDO_LABELS, cfg.TEST.USE_GT_BBOX)
    method = options.name if options else pseudo_labels
    name = f"{method}-every{every}"
    with build_run(cfg, experiment, f"propagate-{name}") as run:
        predictions = run.folder / "predictions" / f"propagate-{name}"
        path = run.folder / f"result-propagate-{name}.json"
        if run.is_main_process:
            check_predictions(predictions, named_paths(cfg))
            check_result(path, run.config)
        needs_net = options is None or options.needs_net
        weights = {"weights_sha256": sha256(build_weights_path(cfg, run.folder))} if needs_net else {}
        runs = build_protocol_runs(cfg, every)  # before the net: missing files are reported at once
        net, forced = build_trained_model(cfg, run.folder, run.device, force) if needs_net else (None, {})
        if options:
            poses = propagate_runs(cfg, options, run, net, runs)
        else:
            assert net is not None
            poses = estimate_pseudo_labels(cfg, run, net, runs)
        if not run.is_main_process:
            return
        result = {"name": name, "method": method, "every": every} | score_protocol(cfg, runs, poses, predictions)
        write_json(path, result | weights | run.describe(forced), indent=True)
        logger.info("result: %s", path)
        if cfg.TEST.EVALUATE:
            print(format_protocol(result))
            to_log_file(format_protocol(result))


def propagate_runs(
    cfg: CfgNode, options: PropagationOptions, run: Run, net: nn.Module | None, runs: LabeledRuns
) -> RunPoses:
    """Propagate the labels of the runs to all of their frames.

    Args:
        cfg: The experiment.
        options: Methods and their settings.
        run: Device and processes.
        net: The experiment's PoseWarper; None if `options` need no net.
        runs: Runs of frames, some of which keep their labels.
    """
    numbers = _numbers(runs)
    targets = nearest_targets(runs.sources, [(v, number) for v, own in enumerate(numbers) for number in own])
    propagator = build_propagator(cfg, options, runs.frames, net=net, device=run.device, process=run.process)
    poses = propagator.propagate(runs.sources, targets)
    people = [replace(runs.sources[target.person], number=target.number) for target in targets]
    people = [replace(person, frame=numbers[person.video].index(person.number)) for person in people]
    far = distances(runs.sources, targets)
    return RunPoses(people=people, joints=poses.joints, scores=poses.scores, distances=far).sorted()


def estimate_pseudo_labels(cfg: CfgNode, run: Run, net: nn.Module, runs: LabeledRuns) -> RunPoses:
    """Estimate the poses in the runs with the single-frame net, as a baseline without propagation.

    Labeled frames keep their labels unless TEST.PROPAGATE.PSEUDO_LABELS is `all`.

    Args:
        cfg: The experiment.
        run: Device and processes.
        net: The experiment's PoseWarper.
        runs: Runs of frames, some of which keep their labels.

    Raises:
        InputError: The runs contain no people.
    """
    kept = [] if cfg.TEST.PROPAGATE.PSEUDO_LABELS == "all" else runs.sources
    parts = [copy_labels(kept, [Target(index, person.number) for index, person in enumerate(kept)])] if kept else []
    others = build_pseudo_labeled(cfg, runs)
    if others:
        predictor = build_predictor(
            cfg, net.get_submodule("pose_net"), run.device, process=run.process, strategy=single
        )
        poses = predictor.predict(build_clips(cfg, others, runs.frames, [0]))
        parts.append(PropagatedPoses(poses.joints, poses.scores))
    if not parts:
        raise InputError("the runs contain no people to make pseudo-labels for")
    people = [*kept, *others]
    far = [min(abs(person.frame - frame) for frame in runs.labeled[person.video]) for person in people]
    joints, scores = np.concatenate([own.joints for own in parts]), np.concatenate([own.scores for own in parts])
    return RunPoses(people=people, joints=joints, scores=scores, distances=np.array(far)).sorted()


def pseudo_label_name(frames: str, ground_truth_boxes: bool) -> str:
    """Return the name of results of pseudo-labels.

    Args:
        frames: Value of TEST.PROPAGATE.PSEUDO_LABELS.
        ground_truth_boxes: Value of TEST.USE_GT_BBOX.
    """
    parts = ["single", *(["all"] if frames == "all" else []), *([] if ground_truth_boxes else ["detected"])]
    return "-".join(parts)


def build_protocol_runs(cfg: CfgNode, every: int) -> LabeledRuns:
    """Return the runs to propagate labels over, after checking that they can be scored.

    Args:
        cfg: The experiment.
        every: Number of frames from one label to the next.

    Raises:
        InputError: Annotations or frames are missing or broken, or the ground truth cannot be scored.
    """
    runs = build_labeled_runs(cfg, every)
    if cfg.TEST.TRACKING:
        logger.warning("TEST.TRACKING has no effect here: tools/test.py tracks people, and tools/propagate.py does not")
    if cfg.TEST.EVALUATE:
        check_truth(runs.videos)
    return runs


def score_protocol(cfg: CfgNode, runs: LabeledRuns, poses: RunPoses, folder: Path) -> dict[str, Any]:
    """Write the submission of the runs, and score it if TEST.EVALUATE is True.

    Args:
        cfg: The experiment.
        runs: The runs.
        poses: Poses in all frames of the runs.
        folder: Folder of the predictions.

    Returns:
        `people` and, if the submission is scored, `table`, `score`, `ap_by_distance`, `tracks_by_distance`, and
        `tracks_by_joint`.
    """
    rules: Rules = build_rules(cfg)
    videos = make_submission(runs.videos, poses.people, poses.joints, poses.scores, rules)
    write_videos(folder / runs.split, videos, build_data_set(cfg).format)
    result: dict[str, Any] = {"people": len(poses.people)}
    if not cfg.TEST.EVALUATE:
        return result
    targets = nearest_targets(runs.sources, [(v, number) for v, own in enumerate(_numbers(runs)) for number in own])
    truth = reachable_ground_truth(runs.people, runs.sources, targets)
    result |= score_videos(runs.videos, videos)
    result["ap_by_distance"] = score_by_distance(runs.videos, videos, runs.labeled)
    return result | compare_tracks(poses.people, poses.joints, poses.distances, truth, build_skeleton(cfg).names)


def format_protocol(result: dict[str, Any]) -> str:
    """Return the tables of a scored result as text.

    Args:
        result: Result of `score_protocol`.
    """
    return f"{format_table(result)}\n\n{format_distances(result)}"


def format_distances(result: dict[str, Any]) -> str:
    """Return a table with a row for each distance from a label as text; empty if there is no distance.

    Args:
        result: Result with `tracks_by_distance`, and optionally `ap_by_distance`.
    """
    ap, tracks, rows = result.get("ap_by_distance") or {}, result["tracks_by_distance"], {}
    for distance in sorted({*ap, *tracks}, key=lambda name: (name == "1+", int(name.rstrip("+")))):
        row = tracks.get(distance, {})
        scores = {"AP": ap.get(distance, float("nan"))} if ap else {}
        rows[distance] = scores | {
            "PCK .05": row.get("pck", float("nan")),
            "pixels": row.get("pixels", float("nan")),
        }
    return format_rows(rows) if rows else ""


def _numbers(runs: LabeledRuns) -> list[list[int]]:
    """Return the numbers of the frames of each run."""
    return [[_number(frame) for frame in video.frame_names] for video in runs.videos]


def _number(frame: str) -> int:
    number = frame_number(frame)
    assert number is not None  # annotations with other file names are refused when they are read
    return number
