"""What the README shows of clients that differ, word for word: a deadline is all that is set, and all keep it."""
import os
import pathlib
import shutil
import subprocess
import sys

import h5py

import program

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROUNDS = 12  # of the run, which is 1000 long in the README


def shown():
    """The commands, and the lines that they are said to print."""
    text = (ROOT / "README.md").read_text()
    section = text[text.index("### Clients that differ"):text.index("| `budget.mode` |")]
    lines = [line[4:] for line in section.splitlines() if line.startswith("    ")]
    return [line for line in lines if not line.startswith(" ")], [line for line in lines if line.startswith(" ")]


@program.needs_fashion_mnist
class Deadline(program.Program):
    def test_the_commands_do_what_the_readme_says(self):
        programs = self.folder / "programs"
        programs.mkdir()
        for name, target in (("feddip", pathlib.Path(program.FEDDIP).resolve()), ("python3", sys.executable),
                             ("mpirun", shutil.which(program.MPIEXEC))):
            (programs / name).symlink_to(target)
        for part in ("analysis", "jobs"):
            (self.folder / part).symlink_to(ROOT / part)
        commands, printed = shown()
        self.assertEqual((len(commands), len(printed)), (5, 3))
        short = f" --set federation.rounds={ROUNDS} --set federation.local_epochs=1 --out "
        script = "\n".join(["set -e", *(line.replace(" --out run", short + "run") for line in commands)])
        environment = {**program.ENVIRONMENT, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1",
                       "OMPI_MCA_rmaps_base_oversubscribe": "1"}

        done = subprocess.run(["bash", "-c", script], cwd=self.folder, env=environment, capture_output=True, text=True,
                              check=False, timeout=4 * program.SECONDS)

        self.assertEqual(done.returncode, 0, f"{done.stdout}{done.stderr}")
        for line in printed:
            self.assertIn(line, done.stdout.splitlines())
        self.assertTrue((self.folder / "pictures" / "held.png").is_file())
        with h5py.File(self.folder / "run.h5") as file:
            met, density = file["clients/deadline_met"][()], file["clients/density"][()]
        self.assertEqual(len(met), ROUNDS)
        self.assertEqual(met.min(), 1)
        self.assertLess(density[5].min(), 0.6 * density[5].max(), "where the mask changes, the slow ones hold less")


if __name__ == "__main__":
    program.main()
