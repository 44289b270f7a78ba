#!/usr/bin/env python3
"""Checks the includes of src/** against the house's table: left may never include right, some headers have only one
room, and no header of a stage of a round includes that of another stage.

    check_layers.py SRC_FOLDER
"""
import pathlib
import re
import sys

#    base < config | hdf5 < data | sparse | privacy < nn < fl < comm | io < app
LEVELS = [["base"], ["config", "hdf5"], ["data", "sparse", "privacy"], ["nn"], ["fl"], ["comm", "io"], ["app"]]
LEVEL = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}

# Headers (regular expressions) and the rooms that may include them.
EXCLUSIVE = [
    (r"mpi\.h|mpi-ext\.h", {"comm"}),
    (r"dnnl.*\.h(pp)?|oneapi/.*", {"nn"}),
    (r"(H5|hdf5).*\.h", {"hdf5"}),
    (r"toml.*", {"config"}),
    (r"CLI/.*", {"config", "app"}),
    (r"zlib\.h", {"data", "io"}),
    (r"sodium.*\.h", {"privacy"}),
    (r"privacy/seeded_key_for_tests\.hpp", set()),  # noise that the seed gives away: for tests alone
]

# The stages of a round (README, "How it is built"): files and folders of src/fl. Every folder belongs to one; files
# that are not listed hold what the stages hand each other.
STAGES = {
    "roster": {"roster", "sampling", "faults"},
    "budget": {"budget"},
    "accounting": {"accounting"},
    "training": {"training", "local_trainer", "first_client", "peer_training"},
    "attackers": {"attackers", "attacks"},
    "aggregation": {"aggregator", "aggregation", "slot_tree", "intersection_average"},
    "server": {"server", "start", "methods"},
    "adaptation": {"adaptation", "detectors"},
    "measurement": {"measurement", "attack_success", "evaluation", "convergence", "layer_norms", "mask_memory"},
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def may_include(room, other):
    """Whether files of `room` may include headers of `other`. Rooms of one level don't see each other."""
    return room == other or LEVEL[other] < LEVEL[room]


def complaints(path, room, text):
    """What is wrong with the includes of one file."""
    for quote, header in INCLUDE.findall(text):
        if quote == '"':
            other = header.split("/")[0]
            if other not in LEVEL:
                yield f'{path}: "{header}" names no room; write "room/file.hpp"'
            elif not may_include(room, other):
                yield f'{path}: {room} must not include "{header}"'
        for pattern, rooms in EXCLUSIVE:
            if re.fullmatch(pattern, header) and room not in rooms:
                yield f"{path}: <{header}> belongs to {' and '.join(sorted(rooms)) or 'tests'} alone"


def stage_of(header):
    """The stage that "fl/..." belongs to; none where it is shared, or of another room."""
    room, _, rest = header.partition("/")
    name = rest.split("/")[0].removesuffix(".hpp")
    return next((stage for stage, names in STAGES.items() if room == "fl" and name in names), None)


def stage_complaints(header, text):
    """What is wrong with the includes of "fl/..." as the header of a stage. Sources may wire stages together."""
    own = stage_of(header)
    if header.startswith("fl/") and header.count("/") > 1 and own is None:
        yield f"{header}: its folder belongs to no stage"
    for _, included in INCLUDE.findall(text):
        other = stage_of(included)
        if own and other and own != other:
            yield f'{header}: {own} must not see {other} through "{included}"; declare what it needs'


def check(source):
    """All complaints about the files below `source`."""
    found = []
    for path in sorted(source.glob("*/**/*")):
        if path.suffix not in (".hpp", ".cpp", ".h", ".in"):
            continue
        room = path.relative_to(source).parts[0]
        if room not in LEVEL:
            found.append(f"{path}: {room} is no room of the house")
            continue
        found.extend(complaints(path.relative_to(source.parent), room, path.read_text()))
        if path.suffix == ".hpp":
            found.extend(stage_complaints(path.relative_to(source).as_posix(), path.read_text()))
    return found


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    wrong = check(pathlib.Path(sys.argv[1]))
    print("\n".join(wrong) or "all includes point the right way")
    sys.exit(bool(wrong))
