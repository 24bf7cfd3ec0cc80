"""Compare tests: the tables of result-….json files, a row for each TEST.MODE or way of propagating labels of an
EXPERIMENT_NAME, the mean where several have the same.

python tools/table.py output/seed1/…/result-*.json output/seed2/…/result-*.json
"""

import argparse
import math
from pathlib import Path

import _init_paths  # noqa: F401
import yaml

from lib.evaluation.tables import format_rows, mean_row
from lib.utils.errors import InputError, run
from lib.utils.files import read_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path, help="result-<mode>.json, which tools/test.py leaves")
    args = parser.parse_args()
    print(compare(args.results))


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
