"""What is guaranteed about privacy and hostile clients, what was measured, and what was not: from the runs' own files
and from audits of leakage beside them (analysis/audit.py)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr
from feddip_audit import record, summary

from . import results
from .tables import percent

NOT_AUDITED = "Not audited here: analysis/audit.py CHECKPOINT.h5 does it for LeNet-5 on Fashion-MNIST."
ATTACKS = {
    "sign_flip": "sign flip",
    "gaussian": "Gaussian noise",
    "label_flip": "flipped labels",
    "alie": "ALIE",
    "ipm": "inner products",
    "min_max": "min-max",
    "backdoor": "a backdoor",
    "mask_aware": "one that knows the mask",
}


@dataclass(frozen=True)
class Statement:
    what: str
    text: str


@dataclass
class Safety:
    guaranteed: list[Statement] = field(default_factory=list)
    measured: list[Statement] = field(default_factory=list)
    missing: list[Statement] = field(default_factory=list)


def audits(skipped: Iterable[results.Skipped]) -> tuple[dict[Path, dict], list[results.Skipped]]:
    """Audits among the files that are no runs, by path, and what is neither."""
    found, others = {}, []
    for file in skipped:
        try:
            found[file.path] = record.read(file.path)
        except record.NotAnAudit:
            others.append(file)
    return found, others


def assess(runs: Sequence[xr.Dataset], audited: Mapping[Path, dict]) -> Safety:
    safety = Safety()
    groups = results.group_runs(runs)
    _privacy(groups, len(runs), safety)
    _hostile(groups, safety)
    _leakage(audited, safety)
    return safety


def _counted(runs: Sequence, of: int) -> str:
    return f"{len(runs)} of {of} run{'' if of == 1 else 's'}"


def _is_private(run: xr.Dataset) -> bool:
    """Noise is on where there is a bound and either its multiplier or an epsilon to find it from."""
    c = results.config(run)
    return c.get("privacy.clip", 0) > 0 and bool(c.get("privacy.noise_multiplier", 0) or c.get("privacy.epsilon", 0))


def _of_one_run(runs: int) -> str:
    if runs == 1:
        return ""
    return (
        f" of one run. Whoever sees those of all {runs}, where they are over the same clients, is bounded by the sums of "
        "epsilon and delta alone"
    )


def _privacy(groups: Sequence[results.Group], count: int, safety: Safety) -> None:
    private = [group for group in groups if _is_private(group.first)]
    for group in private:
        c = results.config(group.first)
        spent = [results.last_measured(run.epsilon) for run in group.runs if "epsilon" in run]
        if len(spent) < len(group.runs) or not np.isfinite(spent).all():
            safety.missing.append(
                Statement("Epsilon", f"{group.label}: the files add noise and do not say what was spent.")
            )
            continue
        sampling = (
            "each client drawn independently; its presence is protected"
            if c.get("privacy.sampling") == "poisson"
            else "K of N drawn; a client’s data are protected, its presence is not"
        )
        safety.guaranteed.append(
            Statement(
                f"Epsilon {max(spent):.3g} at delta {c.get('privacy.delta', 1e-5):g}",
                f"{group.label}: differential privacy of clients after {group.first.sizes['round']} rounds "
                f"({sampling}), towards whoever sees all models and the results file{_of_one_run(len(group.runs))}. The noise "
                "is on the sum: whoever sees single uploads, or the checkpoints, is not covered.",
            )
        )
    if len(private) < len(groups):
        open_runs = [run for group in groups if group not in private for run in group.runs]
        safety.missing.append(
            Statement(
                "Privacy of clients",
                f"Without noise: {_counted(open_runs, count)}. Of these nothing is guaranteed, at any sparsity; that less "
                "is sent is not a guarantee.",
            )
        )
    sums: dict[bool, list[xr.Dataset]] = {True: [], False: []}
    for group in groups:
        sums[bool(results.config(group.first).get("privacy.secure_sum", False))] += group.runs
    if sums[True]:
        safety.guaranteed.append(
            Statement(
                "Secure sums",
                f"With them: {_counted(sums[True], count)}. There the server gets masked updates and their sum, as long as "
                "it follows the protocol. What the sum and the model tell is not covered by that.",
            )
        )
    if sums[False]:
        safety.missing.append(
            Statement(
                "Single updates",
                f"Without secure sums: {_counted(sums[False], count)}. There the server sees each client’s update.",
            )
        )


def _hostile(groups: Sequence[results.Group], safety: Safety) -> None:
    rules: dict[str, None] = {}
    under: dict[str, list[str]] = {}
    for group in groups:
        c = results.config(group.first)
        rule, kind = str(c.get("aggregation.rule", "mean")), str(c.get("attack.kind", "none"))
        if rule != "mean":
            rules[f"{rule.replace('_', ' ')} for {c.get('aggregation.hostile', 0)}"] = None
        if kind != "none":
            n, last = len(group.runs), results.last_rounds(group.runs)
            accuracy = percent(np.mean([results.final_accuracy(run, last) for run in group.runs]))
            share = f"{c.get('attack.clients', '?')} of {c.get('federation.clients', '?')} clients hostile"
            how = f"{rule.replace('_', ' ')}, {share}, {n} run{'' if n == 1 else 's'}"
            said = f"{group.label} ({how}): {accuracy}, mean of the last {last} rounds"
            if kind == "backdoor":
                success = [results.last_measured(run.attack_success) for run in group.runs if "attack_success" in run]
                fell = percent(np.mean(success), 0) if success else "not measured"
                said += f"; marked images taken for its class: {fell}"
            under.setdefault(kind, []).append(said)
    for kind, accuracies in under.items():
        safety.measured.append(Statement(f"Accuracy under {ATTACKS.get(kind, kind)}", "; ".join(accuracies) + "."))
    if rules:
        safety.missing.append(
            Statement(
                "Accuracy under attack",
                f"Rules are made for a number of hostile clients in a round ({', '.join(rules)}); their theorems take "
                "honest updates to be alike, which data that differ break. What was measured above is no bound.",
            )
        )
    absent = [name for kind, name in ATTACKS.items() if kind not in under]
    if absent:
        safety.missing.append(Statement("Attacks by clients", f"No run here was under {', '.join(absent)}."))


def _leakage(audited: Mapping[Path, dict], safety: Safety) -> None:
    control = False
    members = False
    for path, audit in audited.items():
        if audit["inversion"]:
            found = summary.inverted(audit["inversion"])
            floor = {one.batch: one.ssim.mean for one in found if one.attack == summary.FLOOR}
            attacks = [one for one in found if one.attack != summary.FLOOR]
            control |= audit["attrs"]["sparsity"] == 0 and any(one.shows for one in attacks)
            attrs = audit["attrs"]
            for batch in dict.fromkeys(one.batch for one in attacks):
                safety.measured.append(
                    Statement(
                        f"Images from an upload of {'one' if batch == 1 else batch} at sparsity "
                        f"{attrs['sparsity']:.2g}, after round {attrs['rounds']}",
                        _seen([one for one in attacks if one.batch == batch], floor[batch]) + f" ({path.name}).",
                    )
                )
        if audit["membership"]:
            members = True
            one = summary.inferred(audit["membership"])
            epsilon = f", epsilon {one.epsilon:.3g}" if np.isfinite(one.epsilon) else ", no noise"
            leak = "members are told from others" if one.shows else "members are not told from others"
            safety.measured.append(
                Statement(
                    f"Membership at sparsity {one.sparsity:.2g}{epsilon}",
                    f"{leak}: AUC {one.auc.text(3)}, {percent(one.true_positives)} true positives at 0.1 % false ones, "
                    f"over {one.auc.n} models ({path.name}).",
                )
            )
    inverted = any(audit["inversion"] for audit in audited.values())
    if not inverted:
        safety.missing.append(Statement("Images from uploads", NOT_AUDITED))
    elif not control:
        safety.missing.append(
            Statement(
                "Control",
                "No audit here has an attack that works on a dense upload. That attacks fail on sparse ones shows "
                "nothing then.",
            )
        )
    if not members:
        safety.missing.append(Statement("Membership", NOT_AUDITED))
    safety.missing.append(
        Statement(
            "Better attacks",
            "An attack that fails bounds nothing: another may succeed, one that knows more, or puts the uploads of "
            "many rounds together. Only an epsilon bounds all of them.",
        )
    )


def _seen(attacks: Sequence[summary.Inverted], floor: float) -> str:
    def named(one: summary.Inverted) -> str:
        steps = f", {one.steps} steps" if one.steps > 1 else ""
        return f"{one.attack} on {one.upload}{steps} ({one.ssim.text(2)})"

    shown = [named(one) for one in attacks if one.shows]
    hidden = [named(one) for one in attacks if not one.shows]
    parts = [f"SSIM {floor:.2f} without an upload"]
    parts += [f"more is seen with {'; '.join(shown)}"] if shown else []
    parts += [f"no more with {'; '.join(hidden)}"] if hidden else []
    return ". ".join(part[0].upper() + part[1:] for part in parts)
