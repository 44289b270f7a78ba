"""What the texts say of the recorded runs, held against their files."""

import contextlib
import io
import itertools
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

try:
    import h5py
    import jinja2  # noqa: F401
    import matplotlib  # noqa: F401
    import numpy as np
    import scipy  # noqa: F401
    import xarray
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

import study_tables
from feddip_analysis import collect, documents, links, partition, plan, published, results, study
from scratch import ANALYSIS, Scratch, run_script
from synthetic import write_results

ROOT = ANALYSIS.parent
STUDY = ANALYSIS / "results" / "study-1000"
ABLATIONS = ANALYSIS / "results" / "ablations"
TEXTS = (ROOT / "README.md", ANALYSIS / "results" / "study.md")
MADE_AGAIN = {ANALYSIS / "results" / "budgets" / "classes.h5"}  # by jobs/budget_study.sh, and not kept
MOST_BYTES = 40e6


class Texts(unittest.TestCase):
    def test_tables_are_what_the_results_files_say(self):
        done = run_script("study_tables.py", "--check")
        self.assertEqual((done.returncode, done.stderr), (0, ""), "python3 analysis/study_tables.py writes them anew")

    def test_recorded_runs_tell_how_long_they_would_take_over_other_links(self):
        slow = links.Links(shares=(1.0,), uplink_mbit=(2.0,), downlink_mbit=(2.0,), latency_ms=(10.0,), train_ms_per_image=(1.0,))
        for folder in sorted(path for path in (ANALYSIS / "results").iterdir() if path.is_dir()):
            for run in collect([folder])[0]:
                seconds = links.round_seconds(run, slow)
                known = links.carries_over(run)
                self.assertTrue((seconds > 0).all() if known else np.isnan(seconds).all(), run.attrs["path"])
        with tempfile.TemporaryDirectory() as out:
            done = run_script("decide.py", STUDY, "--uplink-mbit", 2, "--out", out)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_a_number_that_was_changed_by_hand_is_found(self):
        text = "before\n<!-- made: a -->\n\n| 1 |\n\n<!-- end -->\nafter\n"
        self.assertEqual(documents.fill(text, {"a": "| 1 |\n"}), text)
        self.assertEqual(documents.fill(text.replace("1", "2"), {"a": "| 1 |\n"}), text)
        with self.assertRaises(KeyError):
            documents.fill(text, {})

    def test_a_block_without_a_place_and_a_place_without_a_block_are_errors(self):
        with tempfile.TemporaryDirectory() as folder:
            pages = [Path(folder) / name for name in ("a.md", "b.md")]
            for name, page in zip("ab", pages):
                page.write_text(f"<!-- made: {name} -->\n\nold\n\n<!-- end -->\n")
            said = io.StringIO()
            with contextlib.redirect_stderr(said):
                self.assertEqual(documents.update("x.py", pages, {"a": "new", "b": "new", "c": "new"}, False), 1)
                self.assertEqual(documents.update("x.py", pages[:1], {}, True), 1)
            self.assertEqual(said.getvalue().splitlines(), [f"x.py: {pages[0]} and {pages[1]}: no place for the block 'c'",
                                                            f"x.py: {pages[0]}: nothing makes its block 'a'"])
            self.assertIn("old", pages[0].read_text())
            with contextlib.redirect_stdout(said):
                self.assertEqual(documents.update("x.py", pages, {"a": "new", "b": "new"}, False), 0)
            self.assertIn("new", pages[1].read_text())

    def test_files_that_a_page_leaves_out_are_named_and_fail_it(self):
        with tempfile.TemporaryDirectory() as folder:
            damaged = Path(folder) / "analysis" / "results" / "beyond" / "a.h5"
            damaged.parent.mkdir(parents=True)
            damaged.write_text("no HDF5")
            made = published.Published(Path(folder))
            self.assertEqual(made._runs("beyond"), [])
            said = io.StringIO()
            with mock.patch.object(study_tables, "Published", lambda root: made), mock.patch.object(made, "blocks", dict), \
                 mock.patch.object(study_tables, "TEXTS", ()), mock.patch("sys.argv", ["study_tables.py", "--check"]), \
                 contextlib.redirect_stderr(said):
                self.assertEqual(study_tables.main(), 1)
            self.assertIn(f"left out: {damaged}: not a results file", said.getvalue())

    def test_pictures_of_the_texts_are_there(self):
        for text in TEXTS:
            for part in text.read_text().split("](")[1:]:
                link = part.split(")")[0]
                if link.endswith(".png"):
                    self.assertTrue((text.parent / link).is_file(), f"{text}: {link}")

    def test_results_stay_small(self):
        files = {path for path in (ANALYSIS / "results").rglob("*") if path.is_file()} - MADE_AGAIN
        size = sum(path.stat().st_size for path in files)
        self.assertLess(size, MOST_BYTES)


class Regularization(unittest.TestCase):
    def test_norms_of_the_last_round_are_compared_within_a_seed(self):
        def run(seed, strength, *norms):
            data = {"layer_weight_norm": (("round", "layer"), [[np.nan, np.nan], norms])}
            attrs = {"seed": seed, "config_toml": f"[regularization]\nmaximum = {strength}\n", "path": "a.h5"}
            return xarray.Dataset(data, {"round": [1, 2], "layer": ["conv", "fc"]}, attrs)

        made = published.layer_norms([run(2, 0.01, 9.0, 9.0), run(1, 0.01, 1.0, 5.0), run(1, 0.001, 1.98, 4.0), run(1, 0.0, 2.0, 4.0)])
        self.assertEqual([[cell.strip() for cell in line.split("|")[1:-1]] for line in made.splitlines() if "---" not in line],
                         [["layer", "without", "with λ = 0.001", "with λ = 0.01"],
                          ["conv", "2.00", "1.98, −1.0 %", "1.00, −50.0 %"], ["fc", "4.00", "4.00, +0.0 %", "5.00, +25.0 %"]])


class Planned(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.plan = plan.read(plan.beside([STUDY]))
        cls.runs, cls.skipped = collect([STUDY])

    @staticmethod
    def listed(script, folder):
        command = [ROOT / "jobs" / script, folder.relative_to(ROOT)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    def test_the_list_is_the_one_that_the_study_writes(self):
        self.assertEqual((STUDY / plan.NAME).read_text(), self.listed("study.sh", STUDY))

    def test_ablations_are_of_the_list_that_their_script_writes(self):
        runs = (ABLATIONS / plan.NAME).read_text().splitlines()
        self.assertLessEqual(set(runs), set(self.listed("ablation_study.sh", ABLATIONS).splitlines()))

    def test_runs_are_those_of_the_list_and_whole(self):
        self.assertEqual(self.skipped, [])
        files = {planned.file for planned in self.plan.runs}
        self.assertLessEqual({path.name for path in STUDY.glob("*.h5")}, files)
        self.assertEqual(len(files), len(self.plan.runs))

    def test_other_studies_have_the_runs_of_their_lists_and_no_others(self):
        for name in ("ablations", "attacks", "budgets", "drift", "privacy"):
            folder = ANALYSIS / "results" / name
            planned = [run.file for run in plan.read(plan.beside([folder])).runs]
            found = [path.name for path in set(folder.rglob("*.h5")) - MADE_AGAIN]
            with self.subTest(name):
                self.assertEqual(sorted(found), sorted(planned))

    def test_runs_are_configured_as_planned(self):
        by_file = {planned.file: planned for planned in self.plan.runs}
        for run in self.runs:
            planned = by_file[run.attrs["path"].rpartition("/")[2]]
            recorded = results.config(run)
            self.assertEqual({key: recorded[key] for key in planned.keys}, planned.keys, planned.file)

    def test_a_seed_is_whole_before_the_next(self):
        seeds = [planned.seed for planned in self.plan.runs]
        self.assertEqual([seed for seed, _ in itertools.groupby(seeds)], [1, 2, 3, 4, 5])


class Kept(Scratch):
    def test_files_that_are_kept_are_smaller_and_say_the_same(self):
        path = write_results(self.folder / "a.h5", rounds=1000)
        whole, size = results.load(path), path.stat().st_size
        unfinished = write_results(self.folder / "b.h5", complete=0)
        before = unfinished.read_bytes()
        subprocess.run([sys.executable, ROOT / "jobs" / "keep.py", path, unfinished], capture_output=True, check=True)
        self.assertLess(path.stat().st_size, size / 2)
        xarray.testing.assert_identical(results.load(path), whole)
        self.assertEqual(unfinished.read_bytes(), before)
        self.assertEqual(sorted(self.folder.iterdir()), [path, unfinished])

    def test_plain_ones_have_no_dimension_scales_and_say_the_same(self):
        path = write_results(self.folder / "a.h5")
        with h5py.File(path, "r+") as file:
            file["rounds/round"].make_scale()
            file["rounds/test_accuracy"].dims[0].attach_scale(file["rounds/round"])
        whole = results.load(path)
        for plain in (False, True):
            subprocess.run([sys.executable, ROOT / "jobs" / "keep.py", *["--plain"] * plain, path], check=True)
            with h5py.File(path) as file:
                self.assertEqual(len(file["rounds/test_accuracy"].dims[0]), 0 if plain else 1)
            xarray.testing.assert_identical(results.load(path), whole)

    def test_what_is_not_kept_was_not_measured(self):
        def keep(*names):
            options = itertools.chain.from_iterable(("--without", name) for name in names)
            return subprocess.run([sys.executable, ROOT / "jobs" / "keep.py", *options, path], capture_output=True, text=True)

        path = write_results(self.folder / "a.h5")
        whole, before = results.load(path), path.read_bytes()
        for name, why in (("clients/id", "clients/id is of whole numbers or texts"), ("clients/nothing", "it has no clients/nothing")):
            done = keep(name)
            self.assertEqual((done.returncode, path.read_bytes()), (1, before), name)
            self.assertIn(why, done.stderr)
        self.assertEqual(keep("clients/train_loss", "rounds/seconds_round").returncode, 0)
        left = ("client_train_loss", "seconds_round")
        kept = results.load(path)
        for name in left:
            self.assertTrue(bool(kept[name].isnull().all()) and not bool(whole[name].isnull().all()), name)
        xarray.testing.assert_identical(kept.drop_vars(left), whole.drop_vars(left))


class Partition(Scratch):
    def test_shares_of_the_clients_are_as_large_as_recorded(self):
        for path in sorted((ANALYSIS / "results" / "study").glob("fashion-mnist-lenet5-fedavg-dirichlet-*.h5")):
            run = results.load(path)
            train, test = partition.counts_of(run)
            recorded = run.client_samples.values.ravel()
            np.testing.assert_array_equal(train.sum(axis=0)[run.client_id.values.ravel()], recorded, str(path))
            np.testing.assert_array_equal(train.sum(axis=1), 6000)
            np.testing.assert_array_equal(test.sum(axis=1), 1000)

    def test_the_majority_class_gets_what_the_test_share_has_of_it(self):
        run = self.run_of(config={"data.partition": "dirichlet"})
        train, test = partition.counts_of(run)
        right = [test[train[:, k].argmax(), k] / test[:, k].sum() for k in range(50)]
        self.assertAlmostEqual(partition.majority_accuracy(run), np.mean(right))
        self.assertGreater(partition.majority_accuracy(run), 0.3)

    def test_equal_shares_of_classes_give_one_class_its_share(self):
        for kind, accuracy in (("iid", 0.1), ("pathological", 0.5)):
            self.assertEqual(partition.majority_accuracy(self.run_of(config={"data.partition": kind})), accuracy)

    def test_of_other_data_nothing_is_known(self):
        run = self.run_of()
        run.attrs["dataset"] = "file"
        self.assertTrue(np.isnan(partition.majority_accuracy(run)))
        self.assertTrue(np.isnan(study.chance("FedDIP", run)))

    def test_runs_on_own_images_say_what_the_most_frequent_class_gets(self):
        run = self.run_of()
        run.attrs |= {"dataset": "file", "majority_share": 0.8}
        self.assertEqual(study.chance("FedDIP", run), 0.8)


if __name__ == "__main__":
    unittest.main()
