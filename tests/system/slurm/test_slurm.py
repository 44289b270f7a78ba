"""The job scripts on a real Slurm: whatever befalls a job, on one node and on two, its run ends with the same bits."""
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import cluster
import program
import results
import sandbox

JOBS = pathlib.Path(__file__).resolve().parents[3] / "jobs"
ROUNDS = 9
REQUEUES = int(os.environ.get("FEDDIP_TEST_REQUEUES", 1))  # of a job, at random moments
SECONDS = 240  # that nothing here takes
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY"}
NODES = (1, 2)
SLURMD_DIED = 70
CLUSTERS = 3  # that are tried where a slurmd dies of a fault of its own

# What keeps something between rounds beside the model, as the settings that switch it on.
KEEPERS = {
    "privacy": "privacy.clip=1 privacy.noise_multiplier=2 privacy.sampling=poisson",
    "budgets": "links.shares=[0.5,0.5] links.uplink_mbit=[10,0.4] links.downlink_mbit=[10,0.4] budget.mode=deadline "
               "budget.deadline_s=1 budget.rotate=true federation.clients=120",
    "drift": "drift.kind=rotation drift.at=[3] drift.strength=90 adaptation.answer=regrow",
    "secure-sum": "privacy.secure_sum=true",
}


class Slurm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="feddip-slurm-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.folder.chmod(0o755)  # munged wants its socket to be within everyone's reach
        (cls.folder / "slurm").mkdir()
        cls.slurm = cluster.Cluster(cls.folder / "slurm")
        cls.addClassCleanup(cls.slurm.stop)
        cls.slurm.start()

        (cls.folder / "tiny.toml").write_text(program.TINY.replace("rounds = 2", f"rounds = {ROUNDS}"))
        os.environ.update(program.ENVIRONMENT, OMPI_MCA_mpi_yield_when_idle="1",
                          FEDDIP=str(pathlib.Path(program.FEDDIP).resolve()))
        os.chdir(cls.folder)
        cls.undisturbed()

    @classmethod
    def undisturbed(cls, seed=1, rounds=ROUNDS):
        """What a run leaves that Slurm has nothing to do with."""
        path = cls.folder / f"undisturbed-{seed}-{rounds}.h5"
        if not path.exists():
            subprocess.run([os.environ["FEDDIP"], "train", "tiny.toml", "--set", f"federation.seed={seed}", "--set",
                            f"federation.rounds={rounds}", "--out", str(path)], check=True, capture_output=True)
        return results.outcome(path, rounds)

    def tool(self, name, *arguments):
        """What one of the tools beside the job scripts prints."""
        return self.slurm.run(sys.executable, "-B", str(JOBS / name), *arguments)

    def submit(self, name, nodes, *options, rounds=ROUNDS, settings=(), **environment):
        """A job of two ranks for the run `name`.h5; its id."""
        command = ["sbatch", "--parsable", f"--nodes={nodes}", f"--ntasks-per-node={2 // nodes}", *options,
                   str(JOBS / "train.sbatch"), "tiny.toml",
                   "--set", f"federation.rounds={rounds}", *settings, "--out", f"{name}.h5"]
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def submit_each(self, name, *options, **environment):
        """The same on one node and on two, at the same time: ids by name."""
        return {f"{name}-{nodes}": self.submit(f"{name}-{nodes}", nodes, *options, **environment) for nodes in NODES}

    def log(self, name):
        path = self.folder / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def wait_for(self, what, name, holds):
        try:
            return self.slurm.wait_for(what, holds, SECONDS)
        except TimeoutError as late:
            self.fail(f"{late}\n{self.log(name)}")

    def ranks(self, name):
        """Process ids of a run's ranks, on whatever node."""
        found = []
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = entry.read_bytes().decode().split("\0")
            except OSError:
                continue
            if words[0] == os.environ["FEDDIP"] and f"{name}.h5" in words:
                found.append(int(entry.parent.name))
        return found

    def hold(self, name):
        """Lets the run come to its first checkpoint and no further, until it is let go or killed."""
        self.wait_for("a checkpoint", name, lambda: list(self.folder.glob(f"{name}.ckpt-*.h5")))
        held = self.ranks(name)
        self.assertEqual(len(held), 2, self.log(name))
        for pid in held:
            os.kill(pid, signal.SIGSTOP)

    def let_go(self, name):
        for pid in self.ranks(name):
            os.kill(pid, signal.SIGCONT)

    def wait_for_state(self, name, job, *states):
        return self.wait_for(f"job {job} is {states}", name, lambda: self.slurm.job(job).get("JobState") in states)

    def assert_same_bits(self, name, seed=1):
        self.assertEqual(results.outcome(self.folder / f"{name}.h5", ROUNDS), self.undisturbed(seed))

    def assert_ends_as_if_undisturbed(self, name, job, starts, seed=1):
        self.wait_for_state(name, job, *ENDED)
        ended = self.slurm.job(job)
        self.assertEqual(ended["JobState"], "COMPLETED", self.log(name))
        self.assertEqual(self.log(name).count(f"Job {job}, start"), starts, self.log(name))
        self.assertEqual(int(ended["Restarts"]), starts - 1)
        self.assertEqual(self.log(name).count("going on after round"), starts - 1, self.log(name))
        self.assert_same_bits(name, seed)

    def submit_through_both_launchers(self, name, **settings):
        """On one node and on two, through srun and through mpirun, all at the same time: ids by name."""
        mpirun = {"FEDDIP_LAUNCHER": "mpirun", "FEDDIP_BINDING": "--bind-to none"}
        return {**self.submit_each(f"{name}-srun", FEDDIP_LAUNCHER="srun", **settings),
                **self.submit_each(f"{name}-mpirun", **mpirun, **settings)}

    def test_a_job_runs_to_its_end(self):
        for name, job in self.submit_through_both_launchers("whole").items():
            with self.subTest(name):
                self.assert_ends_as_if_undisturbed(name, job, starts=1)

    def test_a_requeued_job_goes_on(self):
        submitted = self.submit_each("requeue")
        for name, job in submitted.items():
            self.hold(name)
            self.slurm.run("scontrol", "requeue", job)
        for name, job in submitted.items():
            with self.subTest(name):
                self.assert_ends_as_if_undisturbed(name, job, starts=2)

    def test_what_a_run_keeps_between_rounds_outlives_a_requeue(self):
        keepers = {name: [word for setting in settings.split() + ["checkpoint.keep=100"] for word in ("--set", setting)]
                   for name, settings in KEEPERS.items()}
        submitted = {name: self.submit(name, max(NODES), settings=settings) for name, settings in keepers.items()}
        for name, job in submitted.items():
            self.hold(name)
            # The key of a private run is drawn once, and lies in its first checkpoint.
            for first in self.folder.glob(f"{name}.ckpt-0.h5"):
                shutil.copy(first, self.folder / f"{name}-undisturbed.ckpt-0.h5")
            self.slurm.run("scontrol", "requeue", job)
        for name, job in submitted.items():
            with self.subTest(name):
                self.wait_for_state(name, job, *ENDED)
                self.assertEqual(self.slurm.job(job)["JobState"], "COMPLETED", self.log(name))
                self.assertIn("going on after round", self.log(name))
                undisturbed = self.folder / f"{name}-undisturbed.h5"
                self.slurm.run(os.environ["FEDDIP"], "train", "tiny.toml", "--set", f"federation.rounds={ROUNDS}",
                               *keepers[name], "--resume", "--out", undisturbed.name)
                self.assertEqual(results.outcome(self.folder / f"{name}.h5", ROUNDS), results.outcome(undisturbed, ROUNDS))

    def test_requeues_at_random_moments_leave_no_trace(self):
        rounds = 6 + 4 * REQUEUES
        submitted = self.submit_through_both_launchers("random", rounds=rounds)
        left = dict.fromkeys(submitted, REQUEUES)
        moments = {}  # when to requeue those that run
        while any(left.values()):
            self.slurm.require_nodes()
            for name, job in submitted.items():
                state = self.slurm.job(job)["JobState"]
                now = time.monotonic()
                if state in ENDED:
                    left[name] = 0
                elif state == "RUNNING" and left[name] and now > moments.setdefault(name, now + random.uniform(0, 2)):
                    # Refused where the job has ended just now.
                    self.slurm.output("scontrol", "requeue", job)
                    del moments[name]
                    left[name] -= 1
            time.sleep(0.1)
        self.wait_for("all jobs have ended", "random-srun-2",
                      lambda: all(self.slurm.job(job)["JobState"] in ENDED for job in submitted.values()))
        print(sum(int(self.slurm.job(job)["Restarts"]) for job in submitted.values()), "requeues", file=sys.stderr)
        for name, job in submitted.items():
            with self.subTest(name):
                self.assertEqual(self.slurm.job(job)["JobState"], "COMPLETED", self.log(name))
                self.assertGreater(int(self.slurm.job(job)["Restarts"]), 0)
                self.assertEqual(results.outcome(self.folder / f"{name}.h5", rounds), self.undisturbed(rounds=rounds))

    def test_a_job_asked_to_make_way_stops_after_its_round_and_requeues_itself(self):
        submitted = self.submit_through_both_launchers("usr1")
        for name in submitted:
            self.hold(name)
        for name, job in submitted.items():
            self.slurm.run("scancel", "--batch", "--signal=USR1", job)
            self.wait_for("the script's answer", name, lambda: "Asked to make way" in self.log(name))
            self.let_go(name)
        for name, job in submitted.items():
            with self.subTest(name):
                self.assert_ends_as_if_undisturbed(name, job, starts=2)
                self.assertIn("stopped on request", self.log(name))
                self.assertIn("Back into the queue", self.log(name))

    def test_a_round_that_outlasts_the_grace_is_done_again(self):
        submitted = self.submit_each("grace", FEDDIP_GRACE="1")
        for name, job in submitted.items():
            self.hold(name)
            self.slurm.run("scancel", "--batch", "--signal=USR1", job)
        for name, job in submitted.items():
            with self.subTest(name):
                self.assert_ends_as_if_undisturbed(name, job, starts=2)

    def test_a_job_that_comes_to_its_time_limit_goes_on(self):
        submitted = self.submit_each("limit", "--time=1", "--signal=B:USR1@55")
        for name in submitted:
            self.hold(name)
        for name in submitted:
            self.wait_for("Slurm's signal", name, lambda: "Asked to make way" in self.log(name))
            self.let_go(name)
        for name, job in submitted.items():
            with self.subTest(name):
                self.assert_ends_as_if_undisturbed(name, job, starts=2)

    def test_a_preempted_job_stops_and_goes_on_later(self):
        submitted = self.submit_each("preempted")
        for name in submitted:
            self.hold(name)
        self.slurm.run("sbatch", "--partition=urgent", f"--nodes={max(NODES)}", "--exclusive", "--wrap=true")
        for name, job in submitted.items():
            with self.subTest(name):
                self.assert_ends_as_if_undisturbed(name, job, starts=2)
                self.assertIn("stopped on request", self.log(name))

    def test_a_cancelled_job_stays_away_and_its_run_goes_on_when_submitted_again(self):
        submitted = self.submit_each("cancel")
        for name, job in submitted.items():
            self.hold(name)
            self.slurm.run("scancel", job)
        for name, job in submitted.items():
            with self.subTest(name):
                self.wait_for_state(name, job, "CANCELLED")
                self.wait_for("the ranks are gone", name, lambda: not self.ranks(name))
                again = self.submit(name, int(name[-1]))
                self.wait_for_state(name, again, *ENDED)
                self.assertIn("going on after round", self.log(name))
                self.assertEqual(self.slurm.job(job)["JobState"], "CANCELLED")
                self.assert_same_bits(name)

    def test_of_two_jobs_on_the_same_run_at_the_same_instant_one_writes_it(self):
        jobs = [self.submit("both", 1), self.submit("both", 1)]
        self.wait_for("a checkpoint", "both", lambda: list(self.folder.glob("both.ckpt-*.h5")))
        lease = dict(line.split(" ", 1) for line in (self.folder / "both.lease").read_text().splitlines())
        winner = lease["job"]
        loser, = {*jobs} - {winner}
        held = [pid for pid in self.ranks("both")
                if f"SLURM_JOB_ID={winner}\0".encode() in pathlib.Path(f"/proc/{pid}/environ").read_bytes()]
        for pid in held:
            os.kill(pid, signal.SIGSTOP)
        self.wait_for_state("both", loser, *ENDED)
        for pid in held:
            os.kill(pid, signal.SIGCONT)
        self.wait_for_state("both", winner, *ENDED)
        self.assertEqual(self.slurm.job(winner)["JobState"], "COMPLETED", self.log("both"))
        self.assertEqual(self.slurm.job(loser)["JobState"], "FAILED", self.log("both"))
        self.assertEqual(self.slurm.job(loser)["ExitCode"], "2:0")
        refusals = [line for line in self.log("both").splitlines() if "another job is at this run" in line]
        self.assertEqual(len(refusals), 1, self.log("both"))
        self.assertRegex(refusals[0], rf"^feddip: error: another job is at this run \(both.h5\): job {winner} "
                                      r"\(process \d+ on n[12]\) has it until \S+ \S+ UTC")
        self.assert_same_bits("both")
        self.assertFalse((self.folder / "both.lease").exists())

    def test_a_lease_is_taken_over_when_slurm_says_that_its_job_is_gone(self):
        other = self.slurm.run("sbatch", "--parsable", "--wrap=sleep 600").strip()
        ended = self.slurm.run("sbatch", "--parsable", "--wrap=true").strip()
        self.wait_for_state("", other, "RUNNING")
        self.wait_for_state("", ended, "COMPLETED")
        holders = {"running": other, "ended": ended, "unknown": "424242"}
        for name, holder in holders.items():
            (self.folder / f"{name}.lease").write_text(
                f"feddip lease 1\ntoken 0123\nhost n9\nboot x\npid_namespace x\npid 1\nstarted 1\n"
                f"cluster feddip-test\njob {holder}\nrestarts 0\nmilliseconds 600000\n")
        submitted = {name: self.submit(name, 1) for name in holders}
        for name, job in submitted.items():
            with self.subTest(name):
                self.wait_for_state(name, job, *ENDED)
                if name == "running":
                    self.assertEqual(self.slurm.job(job)["ExitCode"], "2:0", self.log(name))
                    self.assertIn(f"another job is at this run (running.h5): job {other} ", self.log(name))
                else:
                    self.assertEqual(self.slurm.job(job)["JobState"], "COMPLETED", self.log(name))
                    self.assert_same_bits(name)
        self.slurm.run("scancel", other)

    def test_an_array_skips_what_is_complete_and_requeues_its_tasks_one_by_one(self):
        arrays = {}
        for nodes in NODES:
            folder = f"array-{nodes}"
            done = self.tool("make_sweep.py", "tiny.toml", "--out", folder, "--seed", "1", "2", "3")
            (self.folder / f"{folder}.txt").write_text(done)
            (self.folder / folder).mkdir()
            for path in self.folder.glob(f"undisturbed-1-{ROUNDS}.*"):
                shutil.copy(path, self.folder / folder / path.name.replace(f"undisturbed-1-{ROUNDS}", "tiny-seed1"))
            arrays[folder] = self.slurm.run(
                "sbatch", "--parsable", "--array=1-3%2", f"--nodes={nodes}", f"--ntasks-per-node={2 // nodes}",
                str(JOBS / "sweep.sbatch"), f"{folder}.txt").strip()

        for folder, array in arrays.items():
            # The last task: its job id is the array's, and must not be taken for it.
            last = f"{folder}/tiny-seed3"
            self.hold(last)
            self.assertIn(f"job {array}_3 on n", self.tool("status.py", f"{folder}.txt"))
            self.slurm.run("scancel", "--batch", "--signal=USR1", f"{array}_3")
            self.wait_for("the script's answer", last, lambda: "Asked to make way" in self.log(last))
            self.let_go(last)

        for folder, array in arrays.items():
            with self.subTest(folder):
                for task, seed, starts in ((2, 2, 1), (3, 3, 2)):
                    name = f"{folder}/tiny-seed{seed}"
                    self.assert_ends_as_if_undisturbed(name, f"{array}_{task}", starts, seed)
                self.assertIn("Complete already", self.log(f"{folder}/tiny-seed1"))
                self.assertIn("3 runs, 3 done", self.tool("status.py", f"{folder}.txt"))

    def test_jobs_on_a_node_that_crashes_go_on(self):
        submitted = self.submit_each("crash")
        for name in submitted:
            self.hold(name)
        node = self.slurm.job(submitted["crash-1"])["NodeList"]
        self.slurm.crash(node)
        for name, job in submitted.items():
            self.wait_for("Slurm's notice", name, lambda: self.slurm.job(job)["Restarts"] == "1")
        self.slurm.boot(node)
        for name, job in submitted.items():
            with self.subTest(name):
                self.assert_ends_as_if_undisturbed(name, job, starts=2)

    def test_jobs_on_a_node_that_is_set_down_go_on(self):
        submitted = self.submit_each("down")
        for name in submitted:
            self.hold(name)
        node = self.slurm.job(submitted["down-1"])["NodeList"]
        self.slurm.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        for name, job in submitted.items():
            with self.subTest(name):
                self.assert_ends_as_if_undisturbed(name, job, starts=2)


def main():
    missing = cluster.missing_programs()
    reason = (f"not installed: {', '.join(missing)}" if missing else
              "needs root, as slurmd does" if os.geteuid() != 0 else
              "the package dataset-fashion-mnist is not installed" if not program.FASHION_MNIST.is_dir() else
              None if sandbox.MARK in os.environ else sandbox.why_not())
    if reason:
        print(f"skipped: {reason}")
        sys.exit(program.SKIPPED)
    if sandbox.MARK in os.environ:
        try:
            program.main()
        finally:
            if getattr(Slurm, "slurm", None) and Slurm.slurm.died:
                sys.exit(SLURMD_DIED)
    for _ in range(CLUSTERS):
        status = sandbox.run()
        if status != SLURMD_DIED:
            break
        print("a slurmd has died by itself: once more with another Slurm", flush=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
