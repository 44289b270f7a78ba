"""The tables of README.md and analysis/results/study.md, each from the results files that it names."""

from __future__ import annotations

import csv
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import xarray as xr

from . import claims, plan, results, study, tables, targets
from .claims import Claim, Limits
from .figures import Picture
from .plan import Plan
from .results import METHOD_NAMES, Skipped, collect
from .statistics import compare, mean_of, unpaired
from .study import Entry, Family, Setting
from .tables import MISSING, markdown, percent, plain, readable_bytes, sparsity_name, spread

LAST = "mean of last 10"
EARLY = 10  # round
WINDOWS = ((1, 20), (21, 40), (41, 50))  # of rounds
SCALES = {"dense": "the dense one's weights", "density": "divided by the root of the layer's density"}
SPARSEST_START = 0.98
TARGETS = (0.75, 0.8, 0.84, 0.86, 0.87, 0.88, 0.89)


class Published:
    """`root` is the repository; the study at the length of the paper is in study-1000, with its plan, and what lies beside that plan in beyond."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.results = root / "analysis" / "results"
        self.skipped: list[Skipped] = []  # of the folders that were read so far

    def _runs(self, folder: str) -> list[xr.Dataset]:
        runs, skipped = collect([self.results / folder])
        self.skipped += skipped
        return runs

    @cached_property
    def families(self) -> list[Family]:
        return study.families(self.runs)

    @cached_property
    def runs(self) -> list[xr.Dataset]:
        return self._runs("study-1000")

    @cached_property
    def plan(self) -> Plan:
        return plan.read(plan.beside([self.results / "study-1000"]))

    @cached_property
    def claims(self) -> list[Claim]:
        return claims.check(self.families, Limits(), self.plan)

    @cached_property
    def short(self) -> list[Family]:
        return study.families(self._runs("study"))

    def blocks(self) -> dict[str, str]:
        """By their names."""
        made: dict[str, Callable[[], str]] = {
            "reproduction": self.reproduction,
            "baselines": self.baselines,
            "claims": lambda: claims_overview(self.claims),
            "planned": self.planned,
            "words": lambda: f"- {claims.WORDS}",
            "final": lambda: _by_family(self.families, _final),
            "trade-off": lambda: _by_family(self.families, _trade_off),
            "bytes-to-reach": lambda: _by_family(self.families, _bytes_to_reach),
            "beyond": self.beyond,
            "regularization": self.regularization,
            "beginning": self.beginning,
            "scaled-start": self.scaled_start,
            "personal": self.personal,
            "not-run": self.not_run,
            "sparse-start": self.sparse_start,
            "short-claims": lambda: claims_overview(claims.check(self.short)),
            "short-cases": lambda: _cases([_worth_reading(c) for c in claims.check(self.short)]),
            "short-final": lambda: _by_family(self.short, _final, lambda e: not e.variation),
            "short-variations": lambda: _by_family(self.short, _variations),
        }
        made |= {f"claim-{c.key}": lambda c=c: self.claim(c) for c in self.claims}
        return {name: make() for name, make in made.items()}

    @cached_property
    def feddip(self) -> list[xr.Dataset]:
        return [run for run in self.runs if run.attrs["method"] == "feddip"]

    def beyond(self) -> str:
        """Of other settings than the paper's, which are no cases of its claims, beside FedDIP as planned."""
        return _by_family(study.families([*self.feddip, *self._runs("beyond")]), _variations)

    def regularization(self) -> str:
        """Of other strengths beside the planned ones, and what each does to the layers' weights."""
        runs = self._runs("ablations/regularization")
        planned = set(map(_strength, self.feddip))
        others = [run for run in runs if _strength(run) not in planned]
        beside = _by_family(study.families([*self.feddip, *others]), _variations)
        return f"{beside}\n{layer_norms(runs)}"

    def beginning(self) -> str:
        """Of the first rounds with the sparsity held, window by window: beside FedAvg, and one change beside none."""
        (setting,) = study.families(self._runs("ablations/beginning"))[0].settings
        pairs = [(entry, setting.fedavg) for entry in setting.entries if entry is not setting.fedavg]
        pairs += [(e, main) for e in setting.variations if (main := setting.find(e.method, e.sparsity))]
        return markdown(
            [
                {"difference": f"{_kept(entry)} minus {_kept(other)}"}
                | {
                    f"rounds {first} to {last}": tables.comparison(
                        compare(*(_mean_between(side, first, last) for side in (entry, other)))
                    )
                    for first, last in WINDOWS
                }
                for entry, other in pairs
            ]
        )

    def scaled_start(self) -> str:
        """Of methods that begin at their last sparsity, with weights as large as those of the dense start and with larger ones."""
        changed = self._runs("ablations/scaled")
        methods = {METHOD_NAMES[str(run.attrs["method"])] for run in changed}
        found = study.families([*self.runs, *changed])
        return _by_family(found, _final, lambda e: e.method in methods and e.sparsity == SPARSEST_START)

    def planned(self) -> str:
        missing = self.plan.missing(self.runs)
        there = len(self.plan.runs) - len(missing)
        undecided = sum(1 for c in self.claims for case in c.cases if case.verdict not in claims.DECIDED)
        cases = sum(len(c.cases) for c in self.claims)
        sets = Counter(map(results.instruction_set, self.runs))
        computed = " and ".join(f"{count} with {name}" for name, count in sorted(sets.items()))
        return (
            f"Of {len(self.plan.runs)} runs that were planned {there} are there, {computed}; of {cases} cases of the five "
            f"claims {cases - undecided} are decided.\n"
        )

    def claim(self, claim: Claim) -> str:
        """Verdict, rule, picture, and the cases that were run."""
        run = [case for case in claim.cases if case.run]
        lines = [f"**{claim.name.capitalize()}.** {claim.summary[0].upper()}{claim.summary[1:]}", ""]
        lines += [f"Rule: {claim.rule}", ""]
        if not run:
            return "\n".join([*lines, "No case has a run on both sides yet.", ""])
        lines += [f"![{claim.title}](../figures/claim-{claim.key}.png)", ""]
        return "\n".join(lines) + "\n" + _case_table(run)

    def personal(self) -> str:
        """Of personal models, all with as many client trainings; beside what no training gets."""
        rows = []
        for family in self.families:
            for setting in family.settings:
                own = [e for e in setting.main if e.method in study.PERSONAL]
                if own:
                    rows += [_personal(setting, entry, own) for entry in own] + [_majority(setting, own)]
        return markdown(rows) if rows else "Not run yet.\n"

    def not_run(self) -> str:
        missing = Plan(self.plan.missing(self.runs)).cells(self.families)
        rows = [
            {
                "federation": cell.family,
                "partition": cell.partition,
                "method": cell.method,
                "sparsity": sparsity_name(cell.sparsity),
                "seeds that are missing": ", ".join(map(str, sorted(seeds))),
            }
            for cell, seeds in missing.items()
        ]
        return markdown(rows) if rows else "All that was planned was run.\n"

    def sparse_start(self) -> str:
        """Of a method that begins at its last sparsity, by the scale of its start and the learning rate."""
        families = study.families(self._runs("ablations/sparse"))
        rows = {}
        for entry in itertools.chain.from_iterable(family.entries for family in families):
            keys = results.config(entry.group.first)
            scale, rate = str(keys["sparsity.start_scale"]), float(keys["optimizer.learning_rate"])
            rows[scale, rate] = {
                "start": SCALES[scale],
                "learning rate": f"{rate:g}",
                "n": str(entry.n),
                f"gradient after round {EARLY}, first to last layer": _gradients(entry),
                "accuracy": tables.accuracy_of(entry),
            }
        return f"{markdown([row for _, row in sorted(rows.items())])}\nAccuracy is {tables.measured(families[0])}.\n"

    def reproduction(self) -> str:
        """Beside the curves of the authors' program."""
        with open(
            self.root / "jobs" / "reference" / "lenet5-fashion-mnist-iid-T100.csv", newline="", encoding="utf-8"
        ) as file:
            reference = list(csv.DictReader(file))
        theirs = {
            name: np.array([float(row[name]) for row in reference]) for name in reference[0] if name != "round"
        }
        runs = {Path(run.attrs["path"]).stem: run for run in self._runs("reproduction")}
        ours = {name: run.accuracy.values for name, run in runs.items()}
        variants = {
            "FedAvg": ("fedavg", "fedavg"),
            "FedDIP s = 0.9, nested masks": ("feddip-nested", "feddip-0.90-nested"),
            "FedDIP s = 0.9, regrowing": ("feddip-regrow", "feddip-0.90-regrow"),
        }
        rows, beside = [], []
        for name, prefixes in variants.items():
            last = [
                [float(c[90:100].mean()) for n, c in curves.items() if n.startswith(prefix)]
                for curves, prefix in zip((ours, theirs), prefixes)
            ]
            difference, low, high = map(tables.points, unpaired(*last))
            beside.append(f"{name} {difference} [{low}, {high}]")
            for whose, curves, prefix in zip(("feddip", "authors"), (ours, theirs), prefixes):
                chosen = [n for n in curves if n.startswith(prefix)]
                up = mean_of([float(runs[n].bytes_up.sum()) for n in chosen if n in runs])
                row = _reproduced(f"{name}, {whose}", [curves[n] for n in chosen])
                rows.append(row | {"sent up": readable_bytes(up.mean)})
        nested, regrowing = (
            {int(r.attrs["seed"]): results.final_accuracy(r) for n, r in runs.items() if n.startswith(prefix)}
            for prefix in ("feddip-nested", "feddip-regrow")
        )
        difference = tables.comparison(compare(regrowing, nested))
        return (
            f"{markdown(rows)}\n{LAST.capitalize()} in points, with 95 % intervals: feddip minus authors, {'; '.join(beside)}; "
            f"regrowing minus nested {difference}.\n"
        )

    def baselines(self) -> str:
        """The methods that FedDIP is compared with, as its authors run them, beside their program."""
        theirs = _baseline_reference(
            self.root / "jobs" / "reference" / "baselines-lenet5-fashion-mnist-iid-T100.csv"
        )
        runs = list(self._runs("baselines"))
        rows = []
        for method in ("snip", "prunefl", "feddst", "prunetrain"):
            ours = [run.accuracy.values for run in runs if run.attrs["method"] == method]
            reference = [curve for name, curve in theirs.items() if name.startswith(f"{method}-")]
            for whose, curves in (("feddip", ours), ("authors", reference)):
                if curves:
                    rows.append(_reproduced(f"{METHOD_NAMES[method]}, {whose}", curves))
        return markdown(rows)


def _kept(entry: Entry) -> str:
    return plain(entry.name) if entry.sparsity is None else f"{plain(entry.name)}, {percent(1 - entry.sparsity, 0)} kept"


def _mean_between(entry: Entry, first: int, last: int) -> dict[int, float]:
    """Mean accuracy of rounds `first` to `last`, by seed."""
    return entry.group.by_seed(lambda run: float(run.accuracy.sel(round=slice(first, last)).mean()))


def _gradients(entry: Entry) -> str:
    """Norms of the gradient of each layer's living weights, medians over the seeds."""
    norms = [run.layer_alive_gradient_norm.sel(round=EARLY).values for run in entry.group.runs]
    return ", ".join(f"{norm:.1e}" for norm in np.median(norms, axis=0))


def _strength(run: xr.Dataset) -> float:
    return float(results.config(run)["regularization.maximum"])


def layer_norms(runs: Sequence[xr.Dataset]) -> str:
    """Norms of each layer's weights after the last round, and how far they are from those without regularization,
    of the first seed that was run without."""
    first = min(int(run.attrs["seed"]) for run in runs if _strength(run) == 0)
    by_strength = {_strength(run): run for run in runs if int(run.attrs["seed"]) == first}
    norms = {s: run.layer_weight_norm.isel(round=-1) for s, run in sorted(by_strength.items())}
    rows = []
    for layer in norms[0].layer.values:
        without, *others = (float(of.sel(layer=layer)) for of in norms.values())
        beside = {
            f"with λ = {s:g}": f"{norm:.2f}, {tables.points(norm / without - 1, 1)} %"
            for s, norm in zip(list(norms)[1:], others)
        }
        rows.append({"layer": str(layer), "without": f"{without:.2f}"} | beside)
    return markdown(rows)


def _baseline_reference(path: Path) -> dict[str, np.ndarray]:
    """Accuracy per round of each of the authors' runs; NaN where it was not measured."""
    runs: dict[str, np.ndarray] = {}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            runs.setdefault(row["run"], np.full(100, np.nan))[int(row["round"]) - 1] = float(row["test_accuracy"])
    return runs


def claims_overview(found: Sequence[Claim]) -> str:
    return markdown(
        [{"claim": c.title, "verdict": f"**{c.name}**", "cases": c.summary} for c in found if c.cases]
    )


def _case_table(cases: Sequence[claims.Case]) -> str:
    return markdown([{"case": c.where, "verdict": c.name, "evidence": c.evidence} for c in cases])


def _worth_reading(claim: Claim) -> Claim:
    """Of the many cases of traffic the decided ones."""
    if claim.key != "traffic":
        return claim
    return replace(claim, cases=[case for case in claim.cases if case.verdict in claims.DECIDED])


def _cases(found: Sequence[Claim]) -> str:
    parts = [f"{claim.title}:\n\n{_case_table(claim.cases)}" for claim in found if claim.cases]
    return "\n".join(parts)


def _by_family(
    families: Sequence[Family],
    make: Callable[[Family, list[Entry]], str],
    wanted: Callable[[Entry], bool] = lambda entry: True,
) -> str:
    """A table for each family that has something to show; personal models have a table of their own."""
    parts = []
    for family in families:
        entries = [e for e in family.entries if e.method not in study.PERSONAL and wanted(e)]
        table = make(family, entries) if entries else ""
        if table:
            parts.append(f"{family.title}:\n\n{table}" if len(families) > 1 else table)
    return "\n".join(parts)


def _final(family: Family, entries: list[Entry]) -> str:
    rows = [row for row in study.finals(family) if row.entry in entries]
    made = tables.final_table(family, rows)
    return made.markdown() + f"\n{made.caption}\n"


def _trade_off(family: Family, entries: list[Entry]) -> str:
    """Accuracy and sparsity at that moment, for shares of FedAvg's bytes."""
    rows = []
    for setting in family.settings:
        if not setting.fedavg:
            continue
        whole = setting.fedavg.mean(results.whole_traffic).mean
        for entry in (e for e in setting.main if e in entries):
            cells = {
                f"{100 * share:g} %: {readable_bytes(share * whole)}": _bought(entry, share * whole)
                for share in (0.01, 0.03, 0.1, 0.2, 0.3, 1.0)
            }
            name = entry.name if entry.sparsity is None else f"{entry.name}, s = {entry.sparsity:g}"
            rows.append({"partition": setting.partition, "method": name, **cells})
    return markdown(rows) if rows else ""


def _bought(entry: Entry, budget: float) -> str:
    got = [b for run in entry.group.runs if (b := targets.bought(run, budget, entry.last))]
    if not got:
        return MISSING
    accuracy = percent(mean_of([b.accuracy for b in got]).mean, 1)
    if all(b.ended for b in got):
        return f"{accuracy}, ended"
    if entry.sparsity is None:
        return accuracy
    return f"{accuracy} at {mean_of([b.sparsity for b in got]).mean:.2f}"


LOST = " ‡"  # after an accuracy that a run has reached and not kept


def _bytes_to_reach(family: Family, entries: list[Entry]) -> str:
    """FedDIP's bytes over FedAvg's up to an accuracy, seed by seed."""
    rows = []
    for setting in family.settings:
        ours = [e for e in setting.main if e in entries and e.method == "FedDIP" and e.sparsity is not None]
        if not setting.fedavg or not ours:
            continue
        for target in TARGETS:
            theirs = _bytes_by_seed(setting.fedavg, target)
            cells = {f"FedDIP, s = {e.sparsity:g}": _reached(e, target, theirs) for e in ours}
            spent = mean_of([b for b in theirs.values() if b is not None])
            fedavg = f"{readable_bytes(spent.mean)}, {spent.n} of {len(theirs)}" if spent.n else MISSING
            rows.append({"partition": setting.partition, "up to": percent(target, 0), "FedAvg, seeds": fedavg} | cells)
    return markdown(rows) if rows else ""


def _bytes_by_seed(entry: Entry, target: float) -> dict[int, float | None]:
    found = entry.group.by_seed(lambda run: targets.reach(run, target))
    return {seed: there and there.bytes for seed, there in found.items()}


def _reached(entry: Entry, target: float, theirs: dict[int, float | None]) -> str:
    ours = _bytes_by_seed(entry, target)
    lost = entry.final.mean < target and any(ours.values())
    return _ratio(ours, theirs) + (LOST if lost else "")


def _ratio(ours: dict[int, float | None], theirs: dict[int, float | None]) -> str:
    """The geometric mean over the seeds in which both arrive, and of how many that are."""
    common = sorted(ours.keys() & theirs.keys())
    both = [seed for seed in common if ours[seed] is not None and theirs[seed] is not None]
    if not both:
        return f"0 of {len(common)}" if common else MISSING
    logs = ({seed: float(np.log(side[seed])) for seed in both} for side in (ours, theirs))
    c = compare(*logs)
    interval = f" [{np.exp(c.low):.2f}, {np.exp(c.high):.2f}]" if c.tested else ""
    return f"{np.exp(c.difference):.2f}{interval}, {len(both)} of {len(common)}"


def _variations(family: Family, entries: list[Entry]) -> str:
    """One setting changed, beside the method's main configuration."""
    rows = []
    for setting in family.settings:
        for entry in (e for e in setting.variations if e in entries):
            main = setting.find(entry.method, entry.sparsity)
            if main:
                rows.append(
                    {
                        "partition": setting.partition,
                        "changed": plain(entry.name),
                        "sparsity": sparsity_name(entry.sparsity),
                        "accuracy": tables.accuracy_of(entry),
                        "n": str(entry.n),
                        "density": percent(entry.density),
                        "minus the main configuration, points": tables.comparison(
                            compare(entry.accuracy, main.accuracy)
                        )
                        if study.comparable(entry, main)
                        else claims.NOT_COMPARABLE,
                        "traffic": readable_bytes(entry.mean(results.whole_traffic).mean),
                        "of the main one's": _share_of(entry, main),
                    }
                )
    return f"{markdown(rows)}\nAccuracy is {tables.measured(family)}.\n" if rows else ""


def _share_of(entry: Entry, main: Entry) -> str:
    return percent(entry.mean(results.whole_traffic).mean / main.mean(results.whole_traffic).mean, 0)


def _personal(setting: Setting, entry: Entry, own: Sequence[Entry]) -> dict[str, str]:
    dense = next((e for e in own if not e.sparsity), None)
    trained = mean_of([results.client_rounds(run) for run in entry.group.runs]).mean
    beside = compare(entry.accuracy, dense.accuracy) if dense and dense is not entry else None
    return {
        "partition": setting.partition,
        "model": f"{entry.method}, s = {entry.sparsity:g}",
        "accuracy": tables.accuracy_of(entry),
        "n": str(entry.n),
        "density": percent(entry.density),
        "client trainings": f"{trained:.0f}",
        "minus that without pruning, points": tables.comparison(beside),
        "traffic": readable_bytes(entry.mean(results.whole_traffic).mean),
    }


def _majority(setting: Setting, own: Sequence[Entry]) -> dict[str, str]:
    runs = {int(run.attrs["seed"]): run for entry in own for run in entry.group.runs}
    accuracy = mean_of([study.chance(own[0].method, run) for run in runs.values()])
    return {
        "partition": setting.partition,
        "model": "each client's majority class",
        "accuracy": spread(accuracy),
        "n": str(accuracy.n),
        "density": MISSING,
        "client trainings": "0",
        "minus that without pruning, points": MISSING,
        "traffic": MISSING,
    }


def _reproduced(name: str, curves: Sequence[np.ndarray]) -> dict[str, str]:
    def cell(values: list[float], digits: int) -> str:
        percents = 100 * np.array(values)
        percents = percents[~np.isnan(percents)]
        if not len(percents):
            return MISSING
        beside = f" ({percents.min():.1f} - {percents.max():.1f})" if len(percents) > 1 else ""
        return f"{percents.mean():.{digits}f}{beside}"

    rounds = {f"round {r}": cell([c[r - 1] for c in curves], 1) for r in (20, 50, 100)}
    return {"": name, "runs": str(len(curves))} | rounds | {LAST: cell([c[90:100].mean() for c in curves], 2)}
