"""How far a measurement is, on stderr: a line that is written over on a terminal, and else one now and then."""

from __future__ import annotations

import sys
import time

SECONDS_BETWEEN = (0.5, 20.0)  # on a terminal, in a log


class Progress:
    def __init__(self, what: str, total: int):
        self._what, self._total, self._done = what, total, 0
        self._terminal = sys.stderr.isatty()
        self._start = self._last = time.monotonic()

    def step(self) -> None:
        self._done += 1
        now = time.monotonic()
        ended = self._done == self._total
        if now - self._last < SECONDS_BETWEEN[not self._terminal] and not ended:
            return
        self._last = now
        rate = self._done / max(now - self._start, 1e-9)
        left = (self._total - self._done) / rate
        text = f"{self._what} {self._done}/{self._total}  {rate:.2g}/s  {left:.0f} s left"
        end = "" if self._terminal and not ended else "\n"
        print(f"\r{text:<60}" if self._terminal else text, end=end, file=sys.stderr, flush=True)
