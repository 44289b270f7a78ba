"""Whether an image was in a model's training: the likelihood ratio attack (Carlini et al. 2022), offline, with
shadow models, and what attacks are worth: AUC, and true positives at few false ones."""

from __future__ import annotations

import numpy as np

FALSE_POSITIVES = 0.001


def confidence(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """log p / (1 - p) of each image's own class, [n]; the attack's equation 5, without its cancellation."""
    rows = np.arange(len(labels))
    own = logits[rows, labels].astype(float)
    others = logits.astype(float)
    others[rows, labels] = -np.inf
    top = others.max(1)
    return own - top - np.log(np.exp(others - top[:, None]).sum(1))


def likelihood_ratio(confidences: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Scores [models, candidates], the higher the likelier a member. Each model is attacked with those of the others
    as shadows that did not have the candidate: by how many standard deviations of such models is it more confident
    than they are? The deviation is one for all candidates, as befits few shadows. `member` is a bool of the same
    shape. Raises ValueError where a candidate has no shadow.

    Each model's median is taken off first, which whoever has the model can measure. Models differ as a whole, which tells
    about nobody; but where every candidate is in one model of each pair, a pair's other model is a shadow of members only,
    and how it differs would pass for membership."""
    models = len(confidences)
    confidences = confidences - np.median(confidences, axis=1, keepdims=True)
    scores = np.empty(confidences.shape)
    for target in range(models):
        shadows = np.arange(models) != target
        out = ~member[shadows]
        count = out.sum(0)
        if not count.all():
            raise ValueError(f"{int((count == 0).sum())} candidates are in every shadow model: train more models")
        values = np.where(out, confidences[shadows], 0.0)
        mean = values.sum(0) / count
        squares = np.where(out, (confidences[shadows] - mean) ** 2, 0.0).sum()
        freedom = max(int(count.sum()) - len(mean), 1)
        deviation = max(float(np.sqrt(squares / freedom)), 1e-12)
        # The mean of few shadows is uncertain itself.
        scores[target] = (confidences[target] - mean) / (deviation * np.sqrt(1 + 1 / count))
    return scores


def auc(scores: np.ndarray, member: np.ndarray) -> float:
    """The probability that a member scores above a non-member, ties counting half (Mann-Whitney)."""
    inside, outside = np.sort(scores[member]), np.sort(scores[~member])
    below = np.searchsorted(outside, inside, "left") + np.searchsorted(outside, inside, "right")
    return float(below.sum() / (2 * len(inside) * len(outside)))


def true_positives(scores: np.ndarray, member: np.ndarray, false_positives: float = FALSE_POSITIVES) -> float:
    """The share of members above a threshold that at most that share of non-members passes; NaN where there are too
    few of these for one of them to pass."""
    outside = np.sort(scores[~member])[::-1]
    allowed = int(np.floor(false_positives * len(outside) + 1e-9))
    if allowed == 0:
        return float("nan")
    return float((scores[member] > outside[allowed]).mean()) if allowed < len(outside) else 1.0
