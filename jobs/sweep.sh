#!/usr/bin/env bash
# The runs of a list that jobs/make_sweep.py has written, one after the other on this machine. Those that are complete
# are skipped, those that were stopped go on; one that fails, or whose results are of another configuration, is named at
# the end, after the others.
#
#     jobs/make_sweep.py CONFIG.toml --seed 1 2 3 ... > sweep.txt
#     jobs/sweep.sh sweep.txt [RANKS]        (default: 2)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if [[ $# -lt 1 || $# -gt 2 || ! -r $1 || -d $1 || ! ${2:-2} =~ ^[1-9][0-9]*$ ]]; then
    echo "usage: jobs/sweep.sh LIST [RANKS]; jobs/make_sweep.py writes the list" >&2
    exit 2
fi
feddip=$(find_feddip)
[[ -x $feddip ]] || die "no program (FEDDIP): '$feddip' can't be run; build it (jobs/quickstart.sh does) or name it"
ranks=${2:-2}
mapfile -t runs < <(grep -v '^[[:space:]]*$' "$1")
((${#runs[@]})) || die "no runs ($1): each line is one, as jobs/make_sweep.py writes them"

results_of() { # ARGUMENT...
    while (($# > 1)); do
        [[ $1 != --out ]] || echo "$2"
        shift
    done | tail -n 1
}

complete=()
for i in "${!runs[@]}"; do
    read -ra run <<<"${runs[i]}"
    results=$(results_of "${run[@]}")
    [[ -z $results ]] || ! is_complete "$feddip" "$results" || complete[i]=yes
done

failed=() started=$SECONDS trained=0
for i in "${!runs[@]}"; do
    read -ra run <<<"${runs[i]}"
    results=$(results_of "${run[@]}")
    if [[ -n ${complete[i]:-} ]]; then
        is_same_run "$feddip" "$results" "${run[@]}" || failed+=("$results (complete, but refused: see above)")
        continue
    fi
    left=
    ((trained == 0)) ||
        left=", about $(((SECONDS - started) * (${#runs[@]} - ${#complete[@]} - trained) / trained / 60)) min left"
    say "Run $((i + 1)) of ${#runs[@]}$left: $results"
    [[ -z $results ]] || mkdir -p "$(dirname "$results")"
    status=0
    mpi_run "$ranks" "$feddip" train "${run[@]}" --resume >/dev/null || status=$?
    ((status != 75)) || exit 75 # stopped on request
    ((status == 0)) || failed+=("$results (exit code $status)")
    trained=$((trained + 1))
done
((${#failed[@]} == 0)) || die "${#failed[@]} of ${#runs[@]} runs failed ($1): ${failed[*]}"
