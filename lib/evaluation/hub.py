"""Trained nets on the Hugging Face Hub: weights, experiment, joint names, and model card in one repository."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from lib.config.default import DEFAULTS
from lib.config.run_folder import FINAL_WEIGHTS
from lib.evaluation.model_card import format_card
from lib.utils.checkpoint_files import (
    find_state_dict,
    read_checkpoint,
    save_safetensors,
    training_of,
    with_training,
)
from lib.utils.errors import InputError
from lib.utils.files import atomic_folder, atomic_path, write_json

WEIGHTS, EXPERIMENT, JOINTS, CARD = "model.safetensors", "experiment.yaml", "joints.json", "README.md"
HEADER = """---
library_name: posewarper
pipeline_tag: keypoint-detection
tags: [pose-estimation]
---
"""


def push(
    run: Path, repository: str, *, weights: str = FINAL_WEIGHTS, card: Path | None = None, private: bool = False
) -> str:
    """Upload the net of a training to the Hub.

    Args:
        run: Folder of the training, with result-train.json.
        repository: Name of the repository, OWNER/NAME; created if it does not exist.
        weights: Name of the weights in the folder.
        card: Completed model card; None: the one that tools/card.py writes.
        private: Make a new repository private.

    Returns:
        Address of the repository.

    Raises:
        InputError: The folder has no such net, or the Hub cannot be reached or refuses the upload.
    """
    hub = _client()
    with tempfile.TemporaryDirectory() as folder:
        write_repository(run, Path(folder), weights, card)
        try:
            address = hub.HfApi().create_repo(repository, private=private, exist_ok=True)
            hub.HfApi().upload_folder(repo_id=repository, folder_path=folder, commit_message=f"Add {run.name}")
        except Exception as error:  # errors of the client and of the HTTP library that it uses
            raise InputError(f"{repository}: not uploaded: {_first_line(error)}") from None
    return str(address)


def pull(repository: str, revision: str | None = None, folder: Path | None = None) -> Path:
    """Download a net from the Hub.

    Args:
        repository: Name of the repository, OWNER/NAME.
        revision: Branch, tag, or commit; None: the main branch.
        folder: Folder to download to; None: the client's cache.

    Returns:
        Folder of the files.

    Raises:
        InputError: The Hub cannot be reached, or the repository does not exist or contains no such net.
    """
    hub, files = _client(), [WEIGHTS, EXPERIMENT, JOINTS, CARD]
    try:
        found = Path(hub.snapshot_download(repository, revision=revision, allow_patterns=files))
    except Exception as error:  # errors of the client and of the HTTP library that it uses
        raise InputError(f"{repository}: not downloaded: {_first_line(error)}") from None
    for name in (WEIGHTS, EXPERIMENT, JOINTS):
        if not (found / name).is_file():
            raise InputError(f"{repository}: has no {name}; only nets that tools/hub.py uploaded can be used")
    if folder is None:
        return found
    with atomic_folder(folder) as temporary:
        for name in files:
            if (found / name).is_file():
                shutil.copyfile(found / name, temporary / name)
    return folder


def keys_of(folder: Path) -> dict[str, str]:
    """Return the keys, with values, with which a downloaded experiment uses the weights and joints beside it.

    Args:
        folder: Folder of the files.
    """
    return {"TEST.MODEL_FILE": str(folder / WEIGHTS), "DATASET.TRAIN_ANNOTATIONS": str(folder / JOINTS)}


def write_repository(run: Path, out: Path, weights: str = FINAL_WEIGHTS, card: Path | None = None) -> None:
    """Write the files of a repository. Paths of this machine are left out of the configuration.

    Args:
        run: Folder of the training, with result-train.json.
        out: Folder to write to.
        weights: Name of the weights in the folder of the training.
        card: Completed model card; None: the one that tools/card.py writes.

    Raises:
        InputError: The training is not finished, or has no such weights.
    """
    text = card.read_text(encoding="utf-8") if card else format_card(run)
    state_dict = find_state_dict(read_checkpoint(run / weights))
    training = training_of(state_dict)
    if not training:
        raise InputError(f"{run / weights}: has no record of its training; use weights that tools/train.py wrote")
    config = _without_paths(yaml.safe_load(training["config"]), DEFAULTS)
    training |= {"config": yaml.safe_dump(config)}
    save_safetensors(out / WEIGHTS, with_training(state_dict, training))
    category = {"id": 1, "name": "object", "keypoints": training["joints"]}
    write_json(out / JOINTS, {"images": [], "annotations": [], "categories": [category]}, indent=True)
    for name, content in ((EXPERIMENT, training["config"]), (CARD, f"{HEADER}{text}")):
        with atomic_path(out / name) as path:
            path.write_text(content, encoding="utf-8")


def _without_paths(content: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with the default of each key whose value names a path."""
    return {
        key: _without_paths(value, defaults.get(key, {}))
        if isinstance(value, Mapping)
        else (defaults.get(key, "") if "/" in str(value) or "\\" in str(value) else value)
        for key, value in content.items()
    }


def _client() -> ModuleType:
    """Return the module huggingface_hub."""
    try:
        import huggingface_hub
    except ImportError:
        raise InputError("the Hub requires packages: pip install -r requirements-hub.txt") from None
    return huggingface_hub


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
