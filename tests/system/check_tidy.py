#!/usr/bin/env python3
"""Runs clang-tidy with the checks of .clang-tidy over a build's compile commands, and fails where it finds something.

    check_tidy.py BUILD            # one file of each room, and all headers that it reads: minutes
    check_tidy.py BUILD --all      # every file of src

The file that stands for a room is the one whose path has the smallest hash. Files that include omp.h are left out: clang
on Debian comes without it.
"""
import argparse
import hashlib
import json
import pathlib
import shutil
import subprocess
import sys

SOURCES = pathlib.Path(__file__).resolve().parents[2] / "src"
SKIPPED = 77


def files(build):
    """By room, those that clang can read."""
    rooms = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        if SOURCES in path.parents and "#include <omp.h>" not in path.read_text():
            name = path.relative_to(SOURCES)
            rooms.setdefault(name.parts[0], []).append(name)
    return rooms


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--all", action="store_true")
    args = parser.parse_args()
    tidy = shutil.which("clang-tidy")
    if not tidy:
        print("skipped: no clang-tidy (on Debian: apt install clang-tidy)")
        return SKIPPED
    rooms = files(args.build)
    assert rooms, f"no files of {SOURCES} in {args.build}/compile_commands.json"
    wrong = 0
    for room in sorted(rooms):
        order = sorted(rooms[room], key=lambda name: hashlib.sha256(name.as_posix().encode()).digest())
        for name in order if args.all else order[:1]:
            # Flags that only GCC knows are no fault of ours.
            done = subprocess.run([tidy, "-p", args.build, "--quiet", "--extra-arg=-Wno-unknown-warning-option",
                                   "--extra-arg=-Wno-ignored-optimization-argument", SOURCES / name],
                                  capture_output=True, text=True, check=False)
            print(f"{name}: {'clean' if done.returncode == 0 else 'NOT clean'}", flush=True)
            if done.returncode != 0:
                print(done.stdout + done.stderr)
                wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
