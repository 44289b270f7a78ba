"""The analysis as a package that pip installs, and the notebook that uses it."""

import ast
import contextlib
import io
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import unittest
from pathlib import Path

try:
    import matplotlib
    import scipy  # noqa: F401
    import xarray  # noqa: F401
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

import feddip_analysis

ANALYSIS = Path(feddip_analysis.__file__).resolve().parent.parent


def files_of(package):
    found = (path.relative_to(package) for path in package.rglob("*") if path.is_file())
    return {path for path in found if "__pycache__" not in path.parts}


class Package(unittest.TestCase):
    def test_what_pip_installs_is_all_there(self):
        with tempfile.TemporaryDirectory() as holder:
            folder = Path(holder)
            source = folder / "source"
            wanted = ("feddip_analysis", "feddip_audit", "pyproject.toml")
            source.mkdir()
            for name in wanted:
                copy = shutil.copytree if (ANALYSIS / name).is_dir() else shutil.copy
                copy(ANALYSIS / name, source / name)
            offline = ("--disable-pip-version-check", "--no-index", "--no-deps", "--no-build-isolation")
            alone = os.environ | {"PYTHONPATH": ""}
            # As the texts say, but for the network.
            for words in (
                [sys.executable, "-m", "venv", "--system-site-packages", folder / "env"],
                [folder / "env/bin/pip", "install", *offline, source],
            ):
                done = subprocess.run(words, capture_output=True, text=True, env=alone)
                self.assertEqual(done.returncode, 0, done.stderr)

            (installed,) = (folder / "env/lib").glob("python3*/site-packages")
            for package in ("feddip_analysis", "feddip_audit"):
                self.assertEqual(files_of(installed / package), files_of(ANALYSIS / package))
            use = "from feddip_analysis import report, watch as w; print(w.__file__, len(w.read_thresholds()))"
            python = folder / "env/bin/python"
            used = subprocess.run([python, "-c", use], cwd=folder, capture_output=True, text=True, env=alone)
            self.assertEqual((used.returncode, used.stderr), (0, ""))
            path, thresholds = used.stdout.split()
            self.assertTrue(Path(path).is_relative_to(installed), path)
            self.assertGreater(int(thresholds), 0)


    def test_what_the_scripts_import_can_be_had_with_it(self):
        project = tomllib.loads((ANALYSIS / "pyproject.toml").read_text())["project"]
        named = {*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())}
        scripts = [path for room in ("analysis", "data", "jobs") for path in (ANALYSIS.parent / room).rglob("*.py")
                   if "packages" not in path.parts]  # Spack runs its recipe itself
        ours = {path.stem for path in scripts} | {path.parent.name for path in scripts}
        imported = set()
        for path in scripts:
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.partition(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    imported.add(node.module.partition(".")[0])
        imported -= ours | sys.stdlib_module_names
        comes_with = {"PIL": "pillow", "google": "onnx", "markupsafe": "jinja2"}
        self.assertEqual({comes_with.get(name, name) for name in imported} - named, set())

    def test_texts_say_how_on_debian(self):
        command = "python3 -m venv --system-site-packages env && env/bin/pip install ./analysis"
        for text in (ANALYSIS.parent / "README.md", ANALYSIS / "first_look.ipynb"):
            self.assertEqual(text.read_text().count("pip install ./analysis"), 1, text)
            self.assertIn(command, text.read_text())


class Notebook(unittest.TestCase):
    def test_its_cells_run_one_after_another(self):
        matplotlib.use("Agg")
        notebook = json.loads((ANALYSIS / "first_look.ipynb").read_text())
        self.assertEqual(notebook["nbformat"], 4)
        code = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
        self.assertFalse([cell for cell in notebook["cells"] if cell.get("outputs")])  # they bloat the history
        names = {}
        printed = io.StringIO()
        with contextlib.chdir(ANALYSIS), contextlib.redirect_stdout(printed):
            for cell in code:
                exec(compile(cell, "first_look.ipynb", "exec"), names)  # noqa: S102
        self.assertGreater(len(names["runs"]), 1)
        self.assertEqual(len(names["axes"].lines), len(names["runs"]))
        self.assertTrue(all(megabytes > 0 for megabytes in names["traffic"].values()))
        for group in names["groups"]:
            self.assertIn(f"{group.label}: ", printed.getvalue())


if __name__ == "__main__":
    unittest.main()
