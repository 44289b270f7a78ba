#!/usr/bin/env python3
"""Turns results files into one page: accuracy, traffic, time, the paper's claims one by one, and what to
pilot first.

Figures (SVG, PNG) and tables (Markdown, CSV, LaTeX) are written beside it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from feddip_analysis import collect, decision, options, plan, report, results, safety  # noqa: E402
from feddip_analysis.claims import Limits  # noqa: E402


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_results(parser)
    options.add_incomplete(parser)
    options.add_out(parser, "report")
    options.add_target(parser)
    options.add_links(parser)
    parser.add_argument(
        "--plan",
        nargs="+",
        type=Path,
        metavar="LIST",
        help=f"of the runs that were planned, by jobs/study.sh (default: {plan.NAME} in the folders of results)",
    )
    default = Limits()
    parser.add_argument(
        "--margin",
        type=options.from_0,
        default=100 * default.margin,
        metavar="POINTS",
        help="differences of accuracy within it don't matter (default: %(default)g)",
    )
    return parser.parse_args()


def main() -> int:
    args = arguments()
    runs, skipped = collect(args.results, incomplete=args.incomplete)
    audits, skipped = safety.audits(skipped)
    for file in skipped:
        print(f"report.py: left out {file.path}: {file.reason}", file=sys.stderr)
    if not runs:
        why = results.none_found(args.results) or "no complete run in any of the files"
        print(f"report.py: error: {why}", file=sys.stderr)
        return 2
    lists = args.plan or plan.beside(args.results)
    try:
        links = options.links(args)
        planned = plan.read(lists) if lists else None
    except (ValueError, plan.NotAPlan) as problem:
        print(f"report.py: error: {problem}", file=sys.stderr)
        return 2
    try:
        page = report.write(
            runs,
            skipped,
            args.out,
            limits=Limits(margin=args.margin / 100, fraction=args.fraction, target=args.target),
            question=decision.Question(links=links, target=args.target, fraction=args.fraction),
            plan=planned,
            audits=audits,
        )
    except OSError as problem:
        print(f"report.py: error: can't write (--out {args.out}): {problem}", file=sys.stderr)
        return 2
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
