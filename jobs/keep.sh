#!/usr/bin/env bash
# Makes results files small enough to be kept in a repository: compressed without loss, a quarter of the size for 1000
# rounds. Everything reads them as before. Files of runs that are not complete, and checkpoints, are left as they are.
#
#     jobs/keep.sh RESULTS.h5...
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if (($# == 0)); then
    echo "usage: jobs/keep.sh RESULTS.h5..." >&2
    exit 2
fi
command -v h5repack >/dev/null || die "no h5repack (PATH): install Debian's hdf5-tools"
for results in "$@"; do
    if [[ $results == *.ckpt-* ]] || ! is_complete "$results"; then
        say "Left as it is: $results"
        continue
    fi
    small=$(mktemp "$results.XXXXXX")
    trap 'rm -f "$small"' EXIT
    h5repack -L -f SHUF -f GZIP=9 "$results" "$small"
    chmod --reference="$results" "$small"
    mv "$small" "$results"
done
