"""What is wrong with runs, told from their results files, checkpoints, leases and disks."""

from __future__ import annotations

import difflib
import glob
import math
import os
import shutil
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path

import numpy as np
import xarray as xr

from .results import NotAResultsFile, config, ended_early, load, rounds_done, run_files
from .tables import readable_bytes

DEFAULT_THRESHOLDS = Path(__file__).resolve().parent / "watch.toml"


class Severity(IntEnum):
    """As monitoring plugins end: with the worst that was found."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


# What can be wrong, by the name that RUNBOOK.md has it under.
ALERTS = {
    "unreadable": "the results file can't be read",
    "accuracy_falling": "the accuracy is below what it was",
    "clients_vanishing": "clients drop out",
    "updates_not_finite": "clients send NaN or Inf",
    "nothing_included": "clients answer and the model stays as it is",
    "loss_not_finite": "the loss is NaN or Inf",
    "stalled": "a job is at the run, but no round ends",
    "died": "the job has ended without a word",
    "stopped": "the run is not complete and no job is at it",
    "checkpoint_old": "there is no recent checkpoint to go on from",
    "disk_fills": "the disk is nearly full",
}


class BadThresholds(Exception):
    """The file of thresholds can't be used."""


@dataclass(frozen=True)
class Alert:
    name: str
    severity: Severity
    text: str


@dataclass
class Report:
    """What was seen of one run."""

    path: Path
    alerts: list[Alert] = field(default_factory=list)
    numbers: dict[str, float] = field(default_factory=dict)  # by METRICS
    said: str = ""  # how far it has got

    @property
    def severity(self) -> Severity:
        return max((alert.severity for alert in self.alerts), default=Severity.OK)


METRICS = {
    "rounds_done": "rounds done",
    "rounds_wanted": "rounds that the run is to have",
    "complete": "1 where the run is complete",
    "accuracy": "accuracy of the last evaluated round",
    "train_loss": "loss of the last round",
    "dropped_out_share": "share of the sampled clients that dropped out in the last rounds, but for those that were late",
    "updates_not_finite_share": "share of the updates with NaN or Inf in the last rounds, where the file can tell",
    "nothing_included_share": "share of the last rounds with answers, none of which changed the model",
    "seconds_since_round": "seconds since the results file or a checkpoint was written",
    "seconds_per_round": "median over the last rounds",
    "checkpoint_age_seconds": "seconds since the last checkpoint was written",
    "disk_free_bytes": "bytes free where the run is written",
    "disk_used_share": "share of that disk that is taken",
}

Thresholds = dict[str, dict[str, float]]


def read_thresholds(path: Path | None = None) -> Thresholds:
    """Those of the file on top of the defaults."""
    thresholds = tomllib.loads(DEFAULT_THRESHOLDS.read_text())
    if path is None:
        return thresholds
    try:
        own = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise BadThresholds(f"can't read the thresholds ({path}): {problem}") from problem
    for section, keys in own.items():
        _known(section, thresholds, path)
        if not isinstance(keys, dict):
            raise BadThresholds(f"bad threshold ({path}): {section} is not a section")
        for key, value in keys.items():
            _known(key, thresholds[section], path)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
                raise BadThresholds(f"bad threshold ({path}): {section}.{key} is not a number from 0 on")
        thresholds[section] |= keys
    return thresholds


def _known(name: str, names: Iterable[str], path: Path) -> None:
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0)
        raise BadThresholds(f"unknown threshold ({path}): {name}; did you mean {near[0]}?")


@dataclass(frozen=True)
class World:
    """What else is looked at: the time, and the disk of a folder (total, used, free)."""

    now: float
    disk: Callable[[Path], tuple[int, int, int]] = shutil.disk_usage


def look_at(path: Path, thresholds: Thresholds, world: World) -> Report:
    """One run."""
    report = Report(path)
    folder = path.parent if path.parent != Path() else Path(".")
    _look_at_disk(report, folder, thresholds["disk_fills"], world)
    try:
        _look_at_run(report, load(path), thresholds, world)
    except NotAResultsFile as problem:
        report.alerts.append(Alert("unreadable", Severity.CRITICAL, str(problem)))
    except Exception as problem:  # of whatever kind, it must not keep the other runs from being looked at
        why = f"{path}: can't be looked at ({type(problem).__name__}: {' '.join(str(problem).split())})"
        report.alerts.append(Alert("unreadable", Severity.CRITICAL, why))
    return report


def _look_at_run(report: Report, run: xr.Dataset, thresholds: Thresholds, world: World) -> None:
    report.numbers |= {
        "rounds_done": run.sizes["round"],
        "rounds_wanted": float(run.attrs["rounds"]),
        "complete": float(run.attrs["complete"]),
    }
    report.said = rounds_done(run) + (", complete: it ended early" if ended_early(run) else "")
    report.alerts += filter(None, _alerts_of(run, report.numbers, thresholds))
    if not run.attrs["complete"]:
        report.alerts += filter(None, _alerts_of_job(run, report.path, report.numbers, thresholds, world))


def look_at_all(paths: Iterable[Path], thresholds: Thresholds, world: World) -> list[Report]:
    return [look_at(path, thresholds, world) for path in run_files(paths)]


def _graded(name: str, value: float, limits: dict[str, float], text: str) -> Alert | None:
    """An alert where `value` is at a threshold or beyond."""
    for severity in (Severity.CRITICAL, Severity.WARNING):
        if value >= limits[severity.name.lower()]:
            return Alert(name, severity, text)
    return None


def _look_at_disk(report: Report, folder: Path, limits: dict[str, float], world: World) -> None:
    try:
        total, used, free = world.disk(folder)
    except OSError:
        return
    share = used / (used + free) if used + free else 1.0
    report.numbers |= {"disk_free_bytes": free, "disk_used_share": share}
    text = f"{share:.0%} of the disk is taken, {readable_bytes(free)} are free"
    report.alerts += filter(None, [_graded("disk_fills", share, limits, text)])


def _alerts_of(run: xr.Dataset, numbers: dict[str, float], thresholds: Thresholds) -> Iterator[Alert | None]:
    if not run.sizes["round"]:
        return
    yield _accuracy(run, numbers, thresholds["accuracy_falling"])
    yield from _clients(run, numbers, thresholds)
    yield _loss(run, numbers, thresholds["loss_not_finite"])


def _accuracy(run: xr.Dataset, numbers: dict[str, float], limits: dict[str, float]) -> Alert | None:
    measured = run.accuracy.dropna("round").values
    if not measured.size:
        return None
    numbers["accuracy"] = float(measured[-1])
    window = int(max(limits["rounds"], 1))
    if measured.size < window:
        return None
    means = np.convolve(measured, np.full(window, 1 / window), mode="valid")
    fall = float(means.max() - means[-1])
    text = f"{means[-1]:.2%} over the last {window} evaluated rounds, {means.max():.2%} at its best"
    return _graded("accuracy_falling", fall, limits, text)


def _clients(run: xr.Dataset, numbers: dict[str, float], thresholds: Thresholds) -> Iterator[Alert | None]:
    def share(name: str, metric: str, tell: Callable[[xr.Dataset], tuple[xr.DataArray, xr.DataArray]],
              text: str) -> Alert | None:
        """`tell` says which slots or rounds are bad, and of which that can be said."""
        limits = thresholds[name]
        bad, told = tell(run.isel(round=slice(-int(max(limits["rounds"], 1)), None)))
        found, of = int((bad & told).sum()), int(told.sum())
        if not of:
            return None
        numbers[metric] = found / of
        return _graded(name, found / of, limits, text.format(f"{found} of {of}"))

    if "client_dropped_out" not in run:  # files of an older version
        return
    yield share("clients_vanishing", "dropped_out_share",
                lambda r: (r.client_dropped_out != 0, (r.client_id >= 0) & ~_late(r)),
                "{} clients dropped out in the last rounds")
    if config(run).get("aggregation.rule") not in _RULES_THAT_LEAVE_OUT:
        yield share("updates_not_finite", "updates_not_finite_share", _not_finite,
                    "{} updates held NaN or Inf in the last rounds")
    yield share("nothing_included", "nothing_included_share", _nothing_included,
                "{} of the last rounds left the model as it is: too few updates for the rule of aggregation")


# They leave out most updates, or those that are farthest from the others, and a file doesn't say which were not finite.
_RULES_THAT_LEAVE_OUT = ("krum", "multi_krum")


def _late(run: xr.Dataset) -> xr.DataArray:
    """Clients that budget.mode = "drop" leaves out because they would be late: the file has them as dropped out, after all of
    the deadline, where one that vanished has only the time of its download."""
    if config(run).get("budget.mode") != "drop" or "client_simulated_seconds" not in run:
        return xr.zeros_like(run.client_id, dtype=bool)
    return (run.client_simulated_seconds >= config(run)["budget.deadline_s"]) & (run.client_dropped_out != 0)


def _not_finite(run: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """In a round in which nobody was included there were too few updates for the rule."""
    sampled = run.client_id >= 0
    judged = sampled & (sampled & (run.client_included != 0)).any("slot")
    return (run.client_included == 0) & (run.client_dropped_out == 0), judged


def _nothing_included(run: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """By round. One that all clients left has no answers; its clients vanish."""
    answered = (run.client_id >= 0) & (run.client_dropped_out == 0)
    return ~(answered & (run.client_included != 0)).any("slot"), answered.any("slot")


def _loss(run: xr.Dataset, numbers: dict[str, float], limits: dict[str, float]) -> Alert | None:
    """Of each loss the rounds that have one count: a round that was not evaluated has no test loss, and one that all
    clients left, or whose clients are protected, has no training loss."""
    numbers["train_loss"] = float(run.train_loss[-1])
    somebody = ((run.client_included != 0) & (run.client_id >= 0)).any("slot")
    losses = (run.test_loss[run.test_accuracy.notnull().values], run.train_loss[somebody.values])
    in_a_row = max(_at_the_end(~np.isfinite(loss.values)) for loss in losses)
    if not in_a_row:
        return None
    return _graded("loss_not_finite", in_a_row, limits, f"NaN or Inf in the last {in_a_row} rounds that have a loss")


def _at_the_end(flags: np.ndarray) -> int:
    """How many are set, up to the last."""
    return flags.size if flags.all() else int(np.argmin(flags[::-1]))


def _checkpoint_folder(run: xr.Dataset, results: Path) -> Path:
    configured = str(config(run).get("checkpoint.path", ""))
    return Path(configured) if configured else results.parent


def _about(path: Path) -> os.stat_result | None:
    """None where it has gone: checkpoints do."""
    try:
        return path.stat()
    except OSError:
        return None


def _room_for_the_next(
    checkpoints: list[os.stat_result], path: Path, folder: Path, world: World
) -> Alert | None:
    """A file is written beside the one that it replaces."""
    needed = max((about.st_size for about in checkpoints), default=0)
    try:
        free = world.disk(folder)[2]
        needed = max(needed, path.stat().st_size)
    except OSError:
        return None
    if free >= needed:
        return None
    text = f"{readable_bytes(free)} are free, and the next file takes {readable_bytes(needed)}"
    return Alert("disk_fills", Severity.CRITICAL, text)


def _lease(path: Path) -> tuple[float, dict[str, str]] | None:
    """When a run's lease was renewed, and what it says; None where there is none."""
    try:
        lines = path.read_text(errors="replace").splitlines()
        return path.stat().st_mtime, dict(line.split(" ", 1) for line in lines if " " in line)
    except OSError:
        return None


def _stem(path: Path) -> str:
    """What checkpoints and the lease of a run are named by."""
    return path.stem if path.suffix in (".h5", ".hdf5") else path.name


def _alerts_of_job(run: xr.Dataset, path: Path, numbers: dict[str, float], thresholds: Thresholds,
                   world: World) -> Iterator[Alert | None]:
    folder = _checkpoint_folder(run, path)
    stem = _stem(path)
    seen = [about for file in folder.glob(f"{glob.escape(stem)}.ckpt-*.h5") if (about := _about(file))]
    yield _room_for_the_next(seen, path, folder, world)
    checkpoints = [about.st_mtime for about in seen]
    quiet = world.now - max([path.stat().st_mtime, *checkpoints])
    numbers["seconds_since_round"] = quiet

    lease = _lease(folder / f"{stem}.lease") or _lease(path.with_name(f"{stem}.lease"))
    done = f"{rounds_done(run)} are done"
    if lease is None:
        yield Alert("stopped", Severity.WARNING, f"{done}, and no job is at it")
        return
    renewed, holder = lease
    process = f"process {holder.get('pid')} on {holder.get('host')}"
    who = f"job {holder['job']}" if holder.get("job") else process
    if world.now - renewed > float(holder.get("milliseconds", 300_000)) / 1000:
        silent = f"{who} has not renewed its lease for {_time(world.now - renewed)}"
        yield Alert("died", Severity.CRITICAL, f"{done}, and {silent}")
        return

    limits = thresholds["stalled"]
    usual = float(run.seconds_round[-20:].median()) if run.sizes["round"] else math.nan
    numbers["seconds_per_round"] = usual
    if quiet >= 60 * limits["least_minutes"]:
        if usual > 0:
            text = f"no round for {_time(quiet)}, {_time(usual)} each before; {who} is at it"
            yield _graded("stalled", quiet / usual, limits, text)
        else:  # before the first round, and where clients are protected: times would tell of them
            text = f"no round for {_time(quiet)}, and no times of rounds are recorded; {who} is at it"
            minutes = {grade: limits[f"{grade}_minutes"] for grade in ("warning", "critical")}
            yield _graded("stalled", quiet / 60, minutes, text)
    if checkpoints:
        age = world.now - max(checkpoints)
        numbers["checkpoint_age_seconds"] = age
        text = f"the last one is {_time(age)} old"
    else:
        age = float(run.seconds_round.sum())
        text = f"none in {_time(age)} of rounds"
    yield _graded("checkpoint_old", age / 60, thresholds["checkpoint_old"], text)


def _time(seconds: float) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.3g} s"


def text(reports: list[Report]) -> list[str]:
    """A line per run that is well and per alert of the others, the worst first."""
    lines = []
    for report in sorted(reports, key=lambda r: -r.severity):
        for alert in sorted(report.alerts, key=lambda a: -a.severity):
            lines.append(f"{alert.severity.name:8} {report.path} {alert.name}: {alert.text}")
        if not report.alerts:
            lines.append(f"{'OK':8} {report.path}: {report.said}")
    return lines


def prometheus(reports: list[Report], now: float) -> str:
    """The text format that node_exporter's textfile collector reads."""
    lines = []

    def metric(name: str, meaning: str, values: Iterable[tuple[str, float]]) -> None:
        lines.extend([f"# HELP feddip_{name} {meaning}", f"# TYPE feddip_{name} gauge"])
        lines.extend(f"feddip_{name}{labels} {_number(value)}" for labels, value in values)

    for name, meaning in METRICS.items():
        metric(name, meaning, [(_labels(run=r.path), r.numbers[name]) for r in reports if name in r.numbers])
    worst = [
        (_labels(run=r.path, alert=name), max((a.severity for a in r.alerts if a.name == name), default=0))
        for r in reports
        for name in ALERTS
    ]
    metric("alert", "0 where all is well, 1 for a warning, 2 where it is critical", worst)
    metric("watch_time_seconds", "when the runs were looked at, in seconds since 1970", [("", round(now))])
    return "\n".join(lines) + "\n"


def _labels(**labels: object) -> str:
    def escaped(label: object) -> str:
        return in_unicode(label).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

    return "{" + ",".join(f'{name}="{escaped(label)}"' for name, label in labels.items()) + "}"


def in_unicode(name: object) -> str:
    """Names of files may have bytes that are no UTF-8; they are written as numbers."""
    return str(name).encode(errors="backslashreplace").decode()


def _number(value: float) -> str:
    if math.isfinite(value):
        return f"{value:.10g}"
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def replace_file(path: Path, content: str) -> None:
    """The collector must not read half a file."""
    temporary = path.with_name(path.name + f".{os.getpid()}")  # it reads *.prom alone
    try:
        temporary.write_text(content, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
