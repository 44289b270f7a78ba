#!/usr/bin/env python3
"""Writes the list of runs for jobs/sweep.sbatch: every combination of the values given, one run per line.

    jobs/make_sweep.py jobs/configs/fashion-mnist-lenet5.toml --out results \\
        --method feddip fedavg --sparsity 0.8 0.9 0.95 --partition iid dirichlet --seed 1 2 3 > sweep.txt

A line has the arguments of `feddip train`; any key can be varied with --vary section.key VALUE ....
Sparsity is not varied for methods that do not prune. On stderr, the command that submits the list.
"""
import argparse
import difflib
import itertools
import pathlib
import re
import sys
import tomllib

SHORT = {  # option: key, and how its value shows in the file name
    "method": ("method.name", "{}"),
    "sparsity": ("sparsity.target", "s{}"),
    "partition": ("data.partition", "{}"),
    "seed": ("federation.seed", "seed{}"),
}
DENSE = {"fedavg", "fedprox"}
DEFAULTS = pathlib.Path(__file__).resolve().parents[1] / "analysis" / "feddip_analysis" / "defaults.toml"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path, default="results", metavar="FOLDER", help="of the results files")
    for name, (key, _) in SHORT.items():
        parser.add_argument(f"--{name}", nargs="+", default=[], metavar="VALUE", help=f"values of {key}")
    parser.add_argument("--vary", nargs="+", action="append", default=[], metavar=("KEY", "VALUE"),
                        help="another key and its values; may be repeated")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for all runs")
    given = parser.parse_args()
    if not given.config.is_file():
        parser.error(f"no such config: {given.config}")
    if problem := what_is_wrong(given):
        parser.error(problem)
    return given


def what_is_wrong(given):
    """With the keys, or nothing."""
    for key, *values in given.vary:
        if not values:
            return f"--vary {key} has no values"
    for override in given.set:
        if "=" not in override:
            return f"--set {override} has no value; write KEY=VALUE"
    varied = [key for key, _, _ in axes(given)]
    known = [f"{section}.{key}" for section, keys in tomllib.loads(DEFAULTS.read_text()).items() for key in keys]
    for key in [*varied, *(override.partition("=")[0].strip() for override in given.set)]:
        if varied.count(key) > 1:
            return f"{key} is varied twice"
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1)
            return f"no such key: {key}" + (f"; did you mean {nearest[0]}?" if nearest else "")
    return None


def axes(given):
    """What is varied: key, form in a file name, values."""
    found = [(key, form, getattr(given, name)) for name, (key, form) in SHORT.items()]
    found += [(key, key.partition(".")[2] + "{}", values) for key, *values in given.vary]
    return [axis for axis in found if axis[2]]


def method_of(config, overrides):
    """The method that a run has in the end."""
    name = config.get("method", {}).get("name", "feddip")
    for override in overrides:
        key, _, value = override.partition("=")
        if key.strip() == "method.name":
            name = value.strip().strip("\"'")
    return name


def runs(given):
    """Each run's name and the overrides that make it, once."""
    found = {}
    varied = axes(given)
    config = tomllib.loads(given.config.read_text())
    for values in itertools.product(*(values for _, _, values in varied)):
        chosen = [(key, form, value) for (key, form, _), value in zip(varied, values)]
        if method_of(config, [*given.set, *(f"{key}={value}" for key, _, value in chosen)]) in DENSE:
            chosen = [choice for choice in chosen if choice[0] != "sparsity.target"]
        name = "-".join([given.config.stem, *(form.format(value) for _, form, value in chosen)])
        found[name] = [*given.set, *(f"{key}={value}" for key, _, value in chosen)]
    return found


def main():
    given = arguments()
    lines = []
    try:
        listed = runs(given)
    except ValueError as problem:  # of TOML, of UTF-8
        sys.exit(f"feddip: error: can't read the config ({given.config}): {problem}")
    for name, overrides in listed.items():
        words = [str(given.config), "--out", str(given.out / f"{name}.h5")]
        for override in overrides:
            words += ["--set", override]
        if any(re.search(r"\s", word) for word in words):
            sys.exit(f"feddip: error: a word with a space ({' '.join(words)}): the list is split at spaces")
        lines.append(" ".join(words))
    print("\n".join(lines))
    print(f"{len(lines)} runs: sbatch --array=1-{len(lines)}%8 jobs/sweep.sbatch LIST", file=sys.stderr)


if __name__ == "__main__":
    main()
