"""Reconstructions side by side with the images, and the curves of the attack on membership."""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

COLUMNS = 8


def draw(audit: dict, folder: Path) -> list[Path]:
    drawn = []
    if audit["inversion"]:
        drawn.append(_save(side_by_side(audit["inversion"], 1), folder / "singles.png"))
        if (audit["inversion"]["batch"] > 1).any():
            drawn.append(_save(side_by_side(audit["inversion"], 8), folder / "batches.png"))
    if audit["membership"]:
        drawn.append(_save(curve(audit["membership"]), folder / "membership.png"))
    return drawn


def _save(figure: plt.Figure, path: Path) -> Path:
    figure.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": None})
    plt.close(figure)
    return path


def side_by_side(inversion: dict, batch: int) -> plt.Figure:
    """The images on top, and below what each attack made of them, upload by upload."""
    of_batch = inversion["batch"] == batch
    shown = list(dict.fromkeys(inversion["image"][of_batch]))[:COLUMNS]
    rows: dict[tuple[str, str, int], dict[int, np.ndarray]] = {}
    truth = {}
    for i in np.flatnonzero(of_batch & np.isin(inversion["image"], shown)):
        image = int(inversion["image"][i])
        key = (str(inversion["attack"][i]), str(inversion["upload"][i]), int(inversion["steps"][i]))
        rows.setdefault(key, {})[image] = inversion["found"][i]
        truth[image] = inversion["true"][i]
    table = [("image", truth)] + [(_label(*key), found) for key, found in rows.items()]
    figure, axes = plt.subplots(
        len(table), len(shown), figsize=(0.62 * len(shown) + 2, 0.62 * len(table)), squeeze=False
    )
    for line, (label, found) in zip(axes, table):
        line[0].text(-0.15, 0.5, label, ha="right", va="center", fontsize=7, transform=line[0].transAxes)
        for axis, image in zip(line, shown):
            axis.axis("off")
            if image in found:
                axis.imshow(found[image], cmap="gray", vmin=0, vmax=255)
    figure.subplots_adjust(wspace=0.04, hspace=0.04)
    return figure


def _label(attack: str, upload: str, steps: int) -> str:
    if upload == "nothing":
        return attack
    return f"{attack}: {upload}" + (f", {steps} steps" if steps > 1 else "")


def curve(membership: dict) -> plt.Figure:
    member = membership["member"].astype(bool)
    figure, axes = plt.subplots(figsize=(3.4, 3.2))
    for name, label in (("score", "likelihood ratio"), ("confidence", "confidence alone")):
        order = np.argsort(-membership[name][...].reshape(-1), kind="stable")
        inside = member.reshape(-1)[order]
        false = np.cumsum(~inside) / (~inside).sum()
        true = np.cumsum(inside) / inside.sum()
        axes.plot(false, true, label=label)
    axes.plot([1e-4, 1], [1e-4, 1], color="gray", linewidth=0.8, linestyle=":", label="chance")
    axes.set(xscale="log", yscale="log", xlim=(5e-4, 1), ylim=(5e-4, 1))
    axes.set_xlabel("false positives")
    axes.set_ylabel("true positives")
    axes.legend(fontsize="small")
    return figure
