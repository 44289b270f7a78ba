"""Means, spreads and tests over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.05  # of significance
MARGIN = 0.01  # of accuracy: differences within it don't matter
# Two pairs leave one degree of freedom: 95 % intervals are 12.7 standard errors wide to each side (4.3 with
# three), and p is small only where the two happen to differ by nearly the same.
FEWEST_SEEDS = 3

SUPERIOR, EQUIVALENT, INFERIOR = "superior", "equivalent", "inferior"  # the first to the second
INCONCLUSIVE, UNDECIDED = "inconclusive", "not decided"


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
    """Of a with b, by the differences a - b of the seeds that both have. `low` and `high` bound their mean
    with 95 % confidence. `p_different` is that of a two-sided t test, `p_equivalent` that of two one-sided
    ones, which show the mean to lie within the margin (Schuirmann 1987), and `p_below` that of a one-sided one, which
    shows it to lie below the margin: a loss that matters. All five are NaN for too few seeds."""

    difference: float
    low: float
    high: float
    p_different: float
    p_equivalent: float
    p_below: float
    n: int

    @property
    def tested(self) -> bool:
        return self.n >= FEWEST_SEEDS


def compare(a: Mapping[int, float], b: Mapping[int, float], margin: float = MARGIN) -> Comparison:
    """Values by seed; those that are NaN were not measured. The same seed means the same clients with the
    same images in the same order, so that seeds are paired, and one that only one side has is left out. Runs that protect
    clients draw who takes part from a key instead: their pairs share the start and the partition alone."""
    pairs = np.array([a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())], dtype=float)
    pairs = pairs[~np.isnan(pairs)]
    nan, n = float("nan"), len(pairs)
    difference = float(pairs.mean()) if n else nan
    if n < FEWEST_SEEDS:
        return Comparison(difference, nan, nan, nan, nan, nan, n)
    error, freedom = float(stats.sem(pairs)), n - 1
    if error == 0:  # no spread: the mean is known
        within = float(abs(difference) >= margin)
        below = float(difference >= -margin)
        return Comparison(difference, difference, difference, float(difference == 0), within, below, n)
    half = float(stats.t.ppf(1 - LEVEL / 2, freedom)) * error
    outside = (margin - abs(difference)) / error  # the larger p of the two is that of the nearer bound
    return Comparison(
        difference,
        difference - half,
        difference + half,
        p_different=float(2 * stats.t.sf(abs(difference) / error, freedom)),
        p_equivalent=float(stats.t.sf(outside, freedom)),
        p_below=float(stats.t.cdf((difference + margin) / error, freedom)),
        n=n,
    )


def unpaired(a: Sequence[float], b: Sequence[float]) -> tuple[float, float, float]:
    """Mean of a less that of b, and the bounds of its 95 % interval by Student's t with the pooled variance, which one of
    them may leave to the other. NaN bounds for fewer than three values in all."""
    difference = float(np.mean(a) - np.mean(b))
    freedom = len(a) + len(b) - 2
    if freedom < 1:
        return difference, float("nan"), float("nan")
    squares = sum(float(np.var(side)) * len(side) for side in (a, b))
    error = np.sqrt(squares / freedom * (1 / len(a) + 1 / len(b)))
    half = float(stats.t.ppf(1 - LEVEL / 2, freedom) * error)
    return difference, difference - half, difference + half


@dataclass(frozen=True)
class Judged:
    """A comparison and what its p values, corrected for all that were made with it, say of it."""

    compared: Comparison
    p_different: float
    p_equivalent: float
    p_below: float

    @property
    def below(self) -> bool:
        """Whether the first is worse by more than the margin."""
        return self.verdict == INFERIOR and self.p_below < LEVEL

    @property
    def above(self) -> bool:
        """Whether the first is sure to be better, be it by less than the margin: more seeds must not turn that round."""
        return self.compared.tested and self.p_different < LEVEL and self.compared.difference > 0

    @property
    def verdict(self) -> str:
        if not self.compared.tested:
            return UNDECIDED
        if self.p_equivalent < LEVEL:
            return EQUIVALENT
        if self.p_different < LEVEL:
            return SUPERIOR if self.compared.difference > 0 else INFERIOR
        return INCONCLUSIVE


def verdicts(compared: Sequence[Comparison]) -> list[Judged]:
    """Of all cases of one claim together, whose tests are one family: each p times the number of cases (Bonferroni). What is
    not tested yet counts, so that nothing that was decided becomes undecided when it is. A difference that is sure and yet
    within the margin is none that matters: equivalent goes first.

    The three tests of a case count as one, for they are wrong together: where there is no difference, a loss beyond the
    margin is only found where a difference was (`Judged.below`); where there is a gain beyond it, only where equivalence, or
    more than it, seems to be shown. Where there is a loss within the margin, "superior" and a loss beyond it are both wrong
    and exclude each other: there a case is wrong in up to 5.7 % instead of 5 (simulated with five seeds; 5.4 with three). A
    case that is decided still counts (Holm 1979 would drop it): one of its hypotheses is true whatever the truth is, and
    where that lies at the margin a right decision is no likelier than a wrong one."""

    def corrected(p: float) -> float:
        return min(p * len(compared), 1.0)

    return [Judged(c, *map(corrected, (c.p_different, c.p_equivalent, c.p_below))) for c in compared]
