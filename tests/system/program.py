"""Runs feddip as a user would. The program and mpirun are named by FEDDIP and MPIEXEC in the environment."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

FEDDIP = os.environ.get("FEDDIP", "build/release/src/app/feddip")
MPIEXEC = os.environ.get("MPIEXEC", "mpirun")
CONFIGS = pathlib.Path(__file__).resolve().parents[2] / "jobs" / "configs"
FASHION_MNIST = pathlib.Path("/usr/share/datasets/fashion-mnist")
SECONDS = 120  # that no command here takes; the tests must not hang where the program does
SKIPPED = 77   # what ctest counts as skipped

# Small enough for a second: each client has 120 images and sees them once.
TINY = """
[federation]
clients = 500
clients_per_round = 4
rounds = 2
local_epochs = 1
[sparsity]
horizon = 1
"""

ENVIRONMENT = dict(os.environ, OMP_NUM_THREADS="1", OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                   FEDDIP_PROGRESS="line")


def mpirun(ranks):
    """The command before the program's."""
    return [MPIEXEC, "-np", str(ranks), "--oversubscribe", "--bind-to", "none"] if ranks else []


class Program(unittest.TestCase):
    """A test with a folder of its own, in which the program runs."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="feddip-")
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        self.config = self.write("tiny.toml", TINY)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path.name

    def start(self, *arguments, ranks=0, **options):
        return subprocess.Popen([*mpirun(ranks), FEDDIP, *map(str, arguments)], cwd=self.folder, env=ENVIRONMENT,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                **options)

    def run_program(self, *arguments, ranks=0):
        """What the program left: an object with returncode, stdout and stderr."""
        process = self.start(*arguments, ranks=ranks)
        return self.finish(process)

    def finish(self, process, seconds=SECONDS):
        try:
            out, err = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            self.fail(f"{process.args} still runs after {seconds} s:\n{out}{err}")
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def train(self, *arguments, ranks=0, expect=0):
        result = self.run_program("train", self.config, *arguments, ranks=ranks)
        self.assertEqual(result.returncode, expect, result.stderr)
        return result

    def errors(self, result):
        """The reasons that the program gave."""
        start = "feddip: error: "
        return [line[len(start):] for line in result.stderr.splitlines() if line.startswith(start)]

    def assert_refused(self, result, *parts, code=2):
        """One line of the house's form, that has all `parts`, and nothing on stdout."""
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, "")
        errors = self.errors(result)
        self.assertEqual(len(errors), 1, result.stderr)
        self.assertRegex(errors[0], r"^.+ \(.+\): .+$")
        for part in parts:
            self.assertIn(part, errors[0])


needs_fashion_mnist = unittest.skipUnless(FASHION_MNIST.is_dir(), "the package dataset-fashion-mnist is not installed")


def main():
    """unittest.main, but where everything was skipped the exit code says so. What was skipped besides is in the output, from
    which tests/run.sh lists it."""
    program = unittest.main(module="__main__", exit=False, verbosity=2)
    result = program.result
    if not result.wasSuccessful():
        sys.exit(1)
    whole = [test for test, _ in result.skipped if not hasattr(test, "test_case")]  # which subtests have
    sys.exit(SKIPPED if result.testsRun > 0 and len(whole) == result.testsRun else 0)
