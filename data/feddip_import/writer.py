"""The file: images as they are read, then what is known only when all have been."""
import collections
import os
import re
import sys

import h5py
import numpy as np

from .samples import Unusable, natural

SETS = ("train", "test")
CHUNK = 1 << 20       # bytes
MOST_CLASSES = 256
SHOWN = 3             # examples of each reason


class Progress:
    """A bar on stderr: redrawn on a terminal, a line per tenth elsewhere."""

    def __init__(self, total, out=sys.stderr):
        self.total, self.out, self.redraw, self.shown = total, out, out.isatty(), -1

    def show(self, done):
        step = done * (200 if self.redraw else 10) // self.total
        if step == self.shown:
            return
        self.shown = step
        bar = "#" * (done * 40 // self.total)
        line = f"reading [{bar:<40}] {done} of {self.total}"
        self.out.write(f"\r{line}" + ("\n" if done == self.total else "") if self.redraw else f"{line}\n")
        self.out.flush()


class Images:
    """One set's images, appended to the file in chunks."""

    def __init__(self, file, name, shape, dtype, compress):
        self.chunk = max(1, CHUNK // (int(np.prod(shape)) * dtype.itemsize))
        packing = {"compression": "gzip", "compression_opts": 4, "shuffle": dtype.itemsize > 1} if compress else {}
        self.dataset = file.create_dataset(f"{name}/images", (0, *shape), dtype, chunks=(self.chunk, *shape),
                                           maxshape=(None, *shape), **packing)
        self.waiting = []
        self.labels, self.clients = [], []

    def append(self, image, sample):
        self.waiting.append(image)
        self.labels.append(sample.label)
        self.clients.append(sample.client)
        if len(self.waiting) == self.chunk:
            self.flush()

    def flush(self):
        if self.waiting:
            end = len(self.dataset)
            self.dataset.resize(end + len(self.waiting), 0)
            self.dataset[end:] = np.stack(self.waiting)
            self.waiting = []


class Content:
    """What is kept and what is left out, image by image."""

    def __init__(self, file, compress):
        self.file, self.compress = file, compress
        self.sets, self.left_out = {}, collections.defaultdict(list)
        self.shape = self.dtype = None
        self.sums = None

    def take(self, sample):
        try:
            image = sample.load()
            self.require_same(image)
        except Unusable as reason:
            self.left_out[str(reason)].append(sample.where)
            return
        if sample.set == "train":
            planes = image.reshape(len(image), -1).astype(np.float64)
            self.sums += [planes.mean(1), (planes ** 2).mean(1)]
        self.sets[sample.set].append(image, sample)

    def require_same(self, image):
        if self.shape is None:
            self.shape, self.dtype = image.shape, image.dtype
            self.sums = np.zeros((2, len(image)))
            self.sets = {name: Images(self.file, name, self.shape, self.dtype, self.compress) for name in SETS}
        if image.shape != self.shape or image.dtype != self.dtype:
            def name(shape, dtype):
                return f"{'x'.join(map(str, shape))} {dtype}"
            raise Unusable(f"it is {name(image.shape, image.dtype)}, the first image {name(self.shape, self.dtype)}")

    def drop_strangers(self, kind):
        """Test images of a class or client of which there is no training image."""
        known = set(getattr(self.sets["train"], kind))
        test = self.sets["test"]
        kept = [i for i, value in enumerate(getattr(test, kind)) if value in known]
        gone = len(getattr(test, kind)) - len(kept)
        if gone:
            reason = f"test images whose {kind[:-1]} has no training image"
            self.left_out[reason] += sorted((v for v in getattr(test, kind) if v not in known), key=natural)
            for to, source in enumerate(kept):
                if to != source:
                    test.dataset[to] = test.dataset[source]
            test.dataset.resize(len(kept), 0)
            test.labels, test.clients = ([values[i] for i in kept] for values in (test.labels, test.clients))

    def finish(self, normalize):
        if self.shape is None:
            raise Unusable(f"no image can be used\n{self.complaints()}")
        for images in self.sets.values():
            images.flush()
        with_clients = None not in self.sets["train"].clients + self.sets["test"].clients
        for kind in ("labels", "clients") if with_clients else ("labels",):
            self.drop_strangers(kind)
        for name, images in self.sets.items():
            if not images.labels:
                raise Unusable(f"no {name} image can be used\n{self.complaints()}")
        classes = self.write_numbers("labels", np.uint8)
        if len(classes) > MOST_CLASSES:
            raise Unusable(f"{len(classes)} classes are more than {MOST_CLASSES}")
        clients = self.write_numbers("clients", np.int32) if with_clients else []
        self.file.attrs["classes"] = len(classes)
        self.file["class_names"] = np.array([name.encode()[:255] for name in classes], dtype="S")
        if normalize:
            self.write_moments()
        return classes, clients

    def write_numbers(self, kind, dtype):
        """Names as the numbers of their places among all names."""
        names = sorted(set(getattr(self.sets["train"], kind)), key=natural)
        number = {name: i for i, name in enumerate(names)}
        if len(names) <= np.iinfo(dtype).max + 1:
            for name, images in self.sets.items():
                self.file[f"{name}/{kind}"] = np.array([number[v] for v in getattr(images, kind)], dtype=dtype)
        return names

    def write_moments(self):
        scale = 255 if self.dtype == np.uint8 else 1
        mean, square = self.sums / len(self.sets["train"].labels)
        deviation = np.sqrt(np.maximum(square - mean ** 2, 0))
        if not (deviation > 0).all():
            raise Unusable("a channel is the same in all training images; do without --normalize")
        self.file["mean"], self.file["deviation"] = (mean / scale).astype("f4"), (deviation / scale).astype("f4")

    def complaints(self):
        lines = []
        for reason, places in sorted(self.left_out.items(), key=lambda item: -len(item[1])):
            named = list(dict.fromkeys(places))  # one for each image, which may be of the same class
            more = ", ..." if len(named) > SHOWN else ""
            lines.append(f"  {len(places):>7}  {reason}: {', '.join(named[:SHOWN])}{more}")
        return "\n".join(lines)


def write(path, samples, normalize, compress):
    """Writes the file as a whole or not at all; what to tell about it."""
    unfinished = path.with_name(path.name + ".tmp")
    try:
        with h5py.File(unfinished, "w", libver=("earliest", "v110")) as file:
            content = Content(file, compress)
            progress = Progress(len(samples))
            for done, sample in enumerate(samples, 1):
                content.take(sample)
                progress.show(done)
            classes, clients = content.finish(normalize)
        os.replace(unfinished, path)
    except (OSError, RuntimeError) as problem:  # the second is h5py's, of a file that it can't close
        by_system = re.search(r"error message = '([^']*)'", str(problem))
        raise OSError(f"{path}: it can't be written: {by_system[1] if by_system else problem}") from problem
    finally:
        unfinished.unlink(missing_ok=True)
    kept = {name: len(images.labels) for name, images in content.sets.items()}
    left_out = len(samples) - sum(kept.values())
    lines = [f"{path}: {kept['train']} training and {kept['test']} test images, "
             f"{'x'.join(map(str, content.shape))} {content.dtype}",
             f"classes: {len(classes)} ({', '.join(classes[:10])}{', ...' if len(classes) > 10 else ''})"]
    if clients:
        lines.append(f"clients: {len(clients)}; for their own shares set data.partition=given "
                     f"federation.clients={len(clients)}")
    lines.append(f"left out: {left_out}" + (f"\n{content.complaints()}" if content.left_out else ""))
    return "\n".join(lines)
