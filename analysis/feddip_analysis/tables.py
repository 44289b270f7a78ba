"""Numbers of runs as text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from . import results
from .results import Group


def readable_bytes(count: float) -> str:
    units = ("B", "kB", "MB", "GB", "TB", "PB")
    power = min(int(np.log10(count) // 3), len(units) - 1) if count >= 1 else 0
    return f"{count / 1000**power:.3g} {units[power]}" if count < 999.5e15 else f"{count:.3g} B"


def percent(share: float, digits: int = 2) -> str:
    return "not measured" if np.isnan(share) else f"{100 * share:.{digits}f} %"


def _spread(values: Sequence[float]) -> str:
    mean = float(np.mean(values))
    if np.isnan(mean) or len(values) < 2:
        return percent(mean)
    return f"{100 * mean:.2f} ± {100 * np.std(values, ddof=1):.2f} %"


def _total(run: xr.Dataset, name: str) -> float:
    return float(run[name].astype(float).sum())


def summary_rows(groups: Sequence[Group]) -> list[dict[str, str]]:
    """One row per group, cells as text; mean and standard deviation over seeds."""
    return [
        {
            "run": group.label.replace("$", "").replace("\\lambda", "lambda"),
            "seeds": str(len(group.runs)),
            "rounds": str(min(run.sizes["round"] for run in group.runs)),
            "accuracy": _spread([results.last_measured(run.accuracy) for run in group.runs]),
            "mean of last 10": _spread([results.mean_of_last(run.accuracy) for run in group.runs]),
            "sparsity": percent(np.mean([results.last_measured(run.sparsity) for run in group.runs])),
            "down": readable_bytes(np.mean([_total(run, "bytes_down") for run in group.runs])),
            "up": readable_bytes(np.mean([_total(run, "bytes_up") for run in group.runs])),
            "s per round": f"{np.mean([float(run.seconds_round.mean()) for run in group.runs]):.3g}",
        }
        for group in groups
    ]


def markdown(rows: Sequence[dict[str, str]]) -> str:
    """Rows with the same keys as a Markdown table."""
    if not rows:
        return ""
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *(list(row.values()) for row in rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _display(name: str) -> str:
    return results.DISPLAY_NAMES.get(name, name)


def _traffic(run: xr.Dataset, name: str) -> str:
    total = _total(run, name)
    dense = results.dense_bytes(run)
    share = f" ({percent(total / dense, 1)} of dense FedAvg)" if dense > 0 else ""
    return readable_bytes(total) + share


def summary_lines(run: xr.Dataset) -> list[str]:
    """Five lines on one run."""
    a = run.attrs
    state = "complete" if a["complete"] else "not complete"
    method = results.method_name(results.experiment(run))
    ran = (
        f"ran       {method}, {_display(a['model'])} on {_display(a['dataset'])}, seed {a['seed']}, "
        f"{run.sizes['round']} of {a['rounds']} rounds ({state}), {a['mpi_ranks']} rank(s)"
    )
    if run.sizes["round"] == 0:
        return [ran, "accuracy  not measured", "sparsity  -", "traffic   -", "time      -"]
    phases = results.seconds_by_phase(run)
    shares = ", ".join(f"{name} {seconds:.2g}" for name, seconds in phases.items())
    return [
        ran,
        f"accuracy  {percent(results.last_measured(run.accuracy))} at the end, "
        f"{percent(results.mean_of_last(run.accuracy))} mean of the last 10 rounds",
        f"sparsity  {percent(results.last_measured(run.sparsity))} of "
        f"{a['prunable_parameters']:,} prunable weights",
        f"traffic   {_traffic(run, 'bytes_down')} down, {_traffic(run, 'bytes_up')} up",
        f"time      {float(run.seconds_round.mean()):.3g} s per round ({shares})",
    ]
