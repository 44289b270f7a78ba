#!/usr/bin/env python3
"""Says what is wrong with runs: accuracy that falls, clients that vanish, NaN, jobs that stall or have died,
old checkpoints, a full disk. RUNBOOK.md beside this says of each what it means and what to do.

Exit codes, as monitoring plugins have them: 0 all is well, 1 a warning, 2 something critical, 3 nothing could
be looked at. Cron: `watch.py --quiet results/` prints, and so mails, only what is wrong.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from feddip_analysis import watch


class Parser(argparse.ArgumentParser):
    def error(self, message: str):
        self.print_usage(sys.stderr)
        self.exit(watch.Severity.UNKNOWN, f"watch.py: error: {message}\n")


def arguments() -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("paths", nargs="+", type=Path, metavar="RESULTS", help="results files, or folders of them")
    default = "when to speak (default: feddip_analysis/watch.toml)"
    add("--thresholds", type=Path, metavar="FILE.toml", help=default)
    add("--prometheus", type=Path, metavar="FILE.prom", help="write all numbers there, too")
    add("--quiet", action="store_true", help="print nothing where all is well")
    follow = "look again and again, and print what has changed, until all runs are complete"
    add("--follow", type=float, metavar="SECONDS", help=follow)
    return parser.parse_args()


def look(args: argparse.Namespace, thresholds: watch.Thresholds) -> tuple[list[watch.Report], list[str]]:
    """The reports, and the lines to print."""
    now = time.time()
    reports = watch.look_at_all(args.paths, thresholds, watch.World(now))
    if args.prometheus:
        watch.replace_file(args.prometheus, watch.prometheus(reports, now))
    wrong = [report for report in reports if report.severity]
    return reports, watch.text(wrong if args.quiet else reports)


def follow(args: argparse.Namespace, thresholds: watch.Thresholds) -> list[watch.Report]:
    before: list[str] = []
    while True:
        reports, lines = look(args, thresholds)
        for line in lines:
            if line not in before:
                print(line, flush=True)
        before = lines
        if reports and all(report.numbers.get("complete") for report in reports):
            return reports
        time.sleep(args.follow)


def main() -> int:
    args = arguments()
    try:
        thresholds = watch.read_thresholds(args.thresholds)
        if args.follow:
            reports = follow(args, thresholds)
        else:
            reports, lines = look(args, thresholds)
            print("".join(line + "\n" for line in lines), end="")
    except (watch.BadThresholds, OSError) as problem:
        print(f"watch.py: error: {problem}", file=sys.stderr)
        return watch.Severity.UNKNOWN
    if not reports:
        print("watch.py: error: there is no results file in what was named", file=sys.stderr)
        return watch.Severity.UNKNOWN
    return max(report.severity for report in reports)


if __name__ == "__main__":
    try:
        for stream in (sys.stdout, sys.stderr):  # of names of files that are no UTF-8
            stream.reconfigure(errors="backslashreplace")
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as problem:  # Python's own exit code would mean a warning
        print(f"watch.py: error: {type(problem).__name__}: {' '.join(str(problem).split())}", file=sys.stderr)
        sys.exit(watch.Severity.UNKNOWN)
