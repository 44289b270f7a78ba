"""Runs an ONNX graph node by node in PyTorch, by the definitions of the operators (onnx/docs/Operators.md)."""
import onnx
import torch
from onnx import helper, numpy_helper
from torch.nn import functional


def convolve(a, x, weight, bias=None):
    assert a["pads"][:2] == a["pads"][2:]
    return functional.conv2d(x, weight, bias, stride=a["strides"], padding=a["pads"][:2])


def product(a, x, weight, bias=None):
    assert a == {"transB": 1}
    y = x @ weight.T
    return y if bias is None else y + bias


def reshape(a, x, shape):
    assert a.get("allowzero", 0) == 0
    return x.reshape([x.shape[i] if extent == 0 else extent for i, extent in enumerate(shape.tolist())])


def instance_norm(a, x, scale, shift):
    assert (scale == 1).all() and (shift == 0).all()
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
        values[node.output[0]] = OPERATORS[node.op_type](attributes, *inputs)
    return values[model.graph.output[0].name], {p.key: p.value for p in model.metadata_props}
