"""The paper's claims, one by one, against the runs that there are and those that were planned.

A claim is looked at in cases, such as one sparsity on one partition. Each case compares FedDIP with another by
the seeds that both have, and the tests of all cases of a claim are one family (Bonferroni): the corrected p decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from . import results, statistics, study, targets
from .plan import Cell, Plan
from .statistics import (
    EQUIVALENT,
    FEWEST_SEEDS,
    INCONCLUSIVE,
    INFERIOR,
    MARGIN,
    SUPERIOR,
    UNDECIDED,
    Comparison,
    Judged,
    compare,
)
from .study import PERSONAL, WITHOUT_PRUNING, Entry, Family
from .tables import Column, Table, percent, points, p_value, readable_bytes

NOT_COMPARABLE = "not comparable"
DECIDED = (SUPERIOR, EQUIVALENT, INFERIOR)
# Of a claim.
SUPPORTED, CONTRADICTED, MIXED = "supported", "contradicted", "mixed"
PARTLY_SUPPORTED, PARTLY_CONTRADICTED = "partly supported", "partly contradicted"
WORDS = (
    f"A claim is {SUPPORTED} where all its comparable cases are for it and {CONTRADICTED} where all are against it; partly, "
    f"where some are and the rest is open, be it for want of runs or inconclusive; {MIXED} where some are for and some against, "
    f"and {UNDECIDED} where none is either. Inferior alone is not against a claim of nearness: the loss must be sure to be "
    "beyond the margin."
)
IID = "i.i.d."


@dataclass(frozen=True)
class Limits:
    """What the rules turn on."""

    margin: float = MARGIN  # differences of accuracy within it don't matter
    extreme: float = 0.95  # sparsity from which on it is called extreme
    high: float = 0.9
    budgets: tuple[float, ...] = (0.03, 0.1, 0.3)  # of FedAvg's whole traffic; all of it is the first claim's question
    fraction: float = 0.95  # of FedAvg's final accuracy, a target to reach
    target: float | None = None  # an accuracy instead of a fraction
    swing: float = 1.5  # times FedAvg's fluctuation from round to round


@dataclass(frozen=True)
class Case:
    where: str
    verdict: str  # of DECIDED, or inconclusive, not decided, not comparable
    evidence: str
    supports: bool | None  # the claim; None where that is open
    compared: Comparison
    planned: bool
    run: bool  # whether there is a seed that both have
    decidable: bool = True  # whether enough seeds are planned
    at_chance: bool = False  # whether a run of the other ended near chance

    @property
    def name(self) -> str:
        """The verdict, and how many seeds were too few for one."""
        if self.verdict != UNDECIDED:
            return self.verdict
        return f"{UNDECIDED}: {_count(self.compared.n, 'seed')}"


@dataclass(frozen=True)
class Claim:
    key: str
    title: str
    rule: str
    cases: list[Case]
    margin: float = MARGIN

    @property
    def verdict(self) -> str:
        said = {case.supports for case in self.cases if case.verdict != NOT_COMPARABLE}
        if True in said and False in said:
            return MIXED
        if True in said:
            return PARTLY_SUPPORTED if None in said else SUPPORTED
        if False in said:
            return PARTLY_CONTRADICTED if None in said else CONTRADICTED
        return UNDECIDED

    @property
    def name(self) -> str:
        """The verdict, and how many of the cases it rests on where that is not all."""
        speak = Counter(case.supports for case in self.cases)
        if self.verdict == UNDECIDED or speak[None] == 0:
            return self.verdict
        return f"{self.verdict} ({speak[True]} for, {speak[False]} against, of {_count(len(self.cases), 'case')})"

    @property
    def counts(self) -> Counter[str]:
        return Counter(case.verdict for case in self.cases)

    @property
    def summary(self) -> str:
        """How many cases were planned, run and decided, and how."""
        planned = sum(case.planned for case in self.cases)
        run = sum(case.run for case in self.cases)
        beside_plan = sum(case.run and not case.planned for case in self.cases)
        decided = sum(self.counts[verdict] for verdict in DECIDED)
        said = [f"{self.counts[verdict]} {verdict}" for verdict in DECIDED if self.counts[verdict]]
        easy = sum(case.verdict == SUPERIOR and case.at_chance for case in self.cases)
        said[:1] = [f"{said[0]}, {easy} of them to runs near chance"] if easy else said[:1]
        left = [
            f"{self.counts[verdict]} {words}"
            for verdict, words in (
                (INCONCLUSIVE, INCONCLUSIVE),
                (UNDECIDED, f"with fewer than {FEWEST_SEEDS} seeds in common"),
                (NOT_COMPARABLE, NOT_COMPARABLE),
            )
            if self.counts[verdict]
        ]
        done = f"{_count(run, 'case')} run"
        if planned:
            more = f" and {beside_plan} beside the plan" if beside_plan else ""
            never = sum(case.planned and not (case.decidable or case.compared.tested) for case in self.cases)
            few = f" ({never} with too few seeds to decide)" if never else ""
            done = f"{_count(planned, 'case')} planned{few}, {run - beside_plan} of them run{more}"
        how = f" ({', '.join(said)})" if said else ""
        rest = f"; {', '.join(left)}" if left else ""
        return f"{done}, {decided} decided{how}{rest}."


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def check(families: Sequence[Family], limits: Limits = Limits(), plan: Plan | None = None) -> list[Claim]:
    """All claims, in the paper's order. What is under attack, drifts or is protected has no case, nor a test in their
    families; nor has a run that ended before its last round."""
    there = _There(study.of_the_paper(study.complete(families, results.is_whole)), plan.of_the_paper() if plan else None)
    rules = (_near_fedavg, _as_good_as_others, _regularization_matters, _more_for_the_bytes, _stable)
    return [rule(there, limits) for rule in rules]


def _intended(cell: Cell) -> float:
    return study.intended_density(cell.method, cell.family.split(" on ")[0], cell.sparsity or 0.0)


class _There:
    """The cells that were run or planned, and their entries."""

    def __init__(self, families: Sequence[Family], plan: Plan | None) -> None:
        self._entries = {
            Cell(family.title, setting.partition, entry.method, entry.sparsity): entry
            for family in families
            for setting in family.settings
            for entry in setting.main
            if not entry.unlike_paper
        }
        self._planned = plan.cells(families) if plan else {}
        self._cells = sorted({**self._entries, **self._planned}, key=self._order)

    def _order(self, cell: Cell) -> tuple:
        titles = list(dict.fromkeys(c.family for c in (*self._entries, *self._planned)))
        kinds = [i for i, kind in enumerate((IID, "classes", "Dirichlet")) if kind in cell.partition]
        method = study.METHOD_ORDER.index(cell.method) if cell.method in study.METHOD_ORDER else 99
        return titles.index(cell.family), kinds or [9], cell.sparsity or 0.0, method, cell.method

    def entry(self, cell: Cell) -> Entry | None:
        return self._entries.get(cell)

    def feddip(self, wanted: Callable[[Cell], bool] = lambda cell: True) -> list[Cell]:
        own = (cell for cell in self._cells if cell.method == "FedDIP" and cell.sparsity is not None)
        return [cell for cell in own if wanted(cell)]

    def beside(self, cell: Cell, method: str, sparsity: float | None = None) -> Cell | None:
        """The cell of another method on the same partition."""
        found = replace(cell, method=method, sparsity=sparsity)
        return found if found in self._cells else None

    def rivals(self, cell: Cell) -> list[Cell]:
        """The other pruning methods at the density reached, else to the same sparsity, else those that are meant to
        keep as much."""
        alike = [
            other
            for other in self._cells
            if (other.family, other.partition) == (cell.family, cell.partition)
            and other.method not in ("FedDIP", "FedDP", *WITHOUT_PRUNING, *PERSONAL)
        ]
        methods = dict.fromkeys(other.method for other in alike)
        found = (self._nearest(cell, [o for o in alike if o.method == method]) for method in methods)
        return [rival for rival in found if rival]

    def _nearest(self, cell: Cell, others: Sequence[Cell]) -> Cell | None:
        ours = self.entry(cell)
        there = [(other, theirs) for other in others if (theirs := self.entry(other))]
        if ours and (fit := [(o, e) for o, e in there if study.comparable(ours, e)]):
            return min(fit, key=lambda pair: abs(np.log(pair[1].density / ours.density)))[0]
        alike = [other for other in others if study.equal_densities(_intended(cell), _intended(other))]
        return next((o for o in others if o.sparsity == cell.sparsity), next(iter(alike), None))

    def where(self, cell: Cell, *more: str) -> str:
        """In words; the model is named where there are several, and the rest of the family where that is not
        enough."""
        titles = {c.family for c in self._cells if c.method == "FedDIP"}
        models = [title.split(" on ")[0] for title in titles]
        own = cell.family.split(" on ")[0]
        family = [own if models.count(own) == 1 else cell.family] if len(titles) > 1 else []
        return ", ".join([*family, cell.partition, f"s = {cell.sparsity:g}", *more])

    def pair(self, where: str, *cells: Cell) -> _Pair:
        """What the plan says of it; what is beside the plan has enough seeds."""
        seeds = [set(self._planned[cell]) for cell in cells if cell in self._planned]
        return _Pair(
            where,
            planned=len(seeds) == len(cells),
            decidable=not seeds or len(set.intersection(*seeds)) >= FEWEST_SEEDS,
        )


@dataclass(frozen=True)
class _Pair:
    """Two that are compared, and what is to be said besides."""

    where: str
    planned: bool
    decidable: bool
    compared: Comparison = compare({}, {})
    evidence: str = ""  # where the comparison doesn't say all
    remarks: Sequence[str] = ()
    comparable: bool = True
    at_chance: bool = False
    ended: bool = False  # whether ours had spent all that it ever spends


def _pair(there: _There, ours: Cell, theirs: Cell, where: str, margin: float) -> _Pair:
    """Two final accuracies."""
    a, b = there.entry(ours), there.entry(theirs)
    pair = there.pair(where, ours, theirs)
    if a is None or b is None:
        return replace(pair, evidence=_missing((ours, a), (theirs, b)))
    equal = theirs.sparsity is None or study.comparable(a, b)
    kept = f"density {percent(a.density)}"
    if theirs.sparsity is not None:
        kept += f" and {percent(b.density)}"
    remarks = [kept, *_remarks(a), *_remarks(b), *_across(a, b)]
    compared = compare(a.accuracy, b.accuracy, margin)
    return replace(
        pair, compared=compared, remarks=remarks, comparable=equal, at_chance=bool(b.fates), ended=True
    )


def _missing(*cells: tuple[Cell, Entry | None]) -> str:
    return "no run of " + " nor of ".join(cell.method for cell, entry in cells if entry is None)


def _remarks(entry: Entry) -> list[str]:
    said = []
    if entry.fates:
        said.append(f"{entry.method}: {fates(entry)}")
    if not entry.settles:
        said.append(f"{entry.method}'s mask changes to the end")
    return said


def _across(a: Entry, b: Entry) -> list[str]:
    """How many pairs share a seed but not the order of rounding."""
    ours, theirs = (entry.group.by_seed(results.instruction_set) for entry in (a, b))
    unlike = sum(ours[seed] != theirs[seed] for seed in ours.keys() & theirs.keys())
    return [f"{_count(unlike, 'pair')} across instruction sets"] if unlike else []


def fates(entry: Entry) -> str:
    """How many runs ended near chance, and where the others are."""
    counts = Counter(entry.fates.values())
    parts = [f"{count} of {_count(entry.n, 'run')} {fate}" for fate, count in sorted(counts.items())]
    rest = entry.others
    return " and ".join(parts) + (f", the others at {percent(rest.mean)}" if rest.n else "")


def _difference(c: Comparison) -> str:
    if not c.n:
        return "no seed in common"
    if not c.tested:
        return f"{points(c.difference)} points, {_count(c.n, 'seed')}"
    return f"{points(c.difference)} points, 95 % interval {points(c.low)} to {points(c.high)}, {c.n} seeds"


def _tests(judged: Judged, margin: float) -> str:
    different, equivalent = p_value(judged.p_different), p_value(judged.p_equivalent)
    said = f"; p of a difference {different}, of one within {_within(margin)} {equivalent}"
    if judged.verdict == INFERIOR:
        said += f", of a loss beyond that {p_value(judged.p_below)}"
    return said


Supports = Callable[[_Pair, Judged], bool | None]


def _cases(pairs: Sequence[_Pair], supports: Supports, margin: float) -> list[Case]:
    """All cases of a claim: their tests are one family."""
    tested = [pair.compared if pair.comparable else compare({}, {}) for pair in pairs]
    cases = []
    for pair, judged in zip(pairs, statistics.verdicts(tested)):
        verdict = judged.verdict if pair.comparable else NOT_COMPARABLE
        said = pair.evidence or _difference(pair.compared)
        if judged.compared.tested:
            said += _tests(judged, margin)
        cases.append(
            Case(
                where=pair.where,
                verdict=verdict,
                evidence="; ".join([said, *pair.remarks]),
                supports=supports(pair, judged) if verdict in DECIDED else None,
                compared=pair.compared,
                planned=pair.planned,
                run=pair.compared.n > 0,
                decidable=pair.decidable,
                at_chance=pair.at_chance,
            )
        )
    return cases


def _within(margin: float) -> str:
    return f"±{100 * margin:g} point{'' if margin == 0.01 else 's'}"


def _as_good(_: _Pair, judged: Judged) -> bool | None:
    """Equivalent or better; against it only where the loss is sure to be larger than the margin."""
    if judged.verdict != INFERIOR:
        return True
    return False if judged.below else None


def _better(_: _Pair, judged: Judged) -> bool:
    return judged.above


def _thriftier(pair: _Pair, judged: Judged) -> bool:
    """More for the same bytes; or as much, once it has stopped sending and the other has not."""
    return judged.above or judged.verdict == EQUIVALENT and pair.ended


def _near_fedavg(there: _There, limits: Limits) -> Claim:
    pairs = [
        _pair(there, cell, fedavg, there.where(cell), limits.margin)
        for cell in there.feddip(lambda c: c.partition == IID and c.sparsity >= limits.high)
        if (fedavg := there.beside(cell, "FedAvg"))
    ]
    return Claim(
        key="near-fedavg",
        title=f"At sparsity {limits.high:g} and above, FedDIP's accuracy is near FedAvg's",
        rule="On i.i.d. data, a case is for the claim where FedDIP's final accuracy is equivalent to "
        f"FedAvg's ({_within(limits.margin)}) or superior, and against it where it is inferior and sure to lie below "
        f"{points(-limits.margin, 1)} points (a one-sided test, corrected with the others).",
        cases=_cases(pairs, _as_good, limits.margin),
        margin=limits.margin,
    )


def _as_good_as_others(there: _There, limits: Limits) -> Claim:
    pairs = [
        _pair(there, cell, rival, there.where(cell, f"against {rival.method}"), limits.margin)
        for cell in there.feddip()
        for rival in there.rivals(cell)
    ]
    return Claim(
        key="others",
        title="FedDIP is as accurate as the other pruning methods at equal sparsity, or more",
        rule="A case is for the claim where FedDIP's final accuracy is superior to the other's or equivalent, and against "
        "it as for the first claim; not comparable where the densities that were reached differ by more than "
        f"{100 * study.DENSITY_TOLERANCE:g} %. Personal models are another task and have no case.",
        cases=_cases(pairs, _as_good, limits.margin),
        margin=limits.margin,
    )


def _regularization_matters(there: _There, limits: Limits) -> Claim:
    pairs = [
        _pair(there, cell, plain, there.where(cell), limits.margin)
        for cell in there.feddip(lambda c: c.sparsity >= limits.extreme)
        if (plain := there.beside(cell, "FedDP", cell.sparsity))
    ]
    return Claim(
        key="regularization",
        title="At extreme sparsity the incremental regularization matters",
        rule=f"At sparsity {limits.extreme:g} and above, a case is for the claim where FedDIP's final "
        "accuracy is sure to be above FedDP's, which is FedDIP without regularization, be it within the margin; "
        "against it otherwise.",
        cases=_cases(pairs, _better, limits.margin),
        margin=limits.margin,
    )


def _more_for_the_bytes(there: _There, limits: Limits) -> Claim:
    pairs = [
        _budget_pair(there, cell, fedavg, share, limits.margin)
        for cell in there.feddip()
        if (fedavg := there.beside(cell, "FedAvg"))
        for share in limits.budgets
    ]
    budgets = ", ".join(f"{100 * share:g}" for share in limits.budgets)
    return Claim(
        key="traffic",
        title="For the same traffic FedDIP is more accurate than FedAvg",
        rule=f"Cases are budgets of {budgets} % of the bytes that FedAvg sends in its whole run (down and up, "
        "positions and headers included), and compare the accuracies that both have for as much, means of "
        f"{targets.WINDOW} evaluations around that moment; a run that ends within the budget keeps its "
        "final accuracy. A case is for the claim where FedDIP is sure to be above, be it within the margin, or "
        "equivalent after it has ended; against it otherwise. The sparsity at that moment, which may be far from "
        "the last, is said. What all of FedAvg's bytes buy is the first claim.",
        cases=_cases(pairs, _thriftier, limits.margin),
        margin=limits.margin,
    )


def _budget_pair(there: _There, ours: Cell, theirs: Cell, share: float, margin: float) -> _Pair:
    """What both have for a share of the other's whole traffic."""
    a, b = there.entry(ours), there.entry(theirs)
    pair = there.pair(there.where(ours, f"for {100 * share:g} %"), ours, theirs)
    if a is None or b is None:
        return replace(pair, evidence=_missing((ours, a), (theirs, b)))
    budget = share * b.mean(results.whole_traffic).mean
    got, other = (
        entry.group.by_seed(lambda run, entry=entry: targets.bought(run, budget, entry.last))
        for entry in (a, b)
    )
    seeds = sorted(seed for seed in got.keys() & other.keys() if got[seed] and other[seed])
    compared = compare(
        {seed: got[seed].accuracy for seed in seeds}, {seed: other[seed].accuracy for seed in seeds}, margin
    )
    if not seeds:
        return replace(pair, evidence="too little for a round")
    ended = all(got[seed].ended for seed in seeds)
    sparsity = percent(np.mean([got[seed].sparsity for seed in seeds]), 0)
    then = f"{readable_bytes(budget)}, FedDIP at {sparsity} of sparsity then"
    if ended:
        whole = readable_bytes(a.mean(results.whole_traffic).mean)
        then = f"{readable_bytes(budget)}, of which FedDIP has spent {whole} in all"
    return replace(pair, compared=compared, remarks=[then, *_across(a, b)], ended=ended)


def fluctuation(run: xr.Dataset) -> float:
    """Standard deviation of the accuracy over the last evaluations."""
    last = run.accuracy.dropna("round").isel(round=slice(-results.LAST_ROUNDS, None))
    return float(last.std(ddof=1)) if last.size > 1 else float("nan")


def _stable(there: _There, limits: Limits) -> Claim:
    pairs, restless = [], []
    for cell in there.feddip(lambda c: c.partition != IID):
        fedavg = there.beside(cell, "FedAvg")
        if not fedavg:
            continue
        pair = _pair(there, cell, fedavg, there.where(cell), limits.margin)
        a, b = there.entry(cell), there.entry(fedavg)
        ours, theirs = (e.mean(fluctuation).mean if e else float("nan") for e in (a, b))
        if a and b:
            swing = f"from evaluation to evaluation ±{100 * ours:.2f} points, FedAvg ±{100 * theirs:.2f}"
            pair = replace(pair, remarks=[swing, *pair.remarks])
        pairs.append(pair)
        restless.append(ours > limits.swing * theirs)
    cases = [
        replace(case, supports=False) if case.supports and too_much else case
        for case, too_much in zip(_cases(pairs, _as_good, limits.margin), restless)
    ]
    return Claim(
        key="stable",
        title="FedDIP is stable on data that is not i.i.d.",
        rule="On each such partition, as for the first claim; but a case that would be for the claim is against "
        f"it where over the last {results.LAST_ROUNDS} evaluations the accuracy fluctuates more than "
        f"{limits.swing:g} times as much as FedAvg's.",
        cases=cases,
        margin=limits.margin,
    )


def table(claims: Sequence[Claim], name: str = "claims") -> Table:
    """A line per case."""
    rows = [(claim, case) for claim in claims for case in claim.cases]

    def column(title: str, of: Callable[[tuple[Claim, Case]], str]) -> Column:
        return Column(title, of, {title: of}, number=False)

    columns = [
        column("claim", lambda row: row[0].title),
        column("verdict", lambda row: row[0].name),
        column("case", lambda row: row[1].where),
        column("verdict on the case", lambda row: row[1].name),
        column("evidence", lambda row: row[1].evidence),
    ]
    return Table(name, "The paper's claims, case by case.", columns, rows)
