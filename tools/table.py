"""Compare tests: the tables of result-….json files, a row for each TEST.MODE or way of propagating labels of an
EXPERIMENT_NAME, the mean where several have the same.

python tools/table.py output/seed1/…/result-*.json output/seed2/…/result-*.json

Of propagated labels, --distance tells AP and PCK by the frames from the label instead, and --plot draws them.
"""

import argparse
import math
from pathlib import Path

import _init_paths  # noqa: F401
import yaml

from lib.evaluation.tables import format_rows, mean_row
from lib.utils.errors import InputError, run
from lib.utils.files import read_json
from lib.video.plots import plot_distances


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path, help="result-<mode>.json, which tools/test.py leaves")
    parser.add_argument("--distance", action="store_true", help="of tools/propagate.py: by the frames from the label")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="the same as curves")
    args = parser.parse_args()
    if args.distance or args.plot:
        measures = {measure: by_distance(args.results, measure) for measure in ("AP", "PCK .05")}
        for measure, rows in measures.items():
            columns = {
                name: {f"{measure} {distance}": value for distance, value in row.items()} for name, row in rows.items()
            }
            print(format_rows(columns))
        if args.plot:
            plot_distances(measures, args.plot)
    else:
        print(compare(args.results))


def by_distance(paths: list[Path], measure: str) -> dict[str, dict[str, float]]:
    """Results of propagated labels by the frames from the label, from 1 on, the mean where several have one name.

    Args:
        measure: AP or PCK .05.
    Returns:
        per name of the results (without the spacing) the figure by distance.
    """
    rows: dict[str, list[dict[str, float]]] = {}
    for path in paths:
        content = read_json(path)
        if not isinstance(content, dict) or not {"ap_by_distance", "tracks_by_distance", "method"} <= content.keys():
            raise InputError(f"{path}: not a scored result of tools/propagate.py: it has no figures by distance")
        shares = {distance: row["pck"] for distance, row in content["tracks_by_distance"].items()}
        own = content["ap_by_distance"] if measure == "AP" else shares
        config = yaml.safe_load(content["config"])
        name = " ".join(filter(None, [config.get("EXPERIMENT_NAME"), content["method"]]))
        rows.setdefault(name, []).append({distance: own[distance] for distance in own if distance not in ("0", "1+")})
    shared = set.intersection(*(set(row) for found in rows.values() for row in found))
    if not shared:
        raise InputError("the results have no distance from a label in common")
    return {
        name: mean_row([{d: row[d] for d in sorted(shared, key=int)} for row in found]) for name, found in rows.items()
    }


def compare(paths: list[Path]) -> str:
    """The table of result files, and each one's mean where several have the same mode."""
    tables: dict[str, list[dict[str, float]]] = {}
    for path in paths:
        content = read_json(path)
        if not isinstance(content, dict) or not {"table", "config"} <= content.keys():
            raise InputError(f"{path}: not a scored result of tools/test.py: it lacks 'table' or 'config'")
        config = yaml.safe_load(content["config"])
        mode = " ".join(filter(None, [config.get("EXPERIMENT_NAME"), content.get("name") or config["TEST"]["MODE"]]))
        scores = {name: math.nan if score is None else score for name, score in content["table"].items()}
        tables.setdefault(mode, []).append(scores)
    text = format_rows({mode: mean_row(rows) for mode, rows in tables.items()})
    for mode, rows in tables.items():
        if len(rows) > 1:
            text += f"\n{mode}: mean of {len(rows)}, " + ", ".join(f"{row['Mean']:.1f}" for row in rows)
    return text


if __name__ == "__main__":
    run(main)
