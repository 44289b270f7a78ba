#!/usr/bin/env python3
"""Says of each run what it is up to: done, running, queued, stopped, failed (with the reason) or new.

    jobs/status.py [FOLDER | LIST | RESULTS.h5 ...]     (default: the folder here)

From the files that runs leave (results, checkpoints, logs) and, where there is one, Slurm's queue. A LIST is what
jobs/make_sweep.py writes. A stopped run goes on, and a failed one starts over from its last checkpoint, when it is
submitted again.
"""
import argparse
import collections
import dataclasses
import pathlib
import re
import subprocess
import sys
import time
import tomllib

import h5py

STATES = ["done", "running", "queued", "stopped", "failed", "new"]
ERROR = "feddip: error: "
# Of logs (jobs/slurm.sh): what opens each job's part, what ends it, and how others than feddip complain.
START = "== Job "
END = re.compile(r"^== Ended with exit code (\d+)", re.MULTILINE)
REQUEUED = "== Back into the queue"
COMPLAINT = re.compile(r"^(srun|slurmstepd|mpirun): (error|fatal): |: line \d+: |^mpirun noticed ")


@dataclasses.dataclass
class Job:
    name: str
    state: str
    where: str  # nodes, or why it waits


@dataclasses.dataclass
class Run:
    results: pathlib.Path
    state: str = "new"
    rounds: int = 0
    of: int | None = None
    accuracy: float | None = None
    changed: float | None = None
    note: str = ""


def results_in(arguments):
    """The results file that the arguments of a training name; there may be spaces in it."""
    found = re.search(r"(?:^|\s)--out\s+(.+?\.(?:h5|hdf5))(?=\s|$)", arguments) or re.search(r"(?:^|\s)--out\s+(\S+)", arguments)
    if not found:
        raise ValueError(f"there is no --out FILE in '{arguments}'")
    return pathlib.Path(found[1])


def listed_runs(path):
    """Results files of a list, line by line as the tasks of an array count them; None for a blank one."""
    return [results_in(line) if line.strip() else None for line in path.read_text().splitlines()]


def holds_something_else(path):
    """Whether an HDF5 file is no run's: the images that runs are about lie beside them, and audits, which name a config too."""
    try:
        with h5py.File(path) as file:
            return "config_toml" not in file.attrs or "rounds" not in file
    except OSError:
        return False


def runs_in(folder):
    """Results files of a folder, however deep, also those that do not exist yet but whose log does."""
    found = {path for path in folder.rglob("*.h5") if ".ckpt-" not in path.name and not holds_something_else(path)}
    found |= {path.with_suffix(".h5") for path in folder.rglob("*.log") if path.is_file() and START in path.read_text(errors="replace")}
    return found


def run_of(command, task, folder):
    """The results file that a job's command line is about; None if it is none of ours."""
    ours = re.match(r"(?:.*/)?(train|sweep)\.sbatch (.+)", command)
    try:
        if ours and ours[1] == "train":
            return folder / results_in(ours[2])
        if ours:
            return folder / listed_runs(folder / ours[2].strip())[int(task) - 1]
    except (IndexError, OSError, TypeError, ValueError):  # also of a blank line
        pass
    return None


def queue():
    """This user's jobs by the results file that they write; None where Slurm does not answer."""
    try:
        told = subprocess.run(["squeue", "--me", "--array", "--noheader", "--format=%i|%K|%T|%R|%Z|%o"],
                              capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    jobs = {}
    for line in told.stdout.splitlines():
        name, task, state, where, folder, command = line.split("|", 5)
        results = run_of(command, task, pathlib.Path(folder))
        # A second job for a run waits for nothing, the first to have a node writes.
        if results and (results.resolve() not in jobs or state == "RUNNING"):
            jobs[results.resolve()] = Job(name, state, where)
    return jobs


def read_results(run):
    """Whether the run is complete; the rest goes into `run`."""
    with h5py.File(run.results) as file:
        accuracies = [float(value) for value in file["rounds/test_accuracy"][:] if value == value]
        run.rounds = len(file["rounds/round"])
        run.of = tomllib.loads(str(file.attrs["config_toml"]))["federation"]["rounds"]
        run.accuracy = accuracies[-1] if accuracies else None
        return bool(file.attrs["complete"])


def checkpoints(results):
    """Rounds of a run's checkpoints in the folder of its results."""
    pattern = re.compile(re.escape(results.stem) + r"\.ckpt-(\d+)\.h5")
    names = (pattern.fullmatch(path.name) for path in results.parent.glob("*.ckpt-*.h5"))
    return [int(name[1]) for name in names if name]


def last_error(results, is_over):
    """What the last job to work on a run failed with; empty if with nothing. `is_over`: Slurm knows no job for it any more."""
    log = results.with_suffix(".log")
    if not log.exists():
        return ""
    _, start, last = log.read_text(errors="replace").rpartition(START)
    errors = [line[len(ERROR):] for line in last.splitlines() if line.startswith(ERROR)]
    if errors:
        return errors[-1]
    codes = END.findall(last)
    if codes[-1:] in (["0"], ["75"]) or REQUEUED in last or not (codes or (start and is_over)):
        return ""
    complaints = [line for line in last.splitlines() if COMPLAINT.search(line)]
    return ": ".join([f"exit code {codes[-1]}" if codes else "the job ended without an exit code", *complaints[-1:]])


def look_at(results, jobs):
    run = Run(results)
    complete = False
    if results.exists():
        run.changed = results.stat().st_mtime
        try:
            complete = read_results(run)
        except (OSError, KeyError) as problem:
            run.note = f"unreadable: {problem}"
    saved = checkpoints(results)
    run.rounds = max([run.rounds, *saved])

    job = (jobs or {}).get(results.resolve())
    error = last_error(results, is_over=jobs is not None and not job)
    if complete:
        run.state, run.note = "done", error
    elif job:
        run.state = "queued" if job.state == "PENDING" else "running"
        run.note = f"job {job.name} {job.where if job.where.startswith('(') else 'on ' + job.where}"
    elif error or run.note:
        run.state, run.note = "failed", error or run.note
    elif saved or results.exists():
        run.state = "stopped"
    return run


def age(moment):
    seconds = time.time() - moment
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{max(seconds, 0):.0f} s ago"


def row(run):
    return [str(run.results), run.state, f"{run.rounds}/{run.of}" if run.of else str(run.rounds or ""),
            "" if run.accuracy is None else f"{100 * run.accuracy:.2f} %",
            "" if run.changed is None else age(run.changed), run.note]


def show(rows):
    widths = [max(len(cells[i]) for cells in rows) for i in range(len(rows[0]))]
    for cells in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", type=pathlib.Path, metavar="FOLDER|LIST|RESULTS.h5")
    paths = parser.parse_args().paths or [pathlib.Path()]

    jobs = queue()
    found = {}
    for path in paths:
        if path.is_dir():
            here = path.resolve()
            queued = {path / results.relative_to(here) for results in jobs or {} if results.is_relative_to(here)}
            found |= dict.fromkeys(sorted(runs_in(path) | queued))
        elif path.suffix == ".h5":
            found[path] = None
        else:
            try:
                found |= dict.fromkeys(filter(None, listed_runs(path)))
            except (OSError, ValueError) as problem:
                sys.exit(f"{ERROR}not a list of runs ({path}): {problem}")

    runs = [look_at(results, jobs) for results in found]
    if runs:
        show([["run", "state", "round", "accuracy", "changed", ""], *map(row, runs)])
        print()
    counts = collections.Counter(run.state for run in runs)
    print(f"{len(runs)} runs" + "".join(f", {counts[state]} {state}" for state in STATES if counts[state]))
    if jobs is None:
        print("There is no Slurm here to ask: a run that is going on shows as stopped.")


if __name__ == "__main__":
    main()
