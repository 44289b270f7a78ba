"""Pictures of runs. Each function draws into the axes that it is given or makes a figure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from . import results
from .results import Group

# Okabe and Ito (2008), told apart with any kind of colour vision; black is left to text.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5D5D5D")
LINES = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1)), (0, (6, 1, 1, 1, 1, 1)))
HATCHES = ("", "//", "..", "\\\\", "")
STYLE = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "figure.constrained_layout.use": True,
    "font.family": "sans-serif",
    "font.size": 9,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.5,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "savefig.dpi": 200,
    "svg.hashsalt": "feddip",
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


@contextmanager
def style() -> Iterator[None]:
    with mpl.rc_context(STYLE):
        yield


def percent_ticks(share: float, _position: int) -> str:
    return f"{100 * share:g}"


def looks(n: int) -> list[dict]:
    return [
        {"color": colour, "linestyle": line}
        for colour, line, _ in zip(cycle(COLOURS), cycle(LINES), range(n))
    ]


MOST_POINTS = 150  # of a curve: more only make files large


def thinned(values: np.ndarray, most: int = MOST_POINTS) -> np.ndarray:
    """Means over windows of the last axis, so that at most so many points are left."""
    width = -(-values.shape[-1] // most)
    starts = np.arange(0, values.shape[-1], width)
    counts = np.diff(np.append(starts, values.shape[-1]))
    return np.add.reduceat(values.astype(float), starts, axis=-1) / counts


def band(axes: Axes, x: np.ndarray, curves: np.ndarray, label: str, look: dict) -> None:
    """The mean over the first axis and, of several curves, one standard deviation to both sides. Long
    curves are thinned to means over a few rounds."""
    x, mean = thinned(x), thinned(curves.mean(axis=0))
    marks = (
        {"marker": "o", "markersize": 3} if len(x) == 1 else {"markevery": (0.04, 0.16), "markersize": 3.6}
    )
    axes.plot(x, mean, label=label, **(marks | look))
    if len(curves) > 1:
        spread = thinned(curves.std(axis=0, ddof=1))
        axes.fill_between(x, mean - spread, mean + spread, color=look["color"], alpha=0.18, linewidth=0)


def _over_rounds(axes: Axes, groups: Sequence[Group], name: str) -> None:
    for group, look in zip(groups, looks(len(groups))):
        values = group.over_seeds(name).dropna("round", how="any")
        if values.sizes["round"]:
            band(axes, values["round"].values, values.values, group.label, look)
    round_axis(axes)
    axes.set_xlim(0, max((int(run["round"][-1]) for g in groups for run in g.runs), default=1))


def round_axis(axes: Axes) -> None:
    axes.set_xlabel("round")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=(1, 2, 5, 10)))


def accuracy_axis(axes: Axes, groups: Sequence[Group], quantile: float = 0.05) -> None:
    """Leaves the steep beginning out, which takes the room of what differs."""
    axes.set_ylabel("test accuracy (%)")
    axes.yaxis.set_major_formatter(percent_ticks)
    values = np.concatenate([run.accuracy.values for g in groups for run in g.runs])
    values = values[~np.isnan(values)]
    if values.size:
        low, high = np.quantile(values, quantile), values.max()
        margin = 0.06 * max(high - low, 0.01)
        axes.set_ylim(max(low - margin, 0.0), min(high + margin, 1.0))


def bytes_unit(largest: float) -> tuple[float, str]:
    """Bytes of the unit to count in, and its name."""
    units = ("B", "kB", "MB", "GB", "TB")
    power = min(int(np.log10(max(largest, 1.0)) // 3), len(units) - 1)
    return 1000.0**power, units[power]


def label_bytes(axes: Axes, largest: float) -> float:
    """Names the x axis; returns the bytes of its unit."""
    unit, name = bytes_unit(largest)
    axes.set_xlabel(f"traffic so far, down and up ({name})")
    return unit


def references(path: str | Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Curves of a CSV file with the columns round, name, name, ...; values are accuracies in 0 .. 1."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or "round" not in rows[0]:
        raise ValueError(f"{path}: needs a column 'round' and at least one row")
    curves = {}
    for name in rows[0]:
        points = [(float(row["round"]), float(row[name])) for row in rows if name != "round" and row[name]]
        if points:
            curves[name] = tuple(np.array(points).T)
    return curves


def accuracy(axes: Axes, groups: Sequence[Group], reference: dict | None = None) -> None:
    _over_rounds(axes, groups, "accuracy")
    for i, (x, y) in enumerate((reference or {}).values()):
        axes.plot(x, y, color="#9A9A9A", linewidth=0.7, zorder=1, label="reference" if i == 0 else None)
    accuracy_axis(axes, groups)


def loss(axes: Axes, groups: Sequence[Group]) -> None:
    _over_rounds(axes, groups, "test_loss")
    if not axes.lines:
        axes.clear()
        _over_rounds(axes, groups, "train_loss")
        axes.set_ylabel("training loss")
    else:
        axes.set_ylabel("test loss")
    highest = max((line.get_ydata().max() for line in axes.lines), default=1.0)
    axes.set_ylim(0, 1.06 * highest)


def accuracy_over_bytes(axes: Axes, groups: Sequence[Group]) -> None:
    largest = max((float(run.bytes_total.max()) for g in groups for run in g.runs), default=1.0)
    unit = label_bytes(axes, largest)
    for group, look in zip(groups, looks(len(groups))):
        values = group.over_seeds("accuracy").dropna("round", how="any")
        sent = group.over_seeds("bytes_total").sel(round=values["round"]).mean("seed")
        if values.sizes["round"]:
            band(axes, sent.values / unit, values.values, group.label, look)
    axes.set_xlim(left=0)
    accuracy_axis(axes, groups)


def sparsity(axes: Axes, groups: Sequence[Group]) -> None:
    _over_rounds(axes, groups, "sparsity")
    axes.set_ylabel("pruned weights (%)")
    axes.yaxis.set_major_formatter(percent_ticks)
    axes.set_ylim(-0.02, 1.02)


def timed(groups: Sequence[Group]) -> list[Group]:
    """Those whose first run has recorded times."""
    return [group for group in groups if results.is_timed(group.first)]


def time_per_phase(axes: Axes, groups: Sequence[Group]) -> None:
    phases = [results.seconds_by_phase(group.first) for group in groups]
    y = np.arange(len(groups))[::-1]
    left = np.zeros(len(groups))
    for name, colour, hatch in zip(phases[0], COLOURS, HATCHES):
        width = np.array([p[name] for p in phases])
        colour = "#BFBFBF" if name == "other" else colour
        axes.barh(y, width, 0.6, left, label=name, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
        left += width
    axes.set_yticks(y, [group.label for group in groups])
    axes.set_xlabel("mean time of a round (s)")
    axes.grid(axis="y", visible=False)
    axes.set_ylim(-0.6, len(groups) - 0.4)
    axes.legend(ncols=len(phases[0]), loc="lower center", bbox_to_anchor=(0.5, 1.0), handlelength=1.2)


def _has_mask(group: Group) -> bool:
    density = group.first.layer_density
    return density.size > 0 and bool((density < 1).any())


def layer_densities(groups: Sequence[Group], columns: int = 1) -> Figure | None:
    """A heat map per group of its first run, layers downwards; nothing where no run prunes."""
    shown = [group for group in groups if _has_mask(group)]
    if not shown:
        return None
    columns = min(columns, len(shown))
    rows = -(-len(shown) // columns)
    height = max(max(1.3, 0.17 * group.first.sizes["layer"]) + 0.45 for group in shown)
    figure, axes = plt.subplots(
        rows, columns, figsize=(6.4 if columns == 1 else 5.2 * columns, height * rows + 0.2), squeeze=False
    )
    for panel in axes.flat[len(shown) :]:
        panel.remove()
    for panel, group in zip(axes.flat, shown):
        image = heat_map(panel, group.first.layer_density)
        panel.set_title(group.label)
    for panel in axes.flat[max(len(shown) - columns, 0) : len(shown)]:
        round_axis(panel)
    left = list(axes.flat[: len(shown)])
    bar = figure.colorbar(image, ax=left, label="alive weights (%)", extend="min", aspect=12 + 12 * rows)
    bar.set_ticks([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0], labels=["1", "2", "5", "10", "20", "50", "100"])
    bar.minorticks_off()
    return figure


def heat_map(axes: Axes, density: xr.DataArray) -> mpl.image.AxesImage:
    first, last = float(density["round"][0]), float(density["round"][-1])
    layers = density.sizes["layer"]
    image = axes.imshow(
        density.values.T,
        aspect="auto",
        cmap="viridis",
        norm=LogNorm(0.01, 1.0),
        interpolation="nearest",
        extent=(first - 0.5, last + 0.5, layers - 0.5, -0.5),
    )
    names = [str(name).removesuffix(".weight") for name in density["layer"].values]
    axes.set_yticks(range(layers), names, fontsize=8 if layers <= 12 else 6)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=(1, 2, 5, 10)))
    axes.grid(visible=False)
    return image


def single(draw: Callable[[Axes], None], legend: bool = True) -> Figure:
    figure, axes = plt.subplots(figsize=(4.6, 3.1))
    draw(axes)
    if legend and axes.lines:
        axes.legend(loc="best")
    return figure


def overview(groups: Sequence[Group], reference: dict | None = None) -> Figure:
    """Accuracy and loss over rounds, accuracy over bytes and sparsity, with one legend."""
    columns = 2
    rows_of_legend = -(-(len(groups) + (reference is not None)) // columns)
    height = 0.2 * rows_of_legend
    figure, axes = plt.subplot_mosaic(
        [["accuracy", "loss"], ["bytes", "sparsity"], ["legend", "legend"]],
        figsize=(7.2, 4.9 + height),
        gridspec_kw={"height_ratios": [2.3, 2.3, height]},
    )
    accuracy(axes["accuracy"], groups, reference)
    loss(axes["loss"], groups)
    accuracy_over_bytes(axes["bytes"], groups)
    sparsity(axes["sparsity"], groups)
    axes["legend"].axis("off")
    handles, labels = axes["accuracy"].get_legend_handles_labels()
    if handles:
        axes["legend"].legend(handles, labels, loc="center", ncols=columns, handlelength=3)
    figure.suptitle(_title(groups), fontsize=10)
    return figure


def _title(groups: Sequence[Group]) -> str:
    def one(name: str) -> str:
        values = {results.DISPLAY_NAMES.get(g.first.attrs[name], g.first.attrs[name]) for g in groups}
        return values.pop() if len(values) == 1 else "several " + name + "s"

    return f"{one('model')} on {one('dataset')}"


def figures(groups: Sequence[Group], reference: dict | None = None) -> dict[str, Figure]:
    """All pictures by name."""
    drawn = {
        "overview": overview(groups, reference),
        "accuracy": single(lambda axes: accuracy(axes, groups, reference)),
        "loss": single(lambda axes: loss(axes, groups)),
        "traffic": single(lambda axes: accuracy_over_bytes(axes, groups)),
        "sparsity": single(lambda axes: sparsity(axes, groups)),
        "layers": layer_densities(groups),
        "time": _time(groups),
    }
    return {name: figure for name, figure in drawn.items() if figure is not None}


def _time(groups: Sequence[Group]) -> Figure | None:
    groups = timed(groups)
    if not groups:
        return None
    figure, axes = plt.subplots(figsize=(6.0, 1.2 + 0.42 * len(groups)))
    time_per_phase(axes, groups)
    return figure


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """As SVG and PNG; the same runs give the same bytes."""
    paths = [folder / f"{name}.svg", folder / f"{name}.png"]
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    paths[0].write_text(_rounded(text.getvalue()), encoding="utf-8")
    figure.savefig(paths[1], metadata={"Software": None})
    plt.close(figure)
    return paths


def _rounded(svg: str) -> str:
    """Paths to a hundredth of a point: nobody sees more, and curves take half the room."""
    return re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), svg)
