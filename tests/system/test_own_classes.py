"""jobs/own_classes.py: the last clients alone have some classes, and what fails leaves no file that would be taken next time."""
import gzip
import os
import pathlib
import subprocess
import sys

import h5py
import numpy as np

import program

TOOL = pathlib.Path(__file__).resolve().parents[2] / "jobs" / "own_classes.py"
OWN = ("--clients", "7", "--last", "3", "--classes", "8", "9")


class OwnClasses(program.Program):
    def setUp(self):
        super().setUp()
        self.idx = self.folder / "idx"
        self.idx.mkdir()
        rng = np.random.default_rng(1)
        for prefix, count in (("train", 300), ("t10k", 100)):
            self.put(f"{prefix}-labels-idx1-ubyte", 8, np.arange(count, dtype="u1") % 10)
            self.put(f"{prefix}-images-idx3-ubyte", 16, rng.integers(0, 256, (count, 28, 28), "u1"))

    def put(self, name, header, values):
        (self.idx / f"{name}.gz").write_bytes(gzip.compress(bytes(header) + values.tobytes()))

    def make(self, *arguments, data="idx", expect=0, **environment):
        place = ["--data", data] if data else []
        done = subprocess.run([sys.executable, "-B", TOOL, "own.h5", *place, *arguments], cwd=self.folder,
                              env={**os.environ, **environment}, check=False, capture_output=True, text=True, timeout=program.SECONDS)
        self.assertEqual(done.returncode, expect, done.stderr)
        return done.stderr

    def test_the_last_clients_alone_have_their_classes_and_no_others(self):
        self.make(*OWN)
        with h5py.File(self.folder / "own.h5") as file:
            for part in ("train", "test"):
                labels, clients = file[f"{part}/labels"][()], file[f"{part}/clients"][()]
                self.assertEqual(set(clients[labels >= 8]), {4, 5, 6}, part)
                self.assertEqual(set(clients[labels < 8]), {0, 1, 2, 3}, part)
                for label in range(10):
                    share = np.bincount(clients[labels == label], minlength=7)
                    self.assertLessEqual(np.ptp(share[4:] if label >= 8 else share[:4]), 1, label)

    def test_images_are_found_where_the_program_finds_them(self):
        for place in ("fashion-mnist", "torch/FashionMNIST/raw", "data/downloads", "part/fashion-mnist"):
            (self.folder / place).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / place).symlink_to(self.idx)
        (self.folder / "part" / "train-labels-idx1-ubyte").write_bytes(b"")
        for place in ("idx", ".", "torch", "part", ""):  # the last: data/downloads
            self.make(*OWN, data=None, FEDDIP_DATA=place)
            with h5py.File(self.folder / "own.h5") as file:
                self.assertEqual(len(file["train/labels"]), 300, place)

    def test_the_program_takes_it(self):
        self.make(*OWN)
        given = {"data.dataset": "file", "data.path": "own.h5", "data.partition": "given", "federation.clients": 7,
                 "model.name": "lenet5"}
        checked = self.run_program("check", self.config, *(word for key, value in given.items()
                                                           for word in ("--set", f"{key}={value}")))
        self.assertEqual(checked.returncode, 0, checked.stderr)
        self.assertIn("7 clients, each with ", checked.stdout)

    def test_what_fails_is_one_line_and_leaves_what_was_there(self):
        (self.folder / "own.h5").write_text("as it was")
        (self.idx / "t10k-images-idx3-ubyte").write_bytes(bytes(100))
        (self.folder / "cut").mkdir()
        (self.folder / "cut" / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(bytes(100))[:20])
        for data, part in (("none", "No such file"), ("idx", "can't make own.h5 from idx"), ("cut", "from cut")):
            with self.subTest(data):
                told = self.make(*OWN, data=data, expect=2)
                self.assertEqual(told.count("\n"), 1, told)
                self.assertIn("own_classes.py: error: ", told)
                self.assertIn(part, told)
                self.assertEqual((self.folder / "own.h5").read_text(), "as it was")
                self.assertFalse((self.folder / "own.h5.tmp").exists())

    def test_classes_and_clients_that_cannot_be_are_refused(self):
        for arguments in (("--classes", "10"), ("--classes", *map(str, range(10))), ("--last", "50"), ("--last", "0")):
            with self.subTest(arguments):
                self.make(*arguments, expect=2)
                self.assertFalse((self.folder / "own.h5").exists())


if __name__ == "__main__":
    program.main()
