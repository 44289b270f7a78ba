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


def described(path):
    """Each object of a file: its bytes and type, its attributes, and the names of its dimension scales."""
    found = {}
    tying = ("DIMENSION_LIST", "REFERENCE_LIST")  # they refer to places in the file

    def visit(name, node):
        attributes = {key: (str(value), node.attrs.get_id(key).dtype) for key, value in node.attrs.items() if key not in tying}
        found[name] = [attributes]
        if isinstance(node, h5py.Dataset):
            found[name] += [node.shape, node.dtype, repr(node[()].tolist())]
            found[name].append([[scale.name for scale in dimension.values()] for dimension in node.dims])

    with h5py.File(path) as file:
        visit("/", file)
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
