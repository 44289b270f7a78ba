#!/usr/bin/env python3
"""Where the microseconds of a training step go, as a stacked bar for each step and program.

    tests/bench/step_profile.py measure --step choice/lenet5/erk/10/automatic before=OLD/bench_nn_step after=NEW/bench_nn_step >> steps.csv
    tests/bench/step_profile.py draw steps.csv --out analysis/figures/step.png

`measure` lets the programs take turns under perf (Debian's linux-perf), on one thread, and prints a CSV line for each
step, program and part: microseconds of CPU per step, the median step's time shared out by samples. What prepares the
benchmark is left out, and with it the random numbers of dropout and the kernel's share, which cannot be told from it.
"""

import argparse
import bisect
import collections
import csv
import os
import re
import statistics
import subprocess
import sys
import tempfile

# The first that a function's or a library's name holds.
PARTS = [
    (None, r"random_mask|initialize|place_taps|place_tiles|sparse_linear::sparse_linear|sparse_layers::sparse_layers"
           r"|sparse_convolution::sparse_convolution|sparse::apply|refill|\[kernel|ld-linux|backward_plans|problem"),
    ("sums of outputs and input gradients", r"\bgather<"),
    ("sums of weight gradients", r"\bgradient<|\breduce\b"),
    ("copies into slabs", r"\bpack\b|copy_tile|copy_gradient_tile|gather_plan::gather|add_gradients|memmove"),
    ("pooling", r"max_pool|pool"),
    ("bias gradients", r"::sum\b"),
    ("weights into and out of place, update", r"load_weights|store_gradients|step_|sum_of_squares|sgd|memset"),
    ("images into blocks", r"to_block|from_block"),
    ("ReLU, dropout", r"relu|scale_kept|dropout"),
    ("loss", r"softmax|libm"),
    ("everything else", r""),
]
NAMES = [name for name, _ in PARTS if name]


class symbols:
    """Functions of a program by address, for where perf gives addresses only."""

    def __init__(self, program):
        lines = subprocess.run(["nm", "-C", "-S", program], capture_output=True, text=True, check=True).stdout.splitlines()
        found = (re.match(r"([0-9a-f]{16}) ([0-9a-f]{16}) [tTwW] (.*)", line) for line in lines)
        self.functions = sorted((int(m[1], 16), int(m[2], 16), m[3]) for m in found if m)
        self.starts = [start for start, _, _ in self.functions]

    def name(self, text):
        address = re.fullmatch(r"\[\.\] 0x([0-9a-f]+)", text.strip())
        if not address:
            return text
        at = int(address[1], 16)
        start, size, name = self.functions[max(0, bisect.bisect(self.starts, at) - 1)]
        return name if start <= at < start + size else text


def part_of(name):
    return next(part for part, pattern in PARTS if re.search(pattern, name))


def profile(program, step):
    """Samples by part, and the milliseconds of CPU of a step."""
    with tempfile.NamedTemporaryFile() as data:
        command = ["perf", "record", "-o", data.name, "-F", "2000", program, f"--benchmark_filter=^{step}$",
                   "--benchmark_min_time=2", "--benchmark_format=csv"]
        run = subprocess.run(command, capture_output=True, text=True, check=True,
                             env=dict(os.environ, OMP_NUM_THREADS="1"))
        report = subprocess.run(["perf", "report", "-i", data.name, "--no-children", "--stdio", "--percent-limit", "0",
                                 "-F", "sample,dso,symbol"], capture_output=True, text=True, check=True).stdout
    functions = symbols(program)
    samples = collections.Counter()
    for line in report.splitlines():
        fields = line.split(None, 2)
        if len(fields) == 3 and fields[0].isdigit():
            own = fields[1] == os.path.basename(program)
            samples[part_of(functions.name(fields[2]) if own else f"{fields[1]} {fields[2]}")] += int(fields[0])
    milliseconds = next(float(row[3]) for row in csv.reader(run.stdout.splitlines()) if row[:1] == [step])
    return samples, milliseconds


def measure(arguments):
    programs = dict(text.split("=", 1) for text in arguments.program)
    samples = {name: collections.Counter() for name in programs}
    times = collections.defaultdict(list)
    for _ in range(arguments.rounds):
        for name, program in programs.items():
            found, milliseconds = profile(program, arguments.step)
            samples[name] += found
            times[name].append(milliseconds)
    for name in programs:
        steps = sum(count for part, count in samples[name].items() if part)
        for part in NAMES:
            microseconds = 1000 * statistics.median(times[name]) * samples[name][part] / steps
            print(f"{arguments.step},{name},\"{part}\",{microseconds:.1f}")


def draw(arguments):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with open(arguments.recorded, encoding="utf-8") as file:
        rows = [(step, program, part, float(value)) for step, program, part, value in csv.reader(file)]
    steps = list(dict.fromkeys(row[0] for row in rows))
    figure, axes = plt.subplots(len(steps), 1, figsize=(10, 0.6 + 1.4 * len(steps)), layout="constrained", squeeze=False)
    colours = plt.get_cmap("tab10")
    for step, axis in zip(steps, axes[:, 0]):
        programs = list(dict.fromkeys(row[1] for row in rows if row[0] == step))
        for y, program in enumerate(programs):
            left = 0.0
            for i, part in enumerate(NAMES):
                value = sum(row[3] for row in rows if row[:3] == (step, program, part)) / 1000
                axis.barh(y, value, left=left, color=colours(i), label=part if y == 0 else None)
                left += value
        axis.set(yticks=range(len(programs)), yticklabels=programs, title=step, xlabel="ms of CPU per step")
        axis.invert_yaxis()
    axes[0, 0].legend(loc="upper left", bbox_to_anchor=(1.01, 1.1), fontsize=8)
    figure.savefig(arguments.out, dpi=150)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    measuring = commands.add_parser("measure")
    measuring.add_argument("--step", required=True, help="as bench_nn_step names it")
    measuring.add_argument("--rounds", type=int, default=3)
    measuring.add_argument("program", nargs="+", help="NAME=PROGRAM")
    measuring.set_defaults(command=measure)
    drawing = commands.add_parser("draw")
    drawing.add_argument("recorded", help="what `measure` printed")
    drawing.add_argument("--out", required=True)
    drawing.set_defaults(command=draw)
    arguments = parser.parse_args()
    arguments.command(arguments)


if __name__ == "__main__":
    sys.exit(main())
