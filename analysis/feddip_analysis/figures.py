"""The pictures of the report. A method looks the same in all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from . import plots, results, statistics, study, targets
from .decision import Decision, Option, brief
from .results import Group
from .study import Entry, Family, Final, Setting, ToTarget
from .tables import plain, sparsity_name

# Okabe and Ito's colours, with greys for what does not prune; lines and markers tell methods apart without
# them.
_LOOKS = {
    "FedAvg": ("#000000", "-", "o"),
    "FedProx": ("#5D5D5D", (0, (5, 1.5)), "v"),
    "FedDIP": ("#0072B2", "-", "s"),
    "FedDIP, regularization alone": ("#9A9A9A", (0, (4, 1, 1, 1)), ">"),
    "FedDP": ("#56B4E9", (0, (3, 1)), "D"),
    "SNIP": ("#CC79A7", (0, (6, 1.5, 1, 1.5)), "P"),
    "PruneFL": ("#D55E00", (0, (5, 1.5)), "^"),
    "PruneTrain": ("#E69F00", (0, (1, 1.2)), "X"),
    "FedDST": ("#009E73", (0, (6, 1, 1, 1, 1, 1)), "d"),
    "DisPFL": ("#9A8700", (0, (2, 2)), "h"),
    "DA-DPFL": ("#882255", (0, (4, 1, 1, 1)), "8"),
    "FLASH": ("#332288", (0, (3, 1, 1, 1, 1, 1)), "p"),
}
_VARIATION_LINES = ((0, (4, 1.2)), (0, (1, 1)), (0, (7, 2, 1, 2)), (0, (2, 1, 2, 3)))
_VARIATION_MARKERS = (">", "<", "p", "*")
MOST_CURVES = 6  # in a panel, if variations are to be among them

# Columns that speak of convergence, and what they are called.
CONVERGENCE = {
    "grad_norm_squared": r"$\Vert\nabla F(w'_t)\Vert^2$",
    "gradient_divergence": "divergence of the clients' gradients",
    "pruning_error": r"$\Vert w_t - w'_t\Vert^2\,/\,\Vert w_t\Vert^2$",
    "mask_change": "share of mask bits that change",
}


@dataclass(frozen=True)
class Picture:
    name: str  # of its files
    title: str
    caption: str
    figure: Figure


def look(entry: Entry, variation: int = 0) -> dict:
    """Colour, line and marker; variations of a method share its colour."""
    colour, line, marker = _LOOKS.get(entry.method, ("#7F7F7F", (0, (3, 3)), "*"))
    if entry.variation:
        line = _VARIATION_LINES[variation % len(_VARIATION_LINES)]
        marker = _VARIATION_MARKERS[variation % len(_VARIATION_MARKERS)]
    width = 1.8 if entry.method == "FedDIP" and not entry.variation else 1.2
    return {"color": colour, "linestyle": line, "marker": marker, "linewidth": width, "markersize": 4}


def _looks(entries: Sequence[Entry]) -> list[dict]:
    seen: list[str] = []
    found = []
    for entry in entries:
        if entry.variation and entry.name not in seen:
            seen.append(entry.name)
        found.append(look(entry, seen.index(entry.name) if entry.variation else 0))
    return found


def _panel(setting: Setting, sparsity: float | None) -> list[Entry]:
    """What does not prune, and what prunes to this sparsity."""
    at = [e for e in setting.entries if e.sparsity in (None, sparsity)]
    return at if len(at) <= MOST_CURVES else [e for e in at if not e.variation]


def legend_below(figure: Figure, rows: Sequence[Sequence[Axes]], width: float) -> None:
    handles: dict[str, object] = {}
    for axes in (a for row in rows for a in row):
        drawn, names = axes.get_legend_handles_labels()
        handles |= dict(zip(names, drawn))
    if handles:
        longest = max(len(text) for text in handles)
        fit = max(1, min(len(handles), int(width / (0.55 + 0.075 * longest))))
        columns = -(-len(handles) // -(-len(handles) // fit))  # rows of equal length
        figure.legend(handles.values(), handles.keys(), loc="lower center", ncols=columns, handlelength=3)
        height = (0.1 + 0.19 * -(-len(handles) // columns)) / figure.get_figheight()
        figure.get_layout_engine().set(rect=(0, height, 1, 1 - height))


def _grid(family: Family, draw: Callable[[Axes, list[Entry]], None]) -> Figure:
    """Partitions downwards, sparsities across."""
    sparsities: list[float | None] = list(family.sparsities()) or [None]
    rows, columns = len(family.settings), len(sparsities)
    width = 4.9 if columns == 1 else min(11.2, 0.5 + 3.1 * columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(width, 0.65 + 2.45 * rows), sharey="row", squeeze=False
    )
    for setting, line in zip(family.settings, axes):
        for sparsity, panel in zip(sparsities, line):
            draw(panel, _panel(setting, sparsity))
        for panel in line[1:]:
            panel.set_ylabel("")
        if columns > 1:
            line[0].set_ylabel(f"{setting.partition}\n{line[0].get_ylabel()}")
        else:
            line[0].set_title(", ".join([setting.partition, *_sparsity_title(sparsities[0])]))
    if columns > 1:
        for sparsity, panel in zip(sparsities, axes[0]):
            panel.set_title("".join(_sparsity_title(sparsity)))
    for panel in axes[:-1].flat:
        panel.set_xlabel("")
    legend_below(figure, axes, width)
    return figure


def _sparsity_title(sparsity: float | None) -> list[str]:
    return [] if sparsity is None else [f"sparsity {sparsity:g}"]


def curves(entry: Entry) -> xr.DataArray:
    """Smoothed accuracy as [seed, round], at the rounds that all seeds have."""
    smooth = [targets.smoothed(run.accuracy) for run in entry.group.runs]
    return xr.concat(smooth, "seed", join="inner", combine_attrs="override")


def _accuracy_curves(axes: Axes, entries: list[Entry]) -> None:
    for i, (entry, style) in enumerate(zip(entries, _looks(entries))):
        values = curves(entry)
        if values.sizes["round"]:
            marks = {"markevery": (0.03 * (i % 6), 0.2)}
            plots.band(axes, values["round"].values, values.values, plain(entry.name), style | marks)
    plots.round_axis(axes)
    axes.set_xlim(left=0)
    plots.accuracy_axis(axes, [entry.group for entry in entries], 0.15)


def _bytes_curves(axes: Axes, entries: list[Entry], unit: float) -> None:
    for i, (entry, style) in enumerate(zip(entries, _looks(entries))):
        values = curves(entry)
        if values.sizes["round"]:
            marks = {"markevery": (0.03 * (i % 6), 0.2)}
            sent = entry.group.over_seeds("bytes_total").sel(round=values["round"]).mean("seed").values
            plots.band(axes, sent / unit, values.values, plain(entry.name), style | marks)
    axes.set_xlim(left=0)
    plots.accuracy_axis(axes, [entry.group for entry in entries], 0.15)


def accuracy_over_rounds(family: Family) -> Figure:
    return _grid(family, _accuracy_curves)


def accuracy_over_bytes(family: Family) -> Figure:
    largest = max(results.whole_traffic(run) for entry in family.entries for run in entry.group.runs)

    def draw(axes: Axes, entries: list[Entry]) -> None:
        _bytes_curves(axes, entries, plots.label_bytes(axes, largest))

    return _grid(family, draw)


def _by_partition(family: Family, draw: Callable[[Axes, Setting], None], height: float = 2.9) -> Figure:
    columns = len(family.settings)
    width = 4.9 if columns == 1 else min(11.2, 0.5 + 3.6 * columns)
    figure, axes = plt.subplots(1, columns, figsize=(width, height), squeeze=False)
    for setting, panel in zip(family.settings, axes[0]):
        draw(panel, setting)
        panel.set_title(setting.partition)
    for panel in axes[0, 1:]:
        panel.set_ylabel("")
    legend_below(figure, axes, width)
    return figure


def _over_sparsity(axes: Axes, family: Family, rows: Sequence[tuple[Entry, float, float]]) -> None:
    """Value and spread of entries, over their sparsity; dashes across the width for what does not prune."""
    sparsities = family.sparsities()
    names = list(dict.fromkeys(entry.name for entry, _, _ in rows if entry.sparsity is not None))
    for name in dict.fromkeys(entry.name for entry, _, _ in rows):
        own = [row for row in rows if row[0].name == name and not np.isnan(row[1])]
        if not own:
            continue
        style = look(own[0][0], names.index(name) if name in names else 0)
        if own[0][0].sparsity is None:
            value, spread = own[0][1:]
            axes.axhline(value, label=plain(name), **(style | {"marker": "", "linewidth": 1.1}))
            if not np.isnan(spread):
                axes.axhspan(value - spread, value + spread, color=style["color"], alpha=0.09, linewidth=0)
            continue
        shift = 0.05 * (names.index(name) - (len(names) - 1) / 2)
        x = [sparsities.index(entry.sparsity) + shift for entry, _, _ in own]
        errors = np.nan_to_num([row[2] for row in own])
        axes.errorbar(
            x,
            [row[1] for row in own],
            errors,
            label=plain(name),
            capsize=2,
            elinewidth=0.9,
            **(style | {"markersize": 5}),
        )
    axes.set_xticks(range(len(sparsities)), [f"{s:g}" for s in sparsities])
    axes.set_xlim(-0.5, len(sparsities) - 0.5)
    axes.set_xlabel("sparsity at the end")


def sparsity_against_accuracy(family: Family, finals: Sequence[Final]) -> Figure | None:
    def draw(axes: Axes, setting: Setting) -> None:
        rows = [
            (row.entry, 100 * row.accuracy.mean, 100 * row.accuracy.std)
            for row in finals
            if row.setting is setting and not row.entry.variation
        ]
        _over_sparsity(axes, family, rows)
        axes.set_ylabel("final test accuracy (%)")

    return _by_partition(family, draw) if len(family.sparsities()) > 1 else None


def traffic_to_target(family: Family, rows: Sequence[ToTarget]) -> Figure | None:
    """Of those that reached the target with every run and held it."""
    there = [row for row in rows if row.held and not np.isnan(row.traffic_share)]
    if len({row.entry.sparsity for row in there} - {None}) < 2:
        return None

    def draw(axes: Axes, setting: Setting) -> None:
        own = [
            (row.entry, 100 * row.traffic_share, 100 * row.bytes.std / row.bytes.mean * row.traffic_share)
            for row in there
            if row.setting is setting and not row.entry.variation
        ]
        _over_sparsity(axes, family, own)
        axes.set_ylabel("traffic to the target\n(% of FedAvg's)")
        axes.set_ylim(bottom=0)

    return _by_partition(family, draw)


def variations(family: Family, finals: Sequence[Final]) -> Figure | None:
    """What each change does to the final accuracy, against the method's main configuration."""
    rows = []
    for row in finals:
        main = row.setting.find(row.entry.method, row.entry.sparsity)
        if row.entry.variation and main:
            compared = statistics.compare(row.entry.accuracy, main.accuracy)
            at = f"{row.setting.partition}, {sparsity_name(row.entry.sparsity)}"
            style = look(row.entry) | {"marker": "s" if study.comparable(row.entry, main) else "x"}
            rows.append((f"{plain(row.entry.name)} ({at})", compared, style))
    if not rows:
        return None
    figure, axes = plt.subplots(figsize=(7.2, 0.75 + 0.27 * len(rows)))
    for y, (_, c, style) in enumerate(reversed(rows)):
        mark = {
            "color": style["color"],
            "marker": style["marker"],
            "markersize": 5,
            "linestyle": "none",
            "elinewidth": 1.3,
        }
        error = [[100 * (c.difference - c.low)], [100 * (c.high - c.difference)]] if c.tested else None
        axes.errorbar(
            100 * c.difference, y, xerr=error, capsize=3, mfc=style["color"] if c.tested else "white", **mark
        )
    axes.axvline(0, color="#000000", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [name for name, _, _ in reversed(rows)])
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xlabel("final accuracy minus that of the main configuration (points)")
    axes.grid(axis="y", visible=False)
    return figure


def _shown(family: Family) -> list[Group]:
    """FedDIP at every sparsity of the setting in focus, and the other methods at the one in focus."""
    setting, _ = family.focus()
    feddip = [e for e in setting.main if e.method == "FedDIP"]
    chosen = [e for e in setting.main if e in feddip or e in family.in_focus()]
    return [replace(e.group, label=_full_name(e)) for e in chosen]


def _full_name(entry: Entry) -> str:
    return entry.name if entry.sparsity is None else f"{entry.name}, sparsity {entry.sparsity:g}"


def layer_densities(family: Family) -> Figure | None:
    return plots.layer_densities(_shown(family), columns=2)


def time_per_phase(family: Family) -> Figure | None:
    groups = plots.timed(_shown(family))
    if not groups:
        return None
    figure, axes = plt.subplots(figsize=(7.2, 0.95 + 0.27 * len(groups)))
    plots.time_per_phase(axes, groups)
    return figure


def mask_change(family: Family) -> Figure | None:
    """Only rounds in which a mask changed: on the others it is zero by design."""
    entries = [e for e in family.in_focus() if e.group.has("mask_change")]
    figure, axes = plt.subplots(figsize=(4.9, 3.1))
    for entry, style in zip(entries, _looks(entries)):
        mean = entry.group.over_seeds("mask_change").mean("seed")
        changed = mean.where(mean > 0, drop=True)
        if changed.sizes["round"]:
            x, y = plots.thinned(changed["round"].values), plots.thinned(changed.values)
            axes.plot(x, 100 * y, label=entry.name, markevery=max(1, len(x) // 12), **style)
    if not axes.lines:
        plt.close(figure)
        return None
    _log_axis(axes)
    axes.set_ylabel("mask bits that change (%)")
    plots.round_axis(axes)
    axes.set_xlim(left=0)
    legend_below(figure, [[axes]], 4.9)
    return figure


def _log_axis(axes: Axes) -> None:
    """Labels in decimals, also where there is less than a decade."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 300 * low else (1,)))
    axes.yaxis.set_major_formatter(FuncFormatter(_decimal))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _decimal(value: float, _position: int) -> str:
    return f"{value:g}"


def running_average(values: np.ndarray) -> np.ndarray:
    return np.cumsum(values) / np.arange(1, len(values) + 1)


def convergence(family: Family) -> Figure | None:
    """Running averages over the rounds so far, with a line of slope 1/sqrt(T)."""
    entries = family.in_focus()
    columns = [
        name
        for name in CONVERGENCE
        if any(e.group.has(name) and bool((e.group.over_seeds(name) > 0).any()) for e in entries)
    ]
    if not columns:
        return None
    width = 0.4 + 2.75 * max(len(columns), 2)
    figure, axes = plt.subplots(1, len(columns), figsize=(width, 3.2), squeeze=False)
    for name, panel in zip(columns, axes[0]):
        _running_averages(panel, entries, name)
        panel.set_title(CONVERGENCE[name])
    axes[0, 0].set_ylabel("mean over rounds 1 .. $T$")
    legend_below(figure, axes, width)
    return figure


def _running_averages(axes: Axes, entries: Sequence[Entry], name: str) -> None:
    highest = 0.0
    for entry, style in zip(entries, _looks(entries)):
        if not entry.group.has(name):
            continue
        mean = entry.group.over_seeds(name).mean("seed").dropna("round")
        average = running_average(mean.values)
        if not average.any():
            continue
        average = np.where(average > 0, average, np.nan)
        keep = np.unique(np.geomspace(1, len(average), 120).astype(int)) - 1
        axes.plot(mean["round"].values[keep], average[keep], label=entry.name, markevery=0.2, **style)
        highest = max(highest, float(average[~np.isnan(average)][0]))
    x = np.array([1.0, max((float(line.get_xdata()[-1]) for line in axes.lines), default=10.0)])
    axes.plot(
        x, 1.3 * highest / np.sqrt(x), color="#9A9A9A", linewidth=1.0, label=r"proportional to $1/\sqrt{T}$"
    )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(_decimal))
    _log_axis(axes)
    axes.set_xlabel("$T$ (rounds)")


def pictures(
    family: Family, whole: Family, finals: Sequence[Final], reached: Sequence[ToTarget], goal: str
) -> list[Picture]:
    """All that the family's runs have data for. `whole` is what of it is complete: runs that are not have curves only."""
    setting, sparsity = family.focus()
    focus = setting.partition + ("" if sparsity is None else f", sparsity {sparsity:g}")
    where = setting.partition.rstrip(".")
    spread = (
        f"Accuracy is the mean of {targets.WINDOW} evaluations around each, of fewer at the ends; lines are means over seeds, "
        "bands one standard deviation."
    )
    drawn = [
        ("accuracy-over-rounds", "Accuracy over rounds", spread, accuracy_over_rounds(family)),
        (
            "accuracy-over-bytes",
            "Accuracy over traffic",
            f"Encoded payload of the sampled clients, down and up, positions and headers included. {spread}",
            accuracy_over_bytes(family),
        ),
        (
            "sparsity-accuracy",
            "Sparsity against accuracy",
            "Final accuracy; bars are one standard deviation over seeds.",
            sparsity_against_accuracy(whole, finals),
        ),
        (
            "traffic-to-target",
            "Traffic to the target",
            f"Bytes up to the middle of the first {targets.WINDOW} evaluations whose mean reached {goal}, as a share of FedAvg's; methods "
            "are shown where every run got there and the final accuracy still is.",
            traffic_to_target(whole, reached),
        ),
        (
            "variations",
            "One thing changed at a time",
            "Difference to the method's main configuration with its 95 % interval; hollow where there are "
            "too few seeds, crossed where the densities differ too much to be compared.",
            variations(family, finals),
        ),
        (
            "layers",
            "Which layers keep their weights",
            f"Share of alive weights of each layer over the rounds, first seed; {where}.",
            layer_densities(family),
        ),
        (
            "mask-change",
            "How much masks still change",
            "Share of the prunable weights whose mask bit changes, in rounds that change any, mean over "
            f"seeds; {focus}.",
            mask_change(family),
        ),
        (
            "convergence",
            "Convergence",
            "What the convergence theorem speaks of: averages over the rounds so far, mean over the "
            f"seeds that measured it, beside a line that falls as 1/√T; {focus}.",
            convergence(family),
        ),
        (
            "time",
            "Time per phase",
            f"Mean time of a round on the machine that made the runs, first seed, {setting.partition}; it "
            "is not that of a real federation.",
            time_per_phase(family),
        ),
    ]
    return [Picture(*parts) for parts in drawn if parts[-1] is not None]


def decision(made: Decision) -> Figure:
    """Accuracy, traffic and time of what could be tried, side by side."""
    options = brief(made)
    y = np.arange(len(options))[::-1]
    with_time = any(option.seconds > 0 for option in options)
    figure, axes = plt.subplots(
        1, 3 if with_time else 2, figsize=(9.6, 0.75 + 0.3 * len(options)), sharey=True, squeeze=False
    )
    _final_accuracies(axes[0, 0], options, y, made.target)
    costs = [([o.bytes for o in options], plots.bytes_unit, "traffic to the target")]
    if with_time:
        costs.append(([o.seconds for o in options], _time_unit, "time to the target"))
    for panel, (values, unit_of, label) in zip(axes[0, 1:], costs):
        unit, name = unit_of(max((v for v in values if not np.isnan(v)), default=1.0))
        for at, option, value in zip(y, options, values):
            if np.isnan(value):
                why = "not known" if option.reached else "not reached"
                panel.annotate(
                    why, (0, at), (4, 0), textcoords="offset points", va="center", fontsize=8
                )
            else:
                hatch = "" if option is made.pilot else "///"
                colour = look(option.entry)["color"]
                panel.barh(at, value / unit, 0.6, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
        panel.set_xlabel(f"{label} ({name})")
        panel.grid(axis="y", visible=False)
        panel.set_xlim(left=0)
    names = [option.name + (" ◀" if option is made.pilot else "") for option in options]
    axes[0, 0].set_yticks(y, names)
    axes[0, 0].set_ylim(-0.7, len(options) - 0.3)
    return figure


def _final_accuracies(axes: Axes, options: Sequence[Option], y: np.ndarray, target: float) -> None:
    for at, option in zip(y, options):
        style = look(option.entry)
        error = 0.0 if np.isnan(option.accuracy.std) else 100 * option.accuracy.std
        axes.errorbar(
            100 * option.accuracy.mean,
            at,
            xerr=error,
            color=style["color"],
            marker=style["marker"],
            markersize=6,
            capsize=2,
        )
    axes.axvline(100 * target, color="#000000", linewidth=0.9, linestyle=(0, (4, 2)))
    axes.annotate(
        "target",
        (100 * target, 1),
        (2, 2),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        fontsize=8,
    )
    axes.set_xlabel("final test accuracy (%)")
    axes.grid(axis="y", visible=False)


def _time_unit(largest: float) -> tuple[float, str]:
    return next(
        ((length, name) for length, name in ((86400, "d"), (3600, "h"), (60, "min")) if largest > length),
        (1, "s"),
    )
