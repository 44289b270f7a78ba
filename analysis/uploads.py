#!/usr/bin/env python3
"""Draws accuracy against uploaded bytes, over the rounds and at the end; runs that differ in their seed only are one
curve."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
from feddip_analysis import Group, NotAResultsFile, group_runs, load, plots  # noqa: E402
from feddip_analysis.results import LAST_ROUNDS  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402

MEGABYTE = 1e6
MARKERS = "os^DvPX*"


def label(group: Group) -> str:
    return (
        group.label.removeprefix("FedDIP, ").replace("reconfiguration upload ", "").replace("value type ", "")
    )


def megabytes_up(group: Group) -> np.ndarray:
    return group.over_seeds("bytes_up").mean("seed").cumsum("round").values / MEGABYTE


def figure(groups: Sequence[Group]) -> plt.Figure:
    drawn, (rounds, end) = plt.subplots(1, 2, figsize=(7.4, 3.5), width_ratios=(1.25, 1))
    looks = zip((*plots.COLOURS, "black"), cycle(plots.LINES), MARKERS)
    for group, (colour, line, marker) in zip(groups, looks):
        accuracy = group.over_seeds("accuracy")
        up = megabytes_up(group)
        look = {"color": colour, "linestyle": line, "marker": marker}
        plots.band(rounds, up, accuracy.values, label(group), look)
        last = accuracy.isel(round=slice(-LAST_ROUNDS, None)).mean("round").values
        spread = [[last.mean() - last.min()], [last.max() - last.mean()]]
        beside = 1.04 if "residual" in label(group) else 1.0  # the same bytes as without
        end.errorbar(
            up[-1:] * beside, last.mean(), spread, color=colour, marker=marker, markersize=5, capsize=2
        )
    for axes in (rounds, end):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
        axes.yaxis.set_major_formatter(plots.percent_ticks)
    rounds.set_xlabel("uploaded so far (MB)")
    rounds.set_xlim(1.5)
    rounds.set_ylim(0.7, 0.9)
    rounds.set_ylabel("test accuracy (%)")
    end.set_xlabel("uploaded in the whole run (MB)")
    end.set_xticks([10, 20, 50, 100])
    end.set_title(f"last {LAST_ROUNDS} rounds: mean, and range of seeds", fontsize="small")
    drawn.legend(*rounds.get_legend_handles_labels(), ncols=4, loc="upper center", bbox_to_anchor=(0.5, 0))
    return drawn


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="+", type=Path, metavar="RESULTS", help="results files (HDF5)")
    parser.add_argument("--out", type=Path, required=True, metavar="PNG")
    args = parser.parse_args()
    try:
        runs = [load(path) for path in args.results]
        if without := [run.attrs["path"] for run in runs if not bool(run.accuracy.notnull().any())]:
            raise ValueError(f"nothing has been evaluated yet: {without[0]}")
        with plots.style():
            figure(group_runs(runs)).savefig(args.out, bbox_inches="tight")
    except (NotAResultsFile, OSError, ValueError) as problem:
        print(f"uploads.py: error: {problem}", file=sys.stderr)
        return 2
    print(args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
