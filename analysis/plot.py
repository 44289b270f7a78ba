#!/usr/bin/env python3
"""Draws runs of feddip side by side; runs that differ in their seed only become a mean with a band."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from feddip_analysis import budgets, classes, plots, results, tables  # noqa: E402
from feddip_analysis import NotAResultsFile, group_runs, load, summary_rows  # noqa: E402


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="+", type=Path, metavar="RESULTS", help="results files (HDF5), or folders of them")
    parser.add_argument(
        "--out", type=Path, default=Path("pictures"), metavar="DIR", help="default: %(default)s"
    )
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="CSV",
        help="accuracy curves to draw in grey: columns round, name1, name2 ...",
    )
    return parser.parse_args()


def main() -> int:
    args = arguments()
    try:
        runs = [load(path) for path in results.run_files(args.results)]
        reference = plots.references(args.reference) if args.reference else None
    except (NotAResultsFile, OSError, ValueError) as problem:
        print(f"plot.py: error: {problem}", file=sys.stderr)
        return 2
    started = [run for run in runs if run.sizes["round"]]
    if not started:
        why = results.none_found(args.results) or "no round is done yet in any of the files"
        print(f"plot.py: error: {why}", file=sys.stderr)
        return 2
    groups = group_runs(started)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
        with plots.style():
            drawn = plots.figures(groups, reference) | budgets.figures(groups) | classes.figures(groups)
            for name, figure in drawn.items():
                for path in plots.save(figure, args.out, name):
                    print(path)
        tables.from_rows("table", "Runs", summary_rows(groups)).save(args.out)
    except OSError as problem:
        print(f"plot.py: error: can't write (--out {args.out}): {problem}", file=sys.stderr)
        return 2
    print(args.out / "table.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
