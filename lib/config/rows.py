"""Rows of published tables (experiments/rows.yaml): their requirements and the experiments that reproduce them."""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lib.utils.download import Download, file_name
from lib.utils.errors import InputError
from lib.utils.yaml_files import read_yaml

SCORERS = ("posetrack", "oks", "pckh", "server")  # server: the test labels are withheld
HEADLINES = ("Mean", "AP", "Whole AP", "Mean Acc", "MOTA")  # columns that can represent a row


@dataclass(frozen=True)
class NeededFile:
    """A file or a folder of files that a row requires.

    Attributes:
        path: Expected path.
        source: Human-readable description of where to get it.
    """

    path: Path
    source: str

    @property
    def is_there(self) -> bool:
        """True if the file, or a folder that is not empty, exists."""
        return any(self.path.iterdir()) if self.path.is_dir() else self.path.exists()


@dataclass(frozen=True)
class Row:
    """A published result and the settings that reproduce it. The comments in the file describe all keys.

    Attributes:
        id: Name in the form `<table>/<row>`.
        values: Published values, in the order of `metrics`.
        needs: Required files and folders other than the weights, as named in the file, and the source of each.
        weights: Path as given in the file, or models/ followed by the file name in `url`.
        url: Address of the weights or of the archive with them; empty if they were not published.
        archive: Source of weights that have no URL of their own.
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
    url: str = ""
    archive: str = ""
    boxes: str = ""
    columns: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    scale: float = 1.0
    overrides: Mapping[str, Any] = field(default_factory=dict)
    options: Sequence[str] = ()
    weights_as: str = "TEST.MODEL_FILE"
    megabytes: int = 0
    note: str = ""

    @property
    def published(self) -> dict[str, float]:
        """Published values by column."""
        return dict(zip(self.metrics, self.values, strict=True))

    def measured(self, table: Mapping[str, float | None]) -> dict[str, float]:
        """Return a result's value for each of `metrics`, in the unit of `values`; NaN if there is no number.

        Args:
            table: Table from the scorer of the row's data set. None becomes NaN, and so does -1, which COCO reports if
                there is nothing to score.

        Returns:
            Dictionary that maps metrics to values.

        Raises:
            InputError: The table lacks a column.
        """
        columns = {metric: self.columns.get(metric, metric) for metric in self.metrics}
        sources = {metric: [names] if isinstance(names, str) else names for metric, names in columns.items()}
        if lacking := [name for names in sources.values() for name in names if name not in table]:
            raise InputError(f"its result has no figure for {', '.join(lacking)}")
        result = {}
        for metric, names in sources.items():
            figures = [figure for name in names if (figure := table[name]) is not None and figure != -1]
            complete = len(figures) == len(names)
            result[metric] = self.scale * sum(figures) / len(figures) if complete else math.nan
        return result

    @property
    def headline(self) -> str:
        """Column that represents the row."""
        return next(name for name in HEADLINES if name in self.metrics)

    @property
    def decimals(self) -> int:
        """Number of decimals of the values, as some tables use percent and others use fractions."""
        return 3 if max(self.values) <= 1 else 1

    def data_files(self, data_dir: Path) -> list[NeededFile]:
        """Return the required annotations, images, and boxes.

        Args:
            data_dir: Folder that contains data/ and models/.
        """
        return [NeededFile(data_dir / path, source) for path, source in self.needs.items()]

    def weights_file(self, data_dir: Path) -> NeededFile:
        """Return the weights to test.

        Args:
            data_dir: Folder that contains data/ and models/.
        """
        path = data_dir / self.weights
        place = f" --to {path.parent}" if data_dir != Path() else ""
        return NeededFile(path, self.archive or f"{self.url}: python tools/download.py {self.id}{place}")

    def settings(self, data_dir: Path) -> dict[str, Any]:
        """Return the keys to change in the row's experiment; results go to a folder named after the row.

        Args:
            data_dir: Folder that contains data/ and models/.
        """
        settings = {"EXPERIMENT_NAME": self.id.replace("/", "-"), **self.overrides}
        if data_dir != Path():
            settings["DATA_DIR"] = str(data_dir)
        if self.boxes:
            settings |= {"TEST.USE_GT_BBOX": False, "TEST.COCO_BBOX_FILE": self.boxes}
        return settings


def read_rows(path: Path) -> list[Row]:
    """Read all rows, in the order of the file.

    Args:
        path: Path to the file.

    Returns:
        List of rows.

    Raises:
        InputError: The file is not a valid file of rows. The message names the row and the key.
    """
    return _rows(_read(path), path)


def read_weights(path: Path) -> list[Download]:
    """Read all weights that can be downloaded: those of rows, those that trainings start from, and detectors.

    Args:
        path: Path to the file of rows.

    Raises:
        InputError: The file is not a valid file of rows, or a URL is invalid.
    """
    content = _read(path)
    users: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    detectors = content.get("detectors", {})
    published = [(row.id, row.url, row.megabytes) for row in _rows(content, path) if row.url]
    published += [(name, url, 0) for name, url in content.get("starting_weights", {}).items()]
    published += [(name, str(keys.get("url")), keys.get("megabytes", 0)) for name, keys in detectors.items()]
    for name, url, megabytes in published:
        file_name(url)  # raises an error if the URL is invalid
        users.setdefault(url, []).append(name)
        sizes[url] = megabytes or sizes.get(url, 0)
    terms = content.get("terms", {})
    return [
        Download(
            url=url,
            users=tuple(names),
            megabytes=sizes[url],
            terms=next((text for start, text in terms.items() if url.startswith(start)), ""),
        )
        for url, names in users.items()
    ]


def read_demo_names(path: Path) -> tuple[str, str]:
    """Read the names of the detector and of the row whose weights tools/demo.py uses by default.

    Args:
        path: Path to the file of rows.

    Raises:
        InputError: The file is not a valid file of rows, or it names neither.
    """
    names = _read(path).get("demo", {})
    if not {"detector", "weights"} <= names.keys():
        raise InputError(f"{path}: demo must name a detector and the weights of a row")
    return names["detector"], names["weights"]


def row_of_weights(rows: Sequence[Row], name: str) -> Row | None:
    """Return the first row whose published weights have the given file name, or None.

    Args:
        rows: Rows to search.
        name: File name of the weights.
    """
    return next((row for row in rows if Path(row.weights).name == name and row.weights_as == Row.weights_as), None)


def choose(names: Mapping[str, Sequence[str]], wanted: Sequence[str]) -> list[str]:
    """Return the keys that match one of the wanted names, where a table, the part before a slash, matches its rows.

    Args:
        names: Dictionary that maps each key to all its names.
        wanted: Wanted names.

    Returns:
        List of the matching keys, in the order of `names`.

    Raises:
        InputError: A wanted name matches nothing. The message suggests the closest name.
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
    content = read_yaml(path)
    if not isinstance(content, dict) or not all(isinstance(content.get(key), dict) for key in ("files", "tables")):
        raise InputError(f"{path}: a file of rows must have the keys files and tables")
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
