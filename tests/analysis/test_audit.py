"""The audit of leakage: its measures against closed forms, and its attacks where they must succeed, and where not."""
import pathlib
import re
import subprocess
import sys
import unittest

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "analysis"), str(ROOT / "tests" / "system")]

import program  # noqa: E402

try:
    import torch
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(program.SKIPPED)

from scipy.stats import norm  # noqa: E402

from feddip_audit import (  # noqa: E402
    images, inversion, membership, model, network, record, similarity, summary, upload)

CONFIG = '[model]\nname = "lenet5"\n[method]\nname = "feddip"\n[data]\ndataset = "fashion-mnist"\n'
AUDIT = ROOT / "analysis" / "audit.py"
TIMEOUT = 500  # seconds, on a machine that is busy
torch.set_num_threads(1)


def initial(seed=1):
    """LeNet-5 as feddip initializes it, though with other numbers."""
    generator = torch.Generator().manual_seed(seed)
    shapes = network.shapes(10)
    return {name: (2 * torch.rand(shape, generator=generator) - 1) /
            float(np.prod(shapes[name.replace("bias", "weight")][1:])) ** 0.5 for name, shape in shapes.items()}


def masks(parameters, density, seed=2):
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.rand(p.shape, generator=generator) < density for name, p in parameters.items()
            if name.endswith("weight")}


def blobs(count, seed):
    """Images of a bright ellipse each, whose place and size the label does not tell."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:28, :28]
    labels = rng.integers(0, 10, count)
    drawn = np.empty((count, 1, 28, 28), np.float32)
    for one in drawn:
        cx, cy, a, b = rng.uniform((8, 8, 3, 3), (20, 20, 8, 8))
        one[0] = 1 / (1 + np.exp(4 * (((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 - 1)))
    return torch.from_numpy(drawn), torch.from_numpy(labels)


class Similarity(unittest.TestCase):
    def test_psnr_is_that_of_the_mean_square(self):
        image = np.full((28, 28), 0.5)
        self.assertAlmostEqual(similarity.psnr(image, image + 0.1), 20.0)
        half = image.copy()
        half[:14] += 0.1
        self.assertAlmostEqual(similarity.psnr(half, image), 20 + 10 * np.log10(2))
        self.assertEqual(similarity.psnr(image, image), float("inf"))

    def test_ssim_of_constant_images_is_that_of_their_means(self):
        a, b = np.full((28, 28), 0.2), np.full((28, 28), 0.6)
        self.assertAlmostEqual(similarity.ssim(a, b), (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4))
        self.assertAlmostEqual(similarity.ssim(a, a), 1.0)

    def test_ssim_is_the_mean_over_windows_one_by_one(self):
        rng = np.random.default_rng(3)
        a = rng.random((16, 15))
        b = 0.7 * a + 0.3 * rng.random((16, 15))
        line = np.exp(-np.arange(-5, 6) ** 2 / (2 * 1.5**2))
        window = np.outer(line, line) / line.sum() ** 2
        values = []
        for i in range(5, 11):
            for j in range(5, 10):
                x, y = (image[i - 5:i + 6, j - 5:j + 6] for image in (a, b))
                mx, my = (window * x).sum(), (window * y).sum()
                vx, vy, v = (window * (x - mx) ** 2).sum(), (window * (y - my) ** 2).sum(), \
                    (window * (x - mx) * (y - my)).sum()
                values.append((2 * mx * my + 1e-4) * (2 * v + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4)))
        self.assertAlmostEqual(similarity.ssim(a, b), np.mean(values), 10)

    def test_a_batch_is_put_into_the_order_of_its_images(self):
        true, _ = (x.numpy() for x in blobs(4, 1))
        order = [2, 0, 3, 1]
        np.testing.assert_array_equal(similarity.matched(true[order], true), true)


class Measures(unittest.TestCase):
    def test_auc_counts_pairs_and_half_the_ties(self):
        rng = np.random.default_rng(1)
        scores, member = rng.integers(0, 6, 40).astype(float), rng.random(40) < 0.5
        pairs = [(i > o) + (i == o) / 2 for i in scores[member] for o in scores[~member]]
        self.assertAlmostEqual(membership.auc(scores, member), np.mean(pairs))

    def test_auc_and_true_positives_of_two_normal_distributions(self):
        n, apart = 20000, 1.5
        quantiles = norm.ppf((np.arange(n) + 0.5) / n)
        scores, member = np.concatenate([quantiles + apart, quantiles]), np.arange(2 * n) < n
        self.assertAlmostEqual(membership.auc(scores, member), norm.cdf(apart / np.sqrt(2)), 4)
        expected = norm.sf(norm.isf(0.001) - apart)
        self.assertAlmostEqual(membership.true_positives(scores, member), expected, 2)

    def test_no_more_than_the_false_positives_allowed_pass(self):
        scores = np.concatenate([np.arange(2000.0), [1998.5, 1997.5, 5.0]])
        member = np.arange(2003) >= 2000
        self.assertAlmostEqual(membership.true_positives(scores, member, 0.0005), 1 / 3)
        self.assertAlmostEqual(membership.true_positives(scores, member, 0.001), 2 / 3)
        self.assertTrue(np.isnan(membership.true_positives(scores[1500:], member[1500:], 0.001)))

    def test_confidence_is_the_log_odds(self):
        p = np.array([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]])
        np.testing.assert_allclose(membership.confidence(np.log(p) + 3, np.array([0, 2])), [np.log(7 / 3), 0],
                                   atol=1e-12)

    def test_shadows_tell_members_whose_images_are_hard_from_easy_ones(self):
        rng = np.random.default_rng(4)
        member = np.array([rng.permutation(1000) < 500 for _ in range(16)])
        hardness = 5 * rng.normal(size=1000)  # hides membership from who has no shadows
        confidences = hardness + member + rng.normal(size=member.shape)
        scores = membership.likelihood_ratio(confidences, member)
        alone, with_shadows = (np.mean([membership.auc(s, m) for s, m in zip(x, member)])
                               for x in (confidences, scores))
        self.assertLess(alone, 0.6)
        # Of the difference to the mean of about 7.5 others.
        self.assertAlmostEqual(with_shadows, norm.cdf(1 / np.sqrt(2 * (1 + 1 / 7.5))), 1)
        self.assertAlmostEqual(np.std(scores[~member]), 1, 1)

    def test_models_that_differ_as_a_whole_tell_of_nobody(self):
        rng, found, n = np.random.default_rng(5), [], 400
        for _ in range(20):
            half = [rng.permutation(2 * n) < n for _ in range(4)]
            member = np.array([m for one in half for m in (one, ~one)])  # as federation.py draws them
            offsets = 0.5 * rng.normal(size=(len(member), 1))
            scores = membership.likelihood_ratio(rng.normal(size=member.shape) + offsets, member)
            found += [membership.auc(s, m) for s, m in zip(scores, member)]
        self.assertAlmostEqual(np.mean(found), 0.5, 2)
        self.assertAlmostEqual(np.std(found) / np.sqrt((2 * n + 1) / (12 * n**2)), 1, delta=0.2)  # 2 without the medians

    def test_a_candidate_that_all_shadows_had_is_refused(self):
        with self.assertRaisesRegex(ValueError, "1 candidates are in every shadow"):
            membership.likelihood_ratio(np.zeros((3, 2)), np.array([[True, False], [True, True], [True, False]]))


class Uploads(unittest.TestCase):
    def setUp(self):
        self.parameters = initial()
        self.alive = masks(self.parameters, 0.3)
        self.before = upload.masked(self.parameters, self.alive)
        self.images, self.labels = blobs(2, 5)
        self.how = upload.Training(learning_rate=0.1, weight_decay=1e-3)
        self.after = upload.train(self.before, self.alive, self.images, self.labels, self.how)
        self.gradient = network.gradient(self.before, self.images, self.labels)

    def send(self, kind, **more):
        generator = torch.Generator().manual_seed(1)
        return upload.send(self.before, self.after, self.alive, kind, self.how, generator, **more)

    def test_one_step_tells_the_gradient_where_something_is_sent(self):
        for support, sent in (("mask", self.alive), ("all", {n: torch.ones_like(m) for n, m in self.alive.items()})):
            seen = self.send(upload.Kind(support))
            for name, g in self.gradient.items():
                expected = g * sent[name] if name in sent else g
                torch.testing.assert_close(seen.gradient[name], expected, rtol=1e-3, atol=1e-6)

    def test_the_largest_are_as_many_as_the_mask_has(self):
        seen = self.send(upload.Kind("largest"))
        sent = {n: seen.sent[n] for n in self.alive}
        self.assertEqual(sum(int(s.sum()) for s in sent.values()), sum(int(m.sum()) for m in self.alive.values()))
        smallest = min(float(self.after[n][s].abs().min()) for n, s in sent.items())
        largest_left = max(float(self.after[n][~s].abs().max()) for n, s in sent.items())
        self.assertGreaterEqual(smallest, largest_left)

    def test_bf16_rounds_the_change_and_not_the_weight(self):
        fine, coarse = self.send(upload.Kind()), self.send(upload.Kind(bf16=True))
        for name in self.gradient:
            error = (fine.gradient[name] - coarse.gradient[name]).abs().max()
            self.assertLess(float(error), 2**-8 * float(fine.gradient[name].abs().max()) + 1e-5)
        self.assertGreater(float((fine.gradient["fc2.weight"] - coarse.gradient["fc2.weight"]).abs().max()), 0)

    def test_noise_is_what_the_multiplier_and_the_clip_say_and_on_what_is_sent_only(self):
        clean, seen = self.send(upload.Kind()), self.send(upload.Kind(noise_multiplier=2.0), clip=0.5)
        noise = network.flat(seen.gradient)[network.flat(seen.sent)]
        self.assertAlmostEqual(float(noise.std()) * 0.1, 1.0, 1)  # z C, by the learning rate
        self.assertAlmostEqual(seen.noise * 0.1, 1.0, 6)
        self.assertEqual(float(network.flat(seen.gradient)[~network.flat(seen.sent)].abs().max()), 0)
        tiny = self.send(upload.Kind(noise_multiplier=1e-9), clip=1e-3)
        change = network.flat(tiny.gradient) + 1e-3 * network.flat(self.before) * network.flat(tiny.sent)
        self.assertAlmostEqual(float(change.norm()) * 0.1, 1e-3, 5)
        self.assertGreater(float(network.flat(clean.gradient).norm()) * 0.1, 1e-3)


class Inversion(unittest.TestCase):
    def setUp(self):
        self.parameters = initial()
        self.whole = masks(self.parameters, 2.0)
        self.public = blobs(400, 6)
        self.images, self.labels = blobs(6, 7)

    def seen(self, i, alive, kind=upload.Kind(), clip=1.0):
        before = upload.masked(self.parameters, alive)
        how, one = upload.Training(), slice(i, i + 1)
        after = upload.train(before, alive, self.images[one], self.labels[one], how)
        return before, upload.send(before, after, alive, kind, how, torch.Generator().manual_seed(i), clip)

    def gains(self, kind=upload.Kind(), clip=1.0):
        """In SSIM over the mean public image."""
        floor = self.public[0].mean(0)[0]
        before, first = self.seen(0, self.whole, kind, clip)
        attack = inversion.Learned(before, first, *self.public, torch.Generator().manual_seed(1))
        found = [attack(self.seen(i, self.whole, kind, clip)[1])[0] for i in range(len(self.images))]
        return np.array([similarity.ssim(f, x[0]) - similarity.ssim(floor, x[0])
                         for f, x in zip(found, self.images)])

    def test_gradients_one_by_one_are_those_of_autograd(self):
        all_at_once = inversion.singles(self.parameters, self.images, self.labels)
        for i in range(3):
            g = network.gradient(self.parameters, self.images[i:i + 1], self.labels[i:i + 1])
            own = network.flat({n: g[n] for n in inversion.CONVOLUTIONS})
            torch.testing.assert_close(all_at_once.convolutions[i], own, rtol=1e-4, atol=1e-7)
            torch.testing.assert_close(all_at_once.delta[i], g["fc1.bias"], rtol=1e-4, atol=1e-7)

    def test_inputs_of_fc1_are_read_off_exactly_wherever_a_weight_is_sent(self):
        for density, expected in ((2.0, 1.0), (0.02, None), (0.0, 0.0)):
            alive = masks(self.parameters, density) | {n: m for n, m in self.whole.items() if n != "fc1.weight"}
            before, seen = self.seen(0, alive)
            g = seen.gradient
            read, known = inversion.analytic(g["fc1.bias"][None], g["fc1.weight"][None], seen.sent["fc1.weight"])
            true = network.features(before, self.images[:1])
            error = float((read[known] - true[known]).norm()) if known.any() else 0.0
            self.assertLess(error, 1e-3 * float(true.norm()))
            share = float(known.float().mean())
            if expected is None:
                self.assertTrue(0.1 < share < 0.95, share)
            else:
                self.assertEqual(share, expected)

    def test_the_label_is_read_off(self):
        self.assertEqual([inversion.label(self.seen(i, self.whole)[1]) for i in range(6)], self.labels.tolist())

    def test_a_dense_gradient_of_one_image_shows_it_and_drowned_in_noise_it_does_not(self):
        clear = self.gains()
        self.assertGreater(clear.min(), 0.1, clear)
        drowned = self.gains(upload.Kind(noise_multiplier=100.0))
        self.assertLess(drowned.mean(), 0.1 * clear.mean(), drowned)

    def test_matching_comes_nearer_from_a_start_that_is_near(self):
        before, seen = self.seen(0, self.whole)
        generator = torch.Generator().manual_seed(2)
        start = (self.images[:1] + 0.2 * torch.randn(1, 1, 28, 28, generator=generator)).clamp(0, 1)
        how = inversion.Matching(steps=60, step=0.02, smoothness=0.02)
        found, distance = inversion.match(before, seen, self.labels[:1], how, generator, start)
        self.assertGreater(similarity.psnr(found, self.images[:1]), similarity.psnr(start, self.images[:1]) + 1)
        self.assertLess(distance, 0.05)


class Command(program.Program):
    def audit(self, *arguments):
        return subprocess.run([sys.executable, "-B", AUDIT, *map(str, arguments)], cwd=self.folder, text=True,
                              capture_output=True, timeout=TIMEOUT, check=False)

    def checkpoint(self, name="c.h5", config=CONFIG, weights=None, tail=236, preface=b"feddip checkpoint 1\n"):
        """Like one, with all weights and no checksum."""
        path = self.folder / name
        with h5py.File(path, "w", userblock_size=512) as file:
            file["config_toml"] = np.frombuffer(config.encode(), np.uint8)
            file["rounds_done"], file["model/prunable"] = np.uint32(1), np.uint64(61470)
            file["model/weights"] = np.ones(61470, np.float32) if weights is None else weights
            file["model/mask"] = np.full(961, 2**64 - 1, np.uint64)
            file["model/tail"] = np.zeros(tail, np.float32)
        with open(path, "r+b") as file:
            file.write(preface + f"bytes {path.stat().st_size - 512}\n".encode())
        return name

    def test_what_is_no_model_to_audit_is_refused_in_a_line(self):
        self.write("text.h5", "feddip checkpoint 1\n")
        self.write("text.npz", "nothing")
        np.savez(self.folder / "other.npz", w=np.zeros(3))
        np.savez(self.folder / "classes.npz", **{"fc3.bias": np.zeros(3)})
        whole = (self.folder / self.checkpoint("whole.h5")).read_bytes()
        (self.folder / "cut.h5").write_bytes(whole[:4000])
        endless = np.full(61470, np.nan, np.float32)
        for name, part in (("none.h5", "No such file"), ("text.h5", "not a whole checkpoint"),
                           ("text.npz", "not an export"), ("other.npz", "another network"),
                           ("classes.npz", "another network"), ("cut.h5", "not a whole checkpoint"),
                           (self.checkpoint("r.h5", preface=b"\0"), "not a checkpoint of this version"),
                           (self.checkpoint("a.h5", '[model]\nname = "alexnet"\n'), "alexnet"),
                           (self.checkpoint("d.h5", '[model]\nname = "lenet5"\n[method]\nname = "dispfl"\n'), "dispfl"),
                           (self.checkpoint("p.h5", '[model]\nname = "lenet5"\n[method]\nname = "dadpfl"\n'), "dadpfl"),
                           (self.checkpoint("t.h5", "[model"), "not a whole checkpoint"),
                           (self.checkpoint("f.h5", weights=np.ones(7, np.float32)), "not a whole checkpoint"),
                           (self.checkpoint("n.h5", weights=endless), "not finite"),
                           (self.checkpoint("l.h5", tail=200), "another number of weights")):
            with self.subTest(name):
                with self.assertRaisesRegex(model.NotAModel, f"{name}: .*{part}") as refusal:
                    model.read(self.folder / name)
                self.assertNotIn("\n", str(refusal.exception))
        for arguments, part in ((("cut.h5",), "cut.h5: not a whole checkpoint"),
                                ((self.checkpoint("o.h5", CONFIG.replace("fashion-mnist", "cifar-10")),), "cifar-10"),
                                (("whole.h5", "--noise", "nan"), "at least 0"),
                                (("whole.h5", "--data", "."), "no Fashion-MNIST")):
            with self.subTest(arguments):
                done = self.audit(*arguments, "--out", "o")
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
                self.assertIn("audit.py: error: ", done.stderr)
                self.assertIn(part, done.stderr)
                self.assertFalse((self.folder / "o").exists())

    @program.needs_fashion_mnist
    def test_a_run_is_audited_twice_alike_and_computes_what_feddip_did(self):
        self.train("--set", "sparsity.initial=0.8", "--out", "r.h5")
        self.assertEqual(self.run_program("export", "r.ckpt-2.h5", "--out", "r.npz").returncode, 0)
        read, exported = model.read(self.folder / "r.ckpt-2.h5"), model.read(self.folder / "r.npz")
        for name, values in read.parameters.items():
            np.testing.assert_array_equal(values, exported.parameters[name])
        with h5py.File(self.folder / "r.h5") as file:
            accuracy, sparsity = file["rounds/test_accuracy"][-1], file["rounds/sparsity"][-1]
        self.assertAlmostEqual(read.sparsity, sparsity, 9)
        x, y = images.fashion_mnist("test")
        with torch.no_grad():
            logits = network.logits({n: torch.from_numpy(p) for n, p in read.parameters.items()}, torch.from_numpy(x))
        self.assertEqual(int((logits.argmax(1).numpy() == y).sum()), round(accuracy * len(y)))

        little = ("--seed", 3, "--images", 2, "--batches", 1, "--public", 60, "--matching-steps", 2, "--noise", 0.1,
                  "--models", 4, "--pool", 40, "--rounds", 1, "--feddip", pathlib.Path(program.FEDDIP).resolve())
        found = []
        for out in ("one", "two"):
            done = self.audit("r.ckpt-2.h5", "--out", out, *little)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("s left", done.stderr)
            self.assertTrue((self.folder / out / "singles.png").exists())
            found.append(record.read(self.folder / out / "audit.h5"))
        for part in ("inversion", "membership"):
            for name, values in found[0][part].items():
                if name != "attrs":
                    np.testing.assert_array_equal(values, found[1][part][name], name)
        told = {(one.attack, one.upload, one.batch, one.steps) for one in summary.inverted(found[0]["inversion"])}
        self.assertIn(("matching", "mask", 8, 5), told)
        self.assertIn(("learned", "largest", 1, 1), told)
        self.assertEqual(found[0]["membership"]["member"].sum(1).tolist(), [20] * 4)
        summary.inferred(found[0]["membership"])

        for arguments, code, part in ((("r.npz", "--only", "membership"), 2, "no configuration to train by"),
                                      (("r.ckpt-2.h5", "--only", "membership", "--feddip", "./none"), 1, "--feddip"),
                                      (("r.ckpt-2.h5", *little, "--set", "method.name=none"), 1, "method.name")):
            done = self.audit(*arguments, "--out", "o")
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(part, done.stderr.strip().splitlines()[-1])


    @program.needs_fashion_mnist
    def test_the_audits_of_membership_that_the_page_is_made_from_run(self):
        script = (ROOT / "jobs" / "leakage.sh").read_text()
        eight = re.search(r"^eight=\((.*)\)$", script, re.MULTILINE)[1]
        lists = [words.replace('"${eight[@]}"', eight).replace("$z", "1").split()
                 for words in re.findall(r"^ *audit \S+ \S+ (.*)$", script, re.MULTILINE)]
        lists = [words for words in lists if "membership" in words]
        self.assertEqual(len(lists), 3)
        self.train("--out", "r.h5")
        little = ("--models", 4, "--pool", 40, "--rounds", 1, "--feddip", pathlib.Path(program.FEDDIP).resolve())
        for words in lists:
            with self.subTest(words):
                done = self.audit("r.ckpt-2.h5", "--out", "o", *words, *little)
                self.assertEqual(done.returncode, 0, done.stderr)
                attrs = record.read(self.folder / "o" / "audit.h5")["membership"]["attrs"]
                self.assertEqual(attrs["batch_size"], 10 if "--clients" in words else 25)


class Page(unittest.TestCase):
    def test_its_tables_are_those_of_the_files(self):
        done = subprocess.run([sys.executable, "-B", ROOT / "analysis" / "leakage.py", "--check"], text=True,
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    program.main()
