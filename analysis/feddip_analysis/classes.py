"""What a model knows of each class (analysis.class_accuracy): who leaves clients out may leave their classes out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import plots
from .results import LAST_ROUNDS, Group


MARKERS = "os^Dvph"


def final_by_class(run: xr.Dataset) -> np.ndarray:
    """[class] Mean of the last evaluations, ten at most; NaN for a class that is not tested."""
    measured = run.class_accuracy.dropna("round", how="all")
    return measured.isel(round=slice(-LAST_ROUNDS, None)).mean("round").values


def by_class(axes: Axes, groups: Sequence[Group]) -> None:
    """A point per group and class, the mean over seeds, with their range."""
    width = 0.7 / len(groups)
    for at, (group, look) in enumerate(zip(groups, plots.looks(len(groups)))):
        values = np.array([final_by_class(run) for run in group.runs])
        mean = values.mean(axis=0)
        where = np.arange(len(mean)) + (at - (len(groups) - 1) / 2) * width
        spread = [mean - values.min(axis=0), values.max(axis=0) - mean]
        axes.errorbar(where, mean, yerr=spread, fmt=MARKERS[at % len(MARKERS)], markersize=4, linewidth=0.8, color=look["color"],
                      label=group.label)
    axes.set_xticks(np.arange(values.shape[1]))
    axes.set_ylim(-0.02, 1)
    axes.yaxis.set_major_formatter(plots.percent_ticks)
    axes.set_xlabel("class")
    axes.set_ylabel("accuracy at the end (%)")


def figures(groups: Sequence[Group]) -> dict[str, Figure]:
    measured = [g for g in groups if all("class_accuracy" in run for run in g.runs)]
    if not measured:
        return {}
    return {"classes": plots.single(lambda axes: by_class(axes, measured))}
