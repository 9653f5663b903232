"""ReLU and leaky ReLU, whose gradient is oneDNN's: several times faster than the framework's.

At exactly 0, where a leaky ReLU has no derivative, it takes the slope, as PyTorch does; the
framework takes 1.
"""

from __future__ import annotations

import math
from functools import partial

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn
from paddle.autograd import PyLayer
from paddle.jit import not_to_static

from . import plans
from .adjoint import Linear
from .memory import check_unchanged, in_order
from .onednn import SOURCE, SOURCE_GRADIENT, TARGET_GRADIENT, TRAINING, OneDNN, plain
from .plans import Plan
from .switch import usable

RELU = 0x20  # algorithm
LEAST = 2**15  # elements, below which the way to it costs more than it saves


class Signs:
    """Which elements of a leaky ReLU's result are positive, and the slope of all others."""

    def __init__(self, result: Tensor, slope: float):
        # Without the graph that leads to it: this is kept within that graph.
        self.values, self.slope = in_order(result).detach(), slope
        self.version = self.values.inplace_version

    def weigh(self, gradient: Tensor) -> Tensor:
        """The gradient of the input from that of the result.

        Raises:
            RuntimeError: the result was changed in place since.
        """
        check_unchanged(self.values, self.version, "the result of an activation")
        gradient = in_order(gradient)
        result = paddle.empty(gradient.shape, "float32")
        size = math.prod(gradient.shape)
        make = partial(make_plan, size=size, slope=self.slope)
        addresses = {
            SOURCE: self.values.data_ptr(),
            TARGET_GRADIENT: gradient.data_ptr(),
            SOURCE_GRADIENT: result.data_ptr(),
        }
        plans.run(("relu", size, self.slope), make, addresses)
        return result


def make_plan(dnn: OneDNN, size: int, slope: float) -> Plan:
    """Prepare the gradient of ``size`` elements."""
    outer = {kind: plain((size,)) for kind in (SOURCE, TARGET_GRADIENT, SOURCE_GRADIENT)}

    def describe(given):
        settings = (slope, 0.0)
        x, result, wanted = (given[k] for k in (SOURCE, TARGET_GRADIENT, SOURCE_GRADIENT))
        name = "eltwise_forward_primitive_desc_create"
        hint = dnn.make(name, dnn.engine, TRAINING, RELU, x, x, *settings, dnn.attributes)
        name = "eltwise_backward_primitive_desc_create"
        return dnn.gradient(name, hint, RELU, wanted, result, x, *settings)

    return Plan(dnn, outer, SOURCE_GRADIENT, describe)


class Rectify(PyLayer):
    """Leaky ReLU; with slope 0, ReLU."""

    @staticmethod
    def forward(ctx, x: Tensor, slope: float) -> Tensor:
        result = F.leaky_relu(x, slope) if slope else F.relu(x)
        ctx.signs = Signs(result, slope)
        return result

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return Linear.apply(gradient, ctx.signs.weigh, ctx.signs.weigh)  # its own adjoint


def leaky_relu(x: Tensor, slope: float = 0.01) -> Tensor:
    """`paddle.nn.functional.leaky_relu`, or `relu` for slope 0, of a tensor of any shape."""
    wanted = slope >= 0 and usable(x) and paddle.is_grad_enabled() and not x.stop_gradient
    if wanted and math.prod(x.shape) >= LEAST:
        return Rectify.apply(x, slope)
    return F.leaky_relu(x, slope) if slope else F.relu(x)


class FastReLU(nn.ReLU):
    """nn.ReLU on the fast path: only the class differs."""

    @not_to_static
    def forward(self, x):
        return leaky_relu(x, 0.0)


class FastLeakyReLU(nn.LeakyReLU):
    """nn.LeakyReLU on the fast path."""

    @not_to_static
    def forward(self, x):
        return leaky_relu(x, self._negative_slope)
