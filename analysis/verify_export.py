#!/usr/bin/env python3
"""Whether an exported model is as right on the test images as feddip said: runs the ONNX graph in PyTorch, operator by
operator by their definitions (onnx/docs/Operators.md), so that nothing of feddip computes.

    verify_export.py MODEL.onnx IMAGES.h5               # how many test images are right
    verify_export.py MODEL.onnx IMAGES.h5 RESULTS.h5    # and whether that is what the run's results say
    verify_export.py MODEL.onnx IMAGES.h5 --each        # sensitivity and specificity of each class, for each client

IMAGES.h5 is what data/import.py makes. Exit code 1 where the accuracy is another or can't be compared, 2 where a file can't be used.
"""
import argparse
import sys
import tomllib

import h5py
import numpy as np

try:
    import onnx
    import torch
    from google.protobuf.message import DecodeError
    from onnx import helper, numpy_helper
    from torch.nn import functional
except ImportError as missing:
    print(f"verify_export.py: error: {missing} (on Debian: apt install python3-torch python3-onnx)", file=sys.stderr)
    sys.exit(2)

BATCH = 500
TIE = 1e-4  # two logits that are nearer may change places by rounding
Z = 1.96    # of the normal distribution, for 95 %


def require(fits, what):
    if not fits:
        raise ValueError(f"can't compute {what}: feddip exports none such")


def convolve(a, x, weight, bias=None):
    require(a["pads"][:2] == a["pads"][2:], "Conv with pads that differ between sides")
    return functional.conv2d(x, weight, bias, stride=a["strides"], padding=a["pads"][:2])


def product(a, x, weight, bias=None):
    require(a == {"transB": 1}, "Gemm with more or less than transB=1")
    y = x @ weight.T
    return y if bias is None else y + bias


def reshape(a, x, shape):
    require(a.get("allowzero", 0) == 0, "Reshape with allowzero")
    return x.reshape([x.shape[i] if extent == 0 else extent for i, extent in enumerate(shape.tolist())])


def instance_norm(a, x, scale, shift):
    require((scale == 1).all() and (shift == 0).all(), "InstanceNormalization with a scale or shift of its own")
    axes = list(range(2, x.dim()))
    mean = x.mean(axes, keepdim=True)
    return (x - mean) / torch.sqrt(((x - mean) ** 2).mean(axes, keepdim=True) + a["epsilon"])


OPERATORS = {
    "Conv": convolve,
    "Gemm": product,
    "Flatten": lambda a, x: x.flatten(a["axis"]),
    "BatchNormalization": lambda a, x, scale, shift, mean, variance: functional.batch_norm(
        x, mean, variance, scale, shift, eps=a["epsilon"]),
    "InstanceNormalization": instance_norm,
    "Reshape": reshape,
    "Shape": lambda a, x: torch.tensor(x.shape),
    "Mul": lambda a, x, y: x * y,
    "Relu": lambda a, x: x.clamp(min=0),
    "MaxPool": lambda a, x: functional.max_pool2d(x, a["kernel_shape"], a["strides"]),
    "GlobalAveragePool": lambda a, x: x.mean((2, 3), keepdim=True),
    "Identity": lambda a, x: x,
    "Add": lambda a, x, y: x + y,
}


def run(path, images):
    """The logits, and what the file says of itself."""
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    values = {i.name: torch.from_numpy(numpy_helper.to_array(i).copy()) for i in model.graph.initializer}
    values[model.graph.input[0].name] = images
    for node in model.graph.node:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        attributes.pop("kernel_shape", None) if node.op_type == "Conv" else None
        inputs = [values[name] for name in node.input]
        require(node.op_type in OPERATORS, node.op_type)
        values[node.output[0]] = OPERATORS[node.op_type](attributes, *inputs)
    return values[model.graph.output[0].name], {p.key: p.value for p in model.metadata_props}


def normalized(pixels, notes):
    """As in training, which the model's file describes."""
    images = torch.from_numpy(pixels).float() / (255 if pixels.dtype == np.uint8 else 1)
    if "mean" in notes:
        mean, deviation = (torch.tensor([float(x) for x in notes[key].split()]) for key in ("mean", "deviation"))
        images = (images - mean[:, None, None]) / deviation[:, None, None]
    return images


def scores(model, images):
    """Of each test image: the class it is taken for, and whether rounding might have decided that."""
    notes = {p.key: p.value for p in onnx.load(model).metadata_props}
    pixels = images["test/images"]
    taken_for, close = [], []
    with torch.no_grad():
        for first in range(0, len(pixels), BATCH):
            logits, _ = run(model, normalized(pixels[first : first + BATCH], notes))
            best = logits.topk(2).values
            taken_for.append(logits.argmax(1))
            close.append(best[:, 0] - best[:, 1] < TIE)
    return torch.cat(taken_for).numpy(), torch.cat(close).numpy(), notes


def with_interval(found, of):
    """A share in % with its 95 % interval of Wilson (1927)."""
    if of == 0:
        return "–"
    share, weight = found / of, Z**2 / of
    middle = (share + weight / 2) / (1 + weight)
    width = Z * np.sqrt(share * (1 - share) / of + weight / (4 * of)) / (1 + weight)
    return f"{100 * share:.1f} ({100 * max(middle - width, 0):.1f} - {100 * min(middle + width, 1):.1f})"


def of_each_class(taken_for, labels, names, clients):
    """A table, Markdown. Sensitivity: of the class's images those taken for it. Specificity: of the others those that are not."""
    lines = ["| client | class | images | sensitivity (%) | specificity (%) |", "| --- | --- | --- | --- | --- |"]
    for client in ["all", *([] if clients is None else np.unique(clients))]:
        its = slice(None) if client == "all" else clients == client
        for number, name in enumerate(names):
            is_one, called = labels[its] == number, taken_for[its] == number
            if is_one.any() or called.any():
                lines.append(f"| {client} | {name} | {is_one.sum()} | {with_interval((is_one & called).sum(), is_one.sum())} "
                             f"| {with_interval((~is_one & ~called).sum(), (~is_one).sum())} |")
    return "\n".join(lines)


def accuracy(right, images, by_client):
    """As feddip measures it: over all images, or the mean over the clients that have some."""
    if not by_client:
        return right.mean()
    clients = images["test/clients"][:]
    return np.mean([right[clients == client].mean() for client in np.unique(clients)])


def measured(results, rounds):
    """The accuracy that the run has recorded after that many rounds, whether that is the mean over clients, and why it
    isn't that of the model on IMAGES.h5, where it isn't."""
    with h5py.File(results) as file:
        config = tomllib.loads(file.attrs["config_toml"])
        recorded = file["rounds/test_accuracy"]
        expected = recorded[rounds - 1] if rounds <= len(recorded) else np.nan
        partition, drift = config["data"]["partition"], config.get("drift", {}).get("kind", "none")
        # Of a private run nothing is told of single clients.
        by_client = partition != "iid" and not config.get("privacy", {}).get("clip")
        if np.isnan(expected):
            why = "measured nothing"
        elif drift != "none" and file["rounds/drift"][rounds - 1] != 0:
            why = f"measured on test images that had drifted ({drift})"
        elif by_client and partition != "given":
            why = f"measured on {partition} shares that it drew"
        else:
            why = None
        return expected, by_client, why


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "images"):
        parser.add_argument(name)
    parser.add_argument("results", nargs="?")
    parser.add_argument("--each", action="store_true", help="a table of the classes, for each client that the images name")
    args = parser.parse_args()
    try:
        return compare(args)
    except (OSError, KeyError, ValueError, RuntimeError, DecodeError, onnx.checker.ValidationError) as problem:
        print(f"verify_export.py: error: {' '.join(str(problem).split()) or type(problem).__name__}", file=sys.stderr)
        return 2


def compare(args):
    with h5py.File(args.images) as images:
        if missing := [name for name in ("test/images", "test/labels") if name not in images]:
            raise ValueError(f"{args.images} lacks {missing[0]}, which data/import.py writes")
        taken_for, close, notes = scores(args.model, images)
        labels = images["test/labels"][:]
        right = taken_for == labels
        print(f"{args.model}: {right.sum()} of {len(right)} test images are right, {100 * right.mean():.2f} %, in PyTorch")
        if args.each:
            names = notes["classes"].split("\n") if "classes" in notes else range(int(images.attrs["classes"]))
            print(of_each_class(taken_for, labels, names, images["test/clients"][:] if "test/clients" in images else None))
        if not args.results:
            return 0
        rounds = int(notes["rounds"])
        expected, by_client, why = measured(args.results, rounds)
        if why:
            print(f"{args.results}: can't be compared, for feddip {why} after round {rounds}")
            return 1
        found = accuracy(right, images, by_client)
        # By which the accuracy may be off where rounding decides.
        slack = accuracy(close.astype(float), images, by_client) + 1e-6
    same = abs(found - expected) <= slack
    verdict = "the same" if same else f"NOT the same, which is {100 * found:.2f} %"
    print(f"{args.results}: feddip measured {100 * expected:.2f} % after round {rounds}: {verdict}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
