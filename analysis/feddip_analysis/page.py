"""Pages in one file: pictures and style are inside, nothing is fetched, and no script runs."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup

from . import plots
from .figures import Picture

PIXELS_PER_POINT = 96 / 72
_INSIDE_A_NUMBER = re.compile(r"(?<=[\d±]) (?=[\d±%]|[kMGT]?B\b|min\b|[shd]\b)")


@dataclass(frozen=True)
class Embedded:
    """A picture as the page holds it."""

    name: str
    title: str
    caption: str
    source: Markup  # a data: address
    width: int  # CSS pixels


def embed(pictures: Sequence[Picture], folder: Path) -> list[Embedded]:
    """Saves pictures as SVG and PNG; the page gets the SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    embedded = []
    for picture in pictures:
        svg = plots.save(picture.figure, folder, picture.name)[0].read_bytes()
        points = re.search(rb'<svg [^>]*width="([\d.]+)pt"', svg)
        embedded.append(
            Embedded(
                name=picture.name,
                title=picture.title,
                caption=picture.caption,
                source=Markup("data:image/svg+xml;base64," + base64.b64encode(svg).decode()),
                width=round(float(points[1]) * PIXELS_PER_POINT) if points else 700,
            )
        )
    return embedded


def render(template: str, **content: object) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_unbroken,
    )
    environment.tests["emphasized"] = _is_emphasized
    return environment.get_template(template).render(**content)


def _unbroken(value: object) -> object:
    """Keeps numbers in texts together with their spread and unit."""
    text = isinstance(value, str) and not isinstance(value, Markup)
    return _INSIDE_A_NUMBER.sub("\u00a0", value) if text else value


def _is_emphasized(row: Sequence[str]) -> bool:
    """A row of a decision that says what to pilot."""
    return any("◀" in cell for cell in row)
