#!/usr/bin/env python3
"""Is the automatic choice of kernels ever much slower than the better of the two?

    tests/bench/kernel_choice.py build/tests/bench/bench_nn_step [--model lenet5 ...] [--rounds 3]

Times training steps (batch 128, one thread) at many densities through oneDNN, through the sparse kernels and as
`compute.kernels = "auto"` chooses, which may be oneDNN for the first layers and the sparse kernels for the others. They take
turns; CPU time, the best of them, which neighbours on the machine disturb least. With --bf16 oneDNN multiplies bf16 (the
sparse kernels don't).
"""

import argparse
import json
import os
import subprocess
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")
DENSITIES = [2, 5, 10, 15, 20, 30, 40, 50, 70, 100]


def measure(program, name, seconds):
    out = subprocess.run(
        [program, f"--benchmark_filter=^{name}$", f"--benchmark_min_time={seconds}", "--benchmark_format=json"],
        check=True, capture_output=True, text=True).stdout
    return json.loads(out)["benchmarks"][0]


def time_of(program, name, seconds):
    return measure(program, name, seconds)["cpu_time"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--model", nargs="+", default=["lenet5", "alexnet", "resnet18"])
    parser.add_argument("--density", nargs="+", type=int, default=DENSITIES, choices=DENSITIES, help="in percent")
    parser.add_argument("--spread", nargs="+", default=["erk", "uniform"], help="how densities of layers are drawn")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--bf16", action="store_true")
    arguments = parser.parse_args()

    precision = "_bf16" if arguments.bf16 else ""
    worst = 0.0
    for model in arguments.model:
        print(f"{model:24}{'oneDNN ms':>10}{'sparse ms':>10}{'auto ms':>10}{'by oneDNN':>11}{'slower than the better by':>27}")
        for spread in arguments.spread:
            for density in arguments.density:
                case = f"{model}/{spread}/{density}"
                times = {f"dense{precision}": [], "sparse": [], f"automatic{precision}": []}
                for _ in range(arguments.rounds):
                    for kernels, taken in times.items():
                        taken.append(time_of(arguments.program, f"choice/{case}/{kernels}", arguments.seconds))
                dense, sparse, chosen = map(min, times.values())
                layers = measure(arguments.program, f"estimate/{case}{precision}", 0.001)["by_oneDNN"]
                loss = chosen / min(dense, sparse) - 1
                worst = max(worst, loss)
                print(f"  {spread + ' ' + str(density) + ' %':22}{dense:10.2f}{sparse:10.2f}{chosen:10.2f}{layers:11.0f}"
                      f"{100 * loss:25.1f} %", flush=True)
    print(f"worst: {100 * worst:.1f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())
