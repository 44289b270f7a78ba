"""NumPy arrays: an .npz file with train_images, train_labels, and test_images, test_labels, train_clients, ... or with
images, labels, clients, of which test images will be drawn."""
import zipfile

import numpy as np

from .samples import Sample, Unusable, unusable


def array(file, name, where):
    try:
        return file[name]  # no pickles: np.load refuses them
    except (ValueError, OSError, zipfile.BadZipFile, EOFError) as problem:
        raise Unusable(f"{where}: {name} can't be read: {problem}") from problem


def as_planes(images, channels_last, where):
    """N x C x H x W, uint8 or float32."""
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise Unusable(f"{where}: images must be uint8 or floating-point numbers, not {images.dtype}")
    if images.ndim == 3:
        images = images[:, np.newaxis]
    elif images.ndim == 4 and channels_last:
        images = np.moveaxis(images, 3, 1)
    elif images.ndim != 4:
        raise Unusable(f"{where}: images must be N x H x W, N x C x H x W or, with --channels-last, N x H x W x C")
    if 0 in images.shape:
        raise Unusable(f"{where}: there is nothing in its {' x '.join(map(str, images.shape))} values")
    return images


def loader(images, i):
    def load():
        image = images[i] if images.dtype == np.uint8 else images[i].astype(np.float32)
        if not np.isfinite(image).all():
            raise Unusable("a pixel is not a finite number")
        return image
    return load


def is_number(value):
    return value.dtype.kind != "f" or np.isfinite(value)


def from_arrays(path, channels_last=False):
    try:
        file = np.load(path)
    except (ValueError, OSError, zipfile.BadZipFile, EOFError) as problem:
        raise Unusable(f"{path}: NumPy can't read it: {problem}") from problem
    if not hasattr(file, "files"):
        raise Unusable(f"{path}: it holds one array; images and labels are needed, in an .npz file")
    for one, other in (("train", "test"), ("test", "train")):
        if f"{one}_clients" in file.files and f"{other}_images" in file.files and f"{other}_clients" not in file.files:
            raise Unusable(f"{path}: {one}_clients are there and {other}_clients are missing")
    samples = []
    for prefix, name in (("", None), ("train_", "train"), ("test_", "test")):
        if prefix + "images" not in file.files:
            continue
        where = f"{path}:{prefix}images"
        images = as_planes(array(file, prefix + "images", path), channels_last, where)
        columns = {}
        for column in ("labels", "clients"):
            if prefix + column in file.files:
                columns[column] = array(file, prefix + column, path).ravel()
                if len(columns[column]) != len(images):
                    raise Unusable(f"{path}:{prefix}{column}: {len(columns[column])} values for {len(images)} images")
        if "labels" not in columns:
            raise Unusable(f"{path}: {prefix}labels are missing")
        clients = columns.get("clients")
        for i in range(len(images)):
            missing = [column for column, values in columns.items() if not is_number(values[i])]
            load = unusable(f"it has no {missing[0][:-1]}") if missing else loader(images, i)
            samples.append(Sample(where=f"{prefix}images[{i}]", label=str(columns["labels"][i]), set=name,
                                  client=None if clients is None else str(clients[i]), load=load))
    if not samples:
        raise Unusable(f"{path}: neither images nor train_images are in it, but {', '.join(file.files) or 'nothing'}")
    return samples
