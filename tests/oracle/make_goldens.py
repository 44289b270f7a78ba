#!/usr/bin/python3
"""Compute with PyTorch, in double precision, what feddip's networks must compute, and write or check the goldens.

    make_goldens.py            write goldens/*.txt
    make_goldens.py --check    compute them again and compare with the files

Exit code 77 where PyTorch is missing: ctest reports that as skipped. Inputs are drawn by the hash below, which
golden.hpp computes too, so that the files hold results only.
"""

import argparse
import math
import pathlib
import sys

try:
    import numpy as np
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError as missing:
    print(f"skipped: {missing} (on Debian: apt install python3-torch)")
    sys.exit(77)

GOLDENS = pathlib.Path(__file__).parent / "goldens"
SAMPLES = 24


# --- the inputs, as in golden.hpp -----------------------------------------------------------------------------


def uniform(name, size):
    """Multiples of 2^-24 in [0, 1): SplitMix64 of the FNV-1a hash of the name plus the index."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = ((seed ^ byte) * 0x100000001B3) % 2**64
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + (np.arange(size, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) * 2.0**-24


def as_float(values):
    """Rounded to single precision, as feddip holds them."""
    return torch.from_numpy(values.astype(np.float32).astype(np.float64))


def draw_state(model):
    state = model.state_dict()
    norms = {name: isinstance(part, (nn.BatchNorm2d, nn.GroupNorm)) for name, part in model.named_modules()}
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        u = uniform(name, tensor.numel())
        if name.endswith("running_mean"):
            values = u - 0.5
        elif name.endswith("running_var"):
            values = u + 0.5
        elif tensor.dim() > 1:
            values = (2 * u - 1) * math.sqrt(6 / tensor[0].numel())
        elif name.endswith("weight"):
            values = 0.5 * u + 0.75
        elif norms[name.rpartition(".")[0]]:
            # Far from 0: few inputs of ReLUs are then so near to it that rounding decides the gradient.
            values = np.where(u < 0.5, -2 - u, 1.5 + u)
        else:
            values = 0.2 * (u - 0.5)
        tensor.copy_(as_float(values).reshape(tensor.shape))


def draw_batch(name, size, shape, classes):
    images = as_float(2 * uniform(name + ".images", size * math.prod(shape)) - 1).reshape(size, *shape)
    labels = torch.from_numpy((uniform(name + ".labels", size) * classes).astype(np.int64))
    return images, labels


# --- the models (FedDIP, section 5 of the specification: as the authors' code builds them) -------------------------


class LeNet5(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        x = functional.relu(self.fc1(x.flatten(1)))
        x = functional.relu(self.fc2(x))
        return self.fc3(x)


class AlexNet(nn.Module):
    """Without dropout, which is random."""

    def __init__(self, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(64, 192, 3, padding=1)
        self.conv3 = nn.Conv2d(192, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 256, 3, padding=1)
        self.conv5 = nn.Conv2d(256, 256, 3, padding=1)
        self.fc1 = nn.Linear(1024, 4096)
        self.fc2 = nn.Linear(4096, 4096)
        self.fc3 = nn.Linear(4096, classes)

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        x = functional.relu(self.conv3(x))
        x = functional.relu(self.conv4(x))
        x = functional.max_pool2d(functional.relu(self.conv5(x)), 2)
        x = functional.adaptive_avg_pool2d(x, 2).flatten(1)
        x = functional.relu(self.fc1(x))
        x = functional.relu(self.fc2(x))
        return self.fc3(x)


class VGG11(nn.Module):
    """torchvision's without its adaptive average pooling, which repeats one pixel 49 times, and without dropout."""

    def __init__(self, classes):
        super().__init__()
        features, inputs = [], 3
        for width in (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool", 512, 512, "pool"):
            if width == "pool":
                features.append(nn.MaxPool2d(2))
            else:
                features += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
                inputs = width
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(
            nn.Linear(512, 4096), nn.ReLU(), nn.Identity(), nn.Linear(4096, 4096), nn.ReLU(), nn.Identity(),
            nn.Linear(4096, classes)
        )

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


def group_norm(channels):
    return nn.GroupNorm(32, channels)


class BasicBlock(nn.Module):
    def __init__(self, inputs, width, stride, norm):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = norm(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = norm(width)
        if stride != 1 or inputs != width:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, width, 1, stride=stride, bias=False), norm(width)
            )
        else:
            self.downsample = nn.Identity()

    def forward(self, x):
        out = functional.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return functional.relu(out + self.downsample(x))


class ResNet18(nn.Module):
    def __init__(self, classes, norm=nn.BatchNorm2d):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        self.bn1 = norm(64)
        self.layer1 = nn.Sequential(BasicBlock(64, 64, 1, norm), BasicBlock(64, 64, 1, norm))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, 2, norm), BasicBlock(128, 128, 1, norm))
        self.layer3 = nn.Sequential(BasicBlock(128, 256, 2, norm), BasicBlock(256, 256, 1, norm))
        self.layer4 = nn.Sequential(BasicBlock(256, 512, 2, norm), BasicBlock(512, 512, 1, norm))
        self.fc = nn.Linear(512, classes)

    def forward(self, x):
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(functional.avg_pool2d(x, 4).flatten(1))


class Bottleneck(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        if stride != 1 or inputs != 4 * width:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, 4 * width, 1, stride=stride, bias=False), nn.BatchNorm2d(4 * width)
            )
        else:
            self.downsample = nn.Identity()

    def forward(self, x):
        out = functional.relu(self.bn1(self.conv1(x)))
        out = functional.relu(self.bn2(self.conv2(out)))
        return functional.relu(self.bn3(self.conv3(out)) + self.downsample(x))


class ResNet50(ResNet18):
    def __init__(self, classes):
        super().__init__(classes)
        inputs = 64
        for stage, (blocks, width) in enumerate(zip((3, 4, 6, 3), (64, 128, 256, 512)), 1):
            made = []
            for block in range(blocks):
                made.append(Bottleneck(inputs, width, 2 if stage > 1 and block == 0 else 1))
                inputs = 4 * width
            setattr(self, f"layer{stage}", nn.Sequential(*made))
        self.fc = nn.Linear(2048, classes)


class Custom(nn.Module):
    """What network_test.cpp says in the words of [[model.layers]]."""

    def __init__(self, classes):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.inner = nn.Conv2d(8, 8, 3, padding=1)
        self.side = nn.Conv2d(8, 12, 1, stride=2)
        self.wide = nn.Conv2d(8, 12, 5, stride=2, padding=2)
        self.head = nn.Linear(12 * 3 * 3, 20)
        self.last = nn.Linear(20, classes)

    def forward(self, x):
        stem = functional.relu(self.norm(self.stem(x)))
        x = functional.relu(self.inner(stem) + stem)
        x = functional.relu(self.side(x) + self.wide(x))
        x = functional.max_pool2d(x, 3)
        x = functional.relu(self.head(x.flatten(1)))
        return self.last(x)


# --- what is written ------------------------------------------------------------------------------------------


def digest(name, tensor, samples=SAMPLES):
    """`name norm projection (value)*`: the projection is on the signs, the values are those at the positions,
    that the hash gives."""
    values = tensor.detach().numpy().ravel()
    signs = np.where(uniform(name + ".signs", values.size) < 0.5, -1.0, 1.0)
    count = min(samples, values.size)
    positions = (uniform(name + ".positions", count) * values.size).astype(np.int64)
    numbers = [np.linalg.norm(values), values @ signs, *values[positions]]
    return " ".join([name, *(f"{x:.10g}" for x in numbers)])


def network_golden(label, model, batch_size, shape, classes, samples=SAMPLES):
    model = model.double()
    draw_state(model)
    images, labels = draw_batch(label, batch_size, shape, classes)

    model.eval()
    lines = [digest("evaluation_loss", functional.cross_entropy(model(images), labels).reshape(1))]
    model.train()
    loss = functional.cross_entropy(model(images), labels)
    loss.backward()
    lines.append(digest("training_loss", loss.reshape(1)))
    lines += [digest(name, p.grad, samples) for name, p in model.named_parameters()]
    lines += [digest(name, buffer, samples) for name, buffer in model.named_buffers() if "running" in name]
    return lines


def local_training_golden():
    """One client of FedDIP: error feedback on dense weights, forward and backward at the pruned ones."""
    steps, batch_size, learning_rate, weight_decay, regularization, density = 12, 16, 0.1, 5e-4, 1e-3, 0.3
    model = LeNet5(10).double()
    draw_state(model)
    dense = {name: p.detach().clone() for name, p in model.named_parameters()}
    start = {name: w.clone() for name, w in dense.items()}
    masks = {
        name: torch.from_numpy(uniform(name + ".mask", w.numel()) < density).reshape(w.shape)
        for name, w in dense.items()
        if w.dim() > 1
    }
    lines = []
    for step in range(steps):
        images, labels = draw_batch(f"local{step}", batch_size, (1, 28, 28), 10)
        with torch.no_grad():
            for name, p in model.named_parameters():
                p.copy_(dense[name] * masks[name] if name in masks else dense[name])
        model.zero_grad()
        loss = functional.cross_entropy(model(images), labels)
        lines.append(digest(f"loss{step}", loss.reshape(1)))
        penalty = sum(p.norm() for name, p in model.named_parameters() if name in masks)
        (loss + regularization * penalty).backward()
        for name, p in model.named_parameters():
            dense[name] = dense[name] - learning_rate * (p.grad + weight_decay * dense[name])
    lines += [digest(name, dense[name] - start[name]) for name in dense]
    return lines


def compute():
    return {
        "lenet5": network_golden("lenet5", LeNet5(10), 16, (1, 28, 28), 10),
        "alexnet": network_golden("alexnet", AlexNet(10), 6, (3, 32, 32), 10),
        "vgg11": network_golden("vgg11", VGG11(10), 4, (3, 32, 32), 10),
        "resnet18_group": network_golden(
            "resnet18_group", ResNet18(100, group_norm), 4, (3, 32, 32), 100, samples=6),
        "resnet18": network_golden("resnet18", ResNet18(100), 4, (3, 32, 32), 100),
        "resnet50": network_golden("resnet50", ResNet50(100), 4, (3, 32, 32), 100, samples=6),
        "custom": network_golden("custom", Custom(5), 7, (3, 19, 19), 5),
        "local_training": local_training_golden(),
    }


def same(ours, theirs):
    for a, b in zip(ours, theirs):
        name, norm, *rest = a.split()
        other_name, other_norm, *other_rest = b.split()
        tolerance = 1e-7 * abs(float(other_norm)) + 1e-12
        numbers = zip([norm, *rest], [other_norm, *other_rest])
        if name != other_name or any(abs(float(x) - float(y)) > tolerance for x, y in numbers):
            print(f"{name}: computed\n  {a}\nbut the file has\n  {b}")
            return False
    return len(ours) == len(theirs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the files instead of writing them")
    check = parser.parse_args().check
    torch.set_num_threads(1)
    good = True
    for label, lines in compute().items():
        path = GOLDENS / f"{label}.txt"
        if check:
            matches = same(lines, path.read_text().splitlines())
            print(f"{path.name}: {'matches' if matches else 'DIFFERS'}")
            good = good and matches
        else:
            path.write_text("\n".join(lines) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
