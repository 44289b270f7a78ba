"""The program's own configuration."""

from __future__ import annotations

import tomllib
from pathlib import Path


def flat(sections: dict[str, object]) -> dict[str, object]:
    """A configuration as {"section.key": value}."""
    return {
        f"{section}.{key}": value
        for section, keys in sections.items()
        if isinstance(keys, dict)
        for key, value in keys.items()
    }


PROGRAM: dict[str, object] = flat(
    tomllib.loads(Path(__file__).resolve().with_name("defaults.toml").read_text(encoding="utf-8"))
)
