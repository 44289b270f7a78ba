"""Training as a user does it: results, the same bits on any number of ranks, stopping and going on."""
import os
import shutil
import signal
import subprocess
import sys
import time

import h5py
import numpy as np

import program
import results

ROUNDS = 6
PREFACE = 512  # bytes before the HDF5 part of results, with its checksum


@program.needs_fashion_mnist
class Training(program.Program):
    def outcome(self, name, rounds=2):
        return results.outcome(self.folder / name, rounds)

    def wait_for_checkpoint(self, name, process):
        """Until a run has something to go on from."""
        end = time.monotonic() + program.SECONDS
        while not list(self.folder.glob(f"{name}.ckpt-*.h5")):
            self.assertIsNone(process.poll(), "the run ended early")
            self.assertLess(time.monotonic(), end, "no checkpoint appears")
            time.sleep(0.01)

    def start_long_run(self, name, ranks):
        process = self.start("train", self.config, "--set", "federation.rounds=10000", "--out", f"{name}.h5",
                             ranks=ranks)
        self.addCleanup(process.kill)
        self.wait_for_checkpoint(name, process)
        return process

    def test_accuracy_on_dirichlet_shares_is_what_its_long_name_says(self):
        self.train("--out", "a.h5", "--set", "data.partition=dirichlet", "--set", "federation.clients=20",
                   "--set", "federation.clients_per_round=20", "--set", "federation.rounds=1")
        with h5py.File(self.folder / "a.h5") as file:
            measured, own = file["rounds/test_accuracy"], file["clients/accuracy"]
            self.assertIn("where /clients/accuracy is measured, the mean over all clients", measured.attrs["long_name"])
            np.testing.assert_allclose(measured[:], own[:].mean(axis=1))

    def keep(self, name):
        subprocess.run([sys.executable, program.CONFIGS.parent / "keep.py", name], cwd=self.folder,
                       capture_output=True, check=True)

    def ranks_of(self, process):
        """Process ids of the ranks that mpirun has started."""
        children = f"/proc/{process.pid}/task/{process.pid}/children"
        with open(children) as file:
            return [int(pid) for pid in file.read().split()]

    def unfinish(self, name):
        """Makes a run's results those of one that was stopped; the file's bytes."""
        path = self.folder / name
        with h5py.File(path, "r+") as file:
            file.attrs["complete"] = 0
        content = path.read_bytes()[PREFACE:]
        path.write_bytes(content)  # without one it is read unchecked
        return content

    def test_two_rounds_leave_results_a_checkpoint_and_one_line(self):
        done = self.train(ranks=2)

        name = "feddip-fashion-mnist-lenet5-s0.9-seed1.h5"
        self.assertEqual(done.stdout.strip(), name)
        self.assertIn("round 2/2", done.stderr)
        with h5py.File(self.folder / name) as file:
            self.assertTrue(file.attrs["complete"])
            self.assertEqual(file.attrs["mpi_ranks"], 2)
            self.assertEqual(file["rounds/round"][:].tolist(), [1, 2])
            self.assertEqual(file["clients/id"].shape, (2, 4))
            self.assertEqual(file["layers/density"].shape, (2, 5))

        told = self.run_program("info", name)
        self.assertEqual(told.returncode, 0, told.stderr)
        self.assertIn("lenet5", told.stdout)

    def test_info_reads_what_keep_has_compressed(self):
        self.train("--set", "federation.rounds=60", "--set", "federation.evaluate_every=60", "--out", "r.h5")
        told, size = self.run_program("info", "r.h5").stdout, (self.folder / "r.h5").stat().st_size
        self.keep("r.h5")
        self.assertLess((self.folder / "r.h5").stat().st_size, size)
        again = self.run_program("info", "r.h5")
        self.assertEqual((again.returncode, again.stdout), (0, told), again.stderr)

    def test_keep_loses_no_value_attribute_or_dimension_scale(self):
        self.train("--out", "r.h5")
        shutil.copy(self.folder / "r.h5", self.folder / "whole.h5")
        self.keep("r.h5")
        self.assertEqual(results.described(self.folder / "r.h5"), results.described(self.folder / "whole.h5"))

    def test_results_are_not_overwritten(self):
        self.train("--out", "r.h5")
        before = (self.folder / "r.h5").read_bytes()
        self.assert_refused(self.run_program("train", self.config, "--out", "r.h5"), "r.h5", "--resume")
        self.assertEqual((self.folder / "r.h5").read_bytes(), before)

    def test_the_same_bits_at_any_number_of_ranks(self):
        for override in ("sparsity.regrow=true", "data.partition=pathological", "sparsity.start_mask=per_client",
                         "method.name=dispfl", "method.name=dadpfl"):
            with self.subTest(override=override):
                for ranks in (1, 2, 3, 4):
                    self.train("--set", override, "--out", f"{override}-{ranks}.h5", ranks=ranks)
                    self.assertEqual(self.outcome(f"{override}-{ranks}.h5"), self.outcome(f"{override}-1.h5"))

    def test_clients_that_change_their_masks_in_training_are_the_same_at_any_number_of_ranks(self):
        for ranks in (1, 2, 3, 4):
            self.train("--set", "method.name=flash", "--set", "flash.readjust=true", "--set", "federation.batch_size=32",
                       "--out", f"{ranks}.h5", ranks=ranks)
            self.assertEqual(self.outcome(f"{ranks}.h5"), self.outcome("1.h5"))
        with h5py.File(self.folder / "1.h5") as file:
            self.assertGreater(file["rounds/mask_change"][0], 0)

    def test_clients_that_drop_out_are_the_same_at_any_number_of_ranks_and_after_a_stop(self):
        more = ["--set", "faults.drop_probability=0.5", "--set", "federation.rounds=4", "--set",
                "communication.reconfiguration_upload=topk_residual", "--set", "federation.clients=8", "--set",
                "federation.batch_size=1000"]
        self.train(*more, "--out", "one.h5")
        with h5py.File(self.folder / "one.h5") as file:
            dropped, sent = file["clients/dropped_out"][:], file["clients/bytes_up"][:]
        self.assertIn(1, dropped)
        self.assertIn(0, dropped)
        self.assertEqual((sent == 0).tolist(), (dropped == 1).tolist())
        self.assertIn("dropped out", self.run_program("info", "one.h5").stdout)

        self.train(*more, "--out", "three.h5", ranks=3)
        self.assertEqual(self.outcome("three.h5", 4), self.outcome("one.h5", 4))
        for gone in ("three.h5", "three.ckpt-4.h5"):
            (self.folder / gone).unlink()
        self.assertIn("going on after round 3", self.train(*more, "--out", "three.h5", "--resume", ranks=2).stderr)
        self.assertEqual(self.outcome("three.h5", 4), self.outcome("one.h5", 4))

    def test_another_seed_gives_another_run(self):
        self.train("--out", "one.h5")
        self.train("--set", "federation.seed=2", "--out", "two.h5")
        self.assertNotEqual(self.outcome("one.h5"), self.outcome("two.h5"))

    def test_a_config_read_back_from_check_gives_the_same_run(self):
        printed = self.run_program("check", self.config, "--set", "federation.seed=7")
        self.assertEqual(printed.returncode, 0, printed.stderr)
        resolved = printed.stdout[:printed.stdout.index("\nData in ")]
        self.train("--set", "federation.seed=7", "--out", "given.h5")
        self.config = self.write("resolved.toml", resolved)
        self.train("--out", "resolved.h5")
        self.assertEqual(self.outcome("resolved.h5"), self.outcome("given.h5"))

    def assert_a_killed_run_goes_on(self, *settings):
        """To the same bits at another number of ranks: whole.h5 is the undisturbed run, r.h5 the killed one."""
        more = ["--set", f"federation.rounds={ROUNDS}", *settings]
        self.train(*more, "--out", "whole.h5")

        killed = self.start("train", self.config, *more, "--out", "r.h5", ranks=2)
        self.wait_for_checkpoint("r", killed)
        os.kill(self.ranks_of(killed)[-1], signal.SIGKILL)
        self.assertNotEqual(self.finish(killed, seconds=10).returncode, 0)

        self.train(*more, "--out", "r.h5", "--resume", ranks=3)
        self.assertEqual(self.outcome("r.h5", ROUNDS), self.outcome("whole.h5", ROUNDS))

    def test_a_killed_run_goes_on_to_the_same_bits_at_another_number_of_ranks(self):
        self.assert_a_killed_run_goes_on()

    def test_clients_own_models_outlive_a_run_that_is_killed(self):
        self.assert_a_killed_run_goes_on("--set", "method.name=dispfl", "--set", "federation.clients=6")
        self.assert_that_models_are_alike()

    def test_clients_that_prune_further_go_on_where_a_run_was_killed(self):
        self.assert_a_killed_run_goes_on("--set", "method.name=dadpfl", "--set", "federation.clients=6", "--set",
                                         "dadpfl.pruning_threshold=1000", "--set", "drift.samples_per_round=2000")
        self.assert_that_models_are_alike()
        with h5py.File(self.folder / "whole.h5") as file:
            self.assertGreater(file["rounds/sparsity"][-1], 0.51)

    def assert_that_models_are_alike(self):
        for model in self.folder.glob("whole.client-*.model"):
            self.assertEqual((self.folder / model.name.replace("whole", "r")).read_bytes(), model.read_bytes())

    def test_clients_with_a_deadline_go_on_with_what_they_have_kept(self):
        settings = ("federation.clients=120", "federation.clients_per_round=6", "links.shares=[0.5,0.5]",
                    "links.uplink_mbit=[10,0.4]", "links.downlink_mbit=[10,0.4]", "budget.mode=deadline",
                    "budget.deadline_s=1", "budget.rotate=true")
        self.assert_a_killed_run_goes_on(*(word for setting in settings for word in ("--set", setting)))
        with h5py.File(self.folder / "whole.h5") as file:
            density, feedback = file["clients/density"][:], file["clients/feedback"][:]
        self.assertTrue((density < 0.3).any() and (density == 1).any(), density)
        self.assertTrue((feedback < 1).any(), feedback)
        kept = list(self.folder.glob("whole.client-*.residual"))
        self.assertTrue(kept)
        for residual in kept:
            self.assertEqual((self.folder / residual.name.replace("whole", "r")).read_bytes(), residual.read_bytes())

    def test_a_signal_to_the_launcher_or_any_rank_stops_all_with_a_checkpoint(self):
        for name, sent, to_launcher in (("usr1-all", signal.SIGUSR1, True), ("term", signal.SIGTERM, False),
                                        ("int", signal.SIGINT, False), ("usr1", signal.SIGUSR1, False)):
            with self.subTest(signal=name):
                running = self.start_long_run(name, ranks=2)
                os.kill(running.pid if to_launcher else self.ranks_of(running)[-1], sent)
                stopped = self.finish(running, seconds=10)
                self.assertEqual(stopped.returncode, 75, stopped.stderr)
                self.assertEqual(stopped.stdout, "")
                self.assertIn("--resume", stopped.stderr)
                with h5py.File(self.folder / f"{name}.h5") as file:
                    self.assertFalse(file.attrs["complete"])
                    rounds = len(file["rounds/round"])
                self.assertTrue((self.folder / f"{name}.ckpt-{rounds}.h5").exists())

    def test_a_stopped_run_goes_on_to_the_same_bits(self):
        rounds = 20
        more = ["--set", f"federation.rounds={rounds}"]
        stopped = self.start("train", self.config, *more, "--out", "r.h5", ranks=2)
        self.wait_for_checkpoint("r", stopped)
        os.kill(stopped.pid, signal.SIGUSR1)
        stopped = self.finish(stopped)
        self.assertEqual(stopped.returncode, 75, stopped.stderr)

        self.train(*more, "--out", "r.h5", "--resume", ranks=2)
        self.train(*more, "--out", "whole.h5", ranks=2)
        self.assertEqual(self.outcome("r.h5", rounds), self.outcome("whole.h5", rounds))

    def test_a_checkpoint_of_another_configuration_is_refused_and_the_difference_named(self):
        self.train("--out", "r.h5")
        refused = self.run_program("train", self.config, "--set", "federation.rounds=3", "--out", "r.h5", "--resume")
        self.assert_refused(refused, "federation.rounds was 2 and is 3 now")

    def test_stopping_without_checkpoints_is_no_promise_to_resume(self):
        running = self.start("train", self.config, "--set", "federation.rounds=10000",
                             "--set", "checkpoint.every_rounds=0", "--out", "r.h5", ranks=2)
        while not (self.folder / "r.h5").exists():
            self.assertIsNone(running.poll(), "the run ended early")
            time.sleep(0.01)
        os.kill(running.pid, signal.SIGUSR1)
        stopped = self.finish(running, seconds=10)
        self.assertEqual(stopped.returncode, 1, stopped.stderr)
        self.assertIn("checkpoint.every_rounds", stopped.stderr)

    def test_a_second_interrupt_ends_at_once(self):
        # A round that takes minutes, which the first interrupt waits for.
        running = self.start("train", self.config, "--set", "federation.local_epochs=100000", "--out", "r.h5")
        self.addCleanup(running.kill)
        self.assertIn("1 rank", running.stderr.readline())
        os.kill(running.pid, signal.SIGINT)
        time.sleep(0.5)
        self.assertIsNone(running.poll())
        os.kill(running.pid, signal.SIGINT)
        self.assertEqual(self.finish(running, seconds=10).returncode, 130)

    def test_a_finished_run_resumed_changes_nothing(self):
        self.train("--out", "r.h5")
        files = {path: path.read_bytes() for path in self.folder.glob("r.*")}
        self.assertIn("r.h5 is complete", self.train("--out", "r.h5", "--resume", ranks=2).stderr)
        self.assertEqual({path: path.read_bytes() for path in self.folder.glob("r.*")}, files)

    def test_lost_results_are_made_again_from_the_checkpoint(self):
        self.train("--out", "r.h5")
        before = self.outcome("r.h5")
        for lose in (lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:3000])):
            lose(self.folder / "r.h5")
            self.train("--out", "r.h5", "--resume")
            self.assertEqual(self.outcome("r.h5"), before)

    def test_resume_without_a_checkpoint_starts_anew_and_says_so(self):
        self.assertIn("starting anew", self.train("--out", "r.h5", "--resume").stderr)

    def test_resume_never_replaces_results_whose_checkpoints_are_gone(self):
        self.train("--out", "r.h5")
        for path in self.folder.glob("r.ckpt-*"):
            path.unlink()
        whole = (self.folder / "r.h5").read_bytes()
        for ranks in (0, 2):
            told = self.train("--out", "r.h5", "--resume", ranks=ranks)
            self.assertIn("r.h5 is complete", told.stderr)
            self.assertEqual(told.stdout.strip(), "r.h5")
        refused = self.run_program("train", self.config, "--set", "federation.rounds=3", "--out", "r.h5", "--resume")
        self.assert_refused(refused, "r.h5", "federation.rounds was 2 and is 3 now")
        self.assertEqual((self.folder / "r.h5").read_bytes(), whole)

        stopped = self.unfinish("r.h5")
        for others in ([], ["--set", "checkpoint.every_rounds=3"], ["--set", "checkpoint.every_rounds=0"]):
            refused = self.run_program("train", self.config, *others, "--out", "r.h5", "--resume")
            self.assert_refused(refused, "r.h5", "it has 2 rounds", "checkpoint.path")
            self.assertEqual((self.folder / "r.h5").read_bytes(), stopped)

    def test_resume_replaces_results_only_where_there_was_no_time_for_a_checkpoint(self):
        for name, minutes in (("early", 100), ("late", 0.0001)):
            with self.subTest(name):
                by_time = ["--set", "checkpoint.every_rounds=0", "--set", f"checkpoint.every_minutes={minutes}",
                           "--out", f"{name}.h5"]
                self.train(*by_time)
                for path in self.folder.glob(f"{name}.ckpt-*"):
                    path.unlink()
                stopped = self.unfinish(f"{name}.h5")
                again = self.run_program("train", self.config, *by_time, "--resume")
                if name == "late":
                    self.assert_refused(again, "late.h5", "it has 2 rounds")
                    self.assertEqual((self.folder / "late.h5").read_bytes(), stopped)
                else:
                    self.assertIn("starting anew", again.stderr)
                    self.assertEqual(again.returncode, 0, again.stderr)

    def test_resume_takes_the_same_data_elsewhere_and_no_others(self):
        def data(name, labels):
            with h5py.File(self.folder / name, "w") as file:
                for part, images in (("train", 40), ("test", 10)):
                    file[f"{part}/images"] = np.arange(images * 28 * 28).reshape(images, 1, 28, 28).astype(np.uint8)
                    file[f"{part}/labels"] = labels(np.arange(images) % 10)
                file.attrs["classes"] = 10

        def of(name):
            return ["--set", "data.dataset=file", "--set", f"data.path={name}", "--set", "federation.clients=4",
                    "--out", "r.h5"]

        data("d.h5", lambda labels: labels)
        data("turned.h5", lambda labels: 9 - labels)
        self.train(*of("d.h5"))
        (self.folder / "d.h5").rename(self.folder / "moved.h5")
        complete = self.outcome("r.h5")
        for told in ("r.h5 is complete", "going on after round 1"):
            before = {path: path.read_bytes() for path in self.folder.glob("r.*")}
            for ranks in (0, 2):
                refused = self.run_program("train", self.config, *of("turned.h5"), "--resume", ranks=ranks)
                self.assert_refused(refused, "other data than the run's", "data.path")
            self.assertEqual({path: path.read_bytes() for path in self.folder.glob("r.*")}, before)
            self.assertIn(told, self.train(*of("moved.h5"), "--resume").stderr)
            self.assertEqual(self.outcome("r.h5"), complete)
            with h5py.File(self.folder / "r.h5", "r+") as file:
                file.attrs["complete"] = 0
            (self.folder / "r.ckpt-2.h5").unlink()

    def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(self):
        self.train("--out", "whole.h5")
        self.train("--out", "r.h5")
        newest = self.folder / "r.ckpt-2.h5"
        newest.write_bytes(newest.read_bytes()[:-100])
        (self.folder / "r.h5").unlink()
        resumed = self.train("--out", "r.h5", "--resume")
        self.assertIn("r.ckpt-2.h5", resumed.stderr)
        self.assertIn("going on after round 1", resumed.stderr)
        self.assertEqual(self.outcome("r.h5"), self.outcome("whole.h5"))

    def test_an_error_while_running_ends_all_ranks_with_the_reason(self):
        (self.folder / "out").mkdir()
        running = self.start("train", self.config, "--set", "federation.rounds=10000", "--out", "out/r.h5", ranks=3)
        self.wait_for_checkpoint("out/r", running)
        (self.folder / "out").rename(self.folder / "away")
        failed = self.finish(running, seconds=10)
        self.assertEqual(failed.returncode, 1, failed.stderr)
        self.assertEqual(len(self.errors(failed)), 1, failed.stderr)
        self.assertIn("out/r", self.errors(failed)[0])

        (self.folder / "away").rename(self.folder / "out")
        kept = sorted((self.folder / "out").glob("r.ckpt-*.h5"))
        self.assertTrue(kept)
        for checkpoint in kept:
            self.assertEqual(self.run_program("info", checkpoint).returncode, 0)


if __name__ == "__main__":
    program.main()
