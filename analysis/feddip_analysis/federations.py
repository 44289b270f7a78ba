"""The study of clients that differ (jobs/budget_study.sh): what each system reaches, in which time and with which bytes, in
federations whose clients are alike, 10-fold and 100-fold apart. Where every client does the same as in the 10-fold one, the
runs are those, and their times are told from their bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from . import budgets, links, results, statistics, tables, targets
from .defaults import PROGRAM
from .results import Group


@dataclass(frozen=True)
class Federation:
    links: links.Links  # of quick, medium and slow clients
    deadline: float  # seconds; of one system half


_SHARES, _LATENCY = (0.34, 0.33, 0.33), (20.0,)
_SLOWER = 10.0  # are all but the quick clients of 100-fold than in 10-fold, and as many times as long is the deadline
_TEN_FOLD = Federation(links.Links(_SHARES, (10.0, 3.16, 1.0), (10.0, 3.16, 1.0), _LATENCY, (0.01, 0.0316, 0.1)), 2.0)
FEDERATIONS = {  # folders
    "alike": Federation(links.Links(_SHARES, (10.0,), (10.0,), _LATENCY, (0.01,)), 1.5),
    "10-fold": _TEN_FOLD,
    "100-fold": Federation(_TEN_FOLD.links.slower(_SLOWER, {1, 2}), _SLOWER * _TEN_FOLD.deadline),
}
RUN = "10-fold"  # whose runs tell of the others
_TOLD = "told_by"  # attribute of runs that others tell: the file
PARTITIONS = {"iid": "i.i.d.", "dirichlet": "Dirichlet"}
WAITS, BUDGETS, RESTS = "FedAvg, waits for all", "FedDIP, budgets", "FedDIP, budgets, begun dense, with a mask that rests"
DROPS = ("FedAvg, drops who is late", "FedDIP, drops who is late")
HALF = f"{RESTS}, half the deadline"
AIMED = (BUDGETS, RESTS)
EXPLORED = (HALF,)  # tried once the others were known
_SAYING = {  # what tells systems apart, and what it says where nothing is said below
    "method.name": "feddip",
    "budget.mode": "deadline",
    "budget.ranking": "magnitude",
    "budget.rotate": False,
    "budget.ranked_every": 0,
    "budget.feedback": "adaptive",
    "sparsity.initial": 0.5,
    "sparsity.final_rounds": 0.0,
    "half the deadline": False,
}
SYSTEMS: dict[str, dict[str, object]] = {  # in this order
    WAITS: {"method.name": "fedavg", "budget.mode": "none"},
    DROPS[0]: {"method.name": "fedavg", "budget.mode": "drop"},
    "FedDIP, waits for all": {"budget.mode": "none"},
    DROPS[1]: {"budget.mode": "drop"},
    "FedDIP, the weakest one's part for all": {"budget.mode": "fixed"},
    BUDGETS: {},
    RESTS: {"sparsity.initial": 0.0, "sparsity.final_rounds": 0.4},
    HALF: {"sparsity.initial": 0.0, "sparsity.final_rounds": 0.4, "half the deadline": True},
    "FedDIP, budgets that rotate": {"budget.rotate": True},
    "FedDIP, budgets without feedback": {"budget.feedback": 0},
    "FLASH, budgets": {"method.name": "flash", "budget.ranked_every": 1},
    "HeteroFL, budgets": {"method.name": "fedavg", "budget.ranking": "width"},
    "FedRolex, budgets": {"method.name": "fedavg", "budget.ranking": "rolling_width"},
}
AROUND = 11  # rounds, whose mean counts as reached in the middle one
MEGABYTE = 1e6
COSTS = ["simulated time (s)", "busiest client (MB)", "all (MB)"]

# By the name of a system its runs, in the order of their seeds.
Systems = dict[str, list[xr.Dataset]]
# By federation and partition.
Study = dict[tuple[str, str], Systems]


def system_of(run: xr.Dataset) -> str:
    """Raises ValueError for one that is none of the study's."""
    config = PROGRAM | results.config(run)
    federation = FEDERATIONS.get(Path(run.attrs["path"]).parent.name)
    config["half the deadline"] = federation is not None and config["budget.deadline_s"] == federation.deadline / 2
    said = {key: config[key] for key in _SAYING}
    for name, says in SYSTEMS.items():
        if said == _SAYING | says:
            return name
    raise ValueError(f"{run.attrs['path']} is of no system of jobs/budget_study.sh")


def study_of(runs: Sequence[xr.Dataset]) -> Study:
    """The federation is the name of a run's folder. Systems that were not run in one are there by the runs of the 10-fold one
    where all of these tell."""
    found: dict[tuple[str, str], list[xr.Dataset]] = {}
    for run in runs:
        where = (Path(run.attrs["path"]).parent.name, str(results.config(run)["data.partition"]))
        found.setdefault(where, []).append(run)
    study: Study = {}
    for federation in FEDERATIONS:
        for partition in PARTITIONS:
            told = _all_told(by_system(found.get((RUN, partition), [])), federation)
            systems = told | by_system(found.get((federation, partition), []))
            if systems:
                study[federation, partition] = {name: systems[name] for name in SYSTEMS if name in systems}
    return study


def _all_told(systems: Systems, federation: str) -> Systems:
    told = {name: [told_by(run, federation) for run in runs] for name, runs in systems.items()}
    return {name: runs for name, runs in told.items() if all(run is not None for run in runs)}


def told_by(run: xr.Dataset, federation: str) -> xr.Dataset | None:
    """A 10-fold run as it would have been in another federation, the same to the bit but for its times; None where some client
    might have done otherwise. None does without budgets, nor where all are slower by one factor, by which the deadline is longer
    too, but for quick clients that are never limited by it."""
    ran, other, own = FEDERATIONS[RUN], FEDERATIONS[federation], links.of_run(run)
    if federation == RUN or own is None or own.per_class() != ran.links.per_class():
        return None
    keys, longer = results.config(run), other.deadline / ran.deadline
    mode, deadline = keys["budget.mode"], keys["budget.deadline_s"]
    if links.has_budgets(run) and other.links != ran.links.slower(longer, {1, 2}):
        return None
    if mode in ("deadline", "drop") and _quick_are_limited(run, deadline):
        return None
    text = run.attrs["config_toml"]
    changed = {name: list(getattr(other.links, name)) for name in links.OF_CLASSES} | {"deadline_s": longer * deadline}
    for key, value in changed.items():
        text = re.sub(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
    path = Path(run.attrs["path"])
    told = links.over(run, other.links, longer * deadline)
    return told.assign_attrs(config_toml=text, path=str(path.parent.parent / federation / path.name), **{_TOLD: str(path)})


def are_told(runs: Sequence[xr.Dataset]) -> bool:
    return all(_TOLD in run.attrs for run in runs)


def only_told(systems: Systems) -> bool:
    return all(map(are_told, systems.values()))


def _quick_are_limited(run: xr.Dataset, deadline: float) -> bool:
    """Whether a quick client is late, or holds less than the mask after its first round, as where the deadline leaves room for
    doubt. Those who never answer are not among the quick, who would need 10,000 images for that in the study."""
    ids = run.client_id.values
    quick = links.classes_of_clients(run)[ids] == 0
    _, first = np.unique(ids, return_index=True)  # in the order of the rounds
    again = ~np.isin(np.arange(ids.size), first).reshape(ids.shape)
    less = run.client_density.values < 1 - run.sparsity.values[:, None] - 1e-3
    return bool((quick & (~budgets.in_time(run, deadline) | (again & less))).any())


def by_system(runs: Sequence[xr.Dataset]) -> Systems:
    found: Systems = {}
    for run in sorted(runs, key=seed_of):
        found.setdefault(system_of(run), []).append(run)
    return {name: found[name] for name in SYSTEMS if name in found}


def seed_of(run: xr.Dataset) -> int:
    return int(results.config(run)["federation.seed"])


def by_seed(runs: Sequence[xr.Dataset], value: Callable[[xr.Dataset], float]) -> dict[int, float]:
    return {seed_of(run): value(run) for run in runs}


def deadline_of(systems: Systems) -> float:
    runs = [run for name, runs in systems.items() if name not in EXPLORED for run in runs]
    (deadline,) = {results.config(run).get("budget.deadline_s", 0.0) for run in runs} - {0.0}
    return float(deadline)


def share_in_time(run: xr.Dataset, deadline: float) -> float:
    """The share of the sampled clients that have answered by then; NaN where times of clients are not recorded."""
    if bool(run.client_simulated_seconds.isnull().all()):
        return float("nan")
    return float(budgets.in_time(run, deadline)[run.client_id.values >= 0].mean())


def mean(runs: Sequence[xr.Dataset], value: Callable[[xr.Dataset], float]) -> float:
    return float(np.mean([value(run) for run in runs]))


def percent(share: float) -> str:
    return tables.MISSING if np.isnan(share) else f"{100 * share:.1f}"


def interval(found: statistics.Comparison) -> str:
    bounds = f" [{tables.points(found.low)}, {tables.points(found.high)}]" if found.tested else ""
    return tables.points(found.difference) + bounds


def costs(runs: Sequence[xr.Dataset]) -> list[str]:
    """By whole runs, under the heads COSTS."""
    return [
        f"{mean(runs, lambda run: budgets.simulated_time(run)[-1]):.0f}",
        f"{mean(runs, lambda run: budgets.busiest_client_bytes(run)[-1]) / MEGABYTE:.1f}",
        f"{mean(runs, results.whole_traffic) / MEGABYTE:.0f}",
    ]


def ends(systems: Systems) -> str:
    """What each system has in the end, and what it took."""
    deadline = deadline_of(systems)
    base = _final(systems, WAITS)

    def line(name: str, runs: list[xr.Dataset]) -> list[str]:
        compared = statistics.compare(_final(systems, name), base)
        return [
            name,
            percent(mean(runs, results.final_accuracy)),
            tables.MISSING if name == WAITS else interval(compared),
            *costs(runs),
            percent(mean(runs, lambda run: share_in_time(run, results.config(run).get("budget.deadline_s", 0.0) or deadline))),
        ]

    head = ["system", "accuracy", f"minus {WAITS}", *COSTS, "in time"]
    return tables.markdown_lines([head, *(line(*item) for item in systems.items())])


def taken(systems: Systems) -> str:
    """What runs take that are too short to learn much, and what the slowest clients hold in their first and last third."""
    deadline = deadline_of(systems)

    def of_slowest(run: xr.Dataset, values: np.ndarray, rounds: slice) -> float:
        classes = run.client_link_class.values[rounds]
        return float(values[rounds][classes == run.client_link_class.values.max()].mean())

    def line(name: str, runs: list[xr.Dataset]) -> list[str]:
        third = runs[0].sizes["round"] // 3
        first, last, whole = slice(third), slice(-third, None), slice(None)
        held = [percent(mean(runs, lambda run: of_slowest(run, run.client_density.values, part))) for part in (first, last)]
        return [
            name,
            *costs(runs),
            percent(mean(runs, lambda run: share_in_time(run, deadline))),
            percent(mean(runs, lambda run: of_slowest(run, budgets.in_time(run, deadline), whole))),
            *held,
        ]

    head = ["system", *COSTS, "in time", "slow ones in time"]
    head += ["they hold, first third of the rounds", "last third"]
    return tables.markdown_lines([head, *(line(*item) for item in systems.items())])


def spent_until(run: xr.Dataset, accuracy: float) -> tuple[float, float] | None:
    """Simulated seconds, and bytes of the client that had exchanged the most by then, until the accuracy; None where it is not
    reached."""
    found = targets.reach(run, accuracy, AROUND)
    if found is None:
        return None
    return found.simulated_seconds, float(budgets.busiest_client_bytes(run).sel(round=found.round))


def reached(systems: Systems) -> str:
    """Simulated seconds and megabytes of the busiest client until the accuracies at which FedAvg ends, less one point, and the
    two systems that drop who is late, each seed at that of its own."""
    wanted = {f"{WAITS}, less a point": {seed: end - statistics.MARGIN for seed, end in _final(systems, WAITS).items()}}
    wanted |= {name: _final(systems, name) for name in DROPS if name in systems}

    def cell(runs: list[xr.Dataset], accuracies: Mapping[int, float]) -> str:
        spent = [found for run in runs if seed_of(run) in accuracies and (found := spent_until(run, accuracies[seed_of(run)]))]
        if not spent:
            return tables.MISSING
        seconds, exchanged = np.mean(spent, axis=0)
        some = f" ({len(spent)} of {len(runs)})" if len(spent) < len(runs) else ""
        return f"{seconds:.0f} s, {exchanged / MEGABYTE:.1f} MB{some}"

    head = ["until the end of", *(f"{name}: {percent(np.mean(list(of.values())))} %" for name, of in wanted.items())]
    lines = [[name, *(cell(runs, of) for of in wanted.values())] for name, runs in systems.items()]
    return tables.markdown_lines([head, *lines])


def _final(systems: Systems, name: str) -> dict[int, float]:
    return by_seed(systems[name], results.final_accuracy)


def ratio_of_times(systems: Systems, name: str, other: str) -> str:
    """Of the time that a system takes to the accuracy at which the other ends, to the time that this one takes: its mean over
    the seeds on the scale of the logarithm, and the 95 % interval. Both at the middle of a window, as in `reached`."""
    goals = _final(systems, other)
    spent = [
        {seed_of(run): spent_until(run, goals[seed_of(run)]) for run in systems[of] if seed_of(run) in goals} for of in (name, other)
    ]
    found = statistics.compare(*({seed: np.log(each[0]) for seed, each in side.items() if each} for side in spent))
    missing = f", {found.n} of {len(goals)} seeds" if found.n < len(goals) else ""
    if not found.n:
        return "not reached"
    bounds = f" [{np.exp(found.low):.2f}, {np.exp(found.high):.2f}]" if found.tested else ""
    return f"{np.exp(found.difference):.2f}{bounds}{missing}"


def aims(study: Study) -> str:
    """FedDIP with budgets in each federation: against FedAvg that waits for all, whose planned cases are one family, and its
    time beside that of the systems that drop who is late. Cases that have the runs of others are not shown again."""

    def against_waiting(where: tuple[str, str], name: str) -> statistics.Comparison:
        return statistics.compare(_final(study[where], name), _final(study[where], WAITS))

    def cases_of(names: Sequence[str]) -> list[tuple[tuple[str, str], str]]:
        return [(where, name) for where in study for name in names if name in study[where] and not are_told(study[where][name])]

    cases = cases_of(AIMED)
    planned = len(FEDERATIONS) * len(PARTITIONS) * len(AIMED)
    compared = [against_waiting(*case) for case in cases]
    judged = statistics.verdicts([*compared, *[statistics.compare({}, {})] * (planned - len(compared))])
    rows = [(*case, of.compared, of.verdict + (", by more than a point" if of.below else "")) for case, of in zip(cases, judged)]
    rows += [(*case, against_waiting(*case), "explored, not planned") for case in cases_of(EXPLORED)]
    head = ["clients", "partition", "system", f"minus {WAITS}", "verdict", *(f"time beside {name}" for name in DROPS)]
    lines = [
        [
            federation,
            PARTITIONS[partition],
            name,
            interval(difference),
            verdict,
            *(
                ratio_of_times(study[federation, partition], name, other) if other in study[federation, partition] else tables.MISSING
                for other in DROPS
            ),
        ]
        for (federation, partition), name, difference, verdict in rows
    ]
    return tables.markdown_lines([head, *lines])


def blocks(study: Study) -> dict[str, str]:
    """For the page, by name."""
    if not study:
        return {}
    made = {"aims": aims(study)}
    for (federation, partition), systems in study.items():
        if not only_told(systems):
            made[f"{federation}-{partition}"] = ends(systems)
        made[f"{federation}-{partition}-reached"] = reached(systems)
    return made


def _smooth(run: xr.Dataset) -> xr.Dataset:
    return run.assign(accuracy=targets.whole_windows(run.accuracy, AROUND).reindex(round=run["round"]).assign_attrs(run.accuracy.attrs))


def draw(federation: str, study: Study) -> Figure:
    """Accuracy over simulated time, and over the bytes of the busiest client, a row per partition; means as in `reached`."""
    of = {partition: systems for (where, partition), systems in study.items() if where == federation}
    figure, axes = plt.subplots(len(of), 2, figsize=(9, 3.2 * len(of) + 0.6), squeeze=False)
    for row, (partition, systems) in zip(axes, of.items()):
        groups = [Group(name, [_smooth(run) for run in runs]) for name, runs in systems.items()]
        for panel, over in zip(row, (budgets.accuracy_over_time, budgets.accuracy_over_busiest)):
            over(panel, groups)
            panel.set_title(f"clients {federation}{'' if federation == 'alike' else ' apart'}, {PARTITIONS[partition]}")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 0), handlelength=3)
    figure.tight_layout()
    return figure
