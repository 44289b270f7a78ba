"""Bad usage, bad configuration, bad input: exit code 2, one line that says what is wrong, nothing started."""
import os
import subprocess

import program


class Usage(program.Program):
    def test_bad_command_lines_are_refused(self):
        for arguments, part in [
            ([], "a command is needed"),
            (["fly"], "fly"),
            (["train"], "config"),
            (["train", "tiny.toml", "other.toml"], "other.toml"),
            (["train", "tiny.toml", "--fast"], "--fast"),
            (["train", "tiny.toml", "--out"], "--out"),
            (["train", "tiny.toml", "--set"], "--set"),
            (["check"], "config"),
            (["check", "tiny.toml", "--resume"], "--resume"),
            (["info"], "file"),
        ]:
            with self.subTest(arguments=arguments):
                self.assert_refused(self.run_program(*arguments), "(command line)", part)

    def test_ranks_by_srun_that_are_each_alone_are_refused(self):
        """Without PMIx each would train the whole run. What mpirun starts, and steps of one task, are let through."""
        alone = "the ranks don't find each other (SLURM_STEP_NUM_TASKS=4): "
        for launcher, tasks, rank, says in (([], 4, 0, alone), ([], 4, 3, None), ([], 1, 0, "/nowhere"),
                                            (program.mpirun(1), 4, 0, "/nowhere")):
            with self.subTest(launcher=launcher, tasks=tasks, rank=rank):
                done = subprocess.run(
                    [*launcher, program.FEDDIP, "train", self.config, "--set", "data.path=/nowhere"], cwd=self.folder,
                    env={**program.ENVIRONMENT, "SLURM_STEP_NUM_TASKS": str(tasks), "SLURM_PROCID": str(rank)},
                    check=False, capture_output=True, text=True, timeout=program.SECONDS)
                if says:
                    self.assert_refused(done, says)
                else:
                    self.assertEqual((done.returncode, done.stderr), (2, ""), "one rank says it for all")

    def test_bad_overrides_are_refused(self):
        for override, part in [
            ("federation", "federation"),
            ("federation.roundz=3", "federation.rounds"),
            ("federatoin.rounds=3", "federation"),
            ("federation.rounds=many", "federation.rounds"),
            ("federation.rounds=0", "federation.rounds"),
            ("federation.rounds=-1", "federation.rounds"),
            ("federation.clients_per_round=501", "clients_per_round"),
            ("federation.batch_size=0", "batch_size"),
            ("federation.local_epochs=0", "local_epochs"),
            ("sparsity.initial=0.95", "sparsity"),
            ("sparsity.target=1.0", "sparsity.target"),
            ("sparsity.target=nan", "sparsity.target"),
            ("sparsity.horizon=0", "sparsity.horizon"),
            ("regularization.maximum=-1", "regularization.maximum"),
            ("optimizer.learning_rate=0", "optimizer.learning_rate"),
            ("data.partition=striped", "iid"),
            ("data.dataset=mnist", "fashion-mnist"),
            ("model.name=lenet", "lenet5"),
            ("method.name=fedip", "feddip"),
            ("compute.threads=0", "compute.threads"),
            ("checkpoint.keep=0", "checkpoint.keep"),
            ("data.path=/nowhere/at/all", "/nowhere/at/all"),
        ]:
            with self.subTest(override=override):
                result = self.run_program("train", self.config, "--set", override)
                self.assert_refused(result, part)
                self.assertEqual(os.listdir(self.folder), [self.config], "something was started")

    def test_bad_files_are_refused(self):
        self.write("broken.toml", "[federation\nrounds = 3\n")
        self.write("empty.h5", "")
        self.write("text.h5", "no HDF5 at all\n" * 100)
        for arguments, part in [
            (["check", "missing.toml"], "missing.toml"),
            (["check", "broken.toml"], "broken.toml"),
            (["check", "."], "."),
            (["info", "missing.h5"], "missing.h5"),
            (["info", "empty.h5"], "empty.h5"),
            (["info", "text.h5"], "text.h5"),
            (["train", "tiny.toml", "--out", "no/such/folder/r.h5"], "no/such/folder"),
            (["train", "tiny.toml", "--out", "."], "."),
        ]:
            with self.subTest(arguments=arguments):
                self.assert_refused(self.run_program(*arguments), part)

    def test_under_mpirun_one_rank_says_it_for_all(self):
        for arguments in (["train"], ["train", self.config, "--set", "federation.roundz=3"],
                          ["train", self.config, "--out", "no/such/folder/r.h5"],
                          ["train", self.config, "--set", "data.path=/nowhere"]):
            with self.subTest(arguments=arguments):
                self.assert_refused(self.run_program(*arguments, ranks=3))

    def test_rank_0_says_it_though_it_is_the_last(self):
        launcher, _, _, *options = program.mpirun(1)
        wrong = [program.FEDDIP, "train"]
        done = subprocess.run(
            [launcher, *options, "-np", "1", "sh", "-c", 'sleep 1; exec "$0" "$@"', *wrong, ":", "-np", "2", *wrong],
            cwd=self.folder, env=program.ENVIRONMENT, check=False, capture_output=True, text=True,
            timeout=program.SECONDS)
        self.assert_refused(done, "config")

    def test_help_and_version_are_results(self):
        for arguments, parts in [
            (["--help"], ["train", "check", "info"]),
            (["train", "--help"], ["--set", "--out", "--resume"]),
            (["--version"], ["feddip 0.", "oneDNN", "HDF5", "instruction set"]),
        ]:
            with self.subTest(arguments=arguments):
                result = self.run_program(*arguments)
                self.assertEqual(result.returncode, 0)
                self.assertEqual(result.stderr, "")
                for part in parts:
                    self.assertIn(part, result.stdout)

    @program.needs_fashion_mnist
    def test_what_can_not_be_printed_is_an_error(self):
        self.train("--out", "r.h5")
        for arguments in (["--version"], ["--help"], ["check", self.config, "--json"], ["check", self.config],
                          ["info", "r.h5"], ["train", self.config, "--out", "r.h5", "--resume"]):
            with self.subTest(arguments=arguments), open("/dev/full", "wb") as full:
                told = subprocess.run([program.FEDDIP, *arguments], cwd=self.folder, env=program.ENVIRONMENT, stdout=full,
                                      stderr=subprocess.PIPE, text=True, timeout=program.SECONDS, check=False)
                self.assertEqual(told.returncode, 1, told.stderr)
                self.assertEqual(self.errors(told), ["can't print (stdout): No space left on device"])


if __name__ == "__main__":
    program.main()
