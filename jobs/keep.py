#!/usr/bin/env python3
"""Makes results files small enough to be kept in a repository: compressed without loss and each dataset in one piece, a fifth
of the size for 1000 rounds. Everything reads them as before, only no more rounds can be added. Files of runs that are not
complete, and checkpoints, are left as they are.

    jobs/keep.py [--plain] [--without DATASET]... RESULTS.h5...
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np


OF_SCALES = {"CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST"}  # attributes that tie dimension scales to datasets


def copy_attributes(source, target):
    for name, value in source.attrs.items():
        if name in OF_SCALES:
            continue
        kind = source.attrs.get_id(name)
        target.attrs.create(name, value, shape=kind.shape, dtype=kind.dtype)


def copy_object(name, source, target, without):
    if isinstance(source, h5py.Group):
        copied = target.require_group(name)
    elif source.size in (None, 0) or source.shape == ():
        copied = target.create_dataset(name, data=source[()], shape=source.shape, dtype=source.dtype)
    else:
        values = np.full_like(source[()], np.nan) if name in without else source[()]
        copied = target.create_dataset(name, data=values, dtype=source.dtype, chunks=source.shape, shuffle=True,
                                       compression="gzip", compression_opts=9)
    copy_attributes(source, copied)


def require_fractions(results, without):
    """NaN says that a value was not measured, and whole numbers have none."""
    for name in sorted(without):
        if not isinstance(results.get(name), h5py.Dataset):
            raise ValueError(f"--without: it has no {name}")
        if results[name].dtype.kind != "f":
            raise ValueError(f"--without: {name} is of whole numbers or texts, which can't say that they were not measured")


def tie_scales(source, target):
    """Dimension scales of one file in another that has its datasets."""
    datasets = {}
    source.visititems(lambda name, item: datasets.update({name: item} if isinstance(item, h5py.Dataset) else {}))
    for name, item in datasets.items():
        if h5py.h5ds.is_scale(item.id):
            h5py.h5ds.set_scale(target[name].id, h5py.h5ds.get_scale_name(item.id))
    for name, item in datasets.items():
        for axis, dimension in enumerate(item.dims):
            for scale in dimension.values():
                target[name].dims[axis].attach_scale(target[scale.name])


def keep(path, plain=False, without=()):
    """Replaces the file, or says why not. `without` names datasets whose values become NaN. Raises ValueError for one that the
    file lacks or that has no NaN, and leaves the file as it is."""
    if ".ckpt-" in path.name:
        return "a checkpoint"
    with h5py.File(path) as results:
        if not results.attrs.get("complete", 0):
            return "not a complete run's"
        require_fractions(results, without)
        number, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
        os.close(number)
        try:
            with h5py.File(name, "w", libver="latest") as small:
                copy_attributes(results, small)
                results.visititems(lambda name, source: copy_object(name, source, small, without))
                if not plain:
                    tie_scales(results, small)
            shutil.copymode(path, name)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path)
    parser.add_argument("--plain", action="store_true",
                        help="without dimension scales, a quarter of a short run's file: xarray then names the axes itself")
    parser.add_argument("--without", action="append", default=[], metavar="DATASET",
                        help="such as clients/train_loss: its values become NaN, as where nothing was measured; may be repeated")
    arguments = parser.parse_args()
    failed = False
    for path in arguments.results:
        try:
            if why := keep(path, arguments.plain, frozenset(arguments.without)):
                print(f"Left as it is: {path}, {why}", file=sys.stderr)
        except (OSError, RuntimeError, ValueError) as error:
            print(f"keep.py: error: {path}: {error}", file=sys.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
