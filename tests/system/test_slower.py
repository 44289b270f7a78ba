"""What the study of clients that differ takes for granted: where all but the quick clients are ten times slower, and the deadline
is ten times longer, every client does the same, to the bit; and the analysis tells from the bytes what the rounds take then."""
import pathlib
import shlex
import subprocess
import sys

import h5py
import numpy as np

import program

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "analysis"))
from feddip_analysis import federations, links, load, results  # noqa: E402

SYSTEMS = ("fedavg-drop", "weakest", "adaptive", "flash", "heterofl")
SHORT = ["--set", "federation.rounds=6", "--set", "federation.local_epochs=1", "--set", "federation.clients=200"]  # two masks
RUN = "-iid-seed2"  # whose rounds ask client 0, so that it is known how fast that one is


def times(name):
    """Of datasets that say how long something took."""
    return "seconds" in name


@program.needs_fashion_mnist
class Slower(program.Program):
    def listed(self, federation):
        """By name of the system, how the study runs it."""
        done = subprocess.run([ROOT / "jobs" / "budget_study.sh", ".", federation], cwd=self.folder, check=True,
                              capture_output=True, text=True)
        (self.folder / federation).mkdir(exist_ok=True)
        lines = map(shlex.split, done.stdout.splitlines())
        return {name.removesuffix(RUN): line for line in lines if (name := pathlib.Path(line[2]).stem).endswith(RUN)}

    def run_of(self, line):
        done = self.run_program("train", *line, *SHORT)
        self.assertEqual(done.returncode, 0, done.stderr)
        return load(self.folder / line[2])

    def assert_same_but_for_times(self, one, other):
        def kept(run):
            with h5py.File(run.attrs["path"]) as file:
                found = {}
                file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
                return {name: values for name, values in found.items() if not times(name)}
        ours, theirs = kept(one), kept(other)
        self.assertEqual(ours.keys(), theirs.keys())
        for name, values in ours.items():
            np.testing.assert_array_equal(values, theirs[name], name)

    def assert_told(self, told, run):
        for name in ("client_simulated_seconds", "simulated_seconds"):
            np.testing.assert_allclose(told[name], run[name], rtol=1e-12, err_msg=name)
        ours, theirs = (links.of_run(each).per_class() for each in (told, run))
        for name in links.OF_CLASSES:
            np.testing.assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-12, err_msg=name)
        deadlines = [results.config(each)["budget.deadline_s"] for each in (told, run)]
        self.assertEqual(*deadlines)

    def test_clients_and_a_deadline_ten_times_slower_change_nothing_but_times(self):
        ten, hundred = self.listed("10-fold"), self.listed("100-fold")
        for system in SYSTEMS:
            with self.subTest(system=system):
                run, slower = self.run_of(ten[system]), self.run_of(hundred[system])
                self.assert_same_but_for_times(run, slower)
                self.assert_told(federations.told_by(run, "100-fold"), slower)
                self.assertIsNone(federations.told_by(run, "alike"), "another deadline, another run")
                self.assertGreater(float(slower.simulated_seconds.sum()), 5 * float(run.simulated_seconds.sum()))

    def test_without_budgets_links_change_nothing_but_times(self):
        run = self.run_of(self.listed("10-fold")["fedavg"])
        settings = [word for word in self.listed("alike")["adaptive"] if word.startswith("links.")]
        line = ["alike/fedavg.h5" if word.endswith(".h5") else word for word in self.listed("10-fold")["fedavg"]]
        alike = self.run_of([*line, *(word for each in settings for word in ("--set", each))])
        self.assert_same_but_for_times(run, alike)
        self.assert_told(federations.told_by(run, "alike"), alike)


if __name__ == "__main__":
    program.main()
