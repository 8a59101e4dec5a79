"""Networks of a few weights as model files, for tests that need one."""

import json

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save


def write_model(folder, name, layers, *, scale, channels, given, field, stride=1, **card):
    """Write NAME.onnx and NAME.json: NHWC in, convolutions with the given kernels, DepthToSpace, NHWC out.

    `layers` is a list of kernels (out, in, k, k); a rectifier stands between two of them. The first has the
    stride.
    """
    c = 3 if channels == "rgb" else 1
    grow = stride * (scale if given == "lr" else 1)
    nodes = [helper.make_node("Transpose", ["lr"], ["x0"], perm=[0, 3, 1, 2])]
    weights, last = [], "x0"
    for i, kernel in enumerate(layers):
        weights.append(numpy_helper.from_array(np.asarray(kernel, np.float32), f"w{i}"))
        pads = [kernel.shape[-1] // 2] * 4
        strides = [1 if i else stride] * 2
        nodes.append(helper.make_node("Conv", [last, f"w{i}"], [f"c{i}"], pads=pads, strides=strides))
        last = f"c{i}"
        if i + 1 < len(layers):
            nodes.append(helper.make_node("LeakyRelu", [last], [f"r{i}"], alpha=0.3))
            last = f"r{i}"
    nodes.append(helper.make_node("DepthToSpace", [last], ["up"], blocksize=grow, mode="CRD"))
    nodes.append(helper.make_node("Transpose", ["up"], ["sr"], perm=[0, 2, 3, 1]))

    def tensor(name, axes):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [*axes, c])

    graph = helper.make_graph(nodes, "tiny", [tensor("lr", "nhw")], [tensor("sr", "nHW")], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    save(model, str(folder / f"{name}.onnx"))
    card = {"name": name, "task": "upscale", "scale": scale, "channels": channels, "input": given} | card
    (folder / f"{name}.json").write_text(json.dumps(card | {"receptive_field": field}), encoding="utf-8")
    return folder / f"{name}.onnx"


def random_model(folder, *, scale=2, channels="luma", given="lr"):
    """Three random layers, 5-3-3: each output pixel sees 9 x 9 input pixels."""
    rng = np.random.default_rng(5)
    c, out = (3, 3) if channels == "rgb" else (1, 1)
    out *= scale**2 if given == "lr" else 1
    shapes = [(6, c, 5, 5), (6, 6, 3, 3), (out, 6, 3, 3)]
    kernels = [rng.normal(size=s) / np.sqrt(np.prod(s[1:])) for s in shapes]
    return write_model(folder, "random", kernels, scale=scale, channels=channels, given=given, field=9)


def strided_model(folder, *, scale, given):
    """Halves the resolution in between, so its input's sides must be even; a pixel sees at most 6 away."""
    rng = np.random.default_rng(6)
    out = 4 * (scale**2 if given == "lr" else 1)
    kernels = [rng.normal(size=(6, 1, 5, 5)) / 5, rng.normal(size=(out, 6, 3, 3)) / 7]
    options = {"scale": scale, "channels": "luma", "given": given, "field": 13, "stride": 2, "multiple": 2}
    return write_model(folder, "strided", kernels, **options)


def nearest_model(folder, *, scale=2, channels="luma", given="lr"):
    """Copies its input: nearest neighbour from LR, the identity from a bicubic enlargement."""
    c = 3 if channels == "rgb" else 1
    copies = scale**2 if given == "lr" else 1
    kernel = np.kron(np.eye(c), np.ones((copies, 1)))[..., None, None]
    return write_model(folder, "nearest-net", [kernel], scale=scale, channels=channels, given=given, field=1)


def posterior_model(folder, *, scale=4, width=0.1):
    """Samples: nearest neighbour plus `width` times the noise; LR's sides must be multiples of 4."""
    sizes = numpy_helper.from_array(np.array([1, scale, scale, 1], np.float32), "sizes")
    width = numpy_helper.from_array(np.float32(width), "width")
    nodes = [
        helper.make_node("Resize", ["lr", "", "sizes"], ["large"], mode="nearest"),
        helper.make_node("Mul", ["noise", "width"], ["error"]),
        helper.make_node("Add", ["large", "error"], ["sr"]),
    ]
    given = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [*axes, 1])
        for name, axes in {"lr": "nhw", "noise": "nHW"}.items()
    ]
    made = [helper.make_tensor_value_info("sr", TensorProto.FLOAT, [*"nHW", 1])]
    graph = helper.make_graph(nodes, "posterior", given, made, [sizes, width])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    save(model, str(folder / "posterior.onnx"))
    card = {"name": "posterior", "task": "lenses", "scale": scale, "channels": "gray", "input": "lr"}
    card |= {"noise": "normal", "multiple": 4}
    (folder / "posterior.json").write_text(json.dumps(card), encoding="utf-8")
    return folder / "posterior.onnx"
