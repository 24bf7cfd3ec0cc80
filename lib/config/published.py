"""Published nets on the command line of tools/demo.py: their experiments, and the files to download."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lib.config.rows import Row, read_demo_names, read_rows, read_weights, row_of_weights
from lib.utils.download import Download
from lib.utils.errors import InputError
from lib.utils.onnx_file import ONNX

logger = logging.getLogger(__name__)

MODELS = Path("models")
"""Folder that weights are downloaded to."""


def published_experiment(opts: Sequence[str], rows: Path) -> list[Any]:
    """Return the experiment file of published weights and the keys to change in it.

    The name of TEST.MODEL_FILE identifies the weights; without it, they are the default ones of `rows`. ONNX files of
    tools/export.py hold the configuration of their net.

    Args:
        opts: Keys and values of the command line.
        rows: File of the published rows.

    Raises:
        InputError: The name of the weights is not a published one.
    """
    typed = dict(zip(opts[::2], opts[1::2], strict=False))
    weights = typed.get("TEST.MODEL_FILE")
    if weights and Path(weights).suffix == ONNX:
        return [weights]
    published = read_rows(rows)
    row = row_of_weights(published, Path(weights).name) if weights else _default_row(published, rows)
    if row is None:
        raise InputError(
            f"{weights}: not the name of published weights ({rows}); set --cfg to their experiment (for nets of "
            f"tools/label_video.py: tools/label_video.py --video VIDEO --nets FOLDER --out OUT)"
        )
    weights = weights or str(MODELS / Path(row.weights).name)
    logger.info("%s: weights of %s, %s", weights, row.id, row.experiment)
    overrides = {**row.overrides, "TEST.MODEL_FILE": weights}
    return [row.experiment, *(part for setting in overrides.items() for part in setting)]


def default_detector(rows: Path) -> Path:
    """Return the path of the detector that finds people for published nets.

    Args:
        rows: File of the published rows.

    Raises:
        InputError: The file is not a valid file of rows, or it names no detector.
    """
    name, _ = read_demo_names(rows)
    found = next((file for file in read_weights(rows) if name in file.users), None)
    if found is None:
        raise InputError(f"{rows}: demo names the detector {name}, which is not one of detectors")
    return MODELS / found.name


def missing_files(paths: Sequence[Path], rows: Path) -> dict[Path, Download]:
    """Return the published files among weights that do not exist, by path.

    Args:
        paths: Paths of weights.
        rows: File of the published rows.

    Raises:
        InputError: The file is not a valid file of rows.
    """
    missing = [path for path in paths if not path.exists()]
    files = {file.name: file for file in read_weights(rows)} if missing else {}
    return {path: files[path.name] for path in missing if path.name in files}


def _default_row(published: Sequence[Row], rows: Path) -> Row | None:
    _, name = read_demo_names(rows)
    row = next((row for row in published if row.id == name), None)
    if row is None:
        raise InputError(f"{rows}: demo names the weights of {name}, which is not a row")
    return row
