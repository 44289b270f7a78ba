#!/usr/bin/env python3
"""Measures what a finished run leaks: whose images can be seen in one client's upload (gradient inversion), and who was
in the training (membership inference, on small federations that feddip trains by the run's configuration).

CHECKPOINT is a checkpoint of feddip, or the .npz of `feddip export`, which has no configuration: then uploads are
those of the defaults, and there is no attack on membership. LeNet-5 on Fashion-MNIST so far. Into the folder go
audit.h5 (feddip_audit/record.py says what it holds) and pictures. `analysis/leakage.py` makes tables of several."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

try:
    import torch
except ImportError as missing:
    print(f"audit.py: error: {missing} (on Debian: apt install python3-torch)", file=sys.stderr)
    sys.exit(2)

import matplotlib

matplotlib.use("Agg")

from feddip_audit import federation, images, model, pictures, reconstruction, record  # noqa: E402


class Refused(Exception):
    pass


def at_least(least: float, kind: type = int):
    def parse(text: str):
        value = kind(text)
        if not value >= least or value == float("inf"):
            raise argparse.ArgumentTypeError(f"{text}: must be at least {least:g}")
        return value

    return parse


class Parser(argparse.ArgumentParser):
    def error(self, message: str):
        self.exit(2, f"audit.py: error: {message}\n")


def arguments() -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("checkpoint", type=Path, metavar="CHECKPOINT")
    add("--out", type=Path, required=True, metavar="FOLDER")
    add("--only", choices=("inversion", "membership"), help="default: both")
    add("--seed", type=at_least(0), default=1,
        help="of all that is drawn, but for the noise of privacy.* in trained models (default: %(default)s)")
    add("--data", default="", metavar="FOLDER", help="where Fashion-MNIST lies, if in an unusual place")
    of = reconstruction.Settings()
    group = parser.add_argument_group("inversion")
    add = group.add_argument
    add("--images", type=at_least(1), default=of.images, help="uploads of one image (default: %(default)s)")
    add("--batches", type=at_least(0), default=of.batches, help="uploads of 8 images (default: %(default)s)")
    add("--public", type=at_least(50), default=of.public, metavar="N",
        help="test images that the attacker learns from (default: %(default)s)")
    add("--matching-steps", type=at_least(1), default=of.matching_steps, metavar="N", help="default: %(default)s")
    add("--noise", type=at_least(0, float), nargs="*", default=list(of.noise), metavar="Z",
        help="noise multipliers, beside that of the run (default: %(default)s)")
    add("--clip", type=at_least(0, float), default=of.clip,
        help="norm to which changes are clipped before noise is added (default: that of the run, or the median of "
        "those of one image)")
    of = federation.Settings()
    group = parser.add_argument_group("membership")
    add = group.add_argument
    add("--models", type=at_least(4), default=of.models, help="default: %(default)s")
    add("--pool", type=at_least(20), default=of.pool, metavar="N",
        help="candidates, of which each model has half (default: %(default)s)")
    add("--clients", type=at_least(1), default=of.clients, help="default: %(default)s")
    add("--rounds", type=at_least(1), default=of.rounds, help="default: %(default)s")
    add("--batch-size", type=at_least(1), default=of.batch_size, metavar="N", help="default: %(default)s")
    add("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", dest="overrides",
        help="of the configuration, such as privacy.noise_multiplier=1")
    add("--feddip", default="feddip", metavar="PROGRAM", help="default: the one in PATH")
    return parser.parse_args()


def invert(args: argparse.Namespace, audited: model.Model, train: tuple, test: tuple):
    privacy = audited.config.get("privacy", {})
    noise = [z for z in (*args.noise, privacy.get("noise_multiplier", 0.0)) if z > 0]
    settings = reconstruction.Settings(
        images=args.images,
        batches=args.batches,
        public=args.public,
        matching_steps=args.matching_steps,
        noise=tuple(dict.fromkeys(noise)),
        clip=args.clip or privacy.get("clip", 0.0),
        seed=args.seed,
    )
    audit = reconstruction.Audit(audited, train, test, settings)
    return audit.run(), replace(settings, clip=audit.clip)


def infer(args: argparse.Namespace, audited: model.Model, train: tuple, test: tuple):
    if not audited.config_toml:
        raise Refused(f"{args.checkpoint}: an .npz has no configuration to train by; choose --only inversion")
    settings = federation.Settings(
        models=args.models,
        pool=args.pool,
        clients=args.clients,
        rounds=args.rounds,
        batch_size=args.batch_size,
        overrides=tuple(args.overrides),
        feddip=args.feddip,
        seed=args.seed,
    )
    return federation.run(audited.config_toml, train, test, settings), settings


def audit(args: argparse.Namespace) -> Path:
    audited = model.read(args.checkpoint)
    dataset = audited.config.get("data", {}).get("dataset", "fashion-mnist")
    if dataset != "fashion-mnist":
        raise Refused(f"{args.checkpoint}: trained on {dataset}, and only fashion-mnist is audited so far")
    train, test = (images.fashion_mnist(part, args.data) for part in ("train", "test"))
    members = infer(args, audited, train, test) if args.only != "inversion" else None
    attempts = invert(args, audited, train, test) if args.only != "membership" else None
    path = args.out / record.NAME
    record.write(path, audited, args.seed, attempts, members)
    pictures.draw(record.read(path), args.out)
    return path


def main() -> int:
    args = arguments()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        print(audit(args))
    except (model.NotAModel, images.NoImages, Refused) as problem:
        print(f"audit.py: error: {problem}", file=sys.stderr)
        return 2
    except (federation.NotTrained, ValueError, OSError) as problem:
        print(f"audit.py: error: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
