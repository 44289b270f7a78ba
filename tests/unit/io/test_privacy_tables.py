"""The tables of privacy and of attacks, from made-up files."""

import contextlib
import io
import sys
import unittest
from unittest import mock

try:
    import h5py  # noqa: F401
    import numpy as np
    import xarray  # noqa: F401
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

import privacy_tables
from feddip_analysis import protection
from feddip_analysis.partition import dirichlet_counts
from scratch import Scratch, run_script
from synthetic import SLOTS, write_results

PRIVATE = {
    "privacy.clip": 0.2,
    "privacy.clip_quantile": 0.0,
    "privacy.noise_multiplier": 0.0,
    "privacy.epsilon": 8.0,
    "privacy.delta": 1e-5,
    "privacy.sampling": "poisson",
}


def accuracies(end):
    """Evaluated every fifth round; `end` in the last three of those."""
    values = np.full(60, np.nan)
    values[4::5] = 0.3
    values[[49, 54, 59]] = end
    return values


class PrivacyTables(Scratch):
    def write(self, name, accuracy, seed=1, sparsity=0.9, **config):
        columns = {"test_accuracy": accuracies(accuracy), "sparsity": sparsity}
        if "privacy.clip" in config:
            columns["epsilon"] = np.inf if not config["privacy.epsilon"] else config["privacy.epsilon"]
        write_results(self.folder / name, seed=seed, config=config, columns=columns)

    def tables(self):
        return self.script("privacy_tables.py", self.folder)

    def test_accuracy_over_epsilon_and_sparsity(self):
        self.write("a.h5", 0.70, **PRIVATE)
        self.write("b.h5", 0.74, seed=2, **PRIVATE)
        self.write("c.h5", 0.65, sparsity=0.0, **PRIVATE, **{"sparsity.initial": 0.0})
        self.write("d.h5", 0.81, **PRIVATE | {"privacy.epsilon": 0.0})
        done = self.tables()
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
        self.assertEqual(rows[0][-2:], ["0.0", "0.9 |"])
        self.assertIn(["| 50", "5", "poisson", "60", "0.2", "found", "8.00", "1e-05", "65.0", "72.0 (70.0 - 74.0) |"], rows)
        self.assertIn(["| 50", "5", "poisson", "60", "0.2", "0", "none", "1e-05", "–", "81.0 |"], rows)

    def test_what_epsilon_costs_is_how_far_it_ends_below_no_noise(self):
        rows = {(0.0, np.inf): {0.0: {1: 0.83, 2: 0.84, 3: 0.82}}, (0.0, 1.0): {0.0: {1: 0.80, 2: 0.82, 3: 0.78}}}
        self.assertIn("| 1.00 | +3.00 [+0.52, +5.48] |", protection.cost_of_noise(rows))

    def test_rules_under_attack(self):
        for rule, attack, strength, accuracy in (
            ("mean", "none", 1.0, 0.88),
            ("mean", "alie", 1.0, 0.5),
            ("median", "alie", 1.0, 0.86),
            ("mean", "ipm", 5.0, 0.1),
        ):
            self.write(
                f"{rule}-{attack}.h5",
                accuracy,
                **{
                    "aggregation.rule": rule,
                    "attack.kind": attack,
                    "attack.clients": 4,
                    "attack.strength": strength,
                },
            )
        done = self.tables()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("sparsity 0.9", done.stdout)
        self.assertIn("| rule | none | alie | ipm x5 |", done.stdout)
        self.assertIn("| mean | 88.0 | 50.0 | 10.0 |", done.stdout)
        self.assertIn("| median | – | 86.0 | – |", done.stdout)
        self.assertIn("s = 0.9, alie: the mean goes from 88.0 to 50.0 %; median keeps 86.0 %; at 84 % or above: median", done.stdout)
        self.assertIn("s = 0.9, ipm x5: the mean goes from 88.0 to 10.0 %; at 84 % or above: none", done.stdout)

    def test_attacks_are_measured_on_the_test_set_and_of_the_honest_clients_too(self):
        of_clients = np.array([0.9, 0.2, 0.8, 0.7, 0.6])
        hostile = np.zeros((60, SLOTS), np.int32)
        hostile[:, 1] = 1
        for name, kind, rule, assumed, lower in (("a.h5", "none", "mean", 0, 0.0), ("b.h5", "alie", "mean", 0, 0.1),
                                                 ("c.h5", "alie", "trimmed_mean", 0, 0.05),
                                                 ("d.h5", "alie", "trimmed_mean", 1, 0.02)):
            accuracy = np.full((60, SLOTS), np.nan)
            accuracy[4::5] = of_clients - lower
            write_results(
                self.folder / name,
                config={"aggregation.rule": rule, "aggregation.hostile": assumed, "attack.kind": kind, "attack.clients": 1,
                        "attack.strength": 1.0, "federation.clients": SLOTS, "data.partition": "dirichlet"},
                columns={"test_accuracy": accuracies(np.mean(of_clients) - lower), "sparsity": 0.9},
                clients={"accuracy": accuracy, "hostile": hostile * (kind != "none")},
            )
        done = self.tables()
        self.assertEqual(done.returncode, 0, done.stderr)
        images = dirichlet_counts(1, SLOTS, 0.5, 10, 6000, 1000)[1].sum(axis=0)
        whole = 100 * float(of_clients @ images) / 10000
        for mean, lead in ((64.0, "at sparsity 0.9"), (whole, "on the whole test set"), (75.0, "of the honest clients")):
            table = done.stdout.split(lead + ".\n\n")[1].split("\n\n")[0]
            self.assertIn(f"| mean | {mean:.1f} | {mean - 10:.1f} |", table)
            self.assertIn(f"| unweighted mean | – | {mean - 5:.1f} |\n| trimmed_mean | – | {mean - 2:.1f} |", table)
        self.assertIn("the mean goes from 64.0 to 54.0 %, unweighted to 59.0 %; trimmed_mean keeps 62.0 %; at", done.stdout)
        self.assertIn("; of the honest clients, at 84 % or above: none", done.stdout)

    def test_the_page_is_what_its_files_say(self):
        done = run_script("privacy_tables.py", "--check")
        self.assertEqual((done.returncode, done.stderr), (0, ""), "python3 analysis/privacy_tables.py writes it anew")

    def test_what_lies_beside_the_pages_and_is_left_out_is_named_and_fails_them(self):
        for page, blocks in (("attacks", "hostile verdicts"), ("privacy", "thousand thousand-against-dense thousand-costs")):
            (self.folder / page).mkdir()
            text = "".join(f"<!-- made: {name} -->\n<!-- end -->\n" for name in blocks.split())
            (self.folder / f"{page}.md").write_text(text)
        thousand = PRIVATE | {"federation.clients": 1000, "privacy.clip": 0.5}
        self.write("privacy/a.h5", 0.8, **thousand | {"privacy.epsilon": 0.0})
        self.write("privacy/b.h5", 0.7, **thousand)
        damaged = self.folder / "attacks" / "damaged.h5"

        def update(check):
            told = io.StringIO()
            pages = {name.upper(): self.folder / f"{name}.md" for name in ("attacks", "privacy")}
            with mock.patch.multiple(privacy_tables, FIGURE=self.folder / "a.png", **pages), \
                 contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
                return privacy_tables.update_pages(check), told.getvalue()

        self.assertEqual(update(False)[0], 0)
        self.assertEqual(update(True), (0, ""))
        damaged.write_text("no HDF5")
        code, told = update(True)
        self.assertEqual((code, told.count("\n")), (1, 1))
        self.assertIn(f"left out: {damaged}: not a results file", told)

    def test_runs_of_neither_kind_are_no_table(self):
        self.write("plain.h5", 0.9)
        done = self.tables()
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("nothing to show", done.stderr)


if __name__ == "__main__":
    unittest.main()
