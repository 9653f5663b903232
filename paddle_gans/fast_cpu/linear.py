"""Linear layers on oneDNN's matrix product, on some processors faster than the framework's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Optional

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn
from paddle.jit import not_to_static

from . import plans
from .memory import in_order
from .onednn import SOURCE, TARGET, WEIGHTS, Layout, OneDNN, plain
from .plans import Plan
from .product import Product
from .switch import engine, usable

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
    product = Matrices(rows, weight)
    with engine().lock:
        if plans.find(*planned(product)) is None:
            return F.linear(x, weight, bias)
    result = product.take()
    result = result if bias is None else result + bias
    return result if x.ndim == 2 else result.reshape([*x.shape[:-1], weight.shape[1]])


class Matrices(Product):
    """The product of the matrices x and w, each ``turned`` or as it is."""

    kind = "linear layer"

    def __init__(self, x: Tensor, w: Tensor, turned: tuple[bool, bool] = (False, False)):
        super().__init__({"x": x, "w": w})
        self.turned = turned

    def compute(self) -> Tensor:
        x, w = map(in_order, self.operands.values())
        result = paddle.empty(self.shape(), "float32")
        addresses = {SOURCE: x.data_ptr(), WEIGHTS: w.data_ptr(), TARGET: result.data_ptr()}
        plans.run(*planned(self), addresses)
        return result

    def shape(self) -> Sequence[int]:
        x, w = self.operands.values()
        x_turned, w_turned = self.turned
        return [x.shape[1 if x_turned else 0], w.shape[0 if w_turned else 1]]

    def gradient(self, name: str, result: Tensor) -> Tensor:
        x, w = self.operands.values()
        x_turned, w_turned = self.turned
        self.unchanged("w" if name == "x" else "x")
        if name == "x" and x_turned:
            return Matrices(w, result, (w_turned, True)).take()
        if name == "x":
            return Matrices(result, w, (False, not w_turned)).take()
        if w_turned:
            return Matrices(result, x, (True, x_turned)).take()
        return Matrices(x, result, (not x_turned, False)).take()


def planned(product: Matrices):
    """What a plan of such matrices is called, and what makes it."""
    layouts = []
    for t, turned in zip(product.operands.values(), product.turned):
        layouts.append(Layout(tuple(t.shape)[::-1], (1, 0)) if turned else plain(tuple(t.shape)))
    key = ("matmul", product.turned, *(layout.shape for layout in layouts))
    return key, partial(make_plan, x=layouts[0], w=layouts[1])


def make_plan(dnn: OneDNN, x: Layout, w: Layout) -> Plan:
    """Prepare the product [m, n] of x [m, k] and w [k, n]."""
    outer = {SOURCE: x, WEIGHTS: w, TARGET: plain((x.shape[0], w.shape[1]))}

    def describe(given):
        x, w, y = given.values()
        name = "matmul_primitive_desc_create"
        return dnn.make(name, dnn.engine, x, w, None, y, dnn.attributes)

    return Plan(dnn, outer, TARGET, describe)


class FastLinear(nn.Linear):
    """nn.Linear on the fast path: only the class differs."""

    @not_to_static
    def forward(self, x):
        return linear(x, self.weight, self.bias)
