#!/usr/bin/env python3
"""Fashion-MNIST as a file of one's own (data/README.md), in which the last clients have classes that no other has.

    jobs/own_classes.py classes.h5 --clients 50 --last 16 --classes 8 9

Images of a class are dealt to those who have it, one after the other.
"""
import argparse
import gzip
import pathlib

import h5py
import numpy as np

SETS = {"train": "train", "test": "t10k"}


def read(folder, name, header):
    plain = folder / name
    content = plain.read_bytes() if plain.exists() else gzip.decompress(plain.with_name(f"{name}.gz").read_bytes())
    return np.frombuffer(content, np.uint8, offset=header)


def dealt(labels, own, common, last):
    """Whose each image is: of clients 0 .. common + last - 1."""
    clients = np.empty(len(labels), np.int32)
    for is_own, first, count in ((True, common, last), (False, 0, common)):
        mine = np.flatnonzero(np.isin(labels, own) == is_own)
        in_classes = mine[np.argsort(labels[mine], kind="stable")]
        clients[in_classes] = first + np.arange(len(in_classes)) % count
    return clients


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--last", type=int, default=16, help="how many of them have classes of their own")
    parser.add_argument("--classes", type=int, nargs="+", default=[8, 9], help="which those are")
    parser.add_argument("--data", type=pathlib.Path, default="/usr/share/datasets/fashion-mnist", help="a folder of IDX files")
    args = parser.parse_args()
    if not 0 < args.last < args.clients:
        parser.error(f"--last {args.last} is not between 1 and {args.clients - 1}")
    with h5py.File(args.out, "w") as file:
        for name, prefix in SETS.items():
            labels = read(args.data, f"{prefix}-labels-idx1-ubyte", 8)
            file[f"{name}/images"] = read(args.data, f"{prefix}-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28)
            file[f"{name}/labels"] = labels
            file[f"{name}/clients"] = dealt(labels, args.classes, args.clients - args.last, args.last)
        file.attrs["classes"] = 10


if __name__ == "__main__":
    main()
