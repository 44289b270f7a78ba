#!/usr/bin/env python3
"""Draws how close the kernels come to what the core can do.

    OMP_NUM_THREADS=1 build/tests/bench/bench_sparse_kernels --benchmark_format=json > kernels.json
    tests/bench/draw_roofline.py kernels.json --out roofline.png

Abscissa: operations on living weights per byte that must cross the memory bus at least (inputs, outputs and living
weights, once each). Ordinate: such operations per second. The roof is the core's peak in registers, and what memory and
cache can deliver, measured in the same run.
"""

import argparse
import json

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

SPARSE = {"forward": ("o", "#0072B2"), "backward_input": ("s", "#D55E00"), "backward_weights": ("^", "#009E73")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measured", help="bench_sparse_kernels' JSON")
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    with open(arguments.measured, encoding="utf-8") as file:
        benchmarks = {b["name"]: b for b in json.load(file)["benchmarks"]}

    peak = benchmarks["machine/peak"]["gflops"]
    memory, cache = (benchmarks[f"machine/{place}"]["gigabytes"] for place in ("memory", "cache"))
    figure, axes = plt.subplots(figsize=(8, 5.5), layout="constrained")
    intensity = np.geomspace(0.05, 2000, 200)
    axes.plot(intensity, np.minimum(peak, memory * intensity), "k-", label=f"memory {memory:.0f} GB/s, peak {peak:.0f} GFLOP/s")
    axes.plot(intensity, np.minimum(peak, cache * intensity), "k:", label=f"cache {cache:.0f} GB/s")

    def points(what, dense):
        found = [b for name, b in benchmarks.items() if f"/{what}" in name and "bytes" in b]
        best = "/avx512/" if any("/avx512/" in b["name"] for b in found) else "/avx2/"
        chosen = [b for b in found if b["name"].endswith("/onednn") == dense and
                  (dense or best in b["name"] or b["name"].count("/") == 2)]
        return [b["flops"] / b["bytes"] for b in chosen], [b["gflops"] for b in chosen]

    for what, (marker, colour) in SPARSE.items():
        axes.scatter(*points(what, dense=False), marker=marker, color=colour, s=22,
                     label=f"sparse kernels, {what.replace('_', ' ')}")
        axes.scatter(*points(what, dense=True), marker=marker, facecolors="none", edgecolors="0.6", s=22,
                     label=f"oneDNN, {what.replace('_', ' ')}")
    axes.set(xscale="log", yscale="log", xlabel="operations per byte", ylabel="GFLOP/s", ylim=(1, 2 * peak),
             title="Layers of LeNet-5, AlexNet and ResNet-18 at their densities, batch 128, one core")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=8, loc="lower right")
    figure.savefig(arguments.out, dpi=150)


if __name__ == "__main__":
    main()
