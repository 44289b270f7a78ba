"""Reads results files, and puts runs together that differ in nothing but their seed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import xarray as xr

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
}

DISPLAY_NAMES = {
    "lenet5": "LeNet-5",
    "alexnet": "AlexNet",
    "resnet18": "ResNet-18",
    "fashion-mnist": "Fashion-MNIST",
    "cifar-10": "CIFAR-10",
    "cifar-100": "CIFAR-100",
}

_SYMBOLS = {
    "target": "$s_p$",
    "initial": "$s_0$",
    "horizon": "$R$",
    "rounds": "$T$",
    "maximum": "$\\lambda$",
}

# Keys in which runs may differ and still be the same experiment.
_NOT_THE_EXPERIMENT = ("federation.seed", "federation.rank0_trains", "data.path")
_SECTIONS_NOT_THE_EXPERIMENT = ("checkpoint.", "output.", "compute.")


class NotAResultsFile(Exception):
    """The file can't be read or is something else."""


def _array(dataset: h5py.Dataset, dims: tuple[str, ...]) -> xr.DataArray:
    attrs = {name: dataset.attrs[name] for name in ("units", "long_name")}
    return xr.DataArray(dataset[()], dims=dims, attrs=attrs)


def load(path: str | Path) -> xr.Dataset:
    """One results file: the columns of /rounds as they are, `layer_density` [round, layer] with the layers'
    names, and those of /clients as `client_*` [round, slot]. The file's attributes are the dataset's."""
    try:
        with h5py.File(path) as file:
            data = {name: _array(d, ("round",)) for name, d in file["rounds"].items()}
            data["layer_density"] = _array(file["layers/density"], ("round", "layer"))
            data["layer"] = ("layer", file["layers/name"].asstr()[()].astype(str))
            for name, dataset in file["clients"].items():
                if dataset.ndim == 2:
                    data[f"client_{name}"] = _array(dataset, ("round", "slot"))
            attrs = dict(file.attrs)
    except (OSError, KeyError) as problem:
        raise NotAResultsFile(f"{path}: not a results file of feddip ({problem})") from problem
    runs = xr.Dataset(data, attrs=attrs | {"path": str(path)}).set_coords(("round", "layer"))
    return runs.assign(accuracy=_accuracy(runs), bytes_total=_bytes_total(runs))


def _accuracy(run: xr.Dataset) -> xr.DataArray:
    """That of the test set; without it the mean over the clients on their own shares."""
    accuracy = run.test_accuracy
    if bool(accuracy.isnull().all()):
        accuracy = run.client_accuracy.mean("slot")
    return accuracy.assign_attrs(units="1", long_name="accuracy")


def _bytes_total(run: xr.Dataset) -> xr.DataArray:
    total = (run.bytes_up + run.bytes_down).astype(float).cumsum("round")
    return total.assign_attrs(units="byte", long_name="payload received and sent so far")


def config(run: xr.Dataset) -> dict[str, object]:
    """The resolved configuration as {"section.key": value}."""
    try:
        sections = tomllib.loads(run.attrs.get("config_toml", ""))
    except tomllib.TOMLDecodeError:
        return {}
    return {
        f"{section}.{key}": value
        for section, keys in sections.items()
        if isinstance(keys, dict)
        for key, value in keys.items()
    }


def experiment(run: xr.Dataset) -> dict[str, object]:
    """All that was chosen for a run except its seed and what does not change the numbers."""
    keys = {
        key: value
        for key, value in config(run).items()
        if key not in _NOT_THE_EXPERIMENT and not key.startswith(_SECTIONS_NOT_THE_EXPERIMENT)
    }
    return keys | {name: run.attrs[name] for name in ("method", "model", "dataset")}


@dataclass
class Group:
    """Runs of one experiment, one per seed."""

    label: str
    runs: list[xr.Dataset]

    def over_seeds(self, name: str) -> xr.DataArray:
        """A column as [seed, round], at the rounds that all runs have."""
        return xr.concat([run[name] for run in self.runs], "seed", join="inner", combine_attrs="override")

    @property
    def first(self) -> xr.Dataset:
        return self.runs[0]


def group_runs(runs: Iterable[xr.Dataset]) -> list[Group]:
    """Runs that differ only in their seed form a group, in the order of their first run."""
    groups: dict[tuple, list[xr.Dataset]] = {}
    for run in runs:
        key = tuple(sorted((k, str(v)) for k, v in experiment(run).items()))
        groups.setdefault(key, []).append(run)
    members = list(groups.values())
    return [Group(label, runs) for label, runs in zip(_labels(members), members)]


def method_name(experiment: dict[str, object]) -> str:
    """As papers call it; FedDIP without regularization is FedDP."""
    method = str(experiment["method"])
    if method == "feddip" and experiment.get("regularization.maximum") == 0:
        method = "feddp"
    return METHOD_NAMES.get(method, method)


def _labels(groups: Sequence[list[xr.Dataset]]) -> list[str]:
    """The method, and what sets the experiment apart from others of the same method."""
    experiments = [experiment(runs[0]) for runs in groups]
    labels = []
    for own in experiments:
        same_method = [e for e in experiments if method_name(e) == method_name(own)]
        differing = sorted(k for k in own if any(e.get(k) != own[k] for e in same_method))
        differing += [k for k in ("model", "dataset") if len({e[k] for e in experiments}) > 1]
        hidden = {"model.name", "data.dataset", "method.name"}
        parts = [_setting(k, own[k]) for k in dict.fromkeys(differing) if k not in hidden]
        labels.append(", ".join([method_name(own), *parts]))
    return labels


def _setting(key: str, value: object) -> str:
    if key in ("model", "dataset"):
        return DISPLAY_NAMES.get(str(value), str(value))
    name = key.split(".")[1].replace("_", " ")
    text = f"{value:g}" if isinstance(value, float) else str(value).lower()
    return f"{_SYMBOLS[name]} = {text}" if name in _SYMBOLS else f"{name} {text}"


def mean_of_last(values: xr.DataArray, rounds: int = 10) -> float:
    """Over the last rounds, those left out that were not measured; NaN where none was."""
    last = values.isel(round=slice(-rounds, None)).dropna("round")
    return float(last.mean()) if last.size else float("nan")


def last_measured(values: xr.DataArray) -> float:
    done = values.dropna("round")
    return float(done[-1]) if done.size else float("nan")


def client_rounds(run: xr.Dataset) -> int:
    """How often a client took part, over all rounds."""
    return int((run.client_id >= 0).sum())


def dense_bytes(run: xr.Dataset) -> float:
    """What FedAvg would have sent in one direction: all parameters as 4-byte floats, to each client."""
    return 4.0 * float(run.attrs["parameters"]) * client_rounds(run)


def seconds_by_phase(run: xr.Dataset) -> dict[str, float]:
    """Mean seconds per round; `other` is what the phases leave of the round."""
    phases = ("train", "communicate", "aggregate", "evaluate")
    means = {phase: float(run[f"seconds_{phase}"].mean()) for phase in phases}
    whole = float(run.seconds_round.mean())
    return means | {"other": float(np.fmax(whole - sum(means.values()), 0.0))}
