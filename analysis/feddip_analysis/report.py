"""Writes the report and the page for a decision, with their figures and tables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import xarray as xr

from . import claim_figures
from . import claims as claims_module
from . import decision as decision_module
from . import figures, links, page, plots, results, safety, statistics, study, tables, targets
from .claims import Limits
from .decision import Decision, Question
from .figures import Picture
from .links import Links
from .plan import Plan
from .results import Skipped
from .study import Family
from .tables import Table

_CURVES = ("accuracy-over-rounds", "accuracy-over-bytes", "sparsity-accuracy")
_COSTS = ("traffic-to-target",)


def write(
    runs: Sequence[xr.Dataset],
    skipped: Sequence[Skipped],
    folder: Path,
    limits: Limits = Limits(),
    question: Question = Question(),
    plan: Plan | None = None,
    audits: Mapping[Path, dict] = {},
) -> Path:
    """The page's path. Links in the question replace those that the runs were simulated over."""
    if question.links:
        runs = [links.with_links(run, question.links) for run in runs]
    families, done = study.families(runs), [run for run in runs if results.is_complete(run)]
    whole = study.complete(families)
    checked = claims_module.check(whole, limits, plan)
    claims_module.table(checked).save(folder / "tables")
    with plots.style():
        drawn = claim_figures.pictures(checked, whole)
        of_claims = dict(zip(drawn, page.embed(list(drawn.values()), folder / "figures")))
        sections = [_section(*both, len(families) > 1, limits, folder) for both in zip(families, whole)]
        decision, no_decision = _decision(whole, question, folder)
    html = page.render(
        "report.html",
        lead=_lead(runs, families),
        unfinished=[(run.attrs["path"], results.progress(run)) for run in runs if not results.is_complete(run)],
        planned=_planned(done, families, plan),
        claims=checked,
        claim_words=claims_module.WORDS,
        claim_pictures=of_claims,
        decision=decision,
        no_decision=no_decision,
        sections=sections,
        window=targets.WINDOW,
        its_config=decision_module.ITS_CONFIG,
        rested=results.FEWEST_RESTED,
        near_chance=f"{100 * study.NEAR_CHANCE:g}",
        tolerance=f"{100 * study.DENSITY_TOLERANCE:g}",
        fewest=statistics.FEWEST_SEEDS,
        links=_links(runs, question),
        safety=safety.assess(done, audits),
        skipped=skipped,
        provenance=provenance(runs),
    )
    path = folder / "report.html"
    path.write_text(html, encoding="utf-8")
    return path


def write_decision(
    made: Decision, runs: Sequence[xr.Dataset], folder: Path, audits: Mapping[Path, dict] = {}
) -> Path:
    with plots.style():
        content = _decision_content(made, folder)
    html = page.render(
        "decision.html",
        **content,
        safety=safety.assess(runs, audits),
        window=targets.WINDOW,
        its_config=decision_module.ITS_CONFIG,
        provenance=provenance(runs),
    )
    path = folder / "decision.html"
    path.write_text(html, encoding="utf-8")
    return path


def _decision(families: Sequence[Family], question: Question, folder: Path) -> tuple[dict | None, str]:
    try:
        made = decision_module.decide(families, question)
    except ValueError as problem:
        return None, f"The runs don't tell: {problem}."
    return _decision_content(made, folder), ""


def _decision_content(made: Decision, folder: Path) -> dict:
    decision_module.table(made, made.options).save(folder / "tables")
    picture = Picture(
        "decision",
        "What could be tried",
        "Accuracy at the end (bars: one standard deviation), and traffic at the server and time over the "
        "links until the target is reached; the filled bars are the pilot.",
        figures.decision(made),
    )
    return {
        "made": made,
        "facts": decision_module.facts(made),
        "brief": decision_module.table(made, decision_module.brief(made)),
        "picture": page.embed([picture], folder / "figures")[0],
    }


def _section(family: Family, whole: Family, several: bool, limits: Limits, folder: Path) -> dict:
    """A family's figures and tables, saved, and as the page shows them; `whole` is what of it is complete."""
    key = _key(family.title)
    prefix = f"{key}-" if several else ""
    goal = (
        f"an accuracy of {tables.percent(limits.target)}"
        if limits.target is not None
        else f"{100 * limits.fraction:g} % of FedAvg's final accuracy"
    )
    finals = study.finals(whole)
    reached = [
        study.to_target(setting, entry, target)
        for setting in whole.settings
        if (target := setting.target(limits.fraction, limits.target)) is not None
        for entry in setting.entries
        if entry.method not in study.PERSONAL
    ]
    personal = dict.fromkeys(said for setting in whole.settings if (said := study.personal_models(setting)))
    shown: dict[str, Table] = {
        "matrix": tables.matrix_table(whole, finals, f"{prefix}accuracy-matrix"),
        "final": tables.final_table(whole, finals, f"{prefix}final-accuracy"),
        "target": tables.target_table(reached, f"{prefix}to-target", personal),
    }
    for table in shown.values():
        table.save(folder / "tables")
    drawn = [
        replace(picture, name=prefix + picture.name)
        for picture in figures.pictures(family, whole, finals, reached, goal)
    ]
    pictures = page.embed(drawn, folder / "figures")

    def named(names: Sequence[str]) -> list[page.Embedded]:
        return [picture for picture in pictures if picture.name.removeprefix(prefix) in names]

    return {
        "key": key,
        "title": family.title,
        "description": _description(whole),
        "goal": goal,
        "tables": shown,
        "curves": named(_CURVES),
        "costs": named(_COSTS),
        "behaviour": [p for p in pictures if p not in named(_CURVES + _COSTS)],
    }


def _key(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _description(family: Family) -> str:
    names = {
        "clients": "{} clients",
        "clients_per_round": "{} of them in each round",
        "rounds": "{} rounds",
        "local_epochs": "{} local epochs",
        "batch_size": "batches of {}",
        "learning_rate": "learning rate {}",
        "decay": "times {} each round",
        "weight_decay": "weight decay {}",
    }
    parts = [text.format(family.federation[key]) for key, text in names.items() if key in family.federation]
    seeds = sorted({entry.n for entry in family.entries})
    if not seeds:
        return ", ".join(parts) + ". No run is complete."
    counts = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    runs = sum(entry.n for entry in family.entries)
    unlike = [
        f" {method} stands for {tables.plain(how)}, which is not the paper's configuration and in none of its claims."
        for method, how in family.unlike_paper().items()
    ]
    recorded = f". Runs: {runs}, of {counts} seed{'' if counts == '1' else 's'} each."
    return ", ".join(parts) + "".join([recorded, *unlike, *_untimed(family)])


def _untimed(family: Family) -> list[str]:
    if all(results.is_timed(run) for entry in family.entries for run in entry.group.runs):
        return []
    return [" Runs that protect their clients record no times, and have no picture of them."]


def _lead(runs: Sequence[xr.Dataset], families: Sequence[Family]) -> str:
    methods = list(dict.fromkeys(entry.method for family in families for entry in family.entries))
    titles = "; ".join(family.title for family in families)
    return f"{len(runs)} run{'' if len(runs) == 1 else 's'} of {', '.join(methods)}: {titles}."


def _planned(runs: Sequence[xr.Dataset], families: Sequence[Family], plan: Plan | None) -> dict | None:
    """How much of the plan is there, and what is not, by cell and seeds."""
    if plan is None:
        return None
    missing = plan.missing(runs)
    absent: dict[str, list[int]] = {}
    for cell, seeds in Plan(missing).cells(families).items():
        sparsity = "" if cell.sparsity is None else f", s = {cell.sparsity:g}"
        absent[f"{cell.family}, {cell.partition}: {cell.method}{sparsity}"] = sorted(seeds)
    return {"runs": len(plan.runs), "there": len(plan.runs) - len(missing), "absent": absent}


def _links(runs: Sequence[xr.Dataset], question: Question) -> str:
    found: list[Links] = [question.links] if question.links else []
    found = found or [one for one in (links.of_run(run) for run in runs) if one]
    kinds = list(dict.fromkeys(found))
    if not kinds:
        return "none, so that there is no time"
    return decision_module.describe(kinds[0]) + (", and others" if len(kinds) > 1 else "")


def provenance(runs: Sequence[xr.Dataset]) -> list[str]:
    """What made the runs; no date of today, so that the same runs give the same page."""

    def values(name: str) -> str:
        return ", ".join(sorted({str(run.attrs[name]) for run in runs if name in run.attrs})) or "unknown"

    created = sorted(str(run.attrs["created"]) for run in runs if "created" in run.attrs)
    when = (
        f", runs of {created[0][:10]}"
        + (f" to {created[-1][:10]}" if created[0][:10] != created[-1][:10] else "")
        if created
        else ""
    )
    return [f"feddip {values('feddip_version')}, commit {values('git_commit')}{when}."]
