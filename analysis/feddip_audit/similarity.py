"""How near a reconstruction comes to an image. Pixels lie in [0, 1]."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.optimize import linear_sum_assignment

_SIGMA, _TRUNCATE = 1.5, 3.5  # a window of 11 x 11
_C1, _C2 = 0.01**2, 0.03**2


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB; infinite where nothing differs."""
    error = float(np.mean((np.asarray(a, float) - np.asarray(b, float)) ** 2))
    return float("inf") if error == 0 else -10 * float(np.log10(error))


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Structural similarity of two images [height, width] (Wang et al. 2004, equation 13, with its Gaussian
    window), averaged over the pixels whose window lies inside."""
    a, b = np.asarray(a, float), np.asarray(b, float)

    def blurred(x: np.ndarray) -> np.ndarray:
        return gaussian_filter(x, _SIGMA, truncate=_TRUNCATE)

    mean_a, mean_b = blurred(a), blurred(b)
    variance_a = blurred(a * a) - mean_a**2
    variance_b = blurred(b * b) - mean_b**2
    covariance = blurred(a * b) - mean_a * mean_b
    likeness = ((2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)) / (
        (mean_a**2 + mean_b**2 + _C1) * (variance_a + variance_b + _C2)
    )
    edge = int(_TRUNCATE * _SIGMA + 0.5)
    return float(likeness[edge:-edge, edge:-edge].mean())


def matched(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """The reconstructions of a batch [n, ...] in the order of the images that they are nearest to, all in all."""
    distances = ((found[:, None] - true[None]) ** 2).reshape(len(found), len(true), -1).sum(2)
    rows, columns = linear_sum_assignment(distances)
    return found[rows[np.argsort(columns)]]
