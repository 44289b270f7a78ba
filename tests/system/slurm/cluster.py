"""A real Slurm of several nodes on one machine, for one test, in a sandbox (sandbox.py).

Each node is a slurmd with a network, host name, /dev/shm and process ids of its own; the disk is shared, as on a
cluster. Open MPI needs that much: nodes that share a host name crash it. Nothing is written outside `folder`.
"""
import os
import pathlib
import shutil
import subprocess
import time

PROGRAMS = ["munged", "slurmctld", "slurmd", "sbatch", "srun", "unshare", "nsenter", "ip"]
STARTS_WITHIN = 60  # seconds

CONTROLLER = "10.77.0.254"

# Requeued jobs wait for their old credential to expire: two minutes by default, 5 s is the least. The rest keeps Slurm
# away from cgroups and accounts, and lets nodes have more cores than the machine.
CONFIGURATION = """
ClusterName=feddip-test
SlurmctldHost=controller({controller})
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
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

# What a node does before its slurmd starts; its first process stays a shell, which cleans up after the dead.
NODE = """
hostname "$1"
ip link set lo up
mount -t tmpfs tmpfs /dev/shm
until ip -4 addr show dev eth0 2>/dev/null | grep -q inet; do sleep 0.05; done
slurmd -D -N "$1" &
wait
"""


def missing_programs():
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    return [name for name in PROGRAMS if not shutil.which(name, path=path)]


class Cluster:
    def __init__(self, folder, nodes=2, cores=8):
        self.folder = pathlib.Path(folder)
        self.names = [f"n{i + 1}" for i in range(nodes)]
        self._cores = cores
        self._daemons = []
        self._nodes = {}
        os.environ["PATH"] += ":/usr/sbin:/sbin"

    def start(self):
        """Returns when all nodes are idle."""
        self._write_configuration()
        self._set_up_network()
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

    def boot(self, name):
        """Starts a node; returns before Slurm has noticed."""
        number = self.names.index(name) + 1
        link = f"veth{number}"
        outside = os.readlink("/proc/self/ns/net")
        node = self._start_daemon(["unshare", "--net", "--uts", "--mount", "--pid", "--fork", "--kill-child",
                                   "--mount-proc", "bash", "-c", NODE, "node", name], name)
        self._nodes[name] = node
        self.wait_for(f"{name} has a network of its own",
                      lambda: os.readlink(f"/proc/{node.pid}/ns/net") != outside, STARTS_WITHIN)
        self.run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(node.pid))
        self.run("ip", "link", "set", link, "master", "bridge", "up")
        inside = ["nsenter", "-t", str(node.pid), "-n", "ip"]
        self.run(*inside, "link", "set", "eth0", "up")
        self.run(*inside, "addr", "add", f"10.77.0.{number}/24", "dev", "eth0")

    def crash(self, name):
        """Ends a node and all that runs there at once, as a power failure would; its disk stays."""
        node = self._nodes.pop(name)
        self._daemons.remove(node)
        node.kill()
        node.wait()

    def output(self, *command):
        """What a Slurm command prints; empty while the controller does not answer."""
        return subprocess.run(command, capture_output=True, text=True).stdout

    def run(self, *command):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
        return done.stdout

    def job(self, job):
        """What Slurm knows of a job, by name."""
        words = self.output("scontrol", "--oneliner", "show", "job", str(job)).split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    def wait_for(self, what, holds, seconds):
        """Returns what `holds` does, once that is true."""
        end = time.monotonic() + seconds
        while True:
            found = holds()
            if found:
                return found
            if time.monotonic() > end:
                raise TimeoutError(f"not within {seconds} s: {what}\n{self.output('squeue')}{self.output('sinfo')}")
            time.sleep(0.1)

    def _write_configuration(self):
        node = "NodeName={} NodeAddr=10.77.0.{} CPUs={} RealMemory=2000 State=UNKNOWN\n"
        text = CONFIGURATION.format(folder=self.folder, controller=CONTROLLER)
        text += "".join(node.format(name, i, self._cores) for i, name in enumerate(self.names, start=1))
        partition = f"PartitionName={{}} Nodes={','.join(self.names)} MaxTime=INFINITE State=UP PriorityTier={{}}"
        text += partition.format("normal", 1) + " Default=YES GraceTime=30\n" + partition.format("urgent", 2) + "\n"
        path = self.folder / "slurm.conf"
        path.write_text(text)
        os.environ["SLURM_CONF"] = str(path)

    def _set_up_network(self):
        hosts = self.folder / "hosts"
        hosts.write_text("127.0.0.1 localhost\n" + f"{CONTROLLER} controller\n" +
                         "".join(f"10.77.0.{i} {name}\n" for i, name in enumerate(self.names, start=1)))
        self.run("mount", "--bind", str(hosts), "/etc/hosts")
        self.run("hostname", "controller")
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "link", "add", "bridge", "type", "bridge")
        self.run("ip", "addr", "add", f"{CONTROLLER}/24", "dev", "bridge")
        self.run("ip", "link", "set", "bridge", "up")

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
        with open(self.folder / f"{name}.out", "wb") as out:
            daemon = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                      start_new_session=True)
        self._daemons.append(daemon)
        return daemon
