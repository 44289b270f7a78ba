"""A table of bad inputs: what is given, with which exit code it ends, and what is said. And a disk that fills up."""
import gzip
import os
import resource
import struct
import subprocess

import h5py
import numpy as np

import program
import results

NOBODY = 65534
MOST_MEMORY_MIB = 1024  # that any refusal takes, the data read until then included
CIFAR_10 = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
ALEXNET = ["data.dataset=cifar-10", "model.name=alexnet", "data.path=d"]
ALEXNET_100 = ["data.dataset=cifar-100", "model.name=alexnet", "data.path=d"]


# What a row finds in its folder. All of it is empty space, which takes none on the disk.

def sparse_file(path, header, size):
    with open(path, "wb") as file:
        file.write(header)
        file.truncate(size)


def idx(folder, name, magic, *dimensions, size=None):
    header = struct.pack(f">{1 + len(dimensions)}I", magic, *dimensions)
    content = 1
    for dimension in dimensions:
        content *= dimension
    sparse_file(folder / name, header, len(header) + content if size is None else size)


def fashion_mnist(change=lambda folder: None):
    """Images and labels that are all 0, and then a `change`."""
    def make(here):
        folder = here / "d"
        folder.mkdir()
        for part, images in (("train", 60000), ("t10k", 10000)):
            idx(folder, f"{part}-images-idx3-ubyte", 0x803, images, 28, 28)
            idx(folder, f"{part}-labels-idx1-ubyte", 0x801, images)
        change(folder)
    return make


def cifar_10(change=lambda folder: None):
    def make(here):
        (here / "d").mkdir()
        for name in CIFAR_10:
            sparse_file(here / "d" / name, b"", 10000 * 3073)
        change(here / "d")
    return make


def cifar_100(change=lambda folder: None):
    def make(here):
        (here / "d").mkdir()
        for name, images in (("train.bin", 50000), ("test.bin", 10000)):
            sparse_file(here / "d" / name, b"", images * 3074)
        change(here / "d")
    return make


def resized(name, change):
    return lambda folder: os.truncate(folder / name, (folder / name).stat().st_size + change)


def replaced(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def poked(name, offset, value):
    def change(folder):
        with open(folder / name, "r+b") as file:
            file.seek(offset)
            file.write(bytes([value]))
    return change


def packed(name, change):
    """The file as .gz, whose bytes `change` has had."""
    def do(folder):
        content = gzip.compress((folder / name).read_bytes(), mtime=0)
        (folder / name).unlink()
        (folder / f"{name}.gz").write_bytes(change(bytearray(content)))
    return do


def flipped(content, at):
    content[at] ^= 0x10
    return content


def text(name, content):
    return lambda here: (here / name).write_bytes(content.encode() if isinstance(content, str) else content)


def locked(name, mode=0):
    def make(here):
        text(name, "x")(here) if "." in name else (here / name).mkdir()
        (here / name).chmod(mode)
    return make


def nothing(here):
    del here


def own(change=lambda file: None):
    """A good own.h5 of 600 images, and then a `change`."""
    def make(here):
        with h5py.File(here / "own.h5", "w") as file:
            for part, images in (("train", 600), ("test", 20)):
                file[f"{part}/images"] = np.zeros((images, 1, 28, 28), np.uint8)
                file[f"{part}/labels"] = np.arange(images) % 10
            file.attrs["classes"] = 10
            change(file)
    return make


def put(path, *arguments, **options):
    """A dataset in place of the one there."""
    def change(file):
        if path in file:
            del file[path]
        file.create_dataset(path, *arguments, **options)
    return change


def linked(path, link):
    def change(file):
        del file[path]
        file[path] = link
    return change


def holed(file):
    """Of the training images only one chunk is stored."""
    put("train/images", (600, 1, 28, 28), "u1", chunks=(10, 1, 28, 28))(file)
    file["train/images"][:10] = 1


def virtual(file):
    layout = h5py.VirtualLayout((600, 1, 28, 28), "u1")
    layout[:] = h5py.VirtualSource("other.h5", "x", (600, 1, 28, 28))
    del file["train/images"]
    file.create_virtual_dataset("train/images", layout)


def with_clients(train, test):
    def change(file):
        file["train/clients"], file["test/clients"] = train, test
    return change


TRAIN = ["train", "tiny.toml"]
IMAGES, LABELS, TEST_IMAGES, TEST_LABELS = (f"{p}-{k}-ubyte" for p in ("train", "t10k")
                                            for k in ("images-idx3", "labels-idx1"))


def given(*overrides):
    return [*TRAIN, *(part for override in overrides for part in ("--set", override))]


DATA = given("data.path=d")
DRIFT = ["drift.kind=blur", "drift.strength=1", "drift.at=1"]
LOUD = ["privacy.clip=1", "privacy.secure_sum=true", "privacy.noise_multiplier=200000"]
OWN = given("data.dataset=file", "data.path=own.h5")


def own_row(change, path, *parts):
    return (own(change), OWN, f"own.h5:{path}", *parts)


IMAGES_OF = (600, 1, 28, 28)


def layers(*texts):
    return given("model.name=custom", f"model.layers=[{', '.join('{' + t + '}' for t in texts)}]")


def layers_row(*texts, says):
    """Layers that begin well."""
    return (nothing, layers("kind='convolution', name='c', outputs=4, kernel=5", "kind='relu', name='r'", *texts), *says)


def data(change, part, name):
    return (fashion_mnist(change), DATA, part, name)


# What the folder holds beside tiny.toml, the arguments, and what the message must have in it. All end with 2.
ROWS = {
    # The command line.
    "no command": (nothing, [], "a command is needed"),
    "unknown command": (nothing, ["fly"], "fly"),
    "no config": (nothing, ["train"], "config is required"),
    "two configs": (nothing, ["train", "tiny.toml", "other.toml"], "other.toml"),
    "unknown option": (nothing, [*TRAIN, "--fast"], "--fast"),
    "--out without a value": (nothing, [*TRAIN, "--out"], "--out"),
    "--set without a value": (nothing, [*TRAIN, "--set"], "--set"),
    "--resume for check": (nothing, ["check", "tiny.toml", "--resume"], "--resume"),
    "info of nothing": (nothing, ["info"], "file is required"),

    # The config file.
    "no such config": (nothing, ["train", "none.toml"], "none.toml", "No such file"),
    "a folder as config": (nothing, ["train", "."], "it is a folder"),
    "a config that never ends": (lambda here: sparse_file(here / "big.toml", b"", 1 << 33), ["train", "big.toml"],
                                 "more than 1048576 bytes"),
    "a config that may not be read": (locked("secret.toml"), ["train", "secret.toml"], "Permission denied"),
    "half a section": (text("c.toml", "[federation"), ["train", "c.toml"], "c.toml:1"),
    "a key without a value": (text("c.toml", "[data]\npath = "), ["train", "c.toml"], "c.toml:2"),
    "a key given twice": (text("c.toml", "[data]\npath = 'a'\npath = 'b'"), ["train", "c.toml"], "c.toml:3"),
    "a section given twice": (text("c.toml", "[data]\n[data]"), ["train", "c.toml"], "c.toml:2"),
    "bytes that are not text": (text("c.toml", b"\xff\xfe\x00"), ["train", "c.toml"], "cannot parse"),
    "a number too large for any type": (text("c.toml", "[federation]\nseed = 99999999999999999999"),
                                        ["train", "c.toml"], "c.toml:2"),
    "a misspelt section": (text("c.toml", "[optimiser]"), ["train", "c.toml"], "did you mean [optimizer]?"),
    "a misspelt key": (text("c.toml", "[data]\npartion = 'iid'"), ["train", "c.toml"], "data.partition"),
    "a key of another section": (text("c.toml", "[data]\nrounds = 3"), ["train", "c.toml"],
                                 "rounds belongs to [federation]"),
    "a section that is a number": (text("c.toml", "data = 3"), ["train", "c.toml"], "it must be a table"),

    # Values.
    "--set without =": (nothing, given("federation.rounds"), "expected section.key=value"),
    "--set of a misspelt key": (nothing, given("federation.roundz=3"), "federation.rounds"),
    "--set of a misspelt section": (nothing, given("federatoin.rounds=3"), "[federation]"),
    "words for a number": (nothing, given("federation.rounds=many"), "expected an integer"),
    "a fraction for a whole number": (nothing, given("federation.rounds=1.5"), "expected an integer"),
    "a number for a switch": (nothing, given("federation.rank0_trains=1"), "expected true or false"),
    "no rounds": (nothing, given("federation.rounds=0"), "at least 1"),
    "negative rounds": (nothing, given("federation.rounds=-1"), "at least 1"),
    "no clients": (nothing, given("federation.clients=0"), "at least 1"),
    "too many clients for the type": (nothing, given("federation.clients=3000000000"), "out of range"),
    "nobody per round": (nothing, given("federation.clients_per_round=0"), "at least 1"),
    "no epochs": (nothing, given("federation.local_epochs=0"), "at least 1"),
    "no batch": (nothing, given("federation.batch_size=0"), "at least 1"),
    "never an evaluation": (nothing, given("federation.evaluate_every=0"), "at least 1"),
    "a negative seed": (nothing, given("federation.seed=-1"), "out of range"),
    "negative sparsity": (nothing, given("sparsity.initial=-0.1"), "at least 0"),
    "all weights pruned": (nothing, given("sparsity.target=1.0"), "less than 1"),
    "sparsity nan": (nothing, given("sparsity.target=nan"), "finite"),
    "negative final rounds": (nothing, given("sparsity.final_rounds=-1"), "a whole number of rounds"),
    "final rounds and a half": (nothing, given("sparsity.final_rounds=1.5"), "a whole number of rounds"),
    "a negative floor": (nothing, given("sparsity.layer_floor=-0.1"), "at least 0"),
    "unknown start scale": (nothing, given("sparsity.start_scale=xavier"), "density"),
    "nothing removable": (nothing, given("prunefl.removable_share=0"), "greater than 0"),
    "nobody to meet": (nothing, given("dadpfl.neighbours=0"), "at least 1"),
    "negative waits": (nothing, given("dadpfl.waits=-1"), "at least 0"),
    "more readjusted than there is": (nothing, given("dadpfl.readjusted_share=1.5"), "at most 1"),
    "a negative pruning threshold": (nothing, given("dadpfl.pruning_threshold=-0.1"), "at least 0"),
    "pruning that slows down": (nothing, given("dadpfl.pruning_pace=0.5"), "at least 1"),
    "an endless pace": (nothing, given("dadpfl.pruning_pace=inf"), "finite"),
    "readjusting by a number": (nothing, given("flash.readjust=1"), "expected true or false"),
    "no horizon": (nothing, given("sparsity.horizon=0"), "at least 1"),
    "negative lambda": (nothing, given("regularization.maximum=-1"), "at least 0"),
    "infinite lambda": (nothing, given("regularization.maximum=inf"), "finite"),
    "no learning rate": (nothing, given("optimizer.learning_rate=0"), "greater than 0"),
    "a rate that grows": (nothing, given("optimizer.decay=1.5"), "at most 1"),
    "negative weight decay": (nothing, given("optimizer.weight_decay=-1"), "at least 0"),
    "alpha 0": (nothing, given("data.dirichlet_alpha=0"), "greater than 0"),
    "no classes": (nothing, given("data.classes_per_client=0"), "at least 1"),
    "no threads": (nothing, given("compute.threads=0"), "between 1 and 4096"),
    "more threads than any machine has": (nothing, given("compute.threads=4097"), "between 1 and 4096"),
    "no checkpoint kept": (nothing, given("checkpoint.keep=0"), "at least 1"),
    "checkpoints every -1": (nothing, given("checkpoint.every_rounds=-1"), "at least 0"),
    "everybody drops out": (nothing, given("faults.drop_probability=1"), "less than 1"),
    "slower than always": (nothing, given("faults.slow_probability=2"), "at most 1"),
    "slow clients that are faster": (nothing, given("faults.slow_factor=0.1"), "at least 1"),
    "unknown partition": (nothing, given("data.partition=striped"), "iid"),
    "unknown dataset": (nothing, given("data.dataset=mnist"), "fashion-mnist"),
    "unknown model": (nothing, given("model.name=lenet"), "lenet5"),
    "unknown budget": (nothing, given("budget.mode=fix"), 'did you mean "fixed"?'),
    "density of nothing": (nothing, given("budget.density=0"), "greater than 0 and at most 1"),
    "densities of other classes": (nothing, given("budget.density=[1.0,0.5]"), "one per class"),
    "budget without a deadline": (nothing, given("budget.mode=deadline"), "needs budget.deadline_s"),
    "negative deadline": (nothing, given("budget.deadline_s=-1"), "at least 0"),
    "a deadline that is no number": (nothing, given("budget.deadline_s=nan"), "not a finite number"),
    "times by another clock": (nothing, given("budget.times=mesured"), 'did you mean "measured"?'),
    "fewer than no bytes": (nothing, given("budget.bytes_per_round=-1"), "at least 0"),
    "a density above all": (nothing, given("budget.density=1.0000001"), "greater than 0 and at most 1"),
    "slices that turn twice": (nothing, given("budget.mode=fixed", "budget.ranking=width", "budget.rotate=true",
                                              "method.name=fedavg"), 'ranking = "rolling_width"'),
    "budgets over masks of clients": (nothing, given("budget.mode=fixed", "sparsity.start_mask=per_client"), "sparsity.start_mask"),
    "budgets without a server": (nothing, given("budget.mode=fixed", "method.name=dadpfl"), "has no server"),
    "deadline without links": (nothing, given("budget.mode=deadline", "budget.deadline_s=1"), "[links] has none"),
    "deadline below the latency": (nothing, given("budget.mode=deadline", "budget.deadline_s=1",
                                                  "links.latency_ms=600"), "class 1 of [links] takes"),
    "budget without bytes": (nothing, given("budget.mode=bytes"), "needs budget.bytes_per_round"),
    "too few bytes": (nothing, given("budget.mode=bytes", "budget.bytes_per_round=500"), "smallest part"),
    "budgets of a method that has none": (nothing, given("budget.mode=fixed", "method.name=feddst", "federation.rounds=9"),
                                          "a budget can't be met"),
    "budgets where clients change their masks": (nothing, given("budget.mode=fixed", "method.name=flash", "flash.readjust=true"),
                                                 "flash with flash.readjust = false"),
    "turns that are neither": (nothing, given("budget.rotate=1"), "expected true or false"),
    "rankings less often than never": (nothing, given("budget.ranked_every=-1"), "at least 0"),
    "floor above a layer": (nothing, given("budget.layer_floor=1.5"), "at most 1"),
    "feedback stronger than all": (nothing, given("budget.feedback=1.5"), "at least 0 and at most 1"),
    "feedback by another word": (nothing, given("budget.feedback=adapted"), 'neither "adaptive" nor'),
    "unknown ranking": (nothing, given("budget.ranking=widths"), 'did you mean "width"?'),
    "slices of a sparse model": (nothing, given("budget.mode=fixed", "budget.ranking=width"), "fedavg or fedprox"),
    "a density where late clients are dropped": (nothing, given("budget.mode=drop", "budget.deadline_s=9", "links.uplink_mbit=1",
                                                                "budget.density=0.5"), "the whole model or nothing"),
    "secure sums among hostile clients": (nothing, given("privacy.secure_sum=true", "aggregation.hostile=1"),
                                          "the mean withstands no hostile client"),
    "dropping without a deadline": (nothing, given("budget.mode=drop"), "needs budget.deadline_s"),
    "a deadline that drops everybody": (nothing, given("budget.mode=drop", "budget.deadline_s=1", "links.uplink_mbit=0.1"),
                                        "no class of [links]"),
    "budgets of protected clients": (nothing, given("budget.mode=fixed", "privacy.secure_sum=true"), "[privacy] is for clients"),
    "a budget below the first look": (nothing, given("budget.mode=bytes", "budget.bytes_per_round=30000", "method.name=flash"),
                                      "before the first round of flash"),
    "a first client that can't hold the model": (nothing, given("budget.mode=fixed", "budget.density=0.5", "method.name=snip"),
                                                 "before the first round of snip"),
    "budgets under attack": (nothing, given("budget.mode=fixed", "attack.kind=alie", "attack.clients=2"), "attack.kind"),
    "unknown rule of aggregation": (nothing, given("aggregation.rule=meen"), "choose one of mean, median"),
    "fewer than no hostile clients": (nothing, given("aggregation.hostile=-1"), "at least 0"),
    "a negative bound of norms": (nothing, given("aggregation.clip=-1"), "at least 0"),
    "unknown attack": (nothing, given("attack.kind=sign_flop", "attack.clients=1"), "choose one of none, sign_flip"),
    "fewer than no attackers": (nothing, given("attack.clients=-1"), "at least 0"),
    "an attack of negative strength": (nothing, given("attack.strength=-1"), "at least 0"),
    "unknown drift": (nothing, given("drift.kind=blurr"), "did you mean \"blur\"?"),
    "rounds of drift out of order": (nothing, given("drift.at=[5,3]"), "rounds that ascend"),
    "unknown pattern of drift": (nothing, given("drift.pattern=sudenly"), "did you mean \"sudden\"?"),
    "a drift of more than all": (nothing, given("drift.clients=1.5"), "at most 1"),
    "half a history of masks": (nothing, given("analysis.mask_history=0.5"), "true or false"),
    "some accuracy of classes": (nothing, given("analysis.class_accuracy=some"), "true or false"),
    "a tolerance below none": (nothing, given("adaptation.tolerance=-0.1"), "at least 0"),
    "an answer that leaves nothing": (nothing, given("adaptation.relaxed_sparsity=1"), "less than 1"),
    "half a round of drift": (nothing, given("drift.at=[1.5]"), "expected an integer"),
    "words for rounds of drift": (nothing, given("drift.at=soon"), "expected a number or an array"),
    "a negative drift": (nothing, given("drift.strength=-1"), "at least 0"),
    "a drift of nobody": (nothing, given("drift.clients=0"), "greater than 0"),
    "fewer than no samples": (nothing, given("drift.samples_per_round=-1"), "at least 0"),
    "unknown answer": (nothing, given("adaptation.answer=grow"), "did you mean \"regrow\"?"),
    "unknown detector": (nothing, given("adaptation.detector=ddm"), "page_hinkley"),
    "an answer of no rounds": (nothing, given("adaptation.rounds=0"), "at least 1"),
    "nothing regrown": (nothing, given("adaptation.regrown_share=0"), "greater than 0"),
    "a detector that is certain": (nothing, given("adaptation.confidence=0"), "greater than 0 and less than 1"),
    "a detector that waits for nothing": (nothing, given("adaptation.threshold=0"), "greater than 0"),
    "unknown method": (nothing, given("method.name=fedip"), "feddip"),
    "unknown variant": (nothing, given("method.variant=author"), "authors"),
    "a variant that the method lacks": (nothing, given("method.name=fedavg", "method.variant=authors"),
                                        "fedavg has no variant", "fedprox"),
    "unknown kernels": (nothing, given("compute.kernels=fast"), "auto"),

    # Combinations.
    "more per round than there are": (nothing, given("federation.clients_per_round=501"), "more than"),
    "as many hostile clients as honest ones": (nothing, given("aggregation.hostile=2", "aggregation.rule=median"),
                                               "no minority of federation.clients_per_round = 4"),
    "a mean among hostile clients": (nothing, given("aggregation.hostile=1"),
                                     "the mean withstands no hostile client"),
    "too few clients for Krum": (nothing, given("aggregation.rule=krum", "aggregation.hostile=1"), "needs 5 clients per round"),
    "too few clients for Multi-Krum": (nothing, given("aggregation.rule=multi_krum", "federation.clients_per_round=2"),
                                       "needs 3 clients per round"),
    "a rule where there is no server": (nothing, given("aggregation.rule=median", "method.name=dispfl"), "no server"),
    "rounded values between waiting peers": (nothing, given("communication.value_type=bf16", "method.name=dadpfl"),
                                             "dadpfl exchanges 32-bit values"),
    "attackers that see nobody's update": (nothing, given("attack.kind=gaussian", "attack.clients=1", "attack.sees=all"),
                                           "looks at nobody's update"),
    "attackers that see someone": (nothing, given("attack.sees=some"), "attack.sees"),
    "more attackers than clients": (nothing, given("attack.clients=501"), "more than federation.clients = 500"),
    "an attack by nobody": (nothing, given("attack.kind=ipm"), "has no clients"),
    "an attack where there is no server": (nothing, given("attack.kind=ipm", "attack.clients=1", "method.name=dispfl"),
                                           "no server to attack"),
    "a drift of no strength": (nothing, given("drift.kind=blur", "drift.at=1"), "changes nothing"),
    "a drift that never happens": (nothing, given(*DRIFT, "drift.at=[]"), "never happens"),
    "a drift after the last round": (nothing, given(*DRIFT, "drift.at=3"), "after the last one"),
    "a gradual drift without an end": (nothing, given(*DRIFT, "drift.pattern=gradual"), "drift.at has 1 values"),
    "more than all of the contrast": (nothing, given("drift.kind=contrast", "drift.strength=2", "drift.at=1"),
                                      "can take away"),
    "a gradient of a loss that changes": (nothing, given(*DRIFT, "analysis.convergence_every=1"),
                                          "analysis.convergence_every"),
    "a drift where there is no server": (nothing, given(*DRIFT, "method.name=dispfl"), "drift.kind"),
    "a history of masks where there is no server": (nothing, given("analysis.mask_history=true", "method.name=dispfl"),
                                                    "analysis.mask_history"),
    "accuracy of classes where there is no server": (
        nothing, given("analysis.class_accuracy=true", "method.name=dispfl"), "analysis.class_accuracy"),
    "a client whose classes all fade": (fashion_mnist(), given("data.path=d", "drift.kind=label_shift",
                                                               "drift.strength=1", "drift.at=1"),
                                        "label_shift would leave"),
    "a blur wider than the images": (fashion_mnist(), given("data.path=d", *DRIFT, "drift.strength=29"),
                                     "more than the 28 of an image's longer side"),
    "an answer that the method lacks": (nothing, given("adaptation.answer=regrow", "method.name=fedavg"),
                                        "only feddip does"),
    "an answer with nested masks": (nothing, given("adaptation.answer=relax", "sparsity.regrow=false"), "take true"),
    "an answer that keeps to no floor": (nothing, given("adaptation.answer=regrow", "sparsity.layer_floor=0.01"),
                                         "sparsity.layer_floor"),
    "an answer that needs all weights": (nothing, given("adaptation.answer=regrow",
                                                        "communication.reconfiguration_upload=topk"),
                                         "communication.reconfiguration_upload"),
    "an answer that relaxes nothing": (nothing, given("adaptation.answer=relax", "adaptation.relaxed_sparsity=0.9"),
                                       "not below sparsity.target"),
    "an answer to losses that are private": (nothing, given("adaptation.answer=regrow", "privacy.clip=1.0",
                                                            "privacy.noise_multiplier=1.0"), "adaptation.answer"),
    "an answer from clients with budgets": (nothing, given("adaptation.answer=regrow", "budget.mode=fixed",
                                                           "budget.density=0.5"), "adaptation.answer"),
    "an end less sparse than the start": (nothing, given("sparsity.initial=0.95"), "sparsity.target"),
    "only final rounds": (nothing, given("sparsity.final_rounds=2"), "leaves none of the federation.rounds = 2"),
    "a floor above the density": (nothing, given("sparsity.layer_floor=0.2"), "more than what sparsity.target"),
    "a scaled start without a mask": (nothing, given("sparsity.start_scale=density", "sparsity.start_mask=per_client"),
                                      "nothing to scale"),
    "another score than the clients'": (nothing, given("sparsity.score=lamp", "communication.reconfiguration_upload=topk"),
                                        "communication.reconfiguration_upload"),
    "a model for other images": (nothing, given("model.name=alexnet"), "does not take"),
    "more classes than labels": (nothing, given("data.classes_per_client=11"), "more than the 10 classes"),
    "classes that can't be shared equally": (fashion_mnist(), given("data.path=d", "data.partition=pathological",
                                                                    "federation.clients=51"), "equally"),
    "a Dirichlet that can't be dealt": (fashion_mnist(), given("data.path=d", "data.partition=dirichlet",
                                                               "data.dirichlet_alpha=0.001"), "cannot deal"),
    "more clients than a Dirichlet allows": (fashion_mnist(), given("data.path=d", "data.partition=dirichlet",
                                                                    "federation.clients=601"), "not enough"),
    "more clients than images": (fashion_mnist(), given("data.path=d", "federation.clients=60001"), "60000"),

    # Privacy.
    "a negative bound of updates": (nothing, given("privacy.clip=-1"), "at least 0"),
    "negative noise": (nothing, given("privacy.clip=1", "privacy.noise_multiplier=-1"), "at least 0"),
    "infinite noise": (nothing, given("privacy.clip=1", "privacy.noise_multiplier=inf"), "finite"),
    "a negative epsilon": (nothing, given("privacy.clip=1", "privacy.epsilon=-1"), "at least 0"),
    "delta 0": (nothing, given("privacy.delta=0"), "greater than 0"),
    "a certain failure": (nothing, given("privacy.delta=1"), "less than 1"),
    "a quantile above all": (nothing, given("privacy.clip=1", "privacy.clip_quantile=1"), "less than 1"),
    "unknown sampling": (nothing, given("privacy.sampling=bernoulli"), "poisson"),
    "noise on updates of any length": (nothing, given("privacy.noise_multiplier=1"), "needs privacy.clip"),
    "a budget without a bound": (nothing, given("privacy.epsilon=1"), "needs privacy.clip"),
    "Poisson sampling without privacy": (nothing, given("privacy.sampling=poisson"), "needs privacy.clip"),
    "a private median": (nothing, given("privacy.clip=1", "aggregation.rule=median"), "by how much one client"),
    "private values of 16 bits": (nothing, given("privacy.clip=1", "communication.value_type=bf16"), "rounding"),
    "private largest weights": (nothing, given("privacy.clip=1", "communication.reconfiguration_upload=topk"), "largest"),
    "gradients beside private updates": (nothing, given("privacy.clip=1", "analysis.convergence_every=1"), "without noise"),
    "norms beside private updates": (nothing, given("privacy.clip=1", "analysis.layer_norms_every=1"), "without noise"),
    "noise that could be drawn twice": (nothing, given("privacy.clip=1", "checkpoint.every_rounds=2"), "take 1"),
    "a private first look of SNIP": (nothing, given("privacy.clip=1", "method.name=snip"), "first mask at one client's data"),
    "a private first look of PruneFL": (nothing, given("privacy.clip=1", "method.name=prunefl"), "first mask at one client's data"),
    "private masks of clients that look first": (nothing, given("privacy.clip=1", "method.name=flash", "flash.readjust=true"),
                                                 "method.name"),
    "private masks of clients": (nothing, given("privacy.clip=1", "method.name=feddst", "federation.rounds=20"),
                                 "masks at their own data"),
    "private pruning at clients": (nothing, given("privacy.clip=1", "method.name=prunetrain"), "masks at their own data"),
    "private peers": (nothing, given("privacy.clip=1", "method.name=dispfl"), "no server"),
    "a budget for less than a round": (nothing, given("privacy.clip=1", "privacy.noise_multiplier=1", "privacy.epsilon=0.01"),
                                       "no budget for a single round"),
    "an epsilon that no noise gives": (nothing, given("privacy.clip=1", "privacy.epsilon=0.001"), "no noise gives",
                                       "smallest is 0.103:"),
    "hostile clients that know protected ones": (nothing, given("privacy.clip=1", "attack.kind=ipm", "attack.clients=2",
                                                                "attack.sees=all"), "attack.kind", "sign_flip"),
    "private drift that follows from data": (nothing, given("privacy.clip=1", "data.partition=dirichlet", *DRIFT),
                                             "drift.kind", "data.partition"),
    "private statistics of batch norm": (nothing, given(
        "privacy.clip=1", "model.name=custom", "model.layers=[{kind='convolution', outputs=4, kernel=5}, "
        "{kind='batch_norm'}, {kind='relu'}, {kind='fully_connected'}]"), "running variances"),

    "noise that a secure sum's words don't hold": (nothing, given(*LOUD), "privacy.noise_multiplier", "up to 134"),
    "noise that a secure sum's words don't hold, for check": (nothing, ["check", *given(*LOUD)[1:]],
                                                              "privacy.noise_multiplier", "up to 134"),
    "a secure sum for a median": (nothing, given("privacy.secure_sum=true", "aggregation.rule=median"), "single updates"),
    "a secure sum over one client": (nothing, given("privacy.secure_sum=true", "federation.clients_per_round=1"),
                                     "is its update"),
    "a secure sum over more clients than it takes": (nothing, given(
        "privacy.secure_sum=true", "federation.clients=70000", "federation.clients_per_round=65536"), "up to 65535"),
    "a secure sum over clients that may be more than it takes": (nothing, given(
        "privacy.secure_sum=true", "privacy.clip=1", "privacy.sampling=poisson", "federation.clients=70000",
        "federation.clients_per_round=65000"), "up to 65535"),
    "a secure sum of largest weights": (nothing, given("privacy.secure_sum=true",
                                                       "communication.reconfiguration_upload=topk"), "one support for all"),
    "a secure sum of clients' own masks": (nothing, given("privacy.secure_sum=true", "method.name=feddst",
                                                          "federation.rounds=20"), "one support for all"),
    "a secure sum after a first look": (nothing, given("privacy.secure_sum=true", "method.name=snip"), "one client's data"),
    "a secure sum after a first training": (nothing, given("privacy.secure_sum=true", "method.name=prunefl"), "one client's data"),
    "a secure sum among peers": (nothing, given("privacy.secure_sum=true", "method.name=dispfl"), "sums nothing"),
    "a secure sum of 16 bits": (nothing, given("privacy.secure_sum=true", "communication.value_type=bf16"), "saves nothing"),

    # Layers of one's own.
    "group norms in a model without norms": (nothing, given("model.norm=group"), "model.norm", "resnet18"),
    "an unknown norm": (nothing, given("model.name=resnet18", "model.norm=layer"), "did you mean"),
    "a group norm of too many groups": layers_row("kind='group_norm', groups=3, name='g'", says=["layer 3 (g)", "4 channels"]),
    "a group norm of no groups": layers_row("kind='group_norm', groups=0", says=["layer 3", "groups must be an integer"]),
    "a custom model without layers": (nothing, given("model.name=custom"), "needs [[model.layers]]"),
    "layers of a model that has its own": (nothing, given("model.layers=[{kind='relu'}]"), "has its own layers"),
    "a word for layers": (nothing, given("model.name=custom", "model.layers='many'"), "[[model.layers]]"),
    "a number among layers": (nothing, given("model.name=custom", "model.layers=[3]"), "layer 1: it must be a table"),
    "too many layers": (nothing, layers(*["kind='relu'"] * 1001), "at most 1000"),
    "a layer without a kind": (nothing, layers("name='c'"), "layer 1: its kind must be one of"),
    "an unknown kind": (nothing, layers("kind='conv'"), "layer 1: its kind must be one of"),
    "a misspelt key of a layer": (nothing, layers("kind='convolution', kernal=3"), "did you mean kernel?"),
    "a key of another kind of layer": (nothing, layers("kind='relu', kernel=3"), "layer 1: unknown key kernel"),
    "a kernel of nothing": (nothing, layers("kind='convolution', outputs=3, kernel=0"), "from 1 to 255"),
    "a fraction of a kernel": (nothing, layers("kind='convolution', outputs=3, kernel=1.5"), "integer from 1 to 255"),
    "millions of channels": (nothing, layers("kind='convolution', outputs=10000000"), "from 1 to 1048576"),
    "all dropped out": layers_row("kind='dropout', probability=1", says=["layer 3", "less than 1"]),
    "a bias that is a number": layers_row("kind='convolution', outputs=1, bias=1", says=["true or false"]),
    "a name with a path": layers_row("kind='relu', name='../x'", says=["layer 3", "letters, digits"]),
    "a name given twice": layers_row("kind='fully_connected', name='c'", says=["layer 3 (c)", "earlier layer"]),
    "no channels": layers_row("kind='convolution', name='d'", says=["layer 3 (d)", "needs outputs"]),
    "an input too small": layers_row("kind='convolution', name='d', outputs=3, kernel=25",
                                     says=["layer 3 (d)", "4 x 24 x 24, is too small"]),
    "a window too large": layers_row("kind='max_pool', window=16", says=["layer 3", "from 1 to 15"]),
    "a window larger than its input": layers_row("kind='max_pool', window=10", "kind='max_pool', window=3",
                                                 says=["layer 4 (layer4)", "too small"]),
    "a convolution of a vector": layers_row("kind='fully_connected', outputs=8", "kind='convolution', outputs=8",
                                            says=["layer 4", "of a fully connected layer"]),
    "a pool of a vector": layers_row("kind='fully_connected', outputs=8", "kind='relu'", "kind='global_average_pool'",
                                     says=["layer 5", "of a fully connected layer"]),
    "a padding wider than the kernel": layers_row("kind='convolution', outputs=3, kernel=2, padding=2",
                                                  says=["not smaller than its kernel"]),
    "a sum of two shapes": layers_row("kind='convolution', name='d', outputs=3", "kind='add', with='r', name='a'",
                                      says=["layer 4 (a)", "it adds 4 x 24 x 24 of r to 3 x 24 x 24"]),
    "a sum with nobody": layers_row("kind='add'", says=["layer 3", "needs with"]),
    "a sum with itself": layers_row("kind='add', with='r'", says=["to itself"]),
    "a layer that comes later": layers_row("kind='convolution', outputs=3, from='z'", "kind='relu', name='z'",
                                           says=["no layer before it is called z"]),
    "a relu after a pool": layers_row("kind='max_pool'", "kind='relu'", says=["layer 4", "must follow"]),
    "what a relu gets, read twice": layers_row("kind='convolution', name='d', outputs=4", "kind='relu', name='s'",
                                               "kind='add', with='d'", "kind='fully_connected'",
                                               says=["only the output of a relu"]),
    "an output that nobody reads": layers_row("kind='convolution', name='d', outputs=3",
                                              "kind='convolution', name='e', from='r', outputs=3",
                                              "kind='fully_connected'", says=["layer 3 (d)", "nothing reads"]),
    "an end that is no number of classes": layers_row("kind='fully_connected', name='f', outputs=11",
                                                      says=["layer 3 (f)", "11 x 1 x 1", "10 classes"]),
    "an end that is a pool": layers_row("kind='convolution', outputs=10", "kind='global_average_pool', name='g'",
                                        says=["layer 4 (g)", "must be fully connected"]),
    "a start that is a pool": (nothing, layers("kind='max_pool'"), "layer 1", "it is the first"),
    "more weights than have positions": layers_row(*["kind='fully_connected', outputs=32768"] * 6,
                                                   says=["layer 7", "2^32 - 1"]),
    "weights beyond all memory": layers_row("kind='fully_connected', outputs=1048576", says=["layer 3", "2^30"]),

    # Files of one's own.
    "a file without a name": (nothing, given("data.dataset=file"), "needs data.path"),
    "shares that nobody gave": (nothing, given("data.partition=given"), "does not have"),
    "no file of one's own": (nothing, OWN, "own.h5", "No such file"),
    "a folder of one's own": (lambda here: (here / "own.h5").mkdir(), OWN, "it is not a file"),
    "text for HDF5": (text("own.h5", "images\n" * 99), OWN, "HDF5 can't open it"),
    "half an HDF5 file": (lambda here: own()(here) or os.truncate(here / "own.h5", 3000), OWN, "HDF5 can't open it"),
    "no images": own_row(lambda f: f.pop("train/images"), "/train/images", "missing"),
    "no test images": own_row(lambda f: f.pop("test"), "/test/images", "missing"),
    "no labels": own_row(lambda f: f.pop("test/labels"), "/test/labels", "missing"),
    "a group for images": own_row(lambda f: f.pop("train/images") and None or f.create_group("train/images"),
                                  "/train/images", "as a dataset"),
    "images as doubles": own_row(put("train/images", data=np.zeros(IMAGES_OF)), "/train/images", "uint8 or float32"),
    "images of signed bytes": own_row(put("train/images", data=np.zeros(IMAGES_OF, "i1")), "/train/images", "uint8 or float32"),
    "images as records": own_row(put("train/images", IMAGES_OF, [("r", "u1")]), "/train/images", "neither integers"),
    "images of half floats": own_row(put("train/images", IMAGES_OF, "f2"), "/train/images", "neither integers"),
    "images as lists": own_row(put("train/images", (600,), h5py.vlen_dtype("u1")), "/train/images", "neither integers"),
    "flat images": own_row(put("train/images", data=np.zeros((600, 784), "u1")), "/train/images", "N x channels x height x width"),
    "images with five dimensions": own_row(put("train/images", (6, 1, 28, 28, 1), "u1"), "/train/images",
                                           "1 to 4 dimensions"),
    "one number for images": own_row(put("train/images", data=np.uint8(3)), "/train/images", "1 to 4 dimensions"),
    "images of nothing": own_row(put("train/images", (600, 1, 0, 28), "u1"), "/train/images", "empty"),
    "test images of another shape": own_row(put("test/images", data=np.zeros((20, 1, 32, 32), "u1")), "/test/images",
                                            "another shape or type"),
    "test images of another type": own_row(put("test/images", data=np.zeros((20, 1, 28, 28), "f4")), "/test/images",
                                           "another shape or type"),
    "images that are not there": own_row(put("train/images", (1 << 40, 1, 28, 28), "u1", chunks=(1, 1, 28, 28)),
                                         "/train/images", "chunks are stored"),
    "more images than bytes": own_row(put("train/images", (1 << 30, 1, 28, 28), "u1"), "/train/images",
                                      "larger than what is stored"),
    "a size that overflows": own_row(put("train/images", (1 << 20, 1 << 20, 1 << 20, 1 << 20), "u1",
                                         chunks=(1, 1, 1, 1)), "/train/images"),
    "a chunk of gigabytes": own_row(put("train/images", (1 << 22, 1, 28, 28), "u1", chunks=(1 << 22, 1, 28, 28)),
                                    "/train/images", "larger than 64 MiB"),
    "images with holes": own_row(holed, "/train/images", "1 of its 60 chunks"),
    "an image larger than any": own_row(put("train/images", data=np.zeros((1, 1, 5000, 1), "u1")), "/train/images",
                                        "5000"),
    "images behind a soft link": own_row(linked("train/images", h5py.SoftLink("/test/images")), "/train/images",
                                         "soft or external link"),
    "a group behind a soft link": own_row(linked("train", h5py.SoftLink("/test")), "/train/images",
                                          "soft or external link"),
    "images in another file": own_row(linked("train/images", h5py.ExternalLink("/etc/passwd", "/x")), "/train/images",
                                      "soft or external link"),
    "bytes in another file": own_row(put("train/images", IMAGES_OF, "u1",
                                         external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)]), "/train/images",
                                     "other files"),
    "images put together from other files": own_row(virtual, "/train/images", "virtual"),
    "images with checksums": own_row(put("train/images", data=np.zeros(IMAGES_OF, "u1"), fletcher32=True),
                                     "/train/images", "filter"),
    "images packed by a plug-in": own_row(put("train/images", data=np.zeros(IMAGES_OF, "u1"), compression="lzf"),
                                          "/train/images", "filter"),
    "images that are no numbers": own_row(lambda f: (put("train/images", data=np.full(IMAGES_OF, np.nan, "f4"))(f),
                                                     put("test/images", data=np.zeros((20, 1, 28, 28), "f4"))(f)),
                                          "/train/images", "image 0", "not finite"),
    "labels as fractions": own_row(put("train/labels", data=np.zeros(600)), "/train/labels", "must hold integers"),
    "too few labels": own_row(put("train/labels", data=np.zeros(599, "u1")), "/train/labels", "each of 600 images"),
    "labels in columns": own_row(put("train/labels", data=np.zeros((600, 1), "u1")), "/train/labels", "one number"),
    "a label beyond the classes": own_row(put("train/labels", data=np.full(600, 10)), "/train/labels",
                                          "label 10 of image 0"),
    "a label below 0": own_row(put("test/labels", data=np.full(20, -1)), "/test/labels", "label -1 of image 0"),
    "a label of 64 bits": own_row(put("test/labels", data=np.full(20, 1 << 40)), "/test/labels", "label 1099511627776"),
    "labels as words": own_row(put("train/labels", data=np.full(600, b"cat")), "/train/labels", "must hold integers"),
    "more classes than a byte can name": own_row(lambda f: f.attrs.__setitem__("classes", 257), "/@classes",
                                                 "257 is not between 1 and 256"),
    "no number of classes": own_row(lambda f: f.attrs.pop("classes"), "/@classes", "missing"),
    "a name for a number of classes": own_row(lambda f: f.attrs.__setitem__("classes", "ten"), "/@classes",
                                              "one integer"),
    "two numbers of classes": own_row(lambda f: f.attrs.__setitem__("classes", [10, 10]), "/@classes", "one integer"),
    "names of another number": own_row(put("class_names", data=np.array(["a", "b"], "S")), "/class_names",
                                       "2 names for 10 classes"),
    "names of any length": own_row(put("class_names", data=["a"] * 10), "/class_names", "variable length"),
    "long names": own_row(put("class_names", (10,), "S257"), "/class_names", "257 bytes"),
    "numbers for names": own_row(put("class_names", data=np.zeros(10)), "/class_names", "a list of at most 256 texts"),
    "a mean alone": own_row(put("mean", data=[0.5]), "/deviation", "missing, where /mean is there"),
    "means of other channels": own_row(lambda f: (put("mean", data=[0.5] * 3)(f), put("deviation", data=[1.0] * 3)(f)),
                                       "/mean", "each of 1 channels"),
    "a mean that is no number": own_row(lambda f: (put("mean", data=[np.nan])(f), put("deviation", data=[1.0])(f)),
                                        "/mean", "not finite"),
    "no deviation at all": own_row(lambda f: (put("mean", data=[0.0])(f), put("deviation", data=[0.0])(f)),
                                   "/deviation", "greater than 0"),
    "clients of half the images": own_row(put("train/clients", data=np.zeros(600, "i4")), "/test/clients", "missing"),
    "a client below 0": own_row(with_clients(np.full(600, -1), np.zeros(20, "i4")), "/train/clients", "client -1"),
    "more clients than images": own_row(with_clients(np.full(600, 600), np.zeros(20, "i4")), "/train/clients",
                                        "client 600"),
    "a client for testing only": own_row(with_clients(np.arange(600) % 500, np.full(20, 500)), "/test/clients",
                                         "client 500 of image 0 is not between 0 and 499"),
    "shares without clients": (own(), [*OWN, "--set", "data.partition=given"], "has none"),
    "another number of clients": (own(with_clients(np.arange(600) % 300, np.arange(20))),
                                  [*OWN, "--set", "data.partition=given"], "set federation.clients = 300"),
    "a client without images": (own(with_clients(np.where(np.arange(600) == 7, 499, 3), np.full(20, 3))),
                                [*OWN, "--set", "data.partition=given"], "/train/clients", "of client 0", "without gaps"),
    "a model for larger images": (own(lambda f: [put(f"{p}/images", data=np.zeros((n, 1, 4, 4), "u1"))(f)
                                                 for p, n in (("train", 600), ("test", 20))]), OWN,
                                  "can't build the network"),

    # Data.
    "no data there": (nothing, given("data.path=/nowhere/at/all"), "/nowhere/at/all"),
    "one file missing": data(lambda d: (d / LABELS).unlink(), "lacks", LABELS),
    "images cut off": data(resized(IMAGES, -1), "it ends after", IMAGES),
    "images that go on": data(resized(IMAGES, 1), "it goes on after", IMAGES),
    "images without content": data(replaced(IMAGES, b""), "it ends after 0 bytes", IMAGES),
    "half a header": data(replaced(IMAGES, b"\0\0\x08"), "it ends after 3 bytes", IMAGES),
    "wrong magic": data(poked(IMAGES, 3, 7), "0x00000807", IMAGES),
    "labels in place of images": data(lambda d: os.replace(d / LABELS, d / IMAGES) or
                                      idx(d, LABELS, 0x801, 60000), "a label file", IMAGES),
    "images in place of labels": data(lambda d: idx(d, LABELS, 0x803, 10, 28, 28), "an image file", LABELS),
    "the test set as training set": data(lambda d: idx(d, IMAGES, 0x803, 10000, 28, 28), "10000 images", IMAGES),
    "images of another height": data(lambda d: idx(d, IMAGES, 0x803, 60000, 32, 28), "32 rows", IMAGES),
    "images of another width": data(lambda d: idx(d, IMAGES, 0x803, 60000, 28, 32), "32 columns", IMAGES),
    "a header that promises 4 billion": data(lambda d: idx(d, LABELS, 0x801, 0xffffffff, size=100), "4294967295 labels",
                                             LABELS),
    "labels cut off": data(resized(LABELS, -1), "it ends after", LABELS),
    "a label that is no class": data(poked(LABELS, 8 + 41, 10), "label 10 of image 41", LABELS),
    "test images cut off": data(resized(TEST_IMAGES, -784), "it ends after", TEST_IMAGES),
    "test labels out of range": data(poked(TEST_LABELS, 8, 255), "label 255 of image 0", TEST_LABELS),
    "gzip cut off": data(packed(LABELS, lambda c: c[:-20]), "gzip", LABELS),
    "gzip with a wrong checksum": data(packed(LABELS, lambda c: flipped(c, len(c) - 6)), "incorrect data check", LABELS),
    "gzip with a wrong length": data(packed(LABELS, lambda c: flipped(c, len(c) - 2)), "incorrect length check", LABELS),
    "gzip with a damaged middle": data(packed(LABELS, lambda c: flipped(c, len(c) // 2)), "damaged", LABELS),
    "bytes behind gzip": data(packed(LABELS, lambda c: c + b"more"), "after the end of the gzip stream", LABELS),
    "a folder in place of a file": data(lambda d: (d / LABELS).unlink() or (d / LABELS).mkdir(), "not a regular file",
                                        LABELS),
    "a pipe in place of a file": data(lambda d: (d / LABELS).unlink() or os.mkfifo(d / LABELS), "not a regular file",
                                      LABELS),
    "a file that may not be read": data(lambda d: (d / LABELS).chmod(0), "Permission denied", LABELS),
    "a link to nowhere": data(lambda d: (d / LABELS).unlink() or (d / LABELS).symlink_to("none"), "lacks", LABELS),
    "a CIFAR-10 file missing": (cifar_10(lambda d: (d / CIFAR_10[2]).unlink()), given(*ALEXNET), "lacks", CIFAR_10[2]),
    "a CIFAR-10 file cut off": (cifar_10(resized(CIFAR_10[3], -1)), given(*ALEXNET), "it ends after", CIFAR_10[3]),
    "a CIFAR-10 file that goes on": (cifar_10(resized(CIFAR_10[5], 3073)), given(*ALEXNET), "it goes on after",
                                     CIFAR_10[5]),
    "a CIFAR-10 label out of range": (cifar_10(poked(CIFAR_10[0], 3073, 10)), given(*ALEXNET), "label 10 of image 1",
                                      CIFAR_10[0]),
    "CIFAR-100 cut off": (cifar_100(resized("train.bin", -1)), given(*ALEXNET_100), "it ends after", "train.bin"),
    "a coarse label out of range": (cifar_100(poked("train.bin", 0, 20)), given(*ALEXNET_100), "label 20 of image 0"),
    "a fine label out of range": (cifar_100(poked("test.bin", 1, 100)), given(*ALEXNET_100), "label 100 of image 0"),

    # Results and checkpoints.
    "results already there": (text("r.h5", "x"), [*TRAIN, "--out", "r.h5"], "already there", "--resume"),
    "a folder with the results' name": (lambda here: (here / "r.h5").mkdir(), [*TRAIN, "--out", "r.h5"], "not a file"),
    "a link with the results' name": (lambda here: (here / "r.h5").symlink_to("real.h5"), [*TRAIN, "--out", "r.h5"],
                                      "symbolic link", "name the file that it points to, real.h5"),
    "no folder for results": (nothing, [*TRAIN, "--out", "no/r.h5"], "the folder no does not exist"),
    "a file as the results' folder": (text("no", "x"), [*TRAIN, "--out", "no/r.h5"], "no"),
    "results in a read-only folder": (locked("shut", 0o555), [*TRAIN, "--out", "shut/r.h5"], "Permission denied"),
    "no folder for checkpoints": (nothing, [*given("checkpoint.path=no"), "--out", "r.h5"], "the folder no does not"),
    "checkpoints in a read-only folder": (locked("shut", 0o555), [*given("checkpoint.path=shut"), "--out", "r.h5"],
                                          "checkpoint.path", "Permission denied"),
    "checkpoints of an earlier run": (text("r.ckpt-1.h5", "x"), [*TRAIN, "--out", "r.h5"], "earlier run", "--resume"),
    "no checkpoint that is whole": (text("r.ckpt-1.h5", "x"), [*TRAIN, "--out", "r.h5", "--resume"],
                                    "none of its checkpoints can be read"),
    "a checkpoint that may not be read": (locked("r.ckpt-1.h5"), [*TRAIN, "--out", "r.h5", "--resume"], "can't resume",
                                          "Permission denied", "make it readable"),
    "info of nothing there": (nothing, ["info", "none.h5"], "none.h5", "No such file"),
    "info of an empty file": (text("e.h5", ""), ["info", "e.h5"], "e.h5"),
    "info of text": (text("t.h5", "no HDF5 at all\n" * 99), ["info", "t.h5"], "t.h5",
                     "no results or checkpoint", "name the FILE.h5 that feddip train has written"),
    "info of a folder": (nothing, ["info", "."], "."),
    "info of half a checkpoint": (text("c.h5", "feddip checkpoint 1\nbytes 3\n"), ["info", "c.h5"], "cut off"),
    "info of a damaged checkpoint": (text("c.h5", b"feddip checkpoint 1\n" + bytes(600)), ["info", "c.h5"], "damaged"),
}


class BadInput(program.Program):
    def run_row(self, folder, arguments, as_nobody):
        drop = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if as_nobody else {}
        return subprocess.run([program.FEDDIP, *arguments], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=program.SECONDS, check=False,
                              env={**program.ENVIRONMENT, "HOME": str(folder)}, **drop)

    def may_drop_privileges(self):
        """Root may read everything: as nobody the program is told no. If nobody can start it, those rows are skipped."""
        try:
            return self.run_row(self.folder, ["--version"], True).returncode == 0
        except (OSError, subprocess.SubprocessError):
            return False

    def test_each_is_refused_with_its_exit_code_and_message(self):
        self.assertGreaterEqual(len(ROWS), 80)
        self.folder.chmod(0o755)
        is_root = os.geteuid() == 0
        nobody_runs = is_root and self.may_drop_privileges()
        for number, (name, (prepare, arguments, *parts)) in enumerate(ROWS.items()):
            needs_permissions = "Permission denied" in parts
            with self.subTest(row=name):
                if needs_permissions and is_root and not nobody_runs:
                    self.skipTest("root may read everything, and nobody can't start the program")
                folder = self.folder / str(number)
                folder.mkdir()
                (folder / "tiny.toml").write_text(program.TINY)
                prepare(folder)
                before = sorted(path.name for path in folder.rglob("*"))
                if needs_permissions and is_root:
                    folder.chmod(0o777)
                refused = self.run_row(folder, arguments, needs_permissions and is_root)
                self.assert_refused(refused, *parts)
                self.assertEqual(sorted(path.name for path in folder.rglob("*")), before, "something was started")
        # Some rows claim terabytes.
        self.assertLess(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, MOST_MEMORY_MIB)


@program.needs_fashion_mnist
class FullDisk(program.Program):
    def mount(self, *options):
        """A tmpfs in self.disk, or a test that is skipped."""
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "feddip-test", self.disk],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"no file system can be mounted here: {done.stderr.strip()}")

    def setUp(self):
        super().setUp()
        self.disk = self.folder / "disk"
        self.disk.mkdir()
        if os.geteuid() != 0:
            self.skipTest("only root can mount a small disk")
        self.mount("size=256k")
        self.addCleanup(subprocess.run, ["umount", self.disk], check=True)

    def test_a_run_ends_with_the_reason_keeps_its_checkpoint_and_goes_on_to_the_same_bits(self):
        for ranks in (1, 2):
            with self.subTest(ranks=ranks):
                more = ["--set", "federation.rounds=4", "--set", "sparsity.horizon=100"]
                self.train(*more, "--out", f"whole-{ranks}.h5", ranks=ranks)

                failed = self.run_program("train", self.config, *more, "--out", f"disk/r{ranks}.h5", ranks=ranks)
                self.assertEqual(failed.returncode, 1, failed.stderr)
                self.assertEqual(len(self.errors(failed)), 1, failed.stderr)
                self.assertIn("No space left on device", self.errors(failed)[0])
                self.assertFalse(list(self.disk.glob("*.tmp")))
                left = list(self.disk.glob("*.h5"))
                self.assertTrue([path for path in left if ".ckpt-" in path.name], "no checkpoint is left")
                for path in left:
                    self.assertEqual(self.run_program("info", path).returncode, 0, path)

                subprocess.run(["mount", "-o", "remount,size=16m", self.disk], check=True)
                self.train(*more, "--out", f"disk/r{ranks}.h5", "--resume", ranks=ranks)
                self.assertEqual(results.outcome(self.disk / f"r{ranks}.h5", 4),
                                 results.outcome(self.folder / f"whole-{ranks}.h5", 4))
                for path in self.disk.iterdir():
                    path.unlink()
                subprocess.run(["mount", "-o", "remount,size=256k", self.disk], check=True)


if __name__ == "__main__":
    program.main()
