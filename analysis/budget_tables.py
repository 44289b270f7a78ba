#!/usr/bin/env python3
"""What becomes of the classes that slow clients alone have (jobs/budget_study.sh, part `classes`): the tables and the figure of
analysis/results/budgets.md, from the files beside it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import xarray as xr  # noqa: E402
from feddip_analysis import Group, budgets, classes, collect, documents, links, plots, results, tables, targets  # noqa: E402

ROOT = Path(__file__).resolve().parent
PAGE = ROOT / "results" / "budgets.md"
FILES = PAGE.with_suffix("") / "classes"
FIGURE = ROOT / "figures" / "budget-classes.png"

SYSTEMS = {  # by method and budget.mode
    ("fedavg", "none"): "FedAvg, waits for all",
    ("fedavg", "drop"): "FedAvg, drops who is late",
    ("feddip", "drop"): "FedDIP, drops who is late",
    ("feddip", "deadline"): "FedDIP, budgets",
}
OWN_CLASSES = [8, 9]  # of the last clients alone: the defaults of jobs/own_classes.py
SLOW = 2  # the last class of [links]
PARTS = 3  # of a run, to follow the slow clients through
LONG = 50  # rounds, beside the last ten: accuracy swings from round to round
HELD = ((1, 10), (26, 75), (291, 300))  # rounds, first and last
AROUND = 11  # rounds, whose mean counts as reached in the middle one
SMOOTH = 31  # rounds, in the figure
MEGABYTE = 1e6


def system_of(run: xr.Dataset) -> str:
    config = results.config(run)
    return SYSTEMS[config["method.name"], config["budget.mode"]]


def link_class(run: xr.Dataset) -> np.ndarray:
    """[round, slot] Of each sampled client; clients are dealt to the classes in order."""
    bounds = np.cumsum(links.of_run(run).shares)
    return np.searchsorted(bounds, (run.client_id.values + 0.5) / results.config(run)["federation.clients"], side="right")


def in_time(run: xr.Dataset, deadline: float) -> np.ndarray:
    """[round, slot] Whether each sampled client has answered by then."""
    return (run.client_dropped_out.values == 0) & (run.client_simulated_seconds.values <= deadline)


def own(run: xr.Dataset, rounds: int) -> float:
    return float(run.class_accuracy[-rounds:, OWN_CLASSES].mean())


def span(run: xr.Dataset) -> str:
    """Of single rounds."""
    rounds = run.class_accuracy[-LONG:, OWN_CLASSES].mean("class")
    return f"{percent(float(rounds.min()))} to {percent(float(rounds.max()))}"


def percent(share: float) -> str:
    return f"{100 * share:.1f}"


def by_class(systems: dict[str, xr.Dataset]) -> str:
    head = ["system", *map(str, range(next(iter(systems.values())).sizes["class"]))]
    return tables.markdown_lines([head, *([name, *map(percent, classes.final_by_class(run))] for name, run in systems.items())])


def costs(systems: dict[str, xr.Dataset], deadline: float) -> str:
    def line(name: str, run: xr.Dataset) -> list[str]:
        kept = in_time(run, deadline)
        of_class = link_class(run)
        return [
            name,
            percent(results.final_accuracy(run)),
            f"{percent(own(run, results.LAST_ROUNDS))} ({percent(own(run, LONG))})",
            span(run),
            f"{float(budgets.busiest_client_bytes(run)[-1]) / MEGABYTE:.1f}",
            f"{results.whole_traffic(run) / MEGABYTE:.0f}",
            f"{float(budgets.simulated_time(run)[-1]):.0f}",
            *(percent(kept[of_class == c].mean()) for c in range(SLOW + 1)),
        ]

    head = ["system", "accuracy", f"own classes (last {LONG})", f"single rounds of the last {LONG}", "busiest client (MB)", "all (MB)"]
    head += ["simulated time (s)", "quick in time", "medium", "slow"]
    return tables.markdown_lines([head, *(line(*item) for item in systems.items())])


def slow_clients(systems: dict[str, xr.Dataset], deadline: float) -> str:
    def cell(run: xr.Dataset, rounds: slice) -> str:
        slow = link_class(run)[rounds] == SLOW
        held = run.client_density.values[rounds][slow]
        share = f" ({percent(held.mean())})" if not np.isnan(held).any() else ""
        return f"{percent(in_time(run, deadline)[rounds][slow].mean())}{share}"

    rounds = next(iter(systems.values())).sizes["round"]
    bounds = [rounds * part // PARTS for part in range(PARTS + 1)]
    parts = [slice(*pair) for pair in zip(bounds, bounds[1:])]
    head = ["slow clients", *(f"rounds {part.start + 1} to {part.stop}" for part in parts)]
    return tables.markdown_lines([head, *([name, *(cell(run, part) for part in parts)] for name, run in systems.items())])


def held(systems: dict[str, xr.Dataset]) -> str:
    """What the slow clients hold changes within the first third."""
    name, run = "FedDIP, budgets", systems["FedDIP, budgets"]
    slow = link_class(run) == SLOW
    shares = []
    for first, last in HELD:
        rounds = slice(first - 1, last)
        shares.append(f"{percent(run.client_density.values[rounds][slow[rounds]].mean())} % in rounds {first} to {last}")
    return f"{name}, mean share of the weights that slow clients hold: {', '.join(shares)}.\n"


def times(systems: dict[str, xr.Dataset]) -> str:
    """Until each has the accuracy that each has in the end."""

    def cell(run: xr.Dataset, target: float) -> str:
        found = targets.reach(run, target, AROUND)
        return f"{found.simulated_seconds:.0f}" if found else tables.MISSING

    ends = {name: results.final_accuracy(run) for name, run in systems.items()}
    head = ["seconds until", *systems]
    return tables.markdown_lines(
        [head, *([f"{percent(end)} %, the end of {name}", *(cell(run, end) for run in systems.values())] for name, end in ends.items())]
    )


def swings(systems: dict[str, xr.Dataset]) -> str:
    """How far the accuracy on their own classes follows who of the slow clients is in the average, once it has settled."""

    def line(name: str, run: xr.Dataset) -> list[str]:
        settled = run.isel(round=slice(run.sizes["round"] // PARTS, None))
        taken = ((link_class(settled) == SLOW) & (settled.client_included.values == 1)).sum(axis=1)
        accuracy = settled.class_accuracy[:, OWN_CLASSES].mean("class").values
        means = [percent(accuracy[taken == n].mean()) if (taken == n).any() else tables.MISSING for n in range(4)]
        return [name, *means]

    head = ["slow clients in the average", *map(str, range(4))]
    return tables.markdown_lines([head, *(line(*item) for item in systems.items())])


def own_over_time(axes: plt.Axes, systems: dict[str, xr.Dataset]) -> None:
    for (name, run), look in zip(systems.items(), plots.looks(len(systems))):
        accuracy = targets.smoothed(run.class_accuracy[:, OWN_CLASSES].mean("class"), SMOOTH)
        axes.plot(budgets.simulated_time(run), accuracy, label=name, **look)
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1)
    axes.set_xlabel("simulated time (s)")
    axes.set_ylabel("accuracy on the slow clients' own classes (%)")
    axes.yaxis.set_major_formatter(plots.percent_ticks)


def draw(systems: dict[str, xr.Dataset]) -> None:
    with plots.style():
        drawn, panels = plt.subplots(1, 2, figsize=(7.4, 3.4))
        classes.by_class(panels[0], [Group(name, [run]) for name, run in systems.items()])
        own_over_time(panels[1], systems)
        drawn.legend(*panels[1].get_legend_handles_labels(), ncols=2, loc="upper center", bbox_to_anchor=(0.5, 0))
        drawn.savefig(FIGURE, dpi=110, bbox_inches="tight", metadata={"Software": None})
        plt.close(drawn)


def blocks(systems: dict[str, xr.Dataset]) -> dict[str, str]:
    (deadline,) = {results.config(run)["budget.deadline_s"] for run in systems.values()} - {0.0}
    return {
        "classes": by_class(systems),
        "costs": costs(systems, deadline),
        "slow": slow_clients(systems, deadline),
        "held": held(systems),
        "swings": swings(systems),
        "times": times(systems),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page would change")
    args = parser.parse_args()
    runs, left_out = collect([FILES])
    for each in left_out:
        print(f"left out: {each.path}: {each.reason}", file=sys.stderr)
    found = {system_of(run): run for run in runs}
    systems = {name: found[name] for name in SYSTEMS.values()}
    current = documents.update(PAGE, blocks(systems), args.check)
    if args.check:
        if not current:
            print(f"{PAGE}: it is not what the files say: analysis/budget_tables.py", file=sys.stderr)
        return int(not current)
    draw(systems)
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
