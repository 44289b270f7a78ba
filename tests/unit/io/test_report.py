"""The report's numbers on made-up runs whose answers are known, and its files."""

import html.parser
import itertools
import math
import re
import shlex
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

try:
    import jinja2  # noqa: F401
    import matplotlib  # noqa: F401
    import numpy as np
    import scipy  # noqa: F401
    import xarray  # noqa: F401
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

import budget_tables
from feddip_analysis import claims, collect, decision, figures, links, results, study, tables, targets
from feddip_analysis.decision import Question, decide
from feddip_analysis.links import Links
from made_runs import ROUNDS, Made, Runs, as_much_from_each_byte
from scratch import ANALYSIS, run_script
from synthetic import SLOTS, write_results


class ToTarget(Made):
    def ramp(self, **options):
        t = np.arange(1, 61)
        columns = {"test_accuracy": 0.01 * t, "bytes_up": np.uint64(7), "bytes_down": np.uint64(3)}
        return self.run_of(rounds=60, columns=columns, **options)

    def test_is_the_middle_of_the_first_five_rounds_whose_mean_is_there(self):
        reached = targets.reach(self.ramp(), 0.3 - 1e-9)  # rounds 28 .. 32
        self.assertEqual((reached.round, reached.bytes), (30, 300.0))
        self.assertEqual(targets.reach(self.ramp(), 0.01).round, 3)

    def test_is_as_smooth_where_few_rounds_are_evaluated(self):
        reached = targets.reach(self.ramp(every=4), 0.31 - 1e-9)  # rounds 24, 28 .. 40, whose mean is 0.32
        self.assertEqual((reached.round, reached.bytes), (32, 320.0))
        lucky = np.where(np.arange(1, 61) == 40, 0.9, 0.5)
        self.assertIsNone(targets.reach(self.run_of(columns={"test_accuracy": lucky}, every=10), 0.6))

    def test_of_two_that_learn_as_much_from_each_byte_ties_whatever_a_round_costs(self):
        for every in (1, 4):
            dear, cheap = as_much_from_each_byte(self, every)
            for target in (0.12, 0.2):
                a, b = (targets.reach(run, target - 1e-9) for run in (dear, cheap))
                self.assertEqual((a.bytes, b.bytes), (2000 * target, 2000 * target))
                self.assertEqual((a.simulated_seconds, b.simulated_seconds), (a.bytes, b.bytes))

    def test_needs_a_window_that_has_a_middle(self):
        with self.assertRaisesRegex(ValueError, "window of 4"):
            targets.reach(self.ramp(), 0.3, window=4)

    def test_is_not_a_single_lucky_round(self):
        curve = np.full(60, 0.5)
        curve[10] = 0.9
        self.assertIsNone(targets.reach(self.run_of(columns={"test_accuracy": curve}), 0.7))

    def test_has_the_simulated_time_where_there_is_one(self):
        run = self.run_of(columns={"test_accuracy": 0.5, "simulated_seconds": 2.5})
        self.assertEqual(targets.reach(run, 0.5).simulated_seconds, 3 * 2.5)
        self.assertTrue(math.isnan(targets.reach(self.ramp(), 0.3).simulated_seconds))

    def test_is_a_share_of_what_fedavg_took(self):
        self.write_seeds("fedavg", 0.8, per_round=100)
        self.write_seeds("feddip", 0.8, per_round=25)
        setting = self.families()[0].settings[0]
        row = study.to_target(setting, setting.find("FedDIP", 0.9), setting.target(0.95))
        self.assertEqual((row.reached, row.traffic_share), (3, 0.25))


class Cadence(Made):
    """Runs that are not evaluated in each round."""

    def test_runs_evaluated_at_different_rounds_are_compared_at_those_that_they_share(self):
        t = np.arange(1, ROUNDS + 1)
        lucky = {"test_accuracy": np.where(t % 10 == 0, 0.5, 0.9)}
        self.write("fedavg", 1, 0.8, columns=lucky)
        self.write("feddip", 1, 0.5, rise=1, every=10, columns={"mask_change": 0.0})
        (family,) = self.families()
        (setting,) = family.settings
        self.assertAlmostEqual(setting.fedavg.final.mean, 0.5)
        self.assertIsNone(targets.reach(setting.fedavg.group.first, 0.6))
        self.assertEqual((setting.last, setting.evaluations), (ROUNDS, 4))
        self.assertIn(f"the mean of the last {ROUNDS} rounds, 4 evaluations, in which", tables.measured(family))

    def test_a_run_that_has_not_got_so_far_does_not_keep_the_others_back(self):
        self.write("fedavg", 1, 0.8)
        self.write("fedavg", 2, 0.8, done=8)
        found = study.families(collect([self.folder], incomplete=True)[0])
        self.assertEqual(results.evaluated(found[0].entries[0].group.runs[0].accuracy).size, ROUNDS)

    def test_a_mask_that_changes_late_leaves_few_evaluations_and_that_is_said(self):
        self.write("feddip", 1, 0.8, every=4, columns={"mask_change": (np.arange(1, ROUNDS + 1) == 36) * 0.1})
        (family,) = self.families()
        self.assertIn("the last 4 rounds, 1 evaluation, in which", tables.measured(family))

    def test_where_each_round_is_evaluated_nothing_is_said_of_evaluations(self):
        self.write("fedavg", 1, 0.8)
        (family,) = self.families()
        self.assertEqual(tables.measured(family), "the mean of the last 10 rounds, in which no mask changes")

    def test_a_table_of_runs_says_how_many_evaluations_its_last_rounds_have(self):
        rows = tables.summary_rows(results.group_runs([self.run_of(every=5)]))
        self.assertTrue(rows[0]["mean of last 10"].endswith("% (2 evaluations)"), rows)


class LinkModel(Made):
    def test_one_class_takes_what_its_parts_take(self):
        up, down = np.uint64(SLOTS * 1_000_000), np.uint64(SLOTS * 2_000_000)
        run = self.run_of(columns={"bytes_up": up, "bytes_down": down})
        seconds = links.round_seconds(run, Links((1.0,), (8.0,), (32.0,), (100.0,), (0.5,)))
        # 1 MB at 1 MB/s, 2 MB at 4 MB/s, 1200 images five times, latency twice
        np.testing.assert_allclose(seconds, 1 + 0.5 + 6000 * 0.0005 + 0.2)

    def test_a_first_look_is_a_clients_own_before_the_first_round(self):
        run = self.run_of().assign_attrs(method="flash")
        model = Links((1.0,), (8.0,), (32.0,), (100.0,), (0.5,))
        plain = links.round_seconds(run, model)
        run["bytes_down"][0] += np.uint64(10_000_000)
        run["bytes_up"][0] += np.uint64(5_000_000)
        looked = links.round_seconds(run, model)
        np.testing.assert_array_equal(looked[1:], plain[1:])
        self.assertAlmostEqual(looked[0] - plain[0], 0.2 + 2.5 + 5, places=5)

    def test_older_files_tell_a_first_look_by_their_second_round(self):
        run = self.run_of().assign_attrs(method="snip")
        run["bytes_down"][0] += np.uint64(10_000_000)
        down, up = results.first_look_bytes(run)
        growth = float(run.client_bytes_down.values[0].sum()) - float(run.client_bytes_down.values[1].sum())
        older = run.drop_vars("client_bytes_down")
        np.testing.assert_allclose(results.first_look_bytes(older), (down + growth, up), atol=SLOTS)  # rows are rounded
        older["bytes_down"][1] = older["bytes_down"][0] + np.uint64(1)
        self.assertEqual(results.first_look_bytes(older), (0.0, up))
        one_round = older.isel(round=slice(1))
        self.assertTrue(np.isnan(results.first_look_bytes(one_round)[0]))
        of_snip = links.round_seconds(one_round, Links((1.0,), (8.0,), (32.0,), (100.0,), (0.5,)))
        self.assertTrue(np.isnan(of_snip).all())

    def test_the_slowest_of_several_classes_is_their_mean_over_all_assignments(self):
        run = self.run_of()
        model = Links((0.7, 0.3), (10.0, 1.0), (0.0,), (0.0,), (0.0,))
        up = float(run.client_bytes_up[0, 0]) * 8e-6
        expected = 0.0
        for classes in itertools.product((0, 1), repeat=SLOTS):
            probability = math.prod((0.7, 0.3)[c] for c in classes)
            expected += probability * max((up / 10, up)[c] for c in classes)
        self.assertAlmostEqual(links.round_seconds(run, model)[0], expected, places=9)

    def test_more_clients_per_round_wait_longer_for_the_slowest(self):
        run = self.run_of()
        model = Links((0.9, 0.1), (10.0, 1.0), (0.0,), (0.0,), (0.0,))
        few, many = (links.round_seconds(run, model, k)[0] for k in (SLOTS, 10 * SLOTS))
        self.assertLess(few, many)

    def test_those_of_a_run_are_read_from_its_configuration(self):
        run = self.run_of(config={"links.shares": [0.5, 0.5], "links.order": "in_order", "links.uplink_mbit": [1.0, 2.0]})
        self.assertEqual(links.of_run(run), Links((0.5, 0.5), (1.0, 2.0)))
        self.assertIsNone(links.of_run(self.run_of("b.h5", config={"links.order": "drawn"})))

    def test_runs_that_protect_their_clients_have_no_times(self):
        run = self.run_of(clients={"id": np.full((60, SLOTS), -1, np.int32)})
        for model in (Decisions.SLOW, Decisions.MIXED):
            self.assertTrue(np.isnan(links.round_seconds(run, model)).all())

    def budget_files(self):
        return sorted((ANALYSIS / "results/budgets/classes").glob("*.h5"))

    def test_over_its_own_links_a_run_has_the_times_that_were_recorded(self):
        for path in self.budget_files():
            run = results.load(path)
            with self.subTest(path.name):
                again = links.with_links(run, links.of_run(run), SLOTS)
                np.testing.assert_array_equal(again.simulated_seconds, run.simulated_seconds)

    def test_a_client_takes_what_the_program_says_of_its_class(self):
        for path in self.budget_files():
            run = results.load(path)
            seconds = links.client_seconds(run, links.of_run(run))
            own = np.take_along_axis(seconds, budget_tables.link_class(run)[:, :, None], axis=2)[:, :, 0]
            in_time = run.client_dropped_out.values == 0  # who is late is charged the deadline
            with self.subTest(path.name):
                np.testing.assert_allclose(own[in_time], run.client_simulated_seconds.values[in_time])

    def test_who_drops_out_is_charged_the_way_there_alone(self):
        gone = np.zeros((60, SLOTS), np.int32)
        gone[0] = 1
        columns = {"bytes_up": np.uint64(SLOTS * 1_000_000), "bytes_down": np.uint64(SLOTS * 2_000_000)}
        run = self.run_of(columns=columns, clients={"dropped_out": gone}, config={"faults.drop_probability": 0.5})
        seconds = links.round_seconds(run, Links((1.0,), (8.0,), (32.0,), (100.0,), (0.5,)))
        np.testing.assert_allclose(seconds[:2], [0.5 + 0.1, 1 + 0.5 + 6000 * 0.0005 + 0.2])

    def test_what_clients_download_is_each_ones_own_and_equal_where_the_file_does_not_say(self):
        model = Links((1.0,), (0.0,), (8.0,), (0.0,), (0.0,))
        down = np.tile(np.arange(1, SLOTS + 1, dtype=np.uint64) * 10**6, (60, 1))
        run = self.run_of(columns={"bytes_down": np.uint64(down[0].sum())}, clients={"bytes_down": down})
        np.testing.assert_allclose(links.round_seconds(run, model), SLOTS)
        np.testing.assert_allclose(links.round_seconds(run.drop_vars("client_bytes_down"), model), 3)

    def test_budgets_fit_other_links_or_more_clients_otherwise_and_times_are_not_known(self):
        run = results.load(self.budget_files()[0])
        for model, per_round in ((Decisions.SLOW, SLOTS), (links.of_run(run), 2 * SLOTS)):
            self.assertTrue(np.isnan(links.with_links(run, model, per_round).simulated_seconds).all())

    def test_values_that_do_not_fit_are_refused(self):
        no_numbers = {"shares": (math.nan,)}, {"uplink_mbit": (math.nan,)}, {"latency_ms": (math.inf,)}
        for wrong in ({"shares": (0.5, 0.4)}, {"uplink_mbit": (1.0, 2.0)}, {"latency_ms": (-1.0,)}, *no_numbers):
            with self.subTest(wrong), self.assertRaises(ValueError):
                Links(**wrong)


class Collected(Made):
    def test_what_is_not_a_complete_run_is_named_and_left_out(self):
        self.write("fedavg", 1, 0.8)
        running = self.write("feddip", 1, 0.8, complete=0)
        damaged = self.folder / "damaged.h5"
        damaged.write_bytes(self.write("feddip", 2, 0.8).read_bytes()[:5000])
        copy = self.folder / "z-copy.h5"
        copy.write_bytes(self.write("feddip", 3, 0.8).read_bytes())
        (self.folder / "a.ckpt-6.h5").write_bytes(b"")
        runs, skipped = collect([self.folder])
        self.assertEqual({s.path for s in skipped}, {running, damaged, copy})
        self.assertEqual(len(runs), 3)
        self.assertIn("not complete: 40 of 40 rounds", {s.reason for s in skipped})
        self.assertEqual(len(collect([self.folder], incomplete=True)[0]), 4)

    def test_folders_are_searched_to_the_bottom(self):
        deep = self.folder / "a" / "b"
        deep.mkdir(parents=True)
        write_results(deep / "a.h5")
        self.assertEqual(len(collect([self.folder])[0]), 1)


class NotComplete(Made):
    """Runs that were cut: 8 of 40 rounds, in which they had not risen yet, nor spent much."""

    def setUp(self):
        super().setUp()
        self.write_seeds("fedavg", 0.8)
        self.write_seeds("feddip", 0.8, done=8)
        self.write_seeds("feddip", 0.8, sparsity=0.8, per_round=40)
        self.write("feddip", 4, 0.8, sparsity=0.8, per_round=40, done=8)
        self.runs = collect([self.folder], incomplete=True)[0]
        self.found = study.families(self.runs)

    def test_their_ends_are_not_compared(self):
        for claim in claims.check(self.found):
            self.assertNotIn("s = 0.9", " ".join(case.where for case in claim.cases))
        (whole,) = study.complete(self.found)
        self.assertEqual([(e.method, e.sparsity, e.n) for e in whole.entries], [("FedAvg", None, 3), ("FedDIP", 0.8, 3)])
        self.assertEqual(study.as_dataset(self.found).sizes["run"], 6)
        self.assertEqual(len(self.found[0].entries), 3)

    def test_what_they_would_have_had_for_their_bytes_is_not_known(self):
        cut = next(run for run in self.runs if run.sizes["round"] == 8)
        self.assertIsNone(targets.bought(cut, float(cut.bytes_total[-1]), last=3))
        self.assertEqual(targets.bought(cut, float(cut.bytes_total[4]), last=3).round, 5)

    def test_nothing_is_advised_from_them(self):
        made = decide(self.found, Question(target=0.1))
        self.assertEqual([o.name for o in made.options], ["FedAvg", "FedDIP at sparsity 0.8"])
        self.assertEqual({o.entry.n for o in made.options}, {3})

    def test_the_page_draws_and_names_them(self):
        done = self.script("report.py", self.folder, "--incomplete", "--out", self.folder / "out")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        text = (self.folder / "out/report.html").read_text().replace("\u00a0", " ")
        self.assertIn("4 runs are not complete", text)
        self.assertEqual(text.count("not complete: 8 of 40 rounds"), 4)
        self.assertNotIn("<td>FedDIP</td><td class=\"number\">0.9</td>", text)
        self.assertIn("sparsity 0.9", (self.folder / "out/figures/accuracy-over-rounds.svg").read_text())

    def test_a_page_of_them_alone_has_curves_only(self):
        cut = [run.attrs["path"] for run in self.runs if run.sizes["round"] == 8]
        done = self.script("report.py", *cut, "--incomplete", "--out", self.folder / "out")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertNotIn("Final accuracy in percent", (self.folder / "out/report.html").read_text())
        self.assertIn("no complete ones of a model for all", (self.folder / "out/report.html").read_text().replace("\u00a0", " "))

    def test_of_two_files_of_a_run_the_complete_one_is_taken(self):
        self.write("fedavg", 9, 0.8, done=8).rename(self.folder / "a.h5")
        self.write("fedavg", 9, 0.8).rename(self.folder / "b.h5")
        runs, skipped = collect([self.folder], incomplete=True)
        self.assertEqual([run.sizes["round"] for run in runs if run.attrs["seed"] == 9], [ROUNDS])
        self.assertEqual([s.path.name for s in skipped], ["a.h5"])


class EndedEarly(Made):
    """Runs that are complete with 30 of 40 rounds."""

    def setUp(self):
        super().setUp()
        self.write_seeds("fedavg", 0.8)
        self.write_seeds("feddip", 0.8)
        self.write_seeds("feddip", 0.8, sparsity=0.95, done=30, complete=1)
        self.found = self.families()

    def test_they_are_no_case_of_a_claim(self):
        cases = [case.where for claim in claims.check(self.found) for case in claim.cases]
        self.assertIn("i.i.d., s = 0.9", cases)
        self.assertNotIn("s = 0.95", " ".join(cases))

    def test_tables_say_how_many_rounds_they_have_and_compare_them_with_none(self):
        (family,) = self.found
        rows = {row.entry.sparsity: row for row in study.finals(family)}
        self.assertEqual((list(rows[0.9].against), list(rows[0.95].against)), (["FedAvg"], []))
        self.assertTrue(math.isnan(rows[0.95].traffic_share))
        table = tables.final_table(family, list(rows.values()))
        (line,) = [line for line in table.markdown().splitlines() if "0.95" in line]
        self.assertIn("%, ended early (30 of 40 rounds) | 3 |", line)
        self.assertIn("ended early, complete,", table.caption)
        self.assertEqual(table.markdown().count("ended early"), 1)
        self.assertEqual(tables.matrix_table(family, list(rows.values())).markdown().count("ended early (30 of 40 rounds)"), 1)

    def test_seeds_that_did_not_are_told_apart(self):
        self.write("feddip", 4, 0.8, sparsity=0.95)
        entry = self.families()[0].settings[0].find("FedDIP", 0.95)
        self.assertEqual(tables.ended_early(entry), ", ended early (3 with 30 of 40 rounds)")

    def test_a_decision_says_so(self):
        made = decide(self.found, Question(target=0.7))
        (option,) = [o for o in made.options if o.entry.sparsity == 0.95]
        shown = dict(zip((o.name for o in made.options), decision.table(made, made.options).cells()))
        self.assertIn("ended early (30 of 40 rounds)", shown[option.name][2])

    def test_a_notebook_is_told(self):
        data = study.as_dataset(self.found)
        self.assertEqual(int(data.ended_early.sum()), 3)


class Order(Made):
    def test_partitions_of_one_federation_are_a_family(self):
        for partition in ("dirichlet", "iid", "pathological"):
            self.write("fedavg", 1, 0.8, partition=partition)
        write_results(self.folder / "short.h5", rounds=10)
        found = self.families()
        self.assertEqual(
            [s.partition for s in found[0].settings], ["i.i.d.", "2 classes per client", "Dirichlet 0.5"]
        )
        self.assertEqual([f.title[-9:] for f in found], ["40 rounds", "10 rounds"])

    def test_what_a_method_does_not_use_does_not_set_its_runs_apart(self):
        self.write("fedavg", 1, 0.8, sparsity=0.9)
        self.write("fedavg", 2, 0.8, sparsity=0.99, config={"fedprox.mu": 0.5})
        self.write("feddp", 1, 0.8, config={"regularization.steps": 10})
        self.write("feddp", 2, 0.8, config={"regularization.steps": 20, "data.dirichlet_alpha": 0.1})
        entries = self.families()[0].entries
        self.assertEqual(
            [(e.method, e.sparsity, e.n) for e in entries], [("FedAvg", None, 2), ("FedDP", 0.9, 2)]
        )

    def test_files_from_before_a_key_was_there_join_those_with_its_default(self):
        self.write("feddip", 1, 0.8)
        self.write("feddip", 2, 0.8, config={"faults.drop_probability": 0.0, "faults.slow_probability": 0.5,
                                             "communication.value_type": "f32", "analysis.convergence_every": 2})
        self.write("feddip", 3, 0.8, config={"faults.drop_probability": 0.2})
        found = self.families()
        self.assertEqual([sum(e.n for e in f.entries) for f in found], [2, 1])
        self.assertIn("drop probability 0.2", found[1].title)

    def test_the_main_configuration_is_the_one_run_in_most_settings(self):
        for sparsity in (0.8, 0.9):
            self.write("feddip", 1, 0.8, sparsity=sparsity, config={"sparsity.horizon": 20})
        self.write("feddip", 1, 0.8, config={"sparsity.horizon": 5})
        names = {(e.name, e.sparsity) for e in self.families()[0].entries}
        self.assertEqual(names, {("FedDIP", 0.8), ("FedDIP", 0.9), ("FedDIP, $R$ = 5", 0.9)})

    def test_of_two_that_were_run_as_often_the_main_one_is_the_papers(self):
        for regrow in (False, True):
            self.write("feddip", 1, 0.8, config={"sparsity.regrow": regrow})
        names = [e.name for e in self.families()[0].entries]
        self.assertEqual(names, ["FedDIP", "FedDIP, regrow false"])

    def test_a_notebook_gets_a_row_per_run(self):
        self.write_seeds("fedavg", 0.8)
        self.write("feddip", 1, 0.8)
        data = study.as_dataset(self.families())
        self.assertEqual(data.sizes["run"], 4)
        row = data.isel(run=3)
        self.assertEqual((str(row.method.values), float(row.sparsity)), ("FedDIP", 0.9))
        self.assertAlmostEqual(float(row.final_accuracy), 0.8)
        self.assertEqual(float(row.bytes), 2 * 100 * SLOTS * ROUNDS)


class Decisions(Made):
    SLOW = Links((1.0,), (0.001,), (0.001,), (0.0,), (0.01,))

    def setUp(self):
        super().setUp()
        self.write_seeds("fedavg", 0.80, per_round=100)
        self.write_seeds("feddip", 0.79, per_round=40, sparsity=0.8, rise=30)
        self.write_seeds("feddip", 0.78, per_round=20, sparsity=0.9)
        self.write_seeds("feddip", 0.60, per_round=10, sparsity=0.99)

    def decide(self, **question):
        return decide(self.families(), Question(**question))

    def test_over_slow_links_the_cheapest_that_holds_the_target_is_piloted(self):
        made = self.decide(links=self.SLOW, target=0.7)
        self.assertEqual(made.headline, "Pilot FedDIP at sparsity 0.9 first")
        self.assertIs(made.best, made.pilot)
        self.assertIn("Sparser is not safe: at 0.99", " ".join(made.reasons))

    def test_over_quick_links_the_one_with_fewest_rounds_is_quickest_and_the_thriftiest_is_piloted(self):
        made = self.decide(links=Links((1.0,), (100.0,), (100.0,), (0.0,), (1.0,)), target=0.785)
        self.assertEqual(made.best.name, "FedAvg")
        self.assertEqual(made.pilot.name, "FedDIP at sparsity 0.8")

    def test_another_dense_method_than_fedavg_is_never_piloted(self):
        for seed in (1, 2, 3):
            self.write("fedprox", seed, 0.82, sparsity=0.0, config={"fedprox.mu": 0.01})
        made = self.decide(links=Links((1.0,), (100.0,), (100.0,), (0.0,), (1.0,)), target=0.785)
        self.assertIn("FedProx", [option.name for option in made.options])
        self.assertEqual((made.best.name, made.pilot.name), ("FedAvg", "FedDIP at sparsity 0.8"))

    def test_a_setting_that_saves_traffic_and_no_less_quick_than_fedavg_is_piloted_without_reserve(self):
        for rate in np.geomspace(1, 1e-4, 60):
            made = self.decide(links=Links((1.0,), (rate,), (rate,), (0.0,), (0.01,)), target=0.7)
            if made.best is not made.pilot and made.pilot.seconds <= made.best.seconds:
                break
        self.assertEqual((made.best.name, made.headline), ("FedAvg", "Pilot FedDIP at sparsity 0.9 first"))
        self.assertIn("FedAvg takes no less time", " ".join(made.reasons))

    def test_links_slower_by_the_break_even_factor_make_both_as_quick(self):
        quick = Links((1.0,), (1.0,), (1.0,), (0.0,), (0.01,))
        made = self.decide(links=quick, target=0.785)
        slower = float(re.search(r"links ([\d.]+) times slower", " ".join(made.reasons))[1])
        rates = (1.0 / slower,)
        again = self.decide(links=Links((1.0,), rates, rates, (0.0,), (0.01,)), target=0.785)
        seconds = {option.name: option.seconds for option in again.options}
        self.assertNotEqual(made.best.name, made.pilot.name)
        self.assertAlmostEqual(seconds[made.best.name] / seconds[made.pilot.name], 1, delta=0.02)

    def test_traffic_is_counted_at_the_server_and_per_client(self):
        option = next(o for o in self.decide(target=0.7).options if o.name == "FedDIP at sparsity 0.9")
        per_round = 2 * 20 * SLOTS
        rounds = [targets.reach(run, 0.7).round for run in option.entry.group.runs]
        self.assertAlmostEqual(option.bytes, per_round * np.mean(rounds))
        self.assertAlmostEqual(option.client_bytes, option.bytes / 50)

    def test_the_sparsity_named_is_that_of_the_round_spoken_of(self):
        made = self.decide(links=self.SLOW, target=0.7)
        runs = made.pilot.entry.group.runs
        then = np.mean([float(run.sparsity.sel(round=targets.reach(run, 0.7).round)) for run in runs])
        self.assertLess(then, 0.89)
        self.assertIn(f"when {100 * then:.0f} % of the weights are pruned", made.reasons[0])
        half = round(made.pilot.rounds / 2)
        pruned = np.mean([float(run.sparsity.sel(round=half)) for run in runs])
        self.assertIn(f"after round {half} and at {100 * pruned:.0f} % of sparsity", made.watch)

    def test_another_number_of_clients_is_an_extrapolation_and_said_to_be(self):
        made, as_recorded = self.decide(target=0.7, clients=200, clients_per_round=20), self.decide(
            target=0.7
        )
        self.assertAlmostEqual(made.options[0].bytes, 4 * as_recorded.options[0].bytes)
        self.assertAlmostEqual(made.options[0].client_bytes, as_recorded.options[0].client_bytes)
        self.assertIn("extrapolation", " ".join(made.warnings))
        self.assertNotIn("extrapolation", " ".join(as_recorded.warnings))

    MIXED = Links((0.5, 0.5), (1.0, 0.001), (0.0,), (100.0,), (0.01,))  # 0.06 s of training, 0.2 s of latency

    def test_a_deadline_that_some_are_late_for_is_answered_with_the_part_that_they_carry(self):
        made = self.decide(links=self.MIXED, target=0.7, deadline=0.34)
        # 20 bytes take 0.16 s at 0.001 Mbit/s; 0.08 s of them are left
        self.assertIn("at 0.001 Mbit/s up to 0.42 s, so that about 50 % of the bytes fit", made.deadline)
        self.assertIn("--set budget.mode=deadline --set budget.deadline_s=0.34", made.check)

    def test_a_deadline_that_all_keep_needs_no_budget(self):
        made = self.decide(links=self.MIXED, target=0.7, deadline=0.5)
        self.assertIn("All clients keep the deadline of 0.5 s; the slowest needs 0.42 s", made.deadline)
        self.assertNotIn("budget.", made.check)

    def test_a_deadline_that_no_part_of_the_model_keeps_is_refused_with_the_reason(self):
        made = self.decide(links=self.MIXED, target=0.7, deadline=0.2)
        self.assertIn("can't be met: latency and training alone take clients up to 0.26 s", made.deadline)
        self.assertNotIn("budget.", made.check)

    def test_where_times_are_not_known_traffic_decides_and_that_is_said(self):
        nobody = {"id": np.full((ROUNDS, SLOTS), -1, np.int32)}
        self.write("feddip", 1, 0.79, per_round=5, sparsity=0.95, clients=nobody)
        self.write("feddip", 2, 0.79, per_round=5, sparsity=0.95, clients=nobody)
        made = self.decide(links=self.MIXED, target=0.7, deadline=0.5)
        self.assertEqual(made.pilot.name, "FedDIP at sparsity 0.95")
        self.assertTrue(math.isnan(made.pilot.seconds))
        self.assertIn("Times are not known for FedDIP at sparsity 0.95", " ".join(made.warnings))
        self.assertIn("can't be told", made.deadline)
        self.assertNotIn("Times are not known", " ".join(self.decide(links=self.SLOW, target=0.99).warnings))

    def test_the_picture_tells_a_target_that_was_missed_from_a_time_that_is_not_known(self):
        nobody = {"id": np.full((ROUNDS, SLOTS), -1, np.int32)}
        self.write("feddip", 1, 0.79, per_round=5, sparsity=0.95, clients=nobody)
        made = self.decide(links=self.SLOW, target=0.7)
        _, traffic, time = figures.decision(made).axes
        self.assertEqual([text.get_text() for text in traffic.texts], ["not reached"])
        self.assertEqual(sorted(text.get_text() for text in time.texts), ["not known", "not reached"])

    def test_over_the_runs_own_links_the_recorded_times_decide(self):
        for path in self.folder.iterdir():
            path.unlink()
        own = {"links.uplink_mbit": [1.0]}
        self.write_seeds("fedavg", 0.8, config=own, columns={"simulated_seconds": 1.0})
        self.write_seeds("feddip", 0.8, per_round=20, config=own | {"budget.mode": "deadline"}, columns={"simulated_seconds": 0.5})
        made = self.decide(target=0.7)
        self.assertEqual((made.pilot.name, made.pilot.seconds_share), ("FedDIP at sparsity 0.9", 0.5))
        elsewhere = self.decide(target=0.7, links=self.SLOW)
        self.assertIn("Times are not known for FedDIP at sparsity 0.9: what their clients carry", " ".join(elsewhere.warnings))
        self.assertIn("gave them budgets", self.decide(target=0.7, deadline=0.5).deadline)

    def test_variations_that_are_no_options_are_named_with_their_runs(self):
        for sparsity, seeds in ((0.8, (1, 2)), (0.9, (1,))):
            self.write_seeds("feddip", 0.8, seeds, sparsity=sparsity, per_round=1, config={"sparsity.regrow": False})
        made = self.decide(links=self.SLOW, target=0.7)
        (said,) = (warning for warning in made.warnings if "Variations" in warning)
        self.assertIn(": FedDIP, regrow false at sparsity 0.8 (2); FedDIP, regrow false at sparsity 0.9 (1). ", said)
        self.assertNotIn("regrow", " ".join(option.name for option in made.options))

    def test_a_target_that_nothing_reaches_gives_no_pilot(self):
        made = self.decide(target=0.99)
        self.assertEqual((made.pilot, made.check, made.watch), (None, "", ""))
        self.assertIn("The most accurate is FedAvg", made.reasons[0])

    def test_what_would_cost_less_by_one_seed_is_not_piloted_and_named(self):
        self.write("snip", 1, 0.79, per_round=5, sparsity=0.95)
        self.write("feddst", 1, 0.79, per_round=200, sparsity=0.95)
        made = self.decide(links=self.SLOW, target=0.7)
        self.assertEqual(made.pilot.name, "FedDIP at sparsity 0.9")
        said = [warning for warning in made.warnings if "Not piloted, having one run each" in warning]
        self.assertEqual(len(said), 1)
        self.assertIn("SNIP at sparsity 0.95 (", said[0])
        self.assertNotIn("FedDST", said[0])
        self.assertNotIn("Not piloted", " ".join(self.decide(links=self.SLOW, target=0.99).warnings))

    def test_longer_runs_go_before_more_runs_which_are_named(self):
        long_ones = {"rounds": 2 * ROUNDS, "columns": {"test_accuracy": 0.8}}
        for method in ("fedavg", "feddip"):
            write_results(self.folder / f"long-{method}.h5", method, **long_ones)
        made = self.decide(links=self.SLOW, target=0.7)
        self.assertEqual(made.family.federation["rounds"], 2 * ROUNDS)
        self.assertIn(f"LeNet-5 on Fashion-MNIST, {ROUNDS} rounds, i.i.d. (12)", " ".join(made.warnings))

    def test_a_setting_that_misses_the_target_with_one_seed_is_not_piloted(self):
        self.write("feddip", 4, 0.5, per_round=20, sparsity=0.9)
        self.assertEqual(self.decide(links=self.SLOW, target=0.7).pilot.name, "FedDIP at sparsity 0.8")

    def test_models_of_clients_own_are_no_candidates_and_that_is_said(self):
        self.write_seeds("dispfl", 0.8, per_round=1)
        made = self.decide(links=self.SLOW, target=0.7)
        self.assertEqual(made.pilot.name, "FedDIP at sparsity 0.9")
        self.assertNotIn("DisPFL", {option.entry.method for option in made.options})
        self.assertIn("DisPFL: left out, as clients have models of their own", " ".join(made.warnings))
        self.script("report.py", self.folder, "--out", self.folder / "out")
        self.assertNotIn("DisPFL", (self.folder / "out/tables/to-target.md").read_text())
        page = (self.folder / "out/report.html").read_text().replace("\u00a0", " ")
        self.assertEqual(page.count("DisPFL: left out, as clients have models of their own"), 2)

    def test_where_clients_have_models_of_their_own_alone_nothing_is_advised(self):
        for path in self.folder.iterdir():
            path.unlink()
        self.write_seeds("dispfl", 0.8)
        with self.assertRaisesRegex(ValueError, "no complete ones of a model for all"):
            self.decide(target=0.7)

    def test_runs_under_attack_advise_only_where_there_are_no_others(self):
        attacked = {"attack.kind": "alie"}
        for method in ("fedavg", "feddip"):
            self.write_seeds(method, 0.9, range(1, 9), per_round=1, config=attacked)
        self.assertEqual(len(study.families(collect([self.folder])[0])), 2)
        self.assertNotIn("attack.kind", self.decide(target=0.7).family.keys)

    def test_a_question_that_no_run_answers_is_refused_with_what_there_is(self):
        with self.assertRaisesRegex(ValueError, "lenet5 fashion-mnist iid"):
            self.decide(model="alexnet")
        with self.assertRaises(ValueError):
            self.decide(clients=3, clients_per_round=5)


class Prediction(Made):
    def test_the_program_is_asked_about_the_pilot_with_what_sets_it_apart_from_the_paper(self):
        self.write_seeds("fedavg", 0.8)
        self.write_seeds("feddip", 0.8, per_round=1, config={"sparsity.horizon": 20, "sparsity.regrow": True})
        made = decide(self.families(), Question(links=Decisions.SLOW, clients=200))
        for words in ("sparsity.horizon=20", "sparsity.target=0.9", "method.name=feddip"):
            self.assertIn(f"--set {words}", made.check)
        self.assertIn("--set federation.clients=200", made.check)
        self.assertIn("--set links.uplink_mbit=[0.001]", made.check)
        self.assertNotIn("sparsity.regrow", made.check)

    def test_all_that_was_chosen_is_said_and_what_has_no_effect_is_not(self):
        said = {
            "sparsity.final_rounds": 400.0,
            "sparsity.start_scale": "density",
            "sparsity.layer_floor": 0.01,
            "method.variant": "authors",
            "privacy.clip": 0.123456789,
            "privacy.epsilon": 8.0,
            "federation.local_epochs": 1,
            "federation.batch_size": 32,
            "data.dataset": "file",
            "data.path": "/Sites/of one/A.h5",
        }
        unsaid = {"optimizer.decay": 0.998, "attack.clients": 4, "attack.kind": "none", "snip.x": 1, "output.path": "x",
                  "federation.evaluate_every": 5}
        self.write_seeds("feddip", 0.8, config=said | unsaid)
        check = decide(self.families(), Question(target=0.5, links=Decisions.SLOW)).check
        words = dict(word.split("=", 1) for word in shlex.split(check) if "=" in word)
        for key, value in said.items():
            self.assertEqual(words[key], f"{value:g}" if isinstance(value, float) and value > 1 else str(value), key)
        self.assertEqual(unsaid.keys() & words.keys(), set())


class Looks(unittest.TestCase):
    def test_every_method_has_its_own(self):
        known = {*results.METHOD_NAMES.values(), *study.WITHOUT_PRUNING}
        self.assertEqual(known - set(figures._LOOKS), set())
        self.assertEqual(len(set(figures._LOOKS.values())), len(figures._LOOKS))


class Tables(unittest.TestCase):
    def test_latex_keeps_its_own_signs_out_of_the_cells(self):
        table = tables.from_rows("t", "50 % of #1", [{"a_b": "1 ± 2 %", "c": "x & y"}])
        self.assertIn(r"a\_b & c \\", table.latex())
        self.assertIn(r"1 $\pm$ 2 \% & x \& y \\", table.latex())

    def test_csv_has_plain_numbers_and_leaves_out_what_is_missing(self):
        column = tables.Column("x", str, {"x": lambda row: row, "y": lambda row: 0.1})
        self.assertEqual(tables.Table("t", "", [column], [float("nan"), 2]).csv(), "x,y\n,0.1\n2,0.1\n")


class Page(html.parser.HTMLParser):
    """Whether all elements are closed, and what the page would load."""

    VOID = {"meta", "img", "br", "hr", "link", "input"}

    def __init__(self, text):
        super().__init__()
        self.open, self.loaded, self.tags, self.alts, self.ids, self.targets = [], [], set(), [], set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.add(tag)
        self.ids |= {attrs["id"]} if "id" in attrs else set()
        self.loaded += [attrs[name] for name in ("src", "data", "srcset") if name in attrs]
        if tag == "link" or attrs.get("href", "").startswith("http"):
            self.loaded.append(attrs.get("href"))
        if attrs.get("href", "").startswith("#"):
            self.targets.add(attrs["href"][1:])
        if tag == "img":
            self.alts.append(attrs.get("alt"))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()


class WholeReport(unittest.TestCase):
    """Of every kind of run."""

    FIGURES = (
        "accuracy-over-rounds",
        "accuracy-over-bytes",
        "sparsity-accuracy",
        "traffic-to-target",
        "variations",
        "layers",
        "mask-change",
        "convergence",
        "time",
        "decision",
        "claim-near-fedavg",
        "claim-others",
        "claim-regularization",
        "claim-traffic",
        "claim-stable",
    )
    TABLES = ("accuracy-matrix", "final-accuracy", "to-target", "claims", "decision")

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        runs = Runs()
        runs.folder = Path(folder.name)
        for partition in ("iid", "dirichlet"):
            runs.write_seeds("fedavg", 0.8, partition=partition)
            for method, sparsity in itertools.product(("feddip", "feddp", "snip"), (0.9, 0.95)):
                where = {"sparsity": sparsity, "partition": partition, "per_round": 40}
                columns = {"grad_norm_squared": 1 / np.arange(1, ROUNDS + 1)} if method == "feddip" else {}
                runs.write_seeds(method, 0.78, (1, 2), columns=columns, **where)
        runs.write("feddip", 1, 0.7, config={"sparsity.regrow": False})
        runs.write("feddip", 9, 0.7, complete=0)
        cls.out = runs.folder / "out"
        cls.done = run_script("report.py", runs.folder, "--out", cls.out)

    def test_names_what_it_left_out(self):
        self.assertEqual(self.done.returncode, 0, self.done.stderr)
        self.assertRegex(self.done.stderr, r"\Areport.py: left out .*: not complete: 40 of 40 rounds\n\Z")

    def test_has_every_figure_as_svg_and_png(self):
        for name in self.FIGURES:
            self.assertTrue((self.out / f"figures/{name}.png").read_bytes().startswith(b"\x89PNG"), name)
            ElementTree.parse(self.out / f"figures/{name}.svg")

    def test_has_every_table_as_markdown_csv_and_latex(self):
        for name in self.TABLES:
            md, csv, tex = (
                (self.out / f"tables/{name}.{ending}").read_text().splitlines()
                for ending in ("md", "csv", "tex")
            )
            self.assertGreater(len(md), 2, name)
            self.assertEqual((len(csv), len(tex)), (len(md) - 1, len(md) + 5), name)

    def test_explains_verdicts_as_the_study_does(self):
        words = claims.WORDS
        for verdict in ("supported", "contradicted", "partly", "mixed", "not decided"):
            self.assertIn(verdict, words)
        for text in (self.out / "report.html", ANALYSIS / "results" / "study.md"):
            self.assertIn(words, text.read_text().replace("\u00a0", " "))

    def test_says_what_pairs_of_private_runs_share(self):
        text = " ".join((self.out / "report.html").read_text().replace("\u00a0", " ").split())
        self.assertIn("part from a key, not from the seed: their pairs share the start and the partition alone.", text)

    def test_is_one_page_that_loads_nothing(self):
        page = Page((self.out / "report.html").read_text())
        self.assertEqual(page.open, [])
        self.assertTrue(all(address.startswith("data:image/svg+xml;base64,") for address in page.loaded))
        self.assertEqual(len(page.alts), len(self.FIGURES))
        self.assertTrue(all(page.alts))
        self.assertNotIn("script", page.tags)
        self.assertLessEqual(page.targets, page.ids)


class Scripts(Made):
    def out(self, *parts):
        return self.folder / "out" / "/".join(parts)

    def report(self, *options):
        done = self.script("report.py", self.folder, "--out", self.out(), *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def test_the_same_runs_give_the_same_page(self):
        self.write_seeds("fedavg", 0.8)
        self.write_seeds("feddip", 0.78, per_round=40)
        pages = []
        for _ in range(2):
            self.report()
            pages.append(self.out("report.html").read_bytes())
        self.assertEqual(pages[0], pages[1])

    def test_report_takes_little_too(self):
        for method in ("fedavg", "feddip"):
            with self.subTest(method):
                path = write_results(self.folder / f"{method}.h5", method=method, rounds=1, per_client=True)
                done = self.script("report.py", path, "--out", self.out(method))
                self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_links_on_the_command_line_give_runs_without_any_a_time(self):
        self.write_seeds("fedavg", 0.8)
        self.report("--uplink-mbit", 1)
        header, first = (
            line.split(",") for line in self.out("tables/to-target.csv").read_text().splitlines()[:2]
        )
        self.assertGreater(float(first[header.index("seconds_mean")]), 0)

    def test_decide_prints_its_answer_and_writes_a_page(self):
        self.write_seeds("fedavg", 0.8)
        self.write_seeds("feddip", 0.79, per_round=10)
        done = self.script(
            "decide.py", self.folder, "--uplink-mbit", 0.001, "--target", 0.7, "--out", self.out()
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue(done.stdout.startswith("Pilot FedDIP at sparsity 0.9 first\n"))
        self.assertEqual(Page(self.out("decision.html").read_text()).open, [])

    def test_scripts_say_in_one_line_what_is_wrong(self):
        self.write("feddip", 1, 0.8)
        there = self.folder / "there"
        there.write_text("")
        wrong = [
            ("report.py", self.folder, "--out", there),
            ("decide.py", self.folder, "--target", 0.5, "--out", there),
            ("report.py", self.folder / "none.h5"),
            ("report.py", self.folder, "--shares", 0.5, 0.6, "--out", self.out()),
            ("decide.py", self.folder, "--out", self.out()),
            ("decide.py", self.folder, "--model", "alexnet", "--out", self.out()),
            ("decide.py", self.folder, "--deadline", 0, "--out", self.out()),
            ("decide.py", self.folder, "--target", 0.5, "--clients", 0, "--out", self.out()),
            ("decide.py", self.folder, "--target", 0.5, "--clients-per-round", 0, "--out", self.out()),
            ("decide.py", self.folder, "--target", 0.5, "--uplink-mbit", "nan", "--out", self.out()),
            ("report.py", self.folder, "--margin", "nan", "--out", self.out()),
        ]
        for command in wrong:
            with self.subTest(command=command):
                done = self.script(*command)
                self.assertEqual(done.returncode, 2)
                self.assertIn("error: ", done.stderr.splitlines()[-1])
                self.assertNotIn("Traceback", done.stderr)
                if there in command:
                    self.assertIn(f"can't write (--out {there})", done.stderr)


if __name__ == "__main__":
    unittest.main()
