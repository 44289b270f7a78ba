"""Results files with made-up curves, by the schema of feddip."""

import h5py
import numpy as np

LAYERS = ("conv1", "conv2", "fc1", "fc2", "fc3")
PARAMETERS, PRUNABLE = 61706, 61470
SLOTS = 5


def config_toml(keys):
    """Of {"section.key": value}."""
    sections = {}
    for key, value in keys.items():
        section, name = key.split(".")
        text = str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')
        sections.setdefault(section, []).append(f"{name} = {text}")
    return "\n".join(line for name, lines in sections.items() for line in (f"[{name}]", *lines)) + "\n"


def rounds_of(method, seed, rounds, target):
    """The columns of /rounds, and the densities of the layers."""
    random = np.random.default_rng(seed)
    t = np.arange(1, rounds + 1)
    pruned = method not in ("fedavg", "fedprox")
    sparsity = target + (0.5 - target) * (1 - t / rounds) ** 3 if pruned else np.zeros(rounds)
    top = 0.89 - 0.15 * max(target - 0.8, 0) * pruned
    accuracy = top - 0.75 * np.exp(-t / (0.08 * rounds)) + random.normal(0, 0.008, rounds)
    dense = 4 * PARAMETERS * SLOTS
    sent = np.where((t - 1) % 5 == 0, dense, dense * (1.02 - sparsity)).astype(np.uint64)
    got = (dense * (1.04 - sparsity)).astype(np.uint64)
    columns = {
        "test_accuracy": accuracy,
        "test_loss": 0.35 + 2 * np.exp(-t / (0.1 * rounds)) + random.normal(0, 0.01, rounds),
        "test_top5_accuracy": np.full(rounds, np.nan),
        "train_loss": 0.3 + 2 * np.exp(-t / (0.1 * rounds)),
        "learning_rate": 0.1 * 0.998**t,
        "regularization": np.floor(10 * (t - 1) / rounds) * 1e-4,
        "target_sparsity": sparsity,
        "sparsity": sparsity,
        "mask_change": np.where((t - 1) % 5 == 0, 0.02, 0.0) * pruned,
        "pruning_error": 0.05 * sparsity,
        "bytes_down": got,
        "bytes_up": sent,
        "bytes_positions": (0.02 * sent).astype(np.uint64),
        "mpi_bytes": sent + got,
        "reference_cost_mib": 1.8 * (1 - sparsity),
        "seconds_train": np.full(rounds, 0.30 if pruned else 0.42),
        "seconds_communicate": np.full(rounds, 0.03),
        "seconds_aggregate": np.full(rounds, 0.02),
        "seconds_evaluate": np.full(rounds, 0.08),
        "seconds_round": np.full(rounds, 0.45 if pruned else 0.56),
        "simulated_seconds": np.full(rounds, np.nan),
        "grad_norm_squared": np.full(rounds, np.nan),
        "gradient_divergence": np.full(rounds, np.nan),
        "hostile_included": np.zeros(rounds, dtype=np.int32),
        "attack_success": np.full(rounds, np.nan),
        "epsilon": np.full(rounds, np.nan),
        "clip": np.full(rounds, np.nan),
        "coverage": np.full(rounds, np.nan),
        "drift": np.zeros(rounds),
        "alarm": np.zeros(rounds, dtype=np.int32),
        "ever_alive": np.full(rounds, np.nan),
        "mask_distance": np.full(rounds, np.nan),
    }
    shares = np.array([0.3, 0.7, 1.1, 0.9, 0.4])
    density = np.clip(1 - sparsity[:, None] * shares, 0.01, 1) if pruned else np.ones((rounds, 5))
    return t, columns, density


def write_results(
    path,
    method="feddip",
    seed=1,
    rounds=60,
    planned=None,
    target=0.9,
    maximum=1e-3,
    per_client=False,
    every=1,
    complete=1,
    config=None,
    columns=None,
    clients=None,
    classes=None,
    instructions="AVX2",
):
    """`config` has further keys, "section.key"; `columns` replaces columns of /rounds, `clients` of /clients; `classes`
    are accuracies [round, class]; of `planned` rounds `rounds` are done, all unless said."""
    t, own_columns, density = rounds_of(method, seed, rounds, target)
    columns = own_columns | {name: np.broadcast_to(v, rounds).copy() for name, v in (columns or {}).items()}
    keys = {
        "data.dataset": "fashion-mnist",
        "data.path": f"/somewhere/{seed}",
        "data.partition": "iid",
        "data.classes_per_client": 2,
        "data.dirichlet_alpha": 0.5,
        "model.name": "lenet5",
        "federation.clients": 50,
        "federation.clients_per_round": SLOTS,
        "federation.local_epochs": 5,
        "federation.rounds": planned or rounds,
        "federation.seed": seed,
        "method.name": method,
        "sparsity.target": target,
        "regularization.maximum": maximum,
    }
    up = columns["bytes_up"].astype(np.uint64)
    for name in ("test_accuracy", "test_loss"):
        columns[name][t % every != 0] = np.nan
    clients = {
        "id": np.tile(np.arange(SLOTS, dtype=np.int32), (rounds, 1)),
        "samples": np.full((rounds, SLOTS), 1200, dtype=np.uint32),
        "train_loss": np.full((rounds, SLOTS), 0.5),
        "accuracy": np.full((rounds, SLOTS), np.nan),
        "bytes_up": np.tile(up[:, None] // SLOTS, (1, SLOTS)),
        "bytes_down": np.tile(columns["bytes_down"].astype(np.uint64)[:, None] // SLOTS, (1, SLOTS)),
        "bytes_positions": np.zeros((rounds, SLOTS), dtype=np.uint64),
        "included": np.ones((rounds, SLOTS), dtype=np.int32),
        "dropped_out": np.zeros((rounds, SLOTS), dtype=np.int32),
        "simulated_seconds": np.full((rounds, SLOTS), np.nan),
        "sparse_kernels": np.ones((rounds, SLOTS), dtype=np.int32),
        "hostile": np.zeros((rounds, SLOTS), dtype=np.int32),
        "density": np.full((rounds, SLOTS), np.nan),
        "deadline_met": np.full((rounds, SLOTS), -1, dtype=np.int32),
        "feedback": np.full((rounds, SLOTS), np.nan),
        "distance": np.full((rounds, SLOTS), np.nan),
        "seconds_train": np.full((rounds, SLOTS), np.nan),
        "link_class": np.full((rounds, SLOTS), -1, dtype=np.int32),
    } | (clients or {})
    if per_client:
        clients["accuracy"] = np.linspace(0.4, 0.6, SLOTS) + np.zeros((rounds, 1))
        columns["test_accuracy"][:] = np.nan
    with h5py.File(path, "w") as file:
        file.attrs.update(
            method=method,
            model="lenet5",
            dataset="fashion-mnist",
            seed=np.uint64(seed),
            rounds=planned or rounds,
            parameters=np.uint64(PARAMETERS),
            prunable_parameters=np.uint64(PRUNABLE),
            mpi_ranks=2,
            complete=complete,
            library_versions=["oneDNN 2.6.3", f"instruction set {instructions}"],
            config_toml=config_toml(keys | (config or {})),
        )
        layers = {"density": density, "weight_norm": 2 * density, "gradient_norm": 1 - density / 2,
                  "alive_gradient_norm": (1 - density / 2) * density,
                  "coverage": np.full_like(density, np.nan)}
        for group, data in (("rounds", columns), ("clients", clients), ("layers", layers)):
            file[f"{group}/round"] = t.astype(np.int32)
            for name, values in data.items():
                file[f"{group}/{name}"] = values
            for dataset in file[group].values():
                dataset.attrs.update(units="1", long_name=dataset.name)
        if classes is not None:
            file["classes/round"] = t.astype(np.int32)
            file["classes/class"] = np.arange(classes.shape[1], dtype=np.int32)
            file["classes/accuracy"] = classes
            for dataset in file["classes"].values():
                dataset.attrs.update(units="1", long_name=dataset.name)
        file["layers"].create_dataset("name", data=[f"{n}.weight" for n in LAYERS], dtype=h5py.string_dtype())
        file["clients/slot"] = np.arange(SLOTS, dtype=np.int32)
    return path
