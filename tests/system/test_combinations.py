"""What the README says goes with what, cell by cell, against what the program takes and refuses."""
import itertools
import pathlib
import re

import program

ROOT = pathlib.Path(__file__).resolve().parents[2]
SECTION = "### What goes with what"
ALL_CLIENTS_WHOLE = "budget.mode=drop budget.deadline_s=1 links.uplink_mbit=10"
SETTINGS = {
    "`[budget]`": "budget.mode=fixed budget.density=0.5",
    "`privacy.clip`": "privacy.clip=1 privacy.noise_multiplier=1",
    "`secure_sum`": "privacy.secure_sum=true",
    "robust rules": "aggregation.rule=median aggregation.hostile=1",
    "attacks": "attack.kind=sign_flip attack.clients=2",
    "`drift.kind`": "drift.kind=blur drift.strength=1 drift.at=5",
    "`adaptation`": "adaptation.answer=regrow",
    "bf16 values": "communication.value_type=bf16",
    "`topk`": "communication.reconfiguration_upload=topk",
}
POOLING = [f"attack.kind={kind} attack.clients=2" for kind in ("alie", "ipm", "min_max", "alie attack.sees=all")]
PEERS = ("dispfl", "dadpfl")
ALSO = ["faults.drop_probability=0.1", "drift.samples_per_round=200", "data.partition=dirichlet"]


def table():
    """What each cell says, by its row and column."""
    text = (ROOT / "README.md").read_text()
    rows = re.search(r"\n\n((?:\|.+\n)+)", text[text.index(SECTION):])[1].splitlines()
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    columns = rows[0][1:]
    return {(row[0], column): cell for row in rows[2:] for column, cell in zip(columns, row[1:], strict=True) if cell}


def methods_of(row):
    """Those that a row names, or the one that takes most of the rest."""
    return [name.lower().replace("-", "") for name in row.split(", ")] if row not in SETTINGS else ["feddip"]


class Combinations(program.Program):
    def check(self, *settings, method="feddip"):
        words = [word for setting in settings for word in setting.split()]
        return self.run_program("check", program.CONFIGS / "fashion-mnist-lenet5.toml", "--json", "--set", f"method.name={method}",
                                *itertools.chain(*(("--set", word) for word in words)))

    def assert_goes(self, goes, *settings, method="feddip"):
        done = self.check(*settings, method=method)
        self.assertEqual(done.returncode, 0 if goes else 2, f"{method} {settings}: {done.stderr}")

    def test_the_table_says_what_the_program_does(self):
        cells = table()
        self.assertEqual(len(cells), 5 * 9 + 8 * 9 // 2)
        for (row, column), cell in cells.items():
            for method in methods_of(row):
                with self.subTest(row=row, column=column, method=method):
                    # Of note 1: no part where client 0 looks at its data first.
                    part = ALL_CLIENTS_WHOLE if "(1)" in cell else SETTINGS[column]
                    both = [part, SETTINGS[row]] if row in SETTINGS else [part]
                    self.assertRegex(cell, r"^(yes( \([12]\))?|if i\.i\.d\.|no|idle)$")
                    self.assert_goes(cell != "no", *both, method=method)
                    if cell == "idle" and program.FASHION_MNIST.is_dir():
                        idle = self.run_program("check", program.CONFIGS / "fashion-mnist-lenet5.toml", "--set",
                                                f"method.name={method}", "--set", SETTINGS[column])
                        self.assertIn("does nothing", idle.stdout)

    def test_the_notes_say_what_the_program_does(self):
        for method in ("snip", "flash"):
            self.assert_goes(False, SETTINGS["`[budget]`"], method=method)
        for also, setting in itertools.product(ALSO, SETTINGS.values()):
            with self.subTest(also=also, setting=setting):
                self.assert_goes(True, also, setting)

    def test_private_runs_refuse_besides_what_tells_of_clients(self):
        private = SETTINGS["`privacy.clip`"]
        for attack in POOLING:
            with self.subTest(attack=attack):
                self.assert_goes(False, private, attack)
                self.assert_goes(True, attack)
        self.assert_goes(False, private, SETTINGS["`drift.kind`"], "data.partition=dirichlet")

    def test_what_the_list_excepts_is_refused(self):
        clip, budget, drift = (SETTINGS[name] for name in ("`privacy.clip`", "`[budget]`", "`drift.kind`"))
        width = f"{budget} budget.ranking=width"
        for method, *settings in (
            ("feddip", clip, "analysis.convergence_every=10"),
            ("feddip", clip, "analysis.layer_norms_every=10"),
            ("feddip", clip, "checkpoint.every_rounds=2"),
            ("feddip", width),
            ("flash", budget, "flash.readjust=true"),
            ("feddip", budget, "sparsity.start_mask=per_client"),
            ("feddip", "sparsity.start_scale=density", "sparsity.start_mask=per_client"),
            ("feddip", drift, "analysis.convergence_every=10"),
            ("feddip", SETTINGS["`adaptation`"], "sparsity.layer_floor=0.01"),
            ("feddip", SETTINGS["`topk`"], "sparsity.score=lamp"),
            *((peers, each) for peers in PEERS for each in (
                "sparsity.start_scale=density", "analysis.convergence_every=10", "analysis.layer_norms_every=10",
                "analysis.class_accuracy=true", "analysis.mask_history=true")),
        ):
            with self.subTest(method=method, settings=settings):
                self.assert_goes(False, *settings, method=method)
        self.assert_goes(True, "sparsity.score=lamp")
        for method in ("fedavg", "fedprox"):
            for ranking in ("width", "rolling_width"):
                self.assert_goes(True, budget, f"budget.ranking={ranking}", method=method)


if __name__ == "__main__":
    program.main()
