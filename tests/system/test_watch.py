"""Faults of runs of the program, as analysis/watch.py names them. Those of files alone: tests/unit/io/test_watch.py."""
import os
import pathlib
import signal
import subprocess
import sys
import time

import h5py

import program
import sandbox

WATCH = pathlib.Path(__file__).resolve().parents[2] / "analysis" / "watch.py"
LONG = ("--set", "federation.rounds=100000")


@program.needs_fashion_mnist
class Watch(program.Program):
    def watch(self, *arguments, thresholds=""):
        """The exit code, and the alerts by the name of the run."""
        own = self.write("own.toml", "[disk_fills]\nwarning = 2\ncritical = 2\n" + thresholds)
        told = subprocess.run([sys.executable, "-B", WATCH, "--thresholds", own, *arguments], cwd=self.folder,
                              capture_output=True, text=True)
        alerts = [line.split()[2].removesuffix(":") for line in told.stdout.splitlines() if not line.startswith("OK")]
        return told.returncode, alerts, told.stdout + told.stderr

    def long_run(self, *arguments):
        """A run that has done its first rounds and goes on."""
        process = self.start("train", self.config, "--out", "a.h5", *LONG, *arguments)
        self.addCleanup(lambda: process.poll() is None and (process.kill(), process.communicate()))
        end = time.monotonic() + program.SECONDS
        while not self.rounds():
            self.assertLess(time.monotonic(), end)
            self.assertIsNone(process.poll())
            time.sleep(0.1)
        return process

    def rounds(self):
        path = self.folder / "a.h5"
        if not path.exists():
            return 0
        with h5py.File(path) as file:
            return len(file["rounds/round"])

    def test_a_run_that_goes_on_and_one_that_is_complete_are_well(self):
        self.train("--out", "b.h5")
        self.long_run()
        code, alerts, told = self.watch("a.h5", "b.h5")
        self.assertEqual((code, alerts), (0, []), told)

    def test_a_job_that_stands_still(self):
        process = self.long_run()
        process.send_signal(signal.SIGSTOP)
        time.sleep(3)
        few = "[stalled]\nleast_minutes = 0.02\nwarning = 0.01\ncritical = 100000\n"
        code, alerts, told = self.watch("a.h5", thresholds=few)
        self.assertEqual((code, alerts), (1, ["stalled"]), told)
        self.assertIn(f"process {process.pid} on ", told)
        process.send_signal(signal.SIGCONT)

    def test_a_job_that_was_killed_and_one_that_was_stopped(self):
        process = self.long_run()
        process.kill()
        process.communicate()
        lease = self.folder / "a.lease"
        minutes_ago = time.time() - 400
        os.utime(lease, (minutes_ago, minutes_ago))
        code, alerts, told = self.watch("a.h5")
        self.assertEqual((code, alerts), (2, ["died"]), told)

        done = self.rounds()
        again = self.start("train", self.config, "--out", "a.h5", *LONG, "--resume")
        end = time.monotonic() + program.SECONDS
        while self.rounds() <= done:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.1)
        again.terminate()
        self.assertEqual(self.finish(again).returncode, 75)
        self.assertFalse(lease.exists())
        code, alerts, told = self.watch("a.h5")
        self.assertEqual((code, alerts), (1, ["stopped"]), told)

    def test_a_job_that_stood_still_and_lost_its_run(self):
        process = self.long_run("--set", "federation.local_epochs=10")
        done = self.rounds()
        end = time.monotonic() + program.SECONDS
        while self.rounds() == done:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)
        time.sleep(0.2)  # it has written what belongs to the round, and is in the next
        process.send_signal(signal.SIGSTOP)
        lease = self.folder / "a.lease"
        another = {"token": "0123456789abcdef", "host": "elsewhere", "boot": "another", "pid": "77"}
        held = [line.split(" ", 1) for line in lease.read_text().splitlines()]
        (self.folder / "taken").write_text("".join(f"{key} {another.get(key, value)}\n" for key, value in held))
        (self.folder / "taken").rename(lease)
        before = {path.name: path.read_bytes() for path in self.folder.iterdir()}

        process.send_signal(signal.SIGCONT)
        ended = self.finish(process)
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertIn("feddip: error: lost the run (a.h5): process 77 on elsewhere has taken it over", ended.stderr)
        self.assertEqual({path.name: path.read_bytes() for path in self.folder.iterdir()}, before)

    def test_clients_that_vanish(self):
        self.train("--out", "a.h5", "--set", "faults.drop_probability=0.9")
        code, alerts, told = self.watch("a.h5")
        self.assertEqual((code, alerts), (2, ["clients_vanishing"]), told)

    def test_an_accuracy_that_falls_because_the_data_have_turned(self):
        learns = ("method.name=fedavg", "federation.clients=10", "federation.clients_per_round=2", "federation.batch_size=32",
                  "federation.rounds=9", "drift.kind=rotation", "drift.strength=90", "drift.at=[8]",
                  "drift.samples_per_round=1500")
        self.train("--out", "a.h5", *(word for setting in learns for word in ("--set", setting)))
        code, alerts, told = self.watch("a.h5", thresholds="[accuracy_falling]\nrounds = 2\ncritical = 0.05\n")
        self.assertEqual((code, alerts), (2, ["accuracy_falling"]), told)

    def hostile(self, strength):
        """What clients that send huge values leave behind; some of each round's."""
        return ("--set", "attack.kind=gaussian", "--set", "attack.clients=200", "--set", f"attack.strength={strength}",
                "--set", "federation.rounds=6")

    def test_updates_that_are_not_finite(self):
        self.train("--out", "a.h5", *self.hostile(1e300))
        code, alerts, told = self.watch("a.h5")
        self.assertEqual((code, alerts), (1, ["updates_not_finite"]), told)

    def test_a_model_whose_loss_is_not_finite(self):
        broken = self.train("--out", "a.h5", *self.hostile(3e37), expect=1)
        self.assertIn("no usable update", broken.stderr)
        code, alerts, told = self.watch("a.h5")
        self.assertEqual((code, alerts), (1, ["loss_not_finite", "stopped"]), told)

    def test_a_run_without_checkpoints(self):
        self.long_run("--set", "checkpoint.every_rounds=0", "--set", "checkpoint.every_minutes=0")
        code, alerts, told = self.watch("a.h5", thresholds="[checkpoint_old]\nwarning = 0.0001\n")
        self.assertEqual((code, alerts), (1, ["checkpoint_old"]), told)
        self.assertIn("none in ", told)

    def test_a_file_that_was_cut_off(self):
        self.train("--out", "a.h5")
        whole = (self.folder / "a.h5").read_bytes()
        (self.folder / "a.h5").write_bytes(whole[:len(whole) // 2])
        code, alerts, told = self.watch("a.h5")
        self.assertEqual((code, alerts), (2, ["unreadable"]), told)

    def test_a_disk_that_is_full(self):
        reason = sandbox.why_not()
        if reason:
            self.skipTest(reason)
        full = self.folder / "full"
        full.mkdir()
        self.write("fill.sh", f"""
            ip link set lo up
            mount -t tmpfs -o size=600k none {full}
            {program.FEDDIP} train {self.config} --out {full}/a.h5 {' '.join(LONG)}
            echo "ended with $?"
            {sys.executable} -B {WATCH} {full}
            echo "watched with $?"
            {program.FEDDIP} info {full}/a.h5""")
        command = [*sandbox.UNSHARE, "sh", self.folder / "fill.sh"]
        done = subprocess.run(command, cwd=self.folder, env=program.ENVIRONMENT, capture_output=True, text=True,
                              timeout=program.SECONDS)
        told = done.stdout + done.stderr
        self.assertIn("ended with 1\n", told)
        self.assertRegex(told, r"feddip: error: can't write file \(.+\): No space left on device")
        self.assertIn(f"CRITICAL {full}/a.h5 disk_fills: ", told)
        self.assertIn(f"WARNING  {full}/a.h5 stopped: ", told)
        self.assertIn("watched with 2\n", told)
        self.assertRegex(told, r"rounds +\d+ of 100000, not complete")


if __name__ == "__main__":
    program.main()
