"""`feddip check` predicts what a run then costs."""
import json
import os
import re
import subprocess
import sys
import tomllib

import h5py

import program

ANALYSIS = program.CONFIGS.parents[1] / "analysis"


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
                # CIFAR is not on every machine, and images of one's own on none; that is then all that is wrong.
                if result.returncode != 0:
                    own = "cannot read data (photos.h5): No such file" if config.name == "own-images.toml" else None
                    self.assert_refused(result, own or "cannot find dataset cifar")

    def test_every_run_of_the_study_of_budgets_is_valid(self):
        listed = subprocess.run([program.CONFIGS.parent / "budget_study.sh", "study", "alike", "10-fold", "100-fold", "alexnet"],
                                capture_output=True, text=True, check=True, cwd=self.folder).stdout.splitlines()
        lines = [line.split() for line in listed if line.split()[2].endswith("-seed1.h5")]
        self.assertEqual(len(lines), 2 * (2 + 13 + 13) + 4)
        for config, _, name, *settings in lines:
            with self.subTest(name=name):
                result = self.run_program("check", config, *settings)
                if result.returncode != 0 and "alexnet" in name:  # CIFAR is not on every machine
                    self.assert_refused(result, "cannot find dataset cifar")
                    continue
                self.assertEqual((result.returncode, result.stderr), (0, ""))
                self.assertEqual("budget.mode=" in " ".join(settings), "Budgets:" in result.stdout)
                # Half the deadline is less than one client of many images trains for.
                self.assertEqual("late in all their rounds" in result.stdout, "/adaptive-rests-half-dirichlet-" in name)

    def test_clients_that_no_part_lets_keep_the_deadline_are_named_as_in_the_log_of_the_run(self):
        budget = ("--set", "budget.mode=deadline", "--set", "budget.deadline_s=0.5", "--set", "links.train_ms_per_image=1",
                  "--set", "federation.local_epochs=1", "--set", "federation.clients=200", "--set", "data.partition=dirichlet")
        told = re.search(r"late in all their rounds, .* deadline of 0.5 s: client .*", self.check(*budget))
        self.assertRegex(told[0], r"client [\d, ]+ \(client \d+ with \d+ images 0\.[5-9]\d* s\)")
        self.assertIn(told[0], self.train(*budget, "--out", "late.h5", ranks=2).stderr)

    def test_who_brings_weights_back_into_the_mask_is_said_where_not_all_do(self):
        links = ("--set", "links.shares=[0.5,0.5]", "--set", "links.uplink_mbit=[10,0.5]", "--set", "links.downlink_mbit=10")
        deadline = ("--set", "budget.mode=deadline", "--set", "budget.deadline_s=1")
        self.assertIn("rounds that train all weights only class 1 carries those outside the mask", self.check(*links, *deadline))
        self.assertNotIn("outside the mask", self.check(*links, *deadline, "--set", "method.name=fedavg"))
        few = ("--set", "budget.mode=fixed", "--set", "budget.density=0.3")
        self.assertIn("nobody carries those outside the mask: none comes back", self.check(*few))

    def test_times_by_the_clock_say_what_they_give_up(self):
        measured = ("--set", "links.uplink_mbit=10", "--set", "budget.mode=deadline", "--set", "budget.deadline_s=1",
                    "--set", "budget.times=measured")
        self.assertIn("no two runs are alike", self.check(*measured))

    def test_what_does_nothing_is_named_as_in_the_log_of_the_run(self):
        idle = 'attack.clients = 4 does nothing: attack.kind is "none"'
        self.assertIn(f"Without effect\n  {idle}\n", self.check("--set", "attack.clients=4"))
        self.assertNotIn("Without effect", self.check())
        for ranks in (0, 2):
            told = self.train("--set", "attack.clients=4", "--out", f"{ranks}.h5", ranks=ranks).stderr
            self.assertEqual(told.count(idle), 1, told)

    def test_the_analysis_knows_the_programs_defaults(self):
        told = self.run_program("check", self.write("empty.toml", "")).stdout
        known = (ANALYSIS / "feddip_analysis" / "defaults.toml").read_text()
        self.assertEqual(tomllib.loads(told[:told.index("\nData in ")]), tomllib.loads(known))

    def test_it_starts_nothing(self):
        self.check()
        self.assertEqual([path.name for path in self.folder.iterdir()], [self.config])

    def test_the_predicted_traffic_is_that_of_the_run(self):
        for override in ("sparsity.regrow=true", "sparsity.regrow=false", "method.name=fedavg",
                         "communication.reconfiguration_upload=topk",
                         "communication.reconfiguration_upload=topk_residual", "federation.clients=40",
                         "method.name=fedprox", "method.name=flash", "method.name=snip", "method.name=feddst", "method.name=prunetrain",
                         "method.name=prunefl", "method.name=dispfl", "dispfl.neighbours=2",
                         "dadpfl.pruning_threshold=0", "flash.readjust=true",
                         "privacy.secure_sum=true", "privacy.clip=1"):
            with self.subTest(override=override):
                section = override.partition(".")[0]
                more = ["--set", f"method.name={section}"] if section in ("dispfl", "dadpfl", "flash") else []
                if section == "flash":  # which readjusts nothing in a single minibatch
                    more += ["--set", "federation.batch_size=32"]
                settings = [*more, "--set", override, "--set", "federation.rounds=10", "--set", "sparsity.horizon=3"]
                predicted = json.loads(self.check(*settings, "--json"))["run"]

                name = override + ".h5"
                self.train(*settings, "--out", name)
                with h5py.File(self.folder / name) as file:
                    ratio = {which: predicted[which] / file["rounds"][which][:].sum()
                             for which in ("bytes_down", "bytes_up")}
                # All but positions is known beforehand; of masks that aren't nested they are an upper bound.
                bounded = override in ("method.name=flash", "method.name=snip", "method.name=feddst", "method.name=prunetrain",
                                       "method.name=prunefl", "flash.readjust=true")
                for which, found in ratio.items():
                    self.assertAlmostEqual(found, 1, delta=0.1 if bounded else 0.005, msg=which)
                    self.assertGreater(found, 0.995, which)

    def test_the_predicted_traffic_is_of_the_mask_that_stays_where_too_few_answer(self):
        for rule in ("privacy.secure_sum=true", "aggregation.rule=krum"):
            with self.subTest(rule):
                settings = ("--set", rule, "--set", "aggregation.hostile=" + ("1" if "krum" in rule else "0"),
                            "--set", "faults.drop_probability=0.3", "--set", "federation.clients=5",
                            "--set", "federation.clients_per_round=5", "--set", "federation.rounds=13",
                            "--set", "federation.evaluate_every=13", "--set", "sparsity.horizon=2",
                            "--set", "drift.samples_per_round=50")
                predicted = json.loads(self.check(*settings, "--json"))["run"]
                self.train(*settings, "--out", f"{rule}.h5")
                with h5py.File(self.folder / f"{rule}.h5") as file:
                    self.assertTrue((file["clients/included"][:].sum(axis=1) == 0).any(), "all rounds had a result")
                    for which in ("bytes_down", "bytes_up"):
                        self.assertAlmostEqual(predicted[which] / file["rounds"][which][:].sum(), 1, delta=0.005, msg=which)

    def test_the_predicted_time_has_the_first_clients_look_in_it(self):
        for method in ("snip", "flash", "prunefl"):
            with self.subTest(method):
                settings = ("--set", f"method.name={method}", "--set", "federation.rounds=2", "--set", "links.uplink_mbit=1.0",
                            "--set", "links.downlink_mbit=1.0", "--set", "links.train_ms_per_image=10.0")
                predicted = json.loads(self.check(*settings, "--json"))["run"]["simulated_seconds"]
                self.train(*settings, "--out", f"{method}.h5")
                with h5py.File(self.folder / f"{method}.h5") as file:
                    self.assertAlmostEqual(predicted / file["rounds/simulated_seconds"][:].sum(), 1, delta=0.03)
                    look = file["rounds/bytes_down"][0] - file["clients/bytes_down"][0].sum()
                    self.assertGreater(look, 4 * 61000)

    def test_where_clients_prune_further_it_says_that_it_knows_a_bound(self):
        settings = ("--set", "method.name=dadpfl", "--set", "dadpfl.pruning_threshold=1000", "--set", "federation.rounds=8",
                    "--set", "federation.clients=5", "--set", "drift.samples_per_round=200")
        predicted = json.loads(self.check(*settings, "--json"))
        self.assertTrue(predicted["upper_bound"])
        self.assertIn("upper bounds", self.check(*settings))
        self.assertNotIn("upper", self.check(*settings[:2], "--set", "dadpfl.pruning_threshold=0", "--json"))

        self.train(*settings, "--out", "r.h5")
        with h5py.File(self.folder / "r.h5") as file:
            self.assertLess(file["rounds/bytes_up"][:].sum(), 0.99 * predicted["run"]["bytes_up"])

    def test_the_predicted_traffic_is_that_of_the_recorded_runs(self):
        recorded = sorted((ANALYSIS / "results" / "reproduction").glob("*.h5"))
        self.assertTrue(recorded)
        for path in recorded:
            with self.subTest(path.name), h5py.File(path) as file:
                self.write("recorded.toml", file.attrs["config_toml"])
                told = self.run_program("check", "recorded.toml", "--json")
                self.assertEqual(told.returncode, 0, told.stderr)
                predicted = json.loads(told.stdout)["run"]
                for which in ("bytes_down", "bytes_up"):
                    ratio = predicted[which] / file["rounds"][which][:].sum()
                    self.assertAlmostEqual(ratio, 1, delta=0.005, msg=which)

    def test_totals_in_json_say_that_budgets_are_not_in_them(self):
        budget = ("--set", "budget.mode=bytes", "--set", "budget.bytes_per_round=60000")
        printed = json.loads(self.check(*budget, "--json"))
        self.assertTrue(printed["without_budgets"])
        self.assertEqual(printed["run"], json.loads(self.check("--json"))["run"])

    def test_a_class_of_links_that_no_client_has_is_not_given_all(self):
        budget = ("--set", "budget.mode=deadline", "--set", "budget.deadline_s=1", "--set", "federation.clients=4",
                  "--set", "federation.clients_per_round=4", "--set", "links.shares=[0.9,0.1]", "--set", "links.order=in_order",
                  "--set", "links.uplink_mbit=10.0")
        self.assertIn("10.0 %  no client", self.check(*budget))
        classes = json.loads(self.check(*budget, "--json"))["budgets"]
        self.assertIsNone(classes[1]["first_density"])
        self.assertGreater(classes[0]["first_density"], 0)

    def test_json_refuses_shares_that_no_data_of_this_size_has(self):
        for more in (["federation.clients=60001"], ["data.partition=dirichlet", "federation.clients=601"],
                     ["data.partition=pathological", "federation.clients=51"]):
            told = self.run_program("check", self.config, "--json", "--set", "data.path=nowhere",
                                    *[word for key in more for word in ("--set", key)])
            self.assert_refused(told, "cannot deal the data to clients")

    def test_json_is_the_prediction_alone_and_needs_no_data(self):
        printed = json.loads(self.check("--set", "data.path=nowhere", "--json"))
        self.assertEqual(set(printed), {"run", "fedavg"})
        self.assertLess(printed["run"]["bytes_down"], printed["fedavg"]["bytes_down"])
        self.assertIsNone(printed["run"]["simulated_seconds"])
        linked = json.loads(self.check("--set", "links.uplink_mbit=10.0", "--json"))
        self.assertGreater(linked["run"]["simulated_seconds"], 0)

    def test_json_says_what_each_class_of_links_would_hold(self):
        printed = json.loads(self.check(
            "--set", "links.shares=[0.7,0.3]", "--set", "links.uplink_mbit=[10,0.1]", "--set", "links.downlink_mbit=[10,0.1]",
            "--set", "budget.mode=deadline", "--set", "budget.deadline_s=5", "--json"))
        quick, slow = printed["budgets"]
        self.assertEqual((quick["share"], slow["share"]), (0.7, 0.3))
        self.assertEqual(quick["first_density"], 1 - 0.5)  # all of the mask: sparsity.initial
        self.assertLess(slow["first_density"], 0.2)
        self.assertAlmostEqual(slow["first_seconds"], 0.9 * 5, places=3)  # what is aimed at

    def test_the_table_of_whole_schedules_has_what_the_prediction_says(self):
        done = subprocess.run([sys.executable, ANALYSIS / "traffic_table.py", "--feddip", program.FEDDIP, "--set", "federation.rounds=20"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines()[2:]]
        self.assertEqual(len(rows), 24)

        model, target, horizon, upload, _, up, both, _, _ = rows[3]
        self.assertEqual((model, target, horizon, upload), ("LeNet-5", "0.9", "20", "topk"))
        predicted = json.loads(self.check("--set", "federation.clients=50", "--set", "federation.clients_per_round=5",
                                          "--set", "federation.rounds=20", "--set", "sparsity.horizon=20",
                                          "--set", "communication.reconfiguration_upload=topk", "--json"))
        run, fedavg = predicted["run"], predicted["fedavg"]
        self.assertEqual(up, f"{100 * run['bytes_up'] / fedavg['bytes_up']:.1f} %")
        self.assertEqual(both, f"{100 * (run['bytes_down'] + run['bytes_up']) / (2 * fedavg['bytes_up']):.1f} %")

    def test_drift_and_what_an_answer_to_it_costs_are_shown(self):
        self.assertNotIn("Drift", self.check())
        drift = ["--set", "federation.rounds=20", "--set", "drift.kind=noise", "--set", "drift.strength=0.2",
                 "--set", "drift.at=10", "--set", "drift.samples_per_round=30"]
        shown = self.check(*drift)
        self.assertIn("Drift\n  in each round a client sees 30 of its training images", shown)
        self.assertIn("for all 500 clients\n  0.2 from round 10 on\n", shown)
        self.assertIn("  120 images forward and backward", shown)
        self.assertNotIn("alarm", shown)
        shown = self.check(*drift, "--set", "sparsity.final_rounds=15", "--set", "adaptation.answer=relax",
                           "--set", "adaptation.rounds=4")
        more = re.search(r"an alarm in round 10 would be answered in the next 4 and add about \S+ \S+ \(([\d.]+) %\)", shown)
        self.assertGreater(float(more.group(1)), 1)

    def test_clients_that_drop_out_are_counted_over_the_rounds_that_there_will_be(self):
        drops = ("--set", "faults.drop_probability=0.05", "--set", "federation.rounds=20")
        self.assertRegex(self.check(*drops), r"\n  \d+ of 80 times a sampled client drops out")
        private = (*drops, "--set", "privacy.clip=1", "--set", "privacy.sampling=poisson")
        self.assertIn("\n  on average 4 of 80 times a sampled", self.check(*private, "--set", "privacy.noise_multiplier=1"))
        ends = (*private, "--set", "privacy.noise_multiplier=1", "--set", "privacy.epsilon=0.95")
        rounds = json.loads(self.check(*ends, "--json"))["privacy"]["rounds"]
        self.assertLess(rounds, 20)
        self.assertIn(f" {round(0.2 * rounds)} of {4 * rounds} times a sampled", self.check(*ends))

    def test_fedavg_for_comparison_sends_all_bits(self):
        usual, rounded = (json.loads(self.check(*more, "--json"))
                          for more in ((), ("--set", "communication.value_type=bf16")))
        self.assertLess(rounded["run"]["bytes_up"], 0.6 * usual["run"]["bytes_up"])
        self.assertEqual(rounded["fedavg"], usual["fedavg"])

    def test_work_is_that_of_the_passes_and_of_the_mask_that_there_will_be(self):
        feddip = self.check()
        self.assertIn("480 images forward and backward, all weights: 1.09 GFLOP", feddip)
        self.assertIn("at 50.0 % sparsity, were it Erdos-Renyi: ", feddip)
        for start, share in (("uniform", "10.0 %"), ("erk", r"(?!10\.0)[\d.]+ %")):
            for method in ("feddst", "dispfl"):
                shown = self.check("--set", f"method.name={method}", "--set", f"sparsity.start={start}")
                self.assertRegex(shown, rf"at 90\.0 % sparsity: \d+ MFLOP \({share}\)")

    def test_the_estimated_memory_is_that_of_a_run_on_either_path(self):
        layers = ", ".join("{kind='fully_connected', outputs=1024}, {kind='relu'}" for _ in range(2))
        small = ("--set", "federation.clients_per_round=1", "--set", "federation.evaluate_every=2", "--set", "sparsity.initial=0.6")
        large = (*small, "--set", "model.name=custom", "--set", f"model.layers=[{layers}, {{kind='fully_connected'}}]")
        # LeNet-5 is small beside the program and its libraries.
        program_alone = self.peak_memory(*small) - sum(self.estimated_memory(*small).values())
        peak = {}
        for kernels in ("dense", "auto"):
            settings = (*large, "--set", f"compute.kernels={kernels}")
            rows = self.estimated_memory(*settings)
            peak[kernels] = self.peak_memory(*settings)
            with self.subTest(kernels):
                self.assertEqual("sparse kernels" in rows, kernels == "auto")
                self.assertLess(peak[kernels] - program_alone, 1.3 * sum(rows.values()))
                self.assertGreater(peak[kernels] - program_alone, 0.8 * sum(rows.values()))
        more = (peak["auto"] - peak["dense"]) / rows["sparse kernels"]
        self.assertLess(more, 1.2)
        self.assertGreater(more, 0.35)

    def test_the_estimated_memory_of_activations_is_that_of_a_run(self):
        conv = "{kind='convolution', outputs=32, kernel=3, padding=1, bias=false}, {kind='batch_norm'}, {kind='relu'}, "
        little = ("--set", "federation.clients_per_round=1", "--set", "federation.evaluate_every=2", "--set",
                  "compute.kernels=dense")
        settings = (*little, "--set", "model.name=custom", "--set",
                    f"model.layers=[{6 * conv}{{kind='max_pool', window=2}}, {{kind='fully_connected'}}]")
        alone = self.peak_memory(*little) - sum(self.estimated_memory(*little).values())
        for batch in (20, 1000000):  # clients have 120 images
            with self.subTest(batch):
                more = ("--set", f"federation.batch_size={batch}", *settings)
                share = (self.peak_memory(*more) - alone) / sum(self.estimated_memory(*more).values())
                self.assertLess(share, 1.3)
                self.assertGreater(share, 0.7)

    def estimated_memory(self, *settings):
        """Bytes by row."""
        shown = self.check(*settings)
        shown = shown[shown.index("\nMemory, estimated\n"):]
        units = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}
        return {what: float(number) * units[unit]
                for what, number, unit in re.findall(r"^  (\w.*?) +([\d.]+) (B|kB|MB|GB)  ", shown, re.MULTILINE)}

    def peak_memory(self, *settings):
        """Bytes resident of a run."""
        process = self.start("train", self.config, "--out", "memory.h5", "--set", "checkpoint.every_rounds=0", *settings)
        with process.stdout, process.stderr:
            error = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0, error)
        (self.folder / "memory.h5").unlink()
        return 1024 * used.ru_maxrss

    def test_each_partition_is_shown(self):
        self.assertIn("500 clients, each with 120 training", self.check())
        table = self.check("--set", "data.partition=pathological")
        shown = re.search(r"^ +0 +\d+ +\d+ +(\d+) ", table, re.MULTILINE)
        self.assertEqual(shown.group(1), "2")


if __name__ == "__main__":
    program.main()
