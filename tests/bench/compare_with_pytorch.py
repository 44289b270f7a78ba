#!/usr/bin/env python3
"""Sets our training steps beside PyTorch's, on one thread each, in one run, and prints the ratios.

    tests/bench/compare_with_pytorch.py build/tests/bench/bench_nn_step [--before OLD/bench_nn_step] [--model lenet5 ...] [--rounds 5]

PyTorch (Debian's python3-torch, with libopenblas0-openmp: without it its fully connected layers are 8 times
slower) trains the same models dense, batch 128, tensors in memory, with its own SGD. Ours run through
bench_nn_step, with --before those of an older build too. All take turns, so that neighbours on the machine slow them
alike. CPU time is compared, in the median of the rounds and in the best of them, which neighbours disturb least.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"

import torch  # noqa: E402
from torch import nn  # noqa: E402

BATCH = 128


def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )


def alexnet():
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 192, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Dropout(), nn.Linear(1024, 4096), nn.ReLU(),
        nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 10),
    )


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        return torch.relu_(self.body(x) + self.shortcut(x))


def resnet18():
    layers = [nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
    inputs = 64
    for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [BasicBlock(inputs, width, stride), BasicBlock(width, width, 1)]
        inputs = width
    return nn.Sequential(*layers, nn.AvgPool2d(4), nn.Flatten(), nn.Linear(512, 100))


# Model, image shape, classes, steps per round of measurement.
MODELS = {
    "lenet5": (lenet5, (1, 28, 28), 10, 50),
    "alexnet": (alexnet, (3, 32, 32), 10, 3),
    "resnet18": (resnet18, (3, 32, 32), 100, 1),
}


class PyTorchStep:
    """One model with its batch; a call takes a few steps and returns the CPU time in ms of each."""

    def __init__(self, name):
        make, shape, classes, self.steps = MODELS[name]
        torch.manual_seed(1)
        self.model = make()
        self.images = torch.rand(BATCH, *shape)
        self.labels = torch.randint(0, classes, (BATCH,))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-4, weight_decay=5e-4)
        self.step()

    def step(self):
        self.optimizer.zero_grad()
        nn.functional.cross_entropy(self.model(self.images), self.labels).backward()
        self.optimizer.step()

    def __call__(self):
        times = []
        for _ in range(self.steps):
            cpu = time.thread_time()
            self.step()
            times.append((time.thread_time() - cpu) * 1e3)
        return times


def run_ours(program, model, seconds):
    """[(name, CPU time in ms)] of each of our steps for this model."""
    output = subprocess.run(
        [program, f"--benchmark_filter=^train/{model}/(.*/automatic|dense/dense)$", "--benchmark_format=json",
         f"--benchmark_min_time={seconds}"],
        check=True, stdout=subprocess.PIPE, text=True,
    ).stdout
    return [(b["name"].removeprefix(f"train/{model}/"), b["cpu_time"]) for b in json.loads(output)["benchmarks"]]


def print_row(name, times, theirs):
    columns = [f"{of(times):9.2f} {of(theirs) / of(times):7.2f}" for of in (statistics.median, min)]
    print(f"{name:34}", *columns, flush=True)


def compare(programs, model, rounds, seconds):
    step = PyTorchStep(model)
    theirs, ours = [], {}
    for _ in range(rounds):
        theirs += step()
        for label, program in programs.items():
            for name, taken in run_ours(program, model, seconds):
                ours.setdefault(label + name, []).append(taken)
    print(f"{model + ' (ms per step)':34} {'median':>9} {'ratio':>7} {'best':>9} {'ratio':>7}")
    print_row("  PyTorch " + torch.__version__, theirs, theirs)
    for name, times in ours.items():
        print_row("  " + name, times, theirs)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program", help="the built bench_nn_step")
    parser.add_argument("--before", help="bench_nn_step of an older build")
    parser.add_argument("--model", choices=MODELS, nargs="+", default=list(MODELS))
    parser.add_argument("--rounds", type=int, default=5, help="turns that each side takes")
    parser.add_argument("--seconds", type=float, default=0.3, help="least time of each of ours, per turn")
    args = parser.parse_args()
    torch.set_num_threads(1)
    programs = {"": args.program} | ({"before: ": args.before} if args.before else {})
    for model in args.model:
        compare(programs, model, args.rounds, args.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
