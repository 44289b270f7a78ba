#!/usr/bin/env python3
"""Tables of results files, as Markdown: accuracy over differential privacy and sparsity, and accuracy of each rule of
aggregation under each attack. In %, the mean of the last three rounds that were evaluated, and the range of the seeds.
Without RESULTS the tables of analysis/results/attacks.md, from the files beside it, in the page."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import xarray as xr
from feddip_analysis import collect, documents, results, tables

LAST_EVALUATIONS = 3
MISSING = "–"
FLOOR = 84.0  # %, that a rule is asked to stay at where the mean does not
PAGE = Path(__file__).resolve().parent / "results" / "attacks.md"


def end_accuracy(run: xr.Dataset) -> float:
    measured = run.accuracy.values[~np.isnan(run.accuracy.values)]
    return 100 * float(measured[-LAST_EVALUATIONS:].mean()) if measured.size else float("nan")


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


def attack_grids(runs: list[xr.Dataset]) -> dict[float, dict[str, dict[str, list[float]]]]:
    """Accuracies by sparsity, rule and attack, of runs with attackers and of those without that have their setting; no
    attack first."""
    found: dict[float, dict] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for run in runs:
        c = results.config(run)
        if not c.get("attack.clients"):
            continue
        strength = c["attack.strength"]
        attack = c["attack.kind"] + (f" x{strength:g}" if strength != 1 and c["attack.kind"] != "none" else "")
        found[sparsity(run)][c["aggregation.rule"]][attack].append(end_accuracy(run))
    return dict(sorted(found.items()))


def attack_table(rules: dict[str, dict[str, list[float]]]) -> str:
    attacks = {attack for row in rules.values() for attack in row}
    order = sorted(attacks, key=lambda a: (a != "none", " x" in a, a))
    return grid(["rule"], {(rule,): row for rule, row in rules.items()}, order)


def attack_verdicts(at: float, rules: dict[str, dict[str, list[float]]]) -> list[str]:
    """What each attack does to the mean, and which rule withstands those that bring it below FLOOR."""
    said = []
    means = {attack: float(np.mean(values)) for attack, values in rules.get("mean", {}).items()}
    for attack, left in means.items():
        if attack == "none" or "none" not in means:
            continue
        said.append(f"s = {at:g}, {attack}: the mean goes from {means['none']:.1f} to {left:.1f} %")
        if left >= FLOOR:
            continue
        others = {rule: float(np.mean(row[attack])) for rule, row in rules.items() if rule != "mean" and attack in row}
        ranked = sorted(others.items(), key=lambda item: -item[1])
        said[-1] += "".join(f"; {rule} keeps {value:.1f} %" for rule, value in ranked)
        stays = [rule for rule, value in ranked if value >= FLOOR]
        said[-1] += f"; at {FLOOR:g} % or above: {', '.join(stays) or 'none'}"
    return said


def update_page(check: bool) -> int:
    runs, _ = collect([PAGE.with_suffix("")])
    grids = attack_grids(runs)
    blocks = {f"attacks-{at:g}": attack_table(rules) for at, rules in grids.items()}
    verdicts = [line for at, rules in grids.items() for line in attack_verdicts(at, rules)]
    blocks["verdicts"] = "\n".join(f"- {line}" for line in verdicts)
    current = documents.update(PAGE, blocks, check)
    if check and not current:
        print(f"{PAGE}: its tables are not those of the files: analysis/privacy_tables.py", file=sys.stderr)
    return int(check and not current)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="*", type=Path, metavar="RESULTS", help="results files, or folders of them")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page would change")
    args = parser.parse_args()
    if not args.results:
        return update_page(args.check)
    runs, skipped = collect(args.results)
    for left_out in skipped:
        print(f"left out: {left_out.path}: {left_out.reason}", file=sys.stderr)
    shown = []
    if table := privacy_table(runs):
        shown.append(f"Accuracy over privacy; columns are sparsities.\n\n{table}")
    for at, rules in attack_grids(runs).items():
        verdicts = "".join(f"- {line}\n" for line in attack_verdicts(at, rules))
        shown.append(f"Accuracy under attack at sparsity {at:g}.\n\n{attack_table(rules)}\n{verdicts}")
    if not shown:
        sys.exit("feddip: error: nothing to show (results): no run has privacy.clip or attack.clients")
    print("\n".join(shown), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
