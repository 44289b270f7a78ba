#!/usr/bin/env bash
# Writes the list of runs that look for the causes of what surprises in the study (jobs/study.sh), LeNet-5 on Fashion-MNIST,
# i.i.d., one seed after the other: why FedDIP begins slowly, why FedDST's sparse start stays at chance, what starting at the dense
# model's scale changes over 1000 rounds, and what regularization does to the layers' weights.
#
#     mkdir -p FOLDER && jobs/ablation_study.sh FOLDER [PART...] > FOLDER/plan.txt    (parts: beginning sparse scaled regularization)
#     jobs/sweep.sh FOLDER/plan.txt
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

all=(beginning sparse scaled regularization)
choose_parts "$@"
configs=$(realpath --relative-to="$PWD" "$feddip_root/jobs/configs")

list() { # CONFIG ROUNDS ARGUMENT...
    sweep_lines "$configs/$1.toml" --out "$folder/$part" --partition iid --seed "$seed" \
        --set federation.rounds="$2" "${@:3}"
}

# The first 50 rounds, in which FedDIP's schedule of 1000 is between 0.5 and 0.56 and regularizes nothing yet.
beginning() {
    local feddip=(fashion-mnist-lenet5 50 --method feddip --set regularization.maximum=0)
    list fashion-mnist-lenet5 50 --method fedavg
    list "${feddip[@]}" --sparsity 0.25 --set sparsity.initial=0.25
    list "${feddip[@]}" --sparsity 0.5 --set sparsity.initial=0.5
    list "${feddip[@]}" --sparsity 0.5 --set sparsity.initial=0.5 --vary sparsity.horizon 50
    list "${feddip[@]}" --sparsity 0.5 --set sparsity.initial=0.5 --vary sparsity.start_scale density
}

sparse() {
    list feddst 300 --sparsity 0.98 --vary optimizer.learning_rate 0.1 0.3 --vary sparsity.start_scale dense density \
        --set analysis.layer_norms_every=10
}

scaled() {
    list feddst 1000 --sparsity 0.98 --vary sparsity.start_scale density
    list snip 1000 --sparsity 0.98 --vary sparsity.start_scale density
}

# The norms of the first seed, whose runs with 0 and 0.001 have the numbers of the study's.
regularization() {
    local strengths=(0.01)
    ((seed > 1)) || strengths=(0 0.001 0.01)
    list fashion-mnist-lenet5 1000 --method feddip --sparsity 0.98 --vary regularization.maximum "${strengths[@]}" \
        --set analysis.layer_norms_every=50
}

for part in "${parts[@]}"; do
    for seed in 1 2 3; do
        "$part"
    done
done
