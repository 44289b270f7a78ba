"""Namespaces around a process and all that it starts: its own network, host name, mounts and process ids.

Whatever runs inside ends with the process, however that ends, and can't be in the way of anything outside.
"""
import os
import subprocess
import sys

MARK = "FEDDIP_TEST_SANDBOX"
UNSHARE = ["unshare", "--net", "--uts", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]


def why_not(*also):
    """Why there can be no sandbox here in which the commands `also` work; None if there can."""
    probe = " && ".join(["ip link add probe type bridge", "mount -t tmpfs none /mnt", *also])
    try:
        tried = subprocess.run([*UNSHARE, "sh", "-c", probe], capture_output=True, text=True)
    except OSError as problem:
        return str(problem)
    return None if tried.returncode == 0 else f"no namespaces for this user: {tried.stderr.strip()}"


def _inside():
    return [*UNSHARE, sys.executable, "-B", *sys.argv]


def enter():
    """Starts this script again inside; returns inside."""
    if MARK not in os.environ:
        os.environ[MARK] = "1"
        os.execvp(UNSHARE[0], _inside())


def require():
    """Raises RuntimeError outside, where the mounts and links that a test makes would stay."""
    if MARK not in os.environ:
        raise RuntimeError("this test changes mounts, links and the host name of the machine it runs on: "
                           "run its script, not the module, so that it enters a sandbox first")


def run():
    """The exit status of this script, started again inside."""
    return subprocess.run(_inside(), env={**os.environ, MARK: "1"}).returncode
