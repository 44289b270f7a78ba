#!/usr/bin/env python3
"""Prints what tests/bench/all.sh measured as the tables of this folder's READMEs.

    tests/bench/tables.py FOLDER [TABLE...]
"""

import argparse
import collections
import csv
import json
import pathlib
import re
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "analysis"))

from feddip_analysis.tables import markdown_lines  # noqa: E402

MODELS = {"lenet5": "LeNet-5", "alexnet": "AlexNet", "resnet18": "ResNet-18"}
SPREADS = {"erk": "ERK", "uniform": "uniform"}


def show(title, head, rows):
    print(f"\n## {title}\n\n{markdown_lines([head, *rows])}", end="")


def number(value):
    return f"{value:.0f}" if value >= 1000 else f"{value:#.3g}".rstrip(".")


def steps_beside_pytorch(path):
    """{model: {case: (median, best)}} of compare_with_pytorch.py, in ms."""
    models = {}
    for line in path.read_text().splitlines():
        if title := re.match(r"(\w+) \(ms per step\)", line):
            steps = models.setdefault(title[1], {})
        elif found := re.match(r"  (.+?) +([\d.]+) +[\d.]+ +([\d.]+) +[\d.]+$", line):
            steps["PyTorch" if found[1].startswith("PyTorch") else found[1]] = (float(found[2]), float(found[3]))
    return models


def label(model, case):
    """"s = 0.9, ERK" of "erk_0.1"."""
    spread, _, density = case.partition("_")
    what = f"s = {1 - float(density):.4g}, {SPREADS[spread]}" if density else case
    return f"{MODELS[model]}, {what}"


def beside_pytorch(models):
    rows = []
    for model, steps in models.items():
        theirs = steps["PyTorch"]
        for case in (name for name in steps if name.endswith("/automatic") and not name.startswith("before")):
            cells = [f"{number(times[i])} ({number(theirs[i] / times[i])})" if times else ""
                     for i in (0, 1) for times in (steps.get("before: " + case), steps[case])]
            rows.append([label(model, case.split("/")[0]), number(theirs[0]), *cells])
    head = ["", "PyTorch", "before", "now", "best of all turns: before", "now"]
    show("A step beside PyTorch's, ms, and how many times as fast", head, rows)


def kernel_choice(path):
    """The table of kernel_choice.py, with densities as columns."""
    steps = collections.defaultdict(dict)
    for line in path.read_text().splitlines():
        if title := re.match(r"(\w+) +oneDNN ms", line):
            model = title[1]
        elif found := re.match(r"  (\w+) (\d+) % +([\d.]+) +([\d.]+) +([\d.]+) +(\d+) +(-?[\d.]+) %", line):
            steps[model, found[1]][int(found[2])] = [float(f) for f in found.groups()[2:]]
        elif line.startswith("worst"):
            print("\n" + line)
    densities = sorted({density for of_model in steps.values() for density in of_model})
    rows = []
    for (model, spread), times in steps.items():
        for index, name in ((1, "sparse"), (0, "oneDNN"), (2, "auto")):
            title = f"{MODELS[model]}, {SPREADS[spread]}: {name}" if index == 1 else name
            rows.append([title, *(number(times[d][index]) if d in times else "" for d in densities)])
    show("Which kernels, ms", ["density, %", *map(str, densities)], rows)


def medians(path):
    with path.open(encoding="utf-8") as file:
        lines = file.read().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("name,"))
    rows = csv.DictReader(lines[start:])
    return {r["name"].removesuffix("_median"): r for r in rows if not re.search("_(mean|stddev|cv)$", r["name"])}


def reconfiguring(path, models):
    """Steps where all weights get a gradient, beside those on the mask."""
    rows = []
    for name, measured in medians(path).items():
        _, model, case, kernels = name.split("/")
        near = models[model][f"{case}/{kernels}"][0]
        ours = float(measured["cpu_time"])
        rows.append([label(model, case), number(near), number(ours), number(ours / near)])
    show("A step that reconfigures, ms", ["", "on the mask", "reconfiguring", "times as long"], rows)


def collectives(now, before):
    """Mean ms of each collective, and how many times faster than the dense one of its kind."""
    runs = [{name.split("/iterations")[0]: float(r["real_time"]) for name, r in medians(path).items()}
            for path in (now, before) if path.exists()]
    cases = sorted({name.rsplit("/", 2)[0] for name in runs[0]})
    kinds = list(dict.fromkeys("/".join(name.rsplit("/", 2)[1:]) for name in runs[0]))

    def cell(times, case, kind):
        taken, dense = times[f"{case}/{kind}"], times[f"{case}/{kind.split('/')[0]}/dense"]
        return number(taken) + (f" ({number(dense / taken)})" if taken != dense else "")

    head = ["", *(title for case in cases for title in (case.replace("/", ", s = "), "before")[:len(runs)])]
    show("Collectives, ms", head, [[f"`{kind}`", *(cell(times, case, kind) for case in cases for times in runs)] for kind in kinds])


def plain(title, path, *columns):
    show(title, columns, [[name, *(number(float(r[column])) if r.get(column) else "" for column in columns[1:])]
                          for name, r in medians(path).items()])


def profile(path):
    """A step's parts, in ms."""
    steps = collections.defaultdict(dict)
    with path.open(encoding="utf-8") as file:
        for step, program, part, microseconds in csv.reader(file):
            steps[step, program][part] = float(microseconds) / 1000
    parts = list(dict.fromkeys(part for of_step in steps.values() for part in of_step))
    show("Where a step's time goes, ms", ["", *parts, "all"],
         [[f"{step}, {program}", *(number(of_step.get(part, 0)) for part in parts), number(sum(of_step.values()))]
          for (step, program), of_step in steps.items()])


def roofs(path):
    measured = {b["name"]: b for b in json.loads(path.read_text())["benchmarks"]}
    show("The machine", ["", ""],
         [[name, next(f"{b[unit]:.1f} {unit}" for unit in ("gflops", "gigabytes", "items_per_second") if unit in b)]
          for name, b in measured.items() if name.startswith("machine/")])
    sparse = [b["gflops"] / measured["machine/peak"]["gflops"] for name, b in measured.items()
              if "bytes" in b and not name.endswith("/onednn") and "/plain/" not in name]
    low, middle, high = statistics.quantiles(sparse, n=4)
    print(f"\nSparse kernels: {low:.2f}, {middle:.2f} and {high:.2f} of the peak (quartiles of {len(sparse)} layers and passes)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("table", nargs="*", help="the name of a file without its ending; all of them if none is named")
    arguments = parser.parse_args()
    folder = arguments.folder

    def as_it_is(path):
        print(f"\n## {path.name}\n\n{path.read_text().rstrip()}")

    tables = {
        "machine.txt": as_it_is,
        "lenet5.txt": as_it_is,
        "schedule.txt": as_it_is,
        "pytorch.txt": lambda path: beside_pytorch(steps_beside_pytorch(path)),
        "reconfigure.csv": lambda path: reconfiguring(path, steps_beside_pytorch(folder / "pytorch.txt")),
        "choice.txt": kernel_choice,
        "kernels.json": roofs,
        "profile.csv": profile,
        "checkpoint.csv": lambda path: plain("A checkpoint", path, "name", "real_time", "cpu_time"),
        "results.csv": lambda path: plain("A results file", path, "name", "real_time", "cpu_time", "bytes"),
        "collectives.csv": lambda path: collectives(path, folder / "collectives-before.csv"),
    }
    for name, table in tables.items():
        path = folder / name
        if path.exists() and (not arguments.table or path.stem in arguments.table):
            table(path)


if __name__ == "__main__":
    main()
