"""Numbers of runs as text."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from . import results, study
from .results import Group
from .statistics import FEWEST_SEEDS, Comparison, Mean, mean_of
from .study import Entry, Family, Final, ToTarget, display

MISSING = "–"


@dataclass(frozen=True)
class Column:
    """`text` makes the cell for the eye; `values` the columns of the CSV file, in plain numbers."""

    title: str
    text: Callable[[object], str]
    values: dict[str, Callable[[object], object]]
    number: bool = True  # aligned to the right


@dataclass(frozen=True)
class Table:
    """Rows of any kind, and how to show them."""

    name: str  # of its files
    caption: str
    columns: list[Column]
    rows: list

    @property
    def head(self) -> list[str]:
        return [column.title for column in self.columns]

    def cells(self) -> list[list[str]]:
        return [[column.text(row) for column in self.columns] for row in self.rows]

    def markdown(self) -> str:
        return markdown_lines([self.head, *self.cells()])

    def csv(self) -> str:
        names = [(name, value) for column in self.columns for name, value in column.values.items()]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(name for name, _ in names)
        writer.writerows([_plain(value(row)) for _, value in names] for row in self.rows)
        return text.getvalue()

    def latex(self) -> str:
        """A tabular of booktabs."""
        aligned = "".join("r" if column.number else "l" for column in self.columns)
        rows = [[_latex(cell) for cell in cells] for cells in [self.head, *self.cells()]]
        lines = [" & ".join(row) + r" \\" for row in rows]
        return "\n".join(
            [
                f"% {_latex(self.caption)}",
                rf"\begin{{tabular}}{{{aligned}}}",
                r"\toprule",
                lines[0],
                r"\midrule",
            ]
            + lines[1:]
            + [r"\bottomrule", r"\end{tabular}", ""]
        )

    def save(self, folder: Path) -> list[Path]:
        texts = {"md": self.markdown(), "csv": self.csv(), "tex": self.latex()}
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{self.name}.{ending}" for ending in texts]
        for path, text in zip(paths, texts.values()):
            path.write_text(text, encoding="utf-8")
        return paths


def _plain(value: object) -> object:
    return "" if value is None or isinstance(value, float) and math.isnan(value) else value


_LATEX = {
    "\\": r"\textbackslash{}",
    **{c: "\\" + c for c in "&%$#_{}"},
    "±": r"$\pm$",
    "−": "$-$",
    "λ": r"$\lambda$",
    "–": "--",
    "×": r"$\times$",
    "<": "$<$",
    "~": r"\textasciitilde{}",
}


def _latex(text: str) -> str:
    return "".join(_LATEX.get(c, c) for c in text)


def readable_bytes(count: float) -> str:
    units = ("B", "kB", "MB", "GB", "TB", "PB")
    if np.isnan(count):
        return MISSING
    count = float(f"{count:.3g}")  # as it will be shown: 999.9 kB are 1 MB
    power = min(int(np.log10(count) // 3), len(units) - 1) if count >= 1 else 0
    return f"{count / 1000**power:.3g} {units[power]}" if count < 1e18 else f"{count:.3g} B"


def percent(share: float, digits: int = 2) -> str:
    return "not measured" if np.isnan(share) else f"{100 * share:.{digits}f} %"


def points(share: float, digits: int = 2) -> str:
    """A difference of two shares in percentage points, signed."""
    return MISSING if np.isnan(share) else f"{100 * share:+.{digits}f}".replace("-", "−")


def spread(accuracy: Mean) -> str:
    """Percent, mean and standard deviation."""
    if accuracy.n < 2:
        return percent(accuracy.mean)
    return f"{100 * accuracy.mean:.2f} ± {100 * accuracy.std:.2f} %"


def duration(seconds: float) -> str:
    if np.isnan(seconds):
        return MISSING
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * length:
            count = float(f"{seconds / length:.3g}")
            return f"{count:.0f} {unit}" if count >= 1000 else f"{count:.3g} {unit}"
    return f"{seconds:.3g} s"


def p_value(p: float) -> str:
    if np.isnan(p):
        return MISSING
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def _spread(values: Sequence[float]) -> str:
    return spread(mean_of(values))


def _total(run: xr.Dataset, name: str) -> float:
    return float(run[name].astype(float).sum())


def summary_rows(groups: Sequence[Group]) -> list[dict[str, str]]:
    """One row per group, cells as text; mean and standard deviation over seeds. Runs that are not complete are named."""
    return [row for group in groups for row in _rows_of(group)]


def _evaluations(runs: Sequence[xr.Dataset]) -> str:
    """How many the last rounds have, where these were not all evaluated."""
    fewest = min((results.evaluations(run.accuracy) for run in runs), default=results.LAST_ROUNDS)
    return f" ({fewest} evaluation{'' if fewest == 1 else 's'})" if 0 < fewest < results.LAST_ROUNDS else ""


NO_TIMES = "not recorded: it protects its clients"


def _seconds(runs: Sequence[xr.Dataset]) -> str:
    timed = [float(run.seconds_round.mean()) for run in runs if results.is_timed(run)]
    return f"{np.mean(timed):.3g}" if timed else NO_TIMES


def _rounds(runs: Sequence[xr.Dataset]) -> str:
    if not runs:
        return "0"
    shortest = min(runs, key=lambda run: run.sizes["round"])
    return f"{results.rounds_done(shortest)}, ended early" if results.ended_early(shortest) else str(shortest.sizes["round"])


def _rows_of(group: Group) -> list[dict[str, str]]:
    name = plain(group.label)
    done = [run for run in group.runs if results.is_complete(run)]
    whole = {
        "run": name,
        "seeds": str(len(done)),
        "rounds": _rounds(done),
        "accuracy": _spread([results.last_measured(run.accuracy) for run in done]),
        "mean of last 10": _spread([results.mean_of_last(run.accuracy) for run in done]) + _evaluations(done),
        "sparsity": percent(mean_of([results.last_measured(run.sparsity) for run in done]).mean),
        "down": readable_bytes(mean_of([_total(run, "bytes_down") for run in done]).mean),
        "up": readable_bytes(mean_of([_total(run, "bytes_up") for run in done]).mean),
        "s per round": _seconds(done),
    }
    others = [
        dict.fromkeys(whole, MISSING)
        | {"run": f"{name}, seed {run.attrs['seed']}", "seeds": "1", "rounds": results.progress(run)}
        for run in group.runs
        if not results.is_complete(run)
    ]
    return [whole, *others] if done else others


def markdown(rows: Sequence[dict[str, str]]) -> str:
    """Rows with the same keys as a Markdown table."""
    if not rows:
        return ""
    return markdown_lines([list(rows[0]), *(list(row.values()) for row in rows)])


def markdown_lines(lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose first line is its head."""
    ruled = [lines[0], ["---"] * len(lines[0]), *lines[1:]]
    return "".join("| " + " | ".join(line) + " |\n" for line in ruled)


def plain(label: str) -> str:
    """A label without the marks of mathematics."""
    return label.replace("$", "").replace("\\lambda", "λ")


def from_rows(name: str, caption: str, rows: Sequence[dict[str, str]]) -> Table:
    """Of cells that are text already."""
    columns = [
        Column(key, lambda row, key=key: row[key], {key: lambda row, key=key: row[key]}, number=i > 0)
        for i, key in enumerate(rows[0])
    ]
    return Table(name, caption, columns, list(rows))


def _traffic(run: xr.Dataset, name: str) -> str:
    total = _total(run, name)
    dense = results.dense_bytes(run)
    share = f" ({percent(total / dense, 1)} of dense FedAvg)" if dense > 0 else ""
    return readable_bytes(total) + share


def summary_lines(run: xr.Dataset) -> list[str]:
    """Five lines on one run."""
    a = run.attrs
    state = "complete, ended early" if results.ended_early(run) else "complete" if a["complete"] else "not complete"
    method = results.method_name(results.experiment(run))
    ran = (
        f"ran       {method}, {display(a['model'])} on {display(a['dataset'])}, seed {a['seed']}, "
        f"{results.rounds_done(run)} ({state}), {a['mpi_ranks']} rank(s)"
    )
    if run.sizes["round"] == 0:
        return [ran, "accuracy  not measured", "sparsity  -", "traffic   -", "time      -"]
    time = NO_TIMES
    if results.is_timed(run):
        shares = ", ".join(f"{name} {seconds:.2g}" for name, seconds in results.seconds_by_phase(run).items())
        time = f"{_seconds([run])} s per round ({shares})"
    return [
        ran,
        f"accuracy  {percent(results.last_measured(run.accuracy))} at the end, "
        f"{percent(results.mean_of_last(run.accuracy))} mean of the last 10 rounds{_evaluations([run])}",
        f"sparsity  {percent(results.last_measured(run.sparsity))} of {a['prunable_parameters']:,} prunable "
        "weights",
        f"traffic   {_traffic(run, 'bytes_down')} down, {_traffic(run, 'bytes_up')} up",
        f"time      {time}",
    ]


# The tables of the report.


def _share(share: float) -> str:
    return MISSING if np.isnan(share) else percent(share, 0)


def sparsity_name(sparsity: float | None) -> str:
    return "dense" if sparsity is None else f"{sparsity:g}"


def _identity() -> list[Column]:
    """The columns that say what a row is about."""
    return [
        Column(
            "partition", lambda r: r.setting.partition, {"partition": lambda r: r.setting.partition}, False
        ),
        Column(
            "method",
            lambda r: plain(r.entry.name),
            {"method": lambda r: r.entry.method, "variation": lambda r: plain(r.entry.variation)},
            False,
        ),
        Column(
            "sparsity", lambda r: sparsity_name(r.entry.sparsity), {"sparsity": lambda r: r.entry.sparsity}
        ),
    ]


def _mean_values(name: str, of: Callable[[object], Mean]) -> dict[str, Callable[[object], object]]:
    return {
        f"{name}_mean": lambda r: of(r).mean,
        f"{name}_std": lambda r: of(r).std,
        f"{name}_n": lambda r: of(r).n,
    }


def accuracy_of(entry: Entry) -> str:
    """Final accuracy in percent over the seeds; where some ended near chance, what became of them and of the
    others. A dagger where the mask changes to the end, and the rounds of runs that ended early."""
    dagger = ("" if entry.settles else " †") + ended_early(entry)
    if not entry.fates:
        return spread(entry.final) + dagger
    counts = Counter(entry.fates.values())
    said = ", ".join(f"{count} of {entry.n} {fate}" for fate, count in sorted(counts.items()))
    return said + (f", others {spread(entry.others)}" if entry.others.n else "") + dagger


def ended_early(entry: Entry) -> str:
    return f", ended early ({entry.ended_early})" if entry.ended_early else ""


def comparison(compared: Comparison | None) -> str:
    """Difference in points with its 95 % interval, or the seeds that were too few for one."""
    if compared is None or not compared.n:
        return MISSING
    if not compared.tested:
        return f"{points(compared.difference)} ({compared.n} seed{'' if compared.n == 1 else 's'})"
    return f"{points(compared.difference)} [{points(compared.low)}, {points(compared.high)}]"


def _against(rival: str) -> Column:
    name = rival.lower()

    def value(field: str) -> Callable[[Final], object]:
        return lambda row: getattr(row.against[rival], field) if rival in row.against else None

    fields = {"": "difference", "_low": "low", "_high": "high", "_seeds": "n"}
    return Column(
        f"minus {rival}, points",
        lambda row: comparison(row.against.get(rival)),
        {f"minus_{name}{ending}": value(field) for ending, field in fields.items()},
    )


def measured(family: Family) -> str:
    """What final accuracy is the mean of."""
    lengths = list(dict.fromkeys(setting.last for setting in family.settings))
    rounds = " or ".join(map(str, lengths))
    where = " (by partition)" if len(lengths) > 1 else ""
    counts = list(dict.fromkeys(setting.evaluations for setting in family.settings))
    if counts != lengths:
        where += f", {' or '.join(map(str, counts))} evaluation{'' if counts == [1] else 's'}"
    dagger = "" if all(entry.settles for entry in family.entries) else "; † the mask changes to the end"
    return f"the mean of the last {rounds} rounds{where}, in which no mask changes{dagger}"


def final_table(family: Family, rows: Sequence[Final], name: str = "final-accuracy") -> Table:
    """Every method, sparsity and partition on a line."""
    columns = [
        *_identity(),
        Column(
            "accuracy",
            lambda r: accuracy_of(r.entry),
            _mean_values("accuracy", lambda r: r.accuracy)
            | {"near_chance": lambda r: len(r.entry.fates)}
            | _mean_values("others", lambda r: r.entry.others),
        ),
        Column("n", lambda r: str(r.accuracy.n), {}),
        Column("density", lambda r: percent(r.density), {"density": lambda r: r.density}),
        _against("FedAvg"),
        _against("FedDIP"),
        Column("traffic", lambda r: readable_bytes(r.bytes.mean), _mean_values("bytes", lambda r: r.bytes)),
        Column(
            "of FedAvg's", lambda r: _share(r.traffic_share), {"share_of_fedavg": lambda r: r.traffic_share}
        ),
    ]
    caption = (
        f"Final accuracy, {measured(family)}: mean ± standard deviation over n seeds. Density is the share of "
        "the prunable weights that is left. Differences in percentage points over the seeds in common, with "
        f"their 95 % interval from {FEWEST_SEEDS} seeds on, uncorrected (the verdicts are with the claims); "
        f"from FedDIP's at the same sparsity where the densities differ by no more than "
        f"{100 * study.DENSITY_TOLERANCE:g} %. Traffic is that of the whole run, down and up."
    )
    if any(entry.ended_early for entry in family.entries):
        caption += " Runs that ended early, complete, since their epsilon was spent, are compared with none and in no claim."
    return Table(name, caption, columns, list(rows))


@dataclass(frozen=True)
class _Matrix:
    partition: str
    method: str
    cells: dict[float | None, Final]


def matrix_table(family: Family, rows: Sequence[Final], name: str = "accuracy-matrix") -> Table:
    """Methods downwards for each partition, sparsities across."""
    by_line: dict[tuple[str, str], dict[float | None, Final]] = {}
    for row in rows:
        if not row.entry.variation:
            by_line.setdefault((row.setting.partition, row.entry.method), {})[row.entry.sparsity] = row
    sparsities = family.sparsities()
    if any(None in cells for cells in by_line.values()):
        sparsities = [None, *sparsities]

    def column(sparsity: float | None) -> Column:
        def cell(line: _Matrix) -> str:
            found = line.cells.get(sparsity)
            if not found:
                return MISSING
            return f"{accuracy_of(found.entry).replace(' %', '')} ({found.accuracy.n})"

        def value(field: str) -> Callable[[_Matrix], object]:
            return (
                lambda line: getattr(line.cells[sparsity].accuracy, field) if sparsity in line.cells else None
            )

        title = "dense" if sparsity is None else f"s = {sparsity:g}"
        key = "dense" if sparsity is None else f"s{sparsity:g}"
        values = {f"{key}_{field}": value(field) for field in ("mean", "std", "n")}
        return Column(title, cell, values)

    columns = [
        Column("partition", lambda line: line.partition, {"partition": lambda line: line.partition}, False),
        Column("method", lambda line: line.method, {"method": lambda line: line.method}, False),
        *map(column, sparsities),
    ]
    caption = (
        f"Final accuracy in percent by method and scheduled sparsity, {measured(family)}: mean ± standard "
        "deviation (number of seeds)."
    )
    return Table(name, caption, columns, [_Matrix(*key, cells) for key, cells in by_line.items()])


def target_table(rows: Sequence[ToTarget], name: str = "to-target", left_out: Iterable[str] = ()) -> Table:
    columns = [
        *_identity(),
        Column("target", lambda r: percent(r.target), {"target": lambda r: r.target}),
        Column(
            "reached by",
            lambda r: f"{r.reached} of {r.entry.n}" + (", not held" if r.reached and not r.held else ""),
            {"reached": lambda r: r.reached, "runs": lambda r: r.entry.n, "held": lambda r: int(r.held)},
        ),
        Column("rounds", lambda r: _count(r.rounds), _mean_values("rounds", lambda r: r.rounds)),
        Column(
            "sparsity then",
            lambda r: MISSING if r.entry.sparsity is None else _share(r.sparsity.mean),
            _mean_values("sparsity_then", lambda r: r.sparsity),
        ),
        Column("traffic", lambda r: readable_bytes(r.bytes.mean), _mean_values("bytes", lambda r: r.bytes)),
        Column(
            "of FedAvg's", lambda r: _share(r.traffic_share), {"share_of_fedavg": lambda r: r.traffic_share}
        ),
        Column(
            "simulated time", lambda r: duration(r.seconds.mean), _mean_values("seconds", lambda r: r.seconds)
        ),
    ]
    caption = (
        "What it took to reach the target, and the sparsity in that round: means over the runs that did; it is "
        "not held where not all runs reach it or the final accuracy is lower. Traffic is down and up, summed "
        "over the sampled clients."
    )
    return Table(name, " ".join([caption, *left_out]), columns, list(rows))


def _count(mean: Mean) -> str:
    if not mean.n:
        return MISSING
    return f"{mean.mean:.0f}" if mean.n < 2 else f"{mean.mean:.0f} ± {mean.std:.0f}"
