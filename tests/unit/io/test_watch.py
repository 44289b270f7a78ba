"""What the watcher finds wrong in files, and its ways to say so. The faults of running programs: tests/system/test_watch.py."""

import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

try:
    import h5py
    import numpy as np
    import xarray  # noqa: F401
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

from feddip_analysis import watch
from feddip_analysis.watch import Severity
from scratch import ANALYSIS, Scratch, run_script
from synthetic import SLOTS, write_results

NOW = 1_800_000_000.0
ROUNDS = 60
ROOMY = (10**9, 10**8, 9 * 10**8)


class Watch(Scratch):
    def write(self, name="a.h5", change=None, age=10, lease=10, checkpoint=10, **options):
        """A run that is well; `change` is done to its file, and the rest says how old in seconds its files are."""
        path = write_results(self.folder / name, rounds=ROUNDS, **options)
        if change:
            with h5py.File(path, "r+") as file:
                change(file)
        os.utime(path, (NOW - age, NOW - age))
        for file, seconds in ((path.with_suffix(".lease"), lease), (path.with_name(f"{path.stem}.ckpt-5.h5"), checkpoint)):
            if seconds is not None:
                file.write_text("feddip lease 1\njob 12\nmilliseconds 300000\n")
                os.utime(file, (NOW - seconds, NOW - seconds))
        return path

    def look(self, path, disk=ROOMY, own=""):
        thresholds = None
        if own:
            thresholds = self.folder / "own.toml"
            thresholds.write_text(own)
        world = watch.World(NOW, lambda folder: disk)
        return watch.look_at(path, watch.read_thresholds(thresholds), world)

    def found(self, *arguments, **options):
        return {alert.name: alert.severity for alert in self.look(*arguments, **options).alerts}

    def test_a_run_that_goes_on_and_one_that_is_complete_are_well(self):
        self.assertEqual(self.found(self.write(complete=0)), {})
        self.assertEqual(self.found(self.write("b.h5", age=1e6, lease=None, checkpoint=None)), {})

    def test_accuracy_that_falls_is_told_by_how_much(self):
        for fall, expected in ((0.01, {}), (0.06, {"accuracy_falling": Severity.WARNING}),
                               (0.3, {"accuracy_falling": Severity.CRITICAL})):
            with self.subTest(fall):
                accuracy = np.full(ROUNDS, 0.8)
                accuracy[-10:] -= fall
                self.assertEqual(self.found(self.write(columns={"test_accuracy": accuracy})), expected)

    def test_accuracy_is_that_of_the_clients_where_there_is_no_other(self):
        def fall(file):
            file["clients/accuracy"][-10:] = 0.1
        self.assertEqual(self.found(self.write(per_client=True, change=fall)), {"accuracy_falling": Severity.CRITICAL})

    def test_rounds_that_were_not_evaluated_are_not_a_fault(self):
        self.assertEqual(self.found(self.write(every=7)), {})

    def test_clients_that_vanish(self):
        for slots, expected in ((1, {}), (2, {"clients_vanishing": Severity.WARNING}),
                                (4, {"clients_vanishing": Severity.CRITICAL})):
            def leave(file):
                file["clients/dropped_out"][-20:, :slots] = 1
                file["clients/included"][-20:, :slots] = 0
            with self.subTest(slots):
                report = self.look(self.write(change=leave))
                self.assertEqual({a.name: a.severity for a in report.alerts}, expected)
                self.assertEqual(report.numbers["dropped_out_share"], slots / SLOTS)

    def test_a_round_that_all_clients_left_has_no_loss_and_that_is_no_nan(self):
        def leave(file):
            file["clients/dropped_out"][-1] = 1
            file["clients/included"][-1] = 0
            file["rounds/train_loss"][-1] = np.nan
        self.assertEqual(self.found(self.write(change=leave)), {})

    def test_updates_that_are_not_finite(self):
        for rounds, slots, expected in ((1, 1, Severity.WARNING), (20, 3, Severity.CRITICAL)):
            def spoil(file):
                file["clients/included"][-rounds:, :slots] = 0
            with self.subTest(rounds):
                self.assertEqual(self.found(self.write(change=spoil)), {"updates_not_finite": expected})

    def test_updates_that_a_rule_leaves_out_by_design_are_no_fault(self):
        def choose(file):
            file["clients/included"][:] = 0
            file["clients/included"][:, 2] = 1
        for rule in ("krum", "multi_krum"):
            self.assertEqual(self.found(self.write(change=choose, config={"aggregation.rule": rule})), {})
        self.assertEqual(self.found(self.write(change=choose, config={"aggregation.rule": "median"})),
                         {"updates_not_finite": Severity.CRITICAL})

    def test_rounds_with_too_few_updates_for_the_rule_say_nothing_of_updates(self):
        def too_few(file):
            file["clients/included"][-5:] = 0
            file["clients/dropped_out"][-5:, :1] = 1
            file["rounds/train_loss"][-5:] = np.nan
        report = self.look(self.write(change=too_few, config={"aggregation.rule": "trimmed_mean"}))
        self.assertEqual(report.alerts, [])
        self.assertEqual(report.numbers["updates_not_finite_share"], 0)

    def test_rounds_that_leave_the_model_as_it_is(self):
        for rounds, expected in ((5, {}), (6, {"nothing_included": Severity.WARNING}),
                                 (20, {"nothing_included": Severity.CRITICAL})):
            def too_few(file):
                file["clients/included"][-rounds:] = 0
                file["clients/dropped_out"][-rounds:, :1] = 1
                file["rounds/train_loss"][-rounds:] = np.nan
            with self.subTest(rounds):
                report = self.look(self.write(change=too_few, config={"aggregation.rule": "krum"}))
                self.assertEqual({a.name: a.severity for a in report.alerts}, expected)
                self.assertEqual(report.numbers["nothing_included_share"], rounds / 20)

    def test_clients_that_are_too_late_do_not_vanish(self):
        def leave(file):
            file["clients/dropped_out"][:, :4] = 1
            file["clients/included"][:, :4] = 0
            file["clients/simulated_seconds"][:, :4] = 6
            file["clients/simulated_seconds"][:, 4:] = 2
        late = self.look(self.write(change=leave, config={"budget.mode": "drop", "budget.deadline_s": 6.0}))
        self.assertEqual((late.alerts, late.numbers["dropped_out_share"]), ([], 0))
        # One that is away has the time of its download, and where clients are given less to do, one that is late answers.
        for config in ({"budget.mode": "drop", "budget.deadline_s": 60.0}, {"budget.mode": "deadline", "budget.deadline_s": 6.0}):
            self.assertEqual(self.found(self.write(change=leave, config=config)), {"clients_vanishing": Severity.CRITICAL})

    def private(self, file):
        """What a run with protected clients leaves out."""
        for name in ("train_loss", "seconds_round"):
            file[f"rounds/{name}"][:] = np.nan
        file["clients/id"][:] = -1

    def test_the_loss_of_rounds_that_have_one_counts(self):
        def spoil(file):
            self.private(file)
            loss = file["rounds/test_loss"][:]
            loss[evaluated:] = np.nan
            file["rounds/test_loss"][:] = loss
        for evaluated, expected in ((ROUNDS, {}), (ROUNDS - 1, {"loss_not_finite": Severity.WARNING}),
                                    (ROUNDS - 11, {"loss_not_finite": Severity.CRITICAL})):
            with self.subTest(evaluated):
                self.assertEqual(self.found(self.write(every=5, change=spoil)), expected)

    def test_a_job_whose_rounds_have_no_times_stalls_after_minutes(self):
        for quiet, expected in ((1500, {}), (3700, {"stalled": Severity.WARNING}),
                                (22000, {"stalled": Severity.CRITICAL})):
            with self.subTest(quiet):
                report = self.look(self.write(complete=0, age=quiet, checkpoint=quiet, change=self.private))
                found = {a.name: a.severity for a in report.alerts if a.name != "checkpoint_old"}
                self.assertEqual(found, expected)
                self.assertNotIn("nan", "".join(a.text for a in report.alerts))

    def test_a_loss_that_is_not_finite_counts_up_to_the_last_round(self):
        for column, value in (("train_loss", np.inf), ("test_loss", np.nan)):
            for where, expected in ((slice(5, 9), {}), (slice(-1, None), {"loss_not_finite": Severity.WARNING}),
                                    (slice(-3, None), {"loss_not_finite": Severity.CRITICAL}),
                                    (slice(None), {"loss_not_finite": Severity.CRITICAL})):
                def spoil(file):
                    values = file[f"rounds/{column}"][:]
                    values[where] = value
                    file[f"rounds/{column}"][:] = values
                with self.subTest(column, where=where):
                    self.assertEqual(self.found(self.write(change=spoil)), expected)

    def test_a_job_that_stalls_after_many_of_its_rounds(self):
        slow = {"seconds_round": np.full(ROUNDS, 100.0)}
        for quiet, expected in ((500, {}), (1500, {"stalled": Severity.WARNING}), (3500, {"stalled": Severity.CRITICAL})):
            with self.subTest(quiet):
                path = self.write(complete=0, age=quiet, checkpoint=quiet, columns=slow)
                self.assertEqual(self.found(path), expected)
        # A checkpoint is a sign of life like the results.
        self.assertEqual(self.found(self.write(complete=0, age=3500, checkpoint=5, columns=slow)), {})
        self.assertEqual(self.found(self.write(complete=0, age=3500, checkpoint=5, columns=slow),
                                    own="[stalled]\nleast_minutes = 0\nwarning = 0.01"), {"stalled": Severity.WARNING})

    def test_a_job_that_has_died_is_named(self):
        report = self.look(self.write(complete=0, lease=400))
        self.assertEqual([(a.name, a.severity) for a in report.alerts], [("died", Severity.CRITICAL)])
        self.assertIn("job 12", report.alerts[0].text)

    def test_a_run_that_nobody_is_at(self):
        self.assertEqual(self.found(self.write(complete=0, lease=None)), {"stopped": Severity.WARNING})

    def test_a_lease_is_found_beside_the_checkpoints(self):
        other = self.folder / "other"
        other.mkdir()
        path = self.write(complete=0, lease=None, checkpoint=None, config={"checkpoint.path": str(other)})
        (other / "a.lease").write_text("feddip lease 1\njob 12\n")
        os.utime(other / "a.lease", (NOW, NOW))
        self.assertEqual(self.found(path), {})

    def test_old_checkpoints(self):
        for minutes, expected in ((30, {}), (90, {"checkpoint_old": Severity.WARNING}),
                                  (400, {"checkpoint_old": Severity.CRITICAL})):
            with self.subTest(minutes):
                self.assertEqual(self.found(self.write(complete=0, checkpoint=60 * minutes)), expected)

    def test_no_checkpoint_in_an_hour_of_rounds(self):
        slow = {"seconds_round": np.full(ROUNDS, 100.0)}
        self.assertEqual(self.found(self.write(complete=0, checkpoint=None)), {})
        self.assertEqual(self.found(self.write("b.h5", complete=0, checkpoint=None, columns=slow)),
                         {"checkpoint_old": Severity.WARNING})

    def test_a_disk_that_fills(self):
        for disk, expected in (((100, 50, 50), {}), ((100, 92, 8), {"disk_fills": Severity.WARNING}),
                               ((100, 90, 0), {"disk_fills": Severity.CRITICAL})):
            with self.subTest(disk):
                self.assertEqual(self.found(self.write(), disk=disk), expected)

    def test_a_disk_without_room_for_the_next_file(self):
        path = self.write(complete=0)
        size = path.stat().st_size
        self.assertEqual(self.found(path, disk=(10 * size, size, size)), {})
        self.assertEqual(self.found(path, disk=(10 * size, size, size - 1)), {"disk_fills": Severity.CRITICAL})
        path.with_name("a.ckpt-5.h5").write_bytes(bytes(2 * size))
        os.utime(path.with_name("a.ckpt-5.h5"), (NOW, NOW))
        self.assertEqual(self.found(path, disk=(10 * size, size, size)), {"disk_fills": Severity.CRITICAL})

    def test_files_that_can_not_be_read(self):
        for content in (b"", b"no HDF5", self.write("whole.h5").read_bytes()[:5000]):
            path = self.folder / "a.h5"
            path.write_bytes(content)
            self.assertEqual(self.found(path), {"unreadable": Severity.CRITICAL})

    def test_a_file_that_nobody_expected_does_not_keep_others_from_being_looked_at(self):
        self.write("a.h5", change=lambda file: file.attrs.update(complete="no"))
        self.write("b.h5", complete=0)
        (self.folder / "b.lease").write_text("feddip lease 1\nmilliseconds many\n")
        self.write("c.h5")
        reports = watch.look_at_all([self.folder], watch.read_thresholds(), watch.World(NOW, lambda folder: ROOMY))
        self.assertEqual([[alert.name for alert in report.alerts] for report in reports], [["unreadable"], ["unreadable"], []])
        lines = watch.text(reports)
        self.assertIn("the attribute complete is not a whole number", lines[0])
        self.assertIn("b.h5: can't be looked at (ValueError: could not convert string to float: 'many')", lines[1])

    def test_a_run_that_ended_early_is_well_and_said_to_have(self):
        path = self.write(planned=100)
        self.assertEqual(watch.text([self.look(path)]), [f"OK       {path}: {ROUNDS} of 100 rounds, complete: it ended early"])

    def test_a_run_before_its_first_round(self):
        path = write_results(self.folder / "a.h5", rounds=1, complete=0)
        with h5py.File(path, "r+") as file:
            for name in ("rounds", "clients", "layers"):
                for key, dataset in file[name].items():
                    if key not in ("name", "slot"):
                        empty = dataset[:0]
                        attributes = dict(dataset.attrs)
                        del file[name][key]
                        file[f"{name}/{key}"] = empty
                        file[f"{name}/{key}"].attrs.update(attributes)
        os.utime(path, (NOW, NOW))
        self.assertEqual(self.found(path), {"stopped": Severity.WARNING})
        path.with_suffix(".lease").write_text("feddip lease 1\n")
        os.utime(path.with_suffix(".lease"), (NOW, NOW))
        self.assertEqual(self.found(path), {})

    def test_bad_thresholds_are_refused(self):
        for own, part in (("[stalld]\nwarning = 1", "did you mean stalled?"),
                          ("[stalled]\nwarn = 1", "did you mean warning?"),
                          ("[stalled]\nwarning = true", "stalled.warning is not a number"),
                          ("[stalled]\nwarning = nan", "stalled.warning is not a number"),
                          ("[stalled]\nwarning = -1", "stalled.warning is not a number"),
                          ("stalled = 3", "stalled is not a section"), ("[stalled", "can't read the thresholds")):
            path = self.folder / "own.toml"
            path.write_text(own)
            with self.subTest(own), self.assertRaisesRegex(watch.BadThresholds, re.escape(part)):
                watch.read_thresholds(path)

    def test_numbers_in_the_format_of_prometheus(self):
        path = self.write('a "quoted".h5', complete=0, lease=400)
        text = watch.prometheus([self.look(path)], NOW)
        label = str(path).replace('"', '\\"')
        self.assertIn(f'feddip_rounds_done{{run="{label}"}} {ROUNDS}\n', text)
        self.assertIn(f'feddip_alert{{run="{label}",alert="died"}} 2\n', text)
        self.assertIn(f'feddip_alert{{run="{label}",alert="stalled"}} 0\n', text)
        self.assertIn("feddip_watch_time_seconds 1800000000\n", text)
        value = r"(?:NaN|[+-]Inf|-?\d+(?:\.\d+)?(?:e[+-]\d+)?)"
        labels = r'\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+\}'
        named = set()
        for line in text.splitlines():
            if comment := re.fullmatch(r"# (HELP|TYPE) (feddip_[a-z_]+) (.+)", line):
                self.assertTrue(comment[1] == "HELP" or comment[3] == "gauge")
                named.add(comment[2])
            else:
                sample = re.fullmatch(rf"(feddip_[a-z_]+)(?:{labels})? {value}", line)
                self.assertTrue(sample, line)
                self.assertIn(sample[1], named)

    def test_every_alert_is_in_the_runbook_and_has_thresholds_or_none(self):
        headings = re.findall(r"^## ([a-z_]+)$", (ANALYSIS / "RUNBOOK.md").read_text(), re.MULTILINE)
        self.assertEqual(sorted(headings), sorted(watch.ALERTS))
        self.assertLessEqual(set(watch.read_thresholds()), set(watch.ALERTS))


class Script(Scratch):
    def test_the_exit_code_is_the_worst_that_was_found(self):
        good = write_results(self.folder / "good.h5")
        unlimited = self.folder / "own.toml"
        unlimited.write_text("[disk_fills]\nwarning = 2\ncritical = 2\n")
        told = run_script("watch.py", good, "--thresholds", unlimited)
        self.assertEqual((told.returncode, told.stdout), (0, f"OK       {good}: 60 of 60 rounds\n"))
        self.assertEqual(run_script("watch.py", "--quiet", good, "--thresholds", unlimited).stdout, "")
        write_results(self.folder / "stopped.h5", complete=0)
        told = run_script("watch.py", self.folder, "--thresholds", unlimited)
        self.assertEqual(told.returncode, 1, told.stdout)
        (self.folder / "bad.h5").write_text("bad")
        told = run_script("watch.py", self.folder, "--thresholds", unlimited, "--prometheus", self.folder / "f.prom")
        self.assertEqual(told.returncode, 2)
        self.assertEqual([line.split()[0] for line in told.stdout.splitlines()], ["CRITICAL", "WARNING", "OK"])
        self.assertIn("feddip_alert", (self.folder / "f.prom").read_text())
        self.assertEqual(len(list(self.folder.glob("f.prom*"))), 1)

    def test_what_can_not_be_looked_at_is_unknown(self):
        for arguments in ((), (self.folder,), (self.folder, "--thresholds", self.folder / "none.toml"),
                          (self.folder, "--folow", "1")):
            told = run_script("watch.py", *arguments)
            self.assertEqual(told.returncode, 3, arguments)
            self.assertEqual(told.stdout, "")
            self.assertIn("watch.py: error: ", told.stderr)

    def test_names_that_are_no_utf_8_are_written_as_numbers(self):
        path = self.folder / os.fsdecode(b"run-\xff.h5")
        write_results(self.folder / "a.h5").rename(path)
        told = run_script("watch.py", self.folder, "--prometheus", self.folder / "f.prom")
        self.assertNotIn("error", told.stderr)
        self.assertIn("run-\\udcff.h5", told.stdout)
        self.assertIn("run-\\\\udcff.h5\"} 60", (self.folder / "f.prom").read_text())

    def test_what_nobody_expected_is_unknown_and_not_a_warning(self):
        write_results(self.folder / "a.h5", complete=0)
        told = run_script("watch.py", "--follow", "1e300", self.folder)  # longer than any clock can wait
        self.assertEqual((told.returncode, len(told.stderr.splitlines())), (3, 1), told.stderr)
        self.assertIn("watch.py: error: ", told.stderr)

    def test_it_follows_until_all_is_complete(self):
        path = write_results(self.folder / "a.h5", complete=0)
        follower = subprocess.Popen([sys.executable, ANALYSIS / "watch.py", "--follow", "0.2", path],
                                    stdout=subprocess.PIPE, text=True)
        self.addCleanup(follower.kill)
        self.assertIn(" stopped: ", follower.stdout.readline())
        write_results(self.folder / "new.h5").replace(path)
        rest, _ = follower.communicate(timeout=60)
        self.assertIn(f"{path}: 60 of 60 rounds", rest)


if __name__ == "__main__":
    unittest.main()
