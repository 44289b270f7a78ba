"""data/import.py: what it makes of images of every kind trains, and what it can't use it names."""
import gzip
import pathlib
import shutil
import subprocess
import sys

import h5py
import numpy as np
from PIL import Image

import program
import results

IMPORT = pathlib.Path(__file__).resolve().parents[2] / "data" / "import.py"


def fashion_mnist(name, header):
    plain = program.FASHION_MNIST / name
    content = plain.read_bytes() if plain.exists() else gzip.decompress(plain.with_name(f"{name}.gz").read_bytes())
    return np.frombuffer(content, np.uint8, offset=header)


class Import(program.Program):
    def run_import(self, *arguments, expect=0):
        done = subprocess.run([sys.executable, "-B", IMPORT, *map(str, arguments)], cwd=self.folder, check=False,
                              capture_output=True, text=True, timeout=program.SECONDS)
        self.assertEqual(done.returncode, expect, done.stderr)
        return done

    def picture(self, name, value, size=(6, 5), mode="L"):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, size, value).save(path)

    def content(self, name="own.h5"):
        with h5py.File(self.folder / name) as file:
            found = {}
            file.visititems(lambda path, node: found.__setitem__(path, node[()]) if hasattr(node, "shape") else None)
            return {**found, "classes": file.attrs["classes"]}

    @program.needs_fashion_mnist
    def test_fashion_mnist_gives_the_bits_of_the_built_in_one(self):
        np.savez(self.folder / "fm.npz", **{
            f"{set}_{kind}": fashion_mnist(f"{prefix}-{kind}-idx{d}-ubyte", header).reshape(-1, *shape)
            for set, prefix in (("train", "train"), ("test", "t10k"))
            for kind, d, header, shape in (("images", 3, 16, (28, 28)), ("labels", 1, 8, ()))})
        told = self.run_import("arrays", "fm.npz", "--out", "own.h5", "--compress")
        self.assertIn("60000 training and 10000 test images, 1x28x28 uint8", told.stdout)
        self.assertIn("left out: 0", told.stdout)
        self.assertIn("70000 of 70000", told.stderr)

        for more in ([], ["--set", "data.partition=dirichlet", "--set", "federation.clients=20"]):
            with self.subTest(more=more):
                for path in self.folder.glob("*own-run*"):
                    path.unlink()
                self.train(*more, "--out", f"built-in{len(more)}.h5")
                self.train(*more, "--set", "data.dataset=file", "--set", "data.path=own.h5", "--out",
                           f"own-run{len(more)}.h5", ranks=2)
                self.assertEqual(results.outcome(self.folder / f"built-in{len(more)}.h5", 2),
                                 results.outcome(self.folder / f"own-run{len(more)}.h5", 2))

    def test_a_folder_of_folders_with_everything_that_lies_about_in_one(self):
        for i in range(10):
            self.picture(f"p/cat/{i}.png", 10 * i)
            self.picture(f"p/dog/{i}.png", (i, 2 * i, 3 * i), mode="RGB")
        self.picture("p/dog/wide.png", 0, size=(9, 5))
        self.picture("p/dog/deep.tif", 1000, mode="I;16")
        (self.folder / "p/dog/broken.jpg").write_bytes(b"no image")
        (self.folder / "p/dog/notes.txt").write_text("no image either")
        told = self.run_import("folder", "p", "--channels", "1", "--out", "own.h5")

        self.assertIn("16 training and 4 test images, 1x5x6 uint8", told.stdout)
        self.assertIn("left out: 4", told.stdout)
        for part in ("Pillow can't read it: dog/broken.jpg", ".txt is not that of an image: dog/notes.txt",
                     "not of 8 bits", "it is 1x5x9 uint8, the first image 1x5x6 uint8: dog/wide.png"):
            self.assertIn(part, told.stdout)
        made = self.content()
        self.assertEqual(made["class_names"].tolist(), [b"cat", b"dog"])
        self.assertEqual(np.bincount(made["test/labels"]).tolist(), [2, 2])
        values = np.concatenate([made[f"{s}/images"][made[f"{s}/labels"] == 0, 0, 0, 0] for s in ("train", "test")])
        self.assertEqual(sorted(values.tolist()), [10 * i for i in range(10)])

    def test_a_size_scales_and_three_channels_colour(self):
        self.picture("p/train/a/0.png", 7, size=(40, 30))
        self.picture("p/test/a/0.png", (1, 2, 3), size=(3, 9), mode="RGB")
        self.run_import("folder", "p", "--size", "8x4", "--channels", "3", "--out", "own.h5")
        made = self.content()
        self.assertTrue((made["train/images"] == 7).all())
        self.assertEqual(made["train/images"].shape, (1, 3, 8, 4))
        self.assertEqual(made["test/images"][0, :, 0, 0].tolist(), [1, 2, 3])

    def test_clients_keep_their_own_images_through_a_run(self):
        for client in range(12):
            for i in range(10):
                self.picture(f"p/site{client}/{'ab'[i % 2]}/{i}.png", 20 * client + i, size=(28, 28))
        told = self.run_import("folder", "p", "--clients", "--normalize", "--out", "own.h5")
        self.assertIn("clients: 12", told.stdout)
        made = self.content()
        for part in ("train", "test"):
            self.assertTrue((made[f"{part}/images"][:, 0, 0, 0] // 20 == made[f"{part}/clients"]).all())
        shares = made["train/images"] / 255
        self.assertAlmostEqual(made["mean"][0], shares.mean(), 5)
        self.assertAlmostEqual(made["deviation"][0], shares.std(), 5)

        own = ["--set", "data.dataset=file", "--set", "data.path=own.h5", "--set", "data.partition=given"]
        self.assert_refused(self.run_program("train", self.config, *own), "set federation.clients = 12")
        self.train(*own, "--set", "federation.clients=12", "--out", "r.h5")
        with h5py.File(self.folder / "r.h5") as file:
            self.assertTrue((file["clients/samples"][()] == 8).all())

    def test_an_image_is_as_upright_as_its_orientation_says(self):
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned a quarter clockwise
        for part in ("train", "test"):
            (self.folder / "p" / part / "a").mkdir(parents=True)
            lying = Image.fromarray(np.array([[10, 20, 30], [40, 50, 60]], "u1"))
            lying.save(self.folder / "p" / part / "a" / "0.png", exif=exif)
        self.run_import("folder", "p", "--out", "own.h5")
        self.assertEqual(self.content()["train/images"][0, 0].tolist(), [[40, 10], [50, 20], [60, 30]])

    def test_sets_are_not_taken_for_classes(self):
        for names in (("train", "val", "test"), ("train", "val"), ("Training", "Validation"), ("train", "test", "more")):
            for place, what, more in (("{}/cat", "classes", []), ("site/{}/cat", "classes", ["--clients"]),
                                      ("{}/cat", "clients", ["--clients"])):
                with self.subTest(names=names, place=place, what=what):
                    shutil.rmtree(self.folder / "p", ignore_errors=True)
                    for name in names:
                        for i in range(3):
                            self.picture(f"p/{place.format(name)}/{i}.png", i)
                    refused = self.run_import("folder", "p", *more, "--out", "own.h5", expect=2)
                    self.assertIn(f"would be {what}, and are names of sets", refused.stderr)
                    self.assertFalse((self.folder / "own.h5").exists())

    def test_a_class_may_have_the_name_of_a_set(self):
        for i in range(10):
            self.picture(f"p/test/{i}.png", i)
            self.picture(f"p/exam/{i}.png", i)
        self.run_import("folder", "p", "--out", "own.h5")
        self.assertEqual(self.content()["class_names"].tolist(), [b"exam", b"test"])

    def test_arrays_of_floats_with_channels_last(self):
        images = np.random.default_rng(1).normal(size=(40, 5, 4, 3))
        images[3, 0, 0, 0] = np.nan
        np.savez(self.folder / "x.npz", images=images, labels=np.arange(40) % 4)
        told = self.run_import("arrays", "x.npz", "--channels-last", "--out", "own.h5")
        self.assertIn("a pixel is not a finite number: images[3]", told.stdout)
        made = self.content()
        self.assertEqual(made["train/images"].dtype, np.float32)
        whole = np.concatenate([made["train/images"], made["test/images"]])
        expected = np.delete(np.moveaxis(images, 3, 1).astype("f4"), 3, 0)
        self.assertEqual(sorted(whole[:, 2, 1, 3].tolist()), sorted(expected[:, 2, 1, 3].tolist()))

    def test_a_table_of_pixels(self):
        self.write("x.csv", "label,a,b,set\n9,0,255,train\n10,3,4,train\n9,1,2,test\n11,1,2,test\n9,256,0,train\n"
                            "9,1,train\n9,x,1,train\n9,1,2,later\n")
        told = self.run_import("csv", "x.csv", "--shape", "1x1x2", "--out", "own.h5")
        self.assertIn("left out: 5", told.stdout)
        for part in ("integer from 0 to 255", "it has 3 values", "not a number", "neither train nor test",
                     "whose label has no training image: 11"):
            self.assertIn(part, told.stdout)
        made = self.content()
        self.assertEqual(made["class_names"].tolist(), [b"9", b"10"])
        self.assertEqual(made["train/images"].reshape(-1, 2).tolist(), [[0, 255], [3, 4]])

    def test_a_table_of_files_with_clients(self):
        for i in range(6):
            self.picture(f"pictures/{i}.png", i)
        self.write("x.csv", "path,label,client,set\n" + "".join(
            f"pictures/{i}.png,{'ab'[i % 2]},s{i % 3},{'test' if i > 3 else 'train'}\n" for i in range(7)))
        told = self.run_import("csv", "x.csv", "--out", "own.h5")
        self.assertIn("left out: 1", told.stdout)
        made = self.content()
        self.assertEqual(made["train/clients"].tolist(), [0, 1, 2, 0])
        self.assertEqual(made["test/clients"].tolist(), [1, 2])

    def test_sources_that_cannot_be_used_leave_nothing(self):
        (self.folder / "empty").mkdir()
        self.write("t.csv", "a,b\n1,2\n")
        np.savez(self.folder / "few.npz", images=np.zeros((3, 2, 2), "u1"), labels=[1, 2])
        np.savez(self.folder / "objects.npz", images=np.array([{}], dtype=object), labels=[1])
        np.savez(self.folder / "many.npz", images=np.zeros((600, 1, 1), "u1"), labels=np.arange(600) // 2)
        for arguments, part in ((["folder", "none"], "not a folder"), (["folder", "empty"], "no folders of images"),
                                (["csv", "t.csv", "--shape", "1x1x1"], "label"), (["csv", "none.csv"], "none.csv"),
                                (["arrays", "few.npz"], "2 values for 3 images"),
                                (["arrays", "objects.npz"], "can't be read"), (["arrays", "t.csv"], "can't read it"),
                                (["arrays", "many.npz"], "that 0.2 of them (--test-share) are none"),
                                (["arrays", "many.npz", "--test-share", "0.9"], "(--test-share) are all"),
                                (["folder", "empty", "--size", "32"], "argument --size: '32' is not HxW in numbers"),
                                (["folder", "empty", "--size", "32x32x3"], "--size: '32x32x3' is not HxW"),
                                (["csv", "t.csv", "--shape", "28x28"], "--shape: '28x28' is not CxHxW"),
                                (["csv", "t.csv", "--shape", "1x0x28"], "--shape: '1x0x28' is not CxHxW")):
            with self.subTest(arguments=arguments):
                refused = self.run_import(*arguments, "--out", "own.h5", expect=2)
                self.assertIn(part, refused.stderr)
                self.assertRegex(refused.stderr, r"import\.py(?: \w+)?: error: ")
                self.assertFalse(list(self.folder.glob("own.h5*")))


if __name__ == "__main__":
    program.main()
