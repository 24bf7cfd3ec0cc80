"""Propagate the labels of some frames to the frames around them: of a data set, or of a video of one's own.

python tools/propagate.py --cfg experiments/posetrack/hrnet/…_video_pose_propagation.yaml
python tools/propagate.py --cfg experiments/posetrack/hrnet/…_data_augmentation.yaml
python tools/propagate.py --video clip.mp4 --labels labels.json --out dense.json --review review.html

The first takes the test videos' longest annotated runs, keeps the labels of every 7th frame, and scores those that are
propagated to the others. The second (TEST.PROPAGATE.SAVE) makes more labels to train on of the sparse training set's.
The third learns from the labels of one video and gives all its frames labels; --every K hides labels, to measure.
"""

import argparse
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import _init_paths  # noqa: F401 (first: makes lib importable)
import numpy as np
from _own_images import label_from_images
from _own_video import RECIPE, label_video
from _propagating import (
    Machine,
    add_arguments,
    complete_arguments,
    describe_method,
    needs_net,
    takes_both_sides,
)
from _testing import add_force, build_rules, check_predictions, choose_strategy, load_net
from yacs.config import CfgNode

from lib.config import named_files, parse_arguments
from lib.core.strategies import single
from lib.dataset import (
    CUSTOM,
    LabeledRuns,
    build_labeled_runs,
    build_pseudo_labeled,
    build_skeleton,
    build_sparse_labels,
    build_truth,
    has_videos,
)
from lib.dataset.people import Person
from lib.dataset.propagated_labels import (
    PROPAGATED_BY,
    REACH,
    Propagated,
    augmented_content,
    frames_around,
)
from lib.dataset.runs import LABELED_EVERY
from lib.evaluation.posetrack import check_truth, evaluate_videos, format_table
from lib.evaluation.propagation import compare_tracks, score_by_distance
from lib.evaluation.submission import make_submission
from lib.evaluation.tables import format_rows
from lib.formats.coco import AddedPose, add_poses, labeled_images, read_labels
from lib.formats.posetrack_set import write_videos
from lib.propagation.fusion import joint_sources
from lib.propagation.targets import (
    PropagatedPoses,
    Target,
    around,
    copy_labels,
    distances,
    missing,
    nearest,
    reachable_ground_truth,
)
from lib.utils.device import choose_device, make_reproducible
from lib.utils.distributed import local_rank, processes
from lib.utils.errors import InputError, run
from lib.utils.files import claim_outputs, frame_number, refuse_inputs, write_json
from lib.utils.logging import log_to_file, log_to_terminal, to_log_file
from lib.utils.provenance import log_header

logger = logging.getLogger("propagate")


def main() -> None:
    log_to_terminal(local_rank())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser)
    add_force(parser)
    parser.add_argument("--every", type=int, help=f"frames from label to label ({LABELED_EVERY}; --video: all labels)")
    parser.add_argument("--out", type=Path, help="of TEST.PROPAGATE.SAVE, --video and COCO-style files: what to write")
    parser.add_argument(
        "--merge",
        choices=("frames", "fill"),
        help="of --video and COCO-style files: propagate to frames without any label (frames), "
        "or also people and joints that other labelled frames lack (fill)",
    )
    own = parser.add_argument_group("a video of one's own, without --cfg (docs/own_video.md)")
    own.add_argument("--video", type=Path, help="video file, or folder of numbered frames")
    own.add_argument("--labels", type=Path, help="labels of some of its frames (docs/labels.md)")
    own.add_argument("--review", type=Path, help="page to look the labels over and correct them, an .html file")
    own.add_argument("--draw", type=Path, help="film of the labels on the video, an .mp4 file")
    own.add_argument("--recipe", type=Path, help=f"folder of single.yaml and posewarper.yaml ({RECIPE})")
    own.add_argument("--relearn", action="store_true", help="let the nets learn from labels that are new or corrected")
    own.add_argument(
        "--images",
        type=Path,
        help="folder of the labels' images, which are no frames of the video: a net learns from them to estimate these",
    )
    if any(argument.partition("=")[0] == "--video" for argument in sys.argv[1:]):
        args = _own_video_arguments(parser)
        if args.images:
            label_from_images(args)
        else:
            label_video(args)
        return
    cfg, experiment, args = parse_arguments(parser)
    if cfg.TEST.MODE != "propagate":
        raise InputError(f"TEST.MODE is {cfg.TEST.MODE}: this experiment propagates nothing; see tools/test.py")
    if not has_videos(cfg.DATASET.DATASET):
        raise InputError(f"DATASET.DATASET {cfg.DATASET.DATASET}: its images are of no video: nothing to propagate to")
    complete_arguments(args, "warp")
    own_file, saves = cfg.DATASET.DATASET == CUSTOM, cfg.TEST.PROPAGATE.SAVE
    if args.method == "single" and (saves or own_file):
        raise InputError("--method single estimates each frame alone: there is nothing to save")
    if args.labels:
        raise InputError("--labels is of --video; with --cfg DATASET.TRAIN_ANNOTATIONS names them")
    for option in ("review", "draw", "recipe", "relearn", "images"):
        if getattr(args, option):
            raise InputError(f"--{option} is of --video, which is not given")
    if args.out and not saves and not own_file:
        raise InputError("--out names a file of training labels: it needs TEST.PROPAGATE.SAVE True")
    if args.merge and not own_file:
        raise InputError("--merge is of --video and COCO-style files: PoseTrack's frames are labelled whole")
    if own_file and not args.out:
        raise InputError("DATASET.DATASET is custom: --out has to name the file to write")
    if args.every is not None and (args.every < 1 or saves or own_file):
        raise InputError(f"--every {args.every}: it has to be 1 or more, and is of tests on PoseTrack alone")
    if args.out and args.out.suffix != ".json":
        raise InputError(f"--out {args.out}: it has to name a .json file")
    claim_outputs([("--out", args.out)], [("--cfg", args.cfg), ("--raft", args.raft), *named_files(cfg)])
    folder = Path(cfg.OUTPUT_DIR, cfg.DATASET.DATASET, cfg.MODEL.NAME, experiment)
    device = choose_device(cfg.GPUS, local_rank())
    name = f"propagate-{describe_method(args, cfg)}" + ("" if own_file else f"-every{args.every or LABELED_EVERY}")
    with processes(device) as process:
        if process[0] == 0:
            logger.info("%s", log_to_file(folder, experiment, name, header=log_header(cfg.dump())))
        make_reproducible(
            cfg.SEED, cfg.CUDNN.BENCHMARK, cfg.CUDNN.DETERMINISTIC, cfg.CUDNN.ENABLED, cfg.CUDNN.ALLOW_TF32
        )
        net, forced = load_net(cfg, folder, device, args.force) if needs_net(args, cfg) else (None, {})
        machine = Machine(cfg, net, device, process, forced)
        if own_file:
            fill(args, machine, folder, name)
        elif saves:
            augment(args, machine)
        else:
            score(args, machine, folder, name)


def _own_video_arguments(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The command line with --video."""
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE", help="keys of the recipe to change")
    args = parser.parse_intermixed_args()
    if args.labels is None or args.out is None:
        raise InputError("--video needs --labels, a file to read, and --out, the file to write")
    if args.every is not None and args.every < 1:
        raise InputError(f"--every {args.every}: it has to be 1 or more")
    if args.method == "single":
        raise InputError("--method single propagates no label")
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise InputError("--video starts its own processes: run it without torchrun")
    if args.force:
        raise InputError("--force is of --cfg: the nets of --video learn with the settings that they are used with")
    if args.images and (args.every or args.merge or args.method or args.prior or args.fuse or args.relearn):
        raise InputError("--images: nothing is propagated, and --every, --merge, --method and their like say nothing")
    complete_arguments(args, "warp", "dis", "lucas_kanade", "linear")
    args.recipe = args.recipe or RECIPE
    return args


def score(args: argparse.Namespace, machine: Machine, folder: Path, name: str) -> None:
    """Propagate labels over the test videos' runs, write the submission, score it."""
    cfg = machine.cfg
    if machine.is_first:
        check_predictions(cfg, folder / "predictions" / name)
    runs = build_labeled_runs(cfg, args.every or LABELED_EVERY)
    if cfg.TEST.EVALUATE:
        check_truth(runs.videos)
    numbers = [[frame_number(frame) for frame in video.frame_names] for video in runs.videos]
    targets = nearest(runs.sources, [(v, number) for v, own in enumerate(numbers) for number in own])
    truth = reachable_ground_truth(runs.people, runs.sources, targets)
    if args.method == "single":
        people, points, scores, far = _estimate(machine, runs)
    else:
        points, scores, _ = machine.target(args, runs.frames, runs.sources, targets)
        far = distances(runs.sources, targets)
        people = [replace(runs.sources[target.person], number=target.number) for target in targets]
        people = [replace(person, frame=numbers[person.video].index(person.number)) for person in people]
    if not machine.is_first:
        return
    order = sorted(range(len(people)), key=lambda index: (people[index].video, people[index].frame))
    people, points, scores, far = [people[index] for index in order], points[order], scores[order], far[order]
    videos = make_submission(runs.videos, people, points, scores, build_rules(cfg))
    write_videos(folder / "predictions" / name / runs.split, videos, cfg.DATASET.DATASET)
    result = {
        "name": name.removeprefix("propagate-"),
        "method": describe_method(args, cfg),
        "every": args.every or LABELED_EVERY,
        "people": len(people),
    }
    if cfg.TEST.EVALUATE:
        result |= evaluate_videos(zip(runs.videos, videos, strict=True))
        result["score"] = result["table"]["Mean"]
        result["ap_by_distance"] = score_by_distance(runs.videos, videos, runs.labeled)
        result |= compare_tracks(people, points, far, truth, build_skeleton(cfg).names)
        table = f"{format_table(result)}\n\n{_format_distances(result)}"
    result |= machine.describe()
    write_json(folder / f"result-{name}.json", result, indent=True)
    logger.info("result: %s", folder / f"result-{name}.json")
    if cfg.TEST.EVALUATE:
        print(table)
        to_log_file(table)


def _estimate(machine: Machine, runs: LabeledRuns) -> tuple[list[Person], np.ndarray, np.ndarray, np.ndarray]:
    """The single-frame net's estimates; labelled frames keep their labels, unless TEST.PROPAGATE.PSEUDO_LABELS is all.

    Returns:
        people, points (P, J, 2), scores (P, J), frames from a label (P,).
    """
    kept = [] if machine.cfg.TEST.PROPAGATE.PSEUDO_LABELS == "all" else runs.sources
    parts = [copy_labels(kept, [Target(index, person.number) for index, person in enumerate(kept)])] if kept else []
    others = build_pseudo_labeled(machine.cfg, runs)
    if others:
        poses = machine.infer(machine.net.pose_net, runs.frames, choose_strategy(machine.cfg, single))(others, [0])
        parts.append(PropagatedPoses(poses.points, poses.peaks))
    if not parts:
        raise InputError("there are no people in the runs to estimate pseudo-labels of")
    people = [*kept, *others]
    far = [min(abs(person.frame - frame) for frame in runs.labeled[person.video]) for person in people]
    points, scores = np.concatenate([own.points for own in parts]), np.concatenate([own.scores for own in parts])
    return people, points, scores, np.array(far)


def _format_distances(result: dict[str, Any]) -> str:
    """A row per distance from a label, of what was measured there; empty if nothing was."""
    ap, tracks, rows = result.get("ap_by_distance") or {}, result["tracks_by_distance"], {}
    for distance in sorted({*ap, *tracks}, key=lambda name: (name == "1+", int(name.rstrip("+")))):
        row = tracks.get(distance, {})
        scores = {"AP": ap.get(distance, float("nan"))} if ap else {}
        rows[distance] = scores | {
            "PCK .05": row.get("pck", float("nan")),
            "pixels": row.get("pixels", float("nan")),
        }
    return format_rows(rows) if rows else ""


def augment(args: argparse.Namespace, machine: Machine) -> None:
    """Propagate the labels of the sparse training set to the frames around them, and write both as training labels."""
    cfg = machine.cfg
    labels = build_sparse_labels(cfg)
    path = args.out or labels.path.parent / _file_name(cfg)
    refuse_inputs([("--out", path)], [("the labels", labels.path)])
    if not args.out and machine.is_first:
        claim_outputs([("--out", path)])
    targets = nearest(labels.people, frames_around(labels.people, labels.frames))
    if not targets:
        raise InputError(f"{labels.path}: no frame is there within {REACH} of a labelled one")
    points, scores, _ = machine.target(args, labels.frames, labels.people, targets)
    if not machine.is_first:
        return
    people = [replace(labels.people[target.person], number=target.number) for target in targets]
    info = {
        "description": "PoseTrack: sparse and propagated labels",
        "annotations": str(labels.path),
        "num_videos": cfg.DATASET.NUM_LABELED_VIDEOS,
        "num_frames": cfg.DATASET.NUM_LABELED_FRAMES_PER_VIDEO,
        "seed": cfg.SEED,
        PROPAGATED_BY: describe_method(args, cfg),
        **machine.describe(),
    }
    propagated = Propagated(people, points, scores)
    content = augmented_content(labels.videos, labels.people, propagated, labels.frames, info)
    write_json(path, content)
    frames = len(content["images"])
    print(f"{path}: {frames} frames, {len(content['annotations'])} people, {len(people)} of them propagated")


def fill(args: argparse.Namespace, machine: Machine, folder: Path, name: str) -> None:
    """Propagate the labels of a COCO-style file to all frames of its video that have none, and write both."""
    cfg = machine.cfg
    labels = build_sparse_labels(cfg)
    content = read_labels(labels.path)
    numbers = {video: frames.numbers for video, frames in labels.frames.items()}
    if args.merge == "fill":
        targets = missing(labels.people, numbers)
    else:
        labeled = labeled_images(content)
        known = {frame_number(image["file_name"]) for image in content["images"] if image["id"] in labeled}
        targets = around(
            labels.people, ((v, number) for v, own in numbers.items() for number in own if number not in known)
        )
    if not targets:
        raise InputError(f"{labels.path}: every frame is labelled")
    poses = machine.propagate_cached(args, labels.frames, labels.people, targets, folder)
    if not machine.is_first:
        return
    skeleton, poses = build_skeleton(cfg), []
    sources = joint_sources(labels.people, targets, takes_both_sides(args))
    disagreement = np.full(poses.scores.shape, np.nan) if poses.disagreement is None else poses.disagreement
    for row, target in enumerate(targets):
        person = labels.people[target.person]
        frames = labels.frames[person.video]
        names = frames.name(target.number), frames.name(person.number)
        own = poses.points[row], poses.scores[row], skeleton.names, sources[row], disagreement[row]
        poses.append(AddedPose(*names, person.track, *own))
    info = {PROPAGATED_BY: describe_method(args, cfg), **machine.describe()}
    write_json(args.out, add_poses(content, poses, info))
    if cfg.DATASET.TEST_ANNOTATIONS:
        truth = reachable_ground_truth(build_truth(cfg), labels.people, targets)
        ends = [replace(labels.people[target.person], number=target.number) for target in targets]
        result = compare_tracks(ends, poses.points, distances(labels.people, targets), truth, skeleton.names) | info
        write_json(folder / f"result-{name}.json", result, indent=True)
        if result["tracks_by_distance"]:
            print(_format_distances(result))
    print(f"{args.out}: {len(content['annotations'])} labelled and {len(poses)} propagated poses")


def _file_name(cfg: CfgNode) -> str:
    """What the first code calls the file of a sparse set's real and propagated labels."""
    frames, videos = cfg.DATASET.NUM_LABELED_FRAMES_PER_VIDEO, cfg.DATASET.NUM_LABELED_VIDEOS
    some_videos = f"_V{videos}_videos" if videos >= 0 else ""
    return f"posetrack_train{f'_N{frames}_per_video{some_videos}' if frames >= 0 else ''}_wPseudoGT.json"


if __name__ == "__main__":
    run(main)
