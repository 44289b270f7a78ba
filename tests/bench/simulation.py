"""Runs `round` on a network that SimGrid's SMPI simulates."""
import dataclasses
import os
import pathlib
import subprocess
import sys
import tempfile

# Ethernet, IP and TCP headers leave 1448 bytes of data in frames of 1514.
PAYLOAD = 1448 / 1514
OPTIONS = [
    "smpi/simulate-computation:no",  # `round` charges what is to be counted
    f"smpi/bw-factor:0:{PAYLOAD:.4f}",  # SMPI's own factors are those of one old cluster
    "smpi/lat-factor:0:1",
    "network/crosstraffic:0",
    "smpi/coll-selector:ompi",  # for what is not named, and not timed
]
# Open MPI's trees send to all children at once, its other algorithms wait for each message to be received.
TREES = "binomial_tree", "mvapich2_knomial_intra_node"


@dataclasses.dataclass(frozen=True)
class Network:
    """A tree of switches. `tree` is what SimGrid calls topo_parameters: how many levels; of each, from the hosts up,
    what hangs below a switch; the switches above a node; and the parallel links to each."""
    tree: str
    hosts: int
    mbit: float  # of a link, each way
    latency: float  # of a link, in seconds

    def platform(self, divisor):
        """With links so many times as slow."""
        rate = f"{self.mbit * 1e6 / 8 / divisor}Bps"
        return ('<?xml version="1.0"?>\n<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">\n'
                f'<platform version="4.1"><cluster id="all" prefix="h" suffix="" radical="0-{self.hosts - 1}"'
                f' speed="1Gf" bw="{rate}" lat="{self.latency}s" topology="FAT_TREE" topo_parameters="{self.tree}"/>'
                '</platform>\n')


def costs(program):
    """What this machine takes to code a position, to decode one and to add a value, in seconds of CPU."""
    done = subprocess.run([program, "costs"], capture_output=True, text=True, check=True)
    return tuple(float(cost) for cost in done.stdout.split(","))


def run(program, charges, network, ranks, what, model, sparsity, divisor, broadcast, reduction):
    """{kind: (bytes, seconds)}. Vectors and links are `divisor` times smaller and slower, latencies are not, and
    processors take `divisor` times as long for a value: the times are those of whole vectors. `broadcast` and
    `reduction` are SMPI's names of the algorithms."""
    with tempfile.TemporaryDirectory() as folder:
        platform = pathlib.Path(folder, "platform.xml")
        platform.write_text(network.platform(divisor))
        hosts = pathlib.Path(folder, "hosts")
        hosts.write_text("".join(f"h{i}\n" for i in range(ranks)))
        no_wait_below = 2**31 - 1 if broadcast in TREES else 0
        options = [*OPTIONS, f"smpi/bcast:{broadcast}", f"smpi/reduce:{reduction}",
                   f"smpi/send-is-detached-thresh:{no_wait_below}",
                   f"network/weight-S:{8775 / divisor}"]  # SMPI's, for links of that speed
        command = ["smpirun", "-no-privatize", "-np", str(ranks), "-platform", str(platform), "-hostfile", str(hosts),
                   *(f"--cfg={option}" for option in options), "--log=root.thres:error", str(program), what, model,
                   str(sparsity), str(divisor), "1"]
        charged = ",".join(str(cost * divisor) for cost in charges)
        done = subprocess.run(command, env=dict(os.environ, ROUND_COSTS=charged), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return parse(done.stdout)


def parse(lines):
    rows = [line.split(",") for line in lines.splitlines()]
    return {kind: (int(size), float(seconds)) for kind, size, seconds in rows}
