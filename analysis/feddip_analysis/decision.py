"""For the person who decides: what FedDIP would cost and save in a federation of theirs, from recorded
runs."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import xarray as xr

from . import deadline as deadline_module
from . import links as links_module
from . import results, statistics, study, targets
from .defaults import PROGRAM
from .links import Links, with_links
from .statistics import Mean
from .study import Entry, Family, Setting
from .tables import Column, Table, duration, ended_early, percent, plain, readable_bytes, sparsity_name, spread

_SAID_TO_CHECK = (
    "data.dataset",
    "data.partition",
    "model.name",
    "method.name",
    "federation.rounds",
    "sparsity.target",
)
ITS_CONFIG = "CONFIG.toml is an empty file, or has the layers of a network of yours"
CLOSE = 1.1  # times the least cost: such settings count as equally cheap


@dataclass(frozen=True)
class Question:
    """None: as in the runs."""

    model: str | None = None
    dataset: str | None = None
    partition: str | None = None  # "iid", "pathological", "dirichlet"
    clients: int | None = None
    clients_per_round: int | None = None
    links: Links | None = None
    target: float | None = None  # accuracy
    fraction: float = 0.95  # of FedAvg's final accuracy, where there is no target
    minimize: str = "time"  # or "traffic"
    deadline: float | None = None  # seconds that a client's round may take


@dataclass(frozen=True)
class Option:
    """One setting that could be tried. Means over the runs that reached the target."""

    entry: Entry
    accuracy: Mean  # final
    reached: int  # of entry.n runs
    rounds: float
    sparsity: float  # in that round, not at the end
    bytes: float  # at the server, down and up
    client_bytes: float  # of one client on average
    seconds: float  # until the target, over the links
    still_seconds: float  # of them those that links of any speed would leave: latency and training
    bytes_share: float  # of FedAvg's
    seconds_share: float

    @property
    def name(self) -> str:
        return entry_name(self.entry)


def entry_name(entry: Entry) -> str:
    name = plain(entry.name)
    return name if entry.sparsity is None else f"{name} at sparsity {entry.sparsity:g}"


@dataclass(frozen=True)
class Decision:
    family: Family
    setting: Setting
    links: Links
    links_from: str  # where the links come from
    clients: int
    clients_per_round: int
    target: float
    options: list[Option]
    best: Option | None  # by what was to be minimized
    pilot: Option | None  # what to try first: the best, or where that is FedAvg what saves most traffic
    headline: str
    reasons: list[str]
    warnings: list[str]
    watch: str  # what the pilot should show half way; "" without one
    deadline: str  # whether the pilot keeps it, and what to do; "" without one
    check: str  # what makes the program predict the pilot; "" without one


def decide(families: Sequence[Family], question: Question = Question()) -> Decision:
    """Raises ValueError where no runs fit the question."""
    (family, setting), passed_over = _runs_for(study.complete(families), question)
    recorded = (_recorded(family, "clients", 50), _recorded(family, "clients_per_round", 5))
    clients = question.clients or recorded[0]
    per_round = question.clients_per_round or min(recorded[1], clients)
    if not 1 <= per_round <= clients:
        raise ValueError(
            f"{per_round} clients per round of {clients}: there must be 1 or more, and no more than there are"
        )
    links, origin = _links(setting, question)
    target = setting.target(question.fraction, question.target)
    if target is None:
        raise ValueError("give a target accuracy: there is no run of FedAvg to derive it from")
    options = _options(setting, target, links, clients, per_round, recorded[1])
    candidates = [o for o in options if o.entry is setting.fedavg or o.entry.sparsity is not None]
    best = _best(candidates, target, question.minimize)
    saver = _best(candidates, target, "traffic")
    pilot = saver if best and saver and best.entry is setting.fedavg and saver.bytes < best.bytes else best
    kept, budget = _deadline(pilot, links, question.deadline)
    return Decision(
        family=family,
        setting=setting,
        links=links,
        links_from=origin,
        clients=clients,
        clients_per_round=per_round,
        target=target,
        options=options,
        best=best,
        pilot=pilot,
        headline=_headline(best, pilot),
        reasons=_reasons(best, pilot, options, target, setting, links),
        warnings=_warnings(pilot, options, recorded, (clients, per_round), setting, origin)
        + _one_seed(pilot, candidates, target)
        + _variations(setting)
        + _other_runs(passed_over),
        watch=watch(pilot, target) if pilot and pilot.entry.sparsity is not None else "",
        deadline=kept,
        check=check_command(pilot, links, clients, per_round, budget) if pilot else "",
    )


def _deadline(pilot: Option | None, links: Links, seconds: float | None) -> tuple[str, dict[str, object]]:
    if pilot is None or seconds is None:
        return "", {}
    paced = deadline_module.paces(pilot.entry.group.runs, links, seconds)
    return deadline_module.sentence(paced, seconds), deadline_module.settings(paced, seconds)


def _recorded(family: Family, key: str, default: int) -> int:
    return int(family.federation.get(key, default))


Runs = tuple[Family, Setting]


def _runs_for(families: Sequence[Family], question: Question) -> tuple[Runs, list[Runs]]:
    """Those that fit, the nearest to the number of clients, then those without attack, drift or protection, then those with
    FedAvg, then the longest, then most runs; and those that but for length and number would have done as well."""
    recorded = [
        (family, setting)
        for family in families
        for setting in family.settings
        if any(entry.method not in study.PERSONAL for entry in setting.entries)
    ]
    found = [
        (family, setting)
        for family, setting in recorded
        if question.model in (None, family.model)
        and question.dataset in (None, family.dataset)
        and question.partition in (None, _partition(setting))
    ]
    if not found:
        there = sorted({f"{f.model} {f.dataset} {_partition(s)}" for f, s in recorded})
        raise ValueError(f"no runs fit; there are: {', '.join(there) or 'no complete ones of a model for all'}")

    def weight(candidate: Runs) -> tuple:
        family, setting = candidate
        off = abs(_recorded(family, "clients", 50) - question.clients) if question.clients else 0
        prunes = any(e.sparsity is not None for e in setting.main)
        plain_runs = not study.beside_the_claims(family.keys)
        fit = -off, plain_runs, setting.fedavg is not None and prunes
        return fit, _recorded(family, "rounds", 0), _runs(setting)

    first, *others = sorted(found, key=weight, reverse=True)
    return first, [other for other in others if weight(other)[0] == weight(first)[0]]


def _runs(setting: Setting) -> int:
    return sum(entry.n for entry in setting.entries)


def _partition(setting: Setting) -> str:
    return str(setting.entries[0].group.experiment.get("data.partition", "iid"))


def _links(setting: Setting, question: Question) -> tuple[Links, str]:
    if question.links:
        return question.links, "as given"
    recorded = (links_module.of_run(run) for entry in setting.entries for run in entry.group.runs)
    first = next((links for links in recorded if links), None)
    return (first, "as configured in the runs") if first else (links_module.ASSUMED, "assumed")


def _options(
    setting: Setting, target: float, links: Links, clients: int, per_round: int, recorded_per_round: int
) -> list[Option]:
    found = []
    for entry in (e for e in setting.main if e.method not in study.PERSONAL):
        arrived = [_spent(run, target, links, per_round) for run in entry.group.runs]
        arrived = [spent for spent in arrived if spent is not None]
        scale = per_round / recorded_per_round
        at_once = [_spent(run, target, links.at_once(), per_round) for run in entry.group.runs]
        sent = scale * statistics.mean_of([spent.bytes for spent in arrived]).mean
        found.append(
            Option(
                entry=entry,
                accuracy=entry.final,
                reached=len(arrived),
                rounds=statistics.mean_of([spent.round for spent in arrived]).mean,
                sparsity=statistics.mean_of([spent.sparsity for spent in arrived]).mean,
                bytes=sent,
                client_bytes=sent / clients,
                seconds=statistics.mean_of([spent.simulated_seconds for spent in arrived]).mean,
                still_seconds=statistics.mean_of(
                    [spent.simulated_seconds for spent in at_once if spent]
                ).mean,
                bytes_share=float("nan"),
                seconds_share=float("nan"),
            )
        )
    dense = next((option for option in found if option.entry is setting.fedavg), None)
    return [_beside(option, dense) for option in found]


def _spent(run: xr.Dataset, target: float, links: Links, per_round: int) -> targets.Reached | None:
    return targets.reach(with_links(run, links, per_round), target)


def _beside(option: Option, fedavg: Option | None) -> Option:
    if fedavg is None:
        return option
    time = option.seconds / fedavg.seconds if fedavg.seconds > 0 else float("nan")
    return replace(option, bytes_share=option.bytes / fedavg.bytes, seconds_share=time)


def _holds(option: Option, target: float) -> bool:
    return study.holds(option.entry, target, option.reached)


def _best(options: Sequence[Option], target: float, minimize: str) -> Option | None:
    """Of the settings that hold the target the cheapest, and of those within a tenth of its cost the most
    accurate. Where links take no time, or that of some settings is not known, traffic stands for it.
    Settings with several seeds go before those with one."""

    holding = [option for option in options if _holds(option, target)]
    timed = minimize == "time" and all(option.seconds > 0 for option in holding)

    def cost(option: Option) -> float:
        return option.seconds if timed else option.bytes

    several = [option for option in holding if option.entry.n > 1] or holding
    if not several:
        return None
    least = min(map(cost, several))
    return max((o for o in several if cost(o) <= CLOSE * least), key=lambda o: o.accuracy.mean)


def _headline(best: Option | None, pilot: Option | None) -> str:
    if best is None or pilot is None:
        return "No setting that was recorded reaches this accuracy and holds it"
    if pilot.seconds > best.seconds:
        return f"{best.name} is the quickest over these links; to save traffic, pilot {pilot.name}"
    return f"Stay with {pilot.name}" if pilot.entry.sparsity is None else f"Pilot {pilot.name} first"


def _times(share: float) -> str:
    """A cost beside FedAvg's, in words."""
    if np.isnan(share):
        return "not known beside FedAvg's"
    if abs(share - 1) < 0.02:
        return "as much as FedAvg"
    change = abs(100 * (1 - share))
    return f"{change:.0f} % {'less' if share < 1 else 'more'} than FedAvg"


def _reasons(
    best: Option | None,
    pilot: Option | None,
    options: Sequence[Option],
    target: float,
    setting: Setting,
    links: Links,
) -> list[str]:
    if best is None or pilot is None:
        most = max(options, key=lambda option: option.accuracy.mean)
        return [
            f"The most accurate is {most.name} with {spread(most.accuracy)} at the end; the target is "
            f"{percent(target)}.",
            "Lower the target, or record runs with more rounds or less sparsity.",
        ]
    beside = pilot.entry is not setting.fedavg
    reasons = [
        f"{pilot.name} reaches {percent(target)} after {pilot.rounds:.0f} rounds, "
        f"{_all_runs(pilot.entry.n)}{_pruned_then(pilot)}, and ends at {spread(pilot.accuracy)}.",
        f"Until then the server receives and sends {readable_bytes(pilot.bytes)}"
        + (f", {_times(pilot.bytes_share)}" if beside else "")
        + f"; a client on average {readable_bytes(pilot.client_bytes)}.",
    ]
    if pilot.seconds > 0:
        share = f", {_times(pilot.seconds_share)}" if beside else ""
        reasons.append(f"Over these links that takes {duration(pilot.seconds)}{share}.")
    if pilot.seconds > best.seconds:
        reasons += _break_even(best, pilot, links)
    elif pilot is not best:
        reasons.append(f"{best.name} takes no less time; it ends at {spread(best.accuracy)}.")
    return reasons + _others(pilot, options, target)


def _pruned_then(option: Option) -> str:
    if option.entry.sparsity is None:
        return ""
    return f", when {percent(option.sparsity, 0)} of the weights are pruned"


def _break_even(best: Option, pilot: Option, links: Links) -> list[str]:
    """How much slower links would have to be for the pilot to be as quick: what is transferred takes
    longer in proportion."""
    if np.isnan(best.still_seconds + pilot.still_seconds):
        return [f"{best.name} takes {duration(best.seconds)}."]
    transfer = (best.seconds - best.still_seconds) - (pilot.seconds - pilot.still_seconds)
    slower = (pilot.still_seconds - best.still_seconds) / transfer if transfer > 0 else float("inf")
    if not 1 < slower < 1e4:
        return [f"{best.name} takes {duration(best.seconds)}; links of another speed would not change that."]
    up = ", ".join(f"{rate / slower:.2g}" for rate in links.uplink_mbit)
    return [
        f"{best.name} takes {duration(best.seconds)}, because these links are quick beside the training: on "
        f"links {slower:.2g} times slower (uplink {up} Mbit/s) both take the same, below that {pilot.name} "
        "is quicker."
    ]


def _all_runs(count: int) -> str:
    return "in its one run" if count == 1 else f"in all of its {count} runs"


def _others(pilot: Option, options: Sequence[Option], target: float) -> list[str]:
    """Why not sparser, and what to hope for next."""
    same = [o for o in options if o.entry.method == pilot.entry.method and o.entry.sparsity is not None]
    sparser = [o for o in same if o.entry.sparsity > (pilot.entry.sparsity or 0.0)]
    failing = [o for o in sparser if not _holds(o, target)]
    said = []
    if failing:
        names = ", ".join(f"{o.entry.sparsity:g}" for o in failing)
        said.append(f"Sparser is not safe: at {names} the target is not reached or not held.")
    elif sparser:
        said.append(
            "Sparser settings hold the target too, but "
            + (
                "are slower or less accurate."
                if pilot.seconds > 0
                else "send more until then or are less accurate."
            )
        )
    return said


def watch(pilot: Option, target: float) -> str:
    """What a pilot should show half way, from the recorded runs."""
    half = max(1, round(pilot.rounds / 2))
    values, pruned = [], []
    for run in pilot.entry.group.runs:
        curve = targets.smoothed(run.accuracy)
        at = curve.sel(round=slice(None, half))
        values.append(float(at[-1]) if at.size else float("nan"))
        pruned.append(float(run.sparsity.sel(round=slice(None, half))[-1]))
    mean = statistics.mean_of(values)
    if not mean.n:
        return ""
    between = (
        f" (between {percent(min(values), 1)} and {percent(max(values), 1)} in the recorded runs)"
        if mean.n > 1
        else ""
    )
    return (
        f"Half way, after round {half} and at {percent(statistics.mean_of(pruned).mean, 0)} of sparsity, the "
        f"accuracy should be about {percent(mean.mean, 1)}{between}, at "
        f"{percent(target, 1)} after {pilot.rounds:.0f}. If it stays clearly under that, fall back to a "
        "lower sparsity before giving up."
    )


def check_command(
    pilot: Option, links: Links, clients: int, per_round: int, budget: Mapping[str, object] = MappingProxyType({})
) -> str:
    """The program's own prediction for the whole schedule, made without a run: all that its config has to say beside the
    program's defaults, but for the layers of a network of one's own."""
    recorded, chosen = results.config(pilot.entry.group.first), pilot.entry.group.experiment
    wanted = {key: recorded[key] for key in _SAID_TO_CHECK if key in recorded}
    wanted |= {key: recorded[key] for key in chosen if key in recorded and recorded[key] != PROGRAM.get(key)}
    wanted.pop("model.layers", None)
    wanted |= {"federation.clients": clients, "federation.clients_per_round": per_round}
    wanted |= {f"links.{name}": [*getattr(links, name)] for name in Links.__dataclass_fields__}
    wanted |= budget
    words = [f"{key}={_toml(value)}" for key, value in wanted.items()]
    return " ".join(["feddip check CONFIG.toml", *(f"--set {word}" for word in words)])


def _toml(value: object) -> str:
    if isinstance(value, list):
        return "[" + ",".join(map(_toml, value)) + "]"
    if isinstance(value, float):
        short = f"{value:g}"
        return short if float(short) == value else repr(value)
    return str(value).lower() if isinstance(value, bool) else shlex.quote(str(value))


def _warnings(
    pilot: Option | None,
    options: Sequence[Option],
    recorded: tuple[int, int],
    wanted: tuple[int, int],
    setting: Setting,
    origin: str,
) -> list[str]:
    said = []
    if origin == "assumed":
        said.append(
            "Neither the runs nor the command line say what the links are: those named above are an "
            "assumption."
        )
    if recorded != wanted:
        said.append(
            f"The runs had {recorded[0]} clients, {recorded[1]} per round; traffic and time were scaled to "
            f"{wanted[0]} and {wanted[1]}, with the same accuracy over rounds and the same data per client. "
            "That is an extrapolation."
        )
    if pilot and pilot.entry.n < 2:
        said.append("The advice rests on one seed: record more before spending much on it.")
    said += _untimed([option for option in options if option.reached and np.isnan(option.seconds)])
    if setting.fedavg is None:
        said.append("There is no run of FedAvg in this setting to compare with.")
    if personal := study.personal_models(setting):
        said.append(personal)
    if not any(option.entry.method == "FedDIP" for option in options):
        said.append("There is no run of FedDIP in this setting.")
    return said


def _untimed(options: Sequence[Option]) -> list[str]:
    had_budgets = [o for o in options if any(map(links_module.has_budgets, o.entry.group.runs))]
    why = {
        "their runs protect clients, and say nothing of single ones": [o for o in options if o not in had_budgets],
        "what their clients carry, or who is waited for, was fitted to other links or clients per round": had_budgets,
    }
    return [
        f"Times are not known for {', '.join(o.name for o in of_these)}: {reason}. "
        "Where one of these is to choose from, traffic decides."
        for reason, of_these in why.items()
        if of_these
    ]


def _one_seed(pilot: Option | None, candidates: Sequence[Option], target: float) -> list[str]:
    """What would cost less than the pilot and goes behind it for its one seed."""
    if pilot is None or pilot.entry.n < 2:
        return []
    cheaper = [
        f"{option.name} ({_costs(option)})"
        for option in candidates
        if option.entry.n == 1
        and _holds(option, target)
        and (option.bytes < pilot.bytes or option.seconds < pilot.seconds)
    ]
    if not cheaper:
        return []
    return [
        f"Not piloted, having one run each: {' and '.join(cheaper)}, though the target is held there for less traffic or time "
        f"than with {pilot.name} ({_costs(pilot)}). Record more seeds before you choose."
    ]


def _costs(option: Option) -> str:
    return readable_bytes(option.bytes) + (f", {duration(option.seconds)}" if option.seconds > 0 else "")


def _variations(setting: Setting) -> list[str]:
    left_out = [entry for entry in setting.variations if entry.method not in study.PERSONAL]
    if not left_out:
        return []
    named = "; ".join(f"{entry_name(entry)} ({entry.n})" for entry in left_out)
    return [
        f"Variations of what was run most are no options here, by the number of their runs: {named}. For advice on one, give "
        "its files with FedAvg's alone."
    ]


def _other_runs(passed_over: Sequence[Runs]) -> list[str]:
    if not passed_over:
        return []
    named = "; ".join(
        f"{study.display(family.model)} on {study.display(family.dataset)}, {_recorded(family, 'rounds', 0)} rounds, "
        f"{setting.partition} ({_runs(setting)})"
        for family, setting in passed_over
    )
    return [f"Other runs fit the question, too, but are shorter or fewer: {named}. For advice from these, give their files alone."]


# In text and tables.


def describe(links: Links) -> str:
    """For the eye."""

    def values(name: str, unit: str) -> str:
        return " / ".join(f"{value:g}" for value in getattr(links, name)) + f" {unit}"

    classes = ""
    if len(links.shares) > 1:
        shares = " / ".join(f"{100 * share:g} %" for share in links.shares)
        classes = f"classes of {shares} of the clients: "
    return (
        f"{classes}uplink {values('uplink_mbit', 'Mbit/s')}, downlink {values('downlink_mbit', 'Mbit/s')}, "
        f"latency {values('latency_ms', 'ms')}, training {values('train_ms_per_image', 'ms per image')}"
    )


def facts(decision: Decision) -> dict[str, str]:
    """What the decision rests on."""
    family = decision.family
    unlike = "; ".join(f"{method}: {plain(how)}" for method, how in family.unlike_paper().items())
    return {
        "Model and data": (
            f"{study.display(family.model)} on {study.display(family.dataset)}, {decision.setting.partition}"
        ),
        "Clients": f"{decision.clients}, {decision.clients_per_round} per round",
        "Links": f"{describe(decision.links)} ({decision.links_from})",
        "Target accuracy": percent(decision.target),
        "Recorded runs": f"{sum(o.entry.n for o in decision.options)}, {family.title}",
    } | ({"Not the paper's": unlike} if unlike else {})


def brief(decision: Decision) -> list[Option]:
    """FedAvg and FedDIP, the pilot, and of each other method what holds the target with least traffic."""
    cheapest: dict[str, Option] = {}
    for option in decision.options:
        method = option.entry.method
        if _holds(option, decision.target) and (
            method not in cheapest or option.bytes < cheapest[method].bytes
        ):
            cheapest[method] = option
    return [
        option
        for option in decision.options
        if option.entry.method in ("FedAvg", "FedDIP")
        or option is decision.pilot
        or option is cheapest.get(option.entry.method)
    ]


def table(decision: Decision, options: Sequence[Option], name: str = "decision") -> Table:
    def share(value: float) -> str:
        return "–" if np.isnan(value) else f"{100 * value:.0f} %"

    def got_there(option: Option) -> str:
        held = " (not held)" if option.reached and option.accuracy.mean < decision.target else ""
        return f"{option.reached} of {option.entry.n}{held}"

    columns = [
        Column(
            "method",
            lambda o: plain(o.entry.name) + (" ◀" if o is decision.pilot else ""),
            {"method": lambda o: o.entry.method, "pilot": lambda o: int(o is decision.pilot)},
            False,
        ),
        Column(
            "sparsity", lambda o: sparsity_name(o.entry.sparsity), {"sparsity": lambda o: o.entry.sparsity}
        ),
        Column(
            "final accuracy",
            lambda o: spread(o.accuracy) + ended_early(o.entry),
            {"accuracy_mean": lambda o: o.accuracy.mean, "accuracy_std": lambda o: o.accuracy.std},
        ),
        Column("target reached by", got_there, {"reached": lambda o: o.reached, "runs": lambda o: o.entry.n}),
        Column(
            "rounds",
            lambda o: "–" if np.isnan(o.rounds) else f"{o.rounds:.0f}",
            {"rounds": lambda o: o.rounds},
        ),
        Column("sparsity then", lambda o: share(o.sparsity), {"sparsity_then": lambda o: o.sparsity}),
        Column("traffic", lambda o: readable_bytes(o.bytes), {"bytes": lambda o: o.bytes}),
        Column("of FedAvg's", lambda o: share(o.bytes_share), {"bytes_share": lambda o: o.bytes_share}),
        Column(
            "per client",
            lambda o: readable_bytes(o.client_bytes),
            {"bytes_per_client": lambda o: o.client_bytes},
        ),
        Column("time", lambda o: duration(o.seconds), {"seconds": lambda o: o.seconds}),
        Column("of FedAvg's", lambda o: share(o.seconds_share), {"seconds_share": lambda o: o.seconds_share}),
    ]
    caption = (
        f"Until {percent(decision.target)} is reached: rounds, traffic at the server, down and up, traffic "
        "of one client on average, and time over the links, and the sparsity in that round; means over the "
        "runs that got there. ◀ marks what to pilot first. Of methods other than FedAvg and FedDIP the "
        "setting that needs least traffic is shown, if one holds the target."
    )
    return Table(name, caption, columns, list(options))


def text(decision: Decision) -> str:
    """For the terminal."""
    lines = [decision.headline, ""]
    lines += [f"  {reason}" for reason in decision.reasons]
    lines += [f"  {said}" for said in (decision.deadline, decision.watch) if said]
    lines += (
        ["", f"The program's prediction for the whole schedule ({ITS_CONFIG}):", f"  {decision.check}"]
        if decision.check
        else []
    )
    lines += ["", *(f"{name + ':':<17}{value}" for name, value in facts(decision).items())]
    lines += [f"Note: {warning}" for warning in decision.warnings]
    shown = table(decision, brief(decision))
    rows = [shown.head, *shown.cells()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines.append("")
    for row in rows:
        cells = [
            cell.rjust(width) if column.number else cell.ljust(width)
            for cell, width, column in zip(row, widths, shown.columns)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines) + "\n"
