#!/usr/bin/env python3
"""Draws images that stand in for a site's own, so that a template runs before there are any, and makes the file that
feddip reads of them. They are no photographs: every class is called `..._stand-in`, the file says so in its attribute
`note`, and what is learned from them holds for them alone.

    make_stand_in.py inspection --out inspection.h5     # grey surfaces with scratches or spots, from 6 factories
    make_stand_in.py sorting --out sorting.h5           # parcels of four shapes, from 12 depots
    make_stand_in.py hospitals --out hospitals.h5       # grey images with or without a bright nodule, from 4 hospitals
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np
from PIL import Image

IMPORT = pathlib.Path(__file__).resolve().parents[2] / "data" / "import.py"
SIZE = 32
NOTE = "a stand-in: drawn by jobs/templates/make_stand_in.py, not photographed; measure nothing by it"
Y, X = np.mgrid[0:SIZE, 0:SIZE]


def grain(rng, strength):
    return rng.normal(0, strength, (SIZE, SIZE))


def disc(rng, low, high):
    """1 within a disc of a radius from low to high, somewhere inside, and 0 elsewhere; soft at its edge."""
    radius = rng.uniform(low, high)
    y, x = rng.uniform(radius, SIZE - radius, 2)
    return 1 / (1 + np.exp(2 * (np.hypot(Y - y, X - x) - radius)))


def surface(rng, kind, lamp):
    """A factory's own light falls across the part; a defect is a thin line or a small disc."""
    image = 110 + lamp["level"] + lamp["slope"] * (X * np.cos(lamp["angle"]) + Y * np.sin(lamp["angle"])) + grain(rng, 8)
    if kind == "scratch":
        angle, offset = rng.uniform(0, np.pi), rng.uniform(-8, 8)
        distance = np.abs((X - SIZE / 2) * np.cos(angle) + (Y - SIZE / 2) * np.sin(angle) - offset)
        image -= 60 * np.exp(-(distance**2))
    elif kind == "spot":
        image -= 60 * disc(rng, 2.5, 4)
    return image


def parcel(rng, kind, depot):
    """A shape of any colour on a depot's own belt."""
    height, width = {"letter": (9, 18), "box": (16, 16), "tube": (5, 24), "bag": (0, 0)}[kind]
    if rng.random() < 0.5:
        height, width = width, height
    y, x = rng.uniform(12, 20, 2)
    inside = (np.abs(Y - y) < height / 2) & (np.abs(X - x) < width / 2)
    if kind == "bag":
        inside = np.hypot(Y - y, X - x) < 8 + 2 * np.sin(5 * np.arctan2(Y - y, X - x) + rng.uniform(0, 6))
    colour = depot["belt"] + rng.choice([-1, 1]) * rng.uniform(50, 90) * np.ones(3) + rng.normal(0, 15, 3)
    return np.where(inside[..., None], colour, depot["belt"]) + rng.normal(0, 10, (SIZE, SIZE, 3))


def scan(rng, kind, scanner):
    """Dark tissue with faint vessels, in a scanner's own contrast; a nodule is bright and round."""
    image = 60 + 15 * np.sin(X / rng.uniform(2, 5) + rng.uniform(0, 6)) * np.sin(Y / rng.uniform(2, 5)) + grain(rng, 10)
    if kind == "nodule":
        image += 90 * disc(rng, 3, 5)
    return scanner["level"] + scanner["contrast"] * image


def factories(rng):
    """Defects are rare, each factory has its own, and its own light."""
    for factory in range(6):
        lamp = {"level": rng.uniform(-30, 30), "slope": rng.uniform(0, 2), "angle": rng.uniform(0, 2 * np.pi)}
        counts = {"good": 90, "scratch": 45 if factory % 2 else 10, "spot": 10 if factory % 2 else 45}
        yield f"factory{factory + 1}", surface, lamp, counts


def depots(rng):
    """Large and small ones; each sees two kinds of parcels often and two seldom."""
    kinds = ["letter", "box", "tube", "bag"]
    for depot in range(12):
        often = 25 if depot % 3 else 60
        counts = {kind: often if (depot + i) % 4 < 2 else 8 for i, kind in enumerate(kinds)}
        yield f"depot{depot + 1}", parcel, {"belt": rng.uniform(90, 140, 3)}, counts


def hospitals(rng):
    """Few images; each hospital has its own scanner and its own share of findings."""
    for hospital, (clear, nodule) in enumerate([(150, 150), (120, 40), (40, 80), (40, 20)]):
        scanner = {"level": rng.uniform(-20, 40), "contrast": rng.uniform(0.6, 1.3)}
        yield f"hospital{hospital + 1}", scan, scanner, {"clear": clear, "nodule": nodule}


SITES = {"inspection": factories, "sorting": depots, "hospitals": hospitals}


def draw(kind, seed, folder):
    rng = np.random.default_rng(seed)
    for site, image_of, own, counts in SITES[kind](rng):
        for name, count in counts.items():
            here = folder / site / f"{name}_stand-in"
            here.mkdir(parents=True)
            for i in range(count):
                pixels = np.clip(image_of(rng, name, own), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(here / f"{i}.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=SITES)
    parser.add_argument("--out", required=True, help="the HDF5 file to make")
    parser.add_argument("--site", help="the images of one site alone, such as factory1")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stand-in-") as holder:
        folder = pathlib.Path(holder)
        draw(args.kind, args.seed, folder)
        if args.site and not (folder / args.site).is_dir():
            parser.error(f"there is no site {args.site}: they are {' '.join(sorted(path.name for path in folder.iterdir()))}")
        source = [folder / args.site] if args.site else [folder, "--clients"]
        made = subprocess.run([sys.executable, IMPORT, "folder", *source, "--normalize", "--out", args.out], check=False)
    if made.returncode == 0:
        with h5py.File(args.out, "a") as file:
            file.attrs["note"] = NOTE
        print(f"{args.out} is {NOTE}")
    return made.returncode


if __name__ == "__main__":
    sys.exit(main())
