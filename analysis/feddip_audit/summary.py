"""What an audit found, in numbers with intervals. Needs no PyTorch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from . import membership

FLOOR = "label alone"
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    mean: float
    half: float  # of the 95 % interval by Student's t; NaN of fewer than two values
    n: int

    @property
    def low(self) -> float:
        return self.mean - self.half

    def text(self, digits: int) -> str:
        spread = f" ± {self.half:.{digits}f}" if np.isfinite(self.half) else ""
        return f"{self.mean:.{digits}f}{spread}"


def interval(values: np.ndarray) -> Interval:
    n = len(values)
    half = float("nan")
    if n > 1:
        half = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n))
    return Interval(float(np.mean(values)), half, n)


@dataclass(frozen=True)
class Inverted:
    """One attack on one kind of upload."""

    attack: str
    upload: str
    batch: int
    steps: int
    psnr: Interval
    ssim: Interval
    gain: Interval  # in SSIM over the floor, image by image
    label_right: float  # share; NaN where it was not asked
    features_read: float

    @property
    def shows(self) -> bool:
        """Whether more was seen than the label alone tells, beyond chance."""
        return self.gain.low > 0


def inverted(inversion: dict) -> list[Inverted]:
    keys = list(zip(*(inversion[name].tolist() for name in ("attack", "upload", "batch", "steps"))))
    floor = {
        (image, batch): ssim
        for (attack, _, batch, _), image, ssim in zip(keys, inversion["image"], inversion["ssim"])
        if attack == FLOOR
    }
    found = []
    for key in dict.fromkeys(keys):
        rows = np.array([k == key for k in keys])
        batch = key[2]
        gain = [s - floor[image, batch] for image, s in zip(inversion["image"][rows], inversion["ssim"][rows])]
        found.append(
            Inverted(
                *key,
                psnr=interval(inversion["psnr"][rows]),
                ssim=interval(inversion["ssim"][rows]),
                gain=interval(np.array(gain)),
                label_right=float(inversion["label_right"][rows].mean()),
                features_read=float(inversion["features_read"][rows].mean()),
            )
        )
    return found


@dataclass(frozen=True)
class Inferred:
    """The attack on membership, over the models."""

    epsilon: float
    sparsity: float
    auc: Interval
    auc_confidence: Interval  # without shadow models
    true_positives: float  # at 0.1 % false ones, all models together
    non_members: int
    train_accuracy: Interval
    test_accuracy: Interval

    @property
    def shows(self) -> bool:
        return self.auc.low > 0.5


def aucs(members: dict, name: str = "score") -> np.ndarray:
    """Of each model."""
    return np.array([membership.auc(s, m) for s, m in zip(members[name], members["member"].astype(bool))])


@dataclass(frozen=True)
class Compared:
    """How much less is told of the members of some models than of others."""

    less: Interval  # AUC, by pairs of models with the same members
    p: float  # that it is the same, by a t test that does not use the pairs


def compared(members: dict, others: dict) -> Compared:
    mine, theirs = aucs(members), aucs(others)
    return Compared(interval(theirs - mine), float(stats.ttest_ind(mine, theirs).pvalue))


def inferred(members: dict) -> Inferred:
    member = members["member"].astype(bool)
    return Inferred(
        epsilon=float(members["attrs"]["epsilon"]),
        sparsity=float(members["attrs"]["sparsity"]),
        auc=interval(aucs(members)),
        auc_confidence=interval(aucs(members, "confidence")),
        true_positives=membership.true_positives(members["score"].reshape(-1), member.reshape(-1)),
        non_members=int((~member).sum()),
        train_accuracy=interval(members["train_accuracy"]),
        test_accuracy=interval(members["test_accuracy"]),
    )
