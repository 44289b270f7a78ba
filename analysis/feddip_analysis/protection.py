"""Accuracy over what protects clients and over sparsity: the tables and the figure of analysis/results/privacy.md. Each
table is of runs that differ in noise, sparsity and seed alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from . import plots, results, statistics, tables

LAST_EVALUATIONS = 3

Row = dict[float, dict[int, float]]  # accuracies by sparsity of the schedule and seed


def at_end(values: xr.DataArray) -> float:
    """The mean of what was measured last."""
    measured = values.values[~np.isnan(values.values)]
    return float(measured[-LAST_EVALUATIONS:].mean()) if measured.size else float("nan")


def end_accuracy(run: xr.Dataset) -> float:
    return at_end(run.accuracy)


def scheduled_sparsity(run: xr.Dataset) -> float:
    config = results.config(run)
    return 0.0 if config["method.name"] in ("fedavg", "fedprox") else float(config["sparsity.target"])


def spent(run: xr.Dataset) -> float:
    """Epsilon in the end; infinite without noise."""
    return float(run.epsilon.values[-1])


def by_noise(runs: Sequence[xr.Dataset]) -> dict[tuple[float, float], Row]:
    """By noise multiplier, as it was given or found, and the epsilon that it comes to; least noise first."""
    rows: dict[tuple[float, float], Row] = defaultdict(lambda: defaultdict(dict))
    for run in runs:
        epsilon = spent(run)
        given = float(results.config(run)["privacy.noise_multiplier"])
        label = (0.0 if np.isinf(epsilon) else given, round(epsilon, 2))
        cell = rows[label][scheduled_sparsity(run)]
        seed = int(run.attrs["seed"])
        if seed in cell:
            raise ValueError(f"two runs of seed {seed} with noise {given:g}, epsilon {epsilon:g}: they differ in something else")
        cell[seed] = end_accuracy(run)
    return dict(sorted(rows.items(), key=lambda row: (-row[0][1], row[0][0])))


def sparsities(rows: Mapping[tuple[float, float], Row]) -> list[float]:
    return sorted({sparsity for row in rows.values() for sparsity in row})


def label(noise: float, epsilon: float) -> list[str]:
    if np.isinf(epsilon):
        return ["none", tables.MISSING]
    return [f"{noise:g}" if noise else "found", f"{epsilon:.2f}"]


def accuracy_table(rows: Mapping[tuple[float, float], Row]) -> str:
    columns = sparsities(rows)

    def cell(accuracies: Mapping[int, float]) -> str:
        if not accuracies:
            return tables.MISSING
        mean = statistics.mean_of(list(accuracies.values()))
        return tables.spread(mean).removesuffix(" %") + (f" ({mean.n})" if mean.n < statistics.FEWEST_SEEDS else "")

    head = ["noise", "epsilon", *("dense" if not s else f"s = {s:g}" for s in columns)]
    return tables.markdown_lines([head, *([*label(*key), *(cell(row.get(s, {})) for s in columns)] for key, row in rows.items())])


def against_dense(rows: Mapping[tuple[float, float], Row]) -> str:
    """What sparsity gains or costs under each noise, and what can be said of it; all of a table's p values are one family."""
    columns = [s for s in sparsities(rows) if s]
    cases = [(key, s) for key, row in rows.items() for s in columns if s in row and 0.0 in row]
    judged = dict(zip(cases, statistics.verdicts([statistics.compare(rows[key][s], rows[key][0.0]) for key, s in cases])))

    def cell(key: tuple[float, float], s: float) -> str:
        if (key, s) not in judged:
            return tables.MISSING
        found = judged[key, s]
        said = tables.comparison(found.compared)
        return f"{said}, {found.verdict}" if found.compared.tested else said

    head = ["noise", "epsilon", *(f"s = {s:g} minus dense" for s in columns)]
    return tables.markdown_lines([head, *([*label(*key), *(cell(key, s) for s in columns)] for key in rows)])


def cost_of_noise(rows: Mapping[tuple[float, float], Row]) -> str:
    """What each guarantee costs beside clipping alone, at the same sparsity and by seed."""
    (without,) = (key for key in rows if np.isinf(key[1]))
    columns = sparsities(rows)

    def cell(row: Row, s: float) -> str:
        if s not in row or s not in rows[without]:
            return tables.MISSING
        return tables.comparison(statistics.compare(rows[without][s], row[s]))

    head = ["epsilon", *("dense" if not s else f"s = {s:g}" for s in columns)]
    lines = [[f"{key[1]:.2f}", *(cell(row, s) for s in columns)] for key, row in rows.items() if key != without]
    return tables.markdown_lines([head, *lines])


def over_sparsity(axes: Axes, rows: Mapping[tuple[float, float], Row]) -> None:
    for (key, row), look in zip(rows.items(), plots.looks(len(rows))):
        kept = sorted(row, reverse=True)
        means = [np.mean(list(row[s].values())) for s in kept]
        low, high = ([bound(row[s].values()) for s in kept] for bound in (min, max))
        noise, epsilon = label(*key)
        name = "no noise" if noise == "none" else f"noise {noise} (ε = {epsilon})" if noise != "found" else f"ε = {epsilon}"
        place = [1 - s for s in kept]
        axes.plot(place, means, marker="o", markersize=3.6, label=name, **look)
        axes.fill_between(place, low, high, color=look["color"], alpha=0.18, linewidth=0)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(plots.percent_ticks)
    axes.invert_xaxis()
    axes.set_xlabel("weights kept (%)")
    axes.set_ylabel("test accuracy (%)")
    axes.yaxis.set_major_formatter(plots.percent_ticks)
    axes.legend()
