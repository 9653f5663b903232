"""Linear layers on NumPy's matrix product, on some processors faster than the framework's."""

from __future__ import annotations

import math
from typing import Optional

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn
from paddle.autograd import PyLayer
from paddle.jit import not_to_static

from .memory import array
from .switch import usable

LEAST = 2**24  # multiplications of a product, below which the way to it costs more than it saves


def linear(x: Tensor, weight: Tensor, bias: Optional[Tensor] = None) -> Tensor:
    """`paddle.nn.functional.linear` of [..., K] and [K, M].

    Raises:
        ValueError: what the framework's own function raises.
    """
    operands = [x, weight] if bias is None else [x, weight, bias]
    fits = weight.ndim == 2 and x.ndim >= 2 and x.shape[-1] == weight.shape[0]
    if not fits or not usable(*operands):
        return F.linear(x, weight, bias)
    if math.prod(x.shape) * weight.shape[1] < LEAST:
        return F.linear(x, weight, bias)
    rows = x if x.ndim == 2 else x.reshape([-1, x.shape[-1]])
    result = multiply(rows, weight, (False, False))
    result = result if bias is None else result + bias
    return result if x.ndim == 2 else result.reshape([*x.shape[:-1], weight.shape[1]])


def multiply(a: Tensor, b: Tensor, turned: tuple[bool, bool]) -> Tensor:
    """The product of two matrices, each ``turned`` or as it is, with gradients where wanted."""
    call = Call(a, b, turned)
    wanted = [i for i, operand in enumerate((a, b)) if not operand.stop_gradient]
    if not wanted or not paddle.is_grad_enabled():
        with paddle.no_grad():
            return call.compute()
    result = None
    for i in wanted:
        part = Side.apply((a, b)[i], i, call, result is None)
        result = part if result is None else result + part
    return result


class Call:
    """One product that was taken; `PyLayer.apply` does not look for tensors in here."""

    def __init__(self, a: Tensor, b: Tensor, turned: tuple[bool, bool]):
        self.operands, self.turned = (a, b), turned
        self.versions = (a.inplace_version, b.inplace_version)

    def shape(self) -> list[int]:
        """Of the result."""
        (a, b), (a_turned, b_turned) = self.operands, self.turned
        return [a.shape[1 if a_turned else 0], b.shape[0 if b_turned else 1]]

    def compute(self) -> Tensor:
        """The product as a new tensor that knows no gradient."""
        a, b = (array(x).T if t else array(x) for x, t in zip(self.operands, self.turned))
        result = paddle.empty(self.shape(), "float32")
        np.matmul(a, b, out=array(result))
        return result

    def gradient(self, i: int, result: Tensor) -> Tensor:
        """That of one operand from that of the result.

        Raises:
            RuntimeError: the other one was changed in place since the product was taken.
        """
        (a, b), (a_turned, b_turned) = self.operands, self.turned
        if self.operands[1 - i].inplace_version != self.versions[1 - i]:
            raise RuntimeError(
                f"the {'weight' if i == 0 else 'input'} of a linear layer was changed in place "
                "before its gradient was computed; use an operation that makes a new tensor"
            )
        if i == 0:
            if a_turned:
                return multiply(b, result, (b_turned, True))
            return multiply(result, b, (False, not b_turned))
        if b_turned:
            return multiply(result, a, (True, a_turned))
        return multiply(a, result, (not a_turned, False))


class Side(PyLayer):
    """A product as a function of one of its two matrices; see `product.Factor`."""

    @staticmethod
    def forward(ctx, operand: Tensor, i: int, call: Call, first: bool) -> Tensor:
        ctx.i, ctx.call = i, call
        return call.compute() if first else paddle.zeros(call.shape(), "float32")

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return ctx.call.gradient(ctx.i, gradient)


class FastLinear(nn.Linear):
    """nn.Linear on the fast path: only the class differs."""

    @not_to_static
    def forward(self, x):
        return linear(x, self.weight, self.bias)
