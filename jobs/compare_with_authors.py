#!/usr/bin/env python3
"""Prints runs of feddip beside those of the authors' program.

    jobs/compare_with_authors.py RESULTS...    (files, or folders such as that of jobs/reproduce.sh)

Test accuracy in percent: after rounds 20, 50 and 100, and the mean over the last 10 rounds; mean over seeds, and in
brackets the least and the most. What a run is, its own config says; runs in another setting than the authors' curves
are named and left out.
"""
import argparse
import csv
import pathlib
import sys
import tomllib

import h5py
import numpy as np

REFERENCE = pathlib.Path(__file__).parent / "reference"
ROUNDS = 100
SETTING = {  # of all of the authors' runs; a key that an older file lacks is taken to be so
    "data": {"dataset": "fashion-mnist", "partition": "iid"},
    "model": {"name": "lenet5"},
    "federation": {"clients": 50, "clients_per_round": 5, "rounds": ROUNDS, "local_epochs": 5, "batch_size": 128},
    "optimizer": {"learning_rate": 0.1, "decay": 0.998, "weight_decay": 5e-4},
    "communication": {"value_type": "f32", "reconfiguration_upload": "dense"},
    "aggregation": {"rule": "mean"},
    "attack": {"kind": "none"},
    "privacy": {"clip": 0, "secure_sum": False},
    "budget": {"mode": "none"},
    "drift": {"kind": "none", "samples_per_round": 0},
    "faults": {"drop_probability": 0},
    "adaptation": {"answer": "none"},
    "compute": {"precision": "f32"},
}
SPARSE_SETTING = {"initial": 0.5, "target": 0.9, "horizon": 5, "final_rounds": 0, "start_scale": "dense",
                  "start": "erk", "layer_floor": 0, "score": "magnitude"}
FEDDIP_SETTING = {
    "sparsity": SPARSE_SETTING | {"start_mask": "per_client"},
    "regularization": {"maximum": 1e-3, "steps": 20, "staircase": "code"},
}
METHOD_SETTING = {  # of the section that a method has
    "prunefl": {"initial_rounds": 5, "removable_share": 0.3},
    "prunetrain": {"group_lasso": 0.01},
    "feddst": {"readjusted_share": 0.5},
}
VARIANTS = {  # ours: the authors' runs are called
    "fedavg": "fedavg",
    "feddip-nested": "feddip-0.90-nested",
    "feddip-regrow": "feddip-0.90-regrow",
    "fedprox": "fedavg",  # their proximal term is always 0
    "snip": "snip-0.90",
    "prunefl": "prunefl-0.90",
    "prunetrain": "prunetrain-0.90",
    "feddst": "feddst-0.90",
}
HAVE_VARIANTS = ("fedprox", "snip", "prunefl", "feddst")  # method.variant means something


class NotResults(Exception):
    """A file that is no results file of feddip."""


def reference_runs():
    """Accuracy per round of each of the authors' runs, by name; NaN in rounds without evaluation."""
    with open(REFERENCE / "lenet5-fashion-mnist-iid-T100.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    runs = {name: np.array([float(row[name]) for row in rows]) for name in rows[0] if name != "round"}
    with open(REFERENCE / "baselines-lenet5-fashion-mnist-iid-T100.csv", newline="") as file:
        for row in csv.DictReader(file):
            accuracy = runs.setdefault(row["run"], np.full(ROUNDS, np.nan))
            accuracy[int(row["round"]) - 1] = float(row["test_accuracy"])
    return runs


def difference(config):
    """The first key in which a run's config is not the authors' setting, or nothing."""
    also = {"fedavg": {}, "fedprox": {}, "feddip": FEDDIP_SETTING}
    name = config["method"]["name"]
    own = {name: METHOD_SETTING.get(name, {})}
    for section, keys in (SETTING | also.get(name, {"sparsity": SPARSE_SETTING}) | own).items():
        for key, value in keys.items():
            if (ours := config.get(section, {}).get(key, value)) != value:
                return f"{section}.{key} = {ours}, the authors' runs have {value}"
    return None


def variant_of(config):
    """The name of a run in VARIANTS, and whose variant of the method it is."""
    name = config["method"]["name"]
    if name == "feddip":
        return ("feddip-regrow" if config["sparsity"]["regrow"] else "feddip-nested"), "feddip"
    papers = name in HAVE_VARIANTS and config["method"].get("variant", "paper") == "paper"
    return name, "feddip (paper)" if papers else "feddip"


def read(path):
    """Whether a run is complete, its variant, why it does not belong here (or nothing), and its accuracy per round."""
    try:
        with h5py.File(path) as file:
            config = tomllib.loads(file.attrs["config_toml"])
            variant = variant_of(config)
            reason = difference(config) or (variant[0] not in VARIANTS and "the authors have no such program")
            return file.attrs["complete"], variant, reason, file["rounds/test_accuracy"][:]
    except (OSError, KeyError, TypeError, ValueError) as problem:  # of HDF5, of what is missing in it, of TOML
        raise NotResults(f"{path}: no results of feddip: {problem}") from problem


def our_runs(paths):
    """Accuracy per round of each complete run, by (variant, whose)."""
    files = [file for path in paths for file in (sorted(path.glob("*.h5")) if path.is_dir() else [path])]
    runs = {}
    for path in files:
        if ".ckpt-" in path.name:
            continue
        complete, variant, reason, accuracy = read(path)
        if complete and reason:
            print(f"left out: {path}: {reason}", file=sys.stderr)
        elif complete:
            runs.setdefault(variant, []).append(accuracy)
    return runs


def figures(runs):
    """The four columns of one line of the table."""
    def cell(values):
        values = 100 * np.array(values)
        values = values[~np.isnan(values)]
        if not len(values):
            return "-"
        spread = f" [{values.min():.1f}, {values.max():.1f}]" if len(values) > 1 else ""
        return f"{values.mean():.2f}{spread}"

    return [cell([run[19] for run in runs]), cell([run[49] for run in runs]), cell([run[99] for run in runs]),
            cell([run[90:100].mean() for run in runs])]


def main(paths):
    reference = reference_runs()
    ours = our_runs(paths)
    print(f"{'run':<26} {'runs':>4} {'round 20':>20} {'round 50':>20} {'round 100':>20} {'mean of last 10':>20}")
    for variant, prefix in VARIANTS.items():
        lines = {whose: runs for (name, whose), runs in ours.items() if name == variant}
        if lines:
            lines["authors"] = [run for name, run in reference.items() if name.startswith(prefix)]
        for whose, runs in lines.items():
            if runs:
                print(f"{f'{variant}, {whose}':<26} {len(runs):>4} " + " ".join(f"{cell:>20}" for cell in figures(runs)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=pathlib.Path, metavar="RESULTS")
    try:
        main(parser.parse_args().paths)
    except NotResults as problem:
        print(f"compare_with_authors.py: error: {problem}", file=sys.stderr)
        sys.exit(2)
