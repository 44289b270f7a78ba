#!/usr/bin/env bash
# From nothing to a trained, drawn and summarized model: installs Debian packages, builds, trains FedDIP (LeNet-5,
# Fashion-MNIST) on 2 ranks. Run it again and it goes on from where it stopped.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

out=$feddip_root/build/quickstart
feddip=$feddip_root/build/release/src/app/feddip
config=$feddip_root/jobs/configs/quickstart.toml

train() { mpi_run 2 "$feddip" train "$config" --out "$1" --resume >/dev/null; }

install_packages build run analysis
build_release
mkdir -p "$out"

# What is there may belong to another version or configuration: then the next name is tried.
for ((n = 1; ; ++n)); do
    results=$out/feddip$( ((n == 1)) || echo "-$n").h5
    if is_complete "$feddip" "$results"; then
        is_same_run "$feddip" "$results" "$config" || continue
        say "Trained already: $results (remove $out to train anew)"
        break
    fi
    say "Training into $results; Ctrl-C stops with a checkpoint"
    status=0
    train "$results" || status=$?
    if ((status == 0)); then
        break
    elif ((status == 75)); then
        say "Stopped; run $0 again to go on"
        exit 75
    elif ((status != 2)) || [[ -e ${results%.h5}.lease ]] || ! compgen -G "${results%.h5}.*" >/dev/null; then
        exit "$status"
    fi
done

say "Drawing"
pictures=${results%.h5}-pictures
"$python" "$feddip_root/analysis/plot.py" "$results" --out "$pictures" >/dev/null
say "Summary"
"$python" "$feddip_root/analysis/summary.py" "$results"
printf '\nresults  %s\npicture  %s\n' "$results" "$pictures/overview.png"
