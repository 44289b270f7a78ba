#!/usr/bin/env python3
"""Does SMPI predict what a real network takes? Open MPI in network namespaces with slow links beside it, as CSV.

Each rank has a network of its own on a bridge (network.py in tests/system), limited up and down. The same algorithms
are asked of both. Needs root.
"""
import argparse
import dataclasses
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

import network
import sandbox
import simulation

ENVIRONMENT = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMP_NUM_THREADS="1")
# Open MPI's numbers and SMPI's names.
BROADCASTS = {
    "binomial": (6, "binomial_tree"),
    "knomial": (7, "mvapich2_knomial_intra_node"),
    "scatter_allgather": (8, "scatter_rdb_allgather"),
}
BINOMIAL_REDUCTION = 5
CASES = {"sparse": 1, "dense": 64}  # ResNet-18 at s = 0.99; the vectors' divisor
FRAME = 1514 * 8  # bits: each link of a switched network receives a frame whole before it sends it on


def measure(program, machines, names, what, divisor, broadcast):
    command = ["mpirun", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "1", *machines.mpirun_options(names),
               "--mca", "coll_tuned_use_dynamic_rules", "1",
               "--mca", "coll_tuned_bcast_algorithm", str(broadcast),
               "--mca", "coll_tuned_reduce_algorithm", str(BINOMIAL_REDUCTION),
               "-np", str(len(names)), program, what, "resnet18", "0.99", str(divisor), "3"]
    done = subprocess.run(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return simulation.parse(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path, help="with round and simulated_round")
    parser.add_argument("--mbit", type=int, default=20, help="10^6 bits per second of a link")
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 4, 8, 16])
    args = parser.parse_args()
    sandbox.enter()

    program = str((args.folder / "round").resolve())
    simulated = str((args.folder / "simulated_round").resolve())
    switch = simulation.Network("1;16;1;1", 16, args.mbit, FRAME / (1e6 * args.mbit))
    print("mbit,ranks,broadcast,kind,bytes,seconds_measured,seconds_simulated,ratio", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        names = [f"n{i + 1}" for i in range(max(args.ranks))]
        machines = network.Network(folder, names)
        costs = simulation.costs(program)
        for name in names:
            machines.boot(name, "sleep", "infinity")
            machines.limit(name, args.mbit)
        for ranks in args.ranks:
            for broadcast, (number, smpi_name) in BROADCASTS.items():
                for what, divisor in CASES.items():
                    real = measure(program, machines, names[:ranks], what, divisor, number)
                    # Shorter vectors on the same links, rather than whole ones.
                    links = dataclasses.replace(switch, mbit=args.mbit * divisor)
                    charges = tuple(cost / divisor for cost in costs)
                    found = simulation.run(simulated, charges, links, ranks, what, "resnet18", 0.99, divisor, smpi_name,
                                           "binomial")
                    for kind, (size, seconds) in real.items():
                        _, predicted = found[kind]
                        print(f"{args.mbit},{ranks},{broadcast},{kind},{size // divisor},{seconds:.6f},{predicted:.6f},"
                              f"{seconds / predicted:.3f}", flush=True)
        machines.stop()


if __name__ == "__main__":
    main()
