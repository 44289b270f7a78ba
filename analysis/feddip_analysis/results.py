"""Reads results files, and puts runs together that differ in nothing but their seed."""

from __future__ import annotations

import math
import numbers
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import h5py
import numpy as np
import xarray as xr

from .defaults import PROGRAM, flat

Measured = TypeVar("Measured")

METHOD_NAMES = {
    "feddip": "FedDIP",
    "feddp": "FedDP",
    "fedavg": "FedAvg",
    "fedprox": "FedProx",
    "snip": "SNIP",
    "prunefl": "PruneFL",
    "prunetrain": "PruneTrain",
    "feddst": "FedDST",
    "dispfl": "DisPFL",
    "dadpfl": "DA-DPFL",
    "flash": "FLASH",
}

DISPLAY_NAMES = {
    "lenet5": "LeNet-5",
    "alexnet": "AlexNet",
    "vgg11": "VGG-11",
    "resnet18": "ResNet-18",
    "resnet50": "ResNet-50",
    "custom": "own network",
    "fashion-mnist": "Fashion-MNIST",
    "cifar-10": "CIFAR-10",
    "cifar-100": "CIFAR-100",
    "file": "own images",
}

_SYMBOLS = {
    "target": "$s_p$",
    "initial": "$s_0$",
    "horizon": "$R$",
    "rounds": "$T$",
    "maximum": "$\\lambda$",
    "steps": "$Q$",
}

# Keys in which runs may differ and still be the same experiment: what names it, stores it, computes it or
# looks on.
_NOT_THE_EXPERIMENT = (
    "analysis.",
    "checkpoint.",
    "compute.kernels",
    "compute.threads",
    "faults.slow_",
    "federation.evaluate_every",
    "federation.rank0_trains",
    "federation.seed",
    "links.",
    "output.",
)
# Keys that mean nothing unless another has a certain value.
_ONLY_WHERE = {
    "data.classes_per_client": ("data.partition", "pathological"),
    "data.dirichlet_alpha": ("data.partition", "dirichlet"),
    "data.path": ("data.dataset", "file"),  # whose images; those of the known data sets are the same everywhere
}
_WORDS_OR_NUMBERS = {"budget.feedback"}  # a strength, or "adaptive"
# What keys that older files lack stand for there; sections whose features they lack stand for nothing where
# the feature is off.
_BEFORE_THERE_WAS = {
    "attack.sees": "own",
    "budget.ranked_every": 0,
    "budget.times": "simulated",
    "communication.value_type": "f32",
    "compute.precision": "f32",
    "drift.samples_per_round": 0,
    "faults.drop_probability": 0.0,
    "links.order": "drawn",
    "model.layers": [],
    "method.variant": "paper",
    "model.norm": "batch",
    "privacy.clip": 0.0,
    "privacy.clip_quantile": 0.0,
    "privacy.delta": 1e-5,
    "privacy.epsilon": 0.0,
    "privacy.noise_multiplier": 0.0,
    "privacy.sampling": "fixed",
    "privacy.secure_sum": False,
    "prunefl.removable_share": 0.3,
    "sparsity.final_rounds": 0.0,
    "sparsity.layer_floor": 0.0,
    "sparsity.score": "magnitude",
    "sparsity.start_scale": "dense",
}
_OFF_WHERE = {
    "adaptation.": ("adaptation.answer", "none"),
    "aggregation.": ("aggregation.rule", "mean"),
    "attack.": ("attack.kind", "none"),
    "budget.": ("budget.mode", "none"),
    "drift.": ("drift.kind", "none"),
    "faults.slow_": ("faults.slow_probability", 0.0),
}
# Of times, which decide what clients hold where they have budgets.
_OF_TIMES = ("links.", "faults.slow_")
_ALWAYS_ON = ("drift.samples_per_round",)
# Sections that mean nothing to a method; those of methods that are not named here all count.
_UNUSED_BY_METHOD = {
    "FedAvg": ("sparsity.", "regularization.", "communication.upload", "communication.reconfiguration"),
    "FedProx": ("sparsity.", "regularization.", "communication.upload", "communication.reconfiguration"),
    "FedDP": ("regularization.",),
    "SNIP": ("regularization.",),
    "PruneFL": ("regularization.",),
    "FedDST": ("regularization.",),
    "FLASH": ("regularization.", "sparsity.initial", "sparsity.horizon", "sparsity.regrow", "sparsity.start"),
    "DisPFL": (
        "regularization.",
        "sparsity.initial",
        "sparsity.horizon",
        "sparsity.regrow",
        "sparsity.start_mask",
        "communication.",
    ),
    "DA-DPFL": (
        "regularization.",
        "sparsity.horizon",
        "sparsity.regrow",
        "sparsity.start_mask",
        "communication.",
    ),
}


LAST_ROUNDS = 10
FEWEST_EVALUATIONS = 5
FEWEST_RESTED = 3


# What each version of the program has written; other columns came later, or are of some runs alone.
REQUIRED = {
    "rounds": "round test_accuracy test_loss test_top5_accuracy train_loss learning_rate regularization target_sparsity "
    "sparsity mask_change pruning_error bytes_down bytes_up bytes_positions mpi_bytes reference_cost_mib seconds_train "
    "seconds_communicate seconds_aggregate seconds_evaluate seconds_round",
    "layers": "density name",
    "clients": "id samples train_loss accuracy bytes_up included",
}
_TEXTS = ("config_toml", "method", "model", "dataset")
_WHOLE_NUMBERS = ("seed", "parameters", "prunable_parameters", "rounds", "mpi_ranks", "complete")
REQUIRED_ATTRIBUTES = _TEXTS + _WHOLE_NUMBERS


class NotAResultsFile(Exception):
    """The file can't be read, is something else, or lacks a part."""


def _require_all_parts(file: h5py.File) -> None:
    names = [f"{group}/{name}" for group, columns in REQUIRED.items() for name in columns.split()]
    missing = [f"/{name}" for name in names if name not in file]
    missing += [f"the attribute {name}" for name in REQUIRED_ATTRIBUTES if name not in file.attrs]
    if missing:
        raise ValueError(f"it lacks {missing[0]}" + (f" and {len(missing) - 1} more" if len(missing) > 1 else ""))
    _require_kinds(file)


def _require_kinds(file: h5py.File) -> None:
    """One file of another kind must not take those down that are read with it."""
    for kind, names, what in ((str, _TEXTS, "a text"), (numbers.Integral, _WHOLE_NUMBERS, "a whole number")):
        for name in names:
            if not isinstance(file.attrs[name], kind):
                raise ValueError(f"the attribute {name} is not {what}")
    for name, values in file["rounds"].items():
        _require_numbers(values, 1, "iu" if name == "round" else "biuf")
    for name in set(REQUIRED["clients"].split()):
        _require_numbers(file["clients"][name], 2)
    _require_numbers(file["layers/density"], 2)
    for key, value in flat(tomllib.loads(file.attrs["config_toml"])).items():
        if key not in _WORDS_OR_NUMBERS and not _alike(value, PROGRAM.get(key, value)):
            raise ValueError(f"{key} in config_toml is {value!r}, where the program has {PROGRAM[key]!r}")


def _require_numbers(values: h5py.Dataset, dimensions: int, kinds: str = "biuf") -> None:
    if values.ndim != dimensions or values.dtype.kind not in kinds:
        what = "whole numbers" if kinds == "iu" else "numbers"
        raise ValueError(f"{values.name} is not of {what} with {dimensions} dimension{'s' * (dimensions > 1)}")


def _alike(value: object, usual: object) -> bool:
    """Both numbers, texts or switches. One number or several, such as of links, is the same."""
    if isinstance(value, list) or isinstance(usual, list):
        return True
    number = (int, float)
    both_numbers = isinstance(value, number) and isinstance(usual, number)
    return type(value) is type(usual) or both_numbers and bool not in (type(value), type(usual))


def _array(dataset: h5py.Dataset, dims: tuple[str, ...]) -> xr.DataArray:
    attrs = {name: dataset.attrs[name] for name in ("units", "long_name")}
    return xr.DataArray(dataset[()], dims=dims, attrs=attrs)


def load(path: str | Path) -> xr.Dataset:
    """One results file: the columns of /rounds as they are, those of /layers as `layer_*` [round, layer] with
    the layers' names, those of /classes as `class_*` [round, class], and those of /clients as `client_*` [round, slot]. The file's attributes are the dataset's."""
    try:
        with h5py.File(path) as file:
            _require_all_parts(file)
            data = {name: _array(d, ("round",)) for name, d in file["rounds"].items()}
            for name, dataset in file["layers"].items():
                if dataset.ndim == 2:
                    data[f"layer_{name}"] = _array(dataset, ("round", "layer"))
            for name, dataset in file.get("classes", {}).items():
                if dataset.ndim == 2:
                    data[f"class_{name}"] = _array(dataset, ("round", "class"))
            data["layer"] = ("layer", file["layers/name"].asstr()[()].astype(str))
            for name, dataset in file["clients"].items():
                if dataset.ndim == 2:
                    data[f"client_{name}"] = _array(dataset, ("round", "slot"))
            attrs = dict(file.attrs)
        run = xr.Dataset(data, attrs=attrs | {"path": str(path)}).set_coords(("round", "layer"))
        return run.assign(accuracy=_accuracy(run), bytes_total=_bytes_total(run))
    except (OSError, KeyError, ValueError, RuntimeError, AttributeError, TypeError) as problem:
        raise NotAResultsFile(f"{path}: not a results file of feddip ({problem})") from problem


def _accuracy(run: xr.Dataset) -> xr.DataArray:
    """That of the test set; without it the mean over the clients on their own shares."""
    accuracy = run.test_accuracy
    if bool(accuracy.isnull().all()):
        accuracy = run.client_accuracy.mean("slot")
    return accuracy.assign_attrs(units="1", long_name="accuracy")


def _bytes_total(run: xr.Dataset) -> xr.DataArray:
    total = (run.bytes_up + run.bytes_down).astype(float).cumsum("round")
    return total.assign_attrs(units="byte", long_name="payload received and sent so far")


@dataclass(frozen=True)
class Skipped:
    """A file that was left out, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"left out: {self.path}: {self.reason}"


def _is_of_a_run(path: Path) -> bool:
    """Not images that runs are about, say; what can't be read may be of one."""
    try:
        with h5py.File(path) as file:
            return "config_toml" in file.attrs
    except OSError:
        return True


def results_files(paths: Iterable[str | Path]) -> list[Path]:
    """The files themselves and all in the folders, however deep; no checkpoints."""
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        inside = sorted(path.rglob("*.h5")) if path.is_dir() else [path]
        found |= dict.fromkeys(file for file in inside if ".ckpt-" not in file.name)
    return list(found)


def none_found(paths: Iterable[str | Path]) -> str:
    """Why, where there is no results file among them; else ""."""
    paths = list(paths)
    if results_files(paths):
        return ""
    return f"no results file in {' '.join(map(str, paths))}: checkpoints (*.ckpt-*) hold a model and no curves"


LOOK_FIRST = ("snip", "prunefl", "flash")  # methods that begin with a look at one client's data


def first_look_bytes(run: xr.Dataset) -> tuple[float, float]:
    """Down and up, of the first client before the first round; it is in no client's row, but in the first round's, which has
    so much more than those of its clients."""
    if run.attrs["method"] not in LOOK_FIRST:
        return 0.0, 0.0
    sampled = run.client_id.values >= 0
    down = float(run.bytes_down.values[0]) - _downloads_of_first_round(run, sampled)
    up = float(run.bytes_up.values[0]) - float(run.client_bytes_up.values[0][sampled[0]].sum())
    return down, up


def _downloads_of_first_round(run: xr.Dataset, sampled: np.ndarray) -> float:
    """Of all clients. Older files don't say: there a client's is taken to be as large as in the second round, and where
    there is none, it is not known."""
    if "client_bytes_down" in run:
        return float(run.client_bytes_down.values[0][sampled[0]].sum())
    clients = sampled.sum(axis=1)
    if len(clients) < 2 or not clients[1]:
        return math.nan
    # A little less, it may be, than it was: who took part in the first round has the mask already.
    return min(float(run.bytes_down.values[1]) / clients[1] * clients[0], float(run.bytes_down.values[0]))


def run_files(paths: Iterable[str | Path]) -> list[Path]:
    """The same without what lies in the folders and is of no run: images, audits."""
    paths = list(map(Path, paths))
    return [file for file in results_files(paths) if file in paths or _is_of_a_run(file)]


def collect(paths: Iterable[str | Path], incomplete: bool = False) -> tuple[list[xr.Dataset], list[Skipped]]:
    """All runs of files and folders that are done, one per experiment and seed; what else is there is
    named."""
    runs: dict[tuple, xr.Dataset] = {}
    skipped = []
    for path in results_files(paths):
        try:
            run = load(path)
        except NotAResultsFile as problem:
            skipped.append(Skipped(path, str(problem).removeprefix(f"{path}: ")))
            continue
        key = (_key(run), int(run.attrs["seed"]))
        if not run.sizes["round"]:
            skipped.append(Skipped(path, "no round is done yet"))
        elif not is_complete(run) and not incomplete:
            skipped.append(Skipped(path, progress(run)))
        elif key in runs and (is_complete(runs[key]) or not is_complete(run)):
            skipped.append(Skipped(path, f"same experiment and seed as {runs[key].attrs['path']}"))
        else:
            if key in runs:
                skipped.append(Skipped(Path(runs[key].attrs["path"]), f"same experiment and seed as {path}, which is complete"))
            runs[key] = run
    return list(runs.values()), skipped


def is_complete(run: xr.Dataset) -> bool:
    """Whether the run has come to its end: only then has it a final accuracy, a whole traffic, a place in a comparison."""
    return bool(run.attrs["complete"])


def ended_early(run: xr.Dataset) -> bool:
    """Whether it is complete with fewer rounds than it was to have: where privacy.epsilon was spent before."""
    return is_complete(run) and run.sizes["round"] < run.attrs["rounds"]


def is_whole(run: xr.Dataset) -> bool:
    """Whether the run has had all of its rounds: only then is its end one beside others'."""
    return is_complete(run) and not ended_early(run)


def rounds_done(run: xr.Dataset) -> str:
    return f"{run.sizes['round']} of {run.attrs['rounds']} rounds"


def progress(run: xr.Dataset) -> str:
    """Of one that is not complete."""
    return f"not complete: {rounds_done(run)}"


INSTRUCTIONS = "instruction set "


def instruction_set(run: xr.Dataset) -> str:
    """Of the processor, as oneDNN names it; "" where the run does not say. Sums are rounded in another order on another
    one."""
    libraries = map(str, np.atleast_1d(run.attrs.get("library_versions", [])))
    return next((name.removeprefix(INSTRUCTIONS) for name in libraries if name.startswith(INSTRUCTIONS)), "")


def config(run: xr.Dataset) -> dict[str, object]:
    """The resolved configuration as {"section.key": value}."""
    try:
        return flat(tomllib.loads(run.attrs.get("config_toml", "")))
    except tomllib.TOMLDecodeError:
        return {}


def experiment(run: xr.Dataset) -> dict[str, object]:
    """All that was chosen for a run except its seed and what does not change its numbers."""
    everything = config(run)
    names = {name: run.attrs[name] for name in ("method", "model", "dataset")}
    others = tuple(f"{method}." for method in METHOD_NAMES if method != names["method"])
    unused = _UNUSED_BY_METHOD.get(method_name(everything | names), ()) + others + _NOT_THE_EXPERIMENT
    if everything.get("budget.mode", "none") != "none" or _measures(run, "simulated_seconds"):
        unused = tuple(section for section in unused if section not in _OF_TIMES)
    return {key: value for key, value in everything.items() if _counts(key, everything, unused)} | names


def _counts(key: str, everything: dict[str, object], unused: tuple[str, ...]) -> bool:
    other, value = _ONLY_WHERE.get(key, (None, None))
    if everything[key] == _BEFORE_THERE_WAS.get(key, ...):
        return False
    off = any(key.startswith(s) and everything.get(k) == v for s, (k, v) in _OFF_WHERE.items())
    if off and key not in _ALWAYS_ON:
        return False
    return not key.startswith(unused) and everything.get(other) == value


def where_off(key: str) -> tuple[str, object] | None:
    """A key that says what an experiment without this one does, and its value; None where that is not known."""
    if key in _BEFORE_THERE_WAS:
        return key, _BEFORE_THERE_WAS[key]
    return next((switch for section, switch in _OFF_WHERE.items() if key.startswith(section)), None)


def _key(run: xr.Dataset) -> tuple:
    return tuple(sorted((k, str(v)) for k, v in experiment(run).items()))


def _measures(run: xr.Dataset, name: str) -> bool:
    return name in run and bool(run[name].notnull().any())


@dataclass
class Group:
    """Runs of one experiment, one per seed."""

    label: str
    runs: list[xr.Dataset]

    def over_seeds(self, name: str) -> xr.DataArray:
        """A column as [seed, round] of the runs that measured it, at the rounds that all of these have; NaN where none
        did."""
        measured = [run[name] for run in self.runs if _measures(run, name)]
        nothing = [xr.full_like(run["bytes_total"], np.nan) for run in self.runs]
        return xr.concat(measured or nothing, "seed", join="inner", combine_attrs="override")

    def by_seed(self, measure: Callable[[xr.Dataset], Measured]) -> dict[int, Measured]:
        """Something of each run, such as `final_accuracy`, by its seed."""
        return {int(run.attrs["seed"]): measure(run) for run in self.runs}

    def has(self, name: str) -> bool:
        """Whether any of the runs has a column with something measured in it."""
        return any(_measures(run, name) for run in self.runs)

    @property
    def first(self) -> xr.Dataset:
        return self.runs[0]

    @property
    def experiment(self) -> dict[str, object]:
        return experiment(self.first)

    @property
    def method(self) -> str:
        return method_name(config(self.first) | self.experiment)


def group_runs(runs: Iterable[xr.Dataset]) -> list[Group]:
    """Runs that differ only in their seed form a group, in the order of their first run."""
    groups: dict[tuple, list[xr.Dataset]] = {}
    for run in runs:
        groups.setdefault(_key(run), []).append(run)
    members = list(groups.values())
    return [Group(label, runs) for label, runs in zip(_labels(members), members)]


def method_name(experiment: dict[str, object]) -> str:
    """As papers call it; FedDIP without regularization is FedDP."""
    method = str(experiment["method"])
    if method == "feddip" and experiment.get("sparsity.target") == 0:
        return "FedDIP, regularization alone"
    if method == "feddip" and experiment.get("regularization.maximum") == 0:
        method = "feddp"
    return METHOD_NAMES.get(method, method)


def _labels(groups: Sequence[list[xr.Dataset]]) -> list[str]:
    """The method, and what sets the experiment apart from others of the same method."""
    experiments = [experiment(runs[0]) for runs in groups]
    names = [Group("", runs).method for runs in groups]
    labels = []
    for own, method in zip(experiments, names):
        same_method = [e for e, name in zip(experiments, names) if name == method]
        differing = sorted(k for k in own if any(e.get(k) != own[k] for e in same_method))
        differing += [k for k in ("model", "dataset") if len({e[k] for e in experiments}) > 1]
        hidden = {"model.name", "data.dataset", "method.name"}
        parts = [setting(k, own[k]) for k in dict.fromkeys(differing) if k not in hidden]
        labels.append(", ".join([method, *parts]))
    return labels


def setting(key: str, value: object) -> str:
    """A key of the configuration and its value, for the eye."""
    if key in ("model", "dataset"):
        return DISPLAY_NAMES.get(str(value), str(value))
    name = key.split(".")[1].replace("_", " ")
    text = str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
    return f"{_SYMBOLS[name]} = {text}" if name in _SYMBOLS else f"{name} {text}"


def mean_of_last(values: xr.DataArray, rounds: int = LAST_ROUNDS) -> float:
    """Over the last rounds, those left out that were not measured; NaN where none was."""
    last = values.isel(round=slice(-rounds, None)).dropna("round")
    return float(last.mean()) if last.size else float("nan")


def last_measured(values: xr.DataArray) -> float:
    done = values.dropna("round")
    return float(done[-1]) if done.size else float("nan")


def rested(run: xr.Dataset) -> int:
    """Rounds since the one in which the mask last changed, whose accuracy is that of a model just cut."""
    changed = np.flatnonzero(run.mask_change.fillna(0).values > 0)
    return run.sizes["round"] - (int(changed[-1]) + 1 if changed.size else 0)


def settles(run: xr.Dataset) -> bool:
    """Whether the mask rests for long enough at the end to measure accuracy then."""
    return rested(run) >= FEWEST_RESTED


def evaluated(values: xr.DataArray) -> np.ndarray:
    """The rounds that were."""
    return values["round"].values[values.notnull().values]


def evaluations(values: xr.DataArray, rounds: int = LAST_ROUNDS) -> int:
    """Among the last rounds."""
    return int(values.isel(round=slice(-rounds, None)).notnull().sum())


def last_rounds(runs: Iterable[xr.Dataset]) -> int:
    """Over how many rounds at the end the final accuracy of runs that are compared is averaged: those since
    the last of their masks last changed; of these ten at most, or what holds five evaluations where there are fewer in
    ten. Runs whose mask changes to the end have no say."""
    runs = list(runs)
    most = [FEWEST_EVALUATIONS * int(np.median(np.diff(r))) for run in runs if (r := evaluated(run.accuracy)).size > 1]
    return min([max([LAST_ROUNDS, *most]), *(rested(run) for run in runs if settles(run))])


def final_accuracy(run: xr.Dataset, rounds: int = LAST_ROUNDS) -> float:
    return mean_of_last(run.accuracy, rounds)


def density(run: xr.Dataset) -> float:
    """Share of the prunable weights that were left at the end."""
    return 1 - last_measured(run.sparsity)


def whole_traffic(run: xr.Dataset) -> float:
    """Bytes of all rounds, down and up."""
    return float(run.bytes_total[-1])


def client_rounds(run: xr.Dataset) -> int:
    """How often a client took part, over all rounds."""
    return int((run.client_id >= 0).sum())


def dense_bytes(run: xr.Dataset) -> float:
    """What FedAvg would have sent in one direction: all parameters as 4-byte floats, to each client."""
    return 4.0 * float(run.attrs["parameters"]) * client_rounds(run)


def is_timed(run: xr.Dataset) -> bool:
    """Runs that protect their clients record no times, which would tell of them."""
    return _measures(run, "seconds_round")


def seconds_by_phase(run: xr.Dataset) -> dict[str, float]:
    """Mean seconds per round; `other` is what the phases leave of the round."""
    phases = ("train", "communicate", "aggregate", "evaluate")
    means = {phase: float(run[f"seconds_{phase}"].mean()) for phase in phases}
    whole = float(run.seconds_round.mean())
    return means | {"other": float(np.fmax(whole - sum(means.values()), 0.0))}
