"""Puts groups of runs in order: what can be compared with what.

A family is a model, a data set and a federation; it has a setting for each partition of the data; a
setting has an entry for each method, sparsity and variation of the method."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import xarray as xr

from . import partition, results, statistics, targets
from .results import DISPLAY_NAMES, METHOD_NAMES, Group
from .statistics import Comparison, Mean

METHOD_ORDER = ("FedAvg", "FedProx", "FedDIP", "FedDP", *METHOD_NAMES.values())
WITHOUT_PRUNING = ("FedAvg", "FedProx", "FedDIP, regularization alone")
PERSONAL = ("DisPFL", "DA-DPFL")  # a model per client, which is another task than one model for all
# Densities are equal where the larger is at most so much more: by what FedDIP loses from one sparsity to the
# next, its accuracy changes by a third of the margin or less for it.
DENSITY_TOLERANCE = 0.1
# What a method never prunes, as a share of the prunable weights, by method and model: the first and the last layer.
_NEVER_PRUNED = {("PruneTrain", "LeNet-5"): (150 + 840) / 61470}
NEAR_CHANCE = 0.05  # above what constant predictions get: a run that ends there has learned nothing, or lost it
# What describes the problem; all other sections describe the method that is to solve it.
_PROBLEM = (
    "attack.",
    "compute.",
    "data.",
    "dataset",
    "drift.",
    "faults.",
    "federation.",
    "links.",
    "model",
    "optimizer.",
    "privacy.",
)
# What is done to clients or their data that the paper's claims don't speak of, and what says that nothing is.
_BESIDE_THE_CLAIMS = {
    "attack.kind": "none",
    "drift.kind": "none",
    "privacy.clip": 0.0,
    "privacy.epsilon": 0.0,
    "privacy.noise_multiplier": 0.0,
    "privacy.secure_sum": False,
}
_PARTITION = ("data.partition", "data.classes_per_client", "data.dirichlet_alpha")
_PARTITION_ORDER = ("iid", "pathological", "dirichlet")
# The configuration of the paper: of two that were run equally often, the one nearer to it is a method's main
# one.
PAPER = {
    "communication.reconfiguration_upload": "dense",
    "communication.upload": "sparse",
    "communication.value_type": "f32",
    "regularization.maximum": 1e-3,
    "regularization.staircase": "paper",
    "regularization.steps": 10,
    "sparsity.horizon": 5,
    "sparsity.initial": 0.5,
    "sparsity.regrow": True,
    "sparsity.score": "magnitude",
    "sparsity.start": "erk",
    "sparsity.start_mask": "global",
}
_PAPER_HORIZON = {"lenet5": 5, "alexnet": 20, "resnet18": 20}  # of other models and methods it says nothing


@dataclass(frozen=True)
class Entry:
    """Runs of one method at one sparsity, one per seed."""

    method: str
    sparsity: float | None  # scheduled for the end; None without pruning
    variation: str  # what sets it apart from the method's main configuration; "" for that one
    group: Group
    last: int = results.LAST_ROUNDS  # rounds at the end that the final accuracy is the mean of

    @property
    def name(self) -> str:
        return f"{self.method}, {self.variation}" if self.variation else self.method

    @property
    def n(self) -> int:
        return len(self.group.runs)

    @property
    def accuracy(self) -> dict[int, float]:
        """The final one, by seed."""
        return self.group.by_seed(lambda run: results.final_accuracy(run, self.last))

    @property
    def final(self) -> Mean:
        return statistics.mean_of(list(self.accuracy.values()))

    @property
    def density(self) -> float:
        """That was reached, mean over seeds."""
        return self.mean(results.density).mean

    @property
    def settles(self) -> bool:
        """Whether the final accuracy is one after the mask's last change."""
        return all(map(results.settles, self.group.runs))

    @property
    def ended_early(self) -> str:
        """How many rounds the runs have that ended before their last; "" where none did."""
        early = [run for run in self.group.runs if results.ended_early(run)]
        done = ", ".join(dict.fromkeys(map(results.rounds_done, early)))
        return f"{len(early)} with {done}" if 0 < len(early) < self.n else done

    @property
    def fates(self) -> dict[int, str]:
        """Of the seeds that ended near chance: whether they had ever left it."""
        return {
            int(run.attrs["seed"]): fate for run in self.group.runs if (fate := _fate(self, run)) is not None
        }

    @property
    def others(self) -> Mean:
        """Final accuracy of the seeds that did not end near chance."""
        return statistics.mean_of([value for seed, value in self.accuracy.items() if seed not in self.fates])

    @property
    def unlike_paper(self) -> str:
        """What it sets otherwise than the paper, whose claims are not about it then; "" where nothing is."""
        return _said({key: results.setting(key, value) for key, value in _unlike_paper(self.group).items()})

    def mean(self, measure: Callable[[xr.Dataset], float]) -> Mean:
        return statistics.mean_of(list(self.group.by_seed(measure).values()))


def comparable(a: Entry, b: Entry) -> bool:
    """Whether they keep as many weights, and had all of their rounds."""
    return equal_densities(a.density, b.density) and not (a.ended_early or b.ended_early)


def equal_densities(a: float, b: float) -> bool:
    least, most = sorted((a, b))
    return most <= (1 + DENSITY_TOLERANCE) * least


def personal_models(setting: Setting) -> str:
    """Why they are left out where a model for all is asked for; "" where there are none."""
    names = " and ".join(dict.fromkeys(entry.method for entry in setting.entries if entry.method in PERSONAL))
    return names and f"{names}: left out, as clients have models of their own there, which is another task, and no server."


def intended_density(method: str, model: str, sparsity: float) -> float:
    """What a run with this target is to keep in the end."""
    whole = _NEVER_PRUNED.get((method, model), 0.0)
    return whole + (1 - whole) * (1 - sparsity)


STAYED, COLLAPSED = "stayed at chance", "collapsed"


def chance(method: str, run: xr.Dataset) -> float:
    """What constant predictions get: the most frequent class for all, or the class that each client has most of, where
    models are personal; NaN where the data are not known."""
    if method in PERSONAL:
        return partition.majority_accuracy(run)
    classes = partition.CLASSES.get(str(run.attrs["dataset"]), float("nan"))
    return float(run.attrs.get("majority_share", 1 / classes))


def _fate(entry: Entry, run: xr.Dataset) -> str | None:
    limit = chance(entry.method, run) + NEAR_CHANCE
    if not results.final_accuracy(run, entry.last) <= limit:
        return None
    return COLLAPSED if bool((targets.whole_windows(run.accuracy) > limit).any()) else STAYED


@dataclass(frozen=True)
class Setting:
    """What was run on one partition of the data."""

    partition: str
    entries: list[Entry]

    @property
    def main(self) -> list[Entry]:
        return [entry for entry in self.entries if not entry.variation]

    @property
    def variations(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.variation]

    @property
    def fedavg(self) -> Entry | None:
        return self.find("FedAvg")

    def find(self, method: str, sparsity: float | None = None) -> Entry | None:
        """A method in its main configuration."""
        found = (e for e in self.main if (e.method, e.sparsity) == (method, sparsity))
        return next(found, None)

    def sparsities(self) -> list[float]:
        return sorted({e.sparsity for e in self.entries if e.sparsity is not None})

    def target(self, fraction: float, absolute: float | None = None) -> float | None:
        """An accuracy to reach: the absolute one, or a fraction of FedAvg's final one; None without
        FedAvg."""
        if absolute is not None:
            return absolute
        return fraction * self.fedavg.final.mean if self.fedavg else None

    @property
    def last(self) -> int:
        """Rounds at the end that final accuracies are means of, the same for all."""
        return self.entries[0].last

    @property
    def evaluations(self) -> int:
        """In these rounds; of the run with fewest."""
        return min(results.evaluations(run.accuracy, self.last) for e in self.entries for run in e.group.runs)


@dataclass(frozen=True)
class Family:
    """Settings that differ in their partition only."""

    model: str
    dataset: str
    federation: dict[str, object]
    title: str
    settings: list[Setting]
    keys: dict[str, object]  # of the configuration, that all have in common

    @property
    def entries(self) -> list[Entry]:
        return [entry for setting in self.settings for entry in setting.entries]

    def sparsities(self) -> list[float]:
        return sorted({s for setting in self.settings for s in setting.sparsities()})

    def focus(self) -> tuple[Setting, float | None]:
        """Where one setting must do for all: the first with most methods, at its sparsity with most
        methods, nearest to 0.9."""
        setting = max(self.settings, key=lambda s: len({e.method for e in s.main}))
        methods = {s: sum(e.sparsity == s for e in setting.main) for s in setting.sparsities()}
        return setting, max(methods, key=lambda s: (methods[s], -abs(s - 0.9)), default=None)

    def unlike_paper(self) -> dict[str, str]:
        """Of each method whose main configuration is not the paper's, what it sets otherwise."""
        return {entry.method: entry.unlike_paper for s in self.settings for entry in s.main if entry.unlike_paper}

    def in_focus(self) -> list[Entry]:
        setting, sparsity = self.focus()
        return [e for e in setting.main if e.sparsity in (None, sparsity)]


def beside_the_claims(keys: dict[str, object]) -> dict[str, object]:
    """Of a configuration or a family's keys: attacks, drift and protection of clients, where there are any."""
    return {key: keys[key] for key, off in _BESIDE_THE_CLAIMS.items() if keys.get(key, off) != off}


def of_the_paper(found: Iterable[Family]) -> list[Family]:
    """Those that the paper's claims are about."""
    return [family for family in found if not beside_the_claims(family.keys)]


def families(runs: Iterable[xr.Dataset]) -> list[Family]:
    """Everything there is, the family with most runs first."""
    members: dict[tuple, list[Group]] = defaultdict(list)
    for group in results.group_runs(runs):
        members[_frozen(_problem(group))].append(group)
    found = sorted(members.values(), key=lambda groups: -sum(len(g.runs) for g in groups))
    titles = _titles([_problem(groups[0]) for groups in found])
    return [_family(groups, title) for groups, title in zip(found, titles)]


def _frozen(keys: dict[str, object]) -> tuple:
    return tuple(sorted((key, str(value)) for key, value in keys.items()))


def _problem(group: Group) -> dict[str, object]:
    keys = group.experiment
    return {k: v for k, v in keys.items() if k.startswith(_PROBLEM) and k not in _PARTITION}


def _solution(group: Group) -> dict[str, object]:
    """How the method is configured, but for the sparsity that it is to reach."""
    hidden = (*_PROBLEM, "sparsity.target", "method")
    return {
        k: v
        for k, v in group.experiment.items()
        if not k.startswith(hidden) or k.startswith("method.") and k != "method.name"
    }


def _titles(problems: Sequence[dict[str, object]]) -> list[str]:
    """Model, data and rounds, and what else sets them apart."""
    differing = {k for p in problems for k in p if any(q.get(k) != p[k] for q in problems)}
    differing -= {"model", "dataset", "model.name", "data.dataset", "federation.rounds"}
    titles = []
    for problem in problems:
        rounds = problem.get("federation.rounds")
        parts = [f"{rounds} rounds"] if rounds else []
        parts += [results.setting(k, problem[k]) for k in sorted(differing) if k in problem]
        titles.append(", ".join([f"{display(problem['model'])} on {display(problem['dataset'])}", *parts]))
    return titles


def display(name: object) -> str:
    return DISPLAY_NAMES.get(str(name), str(name))


def _family(groups: Sequence[Group], title: str) -> Family:
    by_partition: dict[tuple, list[Entry]] = defaultdict(list)
    for entry in _entries(groups):
        keys = entry.group.experiment
        by_partition[_partition_order(keys), partition_name(keys)].append(entry)
    settings = [Setting(key[1], _measured_alike(by_partition[key])) for key in sorted(by_partition)]
    problem = _problem(groups[0])
    federation = {
        k.split(".")[1]: v for k, v in problem.items() if k.startswith(("federation.", "optimizer."))
    }
    return Family(str(problem["model"]), str(problem["dataset"]), federation, title, settings, problem)


def complete(found: Iterable[Family], is_kept: Callable[[xr.Dataset], bool] = results.is_complete) -> list[Family]:
    """The same without the runs that are not: what is said of ends is said of these."""
    return [replace(family, settings=_complete(family.settings, is_kept)) for family in found]


def _complete(settings: Sequence[Setting], is_kept: Callable[[xr.Dataset], bool]) -> list[Setting]:
    kept = []
    for setting in settings:
        groups = [(e, list(filter(is_kept, e.group.runs))) for e in setting.entries]
        entries = [replace(entry, group=replace(entry.group, runs=runs)) for entry, runs in groups if runs]
        if entries:
            kept.append(replace(setting, entries=entries))
    return kept


def _measured_alike(entries: Sequence[Entry]) -> list[Entry]:
    """At the rounds that all of them evaluated, as far as each has got."""
    runs = [run for entry in entries for run in entry.group.runs]
    rounds = [set(results.evaluated(run.accuracy)) for run in runs]
    ends = [int(run["round"][-1]) for run in runs]
    common = {r for r in set().union(*rounds) if all(r in own or r > end for own, end in zip(rounds, ends) if own)}
    if any(own - common for own in rounds):
        entries = [replace(e, group=replace(e.group, runs=[_at(run, common) for run in e.group.runs])) for e in entries]
    ended = [run for entry in entries for run in entry.group.runs if results.is_complete(run)]
    last = results.last_rounds(list(filter(results.is_whole, ended)) or ended)
    return [replace(entry, last=last) for entry in entries]


def _at(run: xr.Dataset, rounds: set[int]) -> xr.Dataset:
    return run.assign(accuracy=run.accuracy.where(run["round"].isin(sorted(rounds))))


def _partition_order(keys: dict[str, object]) -> int:
    kind = keys.get("data.partition", "iid")
    return _PARTITION_ORDER.index(kind) if kind in _PARTITION_ORDER else len(_PARTITION_ORDER)


def partition_name(keys: dict[str, object]) -> str:
    kind = str(keys.get("data.partition", "iid"))
    if kind == "pathological":
        return f"{keys['data.classes_per_client']} classes per client"
    return {"iid": "i.i.d.", "dirichlet": f"Dirichlet {keys.get('data.dirichlet_alpha')}"}.get(kind, kind)


def _entries(groups: Sequence[Group]) -> list[Entry]:
    by_method: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        by_method[group.method].append(group)
    entries = []
    for method, members in by_method.items():
        main = _main_solution(members)
        for group in members:
            variation = _variation(_solution(group), main)
            entries.append(Entry(method, _sparsity(method, group), variation, group))
    return sorted(entries, key=lambda e: (_method_order(e.method), e.sparsity or 0.0, e.variation))


def _variation(own: dict[str, object], main: dict[str, object]) -> str:
    """What is set otherwise; "" where nothing is. Keys that only one of the two has say that the other lacks what they
    are about."""
    said = {}
    for key in sorted(own.keys() | main.keys()):
        if key in own and own[key] != main.get(key):
            said[key] = results.setting(key, own[key])
        elif key not in own:
            other, value = results.where_off(key) or (key, None)
            said[other] = f"no {key.split('.')[1].replace('_', ' ')}" if value is None else results.setting(other, value)
    return _said(said)


def _said(said: dict[str, str]) -> str:
    """In words; keys of the same name in two sections are told apart."""
    names = [key.split(".")[-1] for key in said]
    return ", ".join(
        f"{key.split('.')[0]} {text}" if names.count(key.split(".")[-1]) > 1 else text for key, text in said.items()
    )


def _unlike_paper(group: Group) -> dict[str, object]:
    horizon = _PAPER_HORIZON.get(group.experiment["model"]) if group.method in ("FedDIP", "FedDP") else None
    usual = PAPER | {"sparsity.horizon": horizon}
    unused = ("sparsity.",) if group.method in WITHOUT_PRUNING else ()

    def differs(key: str, value: object) -> bool:
        return usual[key] not in (None, value) if key in usual else results.where_off(key) is not None

    return {k: v for k, v in sorted(_solution(group).items()) if not k.startswith(unused) and differs(k, v)}


def _method_order(method: str) -> tuple[int, str]:
    return (METHOD_ORDER.index(method) if method in METHOD_ORDER else len(METHOD_ORDER), method)


def _sparsity(method: str, group: Group) -> float | None:
    if method in WITHOUT_PRUNING:
        return None
    target = group.experiment.get("sparsity.target")
    return float(target) if target is not None else None


def _main_solution(groups: Sequence[Group]) -> dict[str, object]:
    """The one that was run in most places, or with most seeds, or is nearest to the paper's."""
    alike: dict[tuple, list[Group]] = defaultdict(list)
    for group in groups:
        alike[_frozen(_solution(group))].append(group)

    def weight(members: list[Group]) -> tuple:
        off = len(_unlike_paper(members[0]))
        return len(members), sum(len(g.runs) for g in members), -off, str(_frozen(_solution(members[0])))

    return _solution(max(alike.values(), key=weight)[0])


# What the tables and the claims are made of.


@dataclass(frozen=True)
class Final:
    """Where an entry ended up."""

    setting: Setting
    entry: Entry
    accuracy: Mean
    density: float  # reached
    bytes: Mean  # of the whole run, down and up
    seconds: Mean  # simulated
    traffic_share: float  # of FedAvg's bytes; NaN without FedAvg
    against: dict[str, Comparison]  # by method: FedAvg, and FedDIP at the same density; not where a side ended early


def finals(family: Family) -> list[Final]:
    return [_final(setting, entry) for setting in family.settings for entry in setting.entries]


def _final(setting: Setting, entry: Entry) -> Final:
    feddip = setting.find("FedDIP", entry.sparsity)
    rivals = {"FedAvg": setting.fedavg, "FedDIP": feddip if feddip and comparable(entry, feddip) else None}
    rivals = {name: rival for name, rival in rivals.items() if rival and not (entry.ended_early or rival.ended_early)}
    sent = entry.mean(results.whole_traffic)
    dense = rivals["FedAvg"].mean(results.whole_traffic).mean if "FedAvg" in rivals else float("nan")
    personal = entry.method in PERSONAL
    return Final(
        setting=setting,
        entry=entry,
        accuracy=entry.final,
        density=entry.density,
        bytes=sent,
        seconds=entry.mean(targets.simulated_seconds),
        traffic_share=sent.mean / dense,
        against={
            name: statistics.compare(entry.accuracy, rival.accuracy)
            for name, rival in rivals.items()
            if rival is not entry and not personal
        },
    )


@dataclass(frozen=True)
class ToTarget:
    """What an entry took to reach an accuracy; means over the runs that did."""

    setting: Setting
    entry: Entry
    target: float
    reached: int  # of entry.n runs
    rounds: Mean
    sparsity: Mean  # in that round, which may be far from that of the end
    bytes: Mean
    seconds: Mean  # simulated
    traffic_share: float  # of FedAvg's bytes; NaN where either did not get there
    held: bool  # whether every run got there, and their final accuracy still is


def holds(entry: Entry, target: float, reached: int) -> bool:
    """Sparsity grows during a run: an accuracy may be reached early and lost again."""
    return reached == entry.n and entry.final.mean >= target


def to_target(setting: Setting, entry: Entry, target: float, window: int = targets.WINDOW) -> ToTarget:
    arrived = [r for r in (targets.reach(run, target, window) for run in entry.group.runs) if r]
    sent = statistics.mean_of([r.bytes for r in arrived])
    dense = float("nan")
    if setting.fedavg:
        dense = bytes_to_target(setting.fedavg, target, window).mean
    return ToTarget(
        setting=setting,
        entry=entry,
        target=target,
        reached=len(arrived),
        rounds=statistics.mean_of([r.round for r in arrived]),
        sparsity=statistics.mean_of([r.sparsity for r in arrived]),
        bytes=sent,
        seconds=statistics.mean_of([r.simulated_seconds for r in arrived]),
        traffic_share=sent.mean / dense,
        held=holds(entry, target, len(arrived)),
    )


def bytes_to_target(entry: Entry, target: float, window: int = targets.WINDOW) -> Mean:
    arrived = [targets.reach(run, target, window) for run in entry.group.runs]
    return statistics.mean_of([r.bytes for r in arrived if r])


def as_dataset(found: Iterable[Family], fraction: float = 0.95) -> xr.Dataset:
    """One row per run, for a notebook: what it was and where it ended up."""
    columns: dict[str, list] = defaultdict(list)
    for family in complete(found):
        for setting in family.settings:
            goal = setting.target(fraction)
            for entry in setting.entries:
                for run in entry.group.runs:
                    arrived = targets.reach(run, goal) if goal is not None else None
                    row = {
                        "family": family.title,
                        "partition": setting.partition,
                        "method": entry.method,
                        "variation": entry.variation,
                        "sparsity": float("nan") if entry.sparsity is None else entry.sparsity,
                        "seed": int(run.attrs["seed"]),
                        "final_accuracy": results.final_accuracy(run, entry.last),
                        "density": results.density(run),
                        "bytes": results.whole_traffic(run),
                        "ended_early": bool(results.ended_early(run)),
                        "target_accuracy": float("nan") if goal is None else goal,
                        "rounds_to_target": arrived.round if arrived else float("nan"),
                        "bytes_to_target": arrived.bytes if arrived else float("nan"),
                        "simulated_seconds_to_target": arrived.simulated_seconds if arrived else float("nan"),
                    }
                    for name, value in row.items():
                        columns[name].append(value)
    data = xr.Dataset({name: ("run", values) for name, values in columns.items()})
    return data.set_coords([name for name in list(columns)[:6]])
