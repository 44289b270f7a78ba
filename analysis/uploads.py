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
from feddip_analysis.results import LAST_ROUNDS, is_complete, progress  # noqa: E402
from matplotlib.ticker import LogLocator  # noqa: E402

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
    looks = zip(cycle(plots.COLOURS), cycle(plots.LINES), cycle(MARKERS))
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
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(plots.percent_ticks)
    rounds.set_xlabel("uploaded so far (MB)")
    plots.accuracy_axis(rounds, groups)
    seen = [x[0] for line in rounds.lines if (x := line.get_xdata()[line.get_ydata() >= rounds.get_ylim()[0]]).size]
    rounds.set_xlim(left=0.9 * min(seen, default=rounds.get_xlim()[0]))
    end.set_xlabel("uploaded in the whole run (MB)")
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
        if cut := [run for run in runs if not is_complete(run)]:
            raise ValueError(f"{cut[0].attrs['path']}: {progress(cut[0])}; leave it out, for it has not ended")
        with plots.style():
            figure(group_runs(runs)).savefig(args.out, bbox_inches="tight")
    except (NotAResultsFile, OSError, ValueError) as problem:
        print(f"uploads.py: error: {problem}", file=sys.stderr)
        return 2
    print(args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
