#!/usr/bin/env bash
# Writes the list of runs that compare what federations do about clients that differ: LeNet-5 on Fashion-MNIST, links and
# compute of all clients alike, spread 10-fold and 100-fold, i.i.d. and Dirichlet, three seeds, one after the other.
#
#     mkdir -p FOLDER && jobs/budget_study.sh FOLDER [FEDERATION...] > FOLDER/plan.txt    (federations: alike 10-fold 100-fold classes alexnet)
#     jobs/sweep.sh FOLDER/plan.txt
#     python3 analysis/plot.py FOLDER/10-fold/*-iid-*.h5 --out pictures
#
# FEDDIP_STUDY_ROUNDS changes how long the runs are (300). A third of the clients each has quick, medium and slow links. The
# deadline is one that the medium ones keep with the whole model, and that the slow ones don't. Where nobody is late or has a
# budget, `alike` has the runs of 10-fold, but for their times, which analysis/budget_tables.py tells. So it does of 100-fold: all
# but the quick clients are ten times slower there in everything, and the deadline is ten times longer, so that each client
# does the same (tests/system/test_slower.py), unless the deadline limits a quick one. That part is there for those who want to
# see it. In `classes`, 10-fold, the slow ones alone have two of the ten classes, and the accuracy of each class is recorded.
# `alexnet`, 10-fold too, is one seed of AlexNet on CIFAR-10, i.i.d., for 30 rounds of one epoch: what they take, long before that
# network learns anything.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

all=(alike 10-fold 100-fold classes alexnet)
choose_parts "$@"

# Mbit/s in both directions, ms one way and ms per image of each class of links, the deadline in seconds and half of it, and the
# share of the weights that the slowest class carries in it.
federation() {
    latency=20
    case $1 in
        alike) mbit=[10,10,10] train=[0.01,0.01,0.01] deadline=1.5 ;;
        10-fold | classes) mbit=[10,3.16,1] train=[0.01,0.0316,0.1] deadline=2 half=1 weakest=0.3 ;;
        100-fold) mbit=[10,0.316,0.1] latency=[20,200,200] train=[0.01,0.316,1] deadline=20 half=10 weakest=0.3 ;;
        alexnet) mbit=[100,31.6,10] train=[0.3,0.95,3] deadline=50 ;;
    esac
    local experiment=fashion-mnist-lenet5
    rounds=300
    [[ $1 != alexnet ]] || experiment=cifar-10-alexnet rounds=30
    rounds=${FEDDIP_STUDY_ROUNDS:-$rounds}
    config=$(realpath --relative-to="$PWD" "$feddip_root/jobs/configs/$experiment.toml")
}

run() { # NAME KEY=VALUE...
    local words=("$config" --out "$folder/$where/$1-$partition-seed$seed.h5") override
    for override in federation.rounds="$rounds" federation.seed="$seed" data.partition="$partition" \
        links.shares=[0.34,0.33,0.33] links.uplink_mbit="$mbit" links.downlink_mbit="$mbit" links.latency_ms="$latency" \
        links.train_ms_per_image="$train" "${@:2}"; do
        words+=(--set "$override")
    done
    echo "${words[*]}"
}

systems() {
    local in_time=(budget.mode=deadline budget.deadline_s="$deadline")
    local late=(budget.mode=drop budget.deadline_s="$deadline")
    local rests=(sparsity.initial=0 sparsity.final_rounds=0.4)
    run adaptive "${in_time[@]}"
    run adaptive-rests "${in_time[@]}" "${rests[@]}"
    [[ $where != alike ]] || return 0 # where nobody is late, the others are of 10-fold
    run fedavg method.name=fedavg
    run feddip
    run fedavg-drop method.name=fedavg "${late[@]}"
    run feddip-drop "${late[@]}"
    run weakest budget.mode=fixed budget.density="$weakest"
    run adaptive-rests-half budget.mode=deadline budget.deadline_s="$half" "${rests[@]}"
    run adaptive-rotate "${in_time[@]}" budget.rotate=true
    run adaptive-forgets "${in_time[@]}" budget.feedback=0
    run flash method.name=flash "${in_time[@]}" budget.layer_floor=1 budget.ranked_every=1
    run heterofl method.name=fedavg "${in_time[@]}" budget.ranking=width
    run fedrolex method.name=fedavg "${in_time[@]}" budget.ranking=rolling_width
}

# Those that differ in what becomes of slow clients.
with_own_classes() {
    mkdir -p "$folder"
    [[ -f $folder/classes.h5 ]] || "$python" "$feddip_root/jobs/own_classes.py" "$folder/classes.h5"
    local partition=given
    local data=(data.dataset=file data.path="$folder/classes.h5" links.order=in_order analysis.class_accuracy=true)
    run fedavg method.name=fedavg "${data[@]}"
    run fedavg-drop method.name=fedavg budget.mode=drop budget.deadline_s="$deadline" "${data[@]}"
    run feddip-drop budget.mode=drop budget.deadline_s="$deadline" "${data[@]}"
    run adaptive budget.mode=deadline budget.deadline_s="$deadline" "${data[@]}"
}

of_alexnet() {
    local partition=iid
    local short=(federation.local_epochs=1 federation.evaluate_every=10)
    local pruned=(sparsity.target=0.95 sparsity.horizon=2 "${short[@]}")
    run fedavg method.name=fedavg "${short[@]}"
    run fedavg-drop method.name=fedavg budget.mode=drop budget.deadline_s="$deadline" "${short[@]}"
    run feddip "${pruned[@]}"
    run adaptive budget.mode=deadline budget.deadline_s="$deadline" "${pruned[@]}"
}

for seed in 1 2 3; do
    for where in "${parts[@]}"; do
        federation "$where"
        case $where in
            classes) with_own_classes ;;
            alexnet) [[ $seed != 1 ]] || of_alexnet ;;
            *)
                for partition in iid dirichlet; do
                    systems
                done
                ;;
        esac
    done
done
