"""Runs find their place beside those of the authors' program by what their config says."""
import contextlib
import csv
import io
import pathlib
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy as np

JOBS = pathlib.Path(__file__).parents[2] / "jobs"
sys.path.insert(0, str(JOBS))

import compare_with_authors  # noqa: E402

CONFIG = """
[data]
dataset = "fashion-mnist"
partition = "iid"
[model]
name = "lenet5"
[federation]
clients = 50
clients_per_round = 5
rounds = {rounds}
local_epochs = 5
batch_size = 128
[method]
name = "{method}"
variant = "{variant}"
[sparsity]
initial = 0.5
target = {target}
horizon = 5
regrow = {regrow}
[regularization]
maximum = {maximum}
[optimizer]
learning_rate = 0.1
decay = 0.998
weight_decay = 5e-4
"""


class CompareWithAuthors(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, name, *, method="snip", variant="authors", target=0.9, regrow="false", rounds=100, complete=1,
              accuracy=0.5, maximum=1e-3, more=""):
        with h5py.File(self.folder / name, "w") as file:
            file.attrs["complete"] = complete
            file.attrs["config_toml"] = CONFIG.format(method=method, variant=variant, target=target, regrow=regrow,
                                                      rounds=rounds, maximum=maximum) + more
            file["rounds/test_accuracy"] = np.full(rounds, accuracy)
        return self.folder / name

    def compare(self, *paths):
        """The table's lines, by name: number of runs, then the other columns; and what was said of files left out."""
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            compare_with_authors.main(paths)
        lines = out.getvalue().splitlines()[1:]
        return {line[:26].strip(): line[26:].split() for line in lines}, err.getvalue()

    def test_files_and_folders_are_taken_alike(self):
        a, b = self.write("a.h5", accuracy=0.6), self.write("b.h5", accuracy=0.8)
        by_file, _ = self.compare(a, b)
        by_folder, _ = self.compare(self.folder)
        self.assertEqual(by_file, by_folder)
        self.assertEqual(by_file["snip, feddip"][:2], ["2", "70.00"])

    def test_the_authors_line_is_their_curve(self):
        with open(JOBS / "reference" / "baselines-lenet5-fashion-mnist-iid-T100.csv", newline="") as file:
            at_50 = [100 * float(row["test_accuracy"]) for row in csv.DictReader(file)
                     if row["run"].startswith("prunefl-0.90-") and row["round"] == "50"]
        table, _ = self.compare(self.write("a.h5", method="prunefl"))
        self.assertEqual(table["prunefl, authors"][0], str(len(at_50)))
        self.assertIn(f"{np.mean(at_50):.2f}", table["prunefl, authors"])

    def test_variants_have_lines_of_their_own(self):
        table, _ = self.compare(
            self.write("a.h5"), self.write("b.h5", variant="paper"),
            self.write("c.h5", method="feddip", variant="paper"),
            self.write("d.h5", method="feddip", variant="paper", regrow="true"))
        self.assertEqual({name for name in table if "authors" not in name},
                         {"snip, feddip", "snip, feddip (paper)", "feddip-nested, feddip", "feddip-regrow, feddip"})

    def test_other_settings_are_left_out_by_name(self):
        table, said = self.compare(self.write("a.h5", target=0.95), self.write("b.h5", rounds=60),
                                   self.write("c.h5", method="dispfl"), self.write("d.h5", complete=0),
                                   self.write("e.h5", method="feddip", maximum=0),
                                   self.write("f.h5", method="feddst", more="[feddst]\nreadjusted_share = 0.01\n"))
        self.assertEqual(table, {})
        self.assertIn("a.h5: sparsity.target = 0.95", said)
        self.assertIn("b.h5: federation.rounds = 60", said)
        self.assertIn("e.h5: regularization.maximum = 0", said)
        self.assertIn("f.h5: feddst.readjusted_share = 0.01", said)
        self.assertIn("c.h5: the authors have no such program", said)

    def test_runs_under_what_the_authors_had_not_are_left_out(self):
        others = ('[attack]\nkind = "sign_flip"\n', '[drift]\nkind = "rotation"\n', "[drift]\nsamples_per_round = 9\n",
                  "[privacy]\nclip = 1.0\n", "[privacy]\nsecure_sum = true\n", '[budget]\nmode = "fixed"\n',
                  '[aggregation]\nrule = "median"\n', "[faults]\ndrop_probability = 0.1\n",
                  '[adaptation]\nanswer = "regrow"\n', '[compute]\nprecision = "bf16"\n')
        for more in others:
            with self.subTest(more):
                table, said = self.compare(self.write("a.h5", more=more))
                self.assertEqual(table, {})
                self.assertIn("left out: ", said)
        as_today = ('[attack]\nkind = "none"\n[drift]\nkind = "none"\nsamples_per_round = 0\n[privacy]\nclip = 0.0\n'
                    'secure_sum = false\n[budget]\nmode = "none"\n[aggregation]\nrule = "mean"\n[faults]\ndrop_probability = 0.0\n')
        table, _ = self.compare(self.write("a.h5", more=as_today))
        self.assertIn("snip, feddip", table)

    def test_files_that_are_no_results_are_one_line(self):
        (self.folder / "text.h5").write_text("no HDF5")
        with h5py.File(self.folder / "images.h5", "w") as file:
            file.attrs["classes"] = 10
        for name in ("none.h5", "text.h5", "images.h5"):
            with self.subTest(name):
                told = subprocess.run([sys.executable, "-B", JOBS / "compare_with_authors.py", self.folder / name],
                                      capture_output=True, text=True, check=False)
                self.assertEqual((told.returncode, told.stderr.count("\n")), (2, 1), told.stderr)
                self.assertIn(f"compare_with_authors.py: error: {self.folder / name}: no results of feddip: ", told.stderr)

    def test_asked_for_help_it_helps(self):
        told = subprocess.run([sys.executable, "-B", JOBS / "compare_with_authors.py", "--help"], capture_output=True, text=True,
                              check=False)
        self.assertEqual((told.returncode, told.stderr), (0, ""))
        self.assertIn("mean over the last 10 rounds", told.stdout)

    def test_rounds_that_were_not_measured_have_no_number(self):
        stopped = np.where(np.arange(100) < 50, 0.25, np.nan)
        self.assertEqual(compare_with_authors.figures([stopped]), ["25.00", "25.00", "-", "-"])

    def test_dense_methods_do_not_depend_on_the_sparsity(self):
        table, _ = self.compare(self.write("a.h5", method="fedavg", target=0.95))
        self.assertIn("fedavg, feddip", table)


if __name__ == "__main__":
    unittest.main()
