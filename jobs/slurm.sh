# Shell functions that train.sbatch and sweep.sbatch share; to be sourced inside a Slurm job.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$feddip_root/jobs/cluster.env"

# What scontrol calls this job. The job id alone will not do: an array and one of its tasks have the same.
job=${SLURM_ARRAY_JOB_ID:+${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID}
job=${job:-$SLURM_JOB_ID}

# Slurm sends USR1 (--signal in the scripts) before the time limit. TERM, at a cancellation or at a requeue by others,
# reaches the ranks without our help, and this shell only has to outlive them.
make_way=false
cancelled=false
program=
trap ask_to_stop USR1
trap 'cancelled=true' TERM

ask_to_stop() {
    make_way=true
    say "Asked to make way: stopping after this round"
    if [[ -n $program ]]; then
        kill -USR1 "$program" || true
        (sleep "$FEDDIP_GRACE" && kill -KILL "$program") 2>/dev/null &
    fi
}

find_program() {
    feddip_modules
    choose_python
    FEDDIP=$(find_feddip)
    [[ -x $FEDDIP ]] || die "no program (FEDDIP in jobs/cluster.env): '$FEDDIP' can't be run; build it or name it"
}

is_done() { is_complete "$FEDDIP" "$1"; }

# The command before the program's, one word per line. A rank that is killed must not leave the others waiting.
launcher() {
    local cores=${SLURM_CPUS_PER_TASK:-1}
    case $FEDDIP_LAUNCHER in
    srun)
        printf '%s\n' srun --mpi=pmix --cpus-per-task="$cores" --kill-on-bad-exit=0 --wait=5
        printf '%s\n' ${FEDDIP_BINDING:---cpu-bind=cores}
        ;;
    mpirun)
        printf '%s\n' mpirun
        ((EUID != 0)) || printf '%s\n' --allow-run-as-root
        printf '%s\n' ${FEDDIP_BINDING:---map-by slot:PE=$cores --bind-to core}
        ;;
    *) die "unknown launcher (FEDDIP_LAUNCHER in jobs/cluster.env): '$FEDDIP_LAUNCHER', not srun or mpirun" ;;
    esac
}

# Whether a job of higher priority wants the nodes: the ranks got TERM and some time, and Slurm requeues only those jobs
# that use it up.
preempted() {
    local known
    known=$(scontrol show job "$job") && [[ $known == *JobState=RUNNING* && $known =~ PreemptTime=[0-9] ]]
}

# The folder that checkpoint.path names, read as the program reads it; nothing where it names none.
checkpoint_folder() { # CONFIG ARGUMENT...
    "$python" - "$@" <<'END'
import re, sys, tomllib
try:
    with open(sys.argv[1], "rb") as config:
        folder = tomllib.load(config).get("checkpoint", {}).get("path", "")
except (OSError, ValueError):
    folder = ""
words = iter(sys.argv[2:])
for word in words:
    override = next(words, "") if word == "--set" else word[6:] if word.startswith("--set=") else ""
    key, _, value = override.partition("=")
    if re.fullmatch(r"\s*checkpoint\s*\.\s*path\s*", key):
        try:
            folder = tomllib.loads(f"value = {value}")["value"]
        except ValueError:  # a bare word
            folder = value.strip()
print(folder)
END
}

# The round of the newest checkpoint, from which the next start goes on; 0 where there is none. Results may be rounds ahead.
saved_round() { # CONFIG ARGUMENT...
    local results folder file round newest=0
    results=$(results_among "$@")
    folder=$(checkpoint_folder "$@") || say "Checkpoints are looked for beside the results ($python): it can't read the config"
    for file in "${folder:-$(dirname "$results")}/$(basename "$results" .h5)".ckpt-*.h5; do
        round=${file##*.ckpt-}
        round=${round%.h5}
        [[ ! $round =~ ^[0-9]+$ ]] || ((round <= newest)) || newest=$round
    done
    echo "$newest"
}

# Puts this job back into the queue, unless it keeps coming back without having saved a round.
requeue() { # CONFIG ARGUMENT...
    local results record saved before=0 stalled=0
    results=$(results_among "$@")
    record=${results%.h5}.requeues
    saved=$(saved_round "$@")
    # A full disk may have left it empty.
    [[ ! -s $record ]] || IFS=: read -r stalled before <"$record"
    if ((saved > before)); then
        stalled=0
    else
        stalled=$((stalled + 1))
    fi
    if ((stalled > FEDDIP_STALLED_REQUEUES)); then
        rm -f "$record"
        (die "not requeued ($results): there was no new checkpoint in $stalled starts, so that the time limit seems too" \
            "short, or checkpoint.every_rounds too large") || exit 75
    fi
    echo "$stalled:$saved" >"$record" || say "The number of starts isn't kept ($record)"
    say "Back into the queue, to go on after round $saved"
    # Slurm may end this script at once.
    scontrol requeue "$job" || say "This job can't be requeued; submit it again to go on"
    exit 75
}

# Starts a command and returns its exit code, in time for signals.
run_program() {
    local status
    "$@" </dev/null &
    program=$!
    # A trapped signal ends a wait early.
    while true; do
        wait "$program" && status=0 || status=$?
        kill -0 "$program" 2>/dev/null || return "$status"
    done
}

# Whether a launcher's exit code can't be the program's: srun has 0 also for a step that never started or lost its node.
launch_failed() { # STATUS RESULTS
    ! "$make_way" && ! "$cancelled" && { (($1 > 128)) || { (($1 == 0)) && ! is_done "$2"; }; }
}

# The file that follows --out among the program's arguments.
results_among() {
    while (($# > 1)) && [[ $1 != --out ]]; do
        shift
    done
    [[ $# -gt 1 && $2 == *.h5 ]] || die "no results file (arguments of the job): --out FILE.h5 is not among them"
    echo "$2"
}

# The program's complaint names a key that the user never set.
hint_at_threads() { # RESULTS
    ! tail -n 5 "${1%.h5}.log" | grep -q 'compute\.threads was' ||
        say "compute.threads is --cpus-per-task: submit with that as before, or with another --out"
}

# train CONFIG ARGUMENT...: one run, from its newest checkpoint if there is one, to its end or until the job has to make
# way; with the program's arguments, --out among them. Everything said goes to a log beside the results. Ends the script
# with the program's exit code.
train() {
    local results status=75 command run
    results=$(results_among "$@") || exit 2
    mkdir -p "$(dirname "$results")"
    echo "feddip: job $job logs to ${results%.h5}.log"
    exec >>"${results%.h5}.log" 2>&1

    say "Job $job, start $((${SLURM_RESTART_COUNT:-0} + 1)), on $SLURM_JOB_NODELIST, $(date '+%F %T')"
    find_program
    export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-1} OMP_PLACES=cores FEDDIP_PROGRESS=line
    run=("$1" --set compute.threads="$OMP_NUM_THREADS" "${@:2}")
    if is_done "$results"; then
        is_same_run "$FEDDIP" "$results" "${run[@]}" || { hint_at_threads "$results"; exit 2; }
        say "Complete already"
        exit 0
    fi

    # All of a user's jobs on a node share Open MPI's folder, and one that ends may remove it while another starts in it.
    export OMPI_MCA_orte_tmpdir_base=${TMPDIR:-/tmp}/feddip-$SLURM_JOB_ID-${SLURM_RESTART_COUNT:-0}
    trap 'rm -rf "$OMPI_MCA_orte_tmpdir_base"' EXIT
    command=$(launcher)
    mapfile -t command <<<"$command"
    command+=("$FEDDIP" train "${run[@]}" --resume)
    if ! "$make_way"; then
        run_program "${command[@]}" && status=0 || status=$?
    fi
    if ((status != 0 && status != 2)) && preempted; then
        say "Preempted"
        requeue "$@"
    fi
    if ((${SLURM_RESTART_COUNT:-0} > 0)) && launch_failed "$status" "$results"; then
        # On a node that has crashed, PMIx stumbles over what the step of the same name left; the next has another.
        say "Not started properly (exit code $status); once more"
        run_program "${command[@]}" && status=0 || status=$?
    fi

    if "$make_way" && ((status == 75 || status > 128)); then
        requeue "$@"
    fi
    ((status != 2)) || hint_at_threads "$results"
    # Where nothing was started, another job may be at this run, and the count is its own.
    ((status == 2)) || rm -f "${results%.h5}.requeues"
    if ((status == 0)) && ! is_done "$results"; then
        die "not complete ($results): the launcher ended without an error, but before the run's end"
    fi
    say "Ended with exit code $status"
    exit "$status"
}
