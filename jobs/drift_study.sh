#!/usr/bin/env bash
# Writes the list of runs of the drift study: does extreme sparsity forget how to learn? LeNet-5 on Fashion-MNIST for 2000
# rounds on data that change after 1400 of them (turned, blurred, some classes gone) or that turn and turn back, for FedAvg,
# FedDIP as it is, FedDIP whose mask is frozen after half of the rounds, and the same with each answer to drift. One seed
# after the other and what matters most first, so that a study that is cut short is a whole comparison of the seeds before.
#
#     mkdir -p FOLDER && jobs/drift_study.sh FOLDER [PART...] > FOLDER/plan.txt    (parts: turned adwin returning blurred labels extreme)
#     jobs/sweep.sh FOLDER/plan.txt       or      sbatch --array=1-$(wc -l < FOLDER/plan.txt)%8 jobs/sweep.sbatch FOLDER/plan.txt
#     python3 analysis/drift.py FOLDER --out report
#
# FEDDIP_DRIFT_ROUNDS changes how long the runs are, and with it when the data change.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

all=(turned adwin returning blurred labels extreme)
choose_parts "$@"
config=$(realpath --relative-to="$PWD" "$feddip_root/jobs/configs")/drift.toml
rounds=${FEDDIP_DRIFT_ROUNDS:-2000}
[[ $rounds =~ ^[0-9]+$ ]] && ((rounds >= 20)) || die "too few rounds (FEDDIP_DRIFT_ROUNDS=$rounds): take 20 or more"
frozen=(--vary sparsity.final_rounds $((rounds / 2)))

list() { # ARGUMENT...
    sweep_lines "$config" --out "$folder" --seed "$seed" \
        --set federation.rounds="$rounds" "$@"
}

answers() { # SPARSITY ARGUMENT...: frozen, and with each answer
    list --method feddip --sparsity "$1" "${frozen[@]}" "${@:2}"
    list --method feddip --sparsity "$1" "${frozen[@]}" --vary adaptation.answer regrow relax "${@:2}"
}

systems() { # SPARSITY ARGUMENT...
    list --method fedavg "${@:2}"
    answers "$@"
    list --method feddip --sparsity "$1" "${@:2}"
}

once="drift.at=[$((rounds * 7 / 10))]"
turned() { systems 0.95 --vary drift.kind rotation --set "$once"; }
adwin() { # the other detector, with the answer that helps
    list --method feddip --sparsity 0.95 "${frozen[@]}" --vary adaptation.answer regrow --vary adaptation.detector adwin \
        --vary drift.kind rotation --set "$once"
}
extreme() { answers 0.99 --vary drift.kind rotation --set "$once"; }
blurred() { systems 0.95 --vary drift.kind blur --set "$once" --set drift.strength=2; }
labels() { # half of the classes are rare until then
    systems 0.95 --vary drift.kind label_shift --set drift.pattern=recurring --set "drift.at=[1,$((rounds * 7 / 10))]" \
        --set drift.strength=0.95
}
returning() { # every tenth of the rounds, from their half on
    local at
    at=$(seq -s, $((rounds / 2)) $((rounds / 10)) $((rounds - 1)))
    systems 0.95 --vary drift.pattern recurring --set "drift.at=[$at]"
}

for seed in 1 2 3; do
    for part in "${parts[@]}"; do
        "$part"
    done
done
