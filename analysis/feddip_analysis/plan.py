"""What was planned: a list of runs, as jobs/study.sh and jobs/make_sweep.py write it, and what of it is there."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from . import results, study
from .defaults import PROGRAM
from .study import Family

NAME = "plan.txt"  # of a list beside its results
_SAY_WHAT_A_RUN_IS = (
    "data.dataset",
    "data.partition",
    "data.classes_per_client",
    "data.dirichlet_alpha",
    "model.name",
    "federation.clients",
    "federation.clients_per_round",
    "federation.rounds",
    "federation.seed",
    "method.name",
    "sparsity.target",
    "regularization.maximum",
)
_DEFAULTS = {key: PROGRAM[key] for key in _SAY_WHAT_A_RUN_IS}


class NotAPlan(Exception):
    """The list can't be read or is something else."""


@dataclass(frozen=True)
class Cell:
    """What runs that differ in their seed only have in common; the place of an entry."""

    family: str
    partition: str
    method: str
    sparsity: float | None


@dataclass(frozen=True)
class Planned:
    """A run of the list."""

    file: str  # name of its results
    keys: dict[str, object]
    folder: str = ""  # the last one, where its results are to be

    @property
    def seed(self) -> int:
        return int(self.keys["federation.seed"])

    @property
    def problem(self) -> tuple:
        return _problem(self.keys)

    @property
    def method(self) -> str:
        return results.method_name(self.keys | {"method": self.keys["method.name"]})

    @property
    def partition(self) -> str:
        return study.partition_name(self.keys)

    @property
    def what(self) -> tuple:
        return self.problem, self.partition, self.method, self.sparsity, self.seed

    @property
    def sparsity(self) -> float | None:
        return None if self.method in study.WITHOUT_PRUNING else float(self.keys["sparsity.target"])


def _problem(keys: dict[str, object]) -> tuple:
    names = ("model.name", "data.dataset", "federation.clients", "federation.clients_per_round")
    own = tuple(keys.get(name, _DEFAULTS[name]) for name in (*names, "federation.rounds"))
    return *own, *study.beside_the_claims(keys).items()


@dataclass(frozen=True)
class Plan:
    """Several lists are one."""

    runs: list[Planned]

    def missing(self, runs: Iterable[xr.Dataset]) -> list[Planned]:
        """A run is there where a file has its name and says that it is this one: files of another length or another study
        may be called the same. Of those that the lists name in several folders the last folder counts as well:
        `10-fold/a.h5`."""
        recorded = [_recorded(run) for run in runs]
        there = {(run.file, run.what) for run in recorded}, {(run.folder, run.file, run.what) for run in recorded}
        folders = Counter(file for file, _ in {(planned.file, planned.folder) for planned in self.runs})
        return [
            planned
            for planned in self.runs
            if (planned.file, planned.what) not in there[0]
            or (folders[planned.file] > 1 and (planned.folder, planned.file, planned.what) not in there[1])
        ]

    def of_the_paper(self) -> Plan:
        """What the paper's claims are about."""
        return Plan([planned for planned in self.runs if not study.beside_the_claims(planned.keys)])

    def cells(self, families: Sequence[Family]) -> dict[Cell, set[int]]:
        """The seeds that each was to have. Families of runs lend their titles to what was planned for them."""
        titles: dict[tuple, str] = {}
        for family in families:
            titles.setdefault(_problem(family.keys), family.title)
        found: dict[Cell, set[int]] = {}
        for planned in self.runs:
            title = titles.setdefault(planned.problem, _title(planned))
            cell = Cell(title, planned.partition, planned.method, planned.sparsity)
            found.setdefault(cell, set()).add(planned.seed)
        return found


def _recorded(run: xr.Dataset) -> Planned:
    """As if it had been planned so."""
    path = Path(run.attrs["path"]).resolve()
    return Planned(path.name, _DEFAULTS | results.config(run), path.parent.name)


def _title(planned: Planned) -> str:
    model, dataset, _, per_round, rounds, *beside = planned.problem
    said = [f"{study.display(model)} on {study.display(dataset)}", f"{rounds} rounds"]
    if per_round != _DEFAULTS["federation.clients_per_round"]:
        said.append(f"clients per round {per_round}")
    return ", ".join([*said, *(results.setting(key, value) for key, value in beside)])


def read(paths: Iterable[Path]) -> Plan:
    """Configs are named relative to where the list was written, or to a folder above the list."""
    return Plan([_planned(words, path) for path in paths for words in _lines(path)])


def beside(paths: Iterable[Path]) -> list[Path]:
    """The lists of folders of results, where they have one."""
    return [path / NAME for path in map(Path, paths) if (path / NAME).is_file()]


def _lines(path: Path) -> list[list[str]]:
    try:
        return [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as problem:
        raise NotAPlan(f"not a list of runs ({path}): {problem}") from problem


def _planned(words: Sequence[str], path: Path) -> Planned:
    try:
        config, out = Path(words[0]), Path(words[words.index("--out") + 1])
        given = [words[i + 1].split("=", 1) for i, word in enumerate(words) if word == "--set"]
        overrides = {key: _value(value) for key, value in given}
        return Planned(out.name, _DEFAULTS | _config(config, path) | overrides, out.parent.name)
    except (IndexError, OSError, ValueError) as problem:
        raise NotAPlan(f"not a list of runs ({path}): '{' '.join(words)}': {problem}") from problem


def _config(config: Path, plan: Path) -> dict[str, object]:
    places = [Path(), *plan.resolve().parents]
    found = next((place / config for place in places if (place / config).is_file()), config)
    return results.flat(tomllib.loads(found.read_text(encoding="utf-8")))


def _value(text: str) -> object:
    """As the program reads what follows --set: TOML, or a word."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
