"""A folder for a test's results files, and the scripts that read them."""

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import feddip_analysis
from synthetic import write_results

ANALYSIS = Path(feddip_analysis.__file__).parent.parent


def run_script(name, *arguments):
    command = [sys.executable, ANALYSIS / name, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class Scratch(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_of(self, name="a.h5", **options):
        return feddip_analysis.load(write_results(self.folder / name, **options))

    def script(self, name, *arguments):
        return run_script(name, *arguments)
