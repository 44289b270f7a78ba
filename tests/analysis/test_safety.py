"""The section on privacy and hostile clients says what the files hold, and what they don't."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "analysis"))

try:
    import matplotlib  # noqa: F401
    import xarray  # noqa: F401
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(77)

from feddip_analysis import collect, safety  # noqa: E402
from feddip_audit import record  # noqa: E402

RUN = ROOT / "analysis" / "results" / "reproduction" / "feddip-nested-seed1.h5"
PRIVATE = "[privacy]\nclip = 1.0\nnoise_multiplier = 1.5\ndelta = 1e-4\nsampling = \"poisson\"\n"
IMAGES = 12


def text(statements):
    return " | ".join(f"{s.what}: {s.text}" for s in statements)


class Safety(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="feddip-")
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)

    def run_with(self, name, sections="", epsilon=None):
        """A recorded run with more in its configuration."""
        path = self.folder / name
        path.write_bytes(RUN.read_bytes())
        with h5py.File(path, "r+") as file:
            file.attrs["config_toml"] = file.attrs["config_toml"] + "\n" + sections
            if epsilon is not None:
                spent = np.linspace(0, epsilon, len(file["rounds/round"]))
                column = file["rounds"].create_dataset("epsilon", data=spent)
                column.attrs["units"], column.attrs["long_name"] = "1", "epsilon spent"
        return path

    def audit(self, name, sparsity=0.0, gain=0.3, apart=2.0):
        """One of made-up numbers: an attack that is better than the label alone by `gain`, and models on whose members
        the scores are higher by `apart`."""
        rng = np.random.default_rng(1)
        with h5py.File(self.folder / name, "w") as file:
            file.attrs.update(format=record.FORMAT, sparsity=sparsity, rounds=1)
            group = file.create_group("inversion")
            for column, floor, attack in (("attack", "label alone", "learned"), ("upload", "nothing", "mask")):
                group.create_dataset(column, data=[floor] * IMAGES + [attack] * IMAGES, dtype=h5py.string_dtype())
            ssim = 0.3 + 0.01 * rng.normal(size=2 * IMAGES)
            ssim[IMAGES:] += gain
            group["ssim"], group["psnr"] = ssim, 10 + ssim
            group["image"] = np.tile(np.arange(IMAGES), 2)
            for column in ("batch", "steps"):
                group[column] = np.ones(2 * IMAGES, int)
            for column in ("label_right", "features_read"):
                group[column] = np.full(2 * IMAGES, np.nan)
            group = file.create_group("membership")
            member = np.array([rng.permutation(600) < 300 for _ in range(6)])
            scores = rng.normal(size=member.shape) + apart * member
            group["member"], group["score"], group["confidence"] = member.astype(np.uint8), scores, scores
            group["train_accuracy"], group["test_accuracy"] = np.ones(6), np.full(6, 0.7)
            group.attrs.update(epsilon=np.nan, sparsity=sparsity)

    def assess(self):
        runs, skipped = collect([self.folder])
        audits, others = safety.audits(skipped)
        self.assertEqual(others, [])
        return safety.assess(runs, audits)

    def test_runs_without_noise_are_said_to_guarantee_nothing(self):
        self.run_with("r.h5")
        found = self.assess()
        self.assertEqual(found.guaranteed, [])
        self.assertEqual(found.measured, [])
        missing = text(found.missing)
        for part in ("Without noise: 1 of 1 run.", "sees each client’s update", "No run here was under sign flip",
                     "Images from uploads: Not audited", "Membership: Not audited", "bounds nothing"):
            self.assertIn(part, missing)

    def test_epsilon_is_guaranteed_where_the_file_says_what_was_spent(self):
        self.run_with("r.h5", PRIVATE, epsilon=3.25)
        found = self.assess()
        guaranteed = text(found.guaranteed)
        for part in ("Epsilon 3.25 at delta 0.0001", "after 100 rounds", "presence is protected", "single uploads"):
            self.assertIn(part, guaranteed)
        self.assertNotIn("Without noise", text(found.missing))

    def test_noise_without_an_account_is_no_guarantee(self):
        self.run_with("r.h5", PRIVATE)
        found = self.assess()
        self.assertEqual(found.guaranteed, [])
        self.assertIn("do not say what was spent", text(found.missing))
        self.assertNotIn("Without noise", text(found.missing))

    def test_a_bound_without_noise_is_no_guarantee(self):
        self.run_with("r.h5", "[privacy]\nclip = 1.0\n", epsilon=0)
        self.assertIn("Without noise", text(self.assess().missing))

    def test_rules_attacks_and_secure_sums_are_named(self):
        self.run_with("r.h5", "[aggregation]\nrule = \"trimmed_mean\"\nhostile = 1\n"
                              "[attack]\nkind = \"alie\"\nclients = 7\n[privacy]\nsecure_sum = true\n")
        found = self.assess()
        self.assertIn("(trimmed mean for 1); their theorems", text(found.missing))
        self.assertIn("With them: 1 of 1 run. There the server gets masked updates", text(found.guaranteed))
        self.assertIn("Accuracy under ALIE", text(found.measured))
        self.assertIn("(trimmed mean, 7 of 50 clients hostile, 1 run): 8", text(found.measured))
        self.assertNotIn("ALIE", text(found.missing))
        self.assertNotIn("sees each client", text(found.missing))

    def test_accuracy_under_attack_is_over_the_runs_own_last_rounds(self):
        """Whatever else lies in the folder, such as a run whose mask rests for four rounds alone."""
        attacked, other = self.run_with("r.h5", "[attack]\nkind = \"alie\"\nclients = 7\n"), self.run_with("other.h5", "[drift]\nkind = \"blur\"\n")
        for path, last_change in ((attacked, 50), (other, 96)):
            with h5py.File(path, "r+") as file:
                change = np.zeros(100)
                change[last_change - 1] = 0.1
                file["rounds/mask_change"][:] = change
                file["rounds/test_accuracy"][:] = np.where(np.arange(100) < 96, 0.8, 0.9)
        self.assertIn("1 run): 84.00 %, mean of the last 10 rounds.", text(self.assess().measured))

    def test_audits_say_what_was_seen_and_what_was_not(self):
        self.run_with("r.h5")
        self.audit("seen.h5")
        found = self.assess()
        self.assertIn("More is seen with learned on mask", text(found.measured))
        self.assertIn("members are told from others: AUC 0.9", text(found.measured))
        self.assertNotIn("Not audited", text(found.missing))
        self.assertNotIn("Control", text(found.missing))

    def test_attacks_that_fail_without_one_that_works_show_nothing(self):
        self.run_with("r.h5")
        self.audit("dense.h5", gain=0.0, apart=0.0)
        self.audit("sparse.h5", sparsity=0.9, gain=0.3)
        found = self.assess()
        self.assertIn("members are not told from others", text(found.measured))
        self.assertIn("No more with learned on mask", text(found.measured))
        self.assertIn("Control", text(found.missing))

    def test_both_pages_have_the_section(self):
        self.run_with("r.h5", PRIVATE, epsilon=3.25)
        self.audit("a.h5")
        for script, arguments, page in (("report.py", (), "report.html"),
                                        ("decide.py", ("--target", "0.5"), "decision.html")):
            done = subprocess.run([sys.executable, "-B", ROOT / "analysis" / script, self.folder, *arguments, "--out",
                                   self.folder / "out"], text=True, capture_output=True, timeout=300, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            html = (self.folder / "out" / page).read_text()
            for part in ("Privacy and hostile clients", "What is guaranteed", "Epsilon 3.25", "What was measured",
                         "not guaranteed or not measured"):
                self.assertIn(part, html)


if __name__ == "__main__":
    unittest.main(verbosity=2)
