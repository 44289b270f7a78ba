"""A real Slurm of several nodes on one machine, for one test, in a sandbox (sandbox.py).

Each node is a slurmd on a machine of its own (network.py). Nothing is written outside `folder`.
"""
import os
import pathlib
import shutil
import subprocess

import network

PROGRAMS = ["munged", "slurmctld", "slurmd", "sbatch", "srun", *network.PROGRAMS]
STARTS_WITHIN = network.STARTS_WITHIN

# A requeued job waits for its old credential to expire. As by default (120 s, with 30 s of KillWait), that takes longer
# than to kill its ranks and end their step, 7 s here: Slurm does not wait for those on a node that is set down, and
# where it still finds them it holds the job and drains the node. KillWait is at least 5 s. The rest keeps Slurm away
# from cgroups and accounts, and lets nodes have more cores than the machine.
CONFIGURATION = """
ClusterName=feddip-test
SlurmctldHost=controller({controller})
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
TmpFS={folder}/tmp-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobRequeue=1
ReturnToService=2
SlurmdParameters=config_overrides
KillWait=5
SlurmdTimeout=10
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
MinJobAge=3600
"""


class SlurmdDied(Exception):
    """Now and then Debian 12's slurmd aborts as it ends a thread (glibc: unaligned tcache chunk), and its node is gone."""


def missing_programs():
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    return [name for name in PROGRAMS if not shutil.which(name, path=path)]


class Cluster:
    def __init__(self, folder, nodes=2, cores=8):
        self.folder = pathlib.Path(folder)
        self.names = [f"n{i + 1}" for i in range(nodes)]
        self._cores = cores
        self._daemons = []
        self._network = None
        self.died = []  # nodes whose slurmd did
        os.environ["PATH"] += ":/usr/sbin:/sbin"

    def start(self):
        """Returns when all nodes are idle."""
        self._write_configuration()
        self._network = network.Network(self.folder, self.names, hub="controller")
        self._start_munge()
        self._start_daemon(["slurmctld", "-D"], "slurmctld")
        for name in self.names:
            (self.folder / f"spool-{name}").mkdir()
            (self.folder / f"tmp-{name}").mkdir()
            (self.folder / f"tmp-{name}").chmod(0o1777)
            self.boot(name)
        self.wait_for("all nodes are idle",
                      lambda: self.output("sinfo", "-p", "normal", "-h", "-N", "-t", "idle", "-o",
                                          "%N").split() == self.names, STARTS_WITHIN)

    def stop(self):
        subprocess.run(["scancel", "--user=root"], capture_output=True)
        for daemon in reversed(self._daemons):
            daemon.kill()
            daemon.wait()
        if self._network:
            self._network.stop()

    def boot(self, name):
        """Starts a node; returns before Slurm has noticed."""
        self._network.boot(name, "slurmd", "-D", "-N", name)

    def crash(self, name):
        """Ends a node and all that runs there at once, as a power failure would; its disk stays."""
        self._network.crash(name)

    def require_nodes(self):
        """Raises SlurmdDied when a node has gone that should be there."""
        self.died = self._network.ended()
        if self.died:
            raise SlurmdDied(", ".join(self.died))

    def output(self, *command):
        """What a Slurm command prints; empty while the controller does not answer."""
        return subprocess.run(command, capture_output=True, text=True).stdout

    def run(self, *command):
        return network.run(*command)

    def job(self, job):
        """What Slurm knows of a job, by name."""
        words = self.output("scontrol", "--oneliner", "show", "job", str(job)).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def wait_for(self, what, holds, seconds):
        """Returns what `holds` does, once that is true. Raises SlurmdDied as require_nodes does."""
        def holds_with_all_nodes():
            self.require_nodes()
            return holds()

        return network.wait_for(what, holds_with_all_nodes, seconds, lambda: self.output("squeue") + self.output("sinfo"))

    def _write_configuration(self):
        node = "NodeName={} NodeAddr=10.77.0.{} CPUs={} RealMemory=2000 State=UNKNOWN\n"
        text = CONFIGURATION.format(folder=self.folder, controller=network.HUB)
        text += "".join(node.format(name, i, self._cores) for i, name in enumerate(self.names, start=1))
        partition = f"PartitionName={{}} Nodes={','.join(self.names)} MaxTime=INFINITE State=UP PriorityTier={{}}"
        text += partition.format("normal", 1) + " Default=YES GraceTime=30\n" + partition.format("urgent", 2) + "\n"
        path = self.folder / "slurm.conf"
        path.write_text(text)
        os.environ["SLURM_CONF"] = str(path)

    def _start_munge(self):
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))
        socket = self.folder / "munge.socket"
        self._start_daemon(["munged", "--foreground", f"--key-file={key}", f"--socket={socket}",
                            f"--pid-file={self.folder}/munged.pid", f"--log-file={self.folder}/munged.log",
                            f"--seed-file={self.folder}/munge.seed"], "munged")
        self.wait_for("munged answers", socket.exists, STARTS_WITHIN)

    def _start_daemon(self, command, name):
        daemon = network.start(command, self.folder / f"{name}.out")
        self._daemons.append(daemon)
        return daemon
