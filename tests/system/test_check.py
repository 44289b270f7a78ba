"""`feddip check` predicts what a run then costs."""
import re

import h5py

import program


def bytes_of(text):
    """"1.23 MB" as a number."""
    number, unit = text.split()
    return float(number) * {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}[unit]


@program.needs_fashion_mnist
class Check(program.Program):
    def check(self, *arguments):
        result = self.run_program("check", self.config, *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stderr, "")
        return result.stdout

    def test_every_shipped_config_is_valid(self):
        configs = sorted(program.CONFIGS.glob("*.toml"))
        self.assertTrue(configs)
        for config in configs:
            with self.subTest(config=config.name):
                result = self.run_program("check", config)
                # CIFAR is not on every machine; that is then all that is wrong.
                if result.returncode != 0:
                    self.assert_refused(result, "cannot find dataset cifar")

    def test_it_starts_nothing(self):
        self.check()
        self.assertEqual([path.name for path in self.folder.iterdir()], [self.config])

    def test_the_predicted_traffic_is_that_of_the_run(self):
        for override in ("sparsity.regrow=true", "sparsity.regrow=false", "method.name=fedavg",
                         "faults.drop_probability=0.3"):
            with self.subTest(override=override):
                settings = ["--set", override, "--set", "federation.rounds=10", "--set", "sparsity.horizon=3"]
                found = re.search(r"whole run: (.+?) down .*?, (.+?) up", self.check(*settings))
                down, up = (bytes_of(text) for text in found.groups())

                name = override + ".h5"
                self.train(*settings, "--out", name)
                with h5py.File(self.folder / name) as file:
                    sent_down = file["rounds/bytes_down"][:].sum()
                    sent_up = file["rounds/bytes_up"][:].sum()
                self.assertAlmostEqual(up / sent_up, 1, delta=0.005)     # printed with three digits
                self.assertAlmostEqual(down / sent_down, 1, delta=0.03)  # positions are estimated

    def test_each_partition_is_shown(self):
        self.assertIn("500 clients, each with 120 training", self.check())
        table = self.check("--set", "data.partition=pathological")
        shown = re.search(r"^ +0 +\d+ +\d+ +(\d+) ", table, re.MULTILINE)
        self.assertEqual(shown.group(1), "2")


if __name__ == "__main__":
    program.main()
