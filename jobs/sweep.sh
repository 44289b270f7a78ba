#!/usr/bin/env bash
# The runs of a list that jobs/make_sweep.py has written, one after the other on this machine. Those that are complete
# are skipped, those that were stopped go on; one that fails, or whose results are of another configuration, is named at
# the end, after the others.
#
#     jobs/make_sweep.py CONFIG.toml --seed 1 2 3 ... > sweep.txt
#     jobs/sweep.sh sweep.txt [RANKS]        (default: 2)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if [[ $# -lt 1 || $# -gt 2 || ! -r $1 ]]; then
    echo "usage: jobs/sweep.sh LIST [RANKS]; jobs/make_sweep.py writes the list" >&2
    exit 2
fi
feddip=${FEDDIP:-$feddip_root/build/release/src/app/feddip}
[[ -x $feddip ]] || die "no program (FEDDIP): '$feddip' can't be run; build it (jobs/quickstart.sh does) or name it"
ranks=${2:-2}
mapfile -t runs < <(grep -v '^[[:space:]]*$' "$1")

failed=() started=$SECONDS trained=0
for i in "${!runs[@]}"; do
    read -ra run <<<"${runs[i]}"
    results=
    for ((j = 0; j < ${#run[@]} - 1; ++j)); do
        [[ ${run[j]} != --out ]] || results=${run[j + 1]}
    done
    if [[ -n $results ]] && is_complete "$results"; then
        is_same_run "$feddip" "$results" "${run[@]}" || failed+=("$results (complete, but not this run)")
        continue
    fi
    left=
    ((trained == 0)) || left=", about $(((SECONDS - started) * (${#runs[@]} - i) / trained / 60)) min left"
    say "Run $((i + 1)) of ${#runs[@]}$left: $results"
    [[ -z $results ]] || mkdir -p "$(dirname "$results")"
    status=0
    mpi_run "$ranks" "$feddip" train "${run[@]}" --resume >/dev/null || status=$?
    ((status != 75)) || exit 75 # stopped on request
    ((status == 0)) || failed+=("$results (exit code $status)")
    trained=$((trained + 1))
done
((${#failed[@]} == 0)) || die "${#failed[@]} of ${#runs[@]} runs failed ($1): ${failed[*]}"
