"""The results file of an audit, HDF5. Root attributes: `format`, what was audited (`checkpoint`, the file's name;
`config_toml`, `model`, `rounds`, `sparsity`) and `seed`.

/inversion, one row per attacked image; attributes say with what settings:
    attack, upload             text: `label alone` is a guess without an upload, the floor of the others
    noise_multiplier           of Gaussian noise on each value sent, over the norm to which the change is clipped
    batch, steps               images per upload, and local steps that it holds
    image                      which training image
    psnr (dB), ssim            of the reconstruction and the image
    label_right                1 where the label was read off the upload rightly
    features_read              share of the inputs of the first fully connected layer that can be read off exactly
    distance                   cosine distance of the gradients, where they were matched
    true, found                uint8 [rows, 28, 28]
/membership, models by candidates; attributes `epsilon` (NaN: no guarantee), `sparsity` and the settings:
    candidate                  which training image
    member                     1 where the model was trained on it
    confidence, score          log-odds of its class, and the score of the likelihood ratio attack (membership.py)
    train_accuracy, test_accuracy   of each model
NaN stands for what an attack does not have."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

if TYPE_CHECKING:  # these need PyTorch; reading an audit does not
    from . import federation, reconstruction
    from .model import Model

FORMAT = "feddip audit 1"
NAME = "audit.h5"

UNITS = {
    "psnr": ("dB", "peak signal-to-noise ratio of reconstruction and image"),
    "ssim": ("1", "structural similarity of reconstruction and image"),
    "noise_multiplier": ("1", "standard deviation of the noise on each value over the norm of clipping"),
    "batch": ("1", "images per upload"),
    "steps": ("1", "local steps per upload"),
    "image": ("1", "training image"),
    "label_right": ("1", "1 where the label was read off the upload rightly"),
    "features_read": ("1", "share of the inputs of the first fully connected layer that can be read off"),
    "distance": ("1", "cosine distance of the gradients that were matched"),
}
TEXTS = ("attack", "upload")


class NotAnAudit(Exception):
    """The file can't be read or is something else."""


def write(
    path: Path,
    audited: Model,
    seed: int,
    inversion: tuple[reconstruction.Attempts, reconstruction.Settings] | None,
    members: tuple[federation.Outcome, federation.Settings] | None,
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs.update(
            format=FORMAT,
            checkpoint=audited.path.name,
            config_toml=audited.config_toml,
            model="lenet5",
            rounds=audited.rounds,
            sparsity=audited.sparsity,
            seed=seed,
        )
        if inversion:
            _write_inversion(file.create_group("inversion"), *inversion)
        if members:
            _write_membership(file.create_group("membership"), *members)


def _write_inversion(group: h5py.Group, attempts: reconstruction.Attempts, settings: reconstruction.Settings) -> None:
    group.attrs.update({k: v for k, v in asdict(settings).items() if k != "seed"})
    for name in attempts.rows[0]:
        values = [row[name] for row in attempts.rows]
        dataset = group.create_dataset(name, data=values, **({"dtype": h5py.string_dtype()} if name in TEXTS else {}))
        if name in UNITS:
            dataset.attrs["units"], dataset.attrs["long_name"] = UNITS[name]
    for name, pictures in (("true", attempts.true), ("found", attempts.found)):
        pixels = np.round(255 * np.clip(pictures, 0, 1)).astype(np.uint8)
        group.create_dataset(name, data=pixels, compression="gzip", compression_opts=9)


def _write_membership(group: h5py.Group, outcome: federation.Outcome, settings: federation.Settings) -> None:
    kept = asdict(settings) | {"overrides": " ".join(settings.overrides)}
    group.attrs.update({k: v for k, v in kept.items() if k not in ("feddip", "seed")})
    group.attrs.update(epsilon=outcome.epsilon, sparsity=outcome.sparsity)
    group["candidate"] = outcome.candidate
    group["train_accuracy"], group["test_accuracy"] = outcome.train_accuracy, outcome.test_accuracy
    for name, values in (
        ("member", outcome.member.astype(np.uint8)),
        ("confidence", outcome.confidence.astype(np.float32)),
        ("score", outcome.score.astype(np.float32)),
    ):
        group.create_dataset(name, data=values, compression="gzip", compression_opts=9)


def read(path: str | Path) -> dict:
    """{"attrs", "inversion", "membership"}: datasets by name, `attrs` among them; None for what was not measured."""
    try:
        with h5py.File(path) as file:
            if file.attrs.get("format") != FORMAT:
                raise NotAnAudit(f"{path}: not an audit of this version")
            groups = {name: _read(file[name]) if name in file else None for name in ("inversion", "membership")}
            return {"attrs": dict(file.attrs)} | groups
    except (OSError, KeyError, ValueError, RuntimeError) as problem:
        raise NotAnAudit(f"{path}: not an audit ({' '.join(str(problem).split())})") from problem


def _read(group: h5py.Group) -> dict:
    found = {n: d.asstr()[()].astype(str) if n in TEXTS else d[()] for n, d in group.items()}
    return found | {"attrs": dict(group.attrs)}
