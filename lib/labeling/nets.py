"""The nets of a run: what they are trained on, where they are, and their training."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from yacs.config import CfgNode

from lib.config import output_folder
from lib.config.run_folder import CHECKPOINT, FINAL_WEIGHTS
from lib.evaluation.trained_run import train_experiment
from lib.formats.posetrack18 import keypoint_category
from lib.formats.posetrack_set import read_videos
from lib.labeling.label_checks import mirroring_keys
from lib.labeling.options import STAGES, Configure
from lib.labeling.recipe import box_sizes, crop_size, repetitions
from lib.labeling.time_estimate import MEASURING, estimate_propagation_seconds, estimate_training_seconds
from lib.utils.device import choose_device
from lib.utils.errors import InputError
from lib.utils.files import read_json, remove_folder, write_json
from lib.utils.progress import RunProgress

TITLES = (
    "Train the pose net on the labeled frames.",
    "Train the warping head on pairs of a labeled frame and a nearby frame.",
)


@dataclass(frozen=True, kw_only=True)
class TrainingLabels:
    """Labels of a video that nets are trained on.

    Attributes:
        name: Name of the video, unique in the run.
        labels: Content of a COCO-style file.
        frames: Absolute path to the folder of its frames.
        source: File that a person wrote, for messages.
        is_pairs: The images are frames of a video, so the warping head is trained on them too.
    """

    name: str
    labels: dict[str, Any]
    frames: Path
    source: Path
    is_pairs: bool = True


@dataclass(frozen=True)
class TrainingStage:
    """A stage of training."""

    name: str
    cfg: CfgNode

    @property
    def weights(self) -> Path:
        """Path to the final weights."""
        return output_folder(self.cfg, self.name) / FINAL_WEIGHTS

    def train(self, progress: RunProgress, title: str) -> None:
        """Train the stage, unless an earlier run did."""
        progress.begin(title, self.weights if self.weights.exists() else None)
        if not self.weights.exists():
            train_experiment(self.cfg, self.name)


@dataclass(frozen=True, kw_only=True)
class Nets:
    """The nets of a run, trained or not.

    Attributes:
        folder: Folder of the nets, the labels and the recipe.
        configure: Returns the configuration of a stage.
        keys: Keys and values that all stages share.
        stages: Training of the pose net, and of the warping head.
    """

    folder: Path
    configure: Configure
    keys: Sequence[Any]
    stages: tuple[TrainingStage, TrainingStage]

    def configure_video(self, video: TrainingLabels, more: Sequence[Any] = ()) -> CfgNode:
        """Return the configuration in which the second stage propagates the labels of a video.

        Args:
            video: Labels of the video.
            more: Further keys and values.
        """
        labels = str(self.path("labels", video))
        data = ["DATASET.ROOT", str(video.frames), "DATASET.TRAIN_ANNOTATIONS", labels]
        weights = ["MODEL.PRETRAINED", str(self.stages[0].weights)]
        return self.configure(STAGES[1], self.keys, [*run_keys(self.folder, STAGES[1]), *data, *weights, *more])

    def path(self, kind: str, video: TrainingLabels) -> Path:
        """Return the file that keeps something of a video.

        Args:
            kind: What the file holds, such as "labels".
            video: Labels of the video.
        """
        return _path(self.folder, kind, video)

    def train(self, progress: RunProgress) -> None:
        """Train the stages that earlier runs did not.

        Args:
            progress: Progress of the run, of which these are the next stages.
        """
        for stage, title in zip(self.stages, TITLES, strict=True):
            stage.train(progress, title)

    def estimate_seconds(self, num_labeled: int, num_poses: int) -> list[float]:
        """Measure and return the estimated duration of each stage, 0 if it is done, and of the propagation.

        Args:
            num_labeled: Number of labeled poses.
            num_poses: Number of poses to propagate.
        """
        print(MEASURING, flush=True)
        cfg = self.stages[1].cfg
        device = choose_device(cfg.GPUS)
        clips = num_labeled * cfg.DATASET.REPEAT
        training = [
            0.0 if stage.weights.exists() else estimate_training_seconds(stage.cfg, clips, device)
            for stage in self.stages
        ]
        return [*training, estimate_propagation_seconds(cfg, num_poses, device)]


def prepare_nets(
    work: Path, configure: Configure, videos: Sequence[TrainingLabels], root: Path, *, measured: bool, relearn: bool
) -> Nets:
    """Return the nets trained on these labels or on earlier ones, and write the labels beside them.

    The size of crops and the length of epochs depend on the labels that the nets are trained on.

    Args:
        work: Folder of all nets of the run.
        configure: Returns the configuration of a stage.
        videos: Labels of the videos, with the same joints.
        root: Folder that identifies the videos; nets of another folder are not reused.
        measured: Labels are hidden to measure errors, so nets that were trained on other labels are not kept.
        relearn: Train the nets again if the labels changed.

    Raises:
        InputError: No joint is labeled.
    """
    names = keypoint_category(videos[0].labels)["keypoints"]
    shared = ["MODEL.NUM_JOINTS", len(names), *mirroring_keys(names)]
    given = ["DATASET.ROOT", str(root), *shared]
    cfgs = [configure(stage, given) for stage in STAGES]
    trained_with = [{section: dict(cfg[section]) for section in ("MODEL", "DATASET", "TRAIN", "LOSS")} for cfg in cfgs]
    contents = [video.labels for video in videos]
    digest = hashlib.sha256(json.dumps(contents[0] if len(contents) == 1 else contents).encode()).hexdigest()
    identity = [names, trained_with, cfgs[0].SEED, digest if measured else None]
    nets = work / hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:8]
    recipe = nets / "recipe.json"
    if recipe.exists() and read_json(recipe)["labels"] != digest:
        folders = [nets / cfg.DATASET.DATASET / cfg.MODEL.NAME / stage for cfg, stage in zip(cfgs, STAGES, strict=True)]
        if (folders[1] / FINAL_WEIGHTS).exists() and not relearn:
            print("Keeping the existing nets, which were trained on different labels; use --relearn to retrain them.")
        elif any((folder / CHECKPOINT).exists() for folder in folders):
            remove_folder(nets)
        else:
            recipe.unlink()  # no training has used it
    for video in videos:
        write_json(_path(nets, "labels", video), video.labels)
    if not recipe.exists():
        boxes = box_sizes([one for video in videos for one in read_videos(_path(nets, "labels", video), names)])
        if not len(boxes):
            raise InputError(f"{videos[0].source}: no labeled joint")
        sizes = {"MODEL.IMAGE_SIZE": crop_size(boxes), "DATASET.REPEAT": repetitions(len(boxes))}
        write_json(recipe, {"labels": digest, "keys": sizes})
    keys = [*shared, *(part for pair in read_json(recipe)["keys"].items() for part in pair)]
    return Nets(folder=nets, configure=configure, keys=keys, stages=_stages(nets, configure, keys, videos))


def _stages(
    nets: Path, configure: Configure, keys: Sequence[Any], videos: Sequence[TrainingLabels]
) -> tuple[TrainingStage, TrainingStage]:
    """Return the stages: the pose net is trained on all labels, the warping head on those in videos."""
    pairs = [video for video in videos if video.is_pairs]
    first = TrainingStage(
        STAGES[0], configure(STAGES[0], keys, [*run_keys(nets, STAGES[0]), *_data_keys(nets, videos)])
    )
    fixed = [*run_keys(nets, STAGES[1]), *_data_keys(nets, pairs), "MODEL.PRETRAINED", str(first.weights)]
    return first, TrainingStage(STAGES[1], configure(STAGES[1], keys, fixed))


def run_keys(folder: Path, stage: str) -> list[Any]:
    """Return the keys and values of a run that is resumed by the same command.

    Args:
        folder: Folder of the results.
        stage: Name of the stage.
    """
    return ["OUTPUT_DIR", str(folder), "LOG_DIR", str(folder / "log"), "AUTO_RESUME", True, "EXPERIMENT_NAME", stage]


def _data_keys(nets: Path, videos: Sequence[TrainingLabels]) -> list[Any]:
    """Return the keys of the data sets: that of the first video, and those of the others."""
    sets: list[dict[str, str]] = [
        {"ROOT": str(video.frames), "TRAIN_ANNOTATIONS": str(_path(nets, "labels", video))} for video in videos
    ]
    keys = [part for key, value in sets[0].items() for part in (f"DATASET.{key}", value)]
    return [*keys, "DATASET.ALSO", [{"DATASET": "custom", **own} for own in sets[1:]]] if sets[1:] else keys


def _path(nets: Path, kind: str, video: TrainingLabels) -> Path:
    return nets / (f"{kind}/{video.name}.json" if video.name else f"{kind}.json")
