#!/usr/bin/env python3
"""The study of clients that differ (jobs/budget_study.sh): the tables and the figures of analysis/results/budgets.md, from the
files beside it. This file has what becomes of the classes that slow clients alone have, part `classes`; the federations whose
links and compute differ are in feddip_analysis/federations.py."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import xarray as xr  # noqa: E402
from feddip_analysis import Group, budgets, classes, collect, documents, federations, links, plots, results, statistics, tables, targets  # noqa: E402
from feddip_analysis.federations import AROUND, MEGABYTE, Systems, by_seed, interval, mean, percent  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.lines import Line2D  # noqa: E402

ROOT = Path(__file__).resolve().parent
PAGE = ROOT / "results" / "budgets.md"
FILES = PAGE.with_suffix("")
FIGURES = ROOT / "figures"

OWN_CLASSES = [8, 9]  # of the last clients alone: the defaults of jobs/own_classes.py
SLOW = 2  # the last class of [links]
PARTS = 3  # of a run, to follow the slow clients through
LONG = 50  # rounds, beside the last ten: accuracy swings from round to round
HELD = ((1, 10), (26, 75), (291, 300))  # rounds, first and last
SMOOTH = 31  # rounds, in the figure


def link_class(run: xr.Dataset) -> np.ndarray:
    """[round, slot] Of each sampled client; clients are dealt to the classes in order."""
    bounds = np.cumsum(links.of_run(run).shares)
    return np.searchsorted(bounds, (run.client_id.values + 0.5) / results.config(run)["federation.clients"], side="right")


def own(run: xr.Dataset, rounds: int) -> float:
    return float(run.class_accuracy[-rounds:, OWN_CLASSES].mean())


def span(runs: list[xr.Dataset]) -> str:
    """Of single rounds."""
    rounds = np.array([run.class_accuracy[-LONG:, OWN_CLASSES].mean("class") for run in runs])
    return f"{percent(float(rounds.min()))} to {percent(float(rounds.max()))}"


def by_class(systems: Systems) -> str:
    final = {name: np.mean([classes.final_by_class(run) for run in runs], axis=0) for name, runs in systems.items()}
    head = ["system", *map(str, range(len(next(iter(final.values())))))]
    return tables.markdown_lines([head, *([name, *map(percent, accuracies)] for name, accuracies in final.items())])


def costs(systems: Systems, deadline: float) -> str:
    def line(name: str, runs: list[xr.Dataset]) -> list[str]:
        return [
            name,
            percent(mean(runs, results.final_accuracy)),
            f"{percent(mean(runs, lambda run: own(run, results.LAST_ROUNDS)))} ({percent(mean(runs, lambda run: own(run, LONG)))})",
            span(runs),
            f"{mean(runs, lambda run: budgets.busiest_client_bytes(run)[-1]) / MEGABYTE:.1f}",
            f"{mean(runs, results.whole_traffic) / MEGABYTE:.0f}",
            f"{mean(runs, lambda run: budgets.simulated_time(run)[-1]):.0f}",
            *(percent(mean(runs, lambda run: budgets.in_time(run, deadline)[link_class(run) == c].mean())) for c in range(SLOW + 1)),
        ]

    head = ["system", "accuracy", f"own classes (last {LONG})", f"single rounds of the last {LONG}", "busiest client (MB)", "all (MB)"]
    head += ["simulated time (s)", "quick in time", "medium", "slow"]
    return tables.markdown_lines([head, *(line(*item) for item in systems.items())])


def differences(systems: Systems) -> str:
    """Of the system with budgets, by seed."""
    name = federations.BUDGETS
    measured = {
        "accuracy": results.final_accuracy,
        "own classes": lambda run: own(run, results.LAST_ROUNDS),
        f"own classes, last {LONG}": lambda run: own(run, LONG),
    }

    def cell(other: list[xr.Dataset], value: Callable[[xr.Dataset], float]) -> str:
        return interval(statistics.compare(by_seed(systems[name], value), by_seed(other, value)))

    others = {other: runs for other, runs in systems.items() if other != name}
    head = [f"{name}, minus", *measured]
    return tables.markdown_lines(
        [head, *([other, *(cell(runs, value) for value in measured.values())] for other, runs in others.items())]
    )


def slow_clients(systems: Systems, deadline: float) -> str:
    def cell(runs: list[xr.Dataset], rounds: slice) -> str:
        slow = [link_class(run)[rounds] == SLOW for run in runs]
        held = [run.client_density.values[rounds][whom].mean() for run, whom in zip(runs, slow)]
        share = f" ({percent(np.mean(held))})" if not np.isnan(held).any() else ""
        kept = [budgets.in_time(run, deadline)[rounds][whom].mean() for run, whom in zip(runs, slow)]
        return f"{percent(np.mean(kept))}{share}"

    rounds = next(iter(systems.values()))[0].sizes["round"]
    bounds = [rounds * part // PARTS for part in range(PARTS + 1)]
    parts = [slice(*pair) for pair in zip(bounds, bounds[1:])]
    head = ["slow clients", *(f"rounds {part.start + 1} to {part.stop}" for part in parts)]
    return tables.markdown_lines([head, *([name, *(cell(runs, part) for part in parts)] for name, runs in systems.items())])


def held(systems: Systems) -> str:
    """What the slow clients hold changes within the first third."""
    name = federations.BUDGETS

    def share(run: xr.Dataset, rounds: slice) -> float:
        return run.client_density.values[rounds][link_class(run)[rounds] == SLOW].mean()

    shares = [
        f"{percent(mean(systems[name], lambda run: share(run, slice(first - 1, last))))} % in rounds {first} to {last}"
        for first, last in HELD
    ]
    return f"{name}, mean share of the weights that slow clients hold: {', '.join(shares)}.\n"


def times(systems: Systems) -> str:
    """Until each has the accuracy that each has in the end, of the same seed."""

    def cell(runs: list[xr.Dataset], ends: list[float]) -> str:
        reached = [targets.reach(run, end, AROUND) for run, end in zip(runs, ends)]
        seconds = [found.simulated_seconds for found in reached if found]
        if not seconds:
            return tables.MISSING
        return f"{np.mean(seconds):.0f}" + (f", {len(seconds)} of {len(runs)}" if len(seconds) < len(runs) else "")

    ends = {name: [results.final_accuracy(run) for run in runs] for name, runs in systems.items()}
    head = ["seconds until", *systems]
    return tables.markdown_lines(
        [head]
        + [
            [f"{percent(np.mean(end))} %, the end of {name}", *(cell(runs, end) for runs in systems.values())]
            for name, end in ends.items()
        ]
    )


def swings(systems: Systems) -> str:
    """How far the accuracy on their own classes follows who of the slow clients is in the average, once it has settled."""

    def rounds_of(run: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
        settled = run.isel(round=slice(run.sizes["round"] // PARTS, None))
        taken = ((link_class(settled) == SLOW) & (settled.client_included.values == 1)).sum(axis=1)
        return taken, settled.class_accuracy[:, OWN_CLASSES].mean("class").values

    def line(name: str, runs: list[xr.Dataset]) -> list[str]:
        taken, accuracy = (np.concatenate(parts) for parts in zip(*map(rounds_of, runs)))
        means = [percent(accuracy[taken == n].mean()) if (taken == n).any() else tables.MISSING for n in range(4)]
        return [name, *means]

    head = ["slow clients in the average", *map(str, range(4))]
    return tables.markdown_lines([head, *(line(*item) for item in systems.items())])


def own_over_time(axes: plt.Axes, systems: Systems) -> None:
    """A line per run."""
    for runs, look in zip(systems.values(), plots.looks(len(systems))):
        for run in runs:
            accuracy = targets.whole_windows(run.class_accuracy[:, OWN_CLASSES].mean("class"), SMOOTH)
            time = budgets.simulated_time(run).sel(round=accuracy["round"])
            axes.plot(time, accuracy, **{**look, "linewidth": 0.8})
    axes.set_xlim(left=0)
    axes.set_ylim(-0.02, 1)
    axes.set_xlabel("simulated time (s)")
    axes.set_ylabel("accuracy on the slow clients' own classes (%)")
    axes.yaxis.set_major_formatter(plots.percent_ticks)


def handles(systems: Systems) -> list[Line2D]:
    """With the marker of one panel and the line of the other."""
    return [
        Line2D([], [], label=name, marker=marker, markersize=4, linewidth=0.8, **look)
        for name, marker, look in zip(systems, classes.MARKERS, plots.looks(len(systems)))
    ]


def draw(systems: Systems) -> None:
    with plots.style():
        drawn, panels = plt.subplots(1, 2, figsize=(7.4, 3.4))
        classes.by_class(panels[0], [Group(name, runs) for name, runs in systems.items()])
        own_over_time(panels[1], systems)
        drawn.legend(handles=handles(systems), ncols=2, loc="upper center", bbox_to_anchor=(0.5, 0), handlelength=3)
        save(drawn, "classes")


def save(drawn: Figure, name: str) -> None:
    drawn.savefig(FIGURES / f"budget-{name}.png", dpi=110, bbox_inches="tight", metadata={"Software": None})
    plt.close(drawn)


def draw_federations(study: federations.Study) -> None:
    with plots.style():
        for federation in {where: None for (where, _), systems in study.items() if not federations.only_told(systems)}:
            save(federations.draw(federation, study), federation)


def blocks(systems: Systems) -> dict[str, str]:
    deadline = federations.deadline_of(systems)
    return {
        "classes": by_class(systems),
        "costs": costs(systems, deadline),
        "differences": differences(systems),
        "slow": slow_clients(systems, deadline),
        "held": held(systems),
        "swings": swings(systems),
        "times": times(systems),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page would change")
    args = parser.parse_args()
    left_out = []

    def runs_of(*names: str) -> list[xr.Dataset]:
        runs, others = collect([FILES / name for name in names if (FILES / name).is_dir()])
        left_out.extend(others)
        return runs

    systems = federations.by_system(runs_of("classes"))
    study = federations.study_of(runs_of(*federations.FEDERATIONS))
    of_alexnet = runs_of("alexnet")
    for each in left_out:
        print(each, file=sys.stderr)
    made = blocks(systems) | federations.blocks(study)
    if of_alexnet:
        made["alexnet"] = federations.taken(federations.by_system(of_alexnet))
    wrong = documents.update("budget_tables.py", [PAGE], made, args.check)
    if not args.check and not wrong:
        draw(systems)
        draw_federations(study)
    return int(bool(wrong or left_out))


if __name__ == "__main__":
    sys.exit(main())
