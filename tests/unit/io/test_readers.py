"""What h5dump, h5py and xarray make of a results file and a checkpoint, without special code."""

import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

try:
    import h5py
    import numpy as np
    import xarray as xr
    import h5netcdf  # noqa: F401
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

EXAMPLES = Path(os.environ["FEDDIP_EXAMPLES"])
RESULTS = EXAMPLES / "complete.h5"
EMPTY = EXAMPLES / "empty.h5"
CHECKPOINT = EXAMPLES / "complete.ckpt-6.h5"
ROUNDS, LAYERS, CLASSES, SLOTS = 6, 2, 3, 3
GROUPS = ("rounds", "layers", "classes", "clients")


# What example_run.hpp gives each member of a record, by the name that it has in the file: of rounds t, and of slots.
T = np.arange(1.0, ROUNDS + 1)
ODD = np.where(T % 2 == 1, 1, np.nan)  # what is measured in these rounds alone
S = np.arange(SLOTS)[None, :]
C = T[:, None]
ROUND_COLUMNS = {
    "round": T,
    "test_accuracy": (0.9 - 0.5 / T) * ODD,
    "test_loss": 2.3 / T,
    "test_top5_accuracy": (0.95 - 0.45 / T) * ODD,
    "train_loss": 2.1 / T,
    "learning_rate": 0.1 / T,
    "regularization": 1e-4 * T,
    "target_sparsity": 0.9 - 0.4 / T,
    "sparsity": 0.9 - 0.41 / T,
    "mask_change": 0.01 / T,
    "pruning_error": 0.03 / T,
    "grad_norm_squared": 0.3 / T * ODD,
    "gradient_divergence": 0.7 / T * ODD,
    "coverage": 0.6 + 0.1 / T,
    "bytes_down": 1000 + T,
    "bytes_up": 2**53 + T.astype(np.uint64),
    "bytes_positions": 30 + T,
    "mpi_bytes": 4000 + T,
    "reference_cost_mib": 5.5 + T,
    "seconds_train": 1 + T,
    "seconds_communicate": 2 + T,
    "seconds_aggregate": 3 + T,
    "seconds_evaluate": 4 + T,
    "seconds_round": 10 + T,
    "simulated_seconds": (70 + T) * ODD,
    "hostile_included": T + 6,
    "attack_success": 0.125 * T,
    "epsilon": 0.7 * T,
    "clip": 3.5 / T,
    "drift": 0.5 * T,
    "alarm": T % 3 == 0,
    "ever_alive": (0.2 + 0.1 / T) * ODD,
    "mask_distance": 0.4 / T * ODD,
}
CLIENT_COLUMNS = {
    "id": (C + 2 * S) % 7,
    "samples": 100 * C + S,
    "train_loss": 2 / C + S,
    "accuracy": 0.6 + 0.01 * C + np.array([0, 0.1, np.nan]),
    "bytes_up": 50 * C + S,
    "bytes_down": 70 * C + S,
    "bytes_positions": 20 * C + S,
    "included": [[0, 1, 0]] * ROUNDS,
    "dropped_out": [[0, 0, 1]] * ROUNDS,
    "simulated_seconds": 60 + C + np.array([np.nan, 1, 2]),
    "density": 0.1 * S + 0.01 * C,
    "deadline_met": [[-1, 0, 1]] * ROUNDS,
    "feedback": [[0, np.nan, 0.4]] * ROUNDS,
    "distance": 3 + 0.5 * C + np.array([0, 0, np.nan]),
    "sparse_kernels": (C + S) % 2,
    "hostile": (C + S + 1) % 2,
    "seconds_train": 0.25 * C + np.array([0, 1, np.nan]),
    "link_class": [[2, 1, 0]] * ROUNDS,
}
LAYER_COLUMNS = {
    "density": 0.1 / C + [0.5, 0.25],
    "weight_norm": C + [3, 4],
    "gradient_norm": [0.3, 0.4] / C,
    "alive_gradient_norm": [0.2, 0.1] / C,
    "coverage": [0.7, 0.8] + [0.1, -0.1] / C,
}
CLASS_COLUMNS = {"accuracy": np.hstack([0.9 - 0.1 / C, 0.8 - 0.1 / C, 0.1 * C])}


class Columns(unittest.TestCase):
    def test_each_has_what_the_member_of_its_name_had(self):
        for group, columns, axes in (
            ("rounds", ROUND_COLUMNS, set()),
            ("clients", CLIENT_COLUMNS, {"round", "slot"}),
            ("layers", LAYER_COLUMNS, {"round", "layer", "name"}),
            ("classes", CLASS_COLUMNS, {"round", "class"}),
        ):
            with h5py.File(RESULTS) as f:
                self.assertEqual(set(f[group]) - axes, set(columns))
                for name, expected in columns.items():
                    with self.subTest(column=f"{group}/{name}"):
                        np.testing.assert_allclose(f[group][name][:], expected, rtol=1e-14)

    def test_no_two_are_alike(self):
        for columns in (ROUND_COLUMNS, CLIENT_COLUMNS, LAYER_COLUMNS):
            values = [tuple(np.nan_to_num(np.asarray(v, float), nan=-9).ravel()) for v in columns.values()]
            self.assertEqual(len(set(values)), len(values))


class H5py(unittest.TestCase):
    def test_root_attributes_are_as_in_the_schema(self):
        with h5py.File(RESULTS) as f:
            wanted = set(
                "feddip_version git_commit config_toml created method model dataset seed mpi_ranks "
                "threads_per_rank hostnames library_versions complete".split()
            )
            self.assertLessEqual(wanted, set(f.attrs))
            self.assertEqual(f.attrs["method"], "feddip")
            self.assertEqual(f.attrs["seed"], 42)
            self.assertEqual(list(f.attrs["hostnames"]), ["node01", "node02"])
            self.assertEqual(f.attrs["complete"], 1)

    def test_every_dataset_has_units_long_name_and_axes(self):
        with h5py.File(RESULTS) as f:
            for group in GROUPS:
                for name, dataset in f[group].items():
                    with self.subTest(dataset=dataset.name):
                        self.assertTrue(dataset.attrs["units"])
                        self.assertTrue(dataset.attrs["long_name"])
                        if dataset.attrs.get("CLASS") != b"DIMENSION_SCALE":
                            for axis in dataset.dims:
                                self.assertEqual(len(axis), 1)

    def test_round_is_the_scale_of_all_rounds(self):
        with h5py.File(RESULTS) as f:
            for name, dataset in f["rounds"].items():
                if name != "round":
                    self.assertEqual(dataset.dims[0][0], f["rounds/round"])

    def test_integers_are_exact(self):
        with h5py.File(RESULTS) as f:
            self.assertEqual(f["rounds/bytes_up"][0], 2**53 + 1)

    def test_not_measured_is_nan(self):
        with h5py.File(RESULTS) as f:
            measured = ~np.isnan(f["rounds/test_accuracy"][:])
            self.assertEqual(list(measured), [True, False] * 3)

    def test_layer_names_are_text(self):
        with h5py.File(RESULTS) as f:
            self.assertEqual(list(f["layers/name"].asstr()), ["conv1.weight", "fc1.weight"])

    def test_a_checkpoint_opens_too(self):
        with h5py.File(CHECKPOINT) as f:
            self.assertEqual(f["rounds_done"][()], ROUNDS)
            self.assertEqual(len(f["model/weights"]), 200)
            self.assertIn("[federation]", bytes(f["config_toml"][:]).decode())
            self.assertEqual(f.userblock_size, 512)

    def test_the_checksum_of_a_checkpoint_is_text_at_its_front(self):
        head = CHECKPOINT.read_bytes()[:512]
        title, size, checksum = head.rstrip(b"\0").decode().splitlines()
        self.assertEqual(title, "feddip checkpoint 1")
        self.assertEqual(size, f"bytes {CHECKPOINT.stat().st_size - 512}")
        self.assertRegex(checksum, "^xxh3_64 [0-9a-f]{16}$")


class Xarray(unittest.TestCase):
    def test_each_group_opens_with_named_dimensions(self):
        dimensions = {
            "rounds": {"round": ROUNDS},
            "layers": {"round": ROUNDS, "layer": LAYERS},
            "classes": {"round": ROUNDS, "class": CLASSES},
            "clients": {"round": ROUNDS, "slot": SLOTS},
        }
        for group in GROUPS:
            with self.subTest(group=group), xr.open_dataset(
                RESULTS, group=group, engine="h5netcdf"
            ) as data:
                self.assertEqual(dict(data.sizes), dimensions[group])
                self.assertEqual(list(data["round"].values), list(range(1, ROUNDS + 1)))
                data.load()

    def test_values_keep_types_units_and_names(self):
        with xr.open_dataset(RESULTS, group="rounds", engine="h5netcdf") as data:
            self.assertEqual(data["seconds_round"].dtype, np.float64)
            self.assertEqual(data["bytes_up"].dtype, np.uint64)
            self.assertEqual(data["bytes_up"].attrs["units"], "byte")
            self.assertEqual(float(data["seconds_round"].sel(round=3)), 13.0)
        with xr.open_dataset(RESULTS, group="layers", engine="h5netcdf") as data:
            self.assertEqual(data["density"].dims, ("round", "layer"))
            self.assertEqual(list(data["name"].values), ["conv1.weight", "fc1.weight"])
        with xr.open_dataset(RESULTS, group="clients", engine="h5netcdf") as data:
            self.assertEqual(data["id"].dims, ("round", "slot"))

    def test_a_run_without_rounds_opens(self):
        for group in GROUPS:
            with self.subTest(group=group), xr.open_dataset(
                EMPTY, group=group, engine="h5netcdf"
            ) as data:
                self.assertEqual(data.sizes["round"], 0)
                data.load()


@unittest.skipUnless(shutil.which("h5dump"), "h5dump is not installed")
class H5dump(unittest.TestCase):
    def test_dumps_every_file(self):
        for path in (RESULTS, EMPTY, CHECKPOINT):
            with self.subTest(path=path.name):
                done = subprocess.run(["h5dump", path], capture_output=True, text=True, check=False)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn("DATASET", done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)  # which names what is skipped
