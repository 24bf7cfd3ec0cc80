"""Training on the labeled frames of a video, and propagation of their labels to all other frames."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from lib.config import output_folder
from lib.config.run_folder import CHECKPOINT, FINAL_WEIGHTS
from lib.core.run import build_run
from lib.core.trained_model import build_trained_model
from lib.evaluation.trained_run import train_experiment
from lib.formats.coco import keep_labels, labeled_images
from lib.formats.posetrack18 import keypoint_category
from lib.formats.posetrack_set import read_videos
from lib.frames.store import ImageStore
from lib.frames.unpack import unpack
from lib.frames.video import FrameFolder
from lib.labeling.options import STAGES, Configure, LabelingOptions
from lib.labeling.recipe import box_sizes, crop_size, repetitions, spaced
from lib.labeling.time_estimate import estimate_propagation_seconds, estimate_training_seconds
from lib.labeling.video_labels import match_frames, read_person_labels
from lib.propagation.dense_labels import complete_frames, propagate_dense
from lib.propagation.propagator import build_options
from lib.propagation.protocol import format_distances
from lib.utils.device import choose_device
from lib.utils.errors import InputError
from lib.utils.files import frame_number, read_json, remove_folder, write_json
from lib.utils.progress import Stages, format_minutes


@dataclass(frozen=True)
class _Stage:
    """A stage of training."""

    name: str
    cfg: CfgNode

    @property
    def weights(self) -> Path:
        """Path to the final weights."""
        return output_folder(self.cfg, self.name) / FINAL_WEIGHTS

    def train(self, stages: Stages, title: str) -> None:
        """Train the stage, unless an earlier run did."""
        stages.begin(title, self.weights if self.weights.exists() else None)
        if not self.weights.exists():
            train_experiment(self.cfg, self.name)


def label_video(options: LabelingOptions, configure: Configure) -> dict[str, Any]:
    """Train both stages on the labeled frames of a video, and propagate their labels to the other frames.

    Call the function again to resume an interrupted run. After a correction of labels, the nets stay unchanged, and a
    corrected label invalidates only its neighbors.

    Args:
        options: Options of the run.
        configure: Returns the configuration of a stage.

    Returns:
        COCO-style labels of all frames.

    Raises:
        InputError: Labels or frames cannot be used, or options contradict each other.
    """
    given = read_person_labels(options.labels, options.video)
    frames, damaged = _open_frames(options, configure(STAGES[1], (), ()).DATASET.EXIF_ORIENTATION)
    content = match_frames(given, options.labels, frames, options.video, damaged)
    kept = _kept_labels(options, content, set(frames.numbers))
    nets, keys = _prepare_nets(options, configure, kept, frames.path.absolute())
    write_json(nets / "labels.json", kept)
    write_json(nets / "truth.json", content)
    places = ["DATASET.TRAIN_ANNOTATIONS", str(nets / "labels.json"), "AUTO_RESUME", True]
    places += ["OUTPUT_DIR", str(nets), "LOG_DIR", str(nets / "log")]
    first = _Stage(STAGES[0], configure(STAGES[0], keys, [*places, "EXPERIMENT_NAME", STAGES[0]]))
    places += ["MODEL.PRETRAINED", str(first.weights), "EXPERIMENT_NAME", STAGES[1]]
    second = _Stage(STAGES[1], configure(STAGES[1], keys, places))
    hidden = ["DATASET.TEST_ANNOTATIONS", str(nets / "truth.json")] if options.every else []
    propagated = configure(STAGES[1], keys, [*places, *hidden])
    methods = build_options(propagated, options.method, options.priors, options.fuse, options.raft)
    labeled = len(labeled_images(kept))
    print(f"{len(kept['annotations'])} labeled poses in {labeled} of {len(frames.numbers)} frames")
    stages = Stages(3 if methods.needs_net else 1)
    if methods.needs_net:
        tracks = {person.get("track_id") for person in kept["annotations"]}
        seconds = _estimate_seconds(
            [first, second], len(kept["annotations"]), len(tracks) * (len(frames.numbers) - labeled)
        )
        print(f"Time on this machine: about {format_minutes(seconds)}.")
        first.train(stages, "Train the pose net on the labeled frames.")
        second.train(stages, "Train the warping head on pairs of a labeled frame and one near it.")
    stages.begin("Propagate the labels.")
    with build_run(propagated, STAGES[1], f"propagate-{methods.name}") as run:
        net, _ = build_trained_model(propagated, run.folder, run.device) if methods.needs_net else (None, {})
        dense = propagate_dense(propagated, methods, run, net, options.fill)
        if dense.errors:
            result = dense.errors | dense.content["info"]
            write_json(run.folder / f"result-propagate-{methods.name}.json", result, indent=True)
            if dense.errors["tracks_by_distance"]:
                print(format_distances(dense.errors))
    print(f"{len(kept['annotations'])} labeled and {dense.num_propagated} propagated poses")
    return dense.content


def _estimate_seconds(stages: Sequence[_Stage], num_labeled: int, num_poses: int) -> float:
    """Return the estimated duration of the stages that are left, and of the propagation with the net of the last one.

    Args:
        stages: Stages of training.
        num_labeled: Number of labeled poses.
        num_poses: Number of poses to propagate.
    """
    cfg = stages[-1].cfg
    device = choose_device(cfg.GPUS)
    left = [stage.cfg for stage in stages if not stage.weights.exists()]
    training = sum(estimate_training_seconds(cfg, num_labeled * cfg.DATASET.REPEAT, device) for cfg in left)
    return training + estimate_propagation_seconds(cfg, num_poses, device)


def _open_frames(options: LabelingOptions, oriented: bool) -> tuple[FrameFolder, list[int]]:
    """Return the frames of the video, and the numbers of damaged frames; a video file is unpacked first."""
    if options.video.is_dir():
        return FrameFolder(ImageStore(options.video, oriented=oriented), "."), []
    folder = options.work / "frames"
    if damaged := unpack(options.video, folder).damaged:
        print(f"{options.video}: {len(damaged)} damaged frames, the first of which is {damaged[0]}, get no labels.")
    return FrameFolder(ImageStore(folder), "."), damaged


def _kept_labels(options: LabelingOptions, content: dict[str, Any], numbers: set[int]) -> dict[str, Any]:
    """Return the labels to learn from: all of them, or those that --every does not hide."""
    labeled = labeled_images(content)
    files = [image["file_name"] for image in content["images"] if image["id"] in labeled]
    names = {number: name for name in files if (number := frame_number(name)) is not None}
    kept = spaced(list(names), options.every) if options.every else list(names)
    if options.every and len(kept) == len(names):
        raise InputError(f"--every {options.every} hides no label, so there is nothing to measure")
    complete = complete_frames(content) & set(kept)
    if not numbers - complete and not options.fill:
        raise InputError(
            f"{options.labels}: every frame of {options.video} is labeled; there is nothing to propagate to"
        )
    return keep_labels(content, [names[number] for number in kept])


def _prepare_nets(
    options: LabelingOptions, configure: Configure, labels: dict[str, Any], frames: Path
) -> tuple[Path, list[Any]]:
    """Return the folder of the nets trained on these labels or earlier ones, and the keys of their stages.

    The size of crops and the length of epochs depend on the labels that the nets learn from.
    """
    names = keypoint_category(labels)["keypoints"]
    given = ["DATASET.ROOT", str(frames), "MODEL.NUM_JOINTS", len(names)]
    cfgs = [configure(stage, given, ()) for stage in STAGES]
    taught = [{section: dict(cfg[section]) for section in ("MODEL", "DATASET", "TRAIN", "LOSS")} for cfg in cfgs]
    digest = hashlib.sha256(json.dumps(labels).encode()).hexdigest()
    identity = [names, taught, cfgs[0].SEED, digest if options.every else None]
    nets = options.work / hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:8]
    recipe = nets / "recipe.json"
    if recipe.exists() and read_json(recipe)["labels"] != digest:
        places = [nets / cfg.DATASET.DATASET / cfg.MODEL.NAME / stage for cfg, stage in zip(cfgs, STAGES, strict=True)]
        if (places[1] / FINAL_WEIGHTS).exists() and not options.relearn:
            print("The nets are kept, although they were trained on other labels; --relearn trains them on these.")
        elif any((place / CHECKPOINT).exists() for place in places):
            remove_folder(nets)
        else:
            recipe.unlink()  # no training has used it
    if not recipe.exists():
        path = nets / "labels.json"
        write_json(path, labels)
        boxes = box_sizes(read_videos(path, names))
        if not len(boxes):
            raise InputError(f"{options.labels}: no labeled joint")
        keys = {"MODEL.IMAGE_SIZE": crop_size(boxes), "DATASET.REPEAT": repetitions(len(boxes))}
        write_json(recipe, {"labels": digest, "keys": keys})
    chosen = [part for pair in read_json(recipe)["keys"].items() for part in pair]
    return nets, [*given, *chosen]
