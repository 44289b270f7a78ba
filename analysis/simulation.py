#!/usr/bin/env python3
"""Draws what a round takes on 16 to 4096 simulated machines, and prints it as tables: the CSV of
tests/bench/simulate_rounds.py, and training steps of bench_nn_step.

A FedDIP round here is the mean of R: the broadcast of values and their sum, and once in R the broadcast of a new mask
with the values and the sum of all weights. A FedAvg round is MPI_Bcast and MPI_Reduce of all prunable weights.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
from feddip_analysis import options, plots  # noqa: E402
from feddip_analysis.tables import markdown_lines  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402

Exchange = dict[str, float]  # seconds by kind
Case = tuple[str, str, str, int]  # network, model, algorithms, ranks

Parsed = TypeVar("Parsed")

ROOT = Path(__file__).resolve().parent
NETWORKS = {"fat_tree": "fat tree, 100 Gbit/s", "ethernet": "Ethernet, 1 Gbit/s"}
MODELS = {"alexnet": "AlexNet", "resnet18": "ResNet-18"}
ALGORITHMS = {"open_mpi": "as Open MPI chooses", "least_bytes": "fewest bytes"}
SPARSITIES = ("0.9", "0.95", "0.99")
STEPS = 40  # in a round of a client: 1000 images in batches of 128, 5 epochs


def read(path: Path, parse: Callable[[list[dict[str, str]]], Parsed], made_by: str) -> Parsed:
    with open(path, newline="", encoding="utf-8") as file:
        try:
            rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
            if not rows:
                raise ValueError("no rows")
            return parse(rows)
        except (csv.Error, KeyError, TypeError, ValueError) as problem:
            raise ValueError(f"{path}: not a table of {made_by}") from problem


def exchanges(rows: list[dict[str, str]]) -> tuple[dict[Case, Exchange], dict[Case, dict[str, Exchange]]]:
    """Of all weights, and of those that a sparsity leaves."""
    dense: dict[Case, Exchange] = defaultdict(dict)
    sparse: dict[Case, dict[str, Exchange]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        case = (row["network"], row["model"], row["algorithms"], int(row["ranks"]))
        of = sparse[case][row["sparsity"]] if row["sparsity"] else dense[case]
        of[row["kind"]] = float(row["seconds"])
    return dense, sparse


def fedavg(dense: Exchange) -> float:
    return dense["broadcast_all"] + dense["reduce_all"]


def resting(sparse: Exchange) -> float:
    """A round in which the mask rests."""
    return sparse["broadcast_values"] + sparse["sum_values"]


def feddip(sparse: Exchange, dense: Exchange, period: int) -> float:
    reconfiguring = sparse["broadcast_new_mask"] + dense["sum_all"]
    return ((period - 1) * resting(sparse) + reconfiguring) / period


def training(rows: list[dict[str, str]]) -> dict[str, dict[str, float]]:
    """Seconds of a client's local training by model and sparsity ("" is dense)."""
    sparsity_of = {"10": "0.9", "5": "0.95", "2": "0.99"}
    seconds: dict[str, dict[str, float]] = defaultdict(dict)
    for row in rows:
        if not row["name"].endswith("_median"):
            continue
        _, model, spread, density, *_ = row["name"].split("/")
        sparsity = "" if spread == "dense" else sparsity_of[density]
        seconds[model][sparsity] = STEPS * float(row["cpu_time"]) / 1e3
    return seconds


def ranks_of(network: str, model: str, dense) -> list[int]:
    return sorted({r for n, m, _, r in dense if (n, m) == (network, model)})


def draw(axes: Axes, network: str, model: str, dense, sparse, train, period: int) -> None:
    ranks = ranks_of(network, model, dense)
    for algorithms, colour, line in zip(ALGORITHMS, ("#5D5D5D", "#5D5D5D"), ("-", (0, (4, 1.5)))):
        axes.plot(
            ranks,
            [fedavg(dense[network, model, algorithms, r]) for r in ranks],
            color=colour,
            linestyle=line,
            marker="x",
            markersize=4,
            label=f"MPI, all weights, {ALGORITHMS[algorithms]}",
        )
    for sparsity, colour, marker in zip(SPARSITIES, plots.COLOURS, "os^"):
        for algorithms, line in zip(ALGORITHMS, ("-", (0, (4, 1.5)))):
            axes.plot(
                ranks,
                [
                    feddip(
                        sparse[network, model, algorithms, r][sparsity],
                        dense[network, model, algorithms, r],
                        period,
                    )
                    for r in ranks
                ],
                color=colour,
                linestyle=line,
                marker=marker,
                markersize=3.5,
                label=f"FedDIP, s = {sparsity}" if line == "-" else None,
            )
    for sparsity, name in (("", "dense"), ("0.95", "s = 0.95")):
        axes.axhline(train[model][sparsity], color="#B0B0B0", linewidth=0.8, zorder=1)
        place = (ranks[0], train[model][sparsity])
        axes.annotate(f"training on a core, {name}", place, fontsize=7, color="#7A7A7A", va="bottom")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(ranks, [str(r) for r in ranks])
    axes.set_title(f"{MODELS[model]}, {NETWORKS[network]}")
    axes.set_xlabel("ranks")
    axes.set_ylabel("s")


def digits(x: float) -> str:
    return f"{x:.0f}" if x >= 100 else f"{x:.3g}"


def tables(dense, sparse, train, period: int) -> None:
    """Communication of a round in ms, and in brackets how many times faster than MPI's by the same choice of
    algorithms; then seconds of a round with a client's training on one core, as Open MPI chooses."""

    def ours(case: Case, sparsity: str) -> float:
        return feddip(sparse[case][sparsity], dense[case], period)

    for network, model in itertools.product(NETWORKS, MODELS):
        ranks = ranks_of(network, model, dense)
        print(f"\n{NETWORKS[network]}, {MODELS[model]}")
        rows = []
        for algorithms, name in ALGORITHMS.items():
            cases = [(network, model, algorithms, r) for r in ranks]
            rows.append(["MPI, all weights", name, *(digits(1e3 * fedavg(dense[c])) for c in cases)])
            for s in SPARSITIES:
                cells = (f"{digits(1e3 * ours(c, s))} ({fedavg(dense[c]) / ours(c, s):.2g})" for c in cases)
                rows.append([f"FedDIP, s = {s}", name, *cells])
        print("\n" + markdown_lines([["ms", "algorithms", *map(str, ranks)], *rows]), end="")

        cases = [(network, model, "open_mpi", r) for r in ranks]
        step = train[model]
        rows = [["FedAvg", f"{step['']:.3g}", *(f"{step[''] + fedavg(dense[c]):.3g}" for c in cases)]]
        for s in SPARSITIES:
            rows.append([f"FedDIP, s = {s}", f"{step[s]:.3g}", *(f"{step[s] + ours(c, s):.3g}" for c in cases)])
        print("\n" + markdown_lines([["s", "training", *map(str, ranks)], *rows]), end="")


def draw_all(dense, sparse, train, period: int, out: Path) -> None:
    with plots.style():
        drawn, grid = plt.subplots(2, 2, figsize=(7.6, 6.6), sharex=True)
        for network, line in zip(NETWORKS, grid):
            for model, axes in zip(MODELS, line):
                draw(axes, network, model, dense, sparse, train, period)
        handles, labels = grid[0][0].get_legend_handles_labels()
        drawn.get_layout_engine().set(rect=(0, 0.08, 1, 0.92))
        drawn.legend(handles, labels, loc="lower center", ncols=3)
        out.mkdir(parents=True, exist_ok=True)
        drawn.savefig(out / "simulation.png")


def main() -> int:
    results = ROOT / "results" / "scaling"
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=Path, default=results / "simulated.csv", metavar="CSV")
    parser.add_argument("--steps", type=Path, default=results / "steps.csv", metavar="CSV")
    parser.add_argument("--period", type=options.from_1, default=20, help="R, rounds between reconfigurations")
    parser.add_argument("--out", type=Path, default=ROOT / "figures", metavar="DIR")
    args = parser.parse_args()
    try:
        dense, sparse = read(args.rounds, exchanges, "tests/bench/simulate_rounds.py")
        train = read(args.steps, training, "bench_nn_step")
        tables(dense, sparse, train, args.period)
        draw_all(dense, sparse, train, args.period, args.out)
    except KeyError as problem:
        print(f"simulation.py: error: {args.rounds}, {args.steps}: there is nothing of {problem}", file=sys.stderr)
        return 2
    except (OSError, ValueError) as problem:
        print(f"simulation.py: error: {problem}", file=sys.stderr)
        return 2
    print(args.out / "simulation.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
