#!/usr/bin/env python3
"""Makes the HDF5 file that `data.dataset = "file"` reads, from images of your own.

    data/import.py folder PHOTOS --size 32x32 --out photos.h5           # PHOTOS/CLASS/*, or PHOTOS/{train,test}/CLASS/*
    data/import.py folder PHOTOS --clients --out photos.h5              # PHOTOS/CLIENT/CLASS/*, also below train and test
    data/import.py arrays images.npz --out images.h5                    # train_images, train_labels, test_images, ...
    data/import.py csv pixels.csv --shape 1x28x28 --out images.h5       # a column `label`, then one per pixel
    data/import.py csv list.csv --out images.h5                         # columns `path`, `label`, perhaps `client`, `set`

Where nothing says which images are for testing, a share of every class (of every client) is, drawn by seed. What can't
be used is left out, and said on stdout with the reason. data/README.md describes the file.
"""
import argparse
import os
import pathlib
import sys

from feddip_import import Unusable, split, write
from feddip_import.arrays import from_arrays
from feddip_import.folders import from_folder
from feddip_import.tables import from_csv


def extents(form):
    """What reads "28x28", where `form` is HxW, as numbers."""
    def read(text):
        parts = text.split("x")
        if len(parts) != len(form.split("x")) or not all(part.isdecimal() and int(part) > 0 for part in parts):
            raise argparse.ArgumentTypeError(f"'{text}' is not {form} in numbers")
        return tuple(map(int, parts))
    return {"type": read, "metavar": form}


def share(text):
    number = float(text)
    if not 0 < number < 1:
        raise ValueError
    return number


def seed(text):
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--out", type=pathlib.Path, required=True, metavar="FILE.h5")
    common.add_argument("--test-share", type=share, default=0.2, metavar="SHARE", help="default: %(default)s")
    common.add_argument("--seed", type=seed, default=1, help="of the drawing of test images")
    common.add_argument("--normalize", action="store_true",
                        help="store mean and deviation of each channel over the training images, for feddip to use")
    common.add_argument("--compress", action="store_true", help="deflate the images")
    kinds = parser.add_subparsers(dest="kind", required=True)
    pictures = argparse.ArgumentParser(add_help=False, parents=[common])
    pictures.add_argument("--size", **extents("HxW"), help="scale images to it; default: the first one's, "
                          "and others are left out")
    pictures.add_argument("--channels", type=int, choices=(1, 3), help="grey or colour; default: as the first image")
    folder = kinds.add_parser("folder", parents=[pictures], help="a folder of folders of images")
    folder.add_argument("source", type=pathlib.Path)
    folder.add_argument("--clients", action="store_true", help="folders of classes lie in folders of clients")
    arrays = kinds.add_parser("arrays", parents=[common], help="a NumPy .npz file")
    arrays.add_argument("source", type=pathlib.Path)
    arrays.add_argument("--channels-last", action="store_true", help="images are N x H x W x C, not N x C x H x W")
    table = kinds.add_parser("csv", parents=[pictures], help="a table of pixels, or of files of images")
    table.add_argument("source", type=pathlib.Path)
    table.add_argument("--shape", **extents("CxHxW"), help="of an image whose pixels are in the table")
    return parser.parse_args()


def samples_of(given):
    if given.kind == "folder":
        return from_folder(given.source, given.clients, given.size, given.channels)
    if given.kind == "arrays":
        return from_arrays(given.source, given.channels_last)
    return from_csv(given.source, given.shape, given.size, given.channels)


def main():
    given = arguments()
    sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be text
    try:
        samples = split(samples_of(given), given.test_share, given.seed)
        print(write(given.out, samples, given.normalize, given.compress))
    except (Unusable, OSError) as problem:
        print(f"import.py: error: {problem}", file=sys.stderr, flush=True)
        os._exit(2)  # HDF5 may crash at exit where it couldn't close its file
    return 0


if __name__ == "__main__":
    sys.exit(main())
