#!/usr/bin/env bash
# data/get.sh against mirrors made here: get_test.sh PATH_OF_GET_SH
# shellcheck disable=SC2317 # check runs what it is given
set -euo pipefail

script=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

check() { # DESCRIPTION COMMAND...
    local description=$1
    shift
    if ! "$@"; then
        echo "FAILED: $description" >&2
        failures=$((failures + 1))
    fi
}

# Runs get.sh in the folder of the test; its words are in $said, its exit status in $status.
run() {
    status=0
    said=$("$work/data/get.sh" "$@" 2>&1) || status=$?
}
ended() { [[ $status -eq $1 ]]; }
says() { [[ $said == *"$1"* ]]; }
tidy() { [[ -z $(find "$work/data" -name '.fetching*') ]]; }

# Mirrors of small files with their own checksums.
mkdir -p "$work/data" "$work/mirror/cifar-10-batches-bin" "$work/mirror/cifar-100-binary"
cp "$script" "$work/data/get.sh"
export FEDDIP_DATA='' FEDDIP_CIFAR_URL="file://$work/mirror" FEDDIP_FASHION_MNIST_URL="file://$work/mirror"
(
    cd "$work/mirror"
    for i in 1 2 3 4 5; do
        echo "batch $i" >"cifar-10-batches-bin/data_batch_$i.bin"
    done
    echo test >cifar-10-batches-bin/test_batch.bin
    echo train >cifar-100-binary/train.bin
    tar -czf cifar-10-binary.tar.gz cifar-10-batches-bin
    tar -czf cifar-100-binary.tar.gz cifar-100-binary # lacks test.bin
    md5sum -- *.tar.gz >"$work/data/checksums.md5"
)

run cifar-10
check "a download succeeds" ended 0
check "the files are in place" cmp -s "$work/mirror/cifar-10-batches-bin/data_batch_3.bin" \
    "$work/data/downloads/cifar-10-batches-bin/data_batch_3.bin"
check "the archive is not kept" test ! -e "$work/data/downloads/cifar-10-binary.tar.gz"
check "nothing half-done is left after success" tidy

rm "$work/mirror/cifar-10-binary.tar.gz"
run cifar-10
check "the second time finds the files" ended 0
check "the second time says so" says "already in $work/data/downloads/cifar-10-batches-bin"
check "feddip is told elsewhere too" says "export FEDDIP_DATA=$work/data/downloads"

mkdir "$work/few"
for tool in bash dirname basename; do
    ln -s "$(command -v "$tool")" "$work/few"
done
PATH=$work/few run cifar-10
check "what is there needs no curl" ended 0
PATH=$work/few run cifar-100
check "what is not does" says "curl is not installed"

rm "$work/data/downloads/cifar-10-batches-bin/test_batch.bin"
run cifar-10
check "an incomplete folder is fetched again, and a dead mirror fails" ended 1
check "a dead mirror is named" says "cannot fetch file://$work/mirror/cifar-10-binary.tar.gz"
check "nothing half-done is left after a dead mirror" tidy

run cifar-100
check "an archive without its files fails" ended 1
check "an archive without its files is named" says "the archive of cifar-100 lacks"
check "no incomplete folder appears" test ! -e "$work/data/downloads/cifar-100-binary"

sed -i 's/^......../00000000/' "$work/data/checksums.md5"
run cifar-100
check "a wrong checksum fails" ended 1
check "a wrong checksum is named" says "has the MD5 checksum"
check "nothing is kept of a wrong file" tidy

export FEDDIP_DATA=$work/mirror
run cifar-10
check "FEDDIP_DATA is looked at first" says "cifar-10: already in $work/mirror/cifar-10-batches-bin"
check "and needs no advice" eval '! says "export FEDDIP_DATA"'

run mnist
check "an unknown dataset is bad usage" ended 2
check "an unknown dataset is named" says "unknown dataset mnist"

exit "$((failures > 0))"
