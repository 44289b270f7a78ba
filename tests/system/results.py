"""What of a run must be the same bits wherever and however it ran."""
import h5py


def deterministic(path):
    """Every dataset of a results file that must not depend on the machine, as bytes, by its path."""
    found = {}

    def visit(name, node):
        group, _, dataset = name.partition("/")
        depends_on_machine = dataset.startswith("seconds_") or dataset == "mpi_bytes"
        if isinstance(node, h5py.Dataset) and group in ("rounds", "layers", "clients") and not depends_on_machine:
            found[name] = node[()].tobytes() if node.dtype.kind != "O" else repr(node[()].tolist()).encode()

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


def model(path):
    """The bits of a checkpoint's model."""
    with h5py.File(path) as file:
        return {name: file["model"][name][()].tobytes() for name in file["model"]}


def outcome(results, rounds):
    """All of that for a finished run and its last checkpoint."""
    checkpoint = results.with_name(f"{results.stem}.ckpt-{rounds}.h5")
    return {**deterministic(results), **model(checkpoint)}
