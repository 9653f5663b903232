"""Inception v3 in the variant that FID is defined with; weights from a file.

It is the network of TensorFlow's 2015 release. Others of the same name (torchvision's, Paddle's
own) were trained by others, on pictures prepared in another way, and pool differently: their
distances are not FID.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from data_reader.errors import InputError
from paddle_gans.weights.arrays import load_state_strict, require_equal

SIZE = 299  # pixels; pictures are brought to it without regard to proportions
FEATURES = 2048

# A unit: channels in and out, kernel (height, width), stride, padding. A path: names of units in
# their order; a tuple at its end is a fork, whose results stand beside each other.
Unit = tuple[int, int, tuple[int, int], int, tuple[int, int]]
Path = Sequence[Union[str, tuple[str, str]]]


class ConvUnit(nn.Layer):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, unit: Unit):
        super().__init__()
        channels, out, kernel, stride, padding = unit
        self.conv = nn.Conv2D(
            channels, out, kernel, stride=stride, padding=padding, bias_attr=False
        )
        self.bn = nn.BatchNorm2D(out, epsilon=0.001)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class Block(nn.Layer):
    """Paths beside each other, and a pooled one: averaged or the maximum, perhaps convolved.

    ``pool`` is "average" or "max", of 3x3 pixels at stride 1, or "reduce", the maximum at stride
    2. An average counts the pixels that are there alone, not the zeros around the picture.
    """

    def __init__(self, units: Mapping[str, Unit], paths: Sequence[Path], pool: str):
        super().__init__()
        self.paths, self.pool = paths, pool
        for name, unit in units.items():
            self.add_sublayer(name, ConvUnit(unit))

    def forward(self, x):
        parts = []
        for path in self.paths:
            y = x
            for step in path:
                if isinstance(step, str):
                    y = getattr(self, step)(y)
                else:
                    y = paddle.concat([getattr(self, name)(y) for name in step], axis=1)
            parts.append(y)
        return paddle.concat([*parts, self.pooled(x)], axis=1)

    def pooled(self, x):
        """The last path."""
        if self.pool == "reduce":
            return F.max_pool2d(x, 3, stride=2)
        pool = F.avg_pool2d if self.pool == "average" else F.max_pool2d
        return self.branch_pool(pool(x, 3, stride=1, padding=1))


def unit(channels: int, out: int, kernel: Union[int, tuple] = 1, stride: int = 1) -> Unit:
    """A unit that keeps the size where its stride is 1."""
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = (height // 2, width // 2) if stride == 1 else (0, 0)
    return channels, out, (height, width), stride, padding


def block_35(channels: int, pooled: int) -> Block:
    """Of maps of 35 x 35 pixels."""
    units = {
        "branch1x1": unit(channels, 64),
        "branch5x5_1": unit(channels, 48),
        "branch5x5_2": unit(48, 64, 5),
        "branch3x3dbl_1": unit(channels, 64),
        "branch3x3dbl_2": unit(64, 96, 3),
        "branch3x3dbl_3": unit(96, 96, 3),
        "branch_pool": unit(channels, pooled),
    }
    paths = [["branch1x1"], numbered("branch5x5", 2), numbered("branch3x3dbl", 3)]
    return Block(units, paths, "average")


def block_17(channels: int, inner: int) -> Block:
    """Of maps of 17 x 17 pixels, with kernels of 7 x 1."""
    flat, tall = (1, 7), (7, 1)
    units = {
        "branch1x1": unit(channels, 192),
        "branch7x7_1": unit(channels, inner),
        "branch7x7_2": unit(inner, inner, flat),
        "branch7x7_3": unit(inner, 192, tall),
        "branch7x7dbl_1": unit(channels, inner),
        "branch7x7dbl_2": unit(inner, inner, tall),
        "branch7x7dbl_3": unit(inner, inner, flat),
        "branch7x7dbl_4": unit(inner, inner, tall),
        "branch7x7dbl_5": unit(inner, 192, flat),
        "branch_pool": unit(channels, 192),
    }
    paths = [["branch1x1"], numbered("branch7x7", 3), numbered("branch7x7dbl", 5)]
    return Block(units, paths, "average")


def block_8(channels: int, pool: str) -> Block:
    """Of maps of 8 x 8 pixels."""
    units = {
        "branch1x1": unit(channels, 320),
        "branch3x3_1": unit(channels, 384),
        "branch3x3_2a": unit(384, 384, (1, 3)),
        "branch3x3_2b": unit(384, 384, (3, 1)),
        "branch3x3dbl_1": unit(channels, 448),
        "branch3x3dbl_2": unit(448, 384, 3),
        "branch3x3dbl_3a": unit(384, 384, (1, 3)),
        "branch3x3dbl_3b": unit(384, 384, (3, 1)),
        "branch_pool": unit(channels, 192),
    }
    paths = [
        ["branch1x1"],
        ["branch3x3_1", ("branch3x3_2a", "branch3x3_2b")],
        ["branch3x3dbl_1", "branch3x3dbl_2", ("branch3x3dbl_3a", "branch3x3dbl_3b")],
    ]
    return Block(units, paths, pool)


def reduction_17() -> Block:
    """From 35 x 35 to 17 x 17."""
    units = {
        "branch3x3": unit(288, 384, 3, stride=2),
        "branch3x3dbl_1": unit(288, 64),
        "branch3x3dbl_2": unit(64, 96, 3),
        "branch3x3dbl_3": unit(96, 96, 3, stride=2),
    }
    return Block(units, [["branch3x3"], numbered("branch3x3dbl", 3)], "reduce")


def reduction_8() -> Block:
    """From 17 x 17 to 8 x 8."""
    units = {
        "branch3x3_1": unit(768, 192),
        "branch3x3_2": unit(192, 320, 3, stride=2),
        "branch7x7x3_1": unit(768, 192),
        "branch7x7x3_2": unit(192, 192, (1, 7)),
        "branch7x7x3_3": unit(192, 192, (7, 1)),
        "branch7x7x3_4": unit(192, 192, 3, stride=2),
    }
    return Block(units, [numbered("branch3x3", 2), numbered("branch7x7x3", 4)], "reduce")


def numbered(name: str, count: int) -> list[str]:
    """``name_1`` ... ``name_count``."""
    return [f"{name}_{i}" for i in range(1, count + 1)]


class FIDInception(nn.Layer):
    """Features [N, 2048] of pictures [N, 3, 299, 299] in [-1, 1], after the last average.

    Layers have the published file's names. Source: Szegedy et al. 2015, figures 5 to 7 and 10; how
    the 2015 release pools, from its graph.
    """

    def __init__(self):
        super().__init__()
        layers = {
            "Conv2d_1a_3x3": ConvUnit((3, 32, (3, 3), 2, (0, 0))),
            "Conv2d_2a_3x3": ConvUnit((32, 32, (3, 3), 1, (0, 0))),
            "Conv2d_2b_3x3": ConvUnit(unit(32, 64, 3)),
            "pool_1": nn.MaxPool2D(3, 2),
            "Conv2d_3b_1x1": ConvUnit(unit(64, 80)),
            "Conv2d_4a_3x3": ConvUnit((80, 192, (3, 3), 1, (0, 0))),
            "pool_2": nn.MaxPool2D(3, 2),
            "Mixed_5b": block_35(192, 32),
            "Mixed_5c": block_35(256, 64),
            "Mixed_5d": block_35(288, 64),
            "Mixed_6a": reduction_17(),
            "Mixed_6b": block_17(768, 128),
            "Mixed_6c": block_17(768, 160),
            "Mixed_6d": block_17(768, 160),
            "Mixed_6e": block_17(768, 192),
            "Mixed_7a": reduction_8(),
            "Mixed_7b": block_8(1280, "average"),
            "Mixed_7c": block_8(2048, "max"),
        }
        self.steps = list(layers)
        for name, layer in layers.items():
            self.add_sublayer(name, layer)

    def forward(self, x):
        for name in self.steps:
            x = getattr(self, name)(x)
        return x.mean(axis=[2, 3])


def load(network: FIDInception, state: Mapping[str, Any], source: str) -> None:
    """Fill the network with a file's arrays, which have the published names.

    The classifier at the end, and the count of batches that each norm has seen, are left out.

    Raises:
        InputError: they are of another network; the message says of which, if that is known.
    """
    arrays = {name: x for name, x in state.items() if isinstance(x, np.ndarray)}
    other = other_inception(arrays)
    if other:
        raise InputError(
            f"{source} is {other}: another network than FID's, whose distances are no FID; "
            "take pt_inception-2015-12-05-6726825d.pth"
        )
    statistics = {"running_mean": "_mean", "running_var": "_variance"}
    found = {}
    for name, x in arrays.items():
        layer, _, last = name.rpartition(".")
        if layer != "fc" and last != "num_batches_tracked":
            found[f"{layer}.{statistics.get(last, last)}"] = x
    shapes = {name: tuple(x.shape) for name, x in network.state_dict().items()}
    require_equal(shapes, found, f"{source}: not the weights of FID's Inception v3")
    load_state_strict(network, found, source)


def other_inception(arrays: Mapping[str, np.ndarray]) -> Optional[str]:
    """Which other Inception v3 these are the arrays of; None: none that is known."""
    if any(name.startswith("inception_stem.") for name in arrays):
        return "the framework's own Inception v3"
    classes = arrays.get("fc.weight")
    if any(name.startswith("AuxLogits.") for name in arrays) or (
        classes is not None and len(classes) == 1000
    ):
        return "torchvision's Inception v3"
    return None
