"""Small federations trained by feddip for the attack on membership: the configuration of a run, on few images."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np
import torch

from . import membership, model, network
from .progress import Progress

TEST_IMAGES = 1000


class NotTrained(Exception):
    """feddip did not train a model; the text is its reason."""


@dataclass(frozen=True)
class Settings:
    models: int = 8  # each is attacked, with the others as shadows
    pool: int = 800  # candidates; each model has half of them
    clients: int = 2
    rounds: int = 20
    local_epochs: int = 5
    batch_size: int = 25
    overrides: Sequence[str] = ()  # section.key=value
    feddip: str = "feddip"
    seed: int = 1


@dataclass(frozen=True)
class Outcome:
    candidate: np.ndarray  # [pool], training images
    member: np.ndarray  # bool [models, pool]
    confidence: np.ndarray  # [models, pool]
    score: np.ndarray  # [models, pool]
    train_accuracy: np.ndarray  # [models]
    test_accuracy: np.ndarray  # [models]
    sparsity: float  # of the last model
    epsilon: float  # NaN where the run has no guarantee


def run(config_toml: str, train: tuple, test: tuple, settings: Settings) -> Outcome:
    """Raises NotTrained, or ValueError for models too few."""
    s = settings
    rng = np.random.default_rng(s.seed)
    candidates = rng.permutation(len(train[1]))[: s.pool]
    images, labels = train[0][candidates], train[1][candidates]
    member = np.zeros((s.models, s.pool), bool)
    # In pairs that have one half each: every candidate is in as many models as it is not in.
    for i in range(0, s.models, 2):
        member[i, rng.permutation(s.pool)[: s.pool // 2]] = True
        member[i + 1 : i + 2] = ~member[i]
    tested = tuple(a[:TEST_IMAGES] for a in test)
    progress = Progress("membership", s.models)
    confidences, inside, outside = [], [], []
    with TemporaryDirectory(prefix="feddip-audit-") as holder:
        folder = Path(holder)
        (folder / "run.toml").write_text(config_toml)
        for i, own in enumerate(member):
            trained, epsilon = _train(folder, i, images[own], labels[own], tested, s)
            logits = _logits(trained, images)
            confidences.append(membership.confidence(logits, labels))
            inside.append(float((logits.argmax(1) == labels)[own].mean()))
            outside.append(float((_logits(trained, tested[0]).argmax(1) == tested[1]).mean()))
            progress.step()
    confidence = np.array(confidences)
    score = membership.likelihood_ratio(confidence, member)
    return Outcome(
        candidates, member, confidence, score, np.array(inside), np.array(outside), trained.sparsity, epsilon
    )


def _train(folder: Path, which: int, images, labels, tested, s: Settings) -> tuple[model.Model, float]:
    data = folder / f"{which}.data.h5"
    with h5py.File(data, "w") as file:
        for part, x, y in (("train", images, labels), ("test", *tested)):
            file[f"{part}/images"] = np.round(255 * x).astype(np.uint8)
            file[f"{part}/labels"] = y
            file[f"{part}/clients"] = np.arange(len(y)) % s.clients
        file.attrs["classes"] = 10
    keys = {
        "data.dataset": "file",
        "data.path": data,
        "data.partition": "given",
        "federation.clients": s.clients,
        "federation.clients_per_round": s.clients,
        "federation.rounds": s.rounds,
        "federation.local_epochs": s.local_epochs,
        "federation.batch_size": s.batch_size,
        "federation.seed": s.seed * 1000 + which,
        "federation.evaluate_every": s.rounds,
        "checkpoint.every_rounds": 1,  # privacy asks for it
        "checkpoint.path": "",
    }
    for override in s.overrides:
        key = override.partition("=")[0].strip()
        if key in keys:
            options = "--rounds, --clients, --batch-size and --seed"
            raise NotTrained(f"--set {override}: the audit sets {key} itself (see {options})")
    given = [f"{key}={value}" for key, value in keys.items()] + list(s.overrides)
    out = folder / f"{which}.h5"
    command = [s.feddip, "train", folder / "run.toml", "--out", out]
    try:
        done = subprocess.run(
            [*map(str, command), *(part for one in given for part in ("--set", one))],
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as problem:
        raise NotTrained(f"can't run {s.feddip}: {problem.strerror}: name it with --feddip") from problem
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"{s.feddip} ended with exit code {done.returncode}"]
        raise NotTrained(lines[-1].removeprefix("feddip: error: "))
    with h5py.File(out) as file:
        last_round = int(file["rounds/round"][-1])  # a budget of privacy may have ended the run before the others
        epsilon = float(file["rounds/epsilon"][-1]) if "rounds/epsilon" in file else float("nan")
    return model.read(out.with_name(f"{out.stem}.ckpt-{last_round}.h5")), epsilon


def _logits(trained: model.Model, images: np.ndarray) -> np.ndarray:
    parameters = {n: torch.from_numpy(p) for n, p in trained.parameters.items()}
    with torch.no_grad():
        return network.logits(parameters, torch.from_numpy(images)).numpy()
