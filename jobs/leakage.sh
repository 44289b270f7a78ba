#!/usr/bin/env bash
# What analysis/results/leakage.md is made from: three runs at different sparsity from the start, audits of the first
# and the tenth round's model, and the attack on membership. What is there is not made again.
#
#     jobs/leakage.sh [FOLDER]     (default: build/leakage)
#
# For the page, each FOLDER/NAME/audit.h5 goes to analysis/results/leakage/NAME.h5; then analysis/leakage.py.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

out=${1:-$feddip_root/build/leakage}
feddip=$feddip_root/build/release/src/app/feddip
rounds=10

train() { # NAME OVERRIDE...
    local overrides=()
    for override in federation.rounds=$rounds federation.clients_per_round=2 checkpoint.keep=$rounds "${@:2}"; do
        overrides+=(--set "$override")
    done
    "$feddip" train "$feddip_root/jobs/configs/fashion-mnist-lenet5.toml" "${overrides[@]}" --out "$out/$1.h5" --resume
}

audit() { # NAME CHECKPOINT OPTION...
    [[ ! -e $out/$1/audit.h5 ]] || return 0
    say "$1"
    "$python" "$feddip_root/analysis/audit.py" "$out/$2" --out "$out/$1" --feddip "$feddip" "${@:3}"
}

install_packages build run analysis
"$python" -c 'import torch' || die "PyTorch is missing: apt install python3-torch"
build_release
mkdir -p "$out"
train s0 method.name=fedavg
for s in 0.9 0.99; do
    train "s$s" sparsity.initial="$s" sparsity.target="$s" sparsity.start_scale=density
done
for s in 0 0.9 0.99; do
    audit "early-s$s" "s$s.ckpt-1.h5" --only inversion
    audit "late-s$s" "s$s.ckpt-$rounds.h5" --only inversion --batches 0
    audit "membership-s$s" "s$s.ckpt-$rounds.h5" --only membership
done
eight=(--only membership --models 6 --clients 8 --batch-size 10)
audit private-none "s0.ckpt-$rounds.h5" "${eight[@]}"
for z in 0.02 0.1 1 4; do
    audit "private-z$z" "s0.ckpt-$rounds.h5" "${eight[@]}" --set privacy.clip=1 --set privacy.noise_multiplier=$z
done
