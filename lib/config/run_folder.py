"""The folder of an experiment's results and the names of the files in it."""

from pathlib import Path

from yacs.config import CfgNode

CHECKPOINT = "checkpoint.pth"
PREVIOUS_CHECKPOINT = "checkpoint_previous.pth"
BEST_WEIGHTS = "model_best.pth"
FINAL_WEIGHTS = "final_state.pth"


def output_folder(cfg: CfgNode, experiment: str) -> Path:
    """Return the folder for an experiment's results.

    Args:
        cfg: Configuration of the experiment.
        experiment: Name of the experiment.
    """
    return Path(cfg.OUTPUT_DIR, cfg.DATASET.DATASET, cfg.MODEL.NAME, experiment)


def named_paths(cfg: CfgNode, section: str = "") -> list[tuple[str, Path]]:
    """Return the existing files and folders that a configuration names, each with its key.

    Args:
        cfg: Configuration or one of its sections.
        section: Prefix of the section's keys, ending in a dot.
    """
    found = []
    for key, value in cfg.items():
        if isinstance(value, CfgNode):
            found += named_paths(value, f"{section}{key}.")
        elif isinstance(value, str) and value and Path(value).exists():
            found.append((f"{section}{key}", Path(value)))
    return found
