"""The recipes under jobs/ that build the program elsewhere take along all that its installation needs."""
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class ApptainerDefinition(unittest.TestCase):
    def test_copies_what_is_built_and_installed(self):
        definition = (ROOT / "jobs" / "feddip.def").read_text()
        copied = re.findall(r"^    (\S+) /opt/feddip-source/(\S+)$", definition, re.MULTILINE)
        self.assertTrue(copied)
        for source, target in copied:
            self.assertEqual(source, target)
            self.assertTrue((ROOT / source).exists(), source)
        built = (ROOT / "CMakeLists.txt").read_text()
        installed = {name for names in re.findall(r"install\((?:DIRECTORY|FILES) (.+?) DESTINATION", built)
                     for name in names.split()}
        self.assertGreaterEqual(installed, {"jobs", "analysis"}, "they are listed in another way now")
        self.assertLessEqual(installed | {"src", "CMakeLists.txt", "CMakePresets.json"}, {source for source, _ in copied})


if __name__ == "__main__":
    unittest.main(verbosity=2)
