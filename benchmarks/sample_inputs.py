"""Small valid files of every kind that is read, with their readers, for soak_inputs.py."""

import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import yaml
from clips import HEIGHT, JOINTS, TRACKS, WIDTH, draw, joints, keypoints, write_boxes, write_clip
from safetensors.torch import save_file
from sample_data_sets import add_data_sets, add_poses
from soaking import ROOT
from yacs.config import CfgNode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lib.annotation.presets import choose_joints
from lib.annotation.project import Project
from lib.config import load_config
from lib.core.origin import Origin, build_resumption, resume
from lib.core.trainer import build_trainer
from lib.core.training_files import TrainingFiles
from lib.formats.boxes import read_boxes
from lib.formats.labels.frames import Frame
from lib.formats.labels.model import Labels, checked_labels
from lib.formats.labels.registry import FORMATS, read_any_labels, write_any_labels
from lib.frames.store import ImageStore
from lib.frames.unpack import unpack
from lib.frames.video_file import VideoFile
from lib.labeling.project import read_project
from lib.utils.checkpoint import load_weights
from lib.utils.files import sha256

FRAMES = (0, 3, 7)
WRITTEN = "converted"
"""Folder that readers may write to."""
NAMES = {"coco": "labels.json", "cvat": "labels.xml", "deeplabcut": "CollectedData_x.csv", "csv": "labels.csv"}
NAMES |= {"label-studio": "label_studio.json", "nwb": "labels.nwb", "sleap": "labels.slp", "yolo": "data.yaml"}
NAMES |= {"posemark": "sub-a_ses-b_cam-c_framelabels.json", "posetrack18": "posetrack.json"}


@dataclass(frozen=True)
class Sample:
    """Valid input files.

    Attributes:
        name: Name of the kind of input.
        folder: Folder with the files.
        read: Reads them from a folder with the same names.
    """

    name: str
    folder: Path
    read: Callable[[Path], Any]

    @property
    def is_converted(self) -> bool:
        """True if the file is written in another format, unless it is refused."""
        return self.name.startswith("labels-")


def make_samples(folder: Path) -> list[Sample]:
    """Write samples to a folder, one folder each."""
    samples: list[Sample] = []

    def add(name: str, write: Callable[[Path], Any], read: Callable[[Path], Any]) -> None:
        own = folder / name
        own.mkdir(parents=True)
        write(own)
        samples.append(Sample(name, own, read))

    _add_labels(add)
    _add_yaml(add)
    _add_checkpoints(add)
    _add_frames(add)
    add_poses(add)
    add_data_sets(add)
    return samples


def labels(tracks: tuple[int, ...] = TRACKS, image: str = "") -> Labels:
    """Return labels of three frames."""
    people = [(place, frame, track) for place, frame in enumerate(FRAMES) for track in tracks]
    return checked_labels(
        "sample",
        JOINTS,
        [Frame("" if image else "clip.mp4", frame, image and image.format(frame), WIDTH, HEIGHT) for frame in FRAMES],
        [place for place, _, _ in people],
        np.array([joints(frame, track) for _, frame, track in people]),
        track=[track for _, _, track in people],
        edges=[(0, 1), (0, 2)],
    )


def _add_labels(add: Callable) -> None:
    def convert(name: str) -> Callable[[Path], None]:
        def read(folder: Path) -> None:
            out = folder / WRITTEN / "out.json"
            read_any_labels(folder / name)
            write_any_labels(out, read_any_labels(folder / name), "coco")
            read_any_labels(out, "coco")

        return read

    for kind, name in NAMES.items():
        own = labels((0,), "sub-a_ses-b_cam-c_frame-{:04}.png") if kind == "posemark" else labels()
        add(f"labels-{kind}", lambda to, k=kind, n=name, o=own: write_any_labels(to / n, o, k), convert(name))
    add(
        "labels-h5",
        lambda to: write_any_labels(to / "table.h5", labels((0,), "labeled-data/v/img{:03}.png")),
        convert("table.h5"),
    )

    def write_project(to: Path) -> None:
        table = to / "labeled-data/v/CollectedData_x.csv"
        write_any_labels(table, labels((0,), "labeled-data/v/img{:03}.png"), "deeplabcut")
        config = {"Task": "t", "scorer": "x", "skeleton": [["nose", "tail"]], "video_sets": {"v.mp4": {"crop": "0, 1"}}}
        (to / "config.yaml").write_text(yaml.safe_dump(config))

    add("labels-project", write_project, convert("config.yaml"))
    assert {*FORMATS} <= {*NAMES, "deeplabcut-project"}, "a format has no sample"


def _add_yaml(add: Callable) -> None:
    def write_experiment(to: Path) -> None:
        (to / "experiment.yaml").write_text("_BASE_: base.yaml\nTRAIN: {LR: 0.002, LR_STEP: [10, 14]}\n")
        cfg = load_config(ROOT / "experiments/video/posewarper.yaml")
        (to / "base.yaml").write_text(cfg.dump())

    def write_project(to: Path) -> None:
        for name in ("a.mp4", "a.csv", "b.mp4"):
            (to / name).touch()
        videos = [{"video": "a.mp4", "labels": "a.csv"}, {"video": "b.mp4", "name": "second"}]
        settings = {"settings": {"TRAIN.END_EPOCH": 8}, "prior": ["dis"], "joints": list(JOINTS), "merge": "fill"}
        (to / "project.yaml").write_text(yaml.safe_dump({"videos": videos, "out": "results", **settings}))

    def write_annotation(to: Path) -> None:
        for frame in range(3):
            cv2.imwrite(str(to / f"{frame}.png"), draw(frame))
        project = Project(to / "own", [to])
        project.choose(choose_joints(list(JOINTS)))
        project.keep_session(5000)
        video = project.open(0)
        for frame in (0, 2):
            people = [{"track": track, "keypoints": keypoints(frame, track), "propagated": []} for track in TRACKS]
            video.change({"do": f"a{frame}", "at": frame, "frames": {str(frame): people}, "names": {"0": "Anna"}})
        video.labels.save()
        video.change({"undo": "a2"})
        video.change({"do": "b", "at": 1, "frames": {"1": None}, "names": {}})
        video.save_propagated()
        video.labels.journal.close()
        project._lock.release()

    def read_annotation(folder: Path) -> None:
        project = Project(folder / "own")
        try:
            project.states()
            project.open(0).content()
        finally:
            project._lock.release()

    add("yaml-experiment", write_experiment, lambda folder: load_config(folder / "experiment.yaml"))
    add("yaml-project", write_project, lambda folder: read_project(folder / "project.yaml"))
    add("annotation", write_annotation, read_annotation)


def _add_checkpoints(add: Callable) -> None:
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))

    def save_old(to: Path) -> None:
        torch.save(net.state_dict(), to / "net.pth", _use_new_zipfile_serialization=False)

    def load_into(name: str) -> Callable[[Path], None]:
        return lambda folder: load_weights(net, folder / name)

    add("weights-pth", lambda to: torch.save(net.state_dict(), to / "net.pth"), load_into("net.pth"))
    add("weights-old", save_old, load_into("net.pth"))
    add(
        "weights-safetensors",
        lambda to: save_file(net.state_dict(), to / "net.safetensors"),
        load_into("net.safetensors"),
    )

    def write_training(to: Path) -> None:
        write_any_labels(to / "labels.json", labels(), "coco")
        cfg = _small_experiment(to)
        trainer = build_trainer(cfg, torch.device("cpu"))
        origin = Origin(annotations=[sha256(to / "labels.json")])
        origin.add_start(0, 1, {})
        about = {"config": cfg.dump(), "joints": list(JOINTS)} | origin.describe()
        TrainingFiles(to).save_checkpoint(trainer, about)

    def read_training(folder: Path) -> None:
        cfg = _small_experiment(folder)
        files = TrainingFiles(folder)
        resumption = build_resumption(cfg, files, files.checkpoint, force=True)
        resume(build_trainer(cfg, torch.device("cpu")), resumption, 1)

    add("checkpoint", write_training, read_training)


def _small_experiment(folder: Path) -> CfgNode:
    keys = ["DATASET.DATASET", "custom", "DATASET.ROOT", folder, "DATASET.TRAIN_ANNOTATIONS", folder / "labels.json"]
    return load_config(ROOT / "experiments/video/single.yaml", [str(key) for key in keys] + ["MODEL.NUM_JOINTS", 4])


def _add_frames(add: Callable) -> None:
    def write_images(to: Path) -> None:
        for name in ("a.jpg", "b.png"):
            cv2.imwrite(str(to / name), draw(0))

    def read_images(folder: Path, zipped: bool = False) -> None:
        store = ImageStore(folder, zipped)
        for name in store.list("images" if zipped else "."):
            for use in (store.size, store.read):
                use(f"images/{name}" if zipped else name)

    def write_archive(to: Path) -> None:
        with zipfile.ZipFile(to / "images.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for frame in range(3):
                archive.writestr(f"{frame}.jpg", cv2.imencode(".jpg", draw(frame))[1].tobytes())

    def read_clip(folder: Path) -> None:
        for _ in VideoFile(folder / "clip.mp4").frames():
            pass
        unpack(folder / "clip.mp4", folder / WRITTEN)

    add("images", write_images, read_images)
    add("archive", write_archive, lambda folder: read_images(folder, zipped=True))
    add("video", lambda to: write_clip(to / "clip.mp4", 12), read_clip)
    add("boxes", lambda to: write_boxes(to / "boxes.json", 3), lambda folder: read_boxes(folder / "boxes.json", 0.5))
