#!/usr/bin/env python3
"""Draws how memory and time of a round's communication grow with ranks: the CSV of tests/bench/measure_scaling.py."""

from __future__ import annotations

import argparse
import csv
import sys
from itertools import cycle, groupby
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
from feddip_analysis import plots  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402

ROOT = Path(__file__).resolve().parent
Curves = dict[str, tuple[np.ndarray, np.ndarray]]
BYTES_PER_VALUE = 4
ALGORITHMS = {"default": "as Open MPI chooses", "ring": "scatter, then ring"}


def curves(rows: list[dict[str, str]], label: str, value) -> Curves:
    """Values over ranks, one curve for each content of the column `label`."""
    found = {}
    for name, of_name in groupby(rows, key=lambda row: row[label]):
        points = [(int(row["ranks"]), value(row)) for row in of_name]
        found[name] = tuple(np.array(points).T)
    return found


def draw(axes: Axes, what: Curves, names: str = "{}") -> None:
    looks = zip(cycle(plots.COLOURS), cycle(plots.LINES), cycle("os^D"))
    for (name, (x, y)), (colour, line, marker) in zip(what.items(), looks):
        axes.plot(
            x, y, color=colour, linestyle=line, marker=marker, markersize=3.5, label=names.format(name)
        )
    axes.set_xscale("log", base=2)
    ranks = sorted({int(r) for x, _ in what.values() for r in x})
    axes.set_xticks(ranks, [str(r) for r in ranks])
    axes.set_xlabel("ranks")
    axes.set_ylim(bottom=0)


def add_line(axes: Axes, ranks: np.ndarray, seconds: np.ndarray, label: str) -> None:
    axes.plot(ranks, seconds, color="#8A8A8A", linewidth=0.8, zorder=1, label=label)


def figure(rows: list[dict[str, str]]) -> plt.Figure:
    together = [row for row in rows if not row["mbit"]]
    linked = [row for row in rows if row["mbit"]]
    by_default = [row for row in linked if row["bcast"] == "default"]
    of_first = [row for row in linked if row["slots"] == linked[0]["slots"]]
    mbit = float(linked[0]["mbit"])
    one_vector = 8e-6 * BYTES_PER_VALUE * int(linked[0]["length"]) / mbit  # seconds over a link
    ranks = np.array([int(row["ranks"]) for row in by_default if row["slots"] == linked[0]["slots"]])

    drawn, ((memory, total), (broadcast, sums)) = plt.subplots(2, 2, figsize=(7.2, 5.2))
    draw(memory, curves(together, "slots", lambda row: float(row["vectors"])), "{} clients")
    memory.set_title("Peak memory of a rank, one machine")
    memory.set_ylabel("vectors beside its own")

    draw(
        total,
        curves(together, "slots", lambda row: float(row["seconds_broadcast"]) + float(row["seconds_sum"])),
        "{} clients",
    )
    total.set_title("Broadcast and sum, two cores for all ranks")
    total.set_ylabel("s")

    algorithms = curves(of_first, "bcast", lambda row: float(row["seconds_broadcast"]))
    draw(broadcast, {ALGORITHMS[name]: curve for name, curve in algorithms.items()})
    add_line(broadcast, ranks, one_vector * np.log2(ranks), "log$_2$(ranks) vectors")
    broadcast.set_title(f"Broadcast over links of {mbit:g} Mbit/s")
    broadcast.set_ylabel("s")

    draw(sums, curves(by_default, "slots", lambda row: float(row["seconds_sum"])), "{} clients")
    add_line(sums, ranks, one_vector * np.log2(ranks), "log$_2$(ranks) vectors")
    sums.set_title(f"Sum over links of {mbit:g} Mbit/s")
    sums.set_ylabel("s")
    for axes in (memory, total, broadcast, sums):
        axes.legend()
    return drawn


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("csv", type=Path, nargs="?", default=ROOT / "results" / "scaling" / "scaling.csv")
    parser.add_argument("--out", type=Path, default=ROOT / "figures", metavar="DIR")
    args = parser.parse_args()
    try:
        with open(args.csv, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        with plots.style():
            drawn = figure(rows)
            args.out.mkdir(parents=True, exist_ok=True)
            drawn.savefig(args.out / "scaling.png")
    except OSError as problem:
        print(f"scaling.py: error: {problem}", file=sys.stderr)
        return 2
    except (csv.Error, IndexError, KeyError, TypeError, ValueError):
        print(f"scaling.py: error: {args.csv}: not a table of tests/bench/measure_scaling.py", file=sys.stderr)
        return 2
    print(args.out / "scaling.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
