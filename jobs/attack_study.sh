#!/usr/bin/env bash
# Writes the list of runs of rules against attacks: LeNet-5 on Fashion-MNIST, 20 clients that all take part in each round, 4
# of them hostile, Dirichlet 0.5, dense and at sparsity 0.9. The cells that others have published come first. A run of 25
# rounds takes one core 2 to 3 minutes.
#
#     mkdir -p FOLDER && jobs/attack_study.sh FOLDER [PART...] > FOLDER/plan.txt    (parts: published unweighted seeing attacks rules strong)
#     jobs/sweep.sh FOLDER/plan.txt
#     python3 analysis/privacy_tables.py FOLDER
#
# FEDDIP_STUDY_ROUNDS (25) is how long runs are, FEDDIP_STUDY_SEEDS ("1") which seeds there are.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

all=(published unweighted seeing attacks rules strong)
choose_parts "$@"
configs=$(realpath --relative-to="$PWD" "$feddip_root/jobs/configs")
setting=(data.partition=dirichlet federation.clients=20 federation.clients_per_round=20 federation.local_epochs=1
    federation.batch_size=32 federation.rounds="${FEDDIP_STUDY_ROUNDS:-25}" attack.clients=4)

list() { # DENSITY ARGUMENT...
    local method=(--method feddip --sparsity 0.9)
    [[ $1 != dense ]] || method=(--method fedavg)
    sweep_lines "$configs/fashion-mnist-lenet5.toml" --out "$folder" --seed "$seed" \
        "${method[@]}" "${setting[@]/#/--set=}" "${@:2}"
}

against() { # RULES ATTACKS ARGUMENT...: each against each, the mean without a number of hostile clients to withstand
    local rules kinds density rule assumed
    read -ra rules <<<"$1"
    read -ra kinds <<<"$2"
    for density in dense sparse; do
        for rule in "${rules[@]}"; do
            assumed=(--set aggregation.hostile=4)
            [[ $rule != mean ]] || assumed=()
            list "$density" "${assumed[@]}" --vary aggregation.rule "$rule" --vary attack.kind "${kinds[@]}" "${@:3}"
        done
    done
}

published() {
    against "mean median trimmed_mean multi_krum" "none sign_flip alie min_max"
}

# A trimmed mean that trims nothing: the mean with each client counting once, as in every other rule.
unweighted() {
    local density
    for density in dense sparse; do
        list "$density" --vary aggregation.rule trimmed_mean --vary aggregation.hostile 0 --vary attack.kind none sign_flip
    done
}

# Hostile clients that know all honest updates, as publications mostly assume.
seeing() {
    against "mean median trimmed_mean multi_krum" "alie min_max" --vary attack.sees all
}

attacks() {
    against "mean median trimmed_mean multi_krum" "gaussian label_flip ipm backdoor mask_aware"
}

rules() {
    against "krum geometric_median centered_clipping norm_bound" \
        "none sign_flip alie min_max gaussian label_flip ipm backdoor mask_aware"
}

# Five times as long, which the mean can't bear.
strong() {
    against "mean median trimmed_mean multi_krum" "sign_flip gaussian ipm" --vary attack.strength 5
}

for seed in ${FEDDIP_STUDY_SEEDS:-1}; do
    for part in "${parts[@]}"; do
        "$part"
    done
done
