"""The layer check itself finds what it is there to find."""
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


if __name__ == "__main__":
    unittest.main()
