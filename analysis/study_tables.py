#!/usr/bin/env python3
"""Writes the tables of README.md and analysis/results/study.md, and their figures, from the results files in the
repository. A test holds the tables in the texts against them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
from feddip_analysis import claim_figures, documents, plots  # noqa: E402
from feddip_analysis.published import Published  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
TEXTS = ("README.md", "analysis/results/study.md")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a text would change")
    return parser.parse_args()


def draw(published: Published) -> None:
    folder = ROOT / "analysis" / "figures"
    with plots.style():
        for picture in claim_figures.pictures(published.claims, published.families).values():
            picture.figure.savefig(folder / f"{picture.name}.png", dpi=150, metadata={"Software": None})
            plt.close(picture.figure)
            print(folder / f"{picture.name}.png")


def main() -> int:
    args = arguments()
    published = Published(ROOT)
    blocks = published.blocks()
    for left_out in published.skipped:
        print(left_out, file=sys.stderr)
    wrong = documents.update("study_tables.py", [ROOT / name for name in TEXTS], blocks, args.check)
    if not args.check and not wrong:
        draw(published)
    return int(bool(wrong or published.skipped))


if __name__ == "__main__":
    sys.exit(main())
