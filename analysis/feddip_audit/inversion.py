"""Reconstructs images from the gradient that an upload amounts to.

Three attacks. `analytic`: a fully connected layer's weight gradient of one image is the outer product of its bias
gradient and its input (Phong et al. 2018), so that the input of fc1 can be read off, unit by unit, wherever a weight
of it is sent. `Learned`: what LeNet-5's convolutions and poolings did before can't be read off; a regression from
gradients to images, fitted on public images and the very upload's support and noise, guesses it (Wu et al. 2022,
"Learning to Invert"). `match`: gradient matching by cosine distance with total variation and signed Adam (Geiping et
al. 2020); for ReLUs and poolings, whose second derivatives are 0 almost everywhere, it did better than L-BFGS (Zhu et
al. 2019) in a trial, and it takes batches too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch.nn import functional

from . import network
from .upload import Seen, Tensors

RIDGES = (1e-3, 1e-1, 10.0, 1000.0)
WIDTH = 3.0  # of the kernel, in mean squared norms
WEIGHT = 0.3  # of the convolutions' gradients beside the features
LABEL_WEIGHTS = (0.3, 3.0)  # what does better on the images held out; much noise leaves nothing but the label
HELD_OUT = 0.2
CHUNK = 250  # images at once: 48 MB of fc1's gradients
CONVOLUTIONS = [f"{layer}.{what}" for layer in ("conv1", "conv2") for what in ("weight", "bias")]


def labels_read(outputs: torch.Tensor) -> torch.Tensor:
    """Of the gradients [n, classes] of the last layer's biases for one image each: only the right class's is negative
    (Zhao et al. 2020), and biases are always sent."""
    return outputs.argmin(1)


def label(seen: Seen) -> int:
    return int(labels_read(seen.gradient["fc3.bias"][None]))


def analytic(
    delta: torch.Tensor, gradient: torch.Tensor, sent: torch.Tensor, noise: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """The inputs of fc1 by least squares, [n, 400], and which of them can be read off at all. Of n single images:
    gradients of fc1's biases [n, 120] and weights [n, 120, 400]. What is lost in noise becomes small."""
    chosen = sent.to(delta.dtype)
    power = delta**2 @ chosen
    product = torch.einsum("ni,nij->nj", delta, gradient * sent)
    # Rounding leaves a trace of units that were not active.
    known = power > 1e-10 * (delta**2).sum(1, keepdim=True)
    read = product / (power + noise**2 * chosen.sum(0)).clamp(min=1e-30)
    return torch.where(known, read, torch.zeros_like(product)), known


@dataclass(frozen=True)
class Singles:
    """Gradients of images one by one."""

    features: torch.Tensor  # [n, 400]
    delta: torch.Tensor  # [n, 120], of fc1's biases
    convolutions: torch.Tensor  # [n, values], of all their weights and biases
    outputs: torch.Tensor  # [n, classes], of fc3's biases


def singles(parameters: Tensors, images: torch.Tensor, labels: torch.Tensor) -> Singles:
    p = {n: values.detach() for n, values in parameters.items()}
    with torch.enable_grad():
        inputs, outputs = [], []
        x = images
        for layer, padding in (("conv1", 2), ("conv2", 0)):
            inputs.append(functional.unfold(x, 5, padding=padding))
            y = functional.conv2d(x, p[f"{layer}.weight"], p[f"{layer}.bias"], padding=padding)
            y.requires_grad_() if not y.requires_grad else None
            outputs.append(y)
            x = functional.max_pool2d(functional.relu(y), 2)
        features = x.flatten(1)
        hidden = functional.linear(features, p["fc1.weight"], p["fc1.bias"])
        x = functional.relu(functional.linear(functional.relu(hidden), p["fc2.weight"], p["fc2.bias"]))
        x = functional.linear(x, p["fc3.weight"], p["fc3.bias"])
        loss = functional.cross_entropy(x, labels, reduction="sum")
        *deltas, delta, last = torch.autograd.grad(loss, (*outputs, hidden, x))
    parts = []
    for columns, d in zip(inputs, deltas):
        weights = torch.einsum("nop,nip->noi", d.flatten(2), columns.detach())
        parts += [weights.flatten(1), d.flatten(2).sum(2)]
    return Singles(features.detach(), delta, torch.cat(parts, 1), last)


class Learned:
    """A kernel ridge regression from uploads of single images to the images, fitted on public ones."""

    def __init__(
        self, parameters: Tensors, seen: Seen, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ):
        """Of `seen` only what was sent and the noise matter, which uploads of the public images are given too."""
        self._classes = len(parameters["fc3.bias"])
        parts = [
            self._simulated(parameters, seen, x, y, generator)
            for x, y in zip(images.split(CHUNK), labels.split(CHUNK))
        ]
        features, *others = (torch.cat(part) for part in zip(*parts))
        self._scale = (features**2).sum(1).mean().sqrt().clamp(min=1e-12)
        self._mean = images.flatten(1).mean(0)
        fits = {}
        for weight in LABEL_WEIGHTS:
            self._use(weight, features, *others)
            fits[weight] = self._fit(images.flatten(1) - self._mean)
        best = min(LABEL_WEIGHTS, key=lambda weight: fits[weight][0])
        self._use(best, features, *others)
        self._dual = fits[best][1]

    def __call__(self, seen: Seen) -> torch.Tensor:
        """An image [1, 28, 28], of pixels in [0, 1]."""
        g = seen.gradient
        inputs = self._read(
            seen, g["fc1.bias"][None], g["fc1.weight"][None], _convolutions(g)[None], g["fc3.bias"][None]
        )
        image = self._kernel(self._joined(*inputs) - self._center) @ self._dual + self._mean
        return image.clamp(0, 1).reshape(network.IMAGE)

    def _simulated(self, parameters, seen, images, labels, generator):
        def noisy(values):
            drawn = torch.randn(values.shape, generator=generator, dtype=values.dtype) if seen.noise else 0
            return values + seen.noise * drawn

        s = singles(parameters, images, labels)
        weights = s.delta[:, :, None] * s.features[:, None]
        return self._read(seen, noisy(s.delta), noisy(weights), noisy(s.convolutions), noisy(s.outputs))

    def _read(self, seen, delta, weights, convolutions, outputs):
        features, _ = analytic(delta, weights, seen.sent["fc1.weight"], seen.noise)
        convolutions = convolutions * _convolutions(seen.sent)
        convolutions = convolutions / convolutions.norm(dim=1, keepdim=True).clamp(min=1e-12)
        return features, convolutions, functional.one_hot(labels_read(outputs), self._classes).to(features.dtype)

    def _use(self, label_weight, *inputs):
        self._label_weight = label_weight
        joined = self._joined(*inputs)
        self._center = joined.mean(0)
        self._inputs = joined - self._center
        self._width = WIDTH * (self._inputs**2).sum(1).mean()

    def _joined(self, features, convolutions, labels):
        return torch.cat([features / self._scale, WEIGHT * convolutions, self._label_weight * labels], 1)

    def _kernel(self, inputs: torch.Tensor) -> torch.Tensor:
        return torch.exp(-torch.cdist(inputs, self._inputs) ** 2 / self._width)

    def _fit(self, targets: torch.Tensor) -> tuple[float, torch.Tensor]:
        """With the ridge that does best on images that were held out, and the error there."""
        n = len(targets)
        fitted = n - int(HELD_OUT * n)
        kernel = self._kernel(self._inputs)

        def dual(ridge: float, size: int) -> torch.Tensor:
            return torch.linalg.solve(kernel[:size, :size] + ridge * torch.eye(size), targets[:size])

        def error(ridge: float) -> float:
            return float(((kernel[fitted:, :fitted] @ dual(ridge, fitted) - targets[fitted:]) ** 2).mean())

        errors = {ridge: error(ridge) for ridge in RIDGES}
        best = min(RIDGES, key=errors.get)
        return errors[best], dual(best, n)


def _convolutions(tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Of all their parameters one vector, as `Singles` has them."""
    return network.flat({n: tensors[n] for n in CONVOLUTIONS})


def total_variation(images: torch.Tensor) -> torch.Tensor:
    down = (images[..., 1:, :] - images[..., :-1, :]).abs().mean()
    return down + (images[..., 1:] - images[..., :-1]).abs().mean()


@dataclass(frozen=True)
class Matching:
    steps: int = 300
    step: float = 0.1  # of the signed Adam at the start; it falls to 0 along a cosine
    smoothness: float = 0.04  # weight of the total variation


def match(
    parameters: Tensors,
    seen: Seen,
    labels: torch.Tensor,
    how: Matching,
    generator: torch.Generator,
    start: torch.Tensor | None = None,
    on_step: Callable[[], None] = lambda: None,
) -> tuple[torch.Tensor, float]:
    """Images [n, 1, 28, 28] whose gradient points where the one seen does, and the cosine distance left. Labels are
    taken to be known; `start` is uniform noise unless given."""
    target = network.flat(seen.gradient)
    sent = network.flat(seen.sent)
    if start is None:
        start = torch.rand((len(labels), *network.IMAGE), generator=generator, dtype=target.dtype)
    images = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([images], lr=how.step)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, how.steps)
    for _ in range(how.steps):
        optimizer.zero_grad()
        distance = _distance(parameters, images, labels, target, sent)
        (distance + how.smoothness * total_variation(images)).backward()
        images.grad.sign_()
        optimizer.step()
        falling.step()
        with torch.no_grad():
            images.clamp_(0, 1)
        on_step()
    return images.detach(), float(_distance(parameters, images, labels, target, sent))


def _distance(parameters, images, labels, target, sent) -> torch.Tensor:
    own = network.flat(network.gradient(parameters, images, labels, again=True)) * sent
    return 1 - (own @ target) / (own.norm() * target.norm()).clamp(min=1e-20)
