"""The program's own configuration."""

from __future__ import annotations

import tomllib
from pathlib import Path

from .results import flat

PROGRAM: dict[str, object] = flat(
    tomllib.loads(Path(__file__).resolve().with_name("defaults.toml").read_text(encoding="utf-8"))
)
