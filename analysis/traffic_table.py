#!/usr/bin/env python3
"""FedDIP's traffic over a whole schedule as a share of FedAvg's, predicted by `feddip check`, as a Markdown table."""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path

MODELS = {  # as the paper pairs them: its N, K and T are the defaults of the config
    "LeNet-5": ("lenet5", "fashion-mnist"),
    "AlexNet": ("alexnet", "cifar-10"),
    "ResNet-18": ("resnet18", "cifar-100"),
}
TARGETS = (0.9, 0.95)
HORIZONS = (5, 20)
UPLOADS = ("dense", "topk")  # topk_residual sends as much as topk


def predict(feddip: str, settings: dict[str, str], overrides: list[str]) -> dict[str, dict[str, float]]:
    """The totals of the run and of FedAvg's."""
    words = [f"{key}={value}" for key, value in settings.items()] + overrides
    with tempfile.NamedTemporaryFile(suffix=".toml") as defaults:
        command = [feddip, "check", "--json", defaults.name, *(part for w in words for part in ("--set", w))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip())
    return json.loads(done.stdout)


def row(feddip: str, model: str, target: float, horizon: int, upload: str, overrides: list[str]) -> str:
    name, dataset = MODELS[model]
    settings = {
        "model.name": name,
        "data.dataset": dataset,
        "sparsity.target": str(target),
        "sparsity.horizon": str(horizon),
        "communication.reconfiguration_upload": upload,
    }
    predicted = predict(feddip, settings, overrides)
    run, fedavg = predicted["run"], predicted["fedavg"]
    down, up, fedavg_down, fedavg_up = (
        of[which] for of in (run, fedavg) for which in ("bytes_down", "bytes_up")
    )
    shares = (down / fedavg_down, up / fedavg_up, (down + up) / (fedavg_down + fedavg_up))
    positions = run["bytes_positions"] / (down + up)
    columns = [
        model,
        f"{target:g}",
        str(horizon),
        upload,
        *(f"{100 * share:.1f} %" for share in shares),
        f"{(down + up) / 1e9:.2f} of {(fedavg_down + fedavg_up) / 1e9:.2f}",
        f"{100 * positions:.1f} %",
    ]
    return f"| {' | '.join(columns)} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--feddip", type=Path, default=Path("build/release/src/app/feddip"), help="default: %(default)s"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="section.key=value",
        help="for every run; may be repeated",
    )
    args = parser.parse_args()
    header = ("model", "s_p", "R", "reconfiguration upload", "down", "up", "both", "GB", "of them positions")
    print(f"| {' | '.join(header)} |\n|{'---|' * len(header)}")
    try:
        for what in itertools.product(MODELS, TARGETS, HORIZONS, UPLOADS):
            print(row(str(args.feddip), *what, args.set), flush=True)
    except (OSError, RuntimeError, ValueError) as problem:
        print(f"traffic_table.py: error: {problem}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
