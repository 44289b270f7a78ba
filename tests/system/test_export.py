"""feddip export: what other programs compute with the model is what feddip measured."""
import argparse
import contextlib
import io
import os
import pathlib
import subprocess
import sys
import unittest

import h5py
import numpy as np

import program

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "tests" / "oracle"), str(ROOT / "analysis")]
try:
    import torch
    from torch.nn import functional

    import make_goldens
    import verify_export
except (ImportError, SystemExit) as problem:
    print(f"skipped: {problem}")
    sys.exit(program.SKIPPED)

# npm install --ignore-scripts --prefix build/node onnxruntime-node
NODE_MODULES = os.environ.get("FEDDIP_NODE_MODULES", str(ROOT / "build" / "node" / "node_modules"))
LEARNS = [part for setting in ("federation.clients=10", "federation.clients_per_round=2", "federation.rounds=4",
                               "federation.batch_size=32", "sparsity.target=0.8") for part in ("--set", setting)]


def fashion_mnist(kind, header):
    import gzip
    plain = program.FASHION_MNIST / f"t10k-{kind}-ubyte"
    content = plain.read_bytes() if plain.exists() else gzip.decompress(plain.with_name(f"{plain.name}.gz").read_bytes())
    return np.frombuffer(content, np.uint8, offset=header)


def load(model, path):
    """A model with the arrays of an .npz; strict, so that every name must be right."""
    with np.load(path) as arrays:
        model.load_state_dict({name: torch.from_numpy(arrays[name].copy()) for name in arrays.files}, strict=True)
    return model.eval()


class EachClass(unittest.TestCase):
    def test_sensitivity_and_specificity_by_hand(self):
        labels, clients = np.array([0, 0, 0, 1, 1, 2]), np.array([4, 4, 7, 7, 7, 7])
        taken_for = np.array([0, 1, 0, 1, 1, 0])
        rows = [[cell.strip() for cell in line.strip("|").split("|")][:3] + [cell.split(" (")[0].strip() for cell in line.strip("|").split("|")[3:]]
                for line in verify_export.of_each_class(taken_for, labels, ["a", "b", "c"], clients).splitlines()[2:]]
        self.assertEqual(rows, [["all", "a", "3", "66.7", "66.7"], ["all", "b", "2", "100.0", "75.0"], ["all", "c", "1", "0.0", "100.0"],
                                ["4", "a", "2", "50.0", "–"], ["4", "b", "0", "–", "50.0"],
                                ["7", "a", "1", "100.0", "66.7"], ["7", "b", "2", "100.0", "100.0"], ["7", "c", "1", "0.0", "100.0"]])

    def test_the_interval_is_that_of_the_textbook(self):
        self.assertEqual(verify_export.with_interval(8, 10), "80.0 (49.0 - 94.3)")
        self.assertEqual(verify_export.with_interval(0, 10), "0.0 (0.0 - 27.8)")


class Operators(unittest.TestCase):
    def test_what_feddip_exports_none_of_is_refused_by_the_operators_name(self):
        one, two = torch.ones(1), torch.full((1,), 2.0)
        for name, compute in (
            ("Conv", lambda: verify_export.convolve({"pads": [0, 0, 1, 1], "strides": [1, 1]}, one, one)),
            ("Gemm", lambda: verify_export.product({"transB": 1, "alpha": 2.0}, one, one)),
            ("Reshape", lambda: verify_export.reshape({"allowzero": 1}, one, one)),
            ("InstanceNormalization", lambda: verify_export.instance_norm({"epsilon": 0.0}, one, two, one)),
        ):
            with self.subTest(name), self.assertRaisesRegex(ValueError, f"can't compute {name} with "):
                compute()


class Export(program.Program):
    def export(self, checkpoint, out, *more):
        done = self.run_program("export", checkpoint, "--out", out, *more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def write_images(self, rng, size, **images):
        """own.h5: so many of each set, of four classes."""
        with h5py.File(self.folder / "own.h5", "w") as file:
            for part, n in images.items():
                file[f"{part}/images"] = rng.integers(0, 256, (n, 3, size, size), np.uint8)
                file[f"{part}/labels"] = np.arange(n) % 4
            file.attrs["classes"] = 4

    def assert_close(self, logits, others):
        self.assertEqual(logits.shape, others.shape)
        self.assertLess(float((logits - others).abs().max()), 1e-4)

    def in_onnxruntime(self, model, images):
        if not (pathlib.Path(NODE_MODULES) / "onnxruntime-node").is_dir():
            self.skipTest(f"without onnxruntime: it is not in {NODE_MODULES}")
        images.numpy().tofile(self.folder / "images")
        done = subprocess.run(["node", pathlib.Path(__file__).with_name("run_onnx.js"), model, "images", "logits",
                               *map(str, images.shape)], cwd=self.folder, capture_output=True, text=True, check=False,
                              env={**os.environ, "NODE_PATH": NODE_MODULES}, timeout=program.SECONDS)
        self.assertEqual(done.returncode, 0, done.stderr)
        return torch.from_numpy(np.fromfile(self.folder / "logits", np.float32).reshape(len(images), -1))

    @program.needs_fashion_mnist
    def test_a_trained_lenet_is_as_right_on_the_whole_test_set_in_every_runtime(self):
        self.train(*LEARNS, "--out", "r.h5")
        with h5py.File(self.folder / "r.h5") as file:
            accuracy, loss = file["rounds/test_accuracy"][-1], file["rounds/test_loss"][-1]
        self.assertGreater(accuracy, 0.3, "it has learned nothing, so that this test could not fail")
        told = self.export("r.ckpt-4.h5", "m.npz")
        self.assertIn("prunable weights alive", told)
        self.export("r.ckpt-4.h5", "m.onnx")

        images = torch.from_numpy(fashion_mnist("images-idx3", 16).reshape(-1, 1, 28, 28).astype(np.float32) / 255)
        labels = torch.from_numpy(fashion_mnist("labels-idx1", 8).astype(np.int64))
        with torch.no_grad():
            logits = load(make_goldens.LeNet5(10), self.folder / "m.npz")(images)
            self.assertEqual(int((logits.argmax(1) == labels).sum()), round(accuracy * len(labels)))
            self.assertAlmostEqual(float(functional.cross_entropy(logits, labels)), loss, 5)
            of_graph, notes = verify_export.run(self.folder / "m.onnx", images)
            self.assert_close(of_graph, logits)
        self.assertEqual((notes["dataset"], notes["rounds"]), ("fashion-mnist", "4"))

        with np.load(self.folder / "m.npz") as arrays:
            alive = sum(int((arrays[n] != 0).sum()) for n in arrays.files if arrays[n].ndim > 1)
        self.assertIn(f"{alive} of 61470 prunable weights alive", told)
        packed = (self.folder / "m.npz").stat().st_size
        self.assertLess(packed, (self.folder / "m.onnx").stat().st_size, "zeros are not packed")
        kept = alive + 61706 - 61470  # biases are never pruned
        self.assertRegex(told, rf"this file +{packed / 1e3:.1f} kB")
        self.assertRegex(told, rf"all values +{4 * 61706 / 1e3:.0f} kB")
        self.assertRegex(told, rf"alive values .* {4 * kept / 1e3:.1f} kB of them")
        with self.subTest("onnxruntime"):
            theirs = self.in_onnxruntime("m.onnx", images)
            self.assert_close(theirs, logits)
            self.assertEqual(int((theirs.argmax(1) == labels).sum()), round(accuracy * len(labels)))

    def test_a_resnet_on_own_images_with_norms_and_skip_connections(self):
        rng = np.random.default_rng(1)
        self.write_images(rng, 32, train=40, test=12)
        with h5py.File(self.folder / "own.h5", "a") as file:
            file["class_names"] = np.array(["a", "b", "c", "d"], "S")
            file["mean"], file["deviation"] = np.float32([0.5] * 3), np.float32([0.25] * 3)
        self.train("--set", "data.dataset=file", "--set", "data.path=own.h5", "--set", "model.name=resnet18", "--set",
                   "federation.clients=4", "--set", "federation.rounds=1", "--out", "r.h5")
        (self.folder / "own.h5").rename(self.folder / "moved.h5")
        moved = ("--set", "data.path=moved.h5")
        self.assert_refused(self.run_program("export", "r.ckpt-1.h5", "--out", "m.npz"), "own.h5", "No such file")
        for mean in (0.1, 0.5):
            with h5py.File(self.folder / "moved.h5", "a") as file:
                file["mean"][:] = mean
            done = self.run_program("export", "r.ckpt-1.h5", "--out", f"{mean}.onnx", *moved)
            if mean == 0.1:
                self.assert_refused(done, "other data than the run's", "data.path")
        self.assertEqual([f.name for f in self.folder.glob("*.onnx")], ["0.5.onnx"])
        with h5py.File(self.folder / "moved.h5", "a") as file:  # they may be corrected: no image has another class by it
            file["class_names"][:] = np.array(["a", "b", "c", "e"], "S")
        for out in ("m.npz", "m.onnx"):
            self.export("r.ckpt-1.h5", out, *moved)
        images = torch.from_numpy(rng.normal(size=(20, 3, 32, 32)).astype(np.float32))
        with torch.no_grad():
            logits = load(make_goldens.ResNet18(4), self.folder / "m.npz")(images)
            of_graph, notes = verify_export.run(self.folder / "m.onnx", images)
        self.assert_close(of_graph, logits)
        self.assertEqual(notes["classes"], "a\nb\nc\ne")
        self.assertEqual(notes["deviation"], "0.25 0.25 0.25")
        with self.subTest("onnxruntime"):
            self.assert_close(self.in_onnxruntime("m.onnx", images), logits)

    def test_the_other_models_with_their_names(self):
        rng = np.random.default_rng(1)
        self.write_images(rng, 32, train=8, test=8)
        images = torch.from_numpy(rng.normal(size=(4, 3, 32, 32)).astype(np.float32))
        for name, model in (("alexnet", make_goldens.AlexNet), ("vgg11", make_goldens.VGG11), ("resnet50", make_goldens.ResNet50)):
            with self.subTest(model=name):
                self.train("--set", "data.dataset=file", "--set", "data.path=own.h5", "--set", f"model.name={name}", "--set",
                           "federation.clients=2", "--set", "federation.clients_per_round=1", "--set", "federation.rounds=1",
                           "--out", f"{name}.h5")
                for out in ("m.npz", "m.onnx"):
                    self.export(f"{name}.ckpt-1.h5", out)
                with torch.no_grad():
                    logits = load(model(4), self.folder / "m.npz")(images)
                    of_graph, _ = verify_export.run(self.folder / "m.onnx", images)
                self.assert_close(of_graph, logits)
                for path in (self.folder / "m.npz", self.folder / "m.onnx", *self.folder.glob(f"{name}*")):
                    path.unlink()

    def test_group_norms_on_images_and_on_vectors(self):
        rng = np.random.default_rng(1)
        self.write_images(rng, 12, train=40, test=12)
        layers = ", ".join("{%s}" % layer for layer in (
            "kind='convolution', name='conv', outputs=12, kernel=3, bias=false", "kind='group_norm', name='norm', groups=3",
            "kind='relu'", "kind='max_pool'", "kind='fully_connected', name='fc', outputs=20", "kind='relu', name='a'",
            "kind='fully_connected', name='fc2', outputs=20", "kind='group_norm', name='norm2', groups=5",
            "kind='add', with='a'", "kind='relu'", "kind='fully_connected', name='fc3'"))
        self.train("--set", "data.dataset=file", "--set", "data.path=own.h5", "--set", "model.name=custom", "--set",
                   f"model.layers=[{layers}]", "--set", "federation.clients=4", "--out", "r.h5")
        self.assert_refused(self.run_program("export", "r.ckpt-2.h5", "--out", "m.npz", "--set",
                                             "model.layers=[%s]" % layers.replace(", {kind='relu'}", "", 1)), "model.layers", "data.path")
        for out in ("m.npz", "m.onnx"):
            self.export("r.ckpt-2.h5", out)
        images = torch.from_numpy(rng.normal(size=(20, 3, 12, 12)).astype(np.float32))
        with np.load(self.folder / "m.npz") as arrays, torch.no_grad():
            w = {name: torch.from_numpy(arrays[name].copy()) for name in arrays.files}
            self.assertFalse([name for name in w if "running" in name])
            norm = lambda x, groups, name: functional.group_norm(x, groups, w[f"{name}.weight"], w[f"{name}.bias"])
            linear = lambda x, name: functional.linear(x, w[f"{name}.weight"], w[f"{name}.bias"])
            x = functional.relu(norm(functional.conv2d(images, w["conv.weight"]), 3, "norm"))
            x = functional.relu(linear(functional.max_pool2d(x, 2).flatten(1), "fc"))
            logits = linear(functional.relu(norm(linear(x, "fc2"), 5, "norm2") + x), "fc3")
            of_graph, _ = verify_export.run(self.folder / "m.onnx", images)
        self.assert_close(of_graph, logits)
        with self.subTest("onnxruntime"):
            self.assert_close(self.in_onnxruntime("m.onnx", images), logits)

    def test_a_last_convolution_and_a_sum_of_a_pool_and_a_vector(self):
        rng = np.random.default_rng(1)
        self.write_images(rng, 12, train=40, test=12)
        of_convolutions = ("kind='convolution', name='a', outputs=6, kernel=3, stride=3", "kind='relu'",
                           "kind='convolution', name='b', outputs=4, kernel=4")
        with_a_sum = ("kind='convolution', name='a', outputs=6, kernel=3", "kind='relu'",
                      "kind='global_average_pool', name='g'", "kind='fully_connected', name='f', outputs=6",
                      "kind='add', with='g'", "kind='fully_connected', name='b'")
        images = torch.from_numpy(rng.normal(size=(20, 3, 12, 12)).astype(np.float32))

        def convolved(w):
            x = functional.relu(functional.conv2d(images, w["a.weight"], w["a.bias"], stride=3))
            return functional.conv2d(x, w["b.weight"], w["b.bias"]).flatten(1)

        def summed(w):
            g = functional.relu(functional.conv2d(images, w["a.weight"], w["a.bias"])).mean((2, 3))
            return functional.linear(functional.linear(g, w["f.weight"], w["f.bias"]) + g, w["b.weight"], w["b.bias"])

        for name, layers, by_hand in (("c", of_convolutions, convolved), ("s", with_a_sum, summed)):
            with self.subTest(name):
                self.train("--set", "data.dataset=file", "--set", "data.path=own.h5", "--set", "model.name=custom", "--set",
                           f"model.layers=[{', '.join('{%s}' % layer for layer in layers)}]", "--set",
                           "federation.clients=4", "--out", f"{name}.h5")
                for out in (f"{name}.npz", f"{name}.onnx"):
                    self.export(f"{name}.ckpt-2.h5", out)
                with np.load(self.folder / f"{name}.npz") as arrays, torch.no_grad():
                    logits = by_hand({key: torch.from_numpy(arrays[key].copy()) for key in arrays.files})
                    of_graph, _ = verify_export.run(self.folder / f"{name}.onnx", images)
                self.assert_close(of_graph, logits)

    def compared(self, run, rounds):
        """What verify_export.py says of a run on own.h5 after so many rounds, and its exit code."""
        self.export(f"{run}.ckpt-{rounds}.h5", "m.onnx")
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            code = verify_export.compare(argparse.Namespace(
                model=str(self.folder / "m.onnx"), images=self.folder / "own.h5", results=self.folder / f"{run}.h5", each=False))
        return said.getvalue().splitlines()[1], code

    def test_accuracy_is_compared_as_it_was_measured(self):
        self.write_images(np.random.default_rng(1), 4, train=40, test=12)
        with h5py.File(self.folder / "own.h5", "a") as file:
            file["train/clients"], file["test/clients"] = np.arange(40) // 20, np.int32([0] * 9 + [1] * 3)
            file["test/labels"][:] = file["test/clients"][:]  # the mean over clients is another than that over images
        common = ("--set", "data.dataset=file", "--set", "data.path=own.h5", "--set", "model.name=custom", "--set",
                  "model.layers=[{kind='fully_connected', outputs=8}, {kind='relu'}, {kind='fully_connected'}]", "--set",
                  "federation.clients=2", "--set", "federation.clients_per_round=2", "--set", "checkpoint.keep=2")
        self.train(*common, "--set", "data.partition=given", "--out", "given.h5")
        self.train(*common, "--set", "data.partition=given", "--set", "privacy.clip=1", "--set", "privacy.noise_multiplier=1",
                   "--out", "private.h5")
        self.train(*common, "--set", "drift.kind=rotation", "--set", "drift.strength=90", "--set", "drift.at=[2]", "--out", "drift.h5")
        for run, rounds, verdict, expected in (("given", 2, "the same", 0), ("private", 2, "the same", 0), ("drift", 1, "the same", 0),
                                               ("drift", 2, "can't be compared, for feddip measured on test images that had drifted", 1)):
            with self.subTest(run=run, rounds=rounds):
                said, code = self.compared(run, rounds)
                self.assertIn(verdict, said)
                self.assertNotIn("NOT", said)
                self.assertEqual(code, expected)

    @program.needs_fashion_mnist
    def test_what_is_no_model_to_take_home_is_refused(self):
        for out, *more in (("r.h5",), ("p.h5", "--set", "method.name=dispfl")):
            self.train("--set", "federation.rounds=1", *more, "--out", out)
        self.write("t.h5", "feddip checkpoint 1\nbytes 3\n")
        for arguments, *parts in ((("r.h5", "--out", "m.npz"), "no whole checkpoint"),
                                  (("none.h5", "--out", "m.npz"), "No such file"),
                                  (("t.h5", "--out", "m.npz"), "no whole checkpoint"),
                                  (("r.ckpt-1.h5", "--out", "m.pt"), "must end in .onnx or .npz"),
                                  (("r.ckpt-1.h5", "--out", "none/m.npz"), "does not exist"),
                                  (("p.ckpt-1.h5", "--out", "m.npz"), "of its own"),
                                  (("r.ckpt-1.h5", "--out", "m.npz", "--set", "federation.seed=2"), "federation.seed", "data.path"),
                                  (("r.ckpt-1.h5",), "--out is required")):
            with self.subTest(arguments=arguments):
                self.assert_refused(self.run_program("export", *arguments), *parts)
                self.assertFalse(list(self.folder.glob("m.*")))


if __name__ == "__main__":
    program.main()
