"""Whether clients keep a deadline for their rounds, by the class of their links, and what to do about those that do not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from .links import Links, carries_over, client_seconds


@dataclass(frozen=True)
class Pace:
    """Of one class of clients, with what a run exchanged."""

    rate: str  # its uplink
    slowest: float  # seconds, of the rounds that were recorded
    still: float  # of them those that links of any speed would leave: latency and training
    part: float  # share of the bytes of its slowest round that fits into the deadline; below 0: nothing does

    @property
    def late(self) -> bool:
        return self.part < 1


def paces(runs: list[xr.Dataset], links: Links, seconds: float) -> list[Pace]:
    """One per class, over all runs that tell what whole models take their clients; none where none does."""
    runs = [run for run in runs if carries_over(run)]
    if not runs:
        return []
    slowest = np.max([np.nanmax(client_seconds(run, links), axis=(0, 1)) for run in runs], axis=0)
    still = np.max([np.nanmax(client_seconds(run, links.at_once()), axis=(0, 1)) for run in runs], axis=0)
    transfer = slowest - still
    nothing = np.full_like(still, -1.0)
    parts = np.divide(seconds - still, transfer, where=transfer > 0, out=nothing)
    parts[slowest <= seconds] = 1.0
    rates = links.of_class("uplink_mbit")
    return [
        Pace(f"{rate:g} Mbit/s" if rate else "unlimited", float(a), float(b), float(part))
        for rate, a, b, part in zip(rates, slowest, still, parts)
    ]


def settings(paced: list[Pace], seconds: float) -> dict[str, object]:
    """Of the config, beside those of the run; none where nobody is late or a budget can't help."""
    if not any(pace.late for pace in paced) or any(pace.part <= 0 for pace in paced):
        return {}
    return {"budget.mode": "deadline", "budget.deadline_s": seconds}


def sentence(paced: list[Pace], seconds: float) -> str:
    if not paced:
        return (
            "Whether clients keep a deadline can't be told: these runs protect them, and say nothing of single ones, or gave "
            "them budgets, and don't say what whole models would take."
        )
    late = [pace for pace in paced if pace.late]
    if not late:
        return f"All clients keep the deadline of {seconds:g} s; the slowest needs {max(p.slowest for p in paced):.2g} s."
    stuck = [pace for pace in late if pace.part <= 0]
    if stuck:
        least = max(pace.still for pace in stuck)
        return (
            f"A deadline of {seconds:g} s can't be met: latency and training alone take clients up to {least:.2g} s. "
            "Give more time, or fewer local epochs."
        )
    parts = "; ".join(
        f"at {pace.rate} up to {pace.slowest:.2g} s, so that about {100 * pace.part:.0f} % of the bytes fit" for pace in late
    )
    return (
        f"With whole models some clients are late for a deadline of {seconds:g} s: {parts}. "
        "budget.mode=deadline gives each what it can carry; what that costs in accuracy these runs don't say."
    )
