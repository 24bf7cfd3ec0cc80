"""The rows of published tables (experiments/rows.yaml): what each needs, and the experiment that reproduces it."""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lib.utils.download import file_name
from lib.utils.errors import InputError

SCORERS = ("posetrack", "oks", "pckh", "server")  # server: the test labels are not public
HEADLINES = ("Mean", "AP", "Whole AP", "Mean Acc")  # the column that stands for a row


@dataclass(frozen=True)
class NeededFile:
    """A file, or a folder of files, that a row needs.

    Attributes:
        path: where it belongs.
        source: where it comes from, for people.
    """

    path: Path
    source: str

    @property
    def is_there(self) -> bool:
        """An empty folder is not."""
        return any(self.path.iterdir()) if self.path.is_dir() else self.path.exists()


@dataclass(frozen=True)
class Row:
    """A published result and how to get it; the keys of the file, which explains them.

    Attributes:
        id: `<table>/<row>`.
        values: as published, in the order of `metrics`.
        needs: files and folders beside the weights, as the file names them, and where each comes from.
        weights: as the file names them, or models/ and what `url` ends with.
        archive: where weights come from that have no address of their own.
    """

    id: str
    protocol: str
    source: str
    metrics: Sequence[str]
    values: Sequence[float]
    scorer: str
    experiment: Path
    needs: Mapping[str, str]
    weights: str
    url: str
    archive: str = ""
    boxes: str = ""
    columns: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    scale: float = 1.0
    overrides: Mapping[str, Any] = field(default_factory=dict)
    options: Sequence[str] = ()
    weights_as: str = "TEST.MODEL_FILE"
    note: str = ""

    @property
    def published(self) -> dict[str, float]:
        """The values by column."""
        return dict(zip(self.metrics, self.values, strict=True))

    def measured(self, table: Mapping[str, float | None]) -> dict[str, float]:
        """What a result says of each of `metrics`, in the unit of `values`; NaN where it has no number.

        Args:
            table: as the scorer of the row's data set makes it; None is NaN, and so is COCO's -1 for nothing to score.
        Raises:
            InputError: it lacks a column.
        """
        columns = {metric: self.columns.get(metric, metric) for metric in self.metrics}
        sources = {metric: [names] if isinstance(names, str) else names for metric, names in columns.items()}
        if lacking := [name for names in sources.values() for name in names if name not in table]:
            raise InputError(f"its result has no figure for {', '.join(lacking)}")
        figures = {metric: [table[name] for name in names] for metric, names in sources.items()}
        return {
            metric: math.nan if None in parts or -1 in parts else self.scale * sum(parts) / len(parts)
            for metric, parts in figures.items()
        }

    @property
    def headline(self) -> str:
        """The column that stands for the row."""
        return next(name for name in HEADLINES if name in self.metrics)

    @property
    def decimals(self) -> int:
        """Of the values: some tables are in percent, some are fractions."""
        return 3 if max(self.values) <= 1 else 1

    def data_files(self, data_dir: Path) -> list[NeededFile]:
        """Annotations, images and boxes; `data_dir` is the folder that data/ and models/ are in."""
        return [NeededFile(data_dir / path, source) for path, source in self.needs.items()]

    def weights_file(self, data_dir: Path) -> NeededFile:
        """The weights to test."""
        path = data_dir / self.weights
        place = f" --to {path.parent}" if data_dir != Path() else ""
        return NeededFile(path, self.archive or f"{self.url}: python tools/download.py {self.id}{place}")

    def settings(self, data_dir: Path) -> dict[str, Any]:
        """The keys that make the row of its experiment; results go to a folder of the row's name."""
        settings = {"EXPERIMENT_NAME": self.id.replace("/", "-"), **self.overrides}
        if data_dir != Path():
            settings["DATA_DIR"] = str(data_dir)
        if self.boxes:
            settings |= {"TEST.USE_GT_BBOX": False, "TEST.COCO_BBOX_FILE": self.boxes}
        return settings


def read_rows(path: Path) -> list[Row]:
    """All rows, in the file's order.

    Raises:
        InputError: not such a file; names the row and the key.
    """
    return _rows(_read(path), path)


def read_weights(path: Path) -> dict[str, list[str]]:
    """Everything that can be fetched: by address the rows that it is for, or the trainings that start from it.

    Raises:
        InputError: as `read_rows`.
    """
    content = _read(path)
    users: dict[str, list[str]] = {}
    named = [(row.id, row.url) for row in _rows(content, path)] + list(content.get("starting_weights", {}).items())
    for name, url in named:
        file_name(url)  # raises
        users.setdefault(url, []).append(name)
    return users


def row_of_weights(rows: Sequence[Row], name: str) -> Row | None:
    """The first of the rows whose published weights are a file of this name; None: there is none."""
    return next((row for row in rows if Path(row.weights).name == name and row.weights_as == Row.weights_as), None)


def choose(names: Mapping[str, Sequence[str]], wanted: Sequence[str]) -> list[str]:
    """Those that go by one of the wanted names, which may also be the part of a name before a slash: a table.

    Args:
        names: per thing all the names that it goes by.
    Raises:
        InputError: nothing goes by one of them; the nearest name is told.
    """
    chosen = {name: [key for key, own in names.items() if _goes_by(own, name)] for name in wanted}
    for name, keys in chosen.items():
        if not keys:
            known = [own for every in names.values() for own in every]
            known += [own.rpartition("/")[0] for own in known if "/" in own]  # tables
            nearest = difflib.get_close_matches(name, known, 1, cutoff=0.0)
            raise InputError(f"{name}: no such name{f'; did you mean {nearest[0]}?' if nearest else ''}")
    return [key for key in names if any(key in keys for keys in chosen.values())]


def _goes_by(names: Sequence[str], wanted: str) -> bool:
    return any(name == wanted or name.startswith(f"{wanted.rstrip('/')}/") for name in names)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a YAML file ({' '.join(str(error).split())})") from None
    if not isinstance(content, dict) or not all(isinstance(content.get(key), dict) for key in ("files", "tables")):
        raise InputError(f"{path}: a file of rows has the keys files and tables")
    return content


def _rows(content: dict[str, Any], path: Path) -> list[Row]:
    rows = []
    for table, shared in content["tables"].items():
        for name, own in shared.get("rows", {}).items():
            overrides = {**shared.get("overrides", {}), **own.get("overrides", {})}
            keys = {**shared, **own, "overrides": overrides}
            del keys["rows"]
            rows.append(_row(f"{table}/{name}", keys, content["files"], path))
    return rows


def _row(row_id: str, keys: dict[str, Any], files: Mapping[str, str], path: Path) -> Row:
    where = f"{path}: {row_id}"
    needed = [*keys.get("needs", ()), *([keys["boxes"]] if keys.get("boxes") else [])]
    try:
        keys["needs"] = {file: files[file] for file in needed}
        if "weights" in keys:
            keys["archive"] = files[keys["weights"]]
        else:
            keys["weights"] = f"models/{file_name(keys['url'])}"
        keys["experiment"] = path.parent / keys["experiment"]
        row = Row(id=row_id, **keys)
    except KeyError as error:
        raise InputError(f"{where}: {error} is missing, or is not one of files") from None
    except TypeError as error:  # an unknown key
        raise InputError(f"{where}: {error}") from None
    if len(set(row.metrics)) != len(row.values) or not any(name in row.metrics for name in HEADLINES):
        raise InputError(f"{where}: a value for each of metrics, one of which is {' or '.join(HEADLINES)}")
    if row.scorer not in SCORERS:
        raise InputError(f"{where}: scorer is {row.scorer!r}; it can be {', '.join(SCORERS)}")
    if unknown := row.columns.keys() - set(row.metrics):
        raise InputError(f"{where}: columns: {min(unknown)} is not one of metrics")
    return row
