#!/usr/bin/env python3
"""Prints the runs of jobs/reproduce.sh beside those of the authors' program.

    jobs/compare_with_authors.py RESULTS_FOLDER

Test accuracy in percent: after rounds 20, 50 and 100, and the mean over the last 10 rounds; mean over seeds, and in
brackets the least and the most.
"""
import csv
import pathlib
import sys

import h5py
import numpy as np

REFERENCE = pathlib.Path(__file__).parent / "reference" / "lenet5-fashion-mnist-iid-T100.csv"
VARIANTS = {  # ours: the authors' columns start with
    "fedavg": "fedavg",
    "feddip-nested": "feddip-0.90-nested",
    "feddip-regrow": "feddip-0.90-regrow",
}


def reference_runs():
    """Accuracy per round of each of the authors' runs, by column name."""
    with open(REFERENCE, newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0] if name != "round"}


def our_runs(folder, variant):
    """Accuracy per round of each complete run of a variant."""
    runs = []
    for path in sorted(folder.glob(f"{variant}-seed*.h5")):
        if ".ckpt-" in path.name:
            continue
        with h5py.File(path) as file:
            if file.attrs["complete"]:
                runs.append(file["rounds/test_accuracy"][:])
    return runs


def figures(runs):
    """The four columns of one line of the table."""
    def cell(values):
        values = 100 * np.array(values)
        spread = f" [{values.min():.1f}, {values.max():.1f}]" if len(values) > 1 else ""
        return f"{values.mean():.2f}{spread}"

    return [cell([run[19] for run in runs]), cell([run[49] for run in runs]), cell([run[99] for run in runs]),
            cell([run[90:100].mean() for run in runs])]


def main(folder):
    reference = reference_runs()
    print(f"{'run':<26} {'runs':>4} {'round 20':>20} {'round 50':>20} {'round 100':>20} {'mean of last 10':>20}")
    for variant, prefix in VARIANTS.items():
        theirs = [run for name, run in reference.items() if name.startswith(prefix)]
        for whose, runs in (("feddip", our_runs(folder, variant)), ("authors", theirs)):
            if runs:
                print(f"{f'{variant}, {whose}':<26} {len(runs):>4} " + " ".join(f"{cell:>20}" for cell in figures(runs)))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
