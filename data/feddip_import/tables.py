"""A CSV file with a header: `label`, perhaps `client` and `set` (train or test), and either `path`, an image file, named
from the table's folder, or one column per pixel in the order channel, row, column."""
import csv
import functools

import numpy as np

from . import pictures
from .samples import Sample, Unusable, unusable

WORDS = {"label", "client", "set", "path"}


def pixels(values, shape):
    if len(values) != int(np.prod(shape)):
        raise Unusable(f"it has {len(values)} pixels, {'x'.join(map(str, shape))} needs {int(np.prod(shape))}")
    try:
        numbers = np.array(values, dtype=np.float64)
    except ValueError as problem:
        raise Unusable("a pixel is not a number") from problem
    if not np.isfinite(numbers).all():
        raise Unusable("a pixel is not a finite number")
    if (numbers == np.rint(numbers)).all() and numbers.min() >= 0 and numbers.max() <= 255:
        return numbers.astype(np.uint8).reshape(shape)
    raise Unusable("a pixel is not an integer from 0 to 255; give other images as arrays")


def loader(values, shape):
    """Converted at once: as text, a table is twenty times as large."""
    try:
        return functools.partial(np.copy, pixels(values, shape))
    except Unusable as reason:
        return unusable(str(reason))


def from_csv(path, shape=None, size=None, channels=None):
    samples = []
    with open(path, newline="", encoding="utf-8-sig") as file:
        try:
            rows = csv.reader(file)
            header = next(rows, [])
            column = {name: i for i, name in enumerate(header) if name in WORDS}
            others = [i for i, name in enumerate(header) if name not in WORDS]
            if "label" not in column:
                raise Unusable(f"{path}: no column is called label in its first line")
            if "path" not in column and shape is None:
                raise Unusable(f"{path}: it has no column path, so --shape CxHxW must say how its pixels lie")
            for row in rows:
                where = f"line {rows.line_num}"
                if not row:
                    continue
                if len(row) != len(header):
                    reason = f"it has {len(row)} values, the first line {len(header)}"
                    samples.append(Sample(where, "", unusable(reason), set="train"))
                    continue
                found = {name: row[i].strip() for name, i in column.items()}
                load = (functools.partial(pictures.load, path.parent / found["path"], size, channels)
                        if "path" in column else loader([row[i] for i in others], shape))
                if found.get("set", "train") not in ("train", "test"):
                    load = unusable("its set is neither train nor test")
                for word in ("label", "client"):
                    if found.get(word) == "":
                        load = unusable(f"it has no {word}")
                samples.append(Sample(where, found["label"], load, found.get("client"), found.get("set")))
        except (csv.Error, UnicodeDecodeError) as problem:
            raise Unusable(f"{path}: it can't be read as a table: {problem}") from problem
    if not samples:
        raise Unusable(f"{path}: it has no images")
    return samples
