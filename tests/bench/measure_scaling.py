#!/usr/bin/env python3
"""Broadcasts and sums on 1 to 64 ranks, as CSV: on one machine, and on machines with slow links of their own.

On one machine, memory is what to look at: a few cores do the work of all ranks, so that time grows with their number.
Over slow links (network.py in tests/system) the links take the time, and cores hardly matter: each rank has a network of
its own on a bridge, limited up and down. Needs root.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

import network
import sandbox

RANKS = (1, 2, 4, 8, 16, 32, 64)
SLOTS = (64, 200, 1000)
# What Open MPI would not choose by itself, but fits slow links: scatter, then gather along a ring.
SCATTER_RING = ["--mca", "coll_tuned_use_dynamic_rules", "1", "--mca", "coll_tuned_bcast_algorithm", "9"]
COLUMNS = "mbit,bcast,ranks,slots,length,vectors,bytes_sent,seconds_broadcast,seconds_sum"
ENVIRONMENT = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMP_NUM_THREADS="1")


def measure(program, ranks, slots, length, rounds, *options):
    command = ["mpirun", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "1", *options, "-np", str(ranks),
               program, str(length), str(slots), str(rounds)]
    done = subprocess.run(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return done.stdout.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=pathlib.Path, help="bench_collectives_scaling")
    parser.add_argument("--length", type=int, default=560_000, help="floats of a vector on one machine")
    parser.add_argument("--mbit", type=int, default=20, help="10^6 bits per second of a slow link")
    parser.add_argument("--slow-length", type=int, default=140_000, help="floats of a vector over slow links")
    parser.add_argument("--ranks", type=int, nargs="+", default=RANKS)
    args = parser.parse_args()
    sandbox.enter()

    program = str(args.program.resolve())
    with tempfile.TemporaryDirectory() as folder:
        names = [f"n{i + 1}" for i in range(max(args.ranks))]
        machines = network.Network(folder, names)
        print(COLUMNS, flush=True)
        for slots in SLOTS:
            for ranks in args.ranks:
                line = measure(program, ranks, slots, args.length, 3, "--oversubscribe")
                print(f",default,{line}", flush=True)

        for name in names:
            machines.boot(name, "sleep", "infinity")
            machines.limit(name, args.mbit)
        for slots, bcast in [*((slots, "default") for slots in SLOTS), (SLOTS[0], "ring")]:
            for ranks in args.ranks:
                options = machines.mpirun_options(names[:ranks]) + (SCATTER_RING if bcast == "ring" else [])
                line = measure(program, ranks, slots, args.slow_length, 2, *options)
                print(f"{args.mbit},{bcast},{line}", flush=True)
        machines.stop()


if __name__ == "__main__":
    main()
