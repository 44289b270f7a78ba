"""What of a client's local training is sent (src/fl/upload.cpp), and what its reader takes it for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from . import network

Tensors = dict[str, torch.Tensor]

KINDS = {
    "mask": "the weights in the mask",
    "all": "all weights, as in a reconfiguration",
    "largest": "as many weights as the mask has, the largest after training",
}


@dataclass(frozen=True)
class Training:
    """Of one client: `steps` times all its images as one batch."""

    learning_rate: float = 0.1
    weight_decay: float = 5e-4
    steps: int = 1


@dataclass(frozen=True)
class Kind:
    support: str = "mask"  # of KINDS
    bf16: bool = False
    noise_multiplier: float = 0.0

    @property
    def name(self) -> str:
        noise = f", z = {self.noise_multiplier:g}" if self.noise_multiplier else ""
        return self.support + (", bf16" if self.bf16 else "") + noise


@dataclass(frozen=True)
class Seen:
    """By the reader of an upload: the gradient that it amounts to, 0 where nothing was sent. Everybody knows the
    model before, learning rate, weight decay and the number of steps."""

    gradient: Tensors
    sent: dict[str, torch.Tensor]  # bool
    noise: float  # standard deviation of the noise on each value of the gradient


def masked(parameters: Mapping[str, torch.Tensor], alive: Mapping[str, torch.Tensor]) -> Tensors:
    return {n: p * alive[n] if n in alive else p for n, p in parameters.items()}


def train(
    parameters: Tensors, alive: Tensors, images: torch.Tensor, labels: torch.Tensor, how: Training
) -> Tensors:
    """All weights after local training whose passes see only those in the mask (FedDIP's dense update). In the
    mask they are what training on the mask alone gives."""
    weights = {n: p.clone() for n, p in parameters.items()}
    for _ in range(how.steps):
        gradient = network.gradient(masked(weights, alive), images, labels)
        for n, p in weights.items():
            p -= how.learning_rate * (gradient[n] + how.weight_decay * p)
    return weights


def send(
    before: Tensors,
    after: Tensors,
    alive: Tensors,
    kind: Kind,
    how: Training,
    generator: torch.Generator,
    clip: float = float("inf"),
) -> Seen:
    """With noise, the change is clipped to the norm `clip`, and noise of noise_multiplier times that added to each
    value, as src/privacy does to the sum: what somebody sees who knows all other clients' updates."""
    sent = {n: torch.ones_like(p, dtype=torch.bool) for n, p in before.items()} | _support(after, alive, kind)
    change = {n: (after[n] - before[n]) * sent[n] for n in before}
    if kind.bf16:
        change |= {n: change[n].bfloat16().to(change[n].dtype) for n in alive}
    deviation = 0.0
    if kind.noise_multiplier:
        scale = min(1.0, clip / max(norm(change), 1e-30))
        deviation = kind.noise_multiplier * clip
        drawn = {n: torch.randn(c.shape, generator=generator, dtype=c.dtype) for n, c in change.items()}
        change = {n: (scale * c + deviation * drawn[n]) * sent[n] for n, c in change.items()}
    per_step = 1 / (how.learning_rate * how.steps)
    gradient = {n: (-c * per_step - how.weight_decay * before[n]) * sent[n] for n, c in change.items()}
    return Seen(gradient, sent, deviation * per_step)


def norm(change: Tensors) -> float:
    return float(network.flat(change).norm())


def _support(after: Tensors, alive: Tensors, kind: Kind) -> dict[str, torch.Tensor]:
    if kind.support == "mask":
        return dict(alive)
    if kind.support == "all":
        return {n: torch.ones_like(mask) for n, mask in alive.items()}
    magnitudes = torch.cat([after[n].abs().reshape(-1) for n in alive])
    kept = sum(int(mask.sum()) for mask in alive.values())
    chosen = torch.zeros_like(magnitudes, dtype=torch.bool)
    chosen[magnitudes.topk(kept).indices] = True
    parts = chosen.split([mask.numel() for mask in alive.values()])
    return {n: part.reshape(alive[n].shape) for n, part in zip(alive, parts)}
