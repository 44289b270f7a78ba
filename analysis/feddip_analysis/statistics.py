"""Means, spreads and tests over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.05  # of significance


@dataclass(frozen=True)
class Mean:
    """Of n values; `std` is that of the sample, NaN for fewer than two."""

    mean: float
    std: float
    n: int


def mean_of(values: Sequence[float]) -> Mean:
    """Values that are NaN were not measured and do not count."""
    measured = np.array([v for v in values if not np.isnan(v)], dtype=float)
    n = len(measured)
    return Mean(
        mean=float(measured.mean()) if n else float("nan"),
        std=float(measured.std(ddof=1)) if n > 1 else float("nan"),
        n=n,
    )


@dataclass(frozen=True)
class Comparison:
    """Of a with b. `low` and `high` bound the difference of the means, a - b, with 95 % confidence; they
    and `p` (two-sided) are NaN where there are too few seeds."""

    difference: float
    low: float
    high: float
    p: float
    test: str  # "paired", "Welch", "too few"
    n: tuple[int, int]

    @property
    def tested(self) -> bool:
        return self.test != "too few"


def compare(a: Mapping[int, float], b: Mapping[int, float]) -> Comparison:
    """Values by seed. Student's t test on the differences where both have the same seeds, which are then
    the same clients in the same order; else Welch's, which lets the variances differ."""
    a = {seed: value for seed, value in a.items() if not np.isnan(value)}
    b = {seed: value for seed, value in b.items() if not np.isnan(value)}
    nan, n = float("nan"), (len(a), len(b))
    if not a or not b:
        return Comparison(nan, nan, nan, nan, "too few", n)
    difference = float(np.mean(list(a.values())) - np.mean(list(b.values())))
    if min(n) < 2:
        return Comparison(difference, nan, nan, nan, "too few", n)
    if a.keys() == b.keys():
        differences = np.array([a[seed] - b[seed] for seed in a])
        error, freedom, test = stats.sem(differences), len(a) - 1, "paired"
    else:
        error, freedom = _welch(np.array(list(a.values())), np.array(list(b.values())))
        test = "Welch"
    if error == 0:  # no spread: only equal means are not told apart
        return Comparison(difference, difference, difference, float(difference == 0), test, n)
    half = float(stats.t.ppf(1 - LEVEL / 2, freedom) * error)
    p = float(2 * stats.t.sf(abs(difference) / error, freedom))
    return Comparison(difference, difference - half, difference + half, p, test, n)


def _welch(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """Standard error of the difference and its degrees of freedom (Welch and Satterthwaite)."""
    parts = np.array([a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)])
    if not parts.any():
        return 0.0, float(len(a) + len(b) - 2)
    weights = parts**2 / np.array([len(a) - 1, len(b) - 1])
    return float(np.sqrt(parts.sum())), float(parts.sum() ** 2 / weights.sum())


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted for having tested all of them (Holm 1979). NaN was not tested and does not count."""
    tested = sorted((p, i) for i, p in enumerate(p_values) if not np.isnan(p))
    adjusted = [float("nan")] * len(p_values)
    largest = 0.0
    for rank, (p, i) in enumerate(tested):
        largest = max(largest, min(1.0, p * (len(tested) - rank)))
        adjusted[i] = largest
    return adjusted
