"""Fashion-MNIST as the network sees it: pixels from 0 to 1."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np

FOLDERS = ("fashion-mnist", "")
PARTS = {"train": "train", "test": "t10k"}


class NoImages(Exception):
    pass


def places(given: str = "") -> list[Path]:
    named = [given] if given else [os.environ.get("FEDDIP_DATA", ""), "/usr/share/datasets"]
    return [Path(place) / folder for place in named if place for folder in FOLDERS]


def fashion_mnist(part: str, folder: str = "") -> tuple[np.ndarray, np.ndarray]:
    """Images [n, 1, 28, 28], float32, and labels [n]; `part` is train or test. Raises NoImages."""
    for place in places(folder):
        try:
            pixels = _idx(place / f"{PARTS[part]}-images-idx3-ubyte", 16)
            labels = _idx(place / f"{PARTS[part]}-labels-idx1-ubyte", 8)
        except FileNotFoundError:
            continue
        except OSError as problem:
            raise NoImages(f"{place}: {problem}") from problem
        if pixels.size != 784 * labels.size:
            raise NoImages(f"{place}: the images are not as many as the labels")
        return pixels.reshape(-1, 1, 28, 28).astype(np.float32) / 255, labels.astype(np.int64)
    raise NoImages(f"no Fashion-MNIST in {', '.join(map(str, places(folder)))} (Debian: dataset-fashion-mnist)")


def _idx(path: Path, header: int) -> np.ndarray:
    packed = path.with_name(path.name + ".gz")
    content = path.read_bytes() if path.exists() else gzip.decompress(packed.read_bytes())
    return np.frombuffer(content, np.uint8, offset=header)
