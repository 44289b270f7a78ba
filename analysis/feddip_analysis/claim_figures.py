"""A picture for each claim: its cases with their intervals, or for traffic the whole trade-off."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import figures, plots, study, targets
from .claims import NOT_COMPARABLE, Claim
from .figures import Picture
from .statistics import EQUIVALENT, INFERIOR, SUPERIOR
from .study import Entry, Family, Setting
from .tables import plain

_COLOURS = {SUPERIOR: "#009E73", EQUIVALENT: "#0072B2", INFERIOR: "#D55E00"}
_OPEN = "#7F7F7F"
_WIDE = 15  # points: beyond, the axis is logarithmic outside of the first two
FEWEST_BYTES = 0.003  # of the whole traffic: where curves begin


def pictures(claims: Sequence[Claim], families: Sequence[Family]) -> dict[str, Picture]:
    """By the claims' keys; none where nothing was run."""
    families, found = study.of_the_paper(families), {}
    for claim in claims:
        traffic = claim.key == "traffic"
        figure = trade_off(families) if traffic else intervals(claim)
        caption = _TRADE_OFF if traffic else _INTERVALS
        if figure:
            found[claim.key] = Picture(f"claim-{claim.key}", claim.title, caption, figure)
    return found


_INTERVALS = (
    "Differences of final accuracy, with their 95 % intervals where there are seeds enough (hollow: too few); "
    "the band is the margin within which they don't matter. Green: superior, blue: equivalent, orange: "
    "inferior, grey: inconclusive, not decided or, crossed, not comparable."
)
_TRADE_OFF = (
    f"Above, accuracy, the mean of {targets.WINDOW} evaluations around each, for all bytes so far, down and up; below, how "
    "much was pruned by then. Lines are means over seeds, bands one standard deviation; a curve ends where its "
    "run does."
)


def intervals(claim: Claim) -> Figure | None:
    """A line per case that was run."""
    cases = [case for case in claim.cases if case.run]
    if not cases:
        return None
    figure, axes = plt.subplots(figsize=(7.2, 1.0 + 0.24 * len(cases)))
    margin = 100 * claim.margin
    axes.axvspan(-margin, margin, color="#0072B2", alpha=0.1, linewidth=0)
    axes.axvline(0, color="#000000", linewidth=0.8)
    for y, case in zip(range(len(cases))[::-1], cases):
        c, colour = case.compared, _COLOURS.get(case.verdict, _OPEN)
        error = [[100 * (c.difference - c.low)], [100 * (c.high - c.difference)]] if c.tested else None
        axes.errorbar(
            100 * c.difference,
            y,
            xerr=error,
            color=colour,
            marker="x" if case.verdict == NOT_COMPARABLE else "s",
            markersize=5,
            mfc=colour if c.tested else "white",
            capsize=2.5,
            elinewidth=1.2,
        )
    reach = [abs(100 * end) for case in cases for end in (case.compared.low, case.compared.high)]
    reach += [abs(100 * case.compared.difference) for case in cases]
    if np.nanmax(reach) > _WIDE:
        axes.set_xscale("symlog", linthresh=2)
        low, high = axes.get_xlim()
        ticks = [t for t in (-50, -20, -10, -5, -2, -1, 0, 1, 2, 5, 10, 20, 50) if low <= t <= high]
        axes.set_xticks(ticks, [f"{t:+d}" if t else "0" for t in ticks])
        axes.minorticks_off()
    else:
        axes.set_xlim(-max(1.5, 1.1 * np.nanmax(reach)), max(1.5, 1.1 * np.nanmax(reach)))
    axes.set_yticks(range(len(cases)), [case.where for case in reversed(cases)])
    axes.set_ylim(-0.7, len(cases) - 0.3)
    axes.set_xlabel("final accuracy, FedDIP's minus the other's (points)")
    axes.grid(axis="y", visible=False)
    return figure


def trade_off(families: Sequence[Family]) -> Figure | None:
    """FedAvg and FedDIP on each partition of the families that have FedAvg and FedDIP."""
    settings = [
        (family, setting)
        for family in families
        for setting in family.settings
        if setting.fedavg and _feddip(setting)
    ]
    if not settings:
        return None
    columns = len(settings)
    width = 5.2 if columns == 1 else min(11.2, 3.7 * columns)
    figure, axes = plt.subplots(
        2, columns, figsize=(width, 4.6), squeeze=False, sharex="col", height_ratios=(2.2, 1)
    )
    titles = {family.title for family, _ in settings}
    for (family, setting), (above, below) in zip(settings, axes.T):
        _one_trade_off(above, below, setting)
        above.set_title(f"{family.title}\n{setting.partition}" if len(titles) > 1 else setting.partition)
    for panel in axes[:, 1:].flat:
        panel.set_ylabel("")
    figures.legend_below(figure, axes, width)
    _settle(figure)
    return figure


def _feddip(setting: Setting) -> list[Entry]:
    """As the paper configures it."""
    return [e for e in setting.main if e.method == "FedDIP" and e.sparsity is not None and not e.unlike_paper]


def _settle(figure: Figure) -> None:
    """Fixes the layout at rounded positions: panels of unequal heights come out differently in the last bits
    from one time to the next, and the same runs are to give the same bytes."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position([round(value, 6) for value in axes.get_position().bounds])


def _one_trade_off(above: Axes, below: Axes, setting: Setting) -> None:
    feddip = _feddip(setting)
    shown = [setting.fedavg, *feddip]
    largest = max(float(run.bytes_total[-1]) for entry in shown for run in entry.group.runs)
    unit = plots.label_bytes(below, largest)
    sparsities = sorted(e.sparsity for e in feddip)
    for entry in shown:
        name = entry.name if entry.sparsity is None else f"{entry.name}, s = {entry.sparsity:g}"
        style = _style(entry, sparsities)
        accuracy = figures.curves(entry)
        sent = entry.group.over_seeds("bytes_total").sel(round=accuracy["round"]).mean("seed").values
        pruned = entry.group.over_seeds("sparsity").sel(round=accuracy["round"]).mean("seed").values
        # As many points for each factor of traffic: the beginning is steep.
        keep = np.unique(np.geomspace(1, len(sent), 160).astype(int)) - 1
        mean = accuracy.mean("seed").values
        above.plot(sent[keep] / unit, mean[keep], label=plain(name), **style)
        if entry.n > 1:
            spread = accuracy.std("seed", ddof=1).values
            low, high = (mean - spread)[keep], (mean + spread)[keep]
            above.fill_between(sent[keep] / unit, low, high, color=style["color"], alpha=0.15, linewidth=0)
        below.plot(sent[keep] / unit, pruned[keep], **style)
    above.set_xscale("log")
    first = min(float(run.bytes_total[0]) for entry in shown for run in entry.group.runs)
    above.set_xlim(left=max(FEWEST_BYTES * largest, first) / unit)
    above.xaxis.set_major_formatter("{x:g}")
    plots.accuracy_axis(above, [entry.group for entry in shown], 0.03)
    below.set_ylabel("pruned (%)")
    below.yaxis.set_major_formatter(plots.percent_ticks)
    below.set_ylim(-0.04, 1.04)


_LIGHT, _DARK = np.array([0x7C, 0xC8, 0xF2]) / 255, np.array([0x00, 0x26, 0x3D]) / 255


def _style(entry: Entry, sparsities: Sequence[float]) -> dict:
    """The sparser the darker."""
    if entry.sparsity is None:
        return {"color": "#000000", "linestyle": "-", "linewidth": 1.4}
    at = sparsities.index(entry.sparsity)
    shade = at / max(1, len(sparsities) - 1)
    colour = tuple((1 - shade) * _LIGHT + shade * _DARK)
    return {"color": colour, "linestyle": plots.LINES[at % len(plots.LINES)], "linewidth": 1.6}
