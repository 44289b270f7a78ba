#!/usr/bin/env python3
"""What drift does to the runs of a folder (jobs/drift_study.sh): dip, rounds until 90 % of the loss is made up, bytes, how
far the mask moved, how many weights were ever alive. A table (Markdown, CSV, LaTeX), a figure per stream, and whether
each answer to drift is worth it beside the frozen mask. Without RESULTS the same for analysis/results/drift.md, from the
files beside it, in the page."""

from __future__ import annotations

import argparse
import sys
from itertools import cycle
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
from feddip_analysis import collect, documents, drift, group_runs, markdown, options, plots, results  # noqa: E402

ROUNDS_BEFORE = 100  # in the figure
ROOT = Path(__file__).resolve().parent
PAGE = ROOT / "results" / "drift.md"


def figure(rows: list[drift.Row]) -> plt.Figure:
    drawn, axes = plt.subplots(1, 2, figsize=(7.4, 3.2))
    first = min((e.first for row in rows for e in drift.events(row.group.first) if e.first > 1), default=1)
    for row, colour, line in zip(rows, cycle((*plots.COLOURS, "black")), cycle(plots.LINES)):
        for panel, name in zip(axes, ("accuracy", "mask_distance")):
            if not row.group.has(name):
                continue
            values = row.group.over_seeds(name).dropna("round", how="any")
            values = values.sel(round=values["round"] >= first - ROUNDS_BEFORE)
            plots.band(panel, values["round"].values, values.values, row.system, {"color": colour, "linestyle": line})
    for panel in axes:
        plots.round_axis(panel)
        for event in drift.events(rows[0].group.first):
            if event.first > 1:
                panel.axvline(event.first, color="#5D5D5D", linewidth=0.7)
    axes[0].set_ylabel("accuracy on what there is now (%)")
    axes[0].yaxis.set_major_formatter(plots.percent_ticks)
    axes[1].set_ylabel("distance of the mask (Jaccard)")
    drawn.suptitle(rows[0].stream, fontsize="small")
    drawn.legend(*axes[0].get_legend_handles_labels(), ncols=3, loc="upper center", bbox_to_anchor=(0.5, 0))
    return drawn


def draw(rows: list[drift.Row], folder: Path) -> None:
    """A file per stream."""
    with plots.style():
        for number, stream in enumerate(dict.fromkeys(row.stream for row in rows), 1):
            drawn = figure([row for row in rows if row.stream == stream])
            drawn.savefig(folder / f"drift-{number}.png", dpi=110, bbox_inches="tight", metadata={"Software": None})
            plt.close(drawn)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    options.add_results(parser, "*")
    options.add_incomplete(parser)
    options.add_out(parser, "drift")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page would change")
    args = parser.parse_args()
    runs, skipped = collect(args.results or [PAGE.with_suffix("")], args.incomplete)
    for left_out in skipped:
        print(left_out, file=sys.stderr)
    runs = [run for run in runs if "drift" in run]
    shown, rows = drift.rows(group_runs(runs)), drift.rows(group_runs(filter(results.is_complete, runs)))
    for run in runs:
        if not results.is_complete(run):
            print(f"in the figure alone: {run.attrs['path']}: {results.progress(run)}", file=sys.stderr)
    if not rows:
        print("drift.py: error: no run with drift in what was given", file=sys.stderr)
        return 2
    table = drift.table(rows)
    seeds = markdown(drift.by_seed(rows))
    verdicts = [verdict.text() for verdict in drift.verdicts(rows)]
    if args.results:
        print(table.markdown(), seeds, *verdicts, sep="\n")
        try:
            table.save(args.out)
            draw(shown, args.out)
        except OSError as problem:
            print(f"drift.py: error: can't write (--out {args.out}): {problem}", file=sys.stderr)
            return 2
        return 0
    blocks = {"drift": table.markdown(), "by-seed": seeds, "verdicts": "\n".join(f"- {text}" for text in verdicts)}
    wrong = documents.update("drift.py", [PAGE], blocks, args.check)
    if not args.check and not wrong:
        draw(rows, ROOT / "figures")
    return int(bool(wrong or skipped))


if __name__ == "__main__":
    sys.exit(main())
