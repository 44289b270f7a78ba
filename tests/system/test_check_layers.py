"""The layer check itself finds what it is there to find."""
import pathlib
import tempfile
import unittest

import check_layers


class CheckLayers(unittest.TestCase):
    def found(self, room, text):
        return list(check_layers.complaints("file", room, text))

    def test_left_may_not_include_right(self):
        self.assertTrue(self.found("nn", '#include "fl/method.hpp"\n'))
        self.assertTrue(self.found("base", '#include "config/config.hpp"\n'))
        self.assertFalse(self.found("fl", '#include "nn/network.hpp"\n#include "fl/state.hpp"\n'))

    def test_rooms_of_one_level_do_not_see_each_other(self):
        self.assertTrue(self.found("comm", '#include "io/results.hpp"\n'))
        self.assertTrue(self.found("data", '#include "sparse/mask.hpp"\n'))
        self.assertTrue(self.found("privacy", '#include "sparse/mask.hpp"\n'))
        self.assertFalse(self.found("data", '#include "hdf5/file.hpp"\n'))

    def test_exclusive_headers_have_one_room(self):
        for header in ("mpi.h", "dnnl.hpp", "hdf5.h", "toml++/toml.h", "CLI/CLI.hpp", "sodium.h"):
            self.assertTrue(self.found("fl", f"#include <{header}>\n"), header)
        self.assertFalse(self.found("comm", "#include <mpi.h>\n"))
        self.assertFalse(self.found("app", "#  include <CLI/CLI.hpp>\n"))

    def test_noise_from_the_seed_is_for_tests_alone(self):
        for room in ("privacy", "fl", "app"):
            self.assertTrue(self.found(room, '#include "privacy/seeded_key_for_tests.hpp"\n'), room)

    def test_a_header_must_name_its_room(self):
        self.assertTrue(self.found("fl", '#include "state.hpp"\n'))

    def test_no_header_of_a_stage_sees_another_stage(self):
        def found(header, included):
            return list(check_layers.stage_complaints(header, f'#include "{included}"\n'))

        self.assertTrue(found("fl/budget/budgets.hpp", "fl/accounting.hpp"))
        self.assertTrue(found("fl/roster.hpp", "fl/budget/controller.hpp"))
        self.assertTrue(found("fl/aggregation/mean.hpp", "fl/attacks/attack.hpp"))
        self.assertFalse(found("fl/aggregator.hpp", "fl/aggregation/aggregation.hpp"))
        self.assertFalse(found("fl/accounting.hpp", "fl/round.hpp"))
        self.assertFalse(found("fl/world.hpp", "fl/roster.hpp"))
        self.assertTrue(found("fl/unheard_of/thing.hpp", "fl/round.hpp"))

    def test_sources_wire_stages_together_and_headers_do_not(self):
        with tempfile.TemporaryDirectory() as folder:
            source = pathlib.Path(folder) / "src"
            (source / "fl").mkdir(parents=True)
            (source / "fl/roster.cpp").write_text('#include "fl/accounting.hpp"\n')
            self.assertFalse(check_layers.check(source))
            (source / "fl/roster.hpp").write_text('#include "fl/accounting.hpp"\n')
            self.assertEqual(len(check_layers.check(source)), 1)

    def test_every_stage_is_made_of_files_that_exist(self):
        fl = pathlib.Path(__file__).parents[2] / "src" / "fl"
        for stage, names in check_layers.STAGES.items():
            for name in names:
                self.assertTrue((fl / name).is_dir() or (fl / f"{name}.hpp").exists(), f"{stage}: {name}")


if __name__ == "__main__":
    unittest.main()
