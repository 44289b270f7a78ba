"""What is drawn of clients that differ."""

import json
import pathlib
import subprocess
import sys
import unittest

try:
    import matplotlib.pyplot as plt
    import numpy as np
    import xarray  # noqa: F401
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

import budget_tables
from feddip_analysis import Group, budgets, classes, collect, federations, group_runs, links, load, results
from made_runs import as_much_from_each_byte
from scratch import Scratch, run_script
from synthetic import SLOTS, write_results

ROOT = pathlib.Path(__file__).resolve().parents[3]
ROUNDS = 4
LINKS = {"budget.mode": "deadline", "budget.deadline_s": 2.0, "links.uplink_mbit": [10.0, 1.0]}


class Budgets(Scratch):
    def run_with_parts(self, name="run.h5", links=LINKS, **options):
        """Client 0 takes part in all rounds, client 10 in the last two; the others of a round are new to it."""
        ids = np.arange(ROUNDS * SLOTS, dtype=np.int32).reshape(ROUNDS, SLOTS) + 100
        ids[:, 0] = 0
        ids[2:, 1] = 10
        ids[0, 4] = -1
        density = np.full((ROUNDS, SLOTS), 0.5)
        density[:, 0] = [0.1, 0.2, 0.3, 0.4]
        down = np.full((ROUNDS, SLOTS), 1000, np.uint64)
        up = np.full((ROUNDS, SLOTS), 100, np.uint64)
        down[2:, 1] = 5000
        clients = {"id": ids, "density": density, "bytes_down": down, "bytes_up": up}
        columns = {"simulated_seconds": np.array([2.0, 1.0, 4.0, 8.0])}
        return write_results(
            self.folder / name, rounds=ROUNDS, clients=clients, columns=columns, config=links, **options
        )

    def test_time_adds_up(self):
        np.testing.assert_array_equal(budgets.simulated_time(load(self.run_with_parts())), [2, 3, 7, 15])

    def test_the_busiest_client_is_the_one_with_most_bytes_by_then(self):
        busiest = budgets.busiest_client_bytes(load(self.run_with_parts()))
        np.testing.assert_array_equal(busiest, [1100, 2200, 5100, 10200])

    def test_the_first_client_has_exchanged_something_before_the_first_round(self):
        plain = load(self.run_with_parts())
        looked = plain.assign_attrs(method="flash")
        rows = float((plain.client_bytes_down + plain.client_bytes_up).values[0][plain.client_id.values[0] >= 0].sum())
        before = float(plain.bytes_down[0] + plain.bytes_up[0]) - rows
        self.assertGreater(before, 5000)
        np.testing.assert_allclose(budgets.busiest_client_bytes(looked)[:2], [before + 1100, before + 2200])

    def test_what_clients_held_is_averaged_over_the_rounds_in_which_they_took_part(self):
        run = load(self.run_with_parts())
        shares = budgets.held(run).shares
        np.testing.assert_allclose(shares[0], [0.1, 0.2, 0.3, 0.4])
        np.testing.assert_allclose(budgets.held(run, columns=2).shares[0], [0.15, 0.35])
        of_10 = [row for row in shares if np.isnan(row[:2]).all() and not np.isnan(row[2:]).any()]
        np.testing.assert_allclose(of_10, [[np.nan, np.nan, 0.5, 0.5]])
        self.assertEqual(len(shares), len(np.unique(run.client_id)) - 1)

    def test_clients_are_shown_by_class_where_that_is_recorded(self):
        ids = np.tile(np.array([0, 1, 2, 3, -1], np.int32), (ROUNDS, 1))
        density = np.tile([0.4, 0.1, 0.3, 0.2, np.nan], (ROUNDS, 1))
        link_class = np.tile(np.array([0, 1, 1, 0, -1], np.int32), (ROUNDS, 1))
        clients = {"id": ids, "density": density}
        unknown = budgets.held(load(write_results(self.folder / "a.h5", rounds=ROUNDS, clients=clients, config=LINKS)))
        np.testing.assert_allclose(unknown.shares[:, 0], [0.1, 0.2, 0.3, 0.4])
        self.assertEqual(unknown.link_class.tolist(), [-1] * 4)
        clients["link_class"] = link_class
        (group,) = group_runs([load(write_results(self.folder / "b.h5", rounds=ROUNDS, clients=clients, config=LINKS))])
        known = budgets.held(group.first)
        np.testing.assert_allclose(known.shares[:, 0], [0.2, 0.4, 0.1, 0.3])
        self.assertEqual(known.link_class.tolist(), [0, 0, 1, 1])
        panel = budgets.held_by_clients([group]).axes[0]
        self.assertEqual([(tick.get_position()[1], tick.get_text()) for tick in panel.get_yticklabels()], [(0.5, "1"), (2.5, "2")])

    def test_runs_on_other_links_are_another_experiment(self):
        links = LINKS | {"links.uplink_mbit": [10.0, 0.1]}
        runs = [load(self.run_with_parts("a.h5")), load(self.run_with_parts("b.h5", links, seed=2))]
        self.assertEqual(len(group_runs(runs)), 2)
        without = {"budget.mode": "none"}  # their times are others
        runs = [load(self.run_with_parts(f"{m}.h5", without | {"links.uplink_mbit": m}, seed=m)) for m in (1, 2)]
        self.assertEqual(len(group_runs(runs)), 2)

    def test_private_runs_beside_those_with_budgets_are_drawn(self):
        nobody = {"id": np.full((ROUNDS, SLOTS), -1, np.int32)}
        private = write_results(self.folder / "private.h5", rounds=ROUNDS, clients=nobody, config={"privacy.clip": 1.0})
        done = self.script("plot.py", self.run_with_parts(), private, "--out", self.folder / "all")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue((self.folder / "all" / "busiest-client.png").is_file())

    def test_pictures_are_drawn_of_what_there_is(self):
        budgeted, plain = self.run_with_parts(), write_results(self.folder / "plain.h5", rounds=ROUNDS)
        done = self.script("plot.py", budgeted, plain, "--out", self.folder / "all")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for name in ("simulated-time", "busiest-client", "held"):
            self.assertTrue((self.folder / "all" / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name)
        self.assertEqual(self.script("plot.py", plain, "--out", self.folder / "plain").returncode, 0)
        self.assertFalse((self.folder / "plain" / "held.png").exists())


class Classes(Scratch):
    def test_the_end_is_the_mean_of_the_last_evaluations_of_each_class(self):
        accuracy = np.full((20, 3), np.nan)
        accuracy[1::2, 0] = np.arange(10) / 10
        accuracy[1::2, 1] = 0.5
        run = load(write_results(self.folder / "a.h5", rounds=20, classes=accuracy))
        np.testing.assert_allclose(classes.final_by_class(run), [0.45, 0.5, np.nan])

    def test_are_drawn_where_they_were_measured(self):
        paths = [write_results(self.folder / f"{m}.h5", m, rounds=4, classes=np.full((4, 10), 0.5)) for m in ("fedavg", "feddip")]
        (figure,) = classes.figures(group_runs(map(load, paths))).values()
        self.assertEqual([text.get_text() for text in figure.axes[0].get_legend().get_texts()], ["FedAvg", "FedDIP"])
        without = load(write_results(self.folder / "without.h5", rounds=4))
        self.assertEqual(classes.figures(group_runs([without])), {})


class Federations(Scratch):
    """Three systems and seeds in which accuracy grows by a point a round and all but stays for the last twenty of sixty."""

    def setUp(self):
        super().setUp()
        links = {"links.shares": [0.5, 0.5], "links.uplink_mbit": [10.0, 1.0]}
        late = {"budget.deadline_s": 2.0}
        self.write("fedavg", end=0.9, seconds=4.0, config=links)
        self.write("fedavg", end=0.8, seconds=2.0, config=links | late | {"budget.mode": "drop"})
        self.write("feddip", end=0.85, seconds=1.0, config=links | late | {"budget.mode": "deadline"})
        self.study = federations.study_of(collect([self.folder])[0])
        self.systems = self.study["10-fold", "iid"]

    def write(self, method, end, seconds, config):
        """Seed 2 is a tenth slower in all systems but the first, and a point better."""
        folder = self.folder / "10-fold"
        folder.mkdir(exist_ok=True)
        t = np.arange(1, 61)
        for seed in (1, 2, 3):
            slower = 1.1 if seed == 2 and "budget.mode" in config else 1.0
            write_results(
                folder / f"{method}-{end}-{seed}.h5",
                method,
                seed,
                columns={
                    "test_accuracy": end + 0.01 * (seed == 2) - 0.01 * np.maximum(40 - t, 0) - 1e-6 * np.maximum(t - 40, 0),
                    "simulated_seconds": seconds * slower,
                },
                clients={"simulated_seconds": np.full((60, SLOTS), [1.0, 1.0, 1.0, 1.0, 3.0])},
                config=config,
            )

    def test_runs_are_sorted_by_what_their_config_says(self):
        self.assertEqual(list(self.study), [("10-fold", "iid")])
        self.assertEqual(list(self.systems), [federations.WAITS, federations.DROPS[0], federations.BUDGETS])
        for runs in self.systems.values():
            self.assertEqual([federations.seed_of(run) for run in runs], [1, 2, 3])

    def test_a_system_that_is_not_of_the_study_is_none_of_its(self):
        with self.assertRaisesRegex(ValueError, "a.h5 is of no system"):
            federations.system_of(self.run_of(config={"budget.mode": "bytes"}))
        rested = {"budget.mode": "deadline", "sparsity.initial": 0, "sparsity.final_rounds": 0.4}
        self.assertEqual(federations.system_of(self.run_of(config=rested)), federations.RESTS)
        flash = {"method.name": "flash", "budget.mode": "deadline"}
        self.assertEqual(federations.system_of(self.run_of(config=flash | {"budget.ranked_every": 1})), "FLASH, budgets")
        with self.assertRaises(ValueError):
            federations.system_of(self.run_of(config=flash))
        forgets = {"budget.mode": "deadline", "budget.feedback": 0.0}
        self.assertEqual(federations.system_of(self.run_of(config=forgets)), "FedDIP, budgets without feedback")

    def test_half_of_the_deadline_makes_another_system_which_is_explored(self):
        links = {"links.shares": [0.5, 0.5], "links.uplink_mbit": [10.0, 1.0]}
        links |= {"sparsity.initial": 0.0, "sparsity.final_rounds": 0.4}
        self.write("feddip", end=0.895, seconds=0.5, config=links | {"budget.mode": "deadline", "budget.deadline_s": 1.0})
        study = federations.study_of(collect([self.folder])[0])
        self.assertIn(federations.HALF, study["10-fold", "iid"])
        self.assertEqual(federations.deadline_of(study["10-fold", "iid"]), 2.0)
        rows = [line for line in federations.aims(study).splitlines() if federations.HALF in line]
        self.assertRegex(rows[0], r"\| −0.50 \[.*\] \| explored, not planned \| 0.\d\d ")
        # All have answered within a second but one of five, who takes 3.
        self.assertRegex(federations.ends(study["10-fold", "iid"]), rf"\| {federations.HALF} \|.* \| 80.0 \|")

    def test_ends_are_means_of_the_seeds_beside_those_of_the_system_that_waits(self):
        found = federations.ends(self.systems)
        self.assertIn("| FedAvg, waits for all | 90.3 | – | 240 |", found)
        self.assertIn("| FedDIP, budgets | 85.3 | −5.00 [−5.00, −5.00] | 62 |", found)
        self.assertIn("| 80.0 |\n", found)  # one of five clients is late

    def test_each_seed_is_asked_for_the_end_of_its_own(self):
        # The mean of eleven rounds is there once it has no more of the rise: at round 45, in the middle of 40 to 50.
        found = federations.reached(self.systems)
        self.assertIn("FedAvg, waits for all, less a point: 89.3 %", found)
        self.assertIn("FedAvg, drops who is late: 80.3 %", found)
        rows = {line.split(" | ")[0].removeprefix("| "): line.rstrip(" |").split(" | ")[1:] for line in found.splitlines()}
        self.assertEqual(rows[federations.BUDGETS][0], "–")
        self.assertTrue(rows[federations.DROPS[0]][1].startswith(f"{np.mean([90, 99, 90]):.0f} s, "), rows)

    def test_times_are_compared_as_ratios_by_seed(self):
        # 5 points below their end budgets are at round 35, where the mean of eleven is; the droppers at 45.
        self.assertEqual(federations.ratio_of_times(self.systems, federations.BUDGETS, federations.DROPS[0]), "0.39 [0.39, 0.39]")

    def test_what_is_not_reached_is_not_timed(self):
        self.assertEqual(federations.ratio_of_times(self.systems, federations.BUDGETS, federations.WAITS), "not reached")

    def test_all_planned_cases_are_one_family(self):
        found = federations.aims(self.study)
        self.assertIn("| 10-fold | i.i.d. | FedDIP, budgets | −5.00 [−5.00, −5.00] | inferior, by more than a point | 0.39 ", found)
        # p = 0.0008 alone and 0.009 among twelve; 0.01 and 0.12
        for gaps, verdict in (([-0.02, -0.021, -0.022], "inferior"), ([-0.0165, -0.02, -0.0235], "inconclusive")):
            for run, gap, base in zip(self.systems[federations.BUDGETS], gaps, self.systems[federations.WAITS]):
                run.accuracy[:] = base.accuracy.values + gap
            self.assertIn(f"| {verdict}", federations.aims(self.study))

    def test_what_the_slowest_hold_and_whether_they_are_in_time(self):
        density = np.tile(np.linspace(1, 0.1, 6)[:, None], SLOTS)
        density[:, 1:] = 1
        clients = {
            "link_class": np.tile(np.array([2, 0, 0, 1, 1], np.int32), (6, 1)),
            "density": density,
            "simulated_seconds": np.where(density < 0.3, 1.0, 3.0),
        }
        config = {"budget.mode": "deadline", "budget.deadline_s": 2.0}
        run = load(write_results(self.folder / "a.h5", rounds=6, clients=clients, columns={"simulated_seconds": 3.0}, config=config))
        self.assertRegex(federations.taken({"a": [run]}), r"\| a \| 18 \| .* \| 6.7 \| 33.3 \| 91.0 \| 19.0 \|")

    def test_a_row_of_pictures_for_each_partition(self):
        self.assertEqual(len(federations.draw("10-fold", self.study).axes), 2)


class Told(Scratch):
    """Of three classes of 10-fold, by what clients 0 to 4 exchange: 0 is quick, 1 and 2 medium, 3 and 4 slow."""

    CLASSES = np.array([0, 1, 1, 2, 2])
    ROUNDS = 3

    def ten_fold(self, mode="none", method="feddip", before=0.0, late=(), **columns):
        ran = federations.FEDERATIONS["10-fold"].links
        config = {f"links.{name}": list(getattr(ran, name)) for name in ("shares", *links.OF_CLASSES)}
        config |= {"budget.mode": mode, "budget.deadline_s": 2.0, "federation.local_epochs": 1}
        path = self.folder / "10-fold" / "a.h5"
        path.parent.mkdir(exist_ok=True)
        shape = (self.ROUNDS, SLOTS)
        clients = {
            "density": np.ones(shape),
            "bytes_down": np.full(shape, 25_000, np.uint64),
            "bytes_up": np.full(shape, 12_500, np.uint64),
            "samples": np.full(shape, 1000, np.uint32),
            "simulated_seconds": self.seconds(10, 3.16, 1),
            "dropped_out": np.zeros(shape, np.int32),
        } | columns
        for where in late:
            clients["dropped_out"][where], clients["simulated_seconds"][where] = 1, 2.0
        of_rounds = clients["simulated_seconds"].max(axis=1)
        of_rounds[0] += before
        exchanged = {
            "bytes_down": clients["bytes_down"].sum(axis=1) + (25_000 * (before > 0)) * (np.arange(self.ROUNDS) == 0),
            "bytes_up": clients["bytes_up"].sum(axis=1) + (1_000 * (before > 0)) * (np.arange(self.ROUNDS) == 0),
        }
        columns = {"simulated_seconds": of_rounds} | exchanged
        return load(write_results(path, method, rounds=self.ROUNDS, clients=clients, columns=columns, config=config))

    def seconds(self, *mbit, latency=0.02):
        """A thousand images take 0.1 s where a link has 1 Mbit/s; 0.2 and 0.1 Mbit are exchanged."""
        each = 2 * np.broadcast_to(latency, 3) + 0.3 / np.array(mbit) + 0.1 / np.array(mbit)
        each[1] += 0.0316 - 0.1 / 3.16 if mbit[1] == 3.16 else 0.0  # as rounded in the study
        return np.tile(each[self.CLASSES], (self.ROUNDS, 1))

    def test_where_everybody_has_the_links_of_the_quick_all_take_what_they_take(self):
        told = federations.told_by(self.ten_fold(), "alike")
        np.testing.assert_allclose(told.client_simulated_seconds, 0.08)
        np.testing.assert_allclose(told.simulated_seconds, 0.08)
        self.assertEqual(links.of_run(told), federations.FEDERATIONS["alike"].links)

    def test_all_but_the_quick_are_ten_times_slower(self):
        run = self.ten_fold("deadline")
        told = federations.told_by(run, "100-fold")
        slower = np.where(self.CLASSES == 0, 1, 10)
        np.testing.assert_allclose(told.client_simulated_seconds, slower * run.client_simulated_seconds)
        np.testing.assert_allclose(told.simulated_seconds, 10 * run.simulated_seconds)
        self.assertEqual(results.config(told)["budget.deadline_s"], 20)
        self.assertTrue(federations.are_told([told]) and not federations.are_told([run]))

    def test_who_is_not_waited_for_is_given_up_at_the_other_deadline(self):
        told = federations.told_by(self.ten_fold("drop", late=[(1, 4)]), "100-fold")
        self.assertEqual(float(told.client_simulated_seconds[1, 4]), 20)
        np.testing.assert_allclose(told.simulated_seconds, [4.4, 20, 4.4])

    def test_budgets_of_a_deadline_tell_nothing_of_other_spreads(self):
        self.assertIsNone(federations.told_by(self.ten_fold("deadline"), "alike"))

    def test_where_quick_clients_are_late_a_longer_deadline_changes_what_is_done(self):
        self.assertIsNone(federations.told_by(self.ten_fold("drop", late=[(0, 0)]), "100-fold"))

    def test_where_quick_clients_hold_less_than_the_mask_a_longer_deadline_changes_what_is_done(self):
        first, second = np.ones((self.ROUNDS, SLOTS)), np.ones((self.ROUNDS, SLOTS))
        first[0, 0], second[1, 0] = 0.1, 0.1
        self.assertIsNotNone(federations.told_by(self.ten_fold("deadline", density=first), "100-fold"))
        run = self.ten_fold("deadline", density=second)
        self.assertIsNone(federations.told_by(run, "100-fold"))
        self.assertNotIn(("100-fold", "iid"), federations.study_of([run]))

    def test_what_the_first_client_does_before_the_first_round_is_slower_too(self):
        # It is quick in one run, slow in the other; half a second of the time is training.
        for ids, at_100_fold in ((np.arange(5), 1), (np.array([4, 1, 2, 3, 0]), 10)):
            who = 2 if at_100_fold > 1 else 0
            before = 0.5 + 0.04 + (0.2 + 0.008) / (10, 3.16, 1)[who]
            run = self.ten_fold("deadline", "flash", before, id=np.tile(ids.astype(np.int32), (self.ROUNDS, 1)))
            told = federations.told_by(run, "100-fold")
            extra = float(told.simulated_seconds[0] - told.client_simulated_seconds[0].max())
            self.assertAlmostEqual(extra, at_100_fold * before)

    def test_times_that_links_do_not_explain_are_refused(self):
        run = self.ten_fold()
        run.client_simulated_seconds[2, 3] += 0.1
        with self.assertRaisesRegex(ValueError, "a.h5: times of clients that its links don't explain"):
            federations.told_by(run, "100-fold")

    def test_runs_on_other_links_tell_nothing(self):
        self.assertIsNone(federations.told_by(load(write_results(self.folder / "a.h5")), "100-fold"))

    def test_the_federations_are_those_of_the_list_of_runs(self):
        for name, federation in federations.FEDERATIONS.items():
            listed = subprocess.run([ROOT / "jobs" / "budget_study.sh", ".", name], capture_output=True, text=True, check=True).stdout
            settings = dict(word.split("=", 1) for word in listed.splitlines()[0].split() if "=" in word)
            given = {key: tuple(np.atleast_1d(json.loads(settings[f"links.{key}"]))) for key in ("shares", *links.OF_CLASSES)}
            listed_links = links.Links(**given)
            for key in links.OF_CLASSES:
                np.testing.assert_allclose(listed_links.of_class(key), federation.links.of_class(key), rtol=1e-12)
            self.assertEqual(listed_links.shares, federation.links.shares)
            self.assertEqual(float(settings["budget.deadline_s"]), federation.deadline)


class Tables(Scratch):
    def test_a_client_that_is_not_waited_for_is_not_in_time(self):
        seconds, dropped = np.full((4, SLOTS), 2.0), np.zeros((4, SLOTS), np.int32)
        seconds[0, 0], dropped[1, 1] = 2.5, 1
        run = load(write_results(self.folder / "a.h5", rounds=4, clients={"simulated_seconds": seconds, "dropped_out": dropped}))
        late = np.argwhere(~budgets.in_time(run, 2.0))
        np.testing.assert_array_equal(late, [[0, 0], [1, 1]])

    def test_clients_are_dealt_to_links_in_order(self):
        ids = np.tile(np.array([0, 16, 17, 32, 33], np.int32), (4, 1))
        config = {"links.shares": [0.34, 0.33, 0.33], "links.order": "in_order", "links.uplink_mbit": [10.0, 3.16, 1.0]}
        run = load(write_results(self.folder / "a.h5", rounds=4, clients={"id": ids}, config=config))
        np.testing.assert_array_equal(budget_tables.link_class(run)[0], [0, 0, 1, 1, 2])

    def test_of_two_that_learn_as_much_in_each_second_none_is_there_sooner(self):
        long_rounds, short_rounds = as_much_from_each_byte(self)
        level = self.run_of(columns={"test_accuracy": 0.199, "simulated_seconds": 1.0})
        found = budget_tables.times({"long": [long_rounds], "short": [short_rounds], "level": [level]})
        self.assertIn("| 19.9 %, the end of level | 400 | 400 | 6 |", found)

    def test_curves_end_where_windows_would_shrink_and_0_is_in_the_picture(self):
        shown = load(write_results(self.folder / "a.h5", rounds=40, classes=np.zeros((40, 10)), columns={"simulated_seconds": 2.0}))
        _, axes = plt.subplots()
        budget_tables.own_over_time(axes, {"a": [shown]})
        np.testing.assert_allclose(axes.lines[0].get_xdata(), 2 * np.arange(16, 26))
        self.assertLess(axes.get_ylim()[0], 0)

    def test_the_legend_shows_the_marker_and_the_line_of_each(self):
        looks = [(line.get_marker(), line.get_color()) for line in budget_tables.handles({"a": [], "b": []})]
        _, axes = plt.subplots()
        runs = [load(write_results(self.folder / f"{i}.h5", rounds=4, classes=np.ones((4, 10)))) for i in (0, 1)]
        classes.by_class(axes, [Group(str(i), [run]) for i, run in enumerate(runs)])
        self.assertEqual(looks, [(drawn[0].get_marker(), drawn[0].get_color()) for drawn in axes.containers])

    def test_the_page_in_the_repository_says_what_its_files_do(self):
        done = run_script("budget_tables.py", "--check")
        self.assertEqual((done.returncode, done.stderr), (0, ""), "python3 analysis/budget_tables.py writes it anew")


if __name__ == "__main__":
    unittest.main()
