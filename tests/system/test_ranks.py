"""jobs/lib.sh: signals that reach a script reach its ranks, with a stand-in for mpirun."""
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

LIB = pathlib.Path(__file__).resolve().parents[2] / "jobs" / "lib.sh"
SECONDS = 60

# Ends as feddip does that was asked to stop, once the test says that it has sent all signals, or is told to end at once.
MPIRUN = """#!/usr/bin/env bash
trap 'echo USR1 >> signals; for ((j = 0; j < 600; j++)); do [[ -e all-sent ]] && break; sleep 0.1; done; exit 75' USR1
trap 'echo TERM >> signals; exit 143' TERM
touch training
for ((i = 0; i < 600; i++)); do sleep 0.1; done
echo "never stopped" >> signals
"""


class Signals(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="feddip-ranks-")
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        (self.folder / "mpirun").write_text(MPIRUN)
        (self.folder / "mpirun").chmod(0o755)

    def got(self):
        got = self.folder / "signals"
        return got.read_text().split() if got.exists() else []

    def wait_until(self, holds):
        end = time.monotonic() + SECONDS
        while not holds():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)

    def signals_after(self, *sent):
        """The exit code of a script whose ranks train when it is sent these, and those that mpirun got. The first and SIGTERM
        must reach it before the next is sent: signals that wait together are one."""
        for name in ("signals", "training", "all-sent"):
            (self.folder / name).unlink(missing_ok=True)
        script = subprocess.Popen(["bash", "-c", f"set -euo pipefail; source {LIB}; mpi_run 1 feddip train"],
                                  cwd=self.folder, env={**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"})
        self.wait_until((self.folder / "training").exists)
        for number, name in enumerate(sent):
            script.send_signal(name)
            if number == 0 or name == signal.SIGTERM:
                self.wait_until(lambda: len(self.got()) > number)
            else:
                time.sleep(0.2)  # in which nothing should come
        (self.folder / "all-sent").touch()
        code = script.wait(timeout=SECONDS)
        return code, self.got()

    def test_each_is_a_wish_to_stop_with_a_checkpoint(self):
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(name):
                self.assertEqual(self.signals_after(name), (75, ["USR1"]))

    def test_a_terminal_that_closes_says_so_twice(self):
        self.assertEqual(self.signals_after(signal.SIGHUP, signal.SIGHUP), (75, ["USR1"]))

    def test_a_second_one_ends_the_ranks(self):
        for first in (signal.SIGINT, signal.SIGHUP):
            with self.subTest(first):
                self.assertEqual(self.signals_after(first, signal.SIGTERM), (75, ["USR1", "TERM"]))

    def test_one_that_comes_before_the_program_handles_it_is_a_wish_to_stop_too(self):
        (self.folder / "mpirun").write_text(MPIRUN.replace("exit 75", "exit 138"))
        self.assertEqual(self.signals_after(signal.SIGINT), (75, ["USR1"]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
