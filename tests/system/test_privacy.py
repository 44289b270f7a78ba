"""Differential privacy as a user meets it: what check promises, what a file tells, and what a killed run draws again."""
import json
import shutil
import signal
import time

import h5py
import numpy as np

import program
import results

PRIVATE = ["--set", "privacy.clip=1", "--set", "privacy.noise_multiplier=2", "--set", "privacy.sampling=poisson",
           "--set", "federation.clients_per_round=3", "--set", "checkpoint.keep=100"]


@program.needs_fashion_mnist
class Privacy(program.Program):
    def check(self, *arguments):
        done = self.run_program("check", self.config, *arguments, "--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["privacy"]

    def test_a_run_spends_what_check_says_and_its_file_names_nobody(self):
        self.train(*PRIVATE, "--out", "r.h5", ranks=2)
        promised = self.check(*PRIVATE)
        with h5py.File(self.folder / "r.h5") as file:
            self.assertEqual(file["rounds/epsilon"][-1], promised["epsilon"])
            self.assertGreater(file["rounds/epsilon"][-1], file["rounds/epsilon"][0])
            self.assertTrue((file["clients/id"][:] == -1).all())
            self.assertTrue(np.isnan(file["clients/train_loss"][:]).all())
            for name in ("train_loss", "seconds_train", "seconds_round", "simulated_seconds"):
                self.assertTrue(np.isnan(file["rounds"][name][:]).all(), name)
            self.assertFalse(file["rounds/mpi_bytes"][:].any())
            self.assertFalse(np.isnan(file["rounds/test_accuracy"][:]).any())
            self.assertNotIn("protection", file)

    def test_a_run_ends_with_its_budget_and_is_complete(self):
        budget = 1.05 * self.check(*PRIVATE)["epsilon"]
        limited = [*PRIVATE, "--set", "federation.rounds=50", "--set", f"privacy.epsilon={budget}"]
        rounds = self.check(*limited)["rounds"]
        self.assertIn(rounds, range(2, 50))

        self.train(*limited, "--out", "r.h5")

        with h5py.File(self.folder / "r.h5") as file:
            self.assertEqual(len(file["rounds/round"]), rounds)
            self.assertLessEqual(file["rounds/epsilon"][-1], budget)
            self.assertTrue(file.attrs["complete"])
        again = self.train(*limited, "--out", "r.h5", "--resume")
        self.assertEqual(again.stdout.strip(), "r.h5")
        with h5py.File(self.folder / "r.h5") as file:
            self.assertEqual(len(file["rounds/round"]), rounds, "nothing is left to spend")

    def test_a_killed_run_draws_the_noise_again_that_it_had_drawn(self):
        more = [*PRIVATE, "--set", "federation.rounds=4"]
        killed = self.start("train", self.config, *more, "--set", "federation.rounds=4", "--out", "a.h5", ranks=2)
        self.addCleanup(killed.kill)
        end = time.monotonic() + program.SECONDS
        while not (self.folder / "a.ckpt-1.h5").exists():
            self.assertIsNone(killed.poll(), "the run ended early")
            self.assertLess(time.monotonic(), end, "no checkpoint appears")
            time.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        # From the same key, never killed.
        shutil.copy(self.folder / "a.ckpt-0.h5", self.folder / "b.ckpt-0.h5")
        self.train(*more, "--out", "b.h5", "--resume")
        self.train(*more, "--out", "a.h5", "--resume", ranks=2)
        self.assertEqual(results.outcome(self.folder / "a.h5", 4), results.outcome(self.folder / "b.h5", 4))

        self.train(*more, "--out", "c.h5")
        self.assertNotEqual(results.outcome(self.folder / "c.h5", 4), results.outcome(self.folder / "b.h5", 4),
                            "a run of its own has a key of its own")


if __name__ == "__main__":
    program.main()
