#!/usr/bin/env bash
# Installs what is missing, builds and runs every test. Arguments go to ctest: tests/run.sh -L unit
#
# What is not on every machine is named by the environment, and its tests are skipped without it:
#   FEDDIP_TEST_CIFAR10  folder with CIFAR-10's binary files
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../jobs/lib.sh"

install_packages build run analysis test
build_release -DFEDDIP_BUILD_TESTS=ON -DFEDDIP_BUILD_BENCHMARKS=ON

# Ranks share the cores with other tests: Open MPI must neither bind nor spin, and runs as root in containers.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1
# One thread per process unless a test says otherwise.
export OMP_NUM_THREADS=1

say "Testing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
# Two at a time, but for those that say that they fill the machine, with several ranks or nodes.
ctest --test-dir "$feddip_root/build/release" --output-on-failure --parallel 2 "$@" | tee "$log" || status=$?

count() { grep -cE "^ *[0-9]+/[0-9]+ Test +#[0-9]+: .*$1" "$log" || true; }
# What tests say in ctest's log of having skipped.
skips() {
    awk '/^[0-9]+\/[0-9]+ Testing: / { test = $3 }
         /\.\.\. skipped / || /^skipped: / || /: Skipped$/ { sub(/^ +/, ""); print "  " test ": " $0 }' "$1"
}
passed=$(count ' Passed ') skipped=$(count '\*\*\*Skipped') total=$(count '')
printf '\n%d passed, %d failed, %d skipped\n' "$passed" $((total - passed - skipped)) "$skipped"
if ((total == 0)); then
    die "no tests ran"
fi
# Also of files whose other tests have passed.
if reasons=$(skips "$feddip_root/build/release/Testing/Temporary/LastTest.log") && [[ $reasons ]]; then
    printf 'skipped:\n%s\n' "$reasons"
fi
exit "$status"
