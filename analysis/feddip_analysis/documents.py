"""Markdown texts whose tables are made from results files: each stands between two markers that name it."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_BLOCK = re.compile(r"(<!-- made: ([\w.-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def names(text: str) -> list[str]:
    """Of the blocks, in their order."""
    return [match[2] for match in _BLOCK.finditer(text)]


def fill(text: str, blocks: Mapping[str, str]) -> str:
    """The text with each of its blocks as it is now. Raises KeyError for one that nobody makes."""
    return _BLOCK.sub(lambda match: f"{match[1]}\n{blocks[match[2]].rstrip()}\n\n{match[3]}", text)


def update(script: str, pages: Sequence[Path], blocks: Mapping[str, str], check: bool) -> int:
    """Writes into the pages what their blocks are, unless only to check; what is wrong goes to stderr. The exit code: 1 for
    a block without a place, a place without a block, and for a page that says something else where it was to be checked."""
    texts = {page: page.read_text(encoding="utf-8") for page in pages}
    wrong = [
        f"{page}: nothing makes its block '{name}'" for page, text in texts.items() for name in names(text) if name not in blocks
    ]
    unplaced = blocks.keys() - {name for text in texts.values() for name in names(text)}
    wrong += [f"{' and '.join(map(str, pages))}: no place for the block '{name}'" for name in sorted(unplaced)]
    if not wrong:
        filled = {page: fill(text, blocks) for page, text in texts.items()}
        changed = [page for page in pages if filled[page] != texts[page]]
        if check:
            wrong = [f"{page}: it is not what the files say: analysis/{script}" for page in changed]
        else:
            for page in changed:
                page.write_text(filled[page], encoding="utf-8")
                print(page)
    for line in wrong:
        print(f"{script}: {line}", file=sys.stderr)
    return int(bool(wrong))
