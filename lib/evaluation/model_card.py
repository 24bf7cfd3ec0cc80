"""Model card of a trained net, from the files of its run."""

from pathlib import Path

import yaml

from lib.config.run_folder import BEST_WEIGHTS, FINAL_WEIGHTS
from lib.evaluation.comparison import compare
from lib.utils.errors import InputError
from lib.utils.files import read_json, sha256

TRAINING = "result-train.json"
CARD = """# Model card: {name}

Facts come from the files of the run. Complete the parts in brackets before you share the weights.

## Net

{net} for {joints} joints, crops of {width}×{height} pixels: {names}.

| file | sha256 |
|---|---|
{files}

## Training

- Data: {data}. [Who or what is shown, under which terms?]
- Labels: {labels}.
- Epochs: {epochs}; seed {seed}; {minutes:.0f} minutes on {device}.
- Command: `{command}`
- Commit {commit}; PyTorch {torch}, Python {python}.

## Results

    {table}

## Use and limits

[What is it meant for? On which people, animals, cameras, or views was it not tested?] The net does not identify anyone.
"""


def format_card(folder: Path) -> str:
    """Return the model card of a run as Markdown.

    Args:
        folder: Folder of the run, with result-train.json, and the results of its tests, if there are any.

    Raises:
        InputError: The folder has no finished training, or a file in it is broken.
    """
    path = folder / TRAINING
    if not path.exists():
        raise InputError(f"{path} does not exist: expected the folder of a training, …/<data set>/<net>/<experiment>")
    run = read_json(path)
    try:
        cfg = yaml.safe_load(run["config"])
        model, data = cfg["MODEL"], cfg["DATASET"]
        versions = run["versions"]
        weights = [file for name in (BEST_WEIGHTS, FINAL_WEIGHTS) if (file := folder / name).exists()]
        tests = [test for test in sorted(folder.glob("result-*.json")) if "table" in read_json(test)]
        return CARD.format(
            name=folder.name,
            net=model["NAME"] + (" with the warping head" if model["WARP"]["ENABLED"] else ""),
            joints=model["NUM_JOINTS"],
            width=model["IMAGE_SIZE"][0],
            height=model["IMAGE_SIZE"][1],
            names=", ".join(run["joints"]),
            files="\n".join(f"| `{file.name}` | `{sha256(file)}` |" for file in weights),
            data=f"{data['DATASET']} in {data['ROOT']}, split {data['TRAIN_SET']}",
            labels=f"{_count(data['NUM_LABELED_VIDEOS'])} videos, "
            f"{_count(data['NUM_LABELED_FRAMES_PER_VIDEO'])} frames per video",
            epochs=run["epochs"],
            seed=cfg["SEED"],
            minutes=run["seconds"] / 60,
            device=versions["device"],
            command=run["command"],
            commit=run["commit"],
            torch=versions["torch"],
            python=versions["python"],
            table=compare(tests).replace("\n", "\n    ") if tests else "not tested yet",
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: not a result of tools/train.py; it lacks {error}") from error


def _count(number: int) -> str:
    return "all" if number < 0 else str(number)
