"""jobs/sweep.sh and jobs/quickstart.sh: complete runs are skipped if they are what was asked for, and stopped ones go on."""
import os
import pathlib
import shutil
import subprocess

import h5py
import numpy as np
import program

JOBS = pathlib.Path(__file__).resolve().parents[2] / "jobs"

# For the quickstart: nothing to install or build, and a training that ends as the file `ends` says.
STAND_INS = """
install_packages() { :; }
build_release() { :; }
is_complete() { [[ -f $2 && $(<"$2") == complete ]]; }
is_same_run() { [[ ! -f ${2%.h5}.other ]]; }
mpi_run() {
    local results=$6
    echo "$results" >> asked
    [[ ! -f ${results%.h5}.other ]] || return 2
    local ends
    ends=$(<ends)
    ((ends == 2)) || echo "$([[ $ends == 0 ]] && echo complete || echo stopped)" > "$results"
    return "$ends"
}
python=true
"""


class Sweep(program.Program):
    def sweep(self, *lines):
        path = self.write("list", "".join(f"{line}\n" for line in lines))
        path_of_mpirun = pathlib.Path(shutil.which(program.MPIEXEC)).parent
        environment = {**program.ENVIRONMENT, "FEDDIP": str(pathlib.Path(program.FEDDIP).resolve()),
                       "SLURM_STEP_NUM_TASKS": "4",  # as in a shell that srun started
                       "PATH": f"{path_of_mpirun}:{os.environ['PATH']}"}
        return subprocess.run(["bash", JOBS / "sweep.sh", path, "1"], cwd=self.folder, env=environment, check=False,
                              capture_output=True, text=True, timeout=program.SECONDS)

    @program.needs_fashion_mnist
    def test_complete_runs_are_skipped_but_not_those_of_another_configuration(self):
        first, second = (f"tiny.toml --out {name}.h5 --set federation.seed={seed}" for name, seed in (("a", 1), ("b", 2)))
        done = self.sweep(first)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Run 1 of 1: a.h5", done.stderr)
        before = (self.folder / "a.h5").read_bytes()

        for checkpoints in ("with", "without"):
            with self.subTest(f"{checkpoints} its checkpoints"):
                done = self.sweep(first, " ", second)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertNotIn("a.h5", done.stderr)
                changed = self.sweep(first.replace("seed=1", "seed=3"), second)
                self.assertEqual(changed.returncode, 1, changed.stderr)
                self.assertIn("(a.h5): federation.seed was 1 and is 3 now", changed.stderr)
                self.assertIn("1 of 2 runs failed (list): a.h5 (complete, but refused: see above)", changed.stderr)
                self.assertEqual((self.folder / "a.h5").read_bytes(), before)
            for path in self.folder.glob("*.ckpt-*"):
                path.unlink()

    @program.needs_fashion_mnist
    def test_a_damaged_file_is_written_anew_from_its_checkpoints(self):
        line = "tiny.toml --out a.h5"
        self.assertEqual(self.sweep(line).returncode, 0)
        whole = (self.folder / "a.h5").read_bytes()
        with h5py.File(self.folder / "a.h5") as results:
            accuracies = results["rounds/test_accuracy"][:]
        for damaged in (whole[:-500], whole[:700] + bytes(500) + whole[1200:]):
            (self.folder / "a.h5").write_bytes(damaged)
            done = self.sweep(line)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertNotIn("Traceback", done.stderr)
            with h5py.File(self.folder / "a.h5") as anew:
                np.testing.assert_array_equal(anew["rounds/test_accuracy"], accuracies)

    def test_what_is_no_list_or_number_of_ranks_is_refused(self):
        listed, empty = self.write("list", "tiny.toml --out a.h5\n"), self.write("empty", "\n")
        for arguments, code, complaint in (((), 2, "usage"), ((self.folder,), 2, "usage"), ((listed, "0"), 2, "usage"),
                                           ((listed, "two"), 2, "usage"), ((empty,), 1, "no runs (")):
            done = subprocess.run(["bash", JOBS / "sweep.sh", *arguments], cwd=self.folder, check=False, capture_output=True,
                                  text=True, env={**os.environ, "FEDDIP": "/bin/false"})
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(complaint, done.stderr)


class SweepWithStandIns(program.Program):
    def test_an_installed_program_does_and_complete_runs_ahead_take_no_time(self):
        (self.folder / "jobs").mkdir()
        shutil.copy(JOBS / "sweep.sh", self.folder / "jobs")
        (self.folder / "jobs" / "lib.sh").write_text((JOBS / "lib.sh").read_text() + """
is_complete() { [[ $2 == complete* ]]; }
is_same_run() { :; }
mpi_run() { echo "$2" >> asked; SECONDS=$((SECONDS + 600)); }
""")
        self.write("list", "".join(f"c.toml --out {name}.h5\n" for name in ("a", "complete1", "b", "complete2", "complete3")))
        installed = self.folder / "bin" / "feddip"
        installed.parent.mkdir()
        installed.symlink_to("/bin/true")
        environment = {**os.environ, "PATH": f"{installed.parent}:{os.environ['PATH']}"}
        environment.pop("FEDDIP", None)
        done = subprocess.run(["bash", "jobs/sweep.sh", "list"], cwd=self.folder, env=environment, check=False,
                              capture_output=True, text=True, timeout=program.SECONDS)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((self.folder / "asked").read_text().split(), [str(installed)] * 2)
        self.assertIn("Run 1 of 5: a.h5", done.stderr)
        self.assertIn("Run 3 of 5, about 10 min left: b.h5", done.stderr)


class Quickstart(program.Program):
    def setUp(self):
        super().setUp()
        (self.folder / "jobs").mkdir()
        shutil.copy(JOBS / "quickstart.sh", self.folder / "jobs")
        (self.folder / "jobs" / "lib.sh").write_text((JOBS / "lib.sh").read_text() + STAND_INS)
        self.out = self.folder / "build" / "quickstart"

    def quickstart(self, ends):
        """The exit code, and the names of what was trained."""
        self.write("ends", str(ends))
        asked = self.folder / "asked"
        asked.unlink(missing_ok=True)
        done = subprocess.run(["bash", "jobs/quickstart.sh"], cwd=self.folder, check=False, capture_output=True, text=True,
                              timeout=program.SECONDS)
        return done.returncode, [pathlib.Path(line).name for line in asked.read_text().split()] if asked.exists() else []

    def test_a_run_goes_on_until_it_is_complete(self):
        for ends, expected in ((75, (75, ["feddip.h5"])), (0, (0, ["feddip.h5"])), (0, (0, []))):
            self.assertEqual(self.quickstart(ends), expected)

    def test_a_run_beside_one_of_another_version_goes_on_too(self):
        for what in ("stopped", "complete"):
            with self.subTest(what):
                shutil.rmtree(self.out, ignore_errors=True)
                self.out.mkdir(parents=True)
                (self.out / "feddip.h5").write_text(what)
                (self.out / "feddip.other").touch()
                tried = ["feddip.h5"] if what == "stopped" else []
                for ends, expected in ((75, (75, [*tried, "feddip-2.h5"])), (0, (0, [*tried, "feddip-2.h5"])), (0, (0, tried))):
                    self.assertEqual(self.quickstart(ends), expected)

    def test_what_fails_is_not_tried_under_other_names(self):
        for ends in (1, 2):
            self.assertEqual(self.quickstart(ends), (ends, ["feddip.h5"]))
            shutil.rmtree(self.out)


if __name__ == "__main__":
    program.main()
