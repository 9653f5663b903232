"""The products that a 2-D convolution is made of, with gradients of every order.

A convolution ties three arrays, x [N, C, H, W], w [O, C / groups, h, w] and y [N, O, H', W'], so
that each is a product of the other two: y of x and w is the convolution, x of y and w the
transposed convolution, w of x and y the gradient of the weight. Whichever was taken, its
gradients are the other two, with the gradient in the place of the result. That is all there is to
differentiate, once, twice or more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple, Optional

import numpy as np
import paddle
from paddle import Tensor
from paddle.autograd import PyLayer

from . import plans, winograd
from .memory import array, check_unchanged, from_numpy, in_order
from .onednn import DIRECT, TRAINING, Layout, OneDNN, free, numbers, plain
from .plans import Plan
from .switch import engine

BLOCK = 16  # channels that oneDNN puts side by side
CHANNELS_LAST = (0, 2, 3, 1)  # axes
# The execution arguments of the primitive that computes y, x or w.
ARGUMENTS = {
    "y": {"x": 1, "w": 33, "bias": 41, "y": 17},
    "x": {"y": 145, "w": 33, "x": 129},
    "w": {"x": 1, "y": 145, "w": 161},
}


class Geometry(NamedTuple):
    """The shapes of x, w and y, and which of their elements meet."""

    x: tuple[int, ...]
    w: tuple[int, ...]
    y: tuple[int, ...]
    stride: tuple[int, int]
    before: tuple[int, int]  # padding above and to the left
    after: tuple[int, int]  # padding below and to the right
    dilation: tuple[int, int]
    groups: int

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of x, w, y or the bias, as oneDNN has it."""
        if name == "bias":
            return (self.y[1],)
        if name == "w" and self.groups > 1:
            return (self.groups, self.w[0] // self.groups, *self.w[1:])
        return getattr(self, name)


def plan(target: str, geometry: Geometry, bias: bool = False) -> Optional[Plan]:
    """The plan that computes ``target``; None where oneDNN has none for this geometry."""
    make = partial(make_plan, target=target, geometry=geometry, bias=bias)
    return plans.find((target, geometry, bias), make)


def possible(target: str, geometry: Geometry, bias: bool, gradients: bool) -> bool:
    """Whether oneDNN can compute ``target``, and whatever its gradients need."""
    with engine().lock:
        if plan(target, geometry, bias and target == "y") is None:
            return False
        return not gradients or all(plan(name, geometry) is not None for name in "xwy")


def make_plan(dnn: OneDNN, target: str, geometry: Geometry, bias: bool) -> Plan:
    """Prepare the primitive that computes ``target`` from the other two (and a bias)."""
    kinds = {n: k for n, k in ARGUMENTS[target].items() if n != "bias" or bias}
    space = [
        numbers(geometry.stride),
        numbers([d - 1 for d in geometry.dilation]),
        numbers(geometry.before),
        numbers(geometry.after),
    ]

    def describe(chosen):
        x, w, y = (chosen[kinds[name]] for name in "xwy")
        b = chosen[kinds["bias"]] if bias else None
        name = "convolution_forward_primitive_desc_create"
        hint = dnn.make(name, dnn.engine, TRAINING, DIRECT, x, w, b, y, *space, dnn.attributes)
        if target == "y":
            return hint
        if target == "x":
            name = "convolution_backward_data_primitive_desc_create"
            return dnn.gradient(name, hint, DIRECT, x, w, y, *space)
        name = "convolution_backward_weights_primitive_desc_create"
        return dnn.gradient(name, hint, DIRECT, x, w, None, y, *space)

    shapes = {kind: geometry.shape(name) for name, kind in kinds.items()}
    inner = {kind: free(shape) for kind, shape in shapes.items()}
    if target != "w" and uneven(geometry):
        inner.update({kinds[name]: Layout(geometry.shape(name), CHANNELS_LAST) for name in "xy"})
    outer = {kind: plain(shape) for kind, shape in shapes.items()}
    return Plan(dnn, outer, kinds[target], describe, inner)


def uneven(geometry: Geometry) -> bool:
    """Whether blocks of channels, which oneDNN would choose, leave much of the last one empty."""
    counts = [n for n in (geometry.x[1], geometry.y[1]) if n > BLOCK]
    return geometry.groups == 1 and any(n % BLOCK for n in counts)


def compute(target: str, geometry: Geometry, operands: Mapping[str, Tensor]) -> Tensor:
    """``target`` as a new tensor that knows no gradient; ``bias`` is one number a channel."""
    operands = {name: in_order(t) for name, t in operands.items()}
    if winograd.suits(target, geometry):
        result = winograd.compute(target, geometry, operands)
        if result is not None:
            return result
    kinds = ARGUMENTS[target]
    bias = operands.pop("bias") if "bias" in operands and "bias" not in kinds else None
    result = paddle.empty(getattr(geometry, target), "float32")
    addresses = {kinds[name]: t.data_ptr() for name, t in operands.items()}
    addresses[kinds[target]] = result.data_ptr()
    with engine().lock:
        plan(target, geometry, "bias" in operands).run(addresses)
    if bias is not None:
        values = array(result)
        np.add(values, array(bias).reshape(1, -1, 1, 1), out=values)
    return result


def multiply(target: str, geometry: Geometry, operands: Mapping[str, Tensor]) -> Tensor:
    """``target`` of the other two arrays (and a bias), with gradients to those that want one."""
    return Convolution(target, geometry, operands).take()


class Product:
    """A product to be taken of ``operands``, by name; a subclass says what it is.

    `PyLayer.apply` does not look for tensors in here.
    """

    kind = ""  # whose operands they are, for messages

    def __init__(self, operands: Mapping[str, Tensor]):
        self.operands = operands

    def compute(self) -> Tensor:
        """The product as a new tensor that knows no gradient."""
        raise NotImplementedError

    def shape(self) -> Sequence[int]:
        """Of the product."""
        raise NotImplementedError

    def gradient(self, name: str, result: Tensor) -> Tensor:
        """The gradient of one operand from that of the result.

        Raises:
            RuntimeError: another operand was changed in place since the product was taken.
        """
        raise NotImplementedError

    def take(self) -> Tensor:
        """The product, with gradients to the operands that want one."""
        wanted = [name for name, t in self.operands.items() if not t.stop_gradient]
        if not wanted or not paddle.is_grad_enabled():
            with paddle.no_grad():
                return self.compute()
        # How often each operand had been changed in place.
        self.versions = {name: t.inplace_version for name, t in self.operands.items()}
        # Whoever wants the gradient of a weight wants that of its bias.
        groups = [("w", "bias")] if {"w", "bias"} <= set(wanted) else []
        groups = [(name,) for name in wanted if not groups or name not in groups[0]] + groups
        result = None
        for names in groups:
            part = Factor.apply(*[self.operands[n] for n in names], names, self, result is None)
            result = part if result is None else result + part
        return result

    def unchanged(self, *names: str) -> None:
        """Raise RuntimeError where one of these operands was changed in place since."""
        for name in names:
            what = f"the {name} of a {self.kind}"
            check_unchanged(self.operands[name], self.versions[name], what)


class Convolution(Product):
    """``target`` of the other two arrays of a convolution (and a bias)."""

    kind = "convolution"

    def __init__(self, target: str, geometry: Geometry, operands: Mapping[str, Tensor]):
        super().__init__(operands)
        self.target, self.geometry = target, geometry

    def compute(self) -> Tensor:
        return compute(self.target, self.geometry, self.operands)

    def shape(self) -> Sequence[int]:
        return getattr(self.geometry, self.target)

    def gradient(self, name: str, result: Tensor) -> Tensor:
        if name != "bias":
            others = {n: t for n, t in self.operands.items() if n not in (name, "bias")}
            self.unchanged(*others)
            return multiply(name, self.geometry, {**others, self.target: result})
        if paddle.is_grad_enabled() and not result.stop_gradient:
            return result.sum([0, 2, 3])
        return from_numpy(array(result).sum((0, 2, 3)))


class Factor(PyLayer):
    """A product as a function of one of its operands alone, or of a weight and its bias.

    `paddle.grad` tells the framework's own operations, but no PyLayer, which of their inputs it
    wants. So the operands have PyLayers of their own; the first gives the product, the others give
    zeros, and the framework's addition of them sends the gradient where it is wanted.
    """

    @staticmethod
    def forward(ctx, *arguments) -> Tensor:
        """From the operands, their names, the product, and whether this is its first PyLayer."""
        *_, ctx.names, ctx.product, first = arguments
        product = ctx.product
        return product.compute() if first else paddle.zeros(product.shape(), "float32")

    @staticmethod
    def backward(ctx, gradient: Tensor):
        found = [ctx.product.gradient(name, gradient) for name in ctx.names]
        return tuple(found) if len(found) > 1 else found[0]
