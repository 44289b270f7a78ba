"""data/import.py: what it makes of images of every kind trains, and what it can't use it names."""
import gzip
import os
import pathlib
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tracemalloc
import zlib

import h5py
import numpy as np
from PIL import Image

import program
import results

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "data"))
from feddip_import import tables

IMPORT = pathlib.Path(__file__).resolve().parents[2] / "data" / "import.py"


def fashion_mnist(name, header):
    plain = program.FASHION_MNIST / name
    content = plain.read_bytes() if plain.exists() else gzip.decompress(plain.with_name(f"{name}.gz").read_bytes())
    return np.frombuffer(content, np.uint8, offset=header)


class Import(program.Program):
    def run_import(self, *arguments, expect=0, hash_seed="0", **options):
        done = subprocess.run([sys.executable, "-B", IMPORT, *map(str, arguments)], cwd=self.folder, check=False,
                              env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, text=True,
                              timeout=program.SECONDS, **options)
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

    def test_pixels_that_pillow_would_cut_to_8_bits_are_left_out(self):
        def chunk(kind, content):
            return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

        def png(kind):
            """16 bits a channel, of 2 x 1 pixels of this colour type."""
            rows = b"\0" + struct.pack(">8H", *range(8))[:4 * {2: 3, 4: 2, 6: 4}[kind]]
            return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", 2, 1, 16, kind, 0, 0, 0))
                    + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))

        def tiff(layout):
            """The same in RGB, pixel by pixel (1) or plane by plane (2)."""
            strips = 1 if layout == 1 else 3
            size = 12 // strips
            places = [24 + 8 * strips + i * size for i in range(strips)]
            tags = [(256, 4, 1, 2), (257, 4, 1, 1), (258, 3, 3, 8), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, strips, 14), (277, 3, 1, 3),
                    (278, 4, 1, 1), (279, 4, strips, 14 + 4 * strips), (284, 3, 1, layout)]
            if strips == 1:
                tags[5], tags[8] = (273, 4, 1, places[0]), (279, 4, 1, size)
            return (struct.pack("<2sHI", b"II", 42, places[-1] + size) + struct.pack("<3H", 16, 16, 16)
                    + struct.pack(f"<{2 * strips}I", *places, *[size] * strips) + bytes(10) + struct.pack("<6H", *range(6))
                    + struct.pack("<H", len(tags)) + b"".join(struct.pack("<2H2I", *tag) for tag in tags) + bytes(4))

        for i in range(10):
            self.picture(f"p/a/{i}.png", (i, i, i), size=(2, 1), mode="RGB")
        for kind in (2, 4, 6):
            (self.folder / f"p/a/kind{kind}.png").write_bytes(png(kind))
        for layout in (1, 2):
            (self.folder / f"p/a/layout{layout}.tif").write_bytes(tiff(layout))
        (self.folder / "p/a/wide.ppm").write_bytes(b"P6 2 1 65535\n" + bytes(12))
        (self.folder / "p/a/plain.ppm").write_bytes(b"P3 2 1 4095\n1 2 3 4 5 6\n")
        told = self.run_import("folder", "p", "--channels", "3", "--out", "own.h5")
        self.assertIn("left out: 7\n        7  its pixels are not of 8 bits, but wider: ", told.stdout)

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
        own += ["--set", "federation.clients=12"]
        self.assert_refused(self.run_program("check", self.config, *own, "--set", "privacy.clip=1"),
                            "--normalize takes from all clients' images without noise")
        self.train(*own, "--out", "r.h5")
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
        for names in (("train", "val", "test"), ("train", "val"), ("Training", "Validation"), ("train", "test", "more"), ("train",)):
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

    def test_images_without_a_label_or_client_are_left_out(self):
        self.write("x.csv", "label,client,a,set\n" + "".join(f"{label},{client},{i},{name}\n" for name in ("train", "test")
                                                             for i, (label, client) in enumerate((
                                                                 ("cat", "u"), (" dog ", "v"), ("", "u"), ("cat", " ")))))
        told = self.run_import("csv", "x.csv", "--shape", "1x1x1", "--out", "own.h5")
        self.assertIn("it has no label: line 4, line 8", told.stdout)
        self.assertIn("it has no client: line 5, line 9", told.stdout)
        self.assertEqual(self.content()["class_names"].tolist(), [b"cat", b"dog"])

        images = np.zeros((8, 1, 2, 2), np.uint8)
        np.savez(self.folder / "x.npz", images=images, labels=np.array([0, 1, np.nan, 1, 0, 0, 1, 1]))
        self.assertIn("it has no label: images[2]", self.run_import("arrays", "x.npz", "--test-share", "0.5", "--out", "two.h5").stdout)

    def test_clients_of_one_set_alone_are_refused(self):
        images, labels = np.zeros((4, 1, 2, 2), np.uint8), np.arange(4) % 2
        np.savez(self.folder / "x.npz", train_images=images, train_labels=labels, train_clients=labels, test_images=images,
                 test_labels=labels)
        refused = self.run_import("arrays", "x.npz", "--out", "own.h5", expect=2)
        self.assertIn("train_clients are there and test_clients are missing", refused.stderr)

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

    def test_names_of_one_number_keep_their_order(self):
        for i in range(12):
            for label in ("1", "01", "001", "b"):
                self.picture(f"p/{label}/{'xy'[i % 2]}/{i // 2}.png", i)
        made = []
        for hash_seed in ("0", "1", "2"):
            self.run_import("folder", "p", "--out", "own.h5", hash_seed=hash_seed)
            made.append(self.content())
        self.assertEqual(made[0]["class_names"].tolist(), [b"001", b"01", b"1", b"b"])
        for key, value in made[0].items():
            for other in made[1:]:
                np.testing.assert_array_equal(value, other[key], key)

    def test_what_lies_beside_the_folders_of_classes_is_told(self):
        for i in range(10):
            self.picture(f"p/train/site/a/{i}.png", i)
        self.picture("p/test/site/a/0.png", 1)
        self.picture("elsewhere/0.png", 1)
        (self.folder / "p/train/site/a/more").symlink_to(self.folder / "elsewhere")
        for place in ("p", "p/train", "p/train/site"):
            self.picture(f"{place}/loose.png", 1)
        (self.folder / "p/.hidden").write_text("")
        told = self.run_import("folder", "p", "--clients", "--out", "own.h5").stdout
        self.assertIn("10 training and 1 test images", told)
        self.assertIn("left out: 4\n", told)
        self.assertIn("      3  it is in no folder of a class: loose.png, train/loose.png, train/site/loose.png\n", told)
        self.assertIn("      1  it is a link to a folder: train/site/a/more\n", told)

    def test_what_is_left_out_counts_images(self):
        for i in range(10):
            self.picture(f"p/train/1/{i}.png", i)
            self.picture(f"p/test/2/{i}.png", i)
            self.picture(f"p/test/10/{i}.png", i)
        self.picture("p/test/1/0.png", 0)
        told = self.run_import("folder", "p", "--out", "own.h5").stdout
        self.assertIn("left out: 20\n       20  test images whose label has no training image: 2, 10\n", told)

    def test_names_are_of_any_characters(self):
        for i in range(10):
            for label in ("①", "②", "٣"):
                self.picture(f"p/{label}/{i}.png", i)
        (self.folder / "p" / "①" / os.fsdecode(b"caf\xe9.png")).write_bytes(b"no image")
        told = self.run_import("folder", "p", "--out", "own.h5").stdout
        self.assertIn("caf\\udce9.png", told)
        self.assertEqual([name.decode() for name in self.content()["class_names"]], ["٣", "①", "②"])

    def test_a_table_takes_no_more_memory_than_its_pixels(self):
        rng = np.random.default_rng(1)
        rows = [",".join(map(str, row)) for row in rng.integers(0, 256, (1000, 784))]
        self.write("x.csv", "label," + ",".join(f"p{i}" for i in range(784)) + "\n" + "".join(f"{i % 3},{row}\n" for i, row in enumerate(rows)))
        tracemalloc.start()
        samples = tables.from_csv(self.folder / "x.csv", (1, 28, 28))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        self.assertEqual(",".join(map(str, samples[-1].load().ravel())), rows[-1])
        self.assertLess(peak, 5 * 1000 * 784)

    def test_a_full_disk_is_one_line(self):
        np.savez(self.folder / "x.npz", images=np.zeros((100, 100, 100), "u1"), labels=np.arange(100) % 2)

        def full():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

        told = self.run_import("arrays", "x.npz", "--out", "own.h5", expect=2, preexec_fn=full).stderr
        self.assertIn("\nimport.py: error: own.h5: it can't be written: File too large\n", told)
        self.assertFalse(list(self.folder.glob("own.h5*")))

    def test_sources_that_cannot_be_used_leave_nothing(self):
        self.picture(os.fsdecode(b"latin/caf\xe9/0.png"), 1)
        np.savez(self.folder / "flat.npz", images=np.zeros((3, 0, 8), "u1"), labels=[1, 2, 3])
        np.savez(self.folder / "none.npz", images=np.zeros((0, 8, 8), "u1"), labels=[])
        (self.folder / "empty").mkdir()
        self.write("t.csv", "a,b\n1,2\n")
        np.savez(self.folder / "few.npz", images=np.zeros((3, 2, 2), "u1"), labels=[1, 2])
        np.savez(self.folder / "objects.npz", images=np.array([{}], dtype=object), labels=[1])
        np.savez(self.folder / "many.npz", images=np.zeros((600, 1, 1), "u1"), labels=np.arange(600) // 2)
        for arguments, part in ((["folder", "none"], "not a folder"), (["folder", "empty"], "no folders of images"),
                                (["csv", "t.csv", "--shape", "1x1x1"], "label"), (["csv", "none.csv"], "none.csv"),
                                (["arrays", "few.npz"], "2 values for 3 images"),
                                (["arrays", "flat.npz"], "nothing in its 3 x 1 x 0 x 8 values"),
                                (["arrays", "none.npz"], "nothing in its 0 x 1 x 8 x 8 values"),
                                (["folder", "latin"], "'caf\\udce9' is not in UTF-8"),
                                (["folder", "latin", "--seed", "-1"], "argument --seed: invalid seed value: '-1'"),
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
