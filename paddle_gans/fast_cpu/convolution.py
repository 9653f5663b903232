"""2-D convolutions on oneDNN where they fit, and on the framework's own kernels elsewhere.

A convolution relates three arrays, x [N, C, H, W], w [O, C / groups, h, w] and y [N, O, H', W'];
each is a product of the other two: y of x and w is the convolution, x of y and w the transposed
convolution, w of x and y the gradient of the weight. The gradients of each product are the other
two, with the gradient in place of the result. This gives gradients of every order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn
from paddle.jit import not_to_static

from . import primitives, winograd
from .autograd import Product
from .dispatch import engine, in_bf16, usable
from .geometry import Geometry, Steps, pair, parse
from .memory import array, from_numpy, in_order
from .onednn import BF16, DIRECT, F32, TRAINING, Layout, OneDNN, any_order, c_order, numbers
from .pad_upsample import pad
from .primitives import Primitive

Size = int | Sequence[int]
MIN_BATCH = 8  # images, for a result of a single pixel
BLOCK = 16  # channels that oneDNN stores next to each other
CHANNELS_LAST = (0, 2, 3, 1)  # axes
# The execution arguments of the primitive that computes y, x or w.
ARGUMENTS = {
    "y": {"x": 1, "w": 33, "bias": 41, "y": 17},
    "x": {"y": 145, "w": 33, "x": 129},
    "w": {"x": 1, "y": 145, "w": 161},
}


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Any = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """`paddle.nn.functional.conv2d` of [N, C, H, W] and [O, C / groups, h, w]."""
    steps = parse(stride, padding, dilation, groups)
    operands = {"x": x, "w": weight, **({} if bias is None else {"bias": bias})}
    if steps is not None and usable(*operands.values()) and x.ndim == weight.ndim == 4:
        (n, channels, *sides), (out, part, *kernel) = x.shape, weight.shape
        if channels == part * groups and out % groups == 0:
            narrow = [n, out, *steps.narrowed(sides, kernel)]
            result = fast("y", x.shape, narrow, operands, steps)
            if result is not None:
                return result
    return F.conv2d(
        x, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups
    )


def conv2d_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Size = 1,
    padding: Any = 0,
    output_padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """`paddle.nn.functional.conv2d_transpose` of [N, C, H, W] and [C, O / groups, h, w]."""
    steps, more = parse(stride, padding, dilation, groups), pair(output_padding)
    operands = {"y": x, "w": weight, **({} if bias is None else {"bias": bias})}
    known = steps is not None and more is not None
    if known and usable(*operands.values()) and x.ndim == weight.ndim == 4:
        (n, channels, *sides), (inner, part, *kernel) = x.shape, weight.shape
        if channels == inner and channels % groups == 0:
            sides = [side + m for side, m in zip(steps.widened(sides, kernel), more)]
            result = fast("x", [n, part * groups, *sides], x.shape, operands, steps)
            if result is not None:
                return result
    return F.conv2d_transpose(
        x, weight, bias, stride=stride, padding=padding, output_padding=output_padding,
        dilation=dilation, groups=groups,
    )  # fmt: skip


class FastConv2D(nn.Conv2D):
    """nn.Conv2D on the fast path: only the class differs, so states and copies stay as they are."""

    @not_to_static
    def forward(self, x):
        if self._padding_mode not in ("zeros", "reflect") or self._data_format != "NCHW":
            return nn.Conv2D.forward(self, x)
        padding = self._padding
        if self._padding_mode == "reflect":
            x, padding = pad(x, self._reversed_padding_repeated_twice, "reflect"), 0
        steps = self._stride, padding, self._dilation, self._groups
        return conv2d(x, self.weight, self.bias, *steps)


class FastConv2DTranspose(nn.Conv2DTranspose):
    """nn.Conv2DTranspose on the fast path; an ``output_size`` uses the framework's kernel."""

    @not_to_static
    def forward(self, x, output_size=None):
        if output_size is not None or self._data_format != "NCHW":
            return nn.Conv2DTranspose.forward(self, x, output_size)
        steps = self._stride, self._padding, self.output_padding, self._dilation, self._groups
        return conv2d_transpose(x, self.weight, self.bias, *steps)


def fast(
    target: str, wide: Sequence[int], narrow: Sequence[int], operands: dict, steps: Steps
) -> Tensor | None:
    """Return the product ``target``, or None where the framework's kernel has to compute it.

    ``wide`` and ``narrow`` are the shapes of a convolution's input and result; a transposed
    convolution goes from the narrow one to the wide one.
    """
    shapes = tuple(wide), tuple(operands["w"].shape), tuple(narrow)
    geometry = Geometry(*shapes, *steps, bf16=in_bf16())
    if min(geometry.x + geometry.y) < 1:
        return None
    bias = operands.get("bias")
    if bias is not None and bias.shape != [getattr(geometry, target)[1]]:
        return None
    # Reordering weights that are used only a few times costs more than the product itself.
    if geometry.y[2:] == (1, 1) and geometry.y[0] < MIN_BATCH:
        return None
    gradients = paddle.is_grad_enabled() and any(not t.stop_gradient for t in operands.values())
    if not possible(target, geometry, bias is not None, gradients):
        return None
    return multiply(target, geometry, operands)


def find(target: str, geometry: Geometry, bias: bool = False) -> Primitive | None:
    """Return the primitive that computes ``target``; None if oneDNN has none for the geometry."""
    make = partial(build, target=target, geometry=geometry, bias=bias)
    return primitives.find((target, geometry, bias), make)


def possible(target: str, geometry: Geometry, bias: bool, gradients: bool) -> bool:
    """Whether oneDNN can compute ``target``, and everything that its gradients need."""
    with engine().lock:
        if find(target, geometry, bias and target == "y") is None:
            return False
        return not gradients or all(find(name, geometry) is not None for name in "xwy")


def build(dnn: OneDNN, target: str, geometry: Geometry, bias: bool) -> Primitive:
    """Build the primitive that computes ``target`` from the other two (and a bias)."""
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
        hints = [x, w, b, y]
        if geometry.bf16 and target != "y":  # the forward pass of a gradient is bfloat16 throughout
            hints = [dnn.describe(any_order(geometry.shape(n), BF16)) for n in "xwy"]
            hints.insert(2, None)
        name = "convolution_forward_primitive_desc_create"
        hint = dnn.make(name, dnn.engine, TRAINING, DIRECT, *hints, *space, dnn.attributes)
        if target == "y":
            return hint
        if target == "x":
            name = "convolution_backward_data_primitive_desc_create"
            return dnn.gradient(name, hint, DIRECT, x, w, y, *space)
        name = "convolution_backward_weights_primitive_desc_create"
        return dnn.gradient(name, hint, DIRECT, x, w, None, y, *space)

    shapes = {kind: geometry.shape(name) for name, kind in kinds.items()}
    types = {kinds[n]: BF16 if geometry.bf16 and n not in (target, "bias") else F32 for n in kinds}
    inner = {kind: any_order(shape, types[kind]) for kind, shape in shapes.items()}
    if target != "w" and uneven(geometry):
        for kind in (kinds["x"], kinds["y"]):
            inner[kind] = Layout(shapes[kind], CHANNELS_LAST, types[kind])
    outer = {kind: c_order(shape) for kind, shape in shapes.items()}
    return Primitive(dnn, outer, kinds[target], describe, inner)


def uneven(geometry: Geometry) -> bool:
    """Whether the blocks of channels that oneDNN would choose leave the last one partly empty."""
    counts = [n for n in (geometry.x[1], geometry.y[1]) if n > BLOCK]
    return geometry.groups == 1 and any(n % BLOCK for n in counts)


def compute(target: str, geometry: Geometry, operands: Mapping[str, Tensor]) -> Tensor:
    """Return ``target`` as a new tensor without a gradient; ``bias`` has a number per channel."""
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
        find(target, geometry, "bias" in operands).run(addresses)
    if bias is not None:
        values = array(result)
        np.add(values, array(bias).reshape(1, -1, 1, 1), out=values)
    return result


def multiply(target: str, geometry: Geometry, operands: Mapping[str, Tensor]) -> Tensor:
    """Return ``target``, given the other two arrays (and a bias), with gradients for them."""
    return Convolution(target, geometry, operands).apply()


class Convolution(Product):
    """``target`` as the product of a convolution's other two arrays (plus a bias)."""

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
            self.check_operands(*others)
            return multiply(name, self.geometry, {**others, self.target: result})
        if paddle.is_grad_enabled() and not result.stop_gradient:
            return result.sum([0, 2, 3])
        return from_numpy(array(result).sum((0, 2, 3)))
