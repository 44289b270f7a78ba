"""What the analysis says of runs on data that drift, on files whose numbers are known."""

import subprocess
import sys
import unittest

try:
    import h5py  # noqa: F401
    import matplotlib  # noqa: F401
    import numpy as np
    import xarray  # noqa: F401
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

from feddip_analysis import drift, group_runs
from scratch import ANALYSIS, Scratch, run_script
from synthetic import write_results

ROUNDS = 100
SUDDEN = {"drift.kind": "rotation", "drift.pattern": "sudden", "drift.at": 61, "drift.strength": 90.0}


def accuracy(lost, rounds):
    """0.8, and `lost` from round 61 on, of which a part comes back in each of so many rounds."""
    t = np.arange(1, ROUNDS + 1)
    return 0.8 - np.where(t > 60, lost * np.clip(1 - (t - 61) / rounds, 0, 1), 0.0)


def strength(first=61, last=ROUNDS):
    t = np.arange(1, ROUNDS + 1)
    return np.where((t >= first) & (t <= last), 90.0, 0.0)


def drifting(folder, name, rounds_back=20, lost=0.4, **options):
    alarm = np.zeros(ROUNDS, dtype=np.int32)
    alarm[options.pop("alarms", [])] = 1
    columns = {
        "test_accuracy": accuracy(lost, rounds_back),
        "drift": strength(),
        "alarm": alarm,
        "ever_alive": np.linspace(0.1, 0.3, ROUNDS),
        "mask_distance": np.linspace(0, 0.5, ROUNDS),
        "bytes_up": np.full(ROUNDS, 3000, np.uint64),
        "bytes_down": np.full(ROUNDS, 1000, np.uint64),
    }
    columns |= options.pop("columns", {})
    config = SUDDEN | options.pop("config", {})
    return write_results(folder / name, rounds=ROUNDS, columns=columns, config=config, **options)


class Drift(Scratch):
    def run_with(self, **options):
        return self.run_of(rounds=ROUNDS, **options)

    def load(self, *arguments, **options):
        from feddip_analysis import load

        return load(drifting(self.folder, *arguments, **options))

    def test_events_begin_where_the_strength_leaves_a_level(self):
        recurring = strength(61, 70) + strength(81)
        run = self.load("a.h5", columns={"drift": recurring})
        self.assertEqual(drift.events(run), [(61, 70), (71, 80), (81, 100)])
        gradual = np.clip((np.arange(1, ROUNDS + 1) - 60) / 10, 0, 1)
        self.assertEqual(drift.events(self.load("b.h5", columns={"drift": gradual})), [(61, 100)])
        there_from_the_start = strength(1, 60)
        self.assertEqual(drift.events(self.load("c.h5", columns={"drift": there_from_the_start})), [(1, 60), (61, 100)])
        self.assertEqual(drift.events(self.run_with(name="d.h5")), [])

    def test_the_dip_is_made_up_when_nine_tenths_of_it_are(self):
        run = self.load("a.h5", rounds_back=20, alarms=[63, 70])
        found = drift.recovery(run, drift.events(run)[0])
        self.assertAlmostEqual(found.before, 0.8)
        self.assertAlmostEqual(found.dip, 0.4)
        # 0.4 * (1 - 18/20) is left in round 79; the median of three is there a round earlier.
        self.assertEqual(found.rounds, 18)
        self.assertEqual(found.alarm_after, 3)

    def test_one_good_evaluation_is_no_recovery(self):
        lucky = accuracy(0.4, 1000)
        lucky[64] = 0.8
        run = self.load("a.h5", columns={"test_accuracy": lucky})
        found = drift.recovery(run, drift.events(run)[0])
        self.assertEqual(found.rounds, np.inf)
        self.assertEqual(found.alarm_after, np.inf)

    def test_the_last_evaluations_are_no_recovery_alone(self):
        for good, rounds in ((1, np.inf), (2, 38), (3, 37)):  # so many at the end; the median of three needs two
            values = np.where(np.arange(1, ROUNDS + 1) > 60, 0.4, 0.8)
            values[-good:] = 0.8
            with self.subTest(good):
                run = self.load(f"{good}.h5", columns={"test_accuracy": values})
                self.assertEqual(drift.recovery(run, drift.events(run)[0]).rounds, rounds)

    def test_rounds_without_an_evaluation_are_passed_over(self):
        run = self.load("a.h5", rounds_back=20, every=5)
        found = drift.recovery(run, drift.events(run)[0])
        self.assertAlmostEqual(found.dip, 0.4 * (1 - 4 / 20))
        self.assertEqual(found.rounds, 15)  # round 75: of 75, 80, 85 the median is whole again

    def test_alarms_before_the_drift_are_counted_as_false(self):
        self.assertEqual(drift.false_alarms(self.load("a.h5", alarms=[10, 40, 70])), 2)

    def families(self, seeds=(1, 2, 3), answer_back=9, answer_bytes=1000):
        frozen = {"sparsity.final_rounds": 50.0, "adaptation.answer": "none"}
        for seed in seeds:
            drifting(self.folder, f"frozen{seed}.h5", 20, seed=seed, config=frozen)
            drifting(self.folder, f"regrow{seed}.h5", answer_back, seed=seed,
                     config=frozen | {"adaptation.answer": "regrow"},
                     columns={"bytes_down": np.full(ROUNDS, answer_bytes, np.uint64)})
            drifting(self.folder, f"as_it_is{seed}.h5", 15, seed=seed, config={"sparsity.final_rounds": 0.0})
            drifting(self.folder, f"fedavg{seed}.h5", 5, seed=seed, method="fedavg")

    def rows(self):
        from feddip_analysis import collect

        runs, skipped = collect([self.folder])
        self.assertEqual(skipped, [])
        return drift.rows(group_runs(runs))

    def test_systems_are_told_apart(self):
        self.families(seeds=(1,))
        self.assertEqual(sorted(row.system for row in self.rows()),
                         ["FedAvg", "FedDIP s = 0.9, as it is", "FedDIP s = 0.9, frozen",
                          "FedDIP s = 0.9, regrow on alarm"])
        self.assertEqual({row.stream for row in self.rows()}, {"rotation of 90, sudden, at 61"})

    def test_an_answer_is_worth_it_where_it_is_twice_as_fast_for_a_quarter_more(self):
        self.families(answer_back=9, answer_bytes=1900)
        (verdict,) = drift.verdicts(self.rows())
        self.assertEqual(verdict.seeds, (1, 2, 3))
        self.assertAlmostEqual(verdict.faster, 18 / 9)  # 9 rounds back: 8.1 of them, and the median
        self.assertAlmostEqual(verdict.dearer, 4900 / 4000)
        self.assertTrue(verdict.holds)
        self.assertIn("2.00 times as fast", verdict.text())

    def test_an_answer_is_not_worth_it_where_it_is_slower_or_dearer(self):
        self.families(answer_back=12, answer_bytes=1900)
        self.assertFalse(drift.verdicts(self.rows())[0].holds)
        self.families(answer_back=9, answer_bytes=2100)
        self.assertFalse(drift.verdicts(self.rows())[0].holds)

    def test_runs_that_never_recover_count_with_all_their_rounds(self):
        frozen = {"sparsity.final_rounds": 50.0}
        drifting(self.folder, "frozen.h5", 1000, config=frozen | {"adaptation.answer": "none"})
        drifting(self.folder, "relax.h5", 20, config=frozen | {"adaptation.answer": "relax"})
        (verdict,) = drift.verdicts(self.rows())
        self.assertAlmostEqual(verdict.faster, 40 / 18)
        self.assertIn("> 40 (1 of 1 not)", drift.table(self.rows()).markdown())

    def test_seeds_are_told_one_by_one_with_their_lowest_and_the_evaluations_of_each_mean(self):
        values = np.where(np.arange(1, ROUNDS + 1) > 60, 0.6, 0.8)
        for seed, low in ((2, 0.3), (1, 0.2)):
            values[64] = low  # round 65
            drifting(self.folder, f"{seed}.h5", seed=seed, every=5, columns={"test_accuracy": values.copy()})
        (row,) = drift.by_seed(self.rows())
        self.assertEqual((row["seeds"], row["from round"]), ("1 / 2", "61"))
        self.assertEqual(row["lowest (%), in round"], "20.0 in 65 / 30.0 in 65")
        self.assertEqual(row["its first 10 rounds (%)"], "40.0 / 45.0 (2)")
        self.assertEqual(row["its last 100 rounds (%)"], "55.0 / 56.2 (8)")

    def test_where_no_run_recovers_none_is_as_fast_as_the_other(self):
        frozen = {"sparsity.final_rounds": 50.0}
        for answer in ("none", "relax"):
            drifting(self.folder, f"{answer}.h5", 1000, config=frozen | {"adaptation.answer": answer})
        (verdict,) = drift.verdicts(self.rows())
        self.assertFalse(verdict.holds)
        self.assertIn("neither it nor the frozen mask recovered within 40 rounds; 1.00 times the bytes", verdict.text())
        self.assertNotIn("as fast", verdict.text())

    def test_the_script_writes_table_figure_and_verdict(self):
        self.families()
        done = self.script("drift.py", self.folder, "--out", self.folder / "out")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("| FedDIP s = 0.9, frozen | 3 |", done.stdout)
        self.assertIn("the claim holds", done.stdout)
        made = sorted(path.name for path in (self.folder / "out").iterdir())
        self.assertEqual(made, ["drift-1.png", "drift.csv", "drift.md", "drift.tex"])
        self.assertGreater((self.folder / "out" / "drift-1.png").stat().st_size, 10000)

    def test_the_page_in_the_repository_says_what_its_files_do(self):
        done = run_script("drift.py", "--check")
        self.assertEqual((done.returncode, done.stderr), (0, ""), "python3 analysis/drift.py writes it anew")

    def test_the_script_refuses_runs_without_drift(self):
        self.run_with(name="a.h5")
        done = run_script("drift.py", self.folder / "a.h5", "--out", self.folder / "out")
        self.assertEqual(done.returncode, 2)
        self.assertIn("no run with drift", done.stderr)


class Plan(unittest.TestCase):
    def plan(self, *parts):
        script = ANALYSIS.parent / "jobs" / "drift_study.sh"
        return subprocess.run([script, "out", *parts], capture_output=True, text=True, check=False)

    def test_the_study_is_a_list_of_different_runs(self):
        done = self.plan()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        runs = [line.split() for line in done.stdout.splitlines()]
        self.assertEqual(len({run[2] for run in runs}), len(runs))
        self.assertEqual(len(runs), 3 * (4 * 5 + 3 + 1))
        turned = [run for run in runs if "kindrotation-" not in run[2] and "s0.99" not in run[2]][:5]
        self.assertTrue(all("federation.seed=1" in run for run in turned))

    def test_an_unknown_part_is_refused(self):
        done = self.plan("upside_down")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("unknown part (upside_down)", done.stderr)


if __name__ == "__main__":
    unittest.main()
