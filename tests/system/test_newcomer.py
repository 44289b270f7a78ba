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
SECTION = "**From a folder of images to a model that is yours, in six commands.**"


def six_commands():
    text = (ROOT / "README.md").read_text()
    found = re.search(r"\n\n((?:    .+\n)+)", text[text.index(SECTION):])
    return [shlex.split(line, comments=True) for line in found[1].splitlines()]


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
        # What the commands name is found as after an installation.
        programs = self.folder / "programs"
        programs.mkdir()
        for name, target in (("feddip", program.FEDDIP), ("python3", sys.executable),
                             ("mpirun", shutil.which(program.MPIEXEC))):
            (programs / name).symlink_to(pathlib.Path(target).resolve() if name == "feddip" else target)
        path = {**program.ENVIRONMENT, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1",
                "OMPI_MCA_rmaps_base_oversubscribe": "1"}
        commands = six_commands()
        self.assertEqual(len(commands), 6)
        said = []
        for words in commands:
            before = processor_seconds()
            done = subprocess.run(words, cwd=self.folder, env=path, capture_output=True, text=True, check=False,
                                  timeout=program.SECONDS)
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
