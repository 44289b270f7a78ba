"""A network of several machines on one: in a sandbox (sandbox.py), each with namespaces of its own.

Each has a network, host name, /dev/shm and process ids of its own; the disk is shared, as on a cluster. Open MPI needs
that much: machines that share a host name crash it. Nothing is written outside `folder`.
"""
import os
import pathlib
import subprocess
import time

import sandbox

PROGRAMS = [sandbox.UNSHARE[0], "nsenter", "ip", "tc"]
STARTS_WITHIN = 60  # seconds
ADDRESSES = "10.77.0.0/24"
HUB = "10.77.0.254"  # the address of the process that makes the network

# What a machine does before its command starts; its first process stays a shell, which cleans up after the dead.
BOOT = """
hostname "$1"
ip link set lo up
mount -t tmpfs tmpfs /dev/shm
until ip -4 addr show dev eth0 2>/dev/null | grep -q inet; do sleep 0.05; done
shift
"$@" &
wait
"""

# Stands in for ssh: HOST COMMAND...
AGENT = """#!/bin/sh
pid=$(cat "{folder}/$1.pid") || exit 255
shift
exec nsenter --target "$pid" --net --uts --mount --pid -- sh -c "$*"
"""


def run(*command):
    """What a command prints."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


def wait_for(what, holds, seconds, explain=lambda: ""):
    """Returns what `holds` does, once that is true."""
    end = time.monotonic() + seconds
    while True:
        found = holds()
        if found:
            return found
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s: {what}\n{explain()}")
        time.sleep(0.1)


def start(command, out):
    """A process in the background, that writes to the file `out`."""
    with open(out, "wb") as file:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)


class Network:
    """A bridge, to which machines are added by boot()."""

    def __init__(self, folder, names, hub="hub"):
        """`names` are those of all machines that may be booted. Raises RuntimeError outside a sandbox."""
        sandbox.require()
        self.folder = pathlib.Path(folder)
        self.names = names
        self.agent = self.folder / "agent"  # runs a command on a machine as ssh would; for those without a shell
        self._machines = {}

        self.agent.write_text(AGENT.format(folder=self.folder))
        self.agent.chmod(0o755)
        hosts = self.folder / "hosts"
        hosts.write_text(f"127.0.0.1 localhost\n{HUB} {hub}\n" +
                         "".join(f"{self.address(name)} {name}\n" for name in names))
        run("mount", "--bind", str(hosts), "/etc/hosts")
        run("hostname", hub)
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "bridge", "type", "bridge")
        run("ip", "addr", "add", f"{HUB}/24", "dev", "bridge")
        run("ip", "link", "set", "bridge", "up")

    def address(self, name):
        return f"10.77.0.{self.names.index(name) + 1}"

    def boot(self, name, *command):
        """Starts a machine that runs `command` all its life."""
        outside = os.readlink("/proc/self/ns/net")
        machine = start([*sandbox.UNSHARE, "bash", "-c", BOOT, "machine", name, *command],
                        self.folder / f"{name}.out")
        self._machines[name] = machine
        wait_for(f"{name} has a network of its own",
                 lambda: os.readlink(f"/proc/{machine.pid}/ns/net") != outside, STARTS_WITHIN)
        first = wait_for(f"{name} runs",
                         pathlib.Path(f"/proc/{machine.pid}/task/{machine.pid}/children").read_text, STARTS_WITHIN)
        (self.folder / f"{name}.pid").write_text(first.strip())

        link = self._link(name)
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(machine.pid))
        run("ip", "link", "set", link, "master", "bridge", "up")
        self._inside(name, "ip", "link", "set", "eth0", "up")
        self._inside(name, "ip", "addr", "add", f"{self.address(name)}/24", "dev", "eth0")

    def limit(self, name, mbit):
        """Up and down, 10^6 bits per second each; None for no limit."""
        for tc, link in (((), self._link(name)), (self._nsenter(name), "eth0")):
            subprocess.run([*tc, "tc", "qdisc", "del", "dev", link, "root"], capture_output=True)
            if mbit is not None:
                # A queue that holds a second of traffic drops nothing of a message.
                run(*tc, "tc", "qdisc", "add", "dev", link, "root", "tbf", "rate", f"{mbit}mbit", "burst", "2kb",
                    "latency", "1s")

    def mpirun_options(self, names):
        """One rank on each of these machines, which talk TCP; mpirun itself stays outside."""
        return ["-H", ",".join(names), "--mca", "plm_rsh_agent", str(self.agent), "--mca", "plm_rsh_no_tree_spawn", "1",
                "--mca", "btl", "self,tcp", "--mca", "btl_tcp_if_include", ADDRESSES,
                "--mca", "oob_tcp_if_include", ADDRESSES]

    def ended(self):
        """Machines whose command has ended by itself."""
        return [name for name, machine in self._machines.items() if machine.poll() is not None]

    def crash(self, name):
        """Ends a machine and all that runs there at once, as a power failure would; its disk stays."""
        machine = self._machines.pop(name)
        machine.kill()
        machine.wait()

    def stop(self):
        for name in list(self._machines):
            self.crash(name)

    def _link(self, name):
        return f"veth{self.names.index(name) + 1}"

    def _nsenter(self, name):
        return "nsenter", "-t", str(self._machines[name].pid), "-n"

    def _inside(self, name, *command):
        run(*self._nsenter(name), *command)
