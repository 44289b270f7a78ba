"""The README's six commands, taken from its text: from a folder of images to a trained, exported, verified model."""
import os
import pathlib
import re
import resource
import shlex
import shutil
import subprocess
import sys

import numpy as np
from PIL import Image

import program

ROOT = pathlib.Path(__file__).resolve().parents[2]
SETUP = "\n## Using it\n"
SECTION = "**From a folder of images to a model that is yours, in six commands.**"


def first_code_after(title):
    text = (ROOT / "README.md").read_text()
    return re.search(r"\n\n((?:    .+\n)+)", text[text.index(title):])[1]


def six_commands():
    return [shlex.split(line, comments=True) for line in first_code_after(SECTION).splitlines()]


def processor_seconds():
    """Of all commands so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Newcomer(program.Program):
    def setUp(self):
        super().setUp()
        for part in ("analysis", "data", "jobs"):
            (self.folder / part).symlink_to(ROOT / part)
        rng = np.random.default_rng(1)
        for label, colour in (("leaf", (60, 160, 60)), ("petal", (200, 60, 120)), ("stone", (120, 120, 120))):
            (self.folder / "photos" / label).mkdir(parents=True)
            for i in range(40):
                pixels = np.clip(colour + rng.normal(0, 60, (20, 24, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(self.folder / "photos" / label / f"{i}.jpg")

    def test_six_commands_lead_to_a_verified_model(self):
        # The program lies where it is built, in no PATH but by the README's own lines.
        built = self.folder / "build" / "release" / "src" / "app"
        built.mkdir(parents=True)
        (built / "feddip").symlink_to(pathlib.Path(program.FEDDIP).resolve())
        programs = self.folder / "programs"
        programs.mkdir()
        for name, target in (("python3", sys.executable), ("mpirun", shutil.which(program.MPIEXEC))):
            (programs / name).symlink_to(target)
        path = {**program.ENVIRONMENT, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1",
                "OMPI_MCA_rmaps_base_oversubscribe": "1"}
        for name in ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"):
            del path[name]
        before_all = first_code_after(SETUP)
        self.assertIn("export PATH", before_all)
        commands = six_commands()
        self.assertEqual(len(commands), 6)
        said = []
        for words in commands:
            before = processor_seconds()
            done = subprocess.run(["bash", "-euc", f'{before_all}"$@"', "bash", *words], cwd=self.folder, env=path,
                                  capture_output=True, text=True, check=False, timeout=program.SECONDS)
            self.assertEqual(done.returncode, 0, f"{words}: {done.stdout}{done.stderr}")
            said.append(done.stdout)
            print(f"{processor_seconds() - before:5.1f} s of processor time: {' '.join(words)}", flush=True)
        self.assertIn("96 training and 24 test images", said[0])
        right = int(re.search(r"own\.onnx: (\d+) of 24 test images are right", said[-1])[1])
        self.assertGreater(right, 16, "it has learned nothing: chance is 8")
        self.assertIn("the same", said[-1])

        # Another model fails the last command.
        other = subprocess.run(["python3", "-c", """
import onnx
from onnx import numpy_helper
model = onnx.load("own.onnx")
for tensor in model.graph.initializer:
    if tensor.name == "fc2.weight":
        tensor.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name))
onnx.save(model, "own.onnx")
"""], cwd=self.folder, env=path, capture_output=True, text=True, check=False)
        self.assertEqual(other.returncode, 0, other.stderr)
        done = subprocess.run(commands[-1], cwd=self.folder, env=path, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("NOT the same", done.stdout)


if __name__ == "__main__":
    program.main()
