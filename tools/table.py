"""Compare tests: the tables of result-….json files, a row for each TEST.MODE or propagation method of an experiment.

python tools/table.py output/seed1/…/result-*.json output/seed2/…/result-*.json
python tools/table.py --over distance --plot distances.png output/…/result-propagate-*.json
python tools/table.py --over DATASET.NUM_LABELED_VIDEOS --plot videos.png output/v*/…/result-*.json

Trainings that differ only in SEED, and possibly in name, share a row: mean ± sample standard deviation over n seeds.
Runs that differ in any other key, and tests of one net, are never averaged; their rows name the keys or the files.
Files without a table, such as result-train.json, are left out.
--over shows the results by the values of a key, or by the distance from the label; --plot draws them.
"""

import argparse
import logging
from pathlib import Path

import _init_paths  # noqa: F401

from lib.evaluation.comparison import by_distance, by_key, compare, for_plot, format_over
from lib.utils.errors import InputError, run
from lib.utils.files import claim_outputs
from lib.visualization.plots import plot_over

DISTANCE = "distance"


def main() -> None:
    """Run the tool."""
    logging.basicConfig(format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path, help="result-….json files of tests and propagation")
    parser.add_argument(
        "--over",
        metavar="KEY",
        help=f"key of the experiments to make columns of; {DISTANCE}: distance from the label, for results of "
        "tools/propagate.py",
    )
    parser.add_argument(
        "--plot", type=Path, metavar="PNG", help="also plot the results of --over as curves, to a .png file"
    )
    args = parser.parse_args()
    if args.plot and not args.over:
        raise InputError("--plot requires --over")
    claim_outputs([("--plot", args.plot)], [("RESULTS", path) for path in args.results])
    if not args.over:
        print(compare(args.results))
        return
    if args.over == DISTANCE:
        measures = {measure: by_distance(args.results, measure) for measure in ("AP", "PCK .05")}
    else:
        measures = {"AP": by_key(args.results, args.over)}
    for measure, rows in measures.items():
        print(format_over(measure, rows))
    if args.plot:
        plot_over("frames from the label" if args.over == DISTANCE else args.over, for_plot(measures), args.plot)
        print(f"{args.plot}: the same as curves")


if __name__ == "__main__":
    run(main)
