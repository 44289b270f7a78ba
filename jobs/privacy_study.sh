#!/usr/bin/env bash
# Writes the list of runs of accuracy over privacy and sparsity: LeNet-5 on Fashion-MNIST with 1000 clients, and with 50,
# which can't have both; and a published comparison, 100 clients at two noise multipliers. Masks are nested, so that after
# the first round there is noise on the weights in the mask alone, and sparse from the start, at a dense one's scale: without
# that, clipped updates take too long to leave it. A run takes one core 1 to 3 minutes.
#
#     mkdir -p FOLDER && jobs/privacy_study.sh FOLDER [PART...] > FOLDER/plan.txt    (parts: thousand fifty published clip)
#     jobs/sweep.sh FOLDER/plan.txt
#     python3 analysis/privacy_tables.py FOLDER
#
# FEDDIP_STUDY_ROUNDS (100; of `published` a fifth) is how long runs are, FEDDIP_STUDY_SEEDS ("1 2 3") which seeds there are.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

all=(thousand fifty published clip)
choose_parts "$@"
configs=$(realpath --relative-to="$PWD" "$feddip_root/jobs/configs")
rounds=${FEDDIP_STUDY_ROUNDS:-100}

list() { # SPARSITY CLIENTS PER_ROUND ARGUMENT...: 0 is FedAvg
    local method=(--method feddip --sparsity "$1" --set sparsity.initial="$1" --set sparsity.regrow=false
        --set sparsity.start_scale=density --set regularization.maximum=0)
    [[ $1 != 0 ]] || method=(--method fedavg)
    sweep_lines "$configs/fashion-mnist-lenet5.toml" --out "$folder" --seed "$seed" \
        "${method[@]}" --vary federation.clients "$2" --set federation.clients_per_round="$3" \
        --set federation.evaluate_every=5 "${@:4}"
}

over_epsilon() { # EPSILONS SPARSITIES CLIENTS PER_ROUND ARGUMENT...: and once with updates clipped and no noise
    local epsilons sparsity
    read -ra epsilons <<<"$1"
    for sparsity in $2; do
        list "$sparsity" "${@:3}" --set federation.rounds="$rounds" --vary privacy.epsilon "${epsilons[@]}"
        list "$sparsity" "${@:3}" --set federation.rounds="$rounds" --vary privacy.noise_multiplier 0
    done
}

many=(1000 50 --set federation.batch_size=20 --set privacy.sampling=poisson)

thousand() {
    over_epsilon "1 2 4 8" "0 0.9 0.99" "${many[@]}" --set privacy.clip=0.5
}

fifty() {
    over_epsilon "8 32" "0 0.9 0.99" 50 5 --set federation.local_epochs=1 --set federation.batch_size=32 \
        --set privacy.sampling=poisson --set privacy.delta=1e-3 --set privacy.clip=0.5
}

published() {
    local sparsity
    for sparsity in 0 0.6 0.9 0.95 0.99; do
        list "$sparsity" 100 100 --set federation.rounds=$((rounds / 5)) --set federation.local_epochs=1 \
            --set federation.batch_size=20 --set privacy.delta=1e-3 --set privacy.clip=0.5 \
            --vary privacy.noise_multiplier 0 1 2
    done
}

# What the bound of updates is worth.
clip() {
    ((seed == 1)) || return 0
    local sparsity
    for sparsity in 0 0.9; do
        list "$sparsity" "${many[@]}" --set federation.rounds="$rounds" --vary privacy.epsilon 8 --vary privacy.clip 0.2 1
    done
}

for seed in ${FEDDIP_STUDY_SEEDS:-1 2 3}; do
    for part in "${parts[@]}"; do
        "$part"
    done
done
