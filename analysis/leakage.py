#!/usr/bin/env python3
"""Makes the tables of analysis/results/leakage.md from the audits in analysis/results/leakage, as analysis/audit.py
writes them, and its figure.

    leakage.py            write the tables and the figure
    leakage.py --check    say whether the tables are those of the files; exit code 1 where not"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
from feddip_analysis import documents, tables  # noqa: E402
from feddip_audit import record, summary  # noqa: E402

HERE = Path(__file__).resolve().parent
PAGE = HERE / "results" / "leakage.md"
FIGURE = HERE / "figures" / "leakage.png"
PICTURES = 6
SHOWN = ("mask", "mask, z = 0.01", "mask, z = 0.1", "mask, z = 1")


def share(value: float) -> str:
    return f"{100 * value:.1f} %" if np.isfinite(value) else "–"


def name_of(audit: dict) -> str:
    attrs = audit["attrs"]
    return f"s = {attrs['sparsity']:.2g}, round {int(attrs['rounds']) + 1}"


def audits(folder: Path) -> list[dict]:
    """Densest first."""
    read = [record.read(path) for path in sorted(folder.glob("*.h5"))]
    return sorted(read, key=lambda audit: (audit["attrs"]["rounds"], audit["attrs"]["sparsity"], _private(audit)))


def _private(audit: dict) -> tuple[int, float]:
    """Clients, and more noise last."""
    if not audit["membership"]:
        return 0, 0.0
    epsilon = float(audit["membership"]["attrs"]["epsilon"])
    return int(audit["membership"]["attrs"]["clients"]), 1 / epsilon if np.isfinite(epsilon) else 0.0


def singles(found: list[dict]) -> str:
    head = ["model", "attack", "upload", "local steps", "images", "PSNR, dB", "SSIM", "SSIM over label alone", "seen?",
            "label read", "inputs of fc1 read"]
    return tables.markdown_lines([head, *(
        [name_of(audit), one.attack, one.upload, str(one.steps), str(one.psnr.n), one.psnr.text(1), one.ssim.text(2),
         *(["–", "–"] if one.attack == summary.FLOOR else [one.gain.text(2), "yes" if one.shows else "no"]),
         share(one.label_right), share(one.features_read)]
        for audit in found if audit["inversion"]
        for one in summary.inverted(audit["inversion"]) if one.batch == 1
    )])


def batches(found: list[dict]) -> str:
    head = ["model", "attack", "images per upload", "local steps", "images", "PSNR, dB", "SSIM",
            "SSIM over label alone", "seen?"]
    return tables.markdown_lines([head, *(
        [name_of(audit), one.attack, str(one.batch), str(one.steps), str(one.psnr.n), one.psnr.text(1),
         one.ssim.text(2),
         *(["–", "–"] if one.attack == summary.FLOOR else [one.gain.text(2), "yes" if one.shows else "no"])]
        for audit in found if audit["inversion"]
        for one in summary.inverted(audit["inversion"]) if one.batch > 1
    )])


def members(found: list[dict]) -> str:
    head = ["s", "clients", "noise multiplier", "epsilon", "models", "accuracy on members", "on test images", "AUC",
            "AUC without shadows", "true positives at 0.1 % false", "seen?"]
    rows = []
    for audit in found:
        if audit["membership"]:
            one = summary.inferred(audit["membership"])
            attrs = audit["membership"]["attrs"]
            rows.append([f"{one.sparsity:.2g}", str(attrs["clients"]), noise_of(attrs["overrides"]),
                         f"{one.epsilon:.3g}" if np.isfinite(one.epsilon) else "–",
                         str(one.auc.n), share(one.train_accuracy.mean), share(one.test_accuracy.mean),
                         one.auc.text(3), one.auc_confidence.text(3), share(one.true_positives),
                         "yes" if one.shows else "no"])
    return tables.markdown_lines([head, *rows])


def against_dense(found: list[dict]) -> str:
    """Sparse models beside the dense ones of the same members."""
    head = ["s", "AUC below that of dense models", "pairs", "p without the pairs"]
    without_noise = [audit for audit in found
                     if audit["membership"] and noise_of(audit["membership"]["attrs"]["overrides"]) == "none"]
    dense = {audit["membership"]["attrs"]["clients"]: audit["membership"]
             for audit in without_noise if audit["attrs"]["sparsity"] == 0}
    rows = []
    for audit in without_noise:
        members = audit["membership"]
        others = dense[members["attrs"]["clients"]]
        if members is not others and np.array_equal(members["member"], others["member"]):
            one = summary.compared(members, others)
            rows.append([f"{audit['attrs']['sparsity']:.2g}", one.less.text(3), str(one.less.n), f"{one.p:.2g}"])
    return tables.markdown_lines([head, *rows])


def noise_of(overrides: str) -> str:
    given = dict(one.split("=", 1) for one in overrides.split() if "=" in one)
    return given.get("privacy.noise_multiplier", "none")


def figure(found: list[dict]) -> plt.Figure:
    """Reconstructions from single images' uploads in the first round that was audited, next to the images."""
    first = min(audit["attrs"]["rounds"] for audit in found if audit["inversion"])
    rows = []
    for audit in found:
        inversion = audit["inversion"]
        if not inversion or audit["attrs"]["rounds"] != first:
            continue
        single = inversion["batch"] == 1
        if not rows:
            chosen = inversion["image"][single][:PICTURES]
            rows.append(("image", _pictures(inversion, chosen, summary.FLOOR, "nothing", "true")))
            rows.append(("label alone", _pictures(inversion, chosen, summary.FLOOR, "nothing")))
        rows += [(f"s = {audit['attrs']['sparsity']:.2g}: {upload}", _pictures(inversion, chosen, "learned", upload))
                 for upload in SHOWN]
    drawn, axes = plt.subplots(len(rows), PICTURES, figsize=(0.6 * PICTURES + 1.5, 0.6 * len(rows)), squeeze=False)
    for line, (label, pictures) in zip(axes, rows):
        line[0].text(-0.15, 0.5, label, ha="right", va="center", fontsize=7, transform=line[0].transAxes)
        for axis, picture in zip(line, pictures):
            axis.imshow(picture, cmap="gray", vmin=0, vmax=255)
            axis.axis("off")
    drawn.subplots_adjust(wspace=0.04, hspace=0.04)
    return drawn


def _pictures(inversion: dict, images, attack: str, upload: str, which: str = "found") -> list[np.ndarray]:
    of_upload = (inversion["attack"] == attack) & (inversion["upload"] == upload)
    of_upload &= (inversion["batch"] == 1) & (inversion["steps"] == 1)
    return [inversion[which][np.flatnonzero(of_upload & (inversion["image"] == image))[0]] for image in images]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    try:
        found = audits(PAGE.with_suffix(""))
    except record.NotAnAudit as problem:
        print(f"leakage.py: error: {problem}", file=sys.stderr)
        return 2
    blocks = {"singles": singles(found), "batches": batches(found), "members": members(found),
              "against-dense": against_dense(found)}
    wrong = documents.update("leakage.py", [PAGE], blocks, args.check)
    if not args.check and not wrong:
        figure(found).savefig(FIGURE, dpi=110, bbox_inches="tight", metadata={"Software": None})
    return wrong


if __name__ == "__main__":
    sys.exit(main())
