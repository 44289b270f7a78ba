"""The pictures, tables and summaries of results files."""

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import unittest
import xml.etree.ElementTree as ElementTree
from pathlib import Path

try:
    import h5py
    import matplotlib.pyplot
    import numpy as np
    import scipy  # noqa: F401
    import xarray  # noqa: F401
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

import scaling
import uploads
from feddip_analysis import (
    NotAResultsFile,
    group_runs,
    load,
    markdown,
    options,
    plots,
    results,
    summary_lines,
    summary_rows,
    tables,
)
from scratch import ANALYSIS, Scratch
from synthetic import PARAMETERS, SLOTS, write_results

EXAMPLES = Path(os.environ["FEDDIP_EXAMPLES"])
PICTURES = ("overview", "accuracy", "loss", "traffic", "sparsity", "layers", "time")


class Load(Scratch):
    def test_a_file_of_the_program_gives_its_numbers(self):
        run = load(EXAMPLES / "complete.h5")
        self.assertEqual(dict(run.sizes), {"round": 6, "layer": 2, "class": 3, "slot": 3})
        self.assertEqual(list(run["layer"].values), ["conv1.weight", "fc1.weight"])
        self.assertEqual(int(run.bytes_up.sel(round=1)), 2**53 + 1)
        self.assertEqual(run.client_id.dims, ("round", "slot"))
        self.assertEqual(run.attrs["method"], "feddip")

    def test_columns_of_the_made_up_files_are_those_of_the_program(self):
        self.assertEqual(set(self.run_of(classes=np.full((60, 3), 0.5)).variables), set(load(EXAMPLES / "complete.h5").variables))

    def test_a_run_without_rounds_is_loaded(self):
        self.assertEqual(load(EXAMPLES / "empty.h5").sizes["round"], 0)

    def test_other_files_are_refused(self):
        with self.assertRaises(NotAResultsFile):
            load(EXAMPLES / "complete.ckpt-6.h5")
        with self.assertRaises(NotAResultsFile):
            load(self.folder / "none.h5")

    def test_a_file_that_lacks_what_all_have_is_refused_with_its_name(self):
        groups = {f"/{group}/{name}" for group, names in results.REQUIRED.items() for name in names.split()}
        path = write_results(self.folder / "a.h5", rounds=3)
        whole = path.read_bytes()
        for name in (*sorted(groups), *results.REQUIRED_ATTRIBUTES):
            path.write_bytes(whole)
            with h5py.File(path, "a") as file:
                del (file if name in groups else file.attrs)[name]
            with self.subTest(name), self.assertRaisesRegex(NotAResultsFile, rf"it lacks (the attribute )?{name}\)"):
                load(path)

    def test_a_config_that_is_none_is_refused(self):
        path = write_results(self.folder / "a.h5")
        with h5py.File(path, "a") as file:
            file.attrs["config_toml"] = "[federation"
        with self.assertRaises(NotAResultsFile):
            load(path)

    def test_a_file_whose_parts_are_of_another_kind_is_refused_and_others_are_read(self):
        good = write_results(self.folder / "good.h5")
        wrong = {
            ("complete", "no"): "the attribute complete is not a whole number",
            ("seed", "abc"): "the attribute seed is not a whole number",
            ("seed", np.nan): "the attribute seed is not a whole number",
            ("rounds", (60, 61)): "the attribute rounds is not a whole number",
            ("method", ("feddip", "fedavg")): "the attribute method is not a text",
            ("config_toml", '[sparsity]\ntarget = "x"\n'): "sparsity.target in config_toml is 'x', where the program has 0.9",
            ("config_toml", "[model]\nname = true\n"): "model.name in config_toml is True, where the program has 'lenet5'",
            ("/rounds/test_accuracy", ("0.9",) * 60): "/rounds/test_accuracy is not of numbers with 1 dimension",
            ("/rounds/epsilon", ("8",) * 60): "/rounds/epsilon is not of numbers with 1 dimension",
            ("/rounds/round", (0.5,) * 60): "/rounds/round is not of whole numbers with 1 dimension",
            ("/clients/id", (1,) * 60): "/clients/id is not of numbers with 2 dimensions",
        }
        for (name, value), why in wrong.items():
            path = self.folder / "wrong.h5"
            shutil.copy(good, path)
            with h5py.File(path, "a") as file:
                if name.startswith("/"):
                    attributes = dict(file[name].attrs)
                    del file[name]
                    file[name] = value
                    file[name].attrs.update(attributes)
                else:
                    file.attrs[name] = value
            with self.subTest(why):
                runs, skipped = results.collect([self.folder])
                self.assertEqual([run.attrs["path"] for run in runs], [str(good)])
                self.assertEqual([(s.path, s.reason) for s in skipped], [(path, f"not a results file of feddip ({why})")])

    def test_accuracy_is_that_of_the_clients_where_the_whole_test_set_was_not_used(self):
        run = self.run_of(per_client=True)
        np.testing.assert_allclose(run.accuracy, 0.5)

    def test_traffic_adds_up_both_directions(self):
        run = self.run_of()
        self.assertEqual(float(run.bytes_total[-1]), float(run.bytes_up.sum() + run.bytes_down.sum()))


class Groups(Scratch):
    def test_runs_that_differ_in_their_seed_only_are_one(self):
        runs = [self.run_of(f"{s}.h5", seed=s) for s in (1, 2, 3)]
        groups = group_runs([*runs, self.run_of("b.h5", method="fedavg")])
        self.assertEqual([(g.label, len(g.runs)) for g in groups], [("FedDIP", 3), ("FedAvg", 1)])

    def test_labels_name_what_differs_within_a_method(self):
        groups = group_runs(
            [
                self.run_of("a.h5", target=0.9),
                self.run_of("b.h5", target=0.98),
                self.run_of("c.h5", method="fedavg"),
                self.run_of("d.h5", maximum=0),
            ]
        )
        labels = ["FedDIP, $s_p$ = 0.9", "FedDIP, $s_p$ = 0.98", "FedAvg", "FedDP"]
        self.assertEqual([g.label for g in groups], labels)

    def groups_of(self, *configs, **options):
        runs = [self.run_of(f"{i}.h5", seed=i, config=c, **options) for i, c in enumerate(configs)]
        return len(group_runs(runs))

    def test_own_images_of_two_places_are_two_experiments(self):
        own = {"data.dataset": "file", "data.path": "/a/site.h5"}
        self.assertEqual(self.groups_of(own, own), 1)
        self.assertEqual(self.groups_of(own, own | {"data.path": "/b/site.h5"}), 2)

    def test_what_times_are_made_of_sets_runs_apart_where_they_have_times(self):
        timed = {"columns": {"simulated_seconds": np.ones(60)}}
        slow = {"faults.slow_probability": 0.1, "faults.slow_factor": 10.0}
        for one, other in (({"links.uplink_mbit": 10.0}, {"links.uplink_mbit": 1.0}), (slow, slow | {"faults.slow_factor": 2.0})):
            self.assertEqual(self.groups_of(one, other), 1)
            self.assertEqual(self.groups_of(one, other, **timed), 2)
            parts = {"budget.mode": "deadline"}
            self.assertEqual(self.groups_of(one | parts, other | parts), 2)
        # A factor means nothing where nobody is slow, and older files have no order of links.
        never = {"faults.slow_probability": 0.0, "faults.slow_factor": 10.0}
        self.assertEqual(self.groups_of({}, never, {"links.order": "drawn"}, **timed), 1)

    def test_seeds_are_joined_at_the_rounds_that_all_have(self):
        long, short = self.run_of("a.h5", seed=1), self.run_of("b.h5", seed=2).isel(round=slice(0, 40))
        values = group_runs([long, short])[0].over_seeds("test_loss")
        self.assertEqual(dict(values.sizes), {"seed": 2, "round": 40})

    def test_a_column_is_of_the_seeds_that_measured_it(self):
        measured, not_measured = self.run_of("a.h5", seed=1), self.run_of("b.h5", seed=2)
        not_measured["test_loss"] = not_measured.test_loss * np.nan
        group = group_runs([measured, not_measured])[0]
        self.assertTrue(group.has("test_loss"))
        self.assertEqual(group.over_seeds("test_loss").sizes["seed"], 1)


class Numbers(Scratch):
    def test_means_leave_out_rounds_without_evaluation(self):
        run = self.run_of(every=4)
        last = run.accuracy.values[-10:]
        self.assertAlmostEqual(results.mean_of_last(run.accuracy), float(np.nanmean(last)))
        self.assertEqual(results.last_measured(run.accuracy), float(run.accuracy.sel(round=60)))

    def test_runs_that_are_not_complete_are_named_and_have_no_numbers(self):
        runs = [self.run_of("a.h5", seed=1), self.run_of("b.h5", seed=2, rounds=20, planned=60, complete=0)]
        whole, cut = summary_rows(group_runs(runs))
        self.assertEqual((whole["seeds"], whole["rounds"]), ("1", "60"))
        self.assertNotIn("±", whole["accuracy"])
        self.assertEqual((cut["run"], cut["rounds"]), ("FedDIP, seed 2", "not complete: 20 of 60 rounds"))
        self.assertEqual({cut[name] for name in ("accuracy", "mean of last 10", "up", "s per round")}, {"–"})

    def test_runs_that_ended_early_are_said_to(self):
        early = self.run_of(rounds=20, planned=60, config={"privacy.clip": 1.0})
        (row,) = summary_rows(group_runs([early]))
        self.assertEqual((row["seeds"], row["rounds"]), ("1", "20 of 60 rounds, ended early"))
        self.assertIn("20 of 60 rounds (complete, ended early)", summary_lines(early)[0])

    def test_dense_bytes_are_four_per_parameter_client_and_round(self):
        self.assertEqual(results.dense_bytes(self.run_of(rounds=60)), 4 * PARAMETERS * SLOTS * 60)

    def test_units_are_chosen_for_what_is_shown(self):
        for count, text in ((0, "0 B"), (999, "999 B"), (999.6, "1 kB"), (999.4e6, "999 MB"), (999.6e6, "1 GB"), (999.6e12, "1 PB")):
            self.assertEqual(tables.readable_bytes(count), text)
        for days, text in ((999.4, "999 d"), (999.6, "1000 d"), (2500, "2500 d")):
            self.assertEqual(tables.duration(86400 * days), text)

    def test_phases_add_up_to_the_round(self):
        run = self.run_of()
        total = sum(results.seconds_by_phase(run).values())
        self.assertAlmostEqual(total, float(run.seconds_round.mean()))

    def test_a_summary_has_five_lines(self):
        for run in (self.run_of(), load(EXAMPLES / "empty.h5"), load(EXAMPLES / "complete.h5")):
            self.assertEqual(len(summary_lines(run)), 5)

    def test_a_summary_tells_the_share_of_dense_traffic(self):
        run = self.run_of(method="fedavg")
        share = 100 * float(run.bytes_up.sum()) / results.dense_bytes(run)
        self.assertIn(f"({share:.1f} % of dense FedAvg) up", summary_lines(run)[3])

    def test_a_table_has_a_row_per_group(self):
        runs = [self.run_of(f"{s}.h5", seed=s) for s in (1, 2)]
        rows = summary_rows(group_runs([*runs, self.run_of("b.h5", method="fedavg")]))
        self.assertEqual([row["seeds"] for row in rows], ["2", "1"])
        self.assertIn("±", rows[0]["accuracy"])
        self.assertNotIn("±", rows[1]["accuracy"])
        self.assertEqual(len(markdown(rows).splitlines()), 4)


class Untimed(Scratch):
    """A run that protects its clients records no times."""

    def setUp(self):
        super().setUp()
        phases = ("train", "communicate", "aggregate", "evaluate", "round")
        columns = {f"seconds_{phase}": np.nan for phase in phases}
        self.path = write_results(self.folder / "a.h5", columns=columns, config={"privacy.clip": 1.0, "privacy.epsilon": 8.0})

    def test_its_summary_says_so(self):
        done = self.script("summary.py", self.path)
        self.assertEqual(done.stdout.splitlines()[4], "time      not recorded: it protects its clients")

    def test_its_row_says_so_and_it_has_no_picture_of_times(self):
        done = self.script("plot.py", self.path, "--out", self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertFalse((self.folder / "time.png").exists())
        self.assertNotIn("nan", (self.folder / "table.md").read_text())

    def test_the_report_says_so(self):
        done = self.script("report.py", self.path, "--out", self.folder / "out")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertFalse((self.folder / "out/figures/time.png").exists())
        page = (self.folder / "out/report.html").read_text().replace("\u00a0", " ")
        self.assertIn("Runs that protect their clients record no times", page)
        self.assertNotIn("Time per phase", page)


class Scripts(Scratch):
    def test_plot_draws_every_picture_as_svg_and_png(self):
        paths = [write_results(self.folder / f"{s}.h5", seed=s) for s in (1, 2)]
        paths.append(write_results(self.folder / "avg.h5", method="fedavg"))
        reference = self.folder / "reference.csv"
        reference.write_text("round,one,two\n1,0.1,0.2\n2,0.3,\n")
        done = self.script("plot.py", *paths, "--out", self.folder / "out", "--reference", reference)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in PICTURES:
            self.assertTrue((self.folder / "out" / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name)
            ElementTree.parse(self.folder / "out" / f"{name}.svg")
        self.assertEqual(len((self.folder / "out/table.md").read_text().splitlines()), 4)

    def test_plot_draws_a_file_of_the_program(self):
        done = self.script("plot.py", EXAMPLES / "complete.h5", "--out", self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_plot_draws_runs_of_one_round_with_little_measured(self):
        paths = [
            write_results(self.folder / "one.h5", rounds=1),
            write_results(self.folder / "clients.h5", per_client=True, maximum=0),
        ]
        done = self.script("plot.py", *paths, "--out", self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_plot_draws_a_run_before_its_first_evaluation(self):
        path = write_results(self.folder / "a.h5", rounds=3, every=5, complete=0)
        done = self.script("plot.py", path, "--out", self.folder)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_no_heat_map_is_drawn_where_nothing_is_pruned(self):
        path = write_results(self.folder / "avg.h5", method="fedavg")
        self.assertEqual(self.script("plot.py", path, "--out", self.folder).returncode, 0)
        self.assertFalse((self.folder / "layers.png").exists())

    def test_plot_leaves_out_checkpoints_and_images_that_lie_beside_results(self):
        shutil.copy(EXAMPLES / "complete.h5", self.folder / "run.h5")
        (self.folder / "run.ckpt-3.h5").write_text("feddip checkpoint 1\n")
        with h5py.File(self.folder / "photos.h5", "w") as file:
            file.attrs["classes"] = 4
        for chosen in ([self.folder], [self.folder / "run.h5", self.folder / "run.ckpt-3.h5"]):
            done = self.script("plot.py", *chosen, "--out", self.folder / "out")
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_pictures_of_the_same_run_are_the_same_bytes(self):
        groups = group_runs([self.run_of()])
        pairs = []
        for name in ("1", "2"):
            with plots.style():
                pairs.append(plots.save(plots.overview(groups), self.folder, name))
        for first, second in zip(*pairs):
            self.assertEqual(first.read_bytes(), second.read_bytes(), first.suffix)

    def test_scripts_say_in_one_line_what_is_wrong(self):
        other = self.folder / "other.h5"
        h5py.File(other, "w").close()
        not_evaluated = write_results(self.folder / "new.h5", rounds=3, every=5)
        empty = self.folder / "empty.csv"
        empty.write_text("ranks,mbit\n")
        wrong = [
            ("plot.py", self.folder / "none.h5"),
            ("plot.py", other),
            ("plot.py", EXAMPLES / "empty.h5", "--out", self.folder),
            ("plot.py", EXAMPLES / "complete.h5", "--out", self.folder, "--reference", EXAMPLES / "none.csv"),
            ("summary.py", other),
            ("uploads.py", self.folder / "none.h5", "--out", self.folder / "a.png"),
            ("uploads.py", other, "--out", self.folder / "a.png"),
            ("uploads.py", not_evaluated, "--out", self.folder / "a.png"),
            ("scaling.py", self.folder / "none.csv", "--out", self.folder),
            ("scaling.py", other, "--out", self.folder),
            ("scaling.py", empty, "--out", self.folder),
            ("simulation.py", "--rounds", self.folder / "none.csv", "--out", self.folder),
            ("simulation.py", "--rounds", empty, "--out", self.folder),
            ("simulation.py", "--steps", empty, "--out", self.folder),
            ("plot.py", EXAMPLES / "complete.h5", "--out", other),
        ]
        if all(map(importlib.util.find_spec, ("onnx", "torch"))):  # of verify_export.py alone
            model = self.folder / "none.onnx"
            wrong += [("verify_export.py", model, images) for images in (other, self.folder / "none.h5")]
        for command in wrong:
            with self.subTest(command=command):
                done = self.script(*command)
                self.assertEqual(done.returncode, 2)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_a_checkpoint_or_a_folder_without_files_is_said_to_be_no_results_file(self):
        for script, path in (("plot.py", EXAMPLES / "complete.ckpt-6.h5"), ("report.py", EXAMPLES / "complete.ckpt-6.h5"),
                             ("decide.py", self.folder)):
            with self.subTest(script=script):
                done = self.script(script, path, "--out", self.folder / "out")
                self.assertEqual(done.returncode, 2)
                self.assertEqual(done.stderr, f"{script}: error: no results file in {path}: checkpoints (*.ckpt-*) hold a model "
                                              "and no curves\n")

    def test_a_number_that_is_none_is_refused_in_the_words_of_the_option(self):
        parser = argparse.ArgumentParser(exit_on_error=False)
        options.add_target(parser)
        options.add_links(parser)
        for words, wanted in ((("--target", "abc"), "abc: must be a number above 0 and at most 1"),
                              (("--uplink-mbit", "x"), "x: must be a number from 0 on")):
            with self.subTest(words), self.assertRaisesRegex(argparse.ArgumentError, wanted):
                parser.parse_args(words)
        with self.assertRaisesRegex(argparse.ArgumentTypeError, "1.5: must be a whole number from 1 on"):
            options.from_1("1.5")

    @unittest.skipUnless(all(map(importlib.util.find_spec, ("onnx", "torch"))), "needs PyTorch and ONNX")
    def test_images_that_are_none_are_named_with_what_they_lack(self):
        other = self.folder / "other.h5"
        h5py.File(other, "w").close()
        done = self.script("verify_export.py", self.folder / "none.onnx", other)
        self.assertEqual(done.stderr, f"verify_export.py: error: {other} lacks test/images, which data/import.py writes\n")

    def test_what_a_script_lacks_is_said_with_what_to_install(self):
        for script, missing in (("verify_export.py", "onnx"), ("verify_export.py", "torch"), ("audit.py", "torch")):
            with self.subTest(script=script, missing=missing):
                masked = self.folder / missing
                masked.mkdir(exist_ok=True)
                (masked / f"{missing}.py").write_text(f'raise ImportError("No module named {missing}")')
                path = f"{masked}:{os.environ.get('PYTHONPATH', '')}"
                done = subprocess.run([sys.executable, ANALYSIS / script, "a", "b"], capture_output=True, text=True, check=False,
                                      env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"})
                self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1), done.stderr)
                self.assertIn("apt install python3-torch", done.stderr)

    def test_scripts_name_damaged_files_and_leave_them_out(self):
        good = write_results(self.folder / "good.h5")
        damaged = {"seed": self.folder / "attribute.h5", "/rounds/sparsity": self.folder / "column.h5"}
        for name, path in damaged.items():
            shutil.copy(good, path)
            with h5py.File(path, "a") as file:
                del (file if name in file else file.attrs)[name]
        for command in (("report.py", "--out", self.folder / "out"), ("privacy_tables.py",),
                        ("decide.py", "--target", 0.5, "--out", self.folder / "out"), ("drift.py",)):
            with self.subTest(command=command):
                done = self.script(command[0], self.folder, *command[1:])
                said = [line for line in done.stderr.splitlines() if "left out" in line and "it lacks" in line]
                self.assertEqual([str(path) in line for line, path in zip(said, damaged.values())], [True, True], done.stderr)
                self.assertEqual(done.returncode, 2 if command[0] in ("drift.py", "privacy_tables.py") else 0)  # nothing to show
        for script in ("summary.py", "plot.py", "watch.py"):
            for name, path in damaged.items():
                with self.subTest(script=script, name=name):
                    done = self.script(script, path, *(["--out", self.folder / "out"] if script == "plot.py" else []))
                    self.assertEqual(done.returncode, 2)
                    self.assertIn(name, done.stderr + done.stdout)
                    self.assertNotIn("Traceback", done.stderr)

    def test_each_of_many_kinds_is_drawn_and_looks_otherwise(self):
        paths = [write_results(self.folder / f"{i}.h5", config={"sparsity.horizon": i}, rounds=12) for i in range(9)]
        with plots.style():
            rounds, end = uploads.figure(group_runs(map(load, paths))).axes[:2]
        looks = {(line.get_color(), line.get_marker()) for line in rounds.lines}
        self.assertEqual((len(rounds.lines), len(looks), len(end.containers)), (9, 9, 9))
        low, high = rounds.get_ylim()
        self.assertTrue(all(low < line.get_ydata()[-1] < high for line in rounds.lines))
        curves = {str(n): (np.array([1, 2]), np.array([n, n])) for n in range(5)}
        _, axes = matplotlib.pyplot.subplots()
        scaling.draw(axes, curves)
        self.assertEqual(len(axes.lines), 5)

    def test_uploads_refuses_runs_that_have_not_ended_by_name(self):
        cut = write_results(self.folder / "cut.h5", rounds=12, planned=60, complete=0)
        done = self.script("uploads.py", write_results(self.folder / "a.h5"), cut, "--out", self.folder / "a.png")
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"{cut}: not complete: 12 of 60 rounds", done.stderr)

    def test_scaling_draws_its_picture(self):
        measured = ANALYSIS / "results" / "scaling" / "scaling.csv"
        done = self.script("scaling.py", measured, "--out", self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue((self.folder / "scaling.png").read_bytes().startswith(b"\x89PNG"))

    def test_simulation_draws_its_picture_and_prints_its_tables(self):
        measured = ANALYSIS / "results" / "scaling"
        done = self.script("simulation.py", "--rounds", measured / "simulated.csv", "--steps", measured / "steps.csv",
                           "--out", self.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue((self.folder / "simulation.png").read_bytes().startswith(b"\x89PNG"))
        self.assertEqual(done.stdout.count("| FedAvg |"), 4)
        text = (ANALYSIS.parent / "tests" / "bench" / "README-collectives.md").read_text(encoding="utf-8")
        of_alexnet = [line for part in done.stdout.split("Gbit/s, ") if part.startswith("AlexNet")
                      for line in part.splitlines() if line.startswith(("| MPI", "| Fed"))]
        self.assertEqual(len(of_alexnet), 2 * (8 + 4))
        self.assertEqual([line for line in of_alexnet if line[2:] not in text], [])

    def test_timings_in_the_texts_are_those_of_the_files(self):
        bench = ANALYSIS.parent / "tests" / "bench"
        text = "".join((bench / f"README-{what}.md").read_text(encoding="utf-8") for what in ("compute", "collectives"))
        printed = subprocess.run([sys.executable, bench / "tables.py", ANALYSIS / "results" / "timings", "pytorch", "reconfigure",
                                  "collectives"], capture_output=True, text=True, check=True).stdout
        rows = [line for line in printed.splitlines() if line.startswith(("| L", "| A", "| R", "| `"))]
        self.assertEqual(len(rows), 12 + 9 + 10)
        self.assertEqual([line for line in rows if line not in text], [])

    def test_summary_prints_five_lines(self):
        done = self.script("summary.py", write_results(self.folder / "a.h5"))
        self.assertEqual((done.returncode, len(done.stdout.splitlines())), (0, 5), done.stderr)


if __name__ == "__main__":
    unittest.main()
