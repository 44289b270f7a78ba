# Shell functions that the scripts of this folder and tests/run.sh share; to be sourced.

feddip_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# What runs the Python scripts: FEDDIP_PYTHON, or the first with h5py of Debian's, to which Debian's packages belong, and the one
# in PATH, which modules and environments change. Where neither has it, for packages may still be installed, the first that is new
# enough.
choose_python() {
    local wanted
    python=${FEDDIP_PYTHON:-}
    [[ -z $python ]] || return 0
    for wanted in 'tomllib, h5py' tomllib; do
        for python in /usr/bin/python3 python3; do
            if "$python" -c "import importlib.util, sys
sys.exit(not all(map(importlib.util.find_spec, '$wanted'.split(', '))))" 2>/dev/null; then
                return 0
            fi
        done
    done
    [[ ! -x /usr/bin/python3 ]] || python=/usr/bin/python3
}
choose_python

say() { printf '\n== %s\n' "$*" >&2; }
die() {
    printf 'feddip: error: %s\n' "$*" >&2
    exit 1
}

# The packages of the groups given, one per line: packages build run
packages() {
    awk -v groups=" $* " '
        /^\[/ { gsub(/[][]/, ""); wanted = index(groups, " " $1 " "); next }
        wanted && NF && !/^#/ { print $1 }' "$feddip_root/jobs/packages.txt"
}

# Installs what is missing of the groups given; does nothing, and needs no root, where nothing is. FEDDIP_INSTALL=no has it
# take for granted that all is there, as where modules or Spack provide it.
install_packages() {
    local package missing=()
    [[ ${FEDDIP_INSTALL:-} != no ]] || return 0
    if ! command -v apt-get >/dev/null; then
        say "Nothing is installed, for there is no apt-get: going on with what is here (jobs/packages.txt says what is needed)"
        return 0
    fi
    for package in $(packages "$@"); do
        dpkg-query -W -f='${Status}\n' "$package" 2>/dev/null | grep -q ' installed$' || missing+=("$package")
    done
    ((${#missing[@]})) || return 0

    local as_root=()
    if ((EUID != 0)); then
        command -v sudo >/dev/null ||
            die "missing packages (${missing[*]}): neither root nor sudo; ask for them to be installed, or set" \
                "FEDDIP_INSTALL=no where modules or Spack provide them"
        as_root=(sudo)
    fi
    say "Installing ${#missing[@]} Debian packages: ${missing[*]}"
    "${as_root[@]}" apt-get -qq update
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install \
        "${missing[@]}" >/dev/null
    choose_python
}

# Configures and builds the release preset, without what needs the packages of [test] unless the arguments, which go to the
# configuration, ask for it.
build_release() {
    say "Building (build/release)"
    (cd "$feddip_root" && cmake --preset release -DFEDDIP_BUILD_TESTS=OFF -DFEDDIP_BUILD_BENCHMARKS=OFF "$@" >/dev/null &&
        cmake --build --preset release) >&2
}

# The program: FEDDIP, a path or a name in PATH, else what is built here, else the one in PATH; empty where there is none.
find_feddip() {
    local built=$feddip_root/build/release/src/app/feddip
    [[ -n ${FEDDIP:-} || ! -x $built ]] || { echo "$built"; return; }
    command -v "${FEDDIP:-feddip}" || echo "${FEDDIP:-}"
}

# Cores that this process may use; those of two hardware threads count once.
physical_cores() {
    local cores usable
    cores=$(lscpu -p=CORE,SOCKET 2>/dev/null | grep -v '^#' | sort -u | wc -l) || cores=0
    usable=$(nproc)
    echo $((cores > 0 && cores < usable ? cores : usable))
}

# What mpirun needs here for so many ranks: a core for each where they take the whole machine. Where they leave some, other
# runs or threads of theirs may be meant to have these, and mpirun would bind each run to the first ones.
mpirun_options() {
    local ranks=$1
    ((EUID != 0)) || printf '%s\n' --allow-run-as-root
    local cores
    cores=$(physical_cores)
    if ((ranks == cores)); then
        printf '%s\n' --bind-to core
    elif ((ranks < cores)); then
        printf '%s\n' --bind-to none
    else
        printf '%s\n' --oversubscribe --bind-to none
    fi
}

# mpi_run RANKS PROGRAM ARGUMENT...: Ctrl-C, SIGTERM and a terminal that is closed reach the program as a wish to stop with a
# checkpoint; a second one ends it, and so does one that comes before the program has begun. All are exit code 75. mpirun alone
# would kill the ranks a second after the first.
mpi_run() {
    local ranks=$1 options status=0 stops=0
    shift
    mapfile -t options < <(mpirun_options "$ranks")
    if [[ -t 2 && -z ${FEDDIP_PROGRESS:-} ]]; then
        export FEDDIP_PROGRESS=redraw FEDDIP_COLUMNS
        FEDDIP_COLUMNS=$(tput cols 2>/dev/null || echo 80)
    fi
    setsid mpirun -np "$ranks" "${options[@]}" "$@" </dev/null &
    local mpirun=$!
    trap 'stops=$((stops + 1)); if ((stops > 1)); then kill -TERM $mpirun; else kill -USR1 $mpirun; fi' INT TERM
    # A terminal that closes may say so more than once, and means no more by it.
    trap '((stops)) || { stops=1; kill -USR1 $mpirun; }' HUP
    while true; do
        wait "$mpirun" && status=0 || status=$?
        if ((status <= 128)) || ! kill -0 "$mpirun" 2>/dev/null; then
            break
        fi
    done
    trap - INT TERM HUP
    ((stops == 0 || status == 0)) || status=75
    return "$status"
}

# is_complete PROGRAM RESULTS: whether there is an undamaged results file of a run that has ended.
is_complete() {
    local told
    told=$("$1" info "$2" 2>/dev/null) && [[ $'\n'$told =~ $'\n'rounds[^$'\n']*", complete" ]]
}

# is_same_run PROGRAM RESULTS CONFIG ARGUMENT...: whether complete results are what these would give; the program's exit code, and
# what it says against it. It is asked about a copy, so that it waits for no lease and touches nothing, and alone, whatever step
# of Slurm this shell may be in.
is_same_run() {
    local folder told status=0 words=()
    local program=$1 results=$2
    shift 2
    while (($#)); do
        [[ $1 == --out ]] && shift || words+=("$1")
        shift
    done
    if ! folder=$(mktemp -d) || ! cp "$results" "$folder/complete.h5"; then
        echo "feddip: error: no room for a copy of $results in ${TMPDIR:-/tmp}: set TMPDIR to a folder that has some" >&2
        return 1
    fi
    told=$(env -u SLURM_STEP_NUM_TASKS "$program" train "${words[@]}" --set checkpoint.path= --out "$folder/complete.h5" \
        --resume 2>&1) || status=$?
    ((status == 0)) || printf '%s\n' "${told//"$folder/complete.h5"/$results}" >&2
    rm -r "$folder"
    return "$status"
}

# The runs that make_sweep.py lists for these arguments, without its word on how many they are.
sweep_lines() { # ARGUMENT...
    "$python" "$feddip_root/jobs/make_sweep.py" "$@" 2> >(grep -v ' runs: ' >&2)
}

# For the scripts that write lists of runs: FOLDER [PART...]. Of the parts in `all` those named, or all, as `parts`; and
# `folder`.
choose_parts() {
    if (($# < 1)); then
        echo "usage: jobs/$(basename "$0") FOLDER [PART...]; parts: ${all[*]}" >&2
        exit 2
    fi
    folder=$1
    [[ ! $folder$feddip_root =~ [[:space:]] ]] ||
        die "white space in a path ('$folder', '$feddip_root'): lists of runs can't hold it; take other folders"
    parts=("${@:2}")
    ((${#parts[@]})) || parts=("${all[@]}")
    local part
    for part in "${parts[@]}"; do
        [[ " ${all[*]} " == *" $part "* ]] || die "unknown part ($part): there are ${all[*]}"
    done
}
