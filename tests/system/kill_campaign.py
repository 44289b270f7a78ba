"""Kills a random rank at a random moment, resumes on another number of ranks, and so on until the run is done: model and
metrics must be those of the undisturbed run, bit for bit, and every file left behind on the way readable and right.

    tests/system/kill_campaign.py --kills 200 --seed 1
"""
import argparse
import ctypes
import os
import pathlib
import random
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time

import h5py

import program
import results

ROUNDS = 6
KILLS_PER_RUN = 6  # then the run may end
SECONDS_TO_END = 10  # for a whole job after a rank has died
NOTHING_TO_KILL = 120  # seconds without an end

BASE = f"""
[federation]
clients = 500
clients_per_round = 4
rounds = {ROUNDS}
local_epochs = 1
[sparsity]
horizon = 2
"""

DIRICHLET = "data.partition=dirichlet data.dirichlet_alpha=5 federation.clients=200"

CONFIGS = {
    "feddip": "",
    "fedavg": "method.name=fedavg",
    "residual": "communication.reconfiguration_upload=topk_residual federation.evaluate_every=3",
    "pathological": "data.partition=pathological communication.reconfiguration_upload=topk",
    "dirichlet": f"{DIRICHLET} federation.evaluate_every=2 checkpoint.every_rounds=2",
    "dirichlet-residual": f"{DIRICHLET} communication.reconfiguration_upload=topk_residual sparsity.horizon=1 "
                          "checkpoint.every_rounds=2",
    "bf16-residual": "communication.value_type=bf16 federation.evaluate_every=3",
    "dropping-out-residual": "faults.drop_probability=0.4 communication.reconfiguration_upload=topk_residual "
                             "checkpoint.every_rounds=0 checkpoint.every_minutes=0.004",
    "models": "method.name=dispfl federation.clients=20 checkpoint.every_rounds=2 faults.drop_probability=0.2",
    "waiting-models": "method.name=dadpfl dadpfl.pruning_threshold=1000 federation.clients=20 "
                      "federation.clients_per_round=10",
    "per-client-masks": "sparsity.start_mask=per_client sparsity.regrow=false checkpoint.keep=3",
}


class Failure(Exception):
    pass


def require(holds, what):
    if not holds:
        raise Failure(what)


class Creations:
    """Names of files as they appear in a folder."""
    IN_CREATE = 0x100
    HEADER = struct.Struct("iIII")

    def __init__(self, folder):
        libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = libc.inotify_init1(os.O_CLOEXEC)
        watched = libc.inotify_add_watch(self.descriptor, os.fsencode(folder), self.IN_CREATE)
        require(self.descriptor >= 0 and watched >= 0, "inotify does not work here")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.descriptor)

    def next(self, seconds):
        """Those of the next moment; none when `seconds` pass first."""
        ready, _, _ = select.select([self.descriptor], [], [], seconds)
        names, content, at = [], os.read(self.descriptor, 65536) if ready else b"", 0
        while at < len(content):
            length = self.HEADER.unpack_from(content, at)[3]
            at += self.HEADER.size
            names.append(content[at:at + length].rstrip(b"\0").decode())
            at += length
        return names


class Run:
    """One job, started with --resume: mpirun and its ranks, or a single process."""

    def __init__(self, folder, overrides, ranks):
        self.folder = folder
        self.ranks = ranks
        self.log = open(folder / "log", "w+")
        settings = [part for override in overrides for part in ("--set", override)]
        self.process = subprocess.Popen(
            [*program.mpirun(ranks), program.FEDDIP, "train", "run.toml", "--out", "r.h5", "--resume", *settings],
            cwd=folder, env=program.ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log)

    def pids(self):
        if not self.ranks:
            return [self.process.pid]
        pid = self.process.pid
        try:
            return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except OSError:  # the job has ended
            return []

    def kill(self, pid):
        """Whether it was still there."""
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def end(self, seconds):
        """Exit status and stderr."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            for pid in self.pids():
                os.kill(pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()
            raise Failure(f"the job still runs after {seconds} s") from None
        with self.log:
            self.log.seek(0)
            return status, self.log.read()


class Campaign:
    def __init__(self, folder, seed):
        self.folder = folder
        self.chance = random.Random(seed)
        self.kills = self.kills_while_writing = self.runs = self.damaged = self.fallbacks = 0
        self.undisturbed = {}

    # The undisturbed run.

    def reference(self, name):
        """Deterministic datasets, the model after each round, and how long the run takes."""
        if name not in self.undisturbed:
            folder = self.new_folder(f"whole-{name}")
            begin = time.monotonic()
            overrides = [*CONFIGS[name].split(), "checkpoint.keep=1000", "checkpoint.every_rounds=1"]
            status, log = Run(folder, overrides, 2).end(NOTHING_TO_KILL)
            require(status == 0, f"the undisturbed run fails: {log}")
            models = {r: results.model(folder / f"r.ckpt-{r}.h5") for r in range(1, ROUNDS + 1)}
            self.undisturbed[name] = (self.columns(folder / "r.h5"), models, time.monotonic() - begin)
        return self.undisturbed[name]

    def new_folder(self, name):
        folder = self.folder / name
        folder.mkdir()
        (folder / "run.toml").write_text(BASE)
        return folder

    @staticmethod
    def columns(path):
        """The deterministic datasets by their names: of each a list of pieces, one per round where there is one."""
        with h5py.File(path) as file:
            rounds = len(file["rounds/round"])

        def pieces(name, bits):
            if name in ("layers/name", "layers/layer", "clients/slot"):
                return [bits]
            return [bits[i * len(bits) // rounds:(i + 1) * len(bits) // rounds] for i in range(rounds)]

        return {name: pieces(name, bits) for name, bits in results.deterministic(path).items()}

    # One run, killed again and again.

    def disturbed(self, name, kills):
        """Kills a run at most `kills` times, and compares what it leaves in the end; returns how often it was."""
        duration = self.reference(name)[2]
        folder = self.new_folder(f"run-{self.runs}-{name}")
        self.runs += 1
        done = 0
        while True:
            expected_start = self.newest_whole(folder)
            run = Run(folder, CONFIGS[name].split(), self.chance.choice([0, 1, 2, 2, 3, 3]))
            killed = done < kills and self.kill(run, folder, name, duration)
            status, log = run.end(SECONDS_TO_END if killed else NOTHING_TO_KILL)
            self.check_start(log, expected_start)
            self.check_files(folder, name)
            if status == 0:
                break
            require(killed, f"the run fails by itself: {log}")
            done += 1
            self.kills += 1
            self.kills_while_writing += any(folder.glob("*.tmp"))
            self.damage_sometimes(folder)
        self.check_end(folder, name)
        return done

    def kill(self, run, folder, name, duration):
        """At any moment from the start on, or while a file is written; whether there was still a rank."""
        of_client = r"\.client-.*tmp"
        kind = self.chance.choice(["any", "any", r"\.ckpt-.*tmp", r"\.ckpt-.*tmp", of_client, r"r\.h5\.tmp"])
        if kind == "any" or (kind == of_client and "residual" not in name and name != "models"):
            time.sleep(self.chance.uniform(0, 0.6 * duration))
            pids = run.pids()
        else:
            pids = self.wait_for(kind, self.chance.randint(1, 3), run, folder)
            pids = self.chance.choice([pids, pids[:1]])  # the first writes checkpoints and results
            time.sleep(self.chance.choice([0, self.chance.uniform(0, 0.005)]))
        return bool(pids) and run.kill(self.chance.choice(pids))

    @staticmethod
    def wait_for(pattern, times, run, folder):
        """The ranks at the moment when the last of so many files appears."""
        end = time.monotonic() + NOTHING_TO_KILL
        pids = []
        with Creations(folder) as created:
            while times > 0 and run.process.poll() is None:
                require(time.monotonic() < end, "the run hangs")
                appeared = created.next(0.1)
                times -= sum(re.search(pattern, file) is not None for file in appeared)
                pids = pids if times <= 0 and pids else run.pids()
        return pids

    # Damage that a kill does not do: a checkpoint loses its end or a bit.

    def damage_sometimes(self, folder):
        checkpoints = self.checkpoints(folder)
        whole = [r for r, path in checkpoints.items() if not self.is_damaged(path)]
        if len(whole) < 2 or self.chance.random() > 0.15:
            return
        path = checkpoints[max(whole)]
        content = bytearray(path.read_bytes())
        if self.chance.random() < 0.5:
            del content[self.chance.randrange(len(content)):]
        else:
            content[self.chance.randrange(len(content))] ^= 1 << self.chance.randrange(8)
        path.write_bytes(content)
        path.with_suffix(".damaged").write_bytes(content)
        self.damaged += 1

    @staticmethod
    def is_damaged(path):
        copy = path.with_suffix(".damaged")
        return copy.exists() and copy.read_bytes() == path.read_bytes()

    # What must hold.

    @staticmethod
    def checkpoints(folder):
        return {int(path.name.split("-")[1].split(".")[0]): path for path in folder.glob("r.ckpt-*.h5")}

    def newest_whole(self, folder):
        return max((r for r, path in self.checkpoints(folder).items() if not self.is_damaged(path)), default=0)

    def check_start(self, log, expected):
        """It goes on from the newest whole checkpoint."""
        begun = re.search(r"going on after round (\d+)", log)
        if begun is None:
            return
        require(int(begun[1]) == expected, f"it goes on after round {begun[1]}, not {expected}: {log}")
        self.fallbacks += "going back to the checkpoint before it" in log

    def check_files(self, folder, name):
        columns, models, _ = self.reference(name)
        for r, path in self.checkpoints(folder).items():
            require(self.is_damaged(path) or results.model(path) == models[r], f"{path.name} is wrong")
        if (folder / "r.h5").exists():
            found = self.columns(folder / "r.h5")
            require(found.keys() == columns.keys(), "r.h5 has other datasets")
            for dataset, pieces in found.items():
                require(pieces == columns[dataset][:len(pieces)], f"{dataset} in r.h5 is wrong")

    def check_end(self, folder, name):
        columns, models, _ = self.reference(name)
        require(self.columns(folder / "r.h5") == columns, "the results are not those of the undisturbed run")
        require(results.model(folder / f"r.ckpt-{ROUNDS}.h5") == models[ROUNDS], "the final model is another one")
        for path in folder.glob("r.client-*.model"):
            whole = self.folder / f"whole-{name}" / path.name
            require(path.read_bytes() == whole.read_bytes(), f"{path.name} is another model")
        with h5py.File(folder / "r.h5") as file:
            require(file.attrs["complete"], "the results are not marked complete")
        require(not list(folder.glob("*.tmp")), f"left behind: {sorted(folder.glob('*.tmp'))}")
        for path in [folder / "r.h5", *self.checkpoints(folder).values()]:
            told = subprocess.run([program.FEDDIP, "info", path], env=program.ENVIRONMENT, capture_output=True,
                                  check=False)
            require(told.returncode == 0, f"feddip info: {told.stderr}")

    def go_on(self, kills):
        """Until there were `kills`."""
        names = list(CONFIGS)
        while self.kills < kills:
            name = names[self.runs % len(names)]
            done = self.disturbed(name, min(KILLS_PER_RUN, kills - self.kills))
            print(f"{name}: killed {done} times, the same bits; {self.kills} of {kills} kills, "
                  f"{self.kills_while_writing} of them left a half-written file", flush=True)
        print(f"{self.kills} kills in {self.runs} runs, {self.kills_while_writing} left a half-written file; "
              f"{self.damaged} checkpoints damaged, {self.fallbacks} times reported and passed over")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if not program.FASHION_MNIST.is_dir():
        print("the package dataset-fashion-mnist is not installed")
        return program.SKIPPED
    with tempfile.TemporaryDirectory(prefix="feddip-kills-") as folder:
        campaign = Campaign(pathlib.Path(folder), options.seed)
        try:
            campaign.go_on(options.kills)
        except Failure as failure:
            print(f"after {campaign.kills} kills, run {campaign.runs}: {failure}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
