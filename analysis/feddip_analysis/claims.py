"""The paper's claims, one by one, against the runs that there are.

A claim is looked at in cases, such as one sparsity on one partition. It is confirmed where every case that
could be tested is, not confirmed where one is not, and not tested where no case has two seeds or more. Since
all cases must pass, each is tested at the full level: that many are tested makes it no likelier that a false
claim passes as a whole (intersection-union test; Berger 1982). For single cases, p after Holm is given too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from . import results, statistics
from .statistics import LEVEL, Comparison, compare
from .study import WITHOUT_PRUNING, Entry, Family, Setting, bytes_by_seed
from .tables import Column, Table, percent, points, p_value, readable_bytes

CONFIRMED, NOT_CONFIRMED, NOT_TESTED = "confirmed", "not confirmed", "not tested"
LAST_ROUNDS = 10


@dataclass(frozen=True)
class Limits:
    """What the rules turn on."""

    margin: float = 0.01  # "near": so much accuracy may be lost
    extreme: float = 0.95  # sparsity from which on it is called extreme
    high: float = 0.9
    fraction: float = 0.95  # of FedAvg's final accuracy, to be reached with less traffic
    target: float | None = None  # an accuracy instead of a fraction
    swing: float = 1.5  # times FedAvg's fluctuation from round to round


@dataclass(frozen=True)
class Case:
    where: str
    evidence: str
    verdict: str
    ahead: bool | None = None  # whether the difference has the claimed sign; None where none is claimed


@dataclass(frozen=True)
class Claim:
    key: str
    title: str
    rule: str
    cases: list[Case]

    @property
    def verdict(self) -> str:
        tested = [case.verdict for case in self.cases if case.verdict != NOT_TESTED]
        if not tested:
            return NOT_TESTED
        return CONFIRMED if all(verdict == CONFIRMED for verdict in tested) else NOT_CONFIRMED

    @property
    def summary(self) -> str:
        counts = {v: sum(c.verdict == v for c in self.cases) for v in (CONFIRMED, NOT_CONFIRMED, NOT_TESTED)}
        if not self.cases:
            return "There are no runs that it could be tested on."
        if self.verdict == NOT_TESTED:
            return f"{_count(len(self.cases), 'case')}, none with two seeds or more on both sides."
        left = f"; {counts[NOT_TESTED]} not tested" if counts[NOT_TESTED] else ""
        tested = counts[CONFIRMED] + counts[NOT_CONFIRMED]
        return f"Confirmed in {counts[CONFIRMED]} of {_count(tested, 'case')} tested{left}.{self._signs()}"

    def _signs(self) -> str:
        signs = [case.ahead for case in self.cases if case.ahead is not None and case.verdict != NOT_TESTED]
        return f" The difference has the claimed sign in {sum(signs)} of {len(signs)}." if signs else ""


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


@dataclass(frozen=True)
class _Pair:
    """FedDIP beside another on the same setting, and what they are compared by, by seed."""

    where: str
    ours: dict[int, float]
    theirs: dict[int, float]

    @property
    def compared(self) -> Comparison:
        return compare(self.ours, self.theirs)


def check(families: Sequence[Family], limits: Limits = Limits()) -> list[Claim]:
    """All claims, in the paper's order."""
    rules = (_near_fedavg, _better_than_others, _regularization_matters, _less_traffic, _stable)
    return [rule(families, limits) for rule in rules]


def _feddip(
    families: Iterable[Family], wanted: Callable[[Setting, float], bool] = lambda setting, sparsity: True
) -> list[tuple[Family, Setting, Entry]]:
    return [
        (family, setting, entry)
        for family in families
        for setting in family.settings
        for entry in setting.main
        if entry.method == "FedDIP" and entry.sparsity is not None and wanted(setting, entry.sparsity)
    ]


def _where(
    families: Sequence[Family], family: Family, setting: Setting, entry: Entry, rival: str = ""
) -> str:
    parts = [family.title] if len(families) > 1 else []
    parts += [setting.partition, f"s = {entry.sparsity:g}"] + ([f"against {rival}"] if rival else [])
    return ", ".join(parts)


def _is_iid(setting: Setting) -> bool:
    return setting.partition == "i.i.d."


def _seeds(c: Comparison) -> str:
    return f"n = {c.n[0]}" if c.n[0] == c.n[1] else f"n = {c.n[0]} and {c.n[1]}"


def _interval(c: Comparison) -> str:
    if not c.tested:
        return f"{points(c.difference)} points; {_seeds(c)}: too few seeds"
    return (
        f"{points(c.difference)} points, 95 % interval {points(c.low)} to {points(c.high)}, {c.test}, "
        f"{_seeds(c)}"
    )


def _near(compared: Comparison, margin: float) -> str:
    """Not inferior by more than the margin: an interval that is above it, not a difference that was not
    found."""
    if not compared.tested:
        return NOT_TESTED
    return CONFIRMED if compared.low > -margin else NOT_CONFIRMED


def _doubt(compared: Comparison, limits: Limits) -> str:
    """What keeps a case from being confirmed: a loss, or an interval too wide to exclude one."""
    if not compared.tested or compared.low > -limits.margin:
        return ""
    return "; the loss is larger than that" if compared.high < -limits.margin else "; too wide to tell"


def _near_fedavg(families: Sequence[Family], limits: Limits) -> Claim:
    cases = []
    for family, setting, entry in _feddip(families, lambda s, x: _is_iid(s) and x >= limits.high):
        if setting.fedavg:
            compared = compare(entry.accuracy, setting.fedavg.accuracy)
            where = _where(families, family, setting, entry)
            cases.append(
                Case(where, _interval(compared) + _doubt(compared, limits), _near(compared, limits.margin))
            )
    return Claim(
        key="near-fedavg",
        title=f"At sparsity {limits.high:g} and above, FedDIP's accuracy is near FedAvg's",
        rule="On i.i.d. data, the 95 % interval of FedDIP's final accuracy minus FedAvg's lies above "
        f"{points(-limits.margin, 1)} points.",
        cases=cases,
    )


def _p_values(pairs: Sequence[_Pair]) -> list[str]:
    """In words, alone and among the others."""
    alone = [pair.compared.p for pair in pairs]
    several = sum(pair.compared.tested for pair in pairs) > 1
    words = []
    for p, adjusted in zip(alone, statistics.holm(alone)):
        holm = f" ({p_value(adjusted)} after Holm)" if several else ""
        words.append(f"p = {p_value(p)}{holm}".replace("= <", "<"))
    return words


def _more_accurate(pairs: Sequence[_Pair]) -> list[Case]:
    cases = []
    for pair, p in zip(pairs, _p_values(pairs)):
        c = pair.compared
        if not c.tested:
            cases.append(Case(pair.where, _interval(c), NOT_TESTED))
            continue
        worse = "; the other is more accurate" if c.difference < 0 and c.p < LEVEL else ""
        verdict = CONFIRMED if c.difference > 0 and c.p < LEVEL else NOT_CONFIRMED
        cases.append(Case(pair.where, f"{_interval(c)}, {p}{worse}", verdict, ahead=c.difference > 0))
    return cases


def _better_than_others(families: Sequence[Family], limits: Limits) -> Claim:
    pairs = [
        _Pair(_where(families, family, setting, entry, rival.method), entry.accuracy, rival.accuracy)
        for family, setting, entry in _feddip(families)
        for rival in setting.main
        if rival.sparsity == entry.sparsity and rival.method not in ("FedDIP", "FedDP", *WITHOUT_PRUNING)
    ]
    return Claim(
        key="better-than-others",
        title="FedDIP is more accurate than the other pruning methods at equal sparsity",
        rule=f"Its final accuracy is higher, and p < {LEVEL} in a t test (paired where the seeds are the "
        "same).",
        cases=_more_accurate(pairs),
    )


def _regularization_matters(families: Sequence[Family], limits: Limits) -> Claim:
    pairs = []
    for family, setting, entry in _feddip(families, lambda s, x: x >= limits.extreme):
        plain = setting.find("FedDP", entry.sparsity)
        if plain:
            pairs.append(
                _Pair(_where(families, family, setting, entry, "FedDP"), entry.accuracy, plain.accuracy)
            )
    return Claim(
        key="regularization",
        title="At extreme sparsity the incremental regularization matters",
        rule=f"At sparsity {limits.extreme:g} and above, FedDIP's final accuracy is higher than FedDP's, "
        f"which is FedDIP without regularization, and p < {LEVEL} in a t test.",
        cases=_more_accurate(pairs),
    )


def _less_traffic(families: Sequence[Family], limits: Limits) -> Claim:
    found: list[tuple[str, float, Entry, Entry]] = []
    for family, setting, entry in _feddip(families):
        if setting.fedavg:
            target = setting.target(limits.fraction, limits.target)
            found.append((_where(families, family, setting, entry), target, entry, setting.fedavg))
    pairs = [
        _Pair(where, bytes_by_seed(entry, target), bytes_by_seed(fedavg, target))
        for where, target, entry, fedavg in found
    ]
    cases = [
        _traffic_case(pair, target, entry.mean(results.final_accuracy).mean, p)
        for pair, (_, target, entry, _), p in zip(pairs, found, _p_values(pairs))
    ]
    goal = f"{100 * limits.fraction:g} % of FedAvg's final accuracy in the same setting"
    if limits.target is not None:
        goal = f"an accuracy of {percent(limits.target)}"
    return Claim(
        key="less-traffic",
        title="FedDIP needs less traffic than FedAvg for the same accuracy",
        rule=f"Every run of FedDIP reaches {goal}, and they hold it to the end, with fewer bytes (down and "
        f"up, positions and headers included) until then than FedAvg, and p < {LEVEL} in a t test on the "
        "bytes.",
        cases=cases,
    )


def _traffic_case(pair: _Pair, target: float, final: float, p: str) -> Case:
    c = pair.compared
    ours = np.array(list(pair.ours.values()))
    theirs = np.array(list(pair.theirs.values()))
    missed, runs = int(np.isnan(ours).sum()), len(ours)
    goal = f"to {percent(target)}"
    if missed:
        evidence = f"{goal}: {runs - missed} of {_count(runs, 'run')} got there"
        return Case(pair.where, evidence, NOT_CONFIRMED if runs > 1 else NOT_TESTED)
    if np.isnan(theirs).all():
        return Case(pair.where, f"{goal}: FedAvg did not get there", NOT_TESTED)
    spent = f"{readable_bytes(ours.mean())} against {readable_bytes(np.nanmean(theirs))} {goal}"
    if not c.tested:
        return Case(pair.where, f"{spent}; {_seeds(c)}: too few seeds", NOT_TESTED)
    held = final >= target
    verdict = CONFIRMED if c.difference < 0 and c.p < LEVEL and held else NOT_CONFIRMED
    lost = "" if held else f"; not held, {percent(final)} at the end"
    evidence = f"{spent}, {p}, {c.test}, {_seeds(c)}{lost}"
    return Case(pair.where, evidence, verdict, ahead=c.difference < 0)


def fluctuation(run: xr.Dataset) -> float:
    """Standard deviation of the accuracy over the last rounds."""
    last = run.accuracy.isel(round=slice(-LAST_ROUNDS, None)).dropna("round")
    return float(last.std(ddof=1)) if last.size > 1 else float("nan")


def _stable(families: Sequence[Family], limits: Limits) -> Claim:
    cases = []
    for family, setting, entry in _feddip(families, lambda s, _: not _is_iid(s)):
        if not setting.fedavg:
            continue
        compared = compare(entry.accuracy, setting.fedavg.accuracy)
        ours, theirs = entry.mean(fluctuation).mean, setting.fedavg.mean(fluctuation).mean
        verdict = _near(compared, limits.margin)
        if verdict == CONFIRMED and ours > limits.swing * theirs:
            verdict = NOT_CONFIRMED
        evidence = (
            f"{_interval(compared)}{_doubt(compared, limits)}; from round to round ± {100 * ours:.2f} "
            f"points, FedAvg ± {100 * theirs:.2f}"
        )
        cases.append(Case(_where(families, family, setting, entry), evidence, verdict))
    return Claim(
        key="stable",
        title="FedDIP is stable on data that is not i.i.d.",
        rule="On each such partition, the 95 % interval of its final accuracy minus FedAvg's lies above "
        f"{points(-limits.margin, 1)} points, and over the last {LAST_ROUNDS} rounds its accuracy "
        f"fluctuates no more than {limits.swing:g} times as much as FedAvg's.",
        cases=cases,
    )


def table(claims: Sequence[Claim]) -> Table:
    """A line per case."""
    rows = [
        (claim, case) for claim in claims for case in claim.cases or [Case("", claim.summary, NOT_TESTED)]
    ]

    def column(title: str, of: Callable[[tuple[Claim, Case]], str]) -> Column:
        return Column(title, of, {title: of}, number=False)

    columns = [
        column("claim", lambda row: row[0].title),
        column("verdict", lambda row: row[0].verdict),
        column("case", lambda row: row[1].where),
        column("verdict on the case", lambda row: row[1].verdict),
        column("evidence", lambda row: row[1].evidence),
    ]
    return Table("claims", "The paper's claims, case by case.", columns, rows)
