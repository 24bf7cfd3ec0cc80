"""Estimation of a video without labels by nets that label_video trained on another video or on images."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from lib.config import load_config
from lib.frames.video_file import VideoFile
from lib.labeling.estimation import build_estimates
from lib.labeling.options import STAGES, LabelingOptions
from lib.tracking.boxes import FindPeople, whole_frame
from lib.tracking.net_finder import build_net_finder
from lib.utils.checkpoint_files import read_checkpoint, training_of
from lib.utils.errors import InputError
from lib.utils.files import atomic_path, read_json
from lib.utils.progress import RunProgress

LABELS = "labels.json"  # of a folder of nets: the labels that they learned from


def label_with_nets(options: LabelingOptions) -> dict[str, Any]:
    """Estimate every frame of a video with nets of an earlier run. Call the function again to resume.

    Nets that learned from images with one animal each see whole frames. Others find individuals by themselves.

    Args:
        options: Options of the run; `nets` must be set.

    Returns:
        COCO-style labels of all frames.

    Raises:
        InputError: The folder has no nets, the video cannot be used, or nothing is found in it.
    """
    if not options.video.is_file():
        raise InputError(f"{options.video}: not a video file, which --nets requires")
    assert options.nets is not None  # callers without --nets use label_video
    mode = dict(zip(options.opts[::2], options.opts[1::2], strict=False)).get("TEST.MODE", "single")
    weights = find_weights(options.nets, STAGES[0] if mode == "single" else STAGES[1])
    labels = _find_labels(weights)
    recipe = options.work / "nets.yaml"
    with atomic_path(recipe) as temporary:
        temporary.write_text(training_of(read_checkpoint(weights)).get("config", ""), encoding="utf-8")
    keys = ["TEST.MODE", mode, "TEST.MODEL_FILE", str(weights), "DATASET.TRAIN_ANNOTATIONS", str(labels)]
    keys += ["DATASET.TEST_ANNOTATIONS", "", "DATASET.ROOT", "", "MODEL.PRETRAINED", ""]
    keys += ["OUTPUT_DIR", str(options.work), "LOG_DIR", str(options.work / "log"), "EXPERIMENT_NAME", "estimate"]
    cfg = load_config(recipe, [*keys, *options.opts])
    print(f"{weights}: {cfg.MODEL.NUM_JOINTS} joints, learned from {labels}", flush=True)

    def find(net: nn.Module, device: torch.device) -> FindPeople:
        if cfg.DATASET.BOXES == "file":  # whole images
            return whole_frame
        return build_net_finder(cfg, net, device, labels, VideoFile(options.video).size)

    path = options.work / "dense.json"
    with RunProgress(1) as progress:
        content = build_estimates(cfg, "estimate", options.video, path, progress=progress, build_finder=find)
    if not content["annotations"]:
        raise InputError(
            f"{options.video}: the nets of {options.nets} found nothing in {len(content['images'])} frames; label "
            f"some of its frames, and name these labels with --labels"
        )
    (category,), (known,) = content["categories"], read_json(labels)["categories"][:1]
    category |= {key: known[key] for key in ("name", "skeleton") if key in known}
    return content


def find_weights(nets: Path, stage: str) -> Path:
    """Return the last weights of a stage in the folder of a run of label_video.

    Args:
        nets: Folder of the run, or a folder in it.
        stage: Name of the stage.

    Raises:
        InputError: There are none.
    """
    weights = (path for path in nets.rglob("final_state.pth") if path.absolute().parent.name == stage)
    found = sorted(weights, key=lambda path: path.stat().st_mtime)
    if not found:
        raise InputError(
            f"--nets {nets}: no {stage}/final_state.pth in this folder; name the folder that tools/label_video.py "
            f"wrote beside its --out, such as output/dense for output/dense.json"
        )
    return found[-1]


def _find_labels(weights: Path) -> Path:
    """Return the labels that nets learned from, in a folder above their weights."""
    found = [folder / LABELS for folder in weights.parents[:5] if (folder / LABELS).is_file()]
    if not found:
        raise InputError(f"{weights}: no {LABELS} in the folders above it; copy the whole folder of the run")
    return found[0]
