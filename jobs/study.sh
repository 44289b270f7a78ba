#!/usr/bin/env bash
# Writes the list of runs of the study, at the length of the paper: LeNet-5 on Fashion-MNIST for 1000 rounds, AlexNet and
# ResNet-18 on CIFAR-10 for as many as are named. One seed after the other and what matters most first, so that a study
# that is cut short is a whole comparison of the seeds before. The list is also the plan that the analysis counts against.
#
#     mkdir -p FOLDER && jobs/study.sh FOLDER [PART...] > FOLDER/plan.txt    (parts: core baselines shares extreme personal alexnet resnet18)
#     jobs/sweep.sh FOLDER/plan.txt       or      sbatch --array=1-$(wc -l < FOLDER/plan.txt)%8 jobs/sweep.sbatch FOLDER/plan.txt
#     python3 analysis/report.py FOLDER --out report
#
# FEDDIP_STUDY_ROUNDS, FEDDIP_STUDY_ALEXNET_ROUNDS and FEDDIP_STUDY_RESNET18_ROUNDS change how long the runs are: each has
# the whole schedule of its own length.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

all=(core baselines shares extreme personal alexnet resnet18)
choose_parts "$@"
configs=$(realpath --relative-to="$PWD" "$feddip_root/jobs/configs")
rounds=${FEDDIP_STUDY_ROUNDS:-1000}
alexnet_rounds=${FEDDIP_STUDY_ALEXNET_ROUNDS:-200}
resnet18_rounds=${FEDDIP_STUDY_RESNET18_ROUNDS:-20}

list() { # CONFIG ROUNDS ARGUMENT...
    sweep_lines "$configs/$1.toml" --out "$folder" --seed "$seed" \
        --set federation.rounds="$2" "${@:3}"
}

with_and_without() { # FedDIP and FedDP: CONFIG ROUNDS SPARSITY ARGUMENT...
    list "$1" "$2" --method feddip --sparsity "${@:3}"
    list "$1" "$2" --method feddip --sparsity "${@:3}" --vary regularization.maximum 0
}

core() { # five seeds; all others have three
    list fashion-mnist-lenet5 "$rounds" --method fedavg --partition iid
    for sparsity in 0.9 0.98; do
        with_and_without fashion-mnist-lenet5 "$rounds" "$sparsity" --partition iid
    done
}

# PruneTrain leaves the first and the last layer whole: with these targets it keeps the 10 and 2 % that the others keep.
baselines() {
    local sparsity method
    for sparsity in 0.9 0.98; do
        for method in snip prunefl feddst; do
            list "$method" "$rounds" --sparsity "$sparsity" --partition iid
        done
        list prunetrain "$rounds" --sparsity "$([[ $sparsity == 0.9 ]] && echo 0.9147 || echo 0.996)" --partition iid
    done
}

shares() {
    for partition in dirichlet pathological; do
        list fashion-mnist-lenet5 "$rounds" --method fedavg --partition "$partition"
        for sparsity in 0.9 0.98; do
            with_and_without fashion-mnist-lenet5 "$rounds" "$sparsity" --partition "$partition"
        done
    done
}

extreme() {
    for sparsity in 0.95 0.99; do
        with_and_without fashion-mnist-lenet5 "$rounds" "$sparsity" --partition iid
    done
}

# All 50 clients train in each round, so that a tenth of the rounds is the same number of client trainings. DisPFL without
# pruning is the personal model that it is compared with.
personal() {
    local everybody=(--set federation.clients_per_round=50)
    for partition in dirichlet pathological; do
        list dispfl $((rounds / 10)) --partition "$partition" "${everybody[@]}" --vary sparsity.target 0 \
            --set sparsity.initial=0
        list dispfl $((rounds / 10)) --sparsity 0.9 --partition "$partition" "${everybody[@]}"
        list dispfl $((rounds / 10)) --sparsity 0.98 --partition "$partition" "${everybody[@]}"
    done
}

alexnet() {
    list cifar-10-alexnet "$alexnet_rounds" --method fedavg --partition iid
    with_and_without cifar-10-alexnet "$alexnet_rounds" 0.9 --partition iid
    list cifar-10-alexnet "$alexnet_rounds" --method feddip --sparsity 0.95 --partition iid
}

# Four reconfigurations, whatever the length, so that the mask rests for the last quarter.
resnet18() {
    local shape=(--set data.dataset=cifar-10 --set sparsity.horizon=$(((resnet18_rounds + 3) / 4)))
    list cifar-100-resnet18 "$resnet18_rounds" --method fedavg --partition iid "${shape[@]}"
    list cifar-100-resnet18 "$resnet18_rounds" --method feddip --sparsity 0.9 --partition iid "${shape[@]}"
}

for seed in 1 2 3 4 5; do
    for part in "${parts[@]}"; do
        case $part in
            core) ;;
            alexnet | resnet18) ((seed == 1)) || continue ;;
            *) ((seed <= 3)) || continue ;;
        esac
        "$part"
    done
done
