#!/usr/bin/env python3
"""Fashion-MNIST as a file of one's own (data/README.md), in which the last clients have classes that no other has.

    jobs/own_classes.py classes.h5 --clients 50 --last 16 --classes 8 9

Images of a class are dealt to those who have it, one after the other.
"""
import argparse
import gzip
import os
import pathlib
import sys
import zlib

import h5py
import numpy as np

PLACES = [pathlib.Path("data/downloads"), pathlib.Path(__file__).resolve().parents[1] / "data" / "downloads",
          pathlib.Path("/usr/share/datasets")]
SUBFOLDERS = ("", "fashion-mnist", "FashionMNIST/raw")  # as in src/data/dataset.cpp
FILES = [f"{prefix}-{kind}" for prefix in ("train", "t10k") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")]
SETS = {"train": "train", "test": "t10k"}
CLASSES = 10


def find():
    """The folder that feddip would read: of FEDDIP_DATA, of data/get.sh or of Debian's package."""
    named = os.environ.get("FEDDIP_DATA")
    folders = [root / subfolder for root in [*([pathlib.Path(named)] if named else []), *PLACES] for subfolder in SUBFOLDERS]
    def is_whole(folder):
        return all((folder / name).exists() or (folder / f"{name}.gz").exists() for name in FILES)
    return next(filter(is_whole, folders), PLACES[-1] / "fashion-mnist")


def read(folder, name, header):
    plain = folder / name
    content = plain.read_bytes() if plain.exists() else gzip.decompress(plain.with_name(f"{name}.gz").read_bytes())
    return np.frombuffer(content, np.uint8, offset=header)


def read_all(folder):
    """Images and labels of each set."""
    found = {}
    for name, prefix in SETS.items():
        labels = read(folder, f"{prefix}-labels-idx1-ubyte", 8)
        found[name] = read(folder, f"{prefix}-images-idx3-ubyte", 16).reshape(len(labels), 1, 28, 28), labels
    return found


def dealt(labels, own, common, last):
    """Whose each image is: of clients 0 .. common + last - 1."""
    clients = np.empty(len(labels), np.int32)
    for is_own, first, count in ((True, common, last), (False, 0, common)):
        mine = np.flatnonzero(np.isin(labels, own) == is_own)
        in_classes = mine[np.argsort(labels[mine], kind="stable")]
        clients[in_classes] = first + np.arange(len(in_classes)) % count
    return clients


def write(out, sets, own, common, last):
    """Replaces the file as a whole: what is there is never half of one."""
    unfinished = out.with_name(f"{out.name}.tmp")
    try:
        with h5py.File(unfinished, "w") as file:
            for name, (images, labels) in sets.items():
                file[f"{name}/images"], file[f"{name}/labels"] = images, labels
                file[f"{name}/clients"] = dealt(labels, own, common, last)
            file.attrs["classes"] = CLASSES
        os.replace(unfinished, out)
    finally:
        unfinished.unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--last", type=int, default=16, help="how many of them have classes of their own")
    parser.add_argument("--classes", type=int, nargs="+", default=[8, 9], help="which those are")
    parser.add_argument("--data", type=pathlib.Path, default=find(), help="a folder of IDX files; default: %(default)s")
    args = parser.parse_args()
    if not 0 < args.last < args.clients:
        parser.error(f"--last {args.last} is not between 1 and {args.clients - 1}")
    if not set(args.classes) < set(range(CLASSES)):
        parser.error(f"--classes {args.classes} are not some of the classes 0 to {CLASSES - 1}")
    try:
        write(args.out, read_all(args.data), args.classes, args.clients - args.last, args.last)
    except (OSError, EOFError, ValueError, zlib.error) as problem:  # of files, of gzip, of what is no IDX file
        print(f"own_classes.py: error: can't make {args.out} from {args.data}: {problem}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
