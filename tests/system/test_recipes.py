"""The recipes under jobs/ and in the README that build the program ask for what they install, and take along what it needs."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class ApptainerDefinition(unittest.TestCase):
    def test_copies_what_is_built_and_installed(self):
        definition = (ROOT / "jobs" / "feddip.def").read_text()
        copied = re.findall(r"^    (\S+) /opt/feddip-source/(\S+)$", definition, re.MULTILINE)
        self.assertTrue(copied)
        for source, target in copied:
            self.assertEqual(source, target)
            self.assertTrue((ROOT / source).exists(), source)
        built = (ROOT / "CMakeLists.txt").read_text()
        installed = {name for names in re.findall(r"install\((?:DIRECTORY|FILES) (.+?) DESTINATION", built)
                     for name in names.split()}
        self.assertGreaterEqual(installed, {"jobs", "analysis"}, "they are listed in another way now")
        self.assertLessEqual(installed | {"src", "CMakeLists.txt", "CMakePresets.json"}, {source for source, _ in copied})


class Readme(unittest.TestCase):
    def test_checkpoints_that_it_names_are_there_at_the_end(self):
        text = (ROOT / "README.md").read_text()
        rounds = re.search(r"int rounds = (\d+)", (ROOT / "src" / "config" / "config.hpp").read_text())
        config = (ROOT / "jobs" / "configs" / "fashion-mnist-lenet5.toml").read_text()
        rounds = re.search(r"^rounds = (\d+)", config, re.MULTILINE) or rounds
        self.assertEqual(set(re.findall(r"\brun\.ckpt-(\d+)\.h5", text)), {rounds[1]})

    def test_folders_that_plans_are_written_into_are_made_first(self):
        places = [ROOT / "README.md", *(ROOT / "jobs").glob("*_study.sh"), ROOT / "jobs" / "study.sh"]
        lines = [line for place in places for line in place.read_text().splitlines()
                 if re.search(r"^(#  )?   .*study.sh \S+ .*> \S+/plan.txt", line)]
        self.assertEqual(len(lines), 7)
        for line in lines:
            folder = re.search(r"> (\S+)/plan.txt", line)[1]
            self.assertIn(f"mkdir -p {folder} && jobs/", line)


class Shell(unittest.TestCase):
    """jobs/lib.sh, with stand-ins for programs."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="feddip-")
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)

    def stand_in(self, name, text):
        path = self.folder / name
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)

    def shell(self, text, **environment):
        environment = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}", **environment}
        return subprocess.run(["bash", "-euc", f"source '{ROOT}/jobs/lib.sh'; {text}"], env=environment, cwd=self.folder,
                              check=False, capture_output=True, text=True, timeout=60)

    def test_results_are_not_taken_for_another_runs_where_there_is_no_room_to_copy_them(self):
        self.stand_in("feddip", f"touch {self.folder}/asked")
        (self.folder / "r.h5").touch()
        done = self.shell("is_same_run feddip r.h5 c.toml || echo no", TMPDIR=str(self.folder / "nowhere"))
        self.assertEqual(done.stdout, "no\n")
        self.assertIn("set TMPDIR", done.stderr)
        self.assertFalse((self.folder / "asked").exists())

    def test_a_build_needs_the_packages_of_tests_only_when_told(self):
        self.stand_in("cmake", f'echo "$@" >> {self.folder}/asked')
        for told, expected in (("", "OFF"), ("-DFEDDIP_BUILD_TESTS=ON -DFEDDIP_BUILD_BENCHMARKS=ON", "ON")):
            done = self.shell(f"build_release {told}")
            self.assertEqual(done.returncode, 0, done.stderr)
            configured = (self.folder / "asked").read_text().splitlines()[-2]
            for what in ("TESTS", "BENCHMARKS"):
                self.assertEqual(re.findall(rf"-DFEDDIP_BUILD_{what}=(\S+)", configured)[-1], expected, configured)

    def test_where_there_is_no_apt_get_or_none_is_wanted_nothing_is_installed(self):
        (self.folder / "bin").mkdir()
        for name in ("bash", "dirname", "awk", "grep"):
            (self.folder / "bin" / name).symlink_to(shutil.which(name))
        done = self.shell("install_packages build run; echo went on", PATH=str(self.folder / "bin"))
        self.assertEqual((done.returncode, done.stdout), (0, "went on\n"), done.stderr)
        self.assertIn("there is no apt-get", done.stderr)

        self.stand_in("apt-get", f"touch {self.folder}/asked")
        self.stand_in("dpkg-query", "exit 1")
        self.stand_in("sudo", '"$@"')
        done = self.shell("install_packages build", FEDDIP_INSTALL="no")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertFalse((self.folder / "asked").exists())
        self.assertEqual(self.shell("install_packages build").returncode, 0)
        self.assertTrue((self.folder / "asked").exists())

    def test_the_python_is_one_that_opens_results(self):
        debians = f"{self.folder}/debian"
        self.stand_in("other", "exit 1")
        # Where neither does yet, Debian's packages are still to come.
        for debian, in_path, named, expected in ((0, 0, "", debians), (1, 0, "", "python3"), (1, 1, "", debians), (0, 0, "other", "other")):
            with self.subTest(debian=debian, in_path=in_path, named=named):
                self.stand_in("debian", f"exit {debian}")
                self.stand_in("python3", f"exit {in_path}")
                lib = self.folder / "jobs" / "lib.sh"
                lib.parent.mkdir(exist_ok=True)
                lib.write_text((ROOT / "jobs" / "lib.sh").read_text().replace("/usr/bin/python3", f"{self.folder}/debian"))
                done = self.shell(f'source "{lib}"; echo "$python"', FEDDIP_PYTHON=named)
                self.assertEqual(done.stdout.strip(), expected)

    def test_threads_that_slurm_sets_are_named_where_they_are_others_than_before(self):
        complaint = "feddip: error: can't resume with another configuration (./thr): compute.threads was 1 and is 2 now"
        self.stand_in("feddip", "exit 2")  # knows of no results yet
        for says, hinted in ((complaint, True), ("feddip: error: no such file", False)):
            with self.subTest(says=says):
                self.stand_in("mpirun", f'echo "{says}" >&2; exit 2')
                done = self.shell(f"source '{ROOT}/jobs/slurm.sh'; train run.toml --out run.h5", SLURM_JOB_ID="1",
                                  SLURM_JOB_NODELIST="here", FEDDIP_LAUNCHER="mpirun", FEDDIP=str(self.folder / "feddip"))
                self.assertEqual(done.returncode, 2, done.stderr)
                log = self.folder / "run.log"
                self.assertIn(says, log.read_text())
                self.assertEqual("submit with that as before, or with another --out" in log.read_text(), hinted)
                log.unlink()

    def test_by_hand_too(self):
        text = (ROOT / "README.md").read_text()
        by_hand = re.search(r"### Building by hand\n\n    (.+)\n", text)[1]
        for what in ("TESTS", "BENCHMARKS"):
            self.assertIn(f"-DFEDDIP_BUILD_{what}=OFF", by_hand)


if __name__ == "__main__":
    unittest.main(verbosity=2)
