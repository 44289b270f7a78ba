"""What the scripts take on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from .links import ASSUMED, Links

Number = TypeVar("Number", int, float)

_LINKS = {
    "shares": ("SHARE", "of the clients in each class, such as 0.8 0.2, where links differ"),
    "uplink_mbit": ("MBIT", "Mbit/s from a client to the server, one number or one per class; 0: at once"),
    "downlink_mbit": ("MBIT", "Mbit/s to a client"),
    "latency_ms": ("MS", "one way"),
    "train_ms_per_image": ("MS", "of a client's computer, forward and backward"),
}


def add_results(parser: argparse.ArgumentParser, how_many: str = "+") -> None:
    parser.add_argument(
        "results", nargs=how_many, type=Path, metavar="RESULTS", help="results files, or folders of them"
    )


def add_incomplete(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--incomplete",
        action="store_true",
        help="draw the curves of runs that have stopped or still run, too; nothing else is said of them",
    )


def add_out(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--out", type=Path, default=Path(default), metavar="DIR", help="default: %(default)s")


def add_target(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the accuracy to be reached")
    group.add_argument("--target", type=_share, metavar="ACCURACY", help="such as 0.85")
    group.add_argument(
        "--fraction",
        type=_share,
        default=0.95,
        metavar="SHARE",
        help="without --target: of FedAvg's final accuracy in the same setting (default: %(default)s)",
    )


def _number(convert: Callable[[str], Number], text: str, fits: Callable[[Number], bool], wanted: str) -> Number:
    try:
        value = convert(text)
    except ValueError:
        value = None
    if value is None or not fits(value):
        raise argparse.ArgumentTypeError(f"{text}: must be {wanted}")
    return value


def _share(text: str) -> float:
    return _number(float, text, lambda value: 0 < value <= 1, "a number above 0 and at most 1")


def above_0(text: str) -> float:
    return _number(float, text, lambda value: 0 < value < float("inf"), "a number above 0")


def from_0(text: str) -> float:
    return _number(float, text, lambda value: 0 <= value < float("inf"), "a number from 0 on")


def from_1(text: str) -> int:
    return _number(int, text, lambda value: value >= 1, "a whole number from 1 on")


def add_links(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the clients' links (default: those of the runs)")
    for name, (unit, text) in _LINKS.items():
        group.add_argument("--" + name.replace("_", "-"), nargs="+", type=from_0, metavar=unit, help=text)


def links(args: argparse.Namespace) -> Links | None:
    """None where nothing was given; what is not given of several is as assumed."""
    given = {name: tuple(getattr(args, name)) for name in _LINKS if getattr(args, name) is not None}
    if not given:
        return None
    return Links(**({name: getattr(ASSUMED, name) for name in _LINKS} | given))
