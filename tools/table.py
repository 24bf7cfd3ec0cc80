"""Compare tests: the tables of result-….json files, a row for each TEST.MODE or way of propagating labels of an
EXPERIMENT_NAME, the mean where several have the same.

python tools/table.py output/seed1/…/result-*.json output/seed2/…/result-*.json
python tools/table.py --over distance --plot distances.png output/…/result-propagate-*.json
python tools/table.py --over DATASET.NUM_LABELED_VIDEOS --plot videos.png output/v*/…/result-*.json

--over tells how the figures go with something, and --plot draws that.
"""

import argparse
import math
from pathlib import Path
from typing import Any

import _init_paths  # noqa: F401
import yaml

from lib.evaluation.tables import format_rows, mean_row
from lib.utils.errors import InputError, run
from lib.utils.files import claim_outputs, read_json
from lib.video.plots import plot_over

DISTANCE = "distance"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path, help="result-<mode>.json, which the tools leave")
    parser.add_argument(
        "--over",
        metavar="KEY",
        help=f"a key of the experiments that differs: a column for each value; {DISTANCE}: for each distance from the "
        "label, of tools/propagate.py",
    )
    parser.add_argument("--plot", type=Path, metavar="PNG", help="of --over: the same as curves")
    args = parser.parse_args()
    if args.plot and not args.over:
        raise InputError("--plot draws how figures go with something: name that by --over")
    claim_outputs([("--plot", args.plot)], [("RESULTS", path) for path in args.results])
    if not args.over:
        print(compare(args.results))
        return
    if args.over == DISTANCE:
        measures = {measure: by_distance(args.results, measure) for measure in ("AP", "PCK .05")}
    else:
        measures = {"AP": by_key(args.results, args.over)}
    for measure, rows in measures.items():
        columns = {name: {f"{measure} {value:g}": row[value] for value in row} for name, row in rows.items()}
        print(format_rows(columns))
    if args.plot:
        plot_over("frames from the label" if args.over == DISTANCE else args.over, measures, args.plot)


def by_distance(paths: list[Path], measure: str) -> dict[str, dict[float, float]]:
    """Results of propagated labels by the frames from the label, from 1 on, the mean where several have one name.

    Args:
        measure: AP or PCK .05.
    Returns:
        per name of the results the figure by distance.
    """
    rows: dict[str, list[dict[float, float]]] = {}
    for path in paths:
        content = read_json(path)
        if not isinstance(content, dict) or not {"ap_by_distance", "tracks_by_distance", "method"} <= content.keys():
            raise InputError(f"{path}: not a scored result of tools/propagate.py: it has no figures by distance")
        shares = {distance: row["pck"] for distance, row in content["tracks_by_distance"].items()}
        own = content["ap_by_distance"] if measure == "AP" else shares
        config = yaml.safe_load(content["config"])
        name = " ".join(filter(None, [config.get("EXPERIMENT_NAME"), content.get("name", content["method"])]))
        row = {float(distance): own[distance] for distance in own if distance not in ("0", "1+")}
        rows.setdefault(name, []).append(row)
    shared = set.intersection(*(set(row) for found in rows.values() for row in found))
    if not shared:
        raise InputError("the results have no distance from a label in common")
    return {name: mean_row([{d: row[d] for d in sorted(shared)} for row in found]) for name, found in rows.items()}


def by_key(paths: list[Path], key: str) -> dict[str, dict[float, float]]:
    """The mean AP of tests by the value of a key of their experiments; NaN where there is no such test.

    Args:
        key: DATASET.NUM_LABELED_VIDEOS for instance; its values are numbers.
    Returns:
        per name of the results the figure by value, the mean where several have both.
    """
    rows: dict[str, dict[float, list[float]]] = {}
    for path in paths:
        name, _, score, value = _read(path)
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if not isinstance(value, int | float):
            raise InputError(f"{path}: {key} is {value}, not a number")
        rows.setdefault(name, {}).setdefault(float(value), []).append(score)
    values = sorted({value for row in rows.values() for value in row})
    return {
        name: {value: sum(row[value]) / len(row[value]) if value in row else math.nan for value in values}
        for name, row in rows.items()
    }


def compare(paths: list[Path]) -> str:
    """The table of result files, and each one's mean where several have the same mode."""
    tables: dict[str, list[dict[str, float]]] = {}
    headlines: dict[str, list[float]] = {}
    for path in paths:
        name, scores, score, _ = _read(path)
        tables.setdefault(name, []).append(scores)
        headlines.setdefault(name, []).append(score)
    text = format_rows({name: mean_row(rows) for name, rows in tables.items()})
    for name, own in headlines.items():
        if len(own) > 1:
            text += f"\n{name}: mean of {len(own)}, " + ", ".join(f"{score:.1f}" for score in own)
    return text


def _read(path: Path) -> tuple[str, dict[str, float], float, dict[str, Any]]:
    """Name, scores, the figure to compare by and configuration of a result."""
    content = read_json(path)
    if not isinstance(content, dict) or not {"table", "config", "score"} <= content.keys():
        raise InputError(f"{path}: not a scored result of tools/test.py: it lacks 'table', 'score' or 'config'")
    config = yaml.safe_load(content["config"])
    name = " ".join(filter(None, [config.get("EXPERIMENT_NAME"), content.get("name") or config["TEST"]["MODE"]]))
    scores = {column: math.nan if score is None else score for column, score in content["table"].items()}
    return name, scores, content["score"], config


if __name__ == "__main__":
    run(main)
