#!/usr/bin/env python3
"""Two tables of results files, as Markdown: accuracy over differential privacy and sparsity, and accuracy of each rule of
aggregation under each attack. In %, the mean of the last three rounds that were evaluated, and the range of the seeds."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import xarray as xr
from feddip_analysis import collect, results, tables

LAST = 3
MISSING = "–"


def end_accuracy(run: xr.Dataset) -> float:
    measured = run.accuracy.values[~np.isnan(run.accuracy.values)]
    return 100 * float(measured[-LAST:].mean()) if measured.size else float("nan")


def sparsity(run: xr.Dataset) -> float:
    """Of the model in the end."""
    return round(float(run.sparsity.values[-1]), 3)


def cell(accuracies: list[float]) -> str:
    if not accuracies:
        return MISSING
    mean = f"{np.mean(accuracies):.1f}"
    return f"{mean} ({min(accuracies):.1f} - {max(accuracies):.1f})" if len(accuracies) > 1 else mean


def grid(head: list[str], rows: dict[tuple, dict], columns: list) -> str:
    """`rows` have lists of accuracies by column."""
    lines = [[*map(str, label), *(cell(row.get(c, [])) for c in columns)] for label, row in rows.items()]
    return tables.markdown_lines([head + [str(column) for column in columns], *lines])


def privacy_table(runs: list[xr.Dataset]) -> str:
    rows: dict[tuple, dict] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        c = results.config(run)
        if not c.get("privacy.clip"):
            continue
        epsilon = float(run.epsilon.values[-1])
        label = (
            c["federation.clients"],
            c["federation.clients_per_round"],
            c["privacy.sampling"],
            run.sizes["round"],
            f"{c['privacy.clip']:g}",
            f"{c['privacy.noise_multiplier']:g}" if np.isinf(epsilon) or not c["privacy.epsilon"] else "found",
            "none" if np.isinf(epsilon) else f"{epsilon:.2f}",
            f"{c['privacy.delta']:g}",
        )
        rows[label][sparsity(run)].append(end_accuracy(run))
    if not rows:
        return ""
    columns = sorted({column for row in rows.values() for column in row})
    head = ["N", "K", "sampling", "rounds", "clip", "noise", "epsilon", "delta"]
    return grid(head, dict(sorted(rows.items())), columns)


def attack_tables(runs: list[xr.Dataset]) -> dict[float, str]:
    """By sparsity. Only of runs with attackers, and those without that have their setting."""
    found: dict[float, dict] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    attacks: list[str] = []
    for run in runs:
        c = results.config(run)
        if not c.get("attack.clients"):
            continue
        strength = c["attack.strength"]
        attack = c["attack.kind"] + (f" x{strength:g}" if strength != 1 and c["attack.kind"] != "none" else "")
        if attack not in attacks:
            attacks.append(attack)
        found[sparsity(run)][(c["aggregation.rule"],)][attack].append(end_accuracy(run))
    attacks.sort(key=lambda a: (a != "none", " x" in a, a))
    return {s: grid(["rule"], found[s], attacks) for s in sorted(found)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="+", type=Path, metavar="RESULTS", help="results files, or folders of them")
    args = parser.parse_args()
    runs, skipped = collect(args.results)
    for left_out in skipped:
        print(f"left out: {left_out.path}: {left_out.reason}", file=sys.stderr)
    tables = []
    if table := privacy_table(runs):
        tables.append(f"Accuracy over privacy; columns are sparsities.\n\n{table}")
    for at, table in attack_tables(runs).items():
        tables.append(f"Accuracy under attack at sparsity {at:g}.\n\n{table}")
    if not tables:
        sys.exit("feddip: error: nothing to show (results): no run has privacy.clip or attack.clients")
    print("\n".join(tables), end="")


if __name__ == "__main__":
    main()
