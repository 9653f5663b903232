"""Faster layers for CPUs, on the oneDNN library in the framework's wheel and on NumPy.

``accelerate(model)`` makes a model several times faster. Names, states, values (within float32
rounding) and gradients of every order stay the same; unsupported calls use the framework's own
kernels. Set ``PADDLE_GANS_FAST_CPU=0`` in the environment to disable it. The functions here do
the same for calls without a layer.
"""

from __future__ import annotations

import paddle
from paddle import nn

from .convolution import FastConv2D, FastConv2DTranspose, conv2d, conv2d_transpose
from .dispatch import bfloat16, disabled, enabled, has_bf16, hide_from_tracer
from .linear import FastLinear, linear
from .memory import keep_freed
from .pad_upsample import FastPad2D, FastUpsample, pad, upsample
from .pooling import FastAvgPool2D, FastMaxPool2D

__all__ = [
    "accelerate",
    "bfloat16",
    "conv2d",
    "conv2d_transpose",
    "disabled",
    "has_bf16",
    "linear",
    "pad",
    "upsample",
]

# The replacement of each layer class: the same attributes and a faster `forward`.
FAST = {
    nn.AvgPool2D: FastAvgPool2D,
    nn.Conv2D: FastConv2D,
    nn.Conv2DTranspose: FastConv2DTranspose,
    nn.Linear: FastLinear,
    nn.MaxPool2D: FastMaxPool2D,
    nn.Pad2D: FastPad2D,
    nn.Upsample: FastUpsample,
}


def accelerate(model: nn.Layer) -> int:
    """Switch the layers of ``model`` to the fast path; returns how many were switched.

    Layers of a subclass keep their own ``forward``. Does nothing and returns 0 if the device is
    not the CPU, the fast path is disabled, or oneDNN cannot be used.
    """
    if paddle.get_device() != "cpu" or not enabled():
        return 0
    keep_freed()
    hide_from_tracer()
    layers = [layer for layer in model.sublayers(include_self=True) if type(layer) in FAST]
    for layer in layers:
        layer.__class__ = FAST[type(layer)]
    return len(layers)
