"""Made-up runs whose answers are known, as families."""

import numpy as np
from feddip_analysis import collect, families
from scratch import Scratch
from synthetic import SLOTS, write_results

ROUNDS = 40


def as_much_from_each_byte(folder, every=1):
    """Two runs of 60 rounds whose accuracy is their bytes, or seconds, over 2000: of 20 a round, and of 10."""
    t = np.arange(1, 61)
    return [
        folder.run_of(
            f"{cost}-{every}.h5",
            every=every,
            columns={
                "test_accuracy": cost * t / 2000,
                "bytes_up": np.uint64(cost // 2),
                "bytes_down": np.uint64(cost // 2),
                "simulated_seconds": float(cost),
            },
        )
        for cost in (20, 10)
    ]


class Runs:
    """Writes runs into `folder`: the accuracy rises until round `rise` and stays; each round has its bytes. Runs of fewer
    rounds than ROUNDS are not complete."""

    def write(
        self,
        method,
        seed,
        accuracy,
        sparsity=0.9,
        per_round=100,
        partition="iid",
        wobble=0.0,
        rise=20,
        done=ROUNDS,
        **options,
    ):
        t = np.arange(1, done + 1)
        curve = accuracy * np.minimum(t / rise, 1) + wobble * (-1) ** t
        own = {
            "test_accuracy": curve,
            "bytes_up": np.uint64(per_round * SLOTS),
            "bytes_down": np.uint64(per_round * SLOTS),
        } | options.pop("columns", {})
        keys = {"data.partition": partition} | options.pop("config", {})
        name = f"{method}-{sparsity}-{partition}-{seed}-{len(list(self.folder.iterdir()))}.h5"
        feddp = method == "feddp"
        return write_results(
            self.folder / name,
            method="feddip" if feddp else method,
            maximum=0 if feddp else 1e-3,
            seed=seed,
            rounds=done,
            planned=ROUNDS,
            target=sparsity,
            columns=own,
            config=keys,
            **({"complete": int(done == ROUNDS)} | options),
        )

    def write_seeds(self, method, accuracy, seeds=(1, 2, 3), gap=0.0, **options):
        """Seeds differ by a point each; `gap` more comes with every second one."""
        for i, seed in enumerate(seeds):
            self.write(method, seed, accuracy + 0.01 * i + gap * (i % 2), **options)


class Made(Scratch, Runs):
    def families(self):
        return families(collect([self.folder])[0])
