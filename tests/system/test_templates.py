"""jobs/templates: each runs as its README says, on data that say they are a stand-in, and learns something from them; within
its deadline, and until its own rules would stop it."""
import importlib.util
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tomllib

import h5py
import numpy as np

import program

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "jobs" / "templates"


def commands(readme):
    """The indented lines of a README, as lists of words."""
    lines = readme.read_text().replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.startswith("    ")]


def quoted_seconds(readme):
    """The times that a README's paragraph on the deadline names."""
    paragraph = re.search(r"\*\*Deadline\.\*\*(.+?)\n\n", readme.read_text(), re.DOTALL)[1]
    return re.findall(r"[\d.]+ s\b", paragraph)


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

    def watch(self, name, results):
        """What its own rules say of a run: the exit code, and the text."""
        told = self.follow(["analysis/watch.py", "--thresholds", f"jobs/templates/{name}/stop.toml", results])
        return told.returncode, told.stdout + told.stderr

    def run_template(self, name, least):
        for words in commands(TEMPLATES / name / "README.md"):
            if "analysis/verify_export.py" in words and not all(map(importlib.util.find_spec, ("onnx", "torch"))):
                print(f"not run, without onnx and torch: {shlex.join(words)}", file=sys.stderr)
                continue
            done = self.follow(words)
            if "--each" in words:
                self.assert_each_site_is_told(name, done.stdout)
            if words[:2] == ["feddip", "check"]:
                checked = done.stdout
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
            dropped_out, met = file["clients/dropped_out"][()], file["clients/deadline_met"][()]
        self.assert_holds_deadline(name, dropped_out, met, checked)
        self.assert_stops(name)

    def assert_each_site_is_told(self, name, told):
        """A row for each class of each client that has test images of it, and their number is right."""
        with h5py.File(self.folder / f"{name}.h5") as file:
            labels, clients = file["test/labels"][()], file["test/clients"][()]
            names = [label.decode() for label in file["class_names"]]
        rows = {tuple(cells[:2]): cells[2:] for line in told.splitlines()[3:] for cells in [[c.strip() for c in line.strip("|").split("|")]]}
        for client, label in set(zip(clients, labels)):
            mine = (clients == client) & (labels == label)
            images, sensitivity, _ = rows[str(client), names[label]]
            self.assertEqual(int(images), mine.sum())
            self.assertRegex(sensitivity, r"^\d+\.\d \(\d+\.\d - \d+\.\d\)$")
        self.assertEqual(sum(int(rows["all", label][0]) for label in names), len(labels))

    def assert_holds_deadline(self, name, dropped_out, met, checked):
        """Who did not drop out was in time, most of the time somebody was, and what the README says of it is what check says."""
        budget = tomllib.loads((TEMPLATES / name / "config.toml").read_text()).get("budget", {})
        quoted = quoted_seconds(TEMPLATES / name / "README.md")
        if not budget:
            self.assertTrue((met == -1).all())
            self.assertEqual(quoted, [])
            return
        self.assertTrue((met[dropped_out == 0] == 1).all())
        self.assertGreater((met == 1).mean(), 0.5)
        self.assertIn(f"{budget['deadline_s']} s", quoted)
        for seconds in quoted:
            self.assertTrue(seconds == f"{budget['deadline_s']} s" or f" {seconds}" in checked, seconds)

    def assert_stops(self, name):
        """Where most clients are away at most times, its own rules call it critical."""
        self.train_with(name, "gone.h5", "faults.drop_probability=0.9")
        code, told = self.watch(name, "gone.h5")
        self.assertEqual(code, 2, told)
        self.assertIn("CRITICAL gone.h5 clients_vanishing", told)

    def train_with(self, name, out, *settings):
        done = self.run_program("train", f"jobs/templates/{name}/config.toml", "--out", out,
                                *(word for setting in settings for word in ("--set", setting)))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_inspection(self):
        self.run_template("inspection", 0.6)  # good parts are half of all
        with h5py.File(self.folder / "factory1-alone.h5") as file:
            self.assertTrue(file.attrs["complete"])
        with h5py.File(self.folder / "factory1.h5") as alone, h5py.File(self.folder / "inspection.h5") as whole:
            self.assertIn("a stand-in", alone.attrs["note"])
            for part in ("train", "test"):
                self.assertEqual(len(alone[f"{part}/labels"]), (whole[f"{part}/clients"][()] == 0).sum())
        refused = self.follow(["jobs/templates/make_stand_in.py", "inspection", "--site", "none", "--out", "none.h5"])
        self.assertEqual(refused.returncode, 2)

    def test_sorting(self):
        self.run_template("sorting", 0.5)  # of four kinds
        with h5py.File(self.folder / "sorting-pilot.h5") as file:
            self.assertLessEqual(file["rounds/simulated_seconds"][()].max(), 6)
        self.train_with("sorting", "late.h5", "budget.mode=none", "communication.reconfiguration_upload=topk_residual")
        with h5py.File(self.folder / "late.h5") as late, h5py.File(self.folder / "sorting-pilot.h5") as pilot:
            self.assertGreater(late["rounds/simulated_seconds"][()].max(), 6)
            # Per client that answers: fewer do by the deadline.
            per_upload = [file["rounds/bytes_up"][()].sum() / (file["clients/dropped_out"][()] == 0).sum()
                          for file in (late, pilot)]
            self.assertLess(per_upload[0], per_upload[1])

    def test_hospitals(self):
        self.run_template("hospitals", 0.7)
        # The first trains longest, though the last has the slow line.
        with h5py.File(self.folder / "hospitals-pilot.h5") as file:
            self.assertTrue((np.argmax(file["clients/simulated_seconds"][()], axis=1) == 0).all())
        shutil.copy(self.folder / "hospitals-pilot.h5", self.folder / "one-away.h5")
        with h5py.File(self.folder / "one-away.h5", "a") as file:
            file["clients/dropped_out"][:, 3] = 1
        code, told = self.watch("hospitals", "one-away.h5")
        self.assertEqual(code, 2, told)
        self.assertIn("clients_vanishing", told)


if __name__ == "__main__":
    program.main()
