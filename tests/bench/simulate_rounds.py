#!/usr/bin/env python3
"""What a round's communication takes on 16 to 4096 machines, as CSV: src/comm on networks that SMPI simulates.

README-collectives.md says what is assumed. Dense rivals are SMPI's MPI_Bcast and MPI_Reduce, with the algorithms that
Open MPI 4 chooses ("open_mpi") and with those that move the fewest bytes ("least_bytes").
"""
import argparse
import dataclasses
import itertools
import pathlib
from concurrent.futures import ThreadPoolExecutor

import simulation
from simulation import Network

NETWORKS = {
    # Every link of the same rate, full bisection: 16 hosts a switch, 16 switches a group, 16 groups.
    "fat_tree": Network("3;16,16,16;1,16,16;1,1,1", 4096, 100e3, 0.5e-6),
    # Racks of 32 hosts, each with ten links to one switch in the middle.
    "ethernet": Network("2;32,128;1,1;1,10", 4096, 1e3, 25e-6),
}
WEIGHTS = {"alexnet": 23_262_912, "resnet18": 11_210_432}
SPARSITIES = (0.9, 0.95, 0.99)
FLOATS_AT_ONCE = 2**26  # of all ranks' vectors, at most, and ...
FLOATS_PER_RANK = 16  # of a dense one, at least: MPI_Reduce leaves the rest of their division to one rank
LEAST_BYTES = "scatter_rdb_allgather", "scatter_gather"


def open_mpi(ranks, floats):
    """What Open MPI 4.1 takes for long vectors on that many ranks (SMPI's selector `ompi` has its tables), by SMPI's
    names. Named, as the simulated vectors are shorter. A message just below 512 kB on 1024 ranks would go another way."""
    if 32 <= ranks < 1024:
        broadcast = "mvapich2_knomial_intra_node"
    elif ranks < 32 and 4 * floats < 2**20:
        broadcast = "binomial_tree"
    else:
        broadcast = "scatter_rdb_allgather"
    return broadcast, "binomial"


@dataclasses.dataclass
class Case:
    network: str
    ranks: int
    model: str
    sparsity: float | None  # None: all weights
    name: str  # of the choice of algorithms
    divisor: int
    algorithms: tuple  # of broadcast and reduction

    @property
    def label(self):
        sparsity = "" if self.sparsity is None else self.sparsity
        return f"{self.network},{self.ranks},{self.model},{sparsity},{self.name},{self.divisor}"

    @property
    def simulation(self):
        what = "dense" if self.sparsity is None else "sparse"
        return self.network, self.ranks, what, self.model, self.sparsity or 0, self.divisor, *self.algorithms


def cases(ranks):
    for network, model in itertools.product(NETWORKS, WEIGHTS):
        for sparsity in (None, *SPARSITIES):
            floats = WEIGHTS[model] * (1 if sparsity is None else 1 - sparsity)
            shortest = FLOATS_PER_RANK * ranks if sparsity is None else 0
            divisor = 1
            while floats * ranks > FLOATS_AT_ONCE * divisor and floats >= 2 * shortest * divisor:
                divisor *= 2
            chosen = open_mpi(ranks, floats)
            for name, algorithms in (("open_mpi", chosen), ("least_bytes", LEAST_BYTES)):
                if sparsity is not None and algorithms[0] == chosen[0]:
                    algorithms = chosen  # no reduction there: the same simulation
                yield Case(network, ranks, model, sparsity, name, divisor, algorithms)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path, help="with round and simulated_round")
    parser.add_argument("--ranks", type=int, nargs="+", default=[16, 64, 256, 1024, 4096])
    parser.add_argument("--jobs", type=int, default=1, help="simulations at once")
    parser.add_argument("--divisors", type=int, nargs="+", help="instead, one case with each: do they agree?")
    parser.add_argument("--costs", type=float, nargs=3, metavar="S",
                        help="seconds to code a position, to decode one, to add a value, instead of this machine's")
    args = parser.parse_args()
    program = (args.folder / "simulated_round").resolve()
    charges = tuple(args.costs or simulation.costs((args.folder / "round").resolve()))

    wanted = [case for ranks in args.ranks for case in cases(ranks)]
    if args.divisors:
        ranks = args.ranks[0]
        wanted = [Case(network, ranks, "alexnet", sparsity, "least_bytes", divisor, LEAST_BYTES)
                  for network in NETWORKS for sparsity in (None, 0.95) for divisor in args.divisors]
    print("# seconds to code a position, decode one, add a value: " + ", ".join(map(str, charges)))
    print("network,ranks,model,sparsity,algorithms,divisor,kind,bytes,seconds", flush=True)
    with ThreadPoolExecutor(args.jobs) as pool:
        running = {}  # several cases share a simulation
        for case in wanted:
            if case.simulation not in running:
                network, *rest = case.simulation
                running[case.simulation] = pool.submit(simulation.run, program, charges, NETWORKS[network], *rest)
        for case in wanted:
            for kind, (size, seconds) in running[case.simulation].result().items():
                print(f"{case.label},{kind},{size},{seconds:.9f}", flush=True)


if __name__ == "__main__":
    main()
