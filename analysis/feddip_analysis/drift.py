"""What drift does to runs: how deep accuracy falls, how long it takes to come back, and what that costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import xarray as xr

from . import results
from .results import Group
from .tables import MISSING, Column, Table

MADE_UP = 0.9  # of the loss, for a run to have recovered
BEFORE = 50  # rounds whose mean accuracy is that before
SMOOTHED = 3  # evaluations whose median has to reach it
FIRST, LAST = 10, 100  # rounds since the drift began, and at its end, for the seeds one by one
FEWER_ROUNDS, MORE_BYTES = 2.0, 1.25  # what an answer has to be worth, beside the frozen mask


class Event(NamedTuple):
    """Rounds: the drift begins in `first`, and it or the run has another level after `last`."""

    first: int
    last: int


def events(run: xr.Dataset) -> list[Event]:
    """Each begins where the drift leaves a level that it had in the rounds before, or in the first round."""
    strength = np.concatenate([[0.0, 0.0], run.drift.values])
    moves = np.diff(strength) != 0
    begins = [int(r) for r, b in zip(run["round"].values, moves[1:] & ~moves[:-1]) if b]
    ends = [first - 1 for first in begins[1:]] + [int(run["round"][-1])]
    return [Event(*pair) for pair in zip(begins, ends)]


@dataclass(frozen=True)
class Recovery:
    """Of one event. NaN where it can't be told: with nothing measured before, or nothing lost or made up."""

    event: Event
    before: float  # accuracy
    dip: float
    rounds: float  # until 90 % of the dip is made up; inf: not before the event ends
    alarm_after: float  # rounds, until the first alarm; inf: none before the event ends


def recovery(run: xr.Dataset, event: Event) -> Recovery:
    measured = run.accuracy.dropna("round")
    past = measured.where((measured["round"] < event.first) & (measured["round"] >= event.first - BEFORE), drop=True)
    since = measured.where((measured["round"] >= event.first) & (measured["round"] <= event.last), drop=True)
    alarms = run["round"].values[(run.alarm.values > 0) & (run["round"].values >= event.first)]
    alarms = alarms[alarms <= event.last]
    after = float(alarms[0] - event.first) if alarms.size else float("inf")
    nothing = Recovery(event, float("nan"), float("nan"), float("nan"), after)
    if not past.size or not since.size:
        return nothing
    before = float(past.mean())
    lowest = int(np.argmin(since.values))
    dip = before - float(since[lowest])
    if dip <= 0:
        return Recovery(event, before, dip, float("nan"), after)
    values = since.values
    wanted = before - (1 - MADE_UP) * dip
    for i in range(lowest, len(values) - SMOOTHED + 1):
        if np.median(values[i : i + SMOOTHED]) >= wanted:
            return Recovery(event, before, dip, float(since["round"][i] - event.first + 1), after)
    return Recovery(event, before, dip, float("inf"), after)


def false_alarms(run: xr.Dataset) -> int:
    """Before the first event."""
    first = min((e.first for e in events(run)), default=int(run["round"][-1]) + 1)
    return int((run.alarm.values[run["round"].values < first] > 0).sum())


def system(run: xr.Dataset) -> str:
    """What of it answers drift, and how."""
    config = results.config(run)
    method = results.method_name(config | {"method": run.attrs["method"]})
    if method not in ("FedDIP", "FedDP"):
        return method
    sparsity = f"{method} s = {config.get('sparsity.target'):g}"
    answer = config.get("adaptation.answer", "none")
    if answer != "none":
        by = " by ADWIN" if config.get("adaptation.detector") == "adwin" else ""
        return f"{sparsity}, {answer} on alarm{by}"
    return f"{sparsity}, frozen" if config.get("sparsity.final_rounds", 0) else f"{sparsity}, as it is"


def stream(run: xr.Dataset) -> str:
    """The drift that it is about."""
    config = results.config(run)
    at = config.get("drift.at", [])
    at = at if isinstance(at, list) else [at]
    return (
        f"{config.get('drift.kind')} of {config.get('drift.strength', 0):g}, {config.get('drift.pattern')}, "
        f"at {', '.join(map(str, at))}"
    ) + ("" if config.get("drift.clients", 1) == 1 else f", {config['drift.clients']:g} of the clients")


@dataclass(frozen=True)
class Row:
    """A system on a stream, over its seeds and, of several events, over those after the first round."""

    stream: str
    group: Group

    @property
    def system(self) -> str:
        return system(self.group.first)

    def recoveries(self) -> list[Recovery]:
        return [recovery(run, e) for run in self.group.runs for e in events(run) if e.first > 1]

    def mean(self, value: Callable[[Recovery], float]) -> float:
        values = [value(r) for r in self.recoveries()]
        known = [v for v in values if not np.isnan(v)]
        return float(np.mean(known)) if known else float("nan")

    def of_runs(self, value: Callable[[xr.Dataset], float]) -> float:
        return float(np.mean([value(run) for run in self.group.runs]))


def rows(groups: Sequence[Group]) -> list[Row]:
    """Those whose data drift, by stream."""
    drifting = [g for g in groups if bool((g.first.drift != 0).any())]
    return sorted((Row(stream(g.first), g) for g in drifting), key=lambda row: row.stream)


@dataclass(frozen=True)
class Verdict:
    """An answer beside the frozen mask of the same sparsity, on the same stream and the seeds of both."""

    answer: Row
    frozen: Row
    seeds: tuple[int, ...]
    faster: float  # rounds of the frozen mask until it has recovered, by those of the answer
    within: float  # the rounds that both had, where no run of either has recovered; else NaN
    dearer: float  # bytes of the whole run, by those of the frozen mask

    @property
    def holds(self) -> bool:
        return self.faster >= FEWER_ROUNDS and self.dearer <= MORE_BYTES

    def text(self) -> str:
        said = "holds" if self.holds else "does not hold"
        faster = MISSING if np.isnan(self.faster) else f"{self.faster:.2f} times as fast"
        back = f"{faster} back as with the frozen mask, for {self.dearer:.2f} times its bytes"
        if not np.isnan(self.within):
            back = f"neither it nor the frozen mask recovered within {self.within:.0f} rounds; {self.dearer:.2f} times the bytes"
        return f"{self.answer.system}: {back} ({self.answer.stream}; {len(self.seeds)} seeds): the claim {said}."


def verdicts(all_rows: Sequence[Row]) -> list[Verdict]:
    frozen = {(r.stream, r.system.removesuffix(", frozen")): r for r in all_rows if r.system.endswith(", frozen")}
    found = []
    for row in all_rows:
        base, comma, answer = row.system.rpartition(", ")
        other = frozen.get((row.stream, base))
        if not comma or " on alarm" not in answer or other is None:
            continue
        seeds = sorted(_seeds(row) & _seeds(other))
        if seeds:
            found.append(_verdict(_of_seeds(row, seeds), _of_seeds(other, seeds), tuple(seeds)))
    return found


def _seeds(row: Row) -> set[int]:
    return {int(run.attrs["seed"]) for run in row.group.runs}


def _of_seeds(row: Row, seeds: Sequence[int]) -> Row:
    return Row(row.stream, Group(row.group.label, [r for r in row.group.runs if int(r.attrs["seed"]) in seeds]))


def _verdict(answer: Row, frozen: Row, seeds: tuple[int, ...]) -> Verdict:
    """A run that has not recovered counts with the rounds that it was given, which favours the slower one."""
    rounds = [row.mean(_rounds_or_all) for row in (frozen, answer)]
    bytes_ = [row.of_runs(results.whole_traffic) for row in (answer, frozen)]
    back = [r.rounds for row in (frozen, answer) for r in row.recoveries() if not np.isnan(r.rounds)]
    within = max(rounds) if back and np.isinf(back).all() else float("nan")
    return Verdict(answer, frozen, seeds, rounds[0] / rounds[1], within, bytes_[0] / bytes_[1])


def _rounds_or_all(r: Recovery) -> float:
    return float(r.event.last - r.event.first + 1) if np.isinf(r.rounds) else r.rounds


def _last(name: str) -> Callable[[xr.Dataset], float]:
    return lambda run: results.last_measured(run[name])


def _number(value: float, form: str, factor: float = 1) -> str:
    return MISSING if np.isnan(value) or np.isinf(value) else format(factor * value, form)


def _rounds(row: Row) -> str:
    """The mean, and the range of several."""
    rounds = [r.rounds for r in row.recoveries() if not np.isnan(r.rounds)]
    never = sum(np.isinf(r) for r in rounds)
    text = _number(row.mean(_rounds_or_all), ".0f")
    if never:
        return f"> {text} ({never} of {len(row.recoveries())} not)"
    return f"{text} ({min(rounds):.0f} to {max(rounds):.0f})" if len(set(rounds)) > 1 else text


def _alarm(row: Row) -> str:
    after = [r.alarm_after for r in row.recoveries()]
    heard = [a for a in after if np.isfinite(a)]
    return f"{np.mean(heard):.0f} ({len(heard)} of {len(after)})" if heard else MISSING


def by_seed(all_rows: Sequence[Row]) -> list[dict[str, str]]:
    """How each run went through each drift after the first round."""
    return [_by_seed(row, event) for row in all_rows for event in events(row.group.first) if event.first > 1]


def _by_seed(row: Row, event: Event) -> dict[str, str]:
    runs = sorted(row.group.runs, key=lambda run: int(run.attrs["seed"]))
    since = [run.accuracy.sel(round=slice(event.first, event.last)).dropna("round") for run in runs]
    first = [values.sel(round=slice(None, event.first + FIRST - 1)) for values in since]
    last = [values.sel(round=slice(event.last - LAST + 1, None)) for values in since]

    def means(of: Sequence[xr.DataArray]) -> str:
        counts = sorted({values.size for values in of})
        return f"{_each(_number(float(v.mean()), '.1f', 100) for v in of)} ({' or '.join(map(str, counts))})"

    return {
        "stream": row.stream,
        "system": row.system,
        "seeds": _each(str(run.attrs["seed"]) for run in runs),
        "from round": str(event.first),
        f"its first {FIRST} rounds (%)": means(first),
        "lowest (%), in round": _each(_lowest(values) for values in since),
        f"its last {LAST} rounds (%)": means(last),
    }


def _lowest(values: xr.DataArray) -> str:
    if not values.size:
        return MISSING
    at = int(np.argmin(values.values))
    return f"{100 * float(values[at]):.1f} in {int(values['round'][at])}"


def _each(texts: Iterable[str]) -> str:
    return " / ".join(texts)


def table(all_rows: Sequence[Row]) -> Table:
    def column(title: str, name: str, form: str, value: Callable[[Row], float], factor: float = 1) -> Column:
        return Column(title, lambda row: _number(value(row), form, factor), {name: value})

    return Table(
        "drift",
        "Means over seeds and, of several drifts, over these; runs that did not recover count with all the rounds "
        "they had.",
        [
            Column("stream", lambda row: row.stream, {"stream": lambda row: row.stream}, number=False),
            Column("system", lambda row: row.system, {"system": lambda row: row.system}, number=False),
            Column("seeds", lambda row: str(len(row.group.runs)), {"seeds": lambda row: len(row.group.runs)}),
            column("before (%)", "accuracy_before", ".1f", lambda row: row.mean(lambda r: r.before), 100),
            column("dip (points)", "dip", ".1f", lambda row: row.mean(lambda r: r.dip), 100),
            Column(
                "rounds to make up 90 %",
                _rounds,
                {
                    "rounds_to_recover": lambda row: row.mean(_rounds_or_all),
                    "not_recovered": lambda row: sum(np.isinf(r.rounds) for r in row.recoveries()),
                },
            ),
            Column("alarm after", _alarm, {"heard": lambda row: sum(np.isfinite(r.alarm_after) for r in row.recoveries())}),
            column("alarms before", "false_alarms", ".1f", lambda row: row.of_runs(false_alarms)),
            column("traffic (MB)", "bytes", ".0f", lambda row: row.of_runs(results.whole_traffic), 1e-6),
            column("mask moved (Jaccard)", "mask_distance", ".2f", lambda row: row.of_runs(_last("mask_distance"))),
            column("ever alive (%)", "ever_alive", ".1f", lambda row: row.of_runs(_last("ever_alive")), 100),
            column("at the end (%)", "final_accuracy", ".1f", lambda row: row.of_runs(results.final_accuracy), 100),
        ],
        list(all_rows),
    )
