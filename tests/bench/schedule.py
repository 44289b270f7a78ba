#!/usr/bin/env python3
"""How long does a round take along FedDIP's whole schedule, and all of them together?

    tests/bench/schedule.py build/src/app/feddip --out schedule.png     # AlexNet on CIFAR-10, s_p = 0.95, R = 20, T = 1000

A tenth of the rounds is run, on two ranks: T = 100 with R = 2, so that it meets every reconfiguration of T = 1000 with
R = 20 at the same sparsity, and one of the nineteen rounds between it and the next. Each has two clients with two local
epochs, one client on each rank; training times are multiplied up to the paper's five clients with five epochs, of which
the slower rank has three. Evaluation and communication are taken as they are.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

import h5py
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLED, ROUNDS, HORIZON = 10, 1000, 20
EPOCHS, PAPERS_EPOCHS, PAPERS_CLIENTS_ON_SLOWER_RANK = 2, 5, 3


def train(program, target, results):
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    settings = {
        "sparsity.target": target, "sparsity.horizon": HORIZON // SAMPLED, "federation.rounds": ROUNDS // SAMPLED,
        "federation.clients_per_round": 2, "federation.local_epochs": EPOCHS, "federation.evaluate_every": 5,
        "checkpoint.every_rounds": 0,
    }
    command = ["mpirun", "-np", "2", "--bind-to", "none", program, "train", str(ROOT / "jobs/configs/cifar-10-alexnet.toml"),
               "--out", str(results)]
    for key, value in settings.items():
        command += ["--set", f"{key}={value}"]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def projected(results):
    """Seconds of each of the rounds that were run, were it one of the paper's; whether it reconfigures; its sparsity."""
    with h5py.File(results) as file:
        rounds = {name: file[f"rounds/{name}"][:] for name in
                  ("round", "seconds_train", "seconds_communicate", "seconds_aggregate", "seconds_evaluate", "sparsity")}
    scale = PAPERS_EPOCHS / EPOCHS * PAPERS_CLIENTS_ON_SLOWER_RANK
    evaluated = rounds["round"] % 5 == 0
    evaluation = np.interp(rounds["round"], rounds["round"][evaluated], rounds["seconds_evaluate"][evaluated])
    seconds = scale * rounds["seconds_train"] + rounds["seconds_communicate"] + rounds["seconds_aggregate"] + evaluation
    return seconds, (rounds["round"] - 1) % (HORIZON // SAMPLED) == 0, rounds["sparsity"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--target", type=float, default=0.95)
    parser.add_argument("--results", type=pathlib.Path, help="keep the results file there, or take it from there")
    parser.add_argument("--out", required=True, help="the figure")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = arguments.results or pathlib.Path(folder) / "schedule.h5"
        if not results.exists():
            train(arguments.program, arguments.target, results)
        seconds, reconfigures, sparsity = projected(results)

    t = SAMPLED * np.arange(len(seconds))
    between = seconds[~reconfigures]
    total = seconds[reconfigures].sum() + (HORIZON - 1) * between.sum()
    print(f"round 1: {seconds[0]:.1f} s; reconfiguring: {seconds[reconfigures].mean():.1f} s; "
          f"between: {between[0]:.1f} s at first, {between[-5:].mean():.1f} s at last; "
          f"T = {ROUNDS}: {total / 3600:.2f} h, of which reconfiguring {seconds[reconfigures].sum() / total:.0%}; "
          f"all rounds as round 1: {ROUNDS * seconds[0] / 3600:.2f} h")

    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    axes.plot(t[reconfigures], seconds[reconfigures], "s", ms=4, color="#D55E00", label="reconfigures (one in twenty)")
    axes.plot(t[~reconfigures], between, "o", ms=4, color="#0072B2", label="between reconfigurations")
    axes.set(xlabel="round of 1000", ylabel="seconds per round", ylim=(0, None),
             title=f"AlexNet on CIFAR-10, $s_p$ = {arguments.target}, R = 20, two ranks: {total / 3600:.1f} h in all")
    twin = axes.twinx()
    twin.plot(t, 100 * sparsity, "-", color="0.6", lw=1)
    twin.set(ylabel="sparsity, %", ylim=(0, 100))
    axes.legend(loc="lower left")
    figure.savefig(arguments.out, dpi=150)
    return 0


if __name__ == "__main__":
    sys.exit(main())
