"""A faster CPU: convolutions on the oneDNN in the framework's own wheel, the rest in NumPy.

``accelerate(model)`` makes the layers of a model several times faster. Names, states, numbers
(within float32 rounding) and gradients of every order stay as they are, and a call that does not
fit takes the framework's own kernel by itself. ``PADDLE_GANS_FAST_CPU=0`` in the environment
turns all of it off. The functions here do the same for calls without a layer.
"""

from __future__ import annotations

import paddle
from paddle import nn

from .activation import FastLeakyReLU, FastReLU
from .convolution import FastConv2D, FastConv2DTranspose, conv2d, conv2d_transpose
from .linear import FastLinear, linear
from .memory import keep_freed
from .moving import FastPad2D, FastUpsample, pad, upsample
from .pooling import FastAvgPool2D, FastMaxPool2D
from .switch import hide_from_tracer, plain, switched_on

__all__ = ["accelerate", "conv2d", "conv2d_transpose", "linear", "pad", "plain", "upsample"]

# What becomes of a layer: a class with the same attributes and a faster `forward`.
FAST = {
    nn.AvgPool2D: FastAvgPool2D,
    nn.Conv2D: FastConv2D,
    nn.Conv2DTranspose: FastConv2DTranspose,
    nn.LeakyReLU: FastLeakyReLU,
    nn.Linear: FastLinear,
    nn.MaxPool2D: FastMaxPool2D,
    nn.Pad2D: FastPad2D,
    nn.ReLU: FastReLU,
    nn.Upsample: FastUpsample,
}


def accelerate(model: nn.Layer) -> int:
    """Put the layers of ``model`` on the fast path; returns how many were put there now.

    Layers of a subclass keep their own ``forward``. Nothing changes and 0 is returned where the
    device is not the CPU, the switch is off, or the system's oneDNN cannot be used.
    """
    if paddle.get_device() != "cpu" or not switched_on():
        return 0
    keep_freed()
    hide_from_tracer()
    taken = [layer for layer in model.sublayers(include_self=True) if type(layer) in FAST]
    for layer in taken:
        layer.__class__ = FAST[type(layer)]
    return len(taken)
