"""Markdown texts whose tables are made from results files: each stands between two markers that name it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_BLOCK = re.compile(r"(<!-- made: ([\w.-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def names(text: str) -> list[str]:
    """Of the blocks, in their order."""
    return [match[2] for match in _BLOCK.finditer(text)]


def fill(text: str, blocks: Mapping[str, str]) -> str:
    """The text with each of its blocks as it is now. Raises KeyError for one that nobody makes."""
    return _BLOCK.sub(lambda match: f"{match[1]}\n{blocks[match[2]].rstrip()}\n\n{match[3]}", text)


def update(page: Path, blocks: Mapping[str, str], check: bool) -> bool:
    """Whether the page said already what its blocks are; writes what they are, unless only to check."""
    text = page.read_text(encoding="utf-8")
    filled = fill(text, blocks)
    if filled != text and not check:
        page.write_text(filled, encoding="utf-8")
    return filled == text
