#!/usr/bin/env bash
# The authors' LeNet-5 experiment, three seeds each of FedAvg, FedDIP as published (nested masks) and FedDIP with
# regrowing weights, then a table beside the authors' numbers. Runs that are complete are skipped, runs that were
# stopped go on.
#
#     jobs/reproduce.sh [RESULTS_FOLDER]     (default: build/reproduce)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

out=${1:-$feddip_root/build/reproduce}
feddip=$feddip_root/build/release/src/app/feddip
config=$feddip_root/jobs/configs/fashion-mnist-lenet5-authors.toml

train() { # NAME SEED OVERRIDE...
    local results=$out/$1-seed$2.h5 overrides=(--set federation.seed="$2")
    for override in "${@:3}"; do
        overrides+=(--set "$override")
    done
    if is_complete "$feddip" "$results"; then
        is_same_run "$feddip" "$results" "$config" "${overrides[@]}"
    else
        say "$results"
        mpi_run 2 "$feddip" train "$config" "${overrides[@]}" --out "$results" --resume >/dev/null
    fi
}

install_packages build run analysis
build_release
mkdir -p "$out"
for seed in 1 2 3; do
    train fedavg "$seed" method.name=fedavg
    train feddip-nested "$seed"
    train feddip-regrow "$seed" sparsity.regrow=true
done
"$python" "$feddip_root/jobs/compare_with_authors.py" "$out"
