#!/usr/bin/env bash
# Gets the datasets: data/get.sh [fashion-mnist] [cifar-10] [cifar-100]   (none named: all of them)
#
# Looks first in $FEDDIP_DATA, in data/downloads and where Debian's package dataset-fashion-mnist puts its files;
# what is there is left alone. The rest comes from the official sites into data/downloads, is checked against
# checksums.md5, and appears there only when it is whole, so this may be stopped and started again at any time.
# feddip finds data/downloads from the folder above alone; elsewhere FEDDIP_DATA must name it, as the last line says.
# FEDDIP_FASHION_MNIST_URL and FEDDIP_CIFAR_URL name a mirror (the checksums stay the same).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
downloads=$here/downloads
debian=/usr/share/datasets
fashion_mnist_url=${FEDDIP_FASHION_MNIST_URL:-http://fashion-mnist.s3-website.eu-central-1.amazonaws.com}
cifar_url=${FEDDIP_CIFAR_URL:-https://www.cs.toronto.edu/~kriz}

fail() {
    echo "get.sh: error: $*" >&2
    exit 1
}

# The files of a dataset, as feddip looks for them.
files_of() {
    case $1 in
    fashion-mnist) echo train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte t10k-labels-idx1-ubyte ;;
    cifar-10) echo data_batch_1.bin data_batch_2.bin data_batch_3.bin data_batch_4.bin data_batch_5.bin test_batch.bin ;;
    cifar-100) echo train.bin test.bin ;;
    esac
}

# The folder in which the official archive keeps them.
folder_of() {
    case $1 in
    fashion-mnist) echo fashion-mnist ;;
    cifar-10) echo cifar-10-batches-bin ;;
    cifar-100) echo cifar-100-binary ;;
    esac
}

# holds DATASET FOLDER: are all files there, compressed or not?
holds() {
    local file
    for file in $(files_of "$1"); do
        [[ -s $2/$file || -s $2/$file.gz ]] || return 1
    done
}

# find_existing DATASET: prints the folder that has it already.
find_existing() {
    local root
    for root in ${FEDDIP_DATA:+"$FEDDIP_DATA" "$FEDDIP_DATA/$(folder_of "$1")" "$FEDDIP_DATA/$1"} \
        "$downloads/$(folder_of "$1")" "$debian/$(folder_of "$1")"; do
        if holds "$1" "$root"; then
            echo "$root"
            return
        fi
    done
    return 1
}

# fetch URL FOLDER: downloads one file and checks it.
fetch() {
    local name=${1##*/} expected found
    expected=$(awk -v name="$name" '$2 == name { print $1 }' "$here/checksums.md5")
    [[ -n $expected ]] || fail "$name is not in $here/checksums.md5"
    echo "  fetching $1"
    curl --fail --location --silent --show-error --retry 3 --connect-timeout 30 --output "$2/$name" "$1" ||
        fail "cannot fetch $1; is there a network? A mirror can be named, see the top of get.sh"
    found=$(md5sum "$2/$name" | cut -d' ' -f1)
    [[ $found == "$expected" ]] || fail "$1 has the MD5 checksum $found, expected $expected; nothing was kept"
}

get() {
    local folder target file tool
    if folder=$(find_existing "$1"); then
        echo "$1: already in $folder"
        return
    fi
    for tool in curl md5sum tar awk; do
        command -v "$tool" >/dev/null || fail "$tool is not installed"
    done
    target=$downloads/$(folder_of "$1")
    echo "$1: into $target"
    mkdir -p "$downloads"
    scratch=$(mktemp -d "$downloads/.fetching.XXXXXX")
    chmod 755 "$scratch"
    case $1 in
    fashion-mnist)
        for file in $(files_of "$1"); do
            fetch "$fashion_mnist_url/$file.gz" "$scratch"
        done
        folder=$scratch
        ;;
    cifar-*)
        fetch "$cifar_url/$1-binary.tar.gz" "$scratch"
        tar -xzf "$scratch/$1-binary.tar.gz" -C "$scratch"
        folder=$scratch/$(folder_of "$1")
        holds "$1" "$folder" || fail "the archive of $1 lacks some of its files: $(files_of "$1")"
        ;;
    esac
    rm -rf "$target" # incomplete, or it would have been found
    mv "$folder" "$target"
    rm -rf "$scratch"
    echo "$1: done"
}

tell_where() {
    local dataset
    for dataset in "$@"; do
        if [[ $(find_existing "$dataset") == "$downloads"/* ]]; then
            printf 'for feddip in another folder than %s: export FEDDIP_DATA=%q\n' "$(dirname "$here")" "$downloads"
            return
        fi
    done
}

scratch=
trap '[[ -z $scratch ]] || rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

[[ $# -gt 0 ]] || set -- fashion-mnist cifar-10 cifar-100
for dataset in "$@"; do
    if [[ -z $(files_of "$dataset") ]]; then
        echo "get.sh: error: unknown dataset $dataset; there are fashion-mnist, cifar-10 and cifar-100" >&2
        exit 2
    fi
done
for dataset in "$@"; do
    get "$dataset"
done
tell_where "$@"
