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
    stale, unused = [], set(blocks)
    for name in TEXTS:
        path = ROOT / name
        unused -= set(documents.names(path.read_text(encoding="utf-8")))
        if documents.update(path, blocks, args.check):
            continue
        stale.append(name)
        if not args.check:
            print(path)
    if args.check:
        said = [f"{name} is not what the results files say" for name in stale]
        said += [f"no text has a place for '{name}'" for name in sorted(unused)]
        for line in said:
            print(f"study_tables.py: {line}", file=sys.stderr)
        return 1 if said else 0
    draw(published)
    return 0


if __name__ == "__main__":
    sys.exit(main())
