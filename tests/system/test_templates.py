"""jobs/templates: each runs as its README says, on data that say they are a stand-in, and learns something from them."""
import pathlib
import shlex
import subprocess
import sys

import h5py

import program

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "jobs" / "templates"


def commands(readme):
    """The indented lines of a README, as lists of words."""
    return [shlex.split(line) for line in readme.read_text().splitlines() if line.startswith("    ")]


class Templates(program.Program):
    def setUp(self):
        super().setUp()
        for part in ("analysis", "data", "jobs"):
            (self.folder / part).symlink_to(ROOT / part)

    def follow(self, words):
        """One command of a README; mpirun and feddip are those of this build."""
        if words[0] in ("mpirun", "feddip"):
            return self.run_program(*words[words.index("feddip") + 1:], ranks=2 if words[0] == "mpirun" else 0)
        script = words[1:] if words[0] == "python3" else words
        return subprocess.run([sys.executable, "-B", *script], cwd=self.folder, capture_output=True, text=True, check=False,
                              timeout=program.SECONDS)

    def run_template(self, name, least):
        for words in commands(TEMPLATES / name / "README.md"):
            done = self.follow(words)
            # The watcher may warn; it is critical that stops a pilot.
            allowed = (0, 1) if "analysis/watch.py" in words else (0,)
            self.assertIn(done.returncode, allowed, f"{words}: {done.stdout}{done.stderr}")
        with h5py.File(self.folder / f"{name}.h5") as file:
            self.assertIn("a stand-in", file.attrs["note"])
            for label in file["class_names"]:
                self.assertTrue(label.endswith(b"_stand-in"), label)
        with h5py.File(self.folder / f"{name}-pilot.h5") as file:
            self.assertTrue(file.attrs["complete"])
            self.assertGreater(file["rounds/test_accuracy"][-1], least)
            self.assertGreater(file["rounds/simulated_seconds"][:].min(), 0)

    def test_inspection(self):
        self.run_template("inspection", 0.6)  # good parts are half of all

    def test_sorting(self):
        self.run_template("sorting", 0.5)  # of four kinds

    def test_hospitals(self):
        self.run_template("hospitals", 0.7)


if __name__ == "__main__":
    program.main()
