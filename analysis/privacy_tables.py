#!/usr/bin/env python3
"""Tables of results files, as Markdown: accuracy over differential privacy and sparsity, and accuracy of each rule of
aggregation under each attack. In %, the mean of the last three rounds that were evaluated, and the range of the seeds;
under attack also over the whole test set, and of the honest clients alone, where each client's accuracy is recorded.
Without RESULTS the tables of analysis/results/privacy.md and attacks.md, and a figure, from the files beside these pages."""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import xarray as xr  # noqa: E402
from feddip_analysis import collect, documents, partition, plots, protection, results, tables  # noqa: E402

BACKDOOR = "backdoor"
SEES_ALL = ", sees all"
UNWEIGHTED = "unweighted mean"
FLOOR = 84.0  # %, that a rule is asked to stay at where the mean does not
ROOT = Path(__file__).resolve().parent
ATTACKS = ROOT / "results" / "attacks.md"
PRIVACY = ROOT / "results" / "privacy.md"
FIGURE = ROOT / "figures" / "privacy.png"
USUAL_CLIP = 0.5
FEDERATIONS = {100: "published", 1000: "thousand", 50: "fifty"}  # by clients: the parts of jobs/privacy_study.sh


def end_accuracy(run: xr.Dataset) -> float:
    return 100 * protection.end_accuracy(run)


def by_client(run: xr.Dataset) -> np.ndarray:
    """The same of each client on its own test share; NaN where not all of them were in each of these rounds."""
    clients = int(results.config(run).get("federation.clients", 0))
    found = np.full(clients, np.nan)
    if "client_accuracy" in run and run.sizes["slot"] == clients:
        evaluated = run.client_accuracy.notnull().all("slot").values
        for client in range(clients):
            own = run.client_accuracy.where(run.client_id == client)[evaluated].max("slot")
            found[client] = 100 * protection.at_end(own)
    return found


def on_test_set(run: xr.Dataset) -> float:
    counts = partition.counts_of(run)
    return float("nan") if counts is None else float(np.average(by_client(run), weights=counts[1].sum(axis=0)))


def of_honest(runs: Sequence[xr.Dataset]) -> Callable[[xr.Dataset], float]:
    """The mean over the clients that no attack of the same seed has; without attack it is of the same ones."""
    hostile: dict[tuple, set[int]] = defaultdict(set)

    def drawn_by(run: xr.Dataset) -> tuple:
        c = results.config(run)
        return run.attrs["seed"], c.get("federation.clients"), c.get("attack.clients")

    for run in runs:
        if "client_hostile" in run:
            hostile[drawn_by(run)] |= set(run.client_id.values[run.client_hostile.values == 1].tolist())

    def mean(run: xr.Dataset) -> float:
        found = by_client(run)
        honest = [client for client in range(len(found)) if client not in hostile[drawn_by(run)]]
        return float(np.mean(found[honest])) if honest else float("nan")

    return mean


def sparsity(run: xr.Dataset) -> float:
    """Of the model in the end."""
    return round(float(run.sparsity.values[-1]), 3)


def cell(accuracies: list[float]) -> str:
    if not accuracies:
        return tables.MISSING
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


def rule_of(config: dict) -> str:
    rule = config["aggregation.rule"]
    return UNWEIGHTED if rule == "trimmed_mean" and config.get("aggregation.hostile") == 0 else rule


Rules = dict[str, dict[str, list[float]]]  # accuracies by rule and attack


def attack_grids(runs: list[xr.Dataset], accuracy: Callable[[xr.Dataset], float] = end_accuracy) -> dict[float, Rules]:
    """By sparsity, of runs with attackers and of those without that have their setting; the means first. Of runs that
    have the accuracy."""
    found: dict[float, dict] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for run in runs:
        c = results.config(run)
        if not c.get("attack.clients") or np.isnan(accuracy(run)):
            continue
        strength = c["attack.strength"]
        attack = c["attack.kind"]
        if attack != "none":
            attack += (f" x{strength:g}" if strength != 1 else "") + (SEES_ALL if c.get("attack.sees") == "all" else "")
        cells = found[sparsity(run)][rule_of(c)]
        cells[attack].append(accuracy(run))
        if c["attack.kind"] == BACKDOOR and "attack_success" in run:
            cells[f"{attack}: success"].append(100 * protection.at_end(run.attack_success))
    means = ("mean", UNWEIGHTED)
    return {
        at: dict(sorted(rules.items(), key=lambda rule: means.index(rule[0]) if rule[0] in means else len(means)))
        for at, rules in sorted(found.items())
    }


def attack_table(rules: Rules) -> str:
    attacks = {attack for row in rules.values() for attack in row}
    order = sorted(attacks, key=lambda a: (a != "none", " x" in a, a))
    return grid(["rule"], {(rule,): row for rule, row in rules.items()}, order)


def ranked(rules: Rules, attack: str) -> list[tuple[str, float]]:
    others = {rule: float(np.mean(row[attack])) for rule, row in rules.items() if rule != "mean" and attack in row}
    return sorted(((rule, value) for rule, value in others.items() if rule != UNWEIGHTED), key=lambda item: -item[1])


def attack_verdicts(at: float, rules: Rules, measured: dict[str, Rules]) -> list[str]:
    """What each attack does to the mean, and which rule withstands those that bring it below FLOOR, also as it is
    measured otherwise."""
    said = []
    means = {attack: float(np.mean(values)) for attack, values in rules.get("mean", {}).items()}
    for attack, left in means.items():
        if attack == "none" or "none" not in means or attack.startswith(BACKDOOR):
            continue  # what a backdoor does, accuracy does not show
        said.append(f"s = {at:g}, {attack}: the mean goes from {means['none']:.1f} to {left:.1f} %")
        if left >= FLOOR:
            continue
        if attack in rules.get(UNWEIGHTED, {}):
            said[-1] += f", unweighted to {np.mean(rules[UNWEIGHTED][attack]):.1f} %"
        said[-1] += "".join(f"; {rule} keeps {value:.1f} %" for rule, value in ranked(rules, attack))
        for how, its in ({"": rules} | measured).items():
            stays = [rule for rule, value in ranked(its, attack) if value >= FLOOR]
            said[-1] += f"; {how + ', ' if how else ''}at {FLOOR:g} % or above: {', '.join(stays) or 'none'}"
    return said


def other_grids(runs: list[xr.Dataset]) -> dict[str, dict[float, Rules]]:
    """By what else is measured."""
    how = {"on the whole test set": on_test_set, "of the honest clients": of_honest(runs)}
    return {name: attack_grids(runs, accuracy) for name, accuracy in how.items()}


def at_sparsity(at: float, others: dict[str, dict[float, Rules]]) -> dict[str, Rules]:
    return {name: grids[at] for name, grids in others.items() if at in grids}


def hostile_share(runs: Sequence[xr.Dataset]) -> str:
    """Of the training images, in rounds that all clients are in."""
    said = []
    for run in runs:
        hostile, samples = run.client_hostile.values[0] == 1, run.client_samples.values[0]
        if hostile.any() and run.sizes["slot"] == results.config(run)["federation.clients"]:
            names = ", ".join(str(client) for client in run.client_id.values[0][hostile])
            share = 100 * samples[hostile].sum() / samples.sum()
            said.append(f"Hostile are clients {names}, who hold {share:.1f} % of the training images.")
    return "\n".join(dict.fromkeys(said))


def attack_blocks(runs: list[xr.Dataset]) -> dict[str, str]:
    grids, others = attack_grids(runs), other_grids(runs)
    blocks, verdicts = {}, []
    for at, rules in grids.items():
        measured = at_sparsity(at, others)
        verdicts += attack_verdicts(at, rules, measured)
        blocks[f"attacks-{at:g}"] = attack_table(rules)
        for name, its in measured.items():
            blocks[f"attacks-{at:g}-{name.split()[-1]}"] = attack_table(its)
    return blocks | {"hostile": hostile_share(runs), "verdicts": "\n".join(f"- {line}" for line in verdicts)}


def privacy_rows(runs: list[xr.Dataset]) -> dict[str, dict[tuple[float, float], protection.Row]]:
    parts = defaultdict(list)
    for run in runs:
        config = results.config(run)
        clip = "" if config["privacy.clip"] == USUAL_CLIP else f"-clip-{config['privacy.clip']:g}"
        parts[FEDERATIONS[config["federation.clients"]] + clip].append(run)
    return {name: protection.by_noise(of_part) for name, of_part in parts.items()}


def privacy_blocks(parts: dict[str, dict[tuple[float, float], protection.Row]]) -> dict[str, str]:
    tables_of = {"": protection.accuracy_table, "-against-dense": protection.against_dense}
    blocks = {name + ending: table(rows) for name, rows in parts.items() for ending, table in tables_of.items()}
    return blocks | {"thousand-costs": protection.cost_of_noise(parts["thousand"])}


def draw(parts: dict[str, dict[tuple[float, float], protection.Row]]) -> None:
    with plots.style():
        drawn, panels = plt.subplots(1, len(parts), figsize=(3.7 * len(parts), 3.2), squeeze=False)
        for axes, (clients, rows) in zip(panels[0], ((n, parts[name]) for n, name in FEDERATIONS.items() if name in parts)):
            protection.over_sparsity(axes, rows)
            axes.set_title(f"{clients} clients")
        drawn.savefig(FIGURE, dpi=110, metadata={"Software": None})
        plt.close(drawn)


def update_pages(check: bool) -> int:
    (attacks, no_attacks), (private, not_private) = (collect([page.with_suffix("")]) for page in (ATTACKS, PRIVACY))
    skipped = no_attacks + not_private
    for left_out in skipped:
        print(left_out, file=sys.stderr)
    parts = privacy_rows(private)
    wrong = [
        documents.update("privacy_tables.py", [page], blocks, check)
        for page, blocks in ((ATTACKS, attack_blocks(attacks)), (PRIVACY, privacy_blocks(parts)))
    ]
    if not check and not any(wrong):
        draw(parts)
    return int(any(wrong) or bool(skipped))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="*", type=Path, metavar="RESULTS", help="results files, or folders of them")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page would change")
    args = parser.parse_args()
    if not args.results:
        return update_pages(args.check)
    runs, skipped = collect(args.results)
    for left_out in skipped:
        print(left_out, file=sys.stderr)
    shown = []
    if table := privacy_table(runs):
        shown.append(f"Accuracy over privacy; columns are sparsities.\n\n{table}")
    others = other_grids(runs)
    for at, rules in attack_grids(runs).items():
        measured = at_sparsity(at, others)
        verdicts = "".join(f"- {line}\n" for line in attack_verdicts(at, rules, measured))
        shown.append(f"Accuracy under attack at sparsity {at:g}.\n\n{attack_table(rules)}\n{verdicts}")
        shown += [f"The same {name}.\n\n{attack_table(its)}" for name, its in measured.items()]
    if not shown:
        print("privacy_tables.py: error: nothing to show: no run has privacy.clip or attack.clients", file=sys.stderr)
        return 2
    print("\n".join(shown), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
