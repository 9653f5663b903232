"""Linear layers on oneDNN's matrix product, which is faster on some processors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn
from paddle.jit import not_to_static

from . import primitives
from .autograd import Product
from .dispatch import engine, in_bf16, usable
from .memory import in_order
from .onednn import BF16, SOURCE, TARGET, WEIGHTS, Layout, OneDNN, any_order, c_order
from .primitives import Primitive

MIN_SIZE = 2**24  # multiplications; smaller products gain less than the call costs


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`paddle.nn.functional.linear` of [..., K] and [K, M]."""
    operands = [x, weight] if bias is None else [x, weight, bias]
    fits = weight.ndim == 2 and x.ndim >= 2 and x.shape[-1] == weight.shape[0]
    if not fits or not usable(*operands):
        return F.linear(x, weight, bias)
    if math.prod(x.shape) * weight.shape[1] < MIN_SIZE:
        return F.linear(x, weight, bias)
    rows = x if x.ndim == 2 else x.reshape([-1, x.shape[-1]])
    product = Matrices(rows, weight, bf16=in_bf16())
    with engine().lock:
        if primitives.find(*described(product)) is None:
            return F.linear(x, weight, bias)
    result = product.apply()
    result = result if bias is None else result + bias
    return result if x.ndim == 2 else result.reshape([*x.shape[:-1], weight.shape[1]])


class Matrices(Product):
    """The product of the matrices x and w, each transposed where ``transposed`` says so."""

    kind = "linear layer"

    def __init__(self, x: Tensor, w: Tensor, transposed=(False, False), bf16: bool = False):
        super().__init__({"x": x, "w": w})
        self.transposed, self.bf16 = transposed, bf16

    def compute(self) -> Tensor:
        x, w = map(in_order, self.operands.values())
        result = paddle.empty(self.shape(), "float32")
        addresses = {SOURCE: x.data_ptr(), WEIGHTS: w.data_ptr(), TARGET: result.data_ptr()}
        primitives.run(*described(self), addresses)
        return result

    def shape(self) -> Sequence[int]:
        x, w = self.operands.values()
        x_transposed, w_transposed = self.transposed
        return [x.shape[1 if x_transposed else 0], w.shape[0 if w_transposed else 1]]

    def gradient(self, name: str, result: Tensor) -> Tensor:
        x, w = self.operands.values()
        x_transposed, w_transposed = self.transposed
        self.check_operands("w" if name == "x" else "x")
        if name == "x" and x_transposed:
            factors = w, result, (w_transposed, True)
        elif name == "x":
            factors = result, w, (False, not w_transposed)
        elif w_transposed:
            factors = result, x, (True, x_transposed)
        else:
            factors = x, result, (not x_transposed, False)
        return Matrices(*factors, self.bf16).apply()


def described(product: Matrices):
    """Return the key of the primitive for these matrices, and the function that builds it."""
    layouts = []
    for t, transposed in zip(product.operands.values(), product.transposed):
        layouts.append(
            Layout(tuple(t.shape)[::-1], (1, 0)) if transposed else c_order(tuple(t.shape))
        )
    key = ("matmul", product.transposed, *(layout.shape for layout in layouts), product.bf16)
    return key, partial(build, x=layouts[0], w=layouts[1], bf16=product.bf16)


def build(dnn: OneDNN, x: Layout, w: Layout, bf16: bool) -> Primitive:
    """Build the product [m, n] of x [m, k] and w [k, n]."""
    outer = {SOURCE: x, WEIGHTS: w, TARGET: c_order((x.shape[0], w.shape[1]))}
    inner = {}
    if bf16:
        inner = {kind: any_order(outer[kind].shape, BF16) for kind in (SOURCE, WEIGHTS)}

    def describe(given):
        x, w, y = (given[kind] for kind in (SOURCE, WEIGHTS, TARGET))
        name = "matmul_primitive_desc_create"
        return dnn.make(name, dnn.engine, x, w, None, y, dnn.attributes)

    return Primitive(dnn, outer, TARGET, describe, inner)


class FastLinear(nn.Linear):
    """nn.Linear on the fast path: only the class differs."""

    @not_to_static
    def forward(self, x):
        return linear(x, self.weight, self.bias)
