#!/usr/bin/env python3
"""Five lines on a run of feddip: what ran, accuracy, sparsity, traffic, time."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from feddip_analysis import NotAResultsFile, load, summary_lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="+", type=Path, metavar="RESULTS", help="results files (HDF5)")
    for path in parser.parse_args().results:
        try:
            print("\n".join(summary_lines(load(path))))
        except NotAResultsFile as problem:
            print(f"summary.py: error: {problem}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
