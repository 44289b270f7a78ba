"""LeNet-5 in PyTorch, as src/nn/models/lenet5.cpp declares it, as a function of its parameters: gradients can be
differentiated again, and several states of the model live side by side."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn import functional

Parameters = Mapping[str, torch.Tensor]

IMAGE = (1, 28, 28)
HIDDEN = {
    "conv1": (6, 1, 5, 5),
    "conv2": (16, 6, 5, 5),
    "fc1": (120, 400),
    "fc2": (84, 120),
}


def shapes(classes: int) -> dict[str, tuple[int, ...]]:
    """Of all parameters in the order of feddip's buffer: the weights, which can be pruned, and then the biases."""
    weights = HIDDEN | {"fc3": (classes, 84)}
    named = {f"{name}.weight": shape for name, shape in weights.items()}
    return named | {f"{name}.bias": shape[:1] for name, shape in weights.items()}


def features(parameters: Parameters, images: torch.Tensor) -> torch.Tensor:
    """What enters the first fully connected layer: [images, 400]."""
    x = images
    for layer, padding in (("conv1", 2), ("conv2", 0)):
        x = functional.conv2d(x, parameters[f"{layer}.weight"], parameters[f"{layer}.bias"], padding=padding)
        x = functional.max_pool2d(functional.relu(x), 2)
    return x.flatten(1)


def logits(parameters: Parameters, images: torch.Tensor) -> torch.Tensor:
    x = features(parameters, images)
    for layer in ("fc1", "fc2"):
        x = functional.relu(functional.linear(x, parameters[f"{layer}.weight"], parameters[f"{layer}.bias"]))
    return functional.linear(x, parameters["fc3.weight"], parameters["fc3.bias"])


def gradient(
    parameters: Parameters, images: torch.Tensor, labels: torch.Tensor, again: bool = False
) -> dict[str, torch.Tensor]:
    """Of the mean cross-entropy, with respect to all parameters; `again` where it is to be differentiated itself."""
    leaves = {name: p if p.requires_grad else p.detach().requires_grad_() for name, p in parameters.items()}
    loss = functional.cross_entropy(logits(leaves, images), labels)
    return dict(zip(leaves, torch.autograd.grad(loss, tuple(leaves.values()), create_graph=again)))


def flat(tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """One vector in the order of the mapping, which for parameters is that of feddip's buffer."""
    return torch.cat([t.reshape(-1) for t in tensors.values()])
