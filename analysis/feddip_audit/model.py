"""Reads models and masks: checkpoints of feddip, or what `feddip export` wrote as .npz."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np

from . import network

_TITLE = b"feddip checkpoint 1\n"
_PREFACE_SIZE = 512


class NotAModel(Exception):
    """The file can't be read, or what it holds can't be audited."""


@dataclass(frozen=True)
class Model:
    path: Path
    parameters: dict[str, np.ndarray]  # float32, in the order of feddip's buffer
    alive: dict[str, np.ndarray]  # bool, of the weights
    config: dict = field(default_factory=dict)  # section by section; empty for an .npz
    config_toml: str = ""
    rounds: int = 0

    @property
    def sparsity(self) -> float:
        kept = sum(int(mask.sum()) for mask in self.alive.values())
        return 1 - kept / sum(mask.size for mask in self.alive.values())


def read(path: str | Path) -> Model:
    """Raises NotAModel, whose text is one line."""
    path = Path(path)
    try:
        model = _from_arrays(path) if path.suffix == ".npz" else _from_checkpoint(path)
    except NotAModel as problem:
        raise NotAModel(f"{path}: {problem}") from problem
    except (OSError, KeyError, ValueError, TypeError, EOFError) as problem:
        what = "an export" if path.suffix == ".npz" else "a whole checkpoint"
        raise NotAModel(f"{path}: not {what} of feddip ({_one_line(problem)})") from problem
    if not all(np.isfinite(values).all() for values in model.parameters.values()):
        raise NotAModel(f"{path}: its weights are not finite")
    return model


def _one_line(problem: Exception) -> str:
    return " ".join(str(problem).split())


def _from_arrays(path: Path) -> Model:
    with np.load(path) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    shapes = network.shapes(len(found["fc3.bias"]) if "fc3.bias" in found else 0)
    if {name: values.shape for name, values in found.items()} != shapes:
        raise NotAModel("holds another network than LeNet-5, the only one that is audited so far")
    parameters = {name: found[name].astype(np.float32) for name in shapes}
    return Model(path, parameters, {n: p != 0 for n, p in parameters.items() if n.endswith("weight")})


def _from_checkpoint(path: Path) -> Model:
    _check_preface(path)
    with h5py.File(path) as file:
        text = bytes(file["config_toml"][()]).decode()
        config = tomllib.loads(text)
        weights, tail = file["model/weights"][()], file["model/tail"][()]
        words = file["model/mask"][()].astype("<u8")
        prunable = int(file["model/prunable"][()].item())
        rounds = int(file["rounds_done"][()].item())
    if config["model"]["name"] != "lenet5":
        raise NotAModel(f"its model is {config['model']['name']}, and only lenet5 is audited so far")
    method = config["method"]["name"]
    if method in ("dispfl", "dadpfl"):
        raise NotAModel(f"with {method} every client has a model of its own, and there is no common one")
    shapes = network.shapes(len(tail) - sum(shape[0] for shape in network.HIDDEN.values()))
    of_weights = {name: shape for name, shape in shapes.items() if name.endswith("weight")}
    if prunable != sum(int(np.prod(shape)) for shape in of_weights.values()):
        raise NotAModel("its model has another number of weights than LeNet-5 for images of 28x28")
    alive = np.unpackbits(words.view(np.uint8), bitorder="little")[:prunable].astype(bool)
    dense = np.zeros(prunable, np.float32)
    dense[alive if len(weights) != prunable else slice(None)] = weights
    return Model(
        path, _split(np.concatenate([dense, tail]), shapes), _split(alive, of_weights), config, text, rounds
    )


def _check_preface(path: Path) -> None:
    """The block of text before HDF5's part (src/io/checkpoint_codec.hpp); its checksum is for feddip to verify."""
    with open(path, "rb") as file:
        preface = file.read(_PREFACE_SIZE)
    if not preface.startswith(_TITLE):
        raise NotAModel("not a checkpoint of this version of feddip")
    size = preface.removeprefix(_TITLE).partition(b"\n")[0]
    if size != b"bytes %d" % (path.stat().st_size - _PREFACE_SIZE):
        raise NotAModel("not a whole checkpoint of feddip (it is cut off, or longer than it says)")


def _split(values: np.ndarray, shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])
    if len(values) != ends[-1]:
        raise NotAModel("its parameters are too few or too many")
    return {n: part.reshape(shapes[n]) for n, part in zip(shapes, np.split(values, ends[:-1]))}
