"""How many images of each class a client has, from the seed, and what that alone is worth.

The program's rule (src/data/partition.cpp) and its random numbers (src/base/random.cpp) again, as far as
counts go: they depend on how many images a class has, and on no image."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import xarray as xr

from . import results

# Images of each class in the training and the test set.
IMAGES_PER_CLASS = {"fashion-mnist": (6000, 1000), "cifar-10": (5000, 1000), "cifar-100": (500, 100)}
CLASSES = {"fashion-mnist": 10, "cifar-10": 10, "cifar-100": 100}
_PURPOSE_TRAIN = 2
_DIRICHLET_MINIMUM = 100


class _Stream:
    """Philox 4x32-10 (Salmon et al. 2011) in the program's order."""

    def __init__(self, seed: int) -> None:
        self._key = np.array([seed & 0xFFFFFFFF, seed >> 32], dtype=np.uint64)
        self._words = np.zeros(0, dtype=np.uint64)
        self._used = 0

    def _refill(self, blocks: int) -> None:
        counter = np.zeros((4, blocks), dtype=np.uint64)
        counter[0] = np.arange(len(self._words) // 4, len(self._words) // 4 + blocks)
        counter[1] = _PURPOSE_TRAIN
        key, low = self._key.copy(), np.uint64(0xFFFFFFFF)
        for _ in range(10):
            first, second = counter[0] * np.uint64(0xD2511F53), counter[2] * np.uint64(0xCD9E8D57)
            counter = np.stack(
                [
                    (second >> np.uint64(32)) ^ counter[1] ^ key[0],
                    second & low,
                    (first >> np.uint64(32)) ^ counter[3] ^ key[1],
                    first & low,
                ]
            )
            key = (key + np.array([0x9E3779B9, 0xBB67AE85], dtype=np.uint64)) & low
        self._words = np.concatenate([self._words, counter.T.ravel()])

    def word(self) -> int:
        if self._used == len(self._words):
            self._refill(20_000)
        self._used += 1
        return int(self._words[self._used - 1])

    def shuffle(self, count: int) -> None:
        """Draws what it takes to shuffle so many items (Lemire 2019)."""
        for bound in range(count, 1, -1):
            low = self.word() * bound & 0xFFFFFFFF
            if low < bound:
                threshold = (2**32 - bound) % bound
                while low < threshold:
                    low = self.word() * bound & 0xFFFFFFFF

    def uniform(self) -> float:
        high = self.word()
        return ((high << 32 | self.word()) >> 11) * 2.0**-53

    def normal(self) -> float:
        radius = math.sqrt(-2.0 * math.log(1.0 - self.uniform()))
        return radius * math.cos(2.0 * math.pi * self.uniform())

    def gamma(self, shape: float) -> float:
        if shape < 1:
            boosted = self.gamma(shape + 1)
            return boosted * (1.0 - self.uniform()) ** (1.0 / shape)
        d = shape - 1.0 / 3.0
        c = 1.0 / math.sqrt(9.0 * d)
        while True:
            x = self.normal()
            v = (1.0 + c * x) ** 3
            if v > 0 and math.log(1.0 - self.uniform()) < 0.5 * x * x + d - d * v + d * math.log(v):
                return d * v


def _cuts(proportion: np.ndarray, images: int) -> np.ndarray:
    total, cuts = 0.0, np.zeros(len(proportion), dtype=int)
    for i, p in enumerate(proportion):
        total += p
        cuts[i] = min(images, int(total * images))
    cuts[np.flatnonzero(proportion > 0)[-1] :] = images
    return cuts


def _counts(proportions: np.ndarray, images: int) -> np.ndarray:
    return np.array([np.diff(_cuts(one_class, images), prepend=0) for one_class in proportions])


@lru_cache
def dirichlet_counts(
    seed: int, clients: int, alpha: float, classes: int, train: int, test: int
) -> tuple[np.ndarray, np.ndarray]:
    """Images as [class, client] in the clients' training and test shares."""
    random = _Stream(seed)
    for _ in range(classes):
        random.shuffle(train)
    while True:
        drawn = np.zeros((classes, clients))
        given = np.zeros(clients, dtype=int)
        for c in range(classes):
            gammas = np.array([random.gamma(alpha) for _ in range(clients)])
            wanted = np.where(given * clients >= classes * train, 0.0, gammas)
            drawn[c] = wanted / sum(wanted)
            given += np.diff(_cuts(drawn[c], train), prepend=0)
        counts = _counts(drawn, train), _counts(drawn, test)
        if counts[0].sum(axis=0).min() >= _DIRICHLET_MINIMUM and counts[1].sum(axis=0).min() > 0:
            return counts


def counts_of(run: xr.Dataset) -> tuple[np.ndarray, np.ndarray] | None:
    """Of a run on Dirichlet shares of a known data set; None for others."""
    keys, dataset = results.config(run), str(run.attrs["dataset"])
    if keys.get("data.partition") != "dirichlet" or dataset not in IMAGES_PER_CLASS:
        return None
    clients, alpha = int(keys["federation.clients"]), float(keys["data.dirichlet_alpha"])
    return dirichlet_counts(
        int(run.attrs["seed"]), clients, alpha, CLASSES[dataset], *IMAGES_PER_CLASS[dataset]
    )


def majority_accuracy(run: xr.Dataset) -> float:
    """Mean over clients of the accuracy of predicting the class that is the most frequent one in a client's
    training share, on its test share; NaN where the shares aren't known."""
    keys, dataset = results.config(run), str(run.attrs["dataset"])
    kind = keys.get("data.partition", "iid")
    if dataset not in CLASSES:
        return float("nan")
    if kind == "iid":
        return 1 / CLASSES[dataset]
    if kind == "pathological":  # parts of a class are equally large
        return 1 / int(keys["data.classes_per_client"])
    counts = counts_of(run)
    if counts is None:
        return float("nan")
    train, test = counts
    right = test[train.argmax(axis=0), np.arange(test.shape[1])]
    return float((right / test.sum(axis=0)).mean())
