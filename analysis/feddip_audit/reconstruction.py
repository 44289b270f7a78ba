"""The audit of uploads: whose images can be seen in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from . import inversion, similarity, upload
from .model import Model
from .progress import Progress
from .upload import Kind, Training

LOCAL_STEPS = 5


@dataclass(frozen=True)
class Settings:
    images: int = 20  # attacked one by one
    batches: int = 2  # of `batch_size`, for attacks by matching
    batch_size: int = 8
    public: int = 2000  # images that the attacker has
    matching_steps: int = 200
    noise: Sequence[float] = (0.01, 0.1, 1.0)  # multipliers
    clip: float = 0.0  # of changes, where there is noise; 0: the median norm of those of one image
    matched_images: int = 5
    seed: int = 1


@dataclass
class Attempts:
    """One row per attacked image."""

    rows: list[dict] = field(default_factory=list)
    true: list[np.ndarray] = field(default_factory=list)  # [28, 28]
    found: list[np.ndarray] = field(default_factory=list)

    def add(self, attack: str, kind: Kind, batch: int, steps: int, image: int, true, found, more: dict) -> None:
        true, found = (np.asarray(x, np.float32).reshape(28, 28) for x in (true, found))
        self.rows.append(
            {
                "attack": attack,
                "upload": kind.name,
                "noise_multiplier": kind.noise_multiplier,
                "batch": batch,
                "steps": steps,
                "image": image,
                "psnr": similarity.psnr(found, true),
                "ssim": similarity.ssim(found, true),
            }
            | more
        )
        self.true.append(true)
        self.found.append(found)


# What is drawn, beside the noise on uploads of single images.
BATCHES, MATCHING = 99, 98

NOT_ASKED = {"label_right": np.nan, "features_read": np.nan, "distance": np.nan}


def kinds(model: Model, noise: Sequence[float]) -> list[Kind]:
    """Without a mask all that differ in support are one."""
    supports = list(upload.KINDS) if model.sparsity > 0 else ["mask"]
    return [Kind(s) for s in supports] + [Kind(bf16=True)] + [Kind(noise_multiplier=z) for z in noise]


class Audit:
    def __init__(self, model: Model, train: tuple, test: tuple, settings: Settings):
        """Images and labels to attack, and public ones."""
        self._model, self._settings = model, settings
        self._parameters = {n: torch.from_numpy(p) for n, p in model.parameters.items()}
        self._alive = {n: torch.from_numpy(m) for n, m in model.alive.items()}
        rng = np.random.default_rng(settings.seed)
        count = settings.images + settings.batches * settings.batch_size
        self._chosen = rng.permutation(len(train[1]))[:count]
        public = rng.permutation(len(test[1]))[: settings.public]
        self._images, self._labels = (torch.from_numpy(a[self._chosen]) for a in train)
        self._public = tuple(torch.from_numpy(a[public]) for a in test)
        self._attempts = Attempts()
        self.clip = settings.clip or self._median_norm()

    def run(self) -> Attempts:
        s = self._settings
        tried = kinds(self._model, s.noise)
        matched = min(s.matched_images, s.images) + 2 * s.batches
        progress = Progress("inversion", (len(tried) + 1) * s.images + matched)
        self._guess()
        for kind in tried:
            self._attack_singles(kind, 1, progress)
        self._attack_singles(Kind(), LOCAL_STEPS, progress)
        for batch in range(s.batches):
            for steps in (1, LOCAL_STEPS):
                self._attack_batch(batch, steps)
                progress.step()
        return self._attempts

    def _training(self, steps: int) -> Training:
        optimizer = self._model.config.get("optimizer", {})
        rate = optimizer.get("learning_rate", 0.1) * optimizer.get("decay", 1.0) ** self._model.rounds
        return Training(rate, optimizer.get("weight_decay", 5e-4), steps)

    def _generator(self, *where: int) -> torch.Generator:
        words = np.random.SeedSequence([self._settings.seed, *where]).generate_state(1)
        return torch.Generator().manual_seed(int(words[0]))

    def _upload(self, which: slice, kind: Kind, steps: int, generator: torch.Generator) -> upload.Seen:
        how = self._training(steps)
        after = upload.train(self._parameters, self._alive, self._images[which], self._labels[which], how)
        return upload.send(self._parameters, after, self._alive, kind, how, generator, self.clip)

    def _median_norm(self) -> float:
        norms = []
        for i in range(self._settings.images):
            one = slice(i, i + 1)
            after = upload.train(self._parameters, self._alive, self._images[one], self._labels[one], self._training(1))
            norms.append(upload.norm({n: (after[n] - p) * self._alive.get(n, 1) for n, p in self._parameters.items()}))
        return float(np.median(norms))

    def _guess(self) -> None:
        """What the label alone tells: the mean of its public images. An attack that does no better shows nothing."""
        images, labels = self._public
        for i, label in enumerate(self._labels):
            same = images[labels == label]
            found = (same if len(same) else images).mean(0)
            batch = 1 if i < self._settings.images else self._settings.batch_size
            self._add("label alone", Kind("nothing"), batch, 1, i, found, NOT_ASKED)

    def _attack_singles(self, kind: Kind, steps: int, progress: Progress) -> None:
        s = self._settings
        which = 10 * kinds(self._model, s.noise).index(kind) + steps
        attack = None
        for i in range(s.images):
            seen = self._upload(slice(i, i + 1), kind, steps, self._generator(which, i))
            if attack is None:
                attack = inversion.Learned(self._parameters, seen, *self._public, self._generator(which))
            found = attack(seen)
            _, known = inversion.analytic(
                seen.gradient["fc1.bias"][None], seen.gradient["fc1.weight"][None], seen.sent["fc1.weight"]
            )
            told = {
                "label_right": float(inversion.label(seen) == self._labels[i]),
                "features_read": np.nan if kind.noise_multiplier or steps > 1 else float(known.float().mean()),
                "distance": np.nan,
            }
            self._add("learned", kind, 1, steps, i, found, told)
            progress.step()
            if kind == Kind() and steps == 1 and i < s.matched_images:
                self._match(kind, 1, [i], seen, found[None], inversion.Matching(s.matching_steps, 0.02, 0.02))
                progress.step()

    def _attack_batch(self, batch: int, steps: int) -> None:
        s, kind = self._settings, Kind()
        first = s.images + batch * s.batch_size
        seen = self._upload(slice(first, first + s.batch_size), kind, steps, self._generator(BATCHES, batch))
        which = list(range(first, first + s.batch_size))
        self._match(kind, steps, which, seen, None, inversion.Matching(s.matching_steps))

    def _match(self, kind, steps, which, seen, start, how) -> None:
        parameters = upload.masked(self._parameters, self._alive)
        labels, true = self._labels[which], self._images[which]
        found, left = inversion.match(parameters, seen, labels, how, self._generator(MATCHING, which[0], steps), start)
        found = similarity.matched(found.numpy(), true.numpy())
        attack = "matching" if start is None else "learned, then matching"
        for i, image in zip(which, found):
            self._add(attack, kind, len(which), steps, i, image, NOT_ASKED | {"distance": left})

    def _add(self, attack, kind, batch, steps, i, found, more) -> None:
        self._attempts.add(attack, kind, batch, steps, int(self._chosen[i]), self._images[i], found, more)
