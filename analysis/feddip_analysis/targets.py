"""What it took to reach an accuracy, and what was reached with so much traffic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from .results import is_complete, mean_of_last

WINDOW = 5  # evaluations


@dataclass(frozen=True)
class Reached:
    """All that was spent up to and with `round`."""

    round: int
    sparsity: float  # of the model in that round
    bytes: float
    simulated_seconds: float  # NaN where the run has none


def smoothed(accuracy: xr.DataArray, window: int = WINDOW) -> xr.DataArray:
    """At each round that was evaluated, the mean of the last `window` evaluations, or of those so far."""
    measured = accuracy.dropna("round")
    sums = np.concatenate([[0.0], np.cumsum(measured.values)])
    last = np.arange(1, measured.size + 1)
    first = np.maximum(last - window, 0)
    return measured.copy(data=(sums[last] - sums[first]) / (last - first))


def reach(run: xr.Dataset, target: float, window: int = WINDOW) -> Reached | None:
    """The first round at which the mean of so many evaluations is at least the target; None if there is none.
    Smoothing keeps a single lucky evaluation from counting."""
    values = smoothed(run.accuracy, window).isel(round=slice(window - 1, None))
    there = values["round"].values[values.values >= target]
    if not there.size:
        return None
    spent = run.sel(round=slice(None, int(there[0])))
    return Reached(
        round=int(there[0]),
        sparsity=float(spent.sparsity[-1]),
        bytes=float(spent.bytes_total[-1]),
        simulated_seconds=simulated_seconds(spent),
    )


@dataclass(frozen=True)
class Bought:
    """What a run had for its bytes so far."""

    round: int
    accuracy: float  # smoothed
    sparsity: float
    ended: bool  # whether the run spent no more than this in the end


def bought(run: xr.Dataset, budget: float, last: int, window: int = WINDOW) -> Bought | None:
    """After the last round that the budget, bytes down and up, allows for; None where it allows for none. A run
    that ends within it keeps its final accuracy, that of the last `last` rounds; of one that only stopped there nothing
    is known."""
    rounds = int((run.bytes_total <= budget).sum())
    ended = rounds == run.sizes["round"]
    if not rounds or ended and not is_complete(run):
        return None
    if ended:
        accuracy = mean_of_last(run.accuracy, last)
    else:
        so_far = smoothed(run.accuracy, window).sel(round=slice(None, int(run["round"][rounds - 1])))
        accuracy = float(so_far[-1]) if so_far.size else float("nan")
    return Bought(
        round=int(run["round"][rounds - 1]),
        accuracy=accuracy,
        sparsity=float(run.sparsity[rounds - 1]),
        ended=ended,
    )


def simulated_seconds(run: xr.Dataset) -> float:
    """Of all rounds together in the federation that the run's links describe; NaN where it describes none."""
    if "simulated_seconds" not in run:
        return float("nan")
    return float(run.simulated_seconds.sum(skipna=False))
