"""The job scripts without Slurm: stand-ins for its commands and for the program say what they were asked."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import h5py
import numpy as np

JOBS = pathlib.Path(__file__).resolve().parents[3] / "jobs"
SECONDS = 60

STAND_INS = {
    "scontrol": """
        if [[ $1 == show ]]; then
            for ((i = 0; i < ${RECORDS:-1}; i++)); do
                echo "   ${STATE:-} Command=$JOBS/$SCRIPT args"
            done
            exit
        fi
        echo "$@" >> scontrol.asked
        exit "${REQUEUE_FAILS:-0}" """,
    "squeue": "cat queue 2>/dev/null || true",
    "srun": 'while [[ $1 == -* ]]; do shift; done; exec "$@"',
    # Trains until it is asked to stop, or ends at once where it is told how.
    "feddip": """
        if [[ $1 == info ]]; then
            [[ -f ${2%.h5}.rounds ]] && echo "rounds     $(<"${2%.h5}.rounds")"
            exit
        fi
        [[ "$*" != *"/complete.h5 --resume" ]] || { echo "$@" > same.asked; exit "${OTHER:-0}"; }
        echo "$@" >> feddip.asked
        mkdir -p "$OMPI_MCA_orte_tmpdir_base/ompi" && echo "$OMPI_MCA_orte_tmpdir_base" > base.asked
        trap 'exit "${AFTER_USR1:-75}"' USR1
        [[ ${ENDS:-} == 0 ]] && echo "10 of 10, complete" > "${6%.h5}.rounds"
        [[ -n ${ENDS:-} ]] && exit "$ENDS"
        touch training
        for ((i = 0; i < 600; i++)); do sleep 0.1; done""",
}


class JobScripts(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="feddip-jobs-")
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        for name, text in STAND_INS.items():
            (self.folder / name).write_text(f"#!/usr/bin/env bash\n{text}\n")
            (self.folder / name).chmod(0o755)

    def start(self, script, *arguments, **environment):
        settings = {"PATH": f"{self.folder}:{os.environ['PATH']}", "JOBS": JOBS, "SCRIPT": script, "SLURM_JOB_ID": 7,
                    "SLURM_JOB_NODELIST": "n1", "FEDDIP": self.folder / "feddip", **environment}
        return subprocess.Popen(["bash", JOBS / script, *arguments], cwd=self.folder, stderr=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True,
                                env={**os.environ, **{name: str(value) for name, value in settings.items()}})

    def finish(self, process):
        try:
            process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            self.fail(f"still runs after {SECONDS} s: {self.read('r.log')}")
        return process.returncode

    def train(self, **environment):
        return self.finish(self.start("train.sbatch", "c.toml", "--out", "r.h5", "--set", "a.b=1", **environment))

    def make_way(self, *more, **environment):
        """The exit code of a job that is sent USR1 while it trains."""
        (self.folder / "training").unlink(missing_ok=True)
        process = self.start("train.sbatch", "c.toml", "--out", "r.h5", *more, **environment)
        end = time.monotonic() + SECONDS
        while not (self.folder / "training").exists():
            self.assertLess(time.monotonic(), end, self.read("r.log"))
            time.sleep(0.02)
        process.send_signal(signal.SIGUSR1)
        return self.finish(process)

    def read(self, name):
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    def rounds(self, text):
        (self.folder / "r.rounds").write_text(text)

    def run_tool(self, name, *arguments):
        return subprocess.run([sys.executable, "-B", JOBS / name, *map(str, arguments)], cwd=self.folder,
                              capture_output=True, text=True,
                              env={**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"})

    def test_a_job_always_resumes_with_the_threads_of_its_cores(self):
        self.assertEqual(self.train(ENDS=0, SLURM_CPUS_PER_TASK=3), 0)
        self.assertEqual(self.read("feddip.asked"),
                         "train c.toml --set compute.threads=3 --out r.h5 --set a.b=1 --resume\n")

    def test_a_job_has_a_folder_of_its_own_for_open_mpi_and_removes_it(self):
        self.assertEqual(self.train(ENDS=0, TMPDIR=self.folder), 0)
        self.assertEqual(self.read("base.asked"), f"{self.folder}/feddip-7-0\n")
        self.assertFalse((self.folder / "feddip-7-0").exists())

    def test_exit_codes_pass_through_and_only_a_wish_to_make_way_requeues(self):
        for code in (1, 2, 75, 137, 0):
            with self.subTest(code):
                self.assertEqual(self.train(ENDS=code), code)
        self.assertEqual(self.read("scontrol.asked"), "")

    def test_a_job_asked_to_make_way_is_requeued_after_the_program_has_stopped(self):
        self.rounds("3 of 10, not complete")
        self.assertEqual(self.make_way(), 75)
        self.assertEqual(self.read("scontrol.asked"), "requeue 7\n")

    def test_a_task_of_an_array_is_requeued_without_the_others(self):
        self.rounds("3 of 10, not complete")
        self.make_way(SLURM_ARRAY_JOB_ID=7, SLURM_ARRAY_TASK_ID=2)
        self.assertEqual(self.read("scontrol.asked"), "requeue 7_2\n")

    def test_a_run_that_fails_though_asked_to_make_way_is_not_requeued(self):
        for code in (1, 2):
            with self.subTest(code):
                self.assertEqual(self.make_way(AFTER_USR1=code), code)
        self.assertEqual(self.read("scontrol.asked"), "")

    def test_a_program_that_does_not_stop_is_requeued_when_its_grace_is_over(self):
        (self.folder / "feddip").write_text((self.folder / "feddip").read_text().replace(
            "trap 'exit \"${AFTER_USR1:-75}\"' USR1", "trap '' USR1"))
        self.assertEqual(self.make_way(FEDDIP_GRACE=1), 75)
        self.assertEqual(self.read("scontrol.asked"), "requeue 7\n")

    def saved(self, rounds, folder="."):
        for path in self.folder.glob("**/r.ckpt-*.h5"):
            path.unlink()
        (self.folder / folder).mkdir(exist_ok=True)
        (self.folder / folder / f"r.ckpt-{rounds}.h5").touch()

    def test_requeues_without_a_new_checkpoint_come_to_an_end(self):
        self.saved(3)
        for starts in range(1, 5):
            self.assertEqual(self.make_way(FEDDIP_STALLED_REQUEUES=2), 75)
            self.assertEqual(self.read("scontrol.asked").count("requeue"), min(starts, 3))
        self.assertIn("feddip: error: not requeued (r.h5): ", self.read("r.log"))

    def test_rounds_that_no_checkpoint_saves_are_none(self):
        for starts in range(1, 4):
            self.rounds(f"{7 + starts % 2} of 10, not complete")
            self.assertEqual(self.make_way(FEDDIP_STALLED_REQUEUES=2), 75)
        self.assertEqual(self.read("scontrol.asked").count("requeue"), 2)
        self.assertIn("there was no new checkpoint in 3 starts", self.read("r.log"))

    def test_a_launcher_that_starts_nothing_is_an_error_and_tried_twice_after_a_restart(self):
        (self.folder / "srun").write_text("#!/bin/sh\necho started >> srun.asked\n")
        for restarts, starts in ((0, 1), (1, 2)):
            with self.subTest(restarts=restarts):
                (self.folder / "srun.asked").unlink(missing_ok=True)
                self.assertEqual(self.train(SLURM_RESTART_COUNT=restarts), 1)
                self.assertIn("feddip: error: not complete (r.h5)", self.read("r.log"))
                self.assertEqual(self.read("srun.asked").count("started"), starts)

    def test_a_new_checkpoint_lets_requeues_go_on_wherever_it_lies(self):
        self.rounds("3 of 10, not complete")
        elsewhere = {"r.h5": (".", "[model]\npath = 'no'\n", ()),
                     "by config": ("own", '[checkpoint]\nkeep = 2\npath = "own"\n[data]\npath = "no"\n', ()),
                     "by argument": ("set", '[checkpoint]\npath = "own"\n', ("--set", "checkpoint.path=set"))}
        for where, (folder, config, more) in elsewhere.items():
            with self.subTest(where):
                (self.folder / "scontrol.asked").unlink(missing_ok=True)
                (self.folder / "r.requeues").unlink(missing_ok=True)
                (self.folder / "c.toml").write_text(config)
                for starts in range(1, 4):
                    self.saved(9 + starts, folder)
                    self.make_way(*more, FEDDIP_STALLED_REQUEUES=0)
                self.assertEqual(self.read("scontrol.asked").count("requeue"), 3)

    def test_checkpoints_are_looked_for_where_the_program_writes_them(self):
        elsewhere = {"by dotted key": ("own", "# mine\ncheckpoint.path = 'own'\n", ()),
                     "by inline table": ("own", 'checkpoint = { keep = 2, path = "own" }\n', ()),
                     "indented": ("own", '  [ checkpoint ]\n  "path" = "own"\n', ()),
                     "in quotes": ("set", "", ("--set", 'checkpoint.path="set"')),
                     "in one word": ("set", "", ("--set=checkpoint.path=set",)),
                     "spaced": ("set", "", ("--set", "checkpoint.path = set")),
                     "the last of two": ("set", "", ("--set", "checkpoint.path=own", "--set", "checkpoint.path='set'")),
                     "taken back": (".", '[checkpoint]\npath = "own"\n', ("--set", "checkpoint.path="))}
        for where, (folder, config, more) in elsewhere.items():
            with self.subTest(where):
                (self.folder / "c.toml").write_text(config)
                self.saved(9, folder)
                told = subprocess.run(["bash", "-euc", f'source "{JOBS}/slurm.sh"; saved_round c.toml --out r.h5 "$@"', "bash",
                                       *more], cwd=self.folder, env={**os.environ, "SLURM_JOB_ID": "7"},
                                      capture_output=True, text=True, check=False)
                self.assertEqual(told.stdout, "9\n", told.stderr)

    def test_a_preempted_job_is_requeued_but_not_one_that_was_cancelled(self):
        for state, asked in (("JobState=RUNNING PreemptTime=None\n", ""),
                             ("JobState=CANCELLED PreemptTime=2025-01-01T12:00:00\n", ""),
                             ("JobState=RUNNING PreemptTime=2025-01-01T12:00:00\n", "requeue 7\n")):
            with self.subTest(state):
                self.assertEqual(self.train(ENDS=75, STATE=state), 75)
                self.assertEqual(self.read("scontrol.asked"), asked)

    def test_where_requeueing_is_not_allowed_the_job_ends_as_stopped(self):
        self.assertEqual(self.make_way(REQUEUE_FAILS=1), 75)
        self.assertIn("submit it again", self.read("r.log"))

    def test_a_run_that_another_job_is_at_is_left_to_it(self):
        (self.folder / "r.requeues").write_text("1:3\n")
        self.assertEqual(self.train(ENDS=2), 2)
        self.assertEqual(self.read("r.requeues"), "1:3\n")
        self.assertEqual(self.train(ENDS=1), 1)
        self.assertEqual(self.read("r.requeues"), "")

    def test_a_sweep_runs_its_line_and_skips_what_is_complete(self):
        (self.folder / "list").write_text("c.toml --out a.h5 --set x.y=1\nc.toml --out b.h5 --set x.y=2 --set x.z=3\n")
        (self.folder / "a.rounds").write_text("10 of 10, complete")
        (self.folder / "a.h5").touch()
        for task in (1, 2):
            done = self.start("sweep.sbatch", "list", SLURM_ARRAY_JOB_ID=7, SLURM_ARRAY_TASK_ID=task, ENDS=0)
            self.assertEqual(self.finish(done), 0)
        self.assertEqual(self.read("feddip.asked"),
                         "train c.toml --set compute.threads=1 --out b.h5 --set x.y=2 --set x.z=3 --resume\n")
        self.assertIn("Complete already", self.read("a.log"))
        self.assertIn("train c.toml --set compute.threads=1 --set x.y=1 --set checkpoint.path= --out ",
                      self.read("same.asked"))

    def test_a_complete_run_is_asked_for_with_the_threads_that_it_had(self):
        self.rounds("10 of 10, complete")
        (self.folder / "r.h5").touch()
        self.assertEqual(self.train(SLURM_CPUS_PER_TASK=4), 0)
        self.assertIn("train c.toml --set compute.threads=4 ", self.read("same.asked"))

    def test_a_record_of_starts_that_a_full_disk_left_empty_is_none(self):
        self.saved(3)
        (self.folder / "r.requeues").touch()
        self.assertEqual(self.make_way(), 75)
        self.assertIn("requeue", self.read("scontrol.asked"))

    def test_complete_results_of_another_configuration_are_an_error(self):
        self.rounds("10 of 10, complete")
        (self.folder / "r.h5").touch()
        self.assertEqual(self.train(OTHER=2), 2)
        self.assertEqual(self.read("feddip.asked"), "")
        self.assertNotIn("Complete already", self.read("r.log"))

    def test_a_line_of_a_list_may_lack_its_end_but_not_be_missing(self):
        (self.folder / "list").write_text("c.toml --out a.h5\nc.toml --out b.h5")
        self.assertEqual(self.finish(self.start("sweep.sbatch", "list", SLURM_ARRAY_TASK_ID=2, ENDS=0)), 0)
        self.assertIn("--out b.h5", self.read("feddip.asked"))
        process = self.start("sweep.sbatch", "list", SLURM_ARRAY_TASK_ID=3)
        self.assertIn("no run (list): it has no line 3", process.communicate(timeout=SECONDS)[1])
        self.assertEqual(process.returncode, 1)

    def test_an_array_of_many_tasks_finds_the_scripts_beside_it(self):
        (self.folder / "list").write_text("c.toml --out r.h5\n")
        for script, arguments, settings in (("sweep.sbatch", ["list"], {"SLURM_ARRAY_TASK_ID": 1}),
                                            ("train.sbatch", ["c.toml", "--out", "r.h5"], {})):
            with self.subTest(script):
                for _ in range(10):
                    (self.folder / "r.rounds").unlink(missing_ok=True)
                    process = self.start(script, *arguments, **settings, ENDS=0, RECORDS=500)
                    self.assertEqual(self.finish(process), 0)
        self.assertEqual(self.read("feddip.asked").count("--out r.h5"), 20)

    def test_bad_usage_is_told(self):
        for script, arguments, settings in (("train.sbatch", ["c.toml"], {}), ("train.sbatch", ["c.toml", "r.h5"], {}),
                                            ("train.sbatch", ["c.toml", "--out", "r.h5"], {"SLURM_JOB_ID": ""}),
                                            ("sweep.sbatch", ["list"], {})):
            with self.subTest(script=script, arguments=arguments):
                process = self.start(script, *arguments, **settings)
                self.assertIn("usage: sbatch", process.communicate(timeout=SECONDS)[1])
                self.assertEqual(process.returncode, 2)

    def test_what_the_environment_sets_wins_over_every_line_of_the_settings(self):
        settings = re.sub(r"^# (?=export )", "", (JOBS / "cluster.env").read_text(), flags=re.MULTILINE)
        (self.folder / "settings").write_text(settings)
        names = re.findall(r"^export (\w+)=", settings, re.MULTILINE)
        self.assertIn("SBATCH_ACCOUNT", names)
        told = subprocess.run(["bash", "-euc", 'source settings; for name in "$@"; do echo "$name=${!name}"; done', "bash",
                               *names], cwd=self.folder, env={**os.environ, **dict.fromkeys(names, "mine")},
                              capture_output=True, text=True, check=False)
        self.assertEqual(told.stdout.split(), [f"{name}=mine" for name in names], told.stderr)

    def test_an_unknown_launcher_is_an_error(self):
        self.assertEqual(self.train(FEDDIP_LAUNCHER="prun"), 1)
        self.assertIn("feddip: error: unknown launcher (FEDDIP_LAUNCHER in jobs/cluster.env): 'prun'",
                      self.read("r.log"))

    def test_a_sweep_has_every_combination_but_no_sparsities_of_a_dense_method(self):
        (self.folder / "c.toml").touch()
        made = self.run_tool("make_sweep.py", "c.toml", "--out", "o", "--method", "feddip", "fedavg", "--sparsity",
                             "0.8", "0.9", "--seed", "1", "2", "--vary", "federation.local_epochs", "3",
                             "--set", "federation.rounds=9")
        self.assertEqual(made.returncode, 0, made.stderr)
        lines = made.stdout.splitlines()
        self.assertEqual(len(lines), 2 * 2 + 2)
        self.assertEqual(len({line.split()[2] for line in lines}), len(lines))
        self.assertIn("c.toml --out o/c-feddip-s0.8-seed2-local_epochs3.h5 --set federation.rounds=9 "
                      "--set method.name=feddip --set sparsity.target=0.8 --set federation.seed=2 "
                      "--set federation.local_epochs=3", lines)
        self.assertIn("--array=1-6", made.stderr)

    def test_a_method_is_dense_wherever_it_is_named(self):
        for config, more, runs in (("[method]\nname = 'fedprox'\n", (), 1), ("", ("--set", "method.name=fedavg"), 1),
                                   ("", ("--set", 'method.name="fedavg"'), 1), ("", ("--vary", "method.name", "fedavg"), 1),
                                   ("method.name = 'fedavg'\n", ("--method", "feddip"), 2), ("", (), 2)):
            with self.subTest(config=config, more=more):
                (self.folder / "c.toml").write_text(config)
                made = self.run_tool("make_sweep.py", "c.toml", "--sparsity", "0.8", "0.9", *more)
                self.assertEqual(len(made.stdout.splitlines()), runs, made.stderr)
        (self.folder / "c.toml").write_text("[method")
        self.assertIn("feddip: error: can't read the config (c.toml)", self.run_tool("make_sweep.py", "c.toml").stderr)

    def test_what_would_list_a_run_twice_or_none_is_refused(self):
        (self.folder / "c.toml").touch()
        for more, reason in ((("--vary", "federation.seed", "1", "--seed", "1", "2"), "federation.seed is varied twice"),
                             (("--vary", "federation.seed"), "has no values"), (("--set", "sparsity.target"), "KEY=VALUE")):
            made = self.run_tool("make_sweep.py", "c.toml", *more)
            self.assertEqual((made.returncode, made.stdout), (2, ""))
            self.assertIn(reason, made.stderr)

    def test_a_misspelt_key_is_refused_before_runs_are_listed(self):
        (self.folder / "c.toml").touch()
        for more in (("--vary", "federation.local_epoch", "3"), ("--set", "federation.local_epoch=3")):
            made = self.run_tool("make_sweep.py", "c.toml", *more)
            self.assertEqual((made.returncode, made.stdout), (2, ""))
            self.assertIn("no such key: federation.local_epoch; did you mean federation.local_epochs?", made.stderr)

    def test_a_list_with_spaces_in_names_is_refused(self):
        (self.folder / "c.toml").touch()
        self.assertNotEqual(self.run_tool("make_sweep.py", "c.toml", "--out", "my results").returncode, 0)

    def write_results(self, name, complete):
        with h5py.File(self.folder / name, "w") as file:
            file.attrs["complete"] = complete
            file.attrs["config_toml"] = "[federation]\nrounds = 4\n"
            file["rounds/round"] = np.arange(1, 4)
            file["rounds/test_accuracy"] = [0.1, 0.25, float("nan")]

    def test_status_tells_every_state_from_files_and_queue(self):
        names = ["done", "running", "queued", "stopped", "failed", "unreadable", "new"]
        (self.folder / "list").write_text("".join(f"c.toml --out {name}.h5\n" for name in names))
        self.write_results("done.h5", True)
        for name in ("running", "stopped", "failed"):
            self.write_results(f"{name}.h5", False)
        (self.folder / "running.ckpt-7.h5").touch()
        (self.folder / "failed.log").write_text("== Job 1\nfeddip: error: old\n== Job 2\nfeddip: error: disk full\n")
        (self.folder / "stopped.log").write_text("== Job 1\nfeddip: error: old\n== Job 2\nfeddip: stopped\n"
                                                "\n== Ended with exit code 75\n")
        (self.folder / "unreadable.h5").write_text("no HDF5")
        (self.folder / "queue").write_text(
            f"3|N/A|RUNNING|n[1-2]|{self.folder}|/some/jobs/train.sbatch c.toml --out running.h5\n"
            f"4_3|3|PENDING|(Priority)|{self.folder}|/some/jobs/sweep.sbatch list\n"
            f"5|N/A|RUNNING|n3|{self.folder}|/some/other.sh done.h5\n")

        told = self.run_tool("status.py", "list")
        self.assertEqual(told.returncode, 0, told.stderr)
        rows = {line.split()[0].removesuffix(".h5"): line for line in told.stdout.splitlines()[1:8]}
        for name in names:
            self.assertIn("failed" if name == "unreadable" else name, rows[name].split()[1])
        self.assertIn("3/4  25.00 %", " ".join(rows["done"].split(" ")).replace("    ", "  "))
        self.assertIn("7/4", rows["running"])
        self.assertIn("job 3 on n[1-2]", rows["running"])
        self.assertIn("job 4_3 (Priority)", rows["queued"])
        self.assertIn("disk full", rows["failed"])
        self.assertIn("7 runs, 1 done, 1 running, 1 queued, 1 stopped, 2 failed, 1 new", told.stdout)

    def test_status_has_a_reason_for_what_ended_badly_without_an_error_of_the_program(self):
        parts = {"plugin": ("srun: error: Invalid MPI type 'pmix', --mpi=list for acceptable types\n\n"
                            "== Ended with exit code 1\n", "exit code 1: srun: error: Invalid MPI type 'pmix'"),
                 "module": ("/j/cluster.env: line 11: module: command not found\n",
                            "without an exit code: /j/cluster.env: line 11: module: command not found"),
                 "memory": ("slurmstepd: error: Detected 1 oom_kill event\nround 3\n\n== Ended with exit code 137\n",
                            "exit code 137: slurmstepd: error: Detected 1 oom_kill event"),
                 "killed": ("round 3\n", "the job ended without an exit code"),
                 "requeued": ("== Back into the queue, to go on after round 3\n", ""),
                 "stopped": ("mpirun noticed that\n== Ended with exit code 75\n", "")}
        (self.folder / "list").write_text("".join(f"c.toml --out {name}.h5\n" for name in parts))
        for name, (part, _) in parts.items():
            (self.folder / f"{name}.log").write_text(f"\n== Job 1, start 1\n== Ended with exit code 3\n\n== Job 2\n{part}")
            (self.folder / f"{name}.ckpt-3.h5").touch()
        rows = dict(zip(parts, self.run_tool("status.py", "list").stdout.splitlines()[1:]))
        for name, (_, reason) in parts.items():
            self.assertEqual(rows[name].split()[1], "failed" if reason else "stopped", rows[name])
            self.assertIn(reason, rows[name])

        (self.folder / "squeue").write_text("#!/bin/sh\nexit 1\n")
        told = self.run_tool("status.py", "list").stdout
        self.assertRegex(told, r"killed\.h5 +stopped", "without Slurm it may be going on")
        self.assertRegex(told, r"memory\.h5 +failed")

    def test_status_counts_the_lines_of_a_list_as_slurm_does(self):
        (self.folder / "list").write_text("c.toml --out a.h5\n\nc.toml --out b.h5\n")
        (self.folder / "queue").write_text(f"4_2|2|PENDING|(Priority)|{self.folder}|/jobs/sweep.sbatch list\n"
                                           f"4_3|3|RUNNING|n1|{self.folder}|/jobs/sweep.sbatch list\n")
        told = self.run_tool("status.py", "list").stdout
        self.assertRegex(told, r"a\.h5 +new")
        self.assertRegex(told, r"b\.h5 +running .*job 4_3 on n1")

    def test_status_finds_jobs_whose_paths_have_spaces(self):
        (self.folder / "my results").mkdir()
        self.write_results("my results/r.h5", False)
        (self.folder / "queue").write_text(f"4|N/A|RUNNING|n1|{self.folder}|/my jobs/train.sbatch c.toml --out my results/r.h5 "
                                           "--set a.b=1\n")
        self.assertRegex(self.run_tool("status.py", "my results").stdout, r"my results/r\.h5 +running .*job 4 on n1")

    def test_status_of_a_folder_goes_into_those_in_it(self):
        (self.folder / "all" / "of one").mkdir(parents=True)
        self.write_results("all/of one/r.h5", True)
        (self.folder / "all" / "of one" / "failed.log").write_text("\n== Job 1\nfeddip: error: no such dataset\n")
        (self.folder / "queue").write_text(f"4|N/A|RUNNING|n1|{self.folder}|/jobs/train.sbatch c.toml --out all/of one/going.h5\n")
        told = self.run_tool("status.py", "all").stdout
        self.assertIn("\n3 runs, 1 done, 1 running, 1 failed", told)
        self.assertRegex(told, r"all/of one/going\.h5 +running .*job 4 on n1")

    def test_status_of_a_folder_passes_over_audits(self):
        self.write_results("r.h5", True)
        with h5py.File(self.folder / "audit.h5", "w") as file:
            file.attrs["config_toml"] = ""
        self.assertIn("\n1 runs, 1 done", self.run_tool("status.py").stdout)

    def test_status_of_a_folder_shows_runs_that_left_only_a_log(self):
        (self.folder / "r.log").write_text("\n== Job 1\nfeddip: error: no such dataset\n")
        told = self.run_tool("status.py")
        self.assertIn("no such dataset", told.stdout)
        self.assertIn("1 runs, 1 failed", told.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
