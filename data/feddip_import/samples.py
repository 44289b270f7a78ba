"""What every kind of source gives: one Sample per image, before any pixel is read."""
import dataclasses
import re
from typing import Callable, Optional

import numpy as np


class Unusable(Exception):
    """Why an image, or the whole source, can't be used."""


def unusable(reason):
    """A Sample's `load` that says why there is no image."""
    def refuse():
        raise Unusable(reason)
    return refuse


@dataclasses.dataclass
class Sample:
    where: str                          # for messages
    label: str
    load: Callable[[], np.ndarray]      # channels x height x width, uint8 or float32; raises Unusable
    client: Optional[str] = None
    set: Optional[str] = None           # "train" or "test"; None: to be drawn


def natural(text):
    """The order in which people count: 2 before 10, and 01 before 1."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", text) if part], text


def split(samples, test_share, seed):
    """Draws the test images among those that aren't given to a set: of each client and class the same share, rounded."""
    groups = {}
    for sample in samples:
        if sample.set is None:
            groups.setdefault((sample.client or "", sample.label), []).append(sample)
    draw = np.random.default_rng(seed)
    for _, group in sorted(groups.items()):
        chosen = set(draw.permutation(len(group))[:round(test_share * len(group))].tolist())
        for i, sample in enumerate(group):
            sample.set = "test" if i in chosen else "train"
    for name, how_many in (("test", "none"), ("train", "all")):
        if groups and all(sample.set != name for sample in samples):
            raise Unusable(f"no {name} image can be used: there are so few of each class, or of each client's, that {test_share:g} "
                           f"of them (--test-share) are {how_many}")
    return samples
