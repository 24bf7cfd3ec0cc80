"""Illustrate what a PoseWarper learned: curves, heatmaps before and after the warp, a test video with poses drawn.

python tools/illustrate.py --cfg experiments/embedded/demo/posewarper.yaml --out pictures TEST.MODEL_FILE posewarper.pth
"""

import argparse
import copy
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import _init_paths  # noqa: F401
import cv2
import numpy as np
import torch
from yacs.config import CfgNode

from lib.config import add_force, named_files, output_folder, parse_arguments
from lib.core.predictor import Poses, build_predictor
from lib.core.strategies import average, gather, single
from lib.core.trained_model import build_trained_model
from lib.dataset import TestSet, build_data_set, build_image_store, build_skeleton, build_test_set
from lib.dataset.people import Person
from lib.formats.posetrack import KEYPOINT_OF_JOINT
from lib.frames.video_writer import VideoWriter
from lib.models import PoseWarper
from lib.pose.crop import PIXELS_PER_SCALE, crop_matrix, transform_points
from lib.pose.draw import draw_pose
from lib.pose.pixels import normalise
from lib.utils.device import choose_device
from lib.utils.errors import InputError, run
from lib.utils.files import claim_outputs
from lib.utils.logging import log_to_terminal
from lib.visualization.plots import WarpExample, plot_curves, plot_warps

logger = logging.getLogger("illustrate")

SEARCHED, EXAMPLES = 240, 3  # people
MISSED, FOUND = 0.10, 0.03  # distance of a joint from its label, in heights of the crop
MIN_SCORE = 0.2  # of a joint that is drawn
FRAMES_PER_SECOND = 3  # labeled frames of test videos are several frames apart
FILMED = 3  # videos
CURVES, WARP, POSES = "curves.png", "warp.png", "poses.mp4"


def main() -> None:
    """Run the tool."""
    log_to_terminal()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for curves.png, warp.png and poses.mp4")
    add_force(parser)
    cfg, experiment, args = parse_arguments(parser)
    if cfg.TEST.MODE != "aggregate":
        raise InputError(f"TEST.MODE is {cfg.TEST.MODE}; pictures are made of an aggregation: set TEST.MODE aggregate")
    pictures = [("--out", args.out / name) for name in (CURVES, WARP, POSES)]
    claim_outputs(pictures, [("--cfg", args.cfg), *named_files(cfg)])
    folder = output_folder(cfg, experiment)
    device = choose_device(cfg.GPUS, 0)
    net, _ = build_trained_model(cfg, folder, device, args.force)
    assert isinstance(net, PoseWarper)  # TEST.MODE aggregate needs one
    test_set = build_test_set(cfg)

    histories = read_histories({"stage 1": Path(cfg.MODEL.PRETRAINED).parent, "stage 2": folder})
    if histories:
        plot_curves(histories, args.out / CURVES)
    examples = find_examples(cfg, net, device, test_set)
    if examples:
        plot_warps(examples, args.out / WARP)
    else:
        logger.info("no joint that five warped frames find, and one, or five as they are, miss: no picture of the warp")
    film(cfg, net, device, test_set, args.out / POSES)
    logger.info("pictures in %s", args.out)


def read_histories(folders: dict[str, Path]) -> dict[str, list[dict]]:
    """Return the records of the trainings that left any."""
    paths = {name: folder / "history.jsonl" for name, folder in folders.items()}
    return {name: [json.loads(line) for line in path.open()] for name, path in paths.items() if path.exists()}


def estimate(
    cfg: CfgNode, net: PoseWarper, device: torch.device, test_set: TestSet, people: Sequence[Person]
) -> list[Poses]:
    """Estimate poses of people from single frames, from five averaged in place, and from five warped first."""
    clips = copy.copy(test_set.clips)
    clips.people = people
    runs = ((net.pose_net, single), (net, average), (net, gather))
    return [build_predictor(cfg, used, device, strategy=strategy).predict(clips) for used, strategy in runs]


def find_examples(cfg: CfgNode, net: PoseWarper, device: torch.device, test_set: TestSet) -> list[WarpExample]:
    """Return the joints where aggregation improves most on the other methods, each of a different type and video."""
    people = test_set.clips.people[:: max(1, len(test_set.clips) // SEARCHED)]
    heights = np.array([person.scale[1] * PIXELS_PER_SCALE for person in people])[:, None]
    labels = np.stack([person.joints for person in people])
    labeled = np.stack([person.labeled for person in people])
    poses = estimate(cfg, net, device, test_set, people)
    one, unwarped, warped = (np.linalg.norm(found.joints - labels, axis=2) / heights for found in poses)
    missed = np.minimum(one, unwarped)
    gains = zip(*np.nonzero(labeled & (missed > MISSED) & (warped < FOUND)), strict=True)
    names = build_skeleton(cfg).names
    chosen: dict[tuple[int, str], WarpExample] = {}
    for index, joint in sorted(gains, key=lambda at: -missed[at]):
        video, kind = people[index].video, names[joint].rpartition("_")[2]
        if len(chosen) < EXAMPLES and all(video != v and kind != k for v, k in chosen):
            chosen[video, kind] = make_example(cfg, net, device, test_set, people[index], joint)
    return list(chosen.values())


def make_example(
    cfg: CfgNode, net: PoseWarper, device: torch.device, test_set: TestSet, person: Person, joint: int
) -> WarpExample:
    """Return a joint's heatmaps in all frames of a clip, before and after the warp."""
    clips = copy.copy(test_set.clips)
    clips.people = [person]
    frames = clips[0].frames  # (T, H, W, 3)
    with torch.inference_mode():
        before = net.estimate(normalise(frames.to(device))[None])[0]  # (T, J, h, w)
        after = net.warp(before, source=before, target=before[:1].expand_as(before))
    return WarpExample(
        joint=build_skeleton(cfg).names[joint],
        offsets=cfg.TEST.AGGREGATE.OFFSETS,
        weights=net.weights,
        crops=(frames if cfg.DATASET.COLOR_RGB else frames.flip(-1)).numpy(),
        before=before[:, joint].cpu().numpy(),
        after=after[:, joint].cpu().numpy(),
        label=transform_points(
            person.joints[joint],
            crop_matrix(tuple(person.center), tuple(person.scale), 0.0, cfg.MODEL.HEATMAP_SIZE, udp=clips.udp),
        ),
    )


def film(cfg: CfgNode, net: PoseWarper, device: torch.device, test_set: TestSet, path: Path) -> None:
    """Draw poses on labeled frames of the first test videos: from single frames (left) and from five warped (right)."""
    filmed = sorted({person.video for person in test_set.clips.people})[:FILMED]
    people = [person for person in test_set.clips.people if person.video in filmed]
    alone, _, warped = estimate(cfg, net, device, test_set, people)
    skeleton = build_skeleton(cfg)
    learned = np.ones(skeleton.num_joints, dtype=bool)
    if build_data_set(cfg).is_posetrack:  # ears are never labeled in PoseTrack
        learned = np.isin(np.arange(skeleton.num_joints), KEYPOINT_OF_JOINT)

    def draw(image: np.ndarray, poses: Poses, rows: Sequence[int]) -> np.ndarray:
        for row in rows:
            image = draw_pose(image, poses.joints[row], learned & (poses.scores[row] >= MIN_SCORE), skeleton)
        return image

    # Without a labeled person there is no box.
    rows_of: dict[tuple[int, int], list[int]] = {}
    for row, person in enumerate(people):
        rows_of.setdefault((person.video, person.frame), []).append(row)
    store = build_image_store(cfg)
    first_video, first_frame = min(rows_of)
    height, width = store.read(test_set.videos[first_video].frame_names[first_frame]).shape[:2]
    with VideoWriter(path, (2 * width, height), FRAMES_PER_SECOND) as movie:
        for (video, frame), rows in sorted(rows_of.items()):
            image = cv2.resize(store.read(test_set.videos[video].frame_names[frame]), (width, height))
            movie.write(np.hstack([draw(image, poses, rows) for poses in (alone, warped)]))


if __name__ == "__main__":
    run(main)
