"""What it took to reach an accuracy, and what was reached with so much traffic.

Accuracy is the mean of several evaluations and is booked, with the bytes, seconds and sparsity so far, at the middle one. At the
last one it would lag behind what was spent: by as many rounds for all, but by the more bytes the more a round costs.
"""

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
    """At each round that was evaluated, the mean of `window` evaluations of which it is the middle; towards the ends of
    the run of fewer, as many before as after. Raises ValueError for an even window, which has no middle."""
    if window % 2 == 0:
        raise ValueError(f"a window of {window} evaluations has none in its middle")
    measured = accuracy.dropna("round")
    sums = np.concatenate([[0.0], np.cumsum(measured.values)])
    middle = np.arange(measured.size)
    half = np.minimum(window // 2, np.minimum(middle, middle[::-1]))
    return measured.copy(data=(sums[middle + half + 1] - sums[middle - half]) / (2 * half + 1))


def whole_windows(accuracy: xr.DataArray, window: int = WINDOW) -> xr.DataArray:
    """The same without the ends, where windows are smaller; empty where there are fewer evaluations."""
    half = window // 2
    values = smoothed(accuracy, window)
    return values.isel(round=slice(half, max(half, values.size - half)))


def reach(run: xr.Dataset, target: float, window: int = WINDOW) -> Reached | None:
    """The first evaluated round around which the mean of so many evaluations is at least the target; None if there is none.
    Smoothing keeps a single lucky evaluation from counting."""
    whole = whole_windows(run.accuracy, window)
    there = whole["round"].values[whole.values >= target]
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
    """After the last round that the budget, bytes down and up, allows for; None where it allows for none. Between two
    rounds that were evaluated accuracy is interpolated; NaN before the first. A run that ends within the budget keeps its
    final accuracy, that of the last `last` rounds; of one that only stopped there nothing is known."""
    rounds = int((run.bytes_total <= budget).sum())
    ended = rounds == run.sizes["round"]
    if not rounds or ended and not is_complete(run):
        return None
    if ended:
        accuracy = mean_of_last(run.accuracy, last)
    else:
        curve = smoothed(run.accuracy, window)
        at = float(run["round"][rounds - 1])
        accuracy = float(np.interp(at, curve["round"], curve, left=np.nan)) if curve.size else float("nan")
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
