"""Clients that differ: what a federation reaches in how much time and traffic, and who held what of the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import plots
from .links import has_budgets, knows_clients
from .results import Group, first_look_bytes

MOST_COLUMNS = 120  # of a heat map


def simulated_time(run: xr.Dataset) -> xr.DataArray:
    """Seconds so far in a federation with the links of the config."""
    return run.simulated_seconds.cumsum("round", skipna=False)


def in_time(run: xr.Dataset, deadline: float) -> np.ndarray:
    """[round, slot] Whether each sampled client has answered by then."""
    return (run.client_dropped_out.values == 0) & (run.client_simulated_seconds.values <= deadline)


def busiest_client_bytes(run: xr.Dataset) -> xr.DataArray:
    """Bytes so far, down and up, of the client that has exchanged the most by then."""
    ids = run.client_id.values
    exchanged = (run.client_bytes_down + run.client_bytes_up).values.astype(float)
    so_far = np.zeros(ids.max() + 1)
    so_far[0] = sum(first_look_bytes(run))
    busiest = np.empty(len(ids))
    for t, (who, how_much) in enumerate(zip(ids, exchanged)):
        np.add.at(so_far, who[who >= 0], how_much[who >= 0])
        busiest[t] = so_far.max()
    return xr.DataArray(busiest, dims="round", coords={"round": run["round"]})


@dataclass(frozen=True)
class Held:
    """What clients held, the mean share of the prunable weights [client, window of rounds], NaN where one did not take part:
    by their class of [links], and in each those that held the least first."""

    shares: np.ndarray
    link_class: np.ndarray  # [client], -1 where it is not recorded


def held(run: xr.Dataset, columns: int = MOST_COLUMNS) -> Held:
    clients = int(run.client_id.max()) + 1
    windows = min(columns, run.sizes["round"])
    window = np.arange(run.sizes["round"]) * windows // run.sizes["round"]
    at = np.broadcast_to(window[:, None], run.client_id.shape)
    there = (run.client_id.values >= 0) & run.client_density.notnull().values
    sums, counts = np.zeros((clients, windows)), np.zeros((clients, windows))
    np.add.at(sums, (run.client_id.values[there], at[there]), run.client_density.values[there])
    np.add.at(counts, (run.client_id.values[there], at[there]), 1)
    took_part = counts.sum(axis=1) > 0
    link_class = np.full(clients, -1)
    if "client_link_class" in run:
        link_class[run.client_id.values[there]] = run.client_link_class.values[there]
    means = sums[took_part].sum(axis=1) / counts[took_part].sum(axis=1)
    order = np.lexsort((means, link_class[took_part]))
    with np.errstate(invalid="ignore"):
        return Held((sums / counts)[took_part][order], link_class[took_part][order])


def _over(axes: Axes, groups: Sequence[Group], spent) -> None:
    """Accuracy over something that grows with the rounds, a curve per group: the mean over seeds of both."""
    for group, look in zip(groups, plots.looks(len(groups))):
        values = group.over_seeds("accuracy").dropna("round", how="any")
        if values.sizes["round"]:
            grown = np.mean([spent(run).sel(round=values["round"]).values for run in group.runs], axis=0)
            plots.band(axes, grown, values.values, group.label, look)
    axes.set_xlim(left=0)
    plots.accuracy_axis(axes, groups)


def accuracy_over_time(axes: Axes, groups: Sequence[Group]) -> None:
    _over(axes, groups, simulated_time)
    axes.set_xlabel("simulated time (s)")


def accuracy_over_busiest(axes: Axes, groups: Sequence[Group]) -> None:
    largest = max(float(busiest_client_bytes(run)[-1]) for group in groups for run in group.runs)
    unit, name = plots.bytes_unit(largest)
    _over(axes, groups, lambda run: busiest_client_bytes(run) / unit)
    axes.set_xlabel(f"traffic of the busiest client, down and up ({name})")


def held_by_clients(groups: Sequence[Group]) -> Figure:
    """A heat map per group of its first run, a row per client."""
    figure, axes = plt.subplots(
        len(groups), 1, figsize=(6.4, 1.9 * len(groups) + 0.4), squeeze=False, sharex=True
    )
    for panel, group in zip(axes.flat, groups):
        run = group.first
        by_client = held(run)
        extent = (float(run["round"][0]) - 0.5, float(run["round"][-1]) + 0.5, len(by_client.shares) - 0.5, -0.5)
        image = panel.imshow(
            by_client.shares, aspect="auto", cmap="viridis", vmin=0, vmax=1, interpolation="nearest", extent=extent
        )
        panel.set_title(group.label)
        panel.grid(visible=False)
        _name_classes(panel, by_client.link_class)
    plots.round_axis(axes.flat[-1])
    bar = figure.colorbar(image, ax=list(axes.flat), label="weights held (%)")
    bar.ax.yaxis.set_major_formatter(plots.percent_ticks)
    return figure


def _name_classes(panel: Axes, link_class: np.ndarray) -> None:
    """At the clients of each, with a line between two of them."""
    known = np.unique(link_class[link_class >= 0])
    where = [np.flatnonzero(link_class == c) for c in known]
    panel.set_ylabel("clients, by class of [links]" if known.size else "clients")
    panel.set_yticks([rows.mean() for rows in where], [str(c + 1) for c in known])
    for rows in where[1:]:
        panel.axhline(rows[0] - 0.5, color="white", linewidth=1)


def figures(groups: Sequence[Group]) -> dict[str, Figure]:
    """Those that the runs have the numbers for."""
    drawn = {}
    timed = [g for g in groups if all(_is_timed(run) for run in g.runs)]
    if timed:
        drawn["simulated-time"] = plots.single(lambda axes: accuracy_over_time(axes, timed))
    if with_parts := [g for g in groups if has_budgets(g.first)]:
        counted = [g for g in groups if all("client_bytes_down" in run and knows_clients(run) for run in g.runs)]
        drawn["busiest-client"] = plots.single(lambda axes: accuracy_over_busiest(axes, counted))
        drawn["held"] = held_by_clients(with_parts)
    return drawn


def _is_timed(run: xr.Dataset) -> bool:
    return "simulated_seconds" in run and bool(run.simulated_seconds.notnull().all())
