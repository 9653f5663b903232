"""Inception v3 in the variant that FID is defined with; weights from a file.

It is the network of TensorFlow's 2015 release. Others of the same name (torchvision's, Paddle's
own) have other weights, preprocessing and pooling: their distances are not FID.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import nn

from data_reader.errors import InputError
from paddle_gans.weights import name_maps
from paddle_gans.weights.arrays import load_state_strict

SIZE = 299  # pixels; images are resized to it without regard to proportions
FEATURES = 2048


class ConvUnit(nn.Layer):
    """Convolution without bias, batch norm, ReLU; "same" padding unless it has a stride."""

    def __init__(self, channels: int, out: int, kernel=1, stride: int = 1, valid: bool = False):
        super().__init__()
        kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = 0 if valid or stride > 1 else [side // 2 for side in kernel]
        self.conv = nn.Conv2D(
            channels, out, kernel, stride=stride, padding=padding, bias_attr=False
        )
        self.bn = nn.BatchNorm2D(out, epsilon=0.001)

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class Block(nn.Layer):
    """Parallel paths and a pooled one, concatenated.

    ``paths`` name the units of each path and their (channels out, kernel, stride), in order; a
    list of several is a fork, whose results are concatenated. ``pool`` is "average" or "max", 3x3
    at stride 1, followed by a convolution to ``pooled`` channels, or "reduce", the maximum at
    stride 2. Averages do not count padding.
    """

    def __init__(self, channels: int, pool: str, pooled: int = 0, **paths):
        super().__init__()
        self.paths, self.pool = [], pool
        for path, steps in paths.items():
            before, names = channels, []
            for i, step in enumerate(steps, 1):
                forks = step if isinstance(step, list) else [step]
                place = f"{path}_{i}" if len(steps) > 1 else path
                suffixes = ("a", "b") if len(forks) > 1 else ("",)
                names.append([place + suffix for suffix in suffixes])
                for name, sizes in zip(names[-1], forks):
                    self.add_sublayer(name, ConvUnit(before, *sizes))
                before = forks[0][0]
            self.paths.append(names)
        if pool != "reduce":
            self.branch_pool = ConvUnit(channels, pooled)

    def forward(self, x):
        parts = []
        for path in self.paths:
            y = x
            for names in path:
                y = paddle.concat([getattr(self, name)(y) for name in names], axis=1)
            parts.append(y)
        return paddle.concat([*parts, self.pooled(x)], axis=1)

    def pooled(self, x):
        if self.pool == "reduce":
            return F.max_pool2d(x, 3, stride=2)
        pool = F.avg_pool2d if self.pool == "average" else F.max_pool2d
        return self.branch_pool(pool(x, 3, stride=1, padding=1))


def block_35(channels: int, pooled: int) -> Block:
    """For maps of 35 x 35 pixels."""
    return Block(
        channels, "average", pooled,
        branch1x1=[(64, 1)],
        branch5x5=[(48, 1), (64, 5)],
        branch3x3dbl=[(64, 1), (96, 3), (96, 3)],
    )  # fmt: skip


def block_17(channels: int, inner: int) -> Block:
    """For maps of 17 x 17 pixels, with kernels of 7 x 1."""
    flat, tall, d = (1, 7), (7, 1), inner
    return Block(
        channels, "average", 192,
        branch1x1=[(192, 1)],
        branch7x7=[(d, 1), (d, flat), (192, tall)],
        branch7x7dbl=[(d, 1), (d, tall), (d, flat), (d, tall), (192, flat)],
    )  # fmt: skip


def block_8(channels: int, pool: str) -> Block:
    """For maps of 8 x 8 pixels."""
    fork = [(384, (1, 3)), (384, (3, 1))]
    return Block(
        channels, pool, 192,
        branch1x1=[(320, 1)],
        branch3x3=[(384, 1), fork],
        branch3x3dbl=[(448, 1), (384, 3), fork],
    )  # fmt: skip


class FIDInception(nn.Layer):
    """Features [N, 2048] of images [N, 3, 299, 299] in [-1, 1], after the last average.

    Layers have the published file's names. Source: Szegedy et al. 2015, figures 5 to 7 and 10;
    the pooling of the 2015 release from its graph.
    """

    def __init__(self):
        super().__init__()
        dbl = [(64, 1), (96, 3), (96, 3, 2)]
        long = [(192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2)]
        layers = {
            "Conv2d_1a_3x3": ConvUnit(3, 32, 3, stride=2),
            "Conv2d_2a_3x3": ConvUnit(32, 32, 3, valid=True),
            "Conv2d_2b_3x3": ConvUnit(32, 64, 3),
            "pool_1": nn.MaxPool2D(3, 2),
            "Conv2d_3b_1x1": ConvUnit(64, 80),
            "Conv2d_4a_3x3": ConvUnit(80, 192, 3, valid=True),
            "pool_2": nn.MaxPool2D(3, 2),
            "Mixed_5b": block_35(192, 32),
            "Mixed_5c": block_35(256, 64),
            "Mixed_5d": block_35(288, 64),
            "Mixed_6a": Block(288, "reduce", branch3x3=[(384, 3, 2)], branch3x3dbl=dbl),
            "Mixed_6b": block_17(768, 128),
            "Mixed_6c": block_17(768, 160),
            "Mixed_6d": block_17(768, 160),
            "Mixed_6e": block_17(768, 192),
            "Mixed_7a": Block(768, "reduce", branch3x3=[(192, 1), (320, 3, 2)], branch7x7x3=long),
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
    """Load arrays with the published names or Paddle's; the classifier at the end is ignored."""
    arrays = {name: x for name, x in state.items() if isinstance(x, np.ndarray)}
    other = other_inception(arrays)
    if other:
        raise InputError(f"{source} is {other}; FID needs pt_inception-2015-12-05-6726825d.pth")
    published = {"_mean": "running_mean", "_variance": "running_var"}
    arrays = {
        f"{layer}.{published.get(last, last)}": x
        for name, x in arrays.items()
        for layer, _, last in [name.rpartition(".")]
        if layer != "fc"
    }
    load_state_strict(network, name_maps.to_ours(arrays, network, str, source), source)


def other_inception(arrays: Mapping[str, np.ndarray]) -> str | None:
    """Return which other Inception v3 the arrays belong to; None if none is recognised."""
    if any(name.startswith("inception_stem.") for name in arrays):
        return "the framework's own Inception v3"
    classes = arrays.get("fc.weight")
    has_1000_classes = classes is not None and len(classes) == 1000
    if has_1000_classes or any(name.startswith("AuxLogits.") for name in arrays):
        return "torchvision's Inception v3"
    return None
