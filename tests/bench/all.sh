#!/usr/bin/env bash
# Measures what the READMEs of this folder show, one thing after the other, on a machine that should do nothing else, and keeps
# what the programs print. As root, for the networks. Two hours on two cores.
#
#     tests/bench/all.sh FOLDER [BEFORE]
#     tests/bench/tables.py FOLDER
#
# Installs what is missing and builds. BEFORE is the folder tests/bench of an older build, to compare with. What FOLDER has
# already isn't measured again. AlexNet's schedule takes CIFAR-10 from data/downloads or FEDDIP_DATA
# (data/get.sh) and is left out where it isn't.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../../jobs/lib.sh"
(($# == 1 || $# == 2)) || die "usage: tests/bench/all.sh FOLDER [BEFORE]"

here=$feddip_root/tests/bench
built=$feddip_root/build/release
mkdir -p "$1"
folder=$(cd "$1" && pwd)
before=${2:+$(cd "$2" && pwd)}
cd "$feddip_root"
install_packages build run analysis test simulation profile
build_release -DFEDDIP_BUILD_BENCHMARKS=ON
cmake --build --preset release --target simulated_round >&2
export OMP_NUM_THREADS=1 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

measure() { # FILE COMMAND...
    local out=$folder/$1 started=$SECONDS
    shift
    [[ ! -f $out ]] || return 0
    say "${out##*/}: $*"
    "$@" >"$out.part"
    mv "$out.part" "$out"
    say "${out##*/} took $((SECONDS - started)) s"
}

machine() {
    lscpu | grep -E '^(Model name|CPU family|Model|CPU\(s\)|L1d|L2|L3)'
    grep -m1 MHz /proc/cpuinfo
    "${CXX:-g++}" --version | head -n 1
    echo "feddip $(git -C "$feddip_root" rev-parse --short HEAD)"
}

# Three times each, and their medians.
steps() { # FILTER
    "$built/tests/bench/bench_nn_step" --benchmark_filter="$1" --benchmark_min_time=0.05 --benchmark_repetitions=3 \
        --benchmark_report_aggregates_only=true --benchmark_format=csv
}

# Fewer turns for steps that take longer.
beside_pytorch() {
    local compare=("$python" "$here/compare_with_pytorch.py" "$built/tests/bench/bench_nn_step" ${before:+--before "$before/bench_nn_step"})
    "${compare[@]}" --model lenet5
    "${compare[@]}" --model alexnet --seconds 0.1
    "${compare[@]}" --model resnet18 --seconds 0.1 --rounds 2
}

choice() {
    local choose=("$python" "$here/kernel_choice.py" "$built/tests/bench/bench_nn_step")
    "${choose[@]}" --model lenet5
    "${choose[@]}" --model alexnet --rounds 1
    "${choose[@]}" --model resnet18 --rounds 1 --spread erk --density 5 20 30 50
}

profile() {
    local step
    for step in lenet5/erk/10/automatic alexnet/erk/{10,20}/automatic alexnet/erk/50/sparse; do
        "$python" "$here/step_profile.py" measure --step "choice/$step" ${before:+"before=$before/bench_nn_step"} \
            "after=$built/tests/bench/bench_nn_step"
    done
}

rounds_of_lenet5() {
    local method
    for method in feddip fedavg; do
        mpi_run 2 "$built/src/app/feddip" train "$feddip_root/jobs/configs/fashion-mnist-lenet5.toml" \
            --set federation.rounds=100 --set method.name=$method --set checkpoint.every_rounds=0 --out "$folder/lenet5-$method.h5" >&2
    done
    "$python" -c 'import sys, h5py, numpy
for name in sys.argv[1:]:
    file = h5py.File(name)
    seconds = file["rounds/seconds_round"][:]
    print(name.rsplit("/")[-1], *(f"{s:.3f}" for s in (seconds.mean(), numpy.median(seconds), seconds[5::5].mean(), seconds[-4:].mean())))' \
        "$folder"/lenet5-{feddip,fedavg}.h5
}

# Without what names the machine.
kernels() {
    "$built/tests/bench/bench_sparse_kernels" --benchmark_format=json | "$python" -c 'import json, sys
kept = ("name", "real_time", "cpu_time", "time_unit", "flops", "bytes", "gflops", "gigabytes", "items_per_second", "label")
of = json.load(sys.stdin)["benchmarks"]
json.dump({"benchmarks": [{key: b[key] for key in kept if key in b} for b in of]}, sys.stdout, indent=1)'
}

collectives() {
    mpi_run 4 "$1/bench_collectives" --benchmark_format=csv
}

measure machine.txt machine
measure pytorch.txt beside_pytorch
[[ ! -d ${FEDDIP_DATA:-data/downloads}/cifar-10 ]] || measure schedule.txt "$python" "$here/schedule.py" "$built/src/app/feddip" \
    --results "$folder/schedule.h5" --out "$folder/schedule.png"
measure lenet5.txt rounds_of_lenet5
measure kernels.json kernels
measure profile.csv profile
measure reconfigure.csv steps '^reconfigure/.*/automatic$'
measure steps.csv steps '^(choice/(alexnet|resnet18)/erk/(2|5|10)/automatic|train/(alexnet|resnet18)/dense/dense)$'
measure collectives.csv collectives "$built/tests/bench"
[[ -z $before ]] || measure collectives-before.csv collectives "$before"
measure checkpoint.csv "$built/tests/bench/bench_checkpoint" --benchmark_format=csv
measure results.csv "$built/tests/bench/bench_results" --benchmark_format=csv
measure calibration.csv "$python" "$here/calibrate_simulation.py" "$built/tests/bench"
measure choice.txt choice
measure simulated.csv "$python" "$here/simulate_rounds.py" "$built/tests/bench" --jobs 2
measure scaling.csv "$python" "$here/measure_scaling.py" "$built/tests/bench/bench_collectives_scaling"
