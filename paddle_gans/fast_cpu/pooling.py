"""Average and maximum pooling on oneDNN; the framework's own uses one core."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import paddle
from paddle import Tensor, nn
from paddle.autograd import PyLayer
from paddle.jit import not_to_static

from . import primitives
from .autograd import linear_op
from .dispatch import engine, usable
from .geometry import pair
from .memory import in_order
from .onednn import (
    SOURCE,
    SOURCE_GRADIENT,
    TARGET,
    TARGET_GRADIENT,
    TRAINING,
    WORKSPACE,
    OneDNN,
    c_order,
    numbers,
)  # fmt: skip
from .primitives import Primitive

ALGORITHMS = {"max": 0x1FF, "average": 0x3FF}


class Windows(NamedTuple):
    """The windows of a pooling on [N, C, H, W]; pairs are (vertical, horizontal)."""

    kind: str
    shape: tuple[int, ...]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]

    def pooled(self) -> tuple[int, ...]:
        """Return the shape of the result."""
        steps = zip(self.shape[2:], self.kernel, self.stride, self.padding)
        return (*self.shape[:2], *((n + 2 * p - k) // s + 1 for n, k, s, p in steps))


def find(windows: Windows, forward: bool) -> Primitive | None:
    """Return the primitive of a pooling or its gradient; the caller holds the engine's lock."""
    return primitives.find((windows, forward), partial(build, windows=windows, forward=forward))


def build(dnn: OneDNN, windows: Windows, forward: bool) -> Primitive:
    """Build a pooling, or its gradient."""
    x, y = c_order(windows.shape), c_order(windows.pooled())
    steps = [windows.stride, windows.kernel, (0, 0), windows.padding, windows.padding]
    space, algorithm = [numbers(pair) for pair in steps], ALGORITHMS[windows.kind]

    def describe(given):
        wide, narrow = given.values()
        name, settings = "pooling_forward_primitive_desc_create", (algorithm, wide, narrow, *space)
        hint = dnn.make(name, dnn.engine, TRAINING, *settings, dnn.attributes)
        if forward:
            return hint
        return dnn.gradient("pooling_backward_primitive_desc_create", hint, *settings)

    if forward:
        return Primitive(dnn, {SOURCE: x, TARGET: y}, TARGET, describe)
    return Primitive(dnn, {SOURCE_GRADIENT: x, TARGET_GRADIENT: y}, SOURCE_GRADIENT, describe)


def pool(x: Tensor, windows: Windows) -> tuple[Tensor, Tensor | None]:
    """Return the result and oneDNN's workspace: which element of a window was the largest."""
    x = in_order(x)
    result = paddle.empty(windows.pooled(), "float32")
    addresses, kept = {SOURCE: x.data_ptr(), TARGET: result.data_ptr()}, None
    with engine().lock:
        found = find(windows, True)
        if found.workspace:
            kept = paddle.empty([found.workspace], "uint8")
            addresses[WORKSPACE] = kept.data_ptr()
        found.run(addresses)
    return result, kept


def unpool(gradient: Tensor, windows: Windows, kept: Tensor | None = None) -> Tensor:
    """Return the gradient of the input, given that of the result."""
    gradient = in_order(gradient)
    result = paddle.empty(windows.shape, "float32")
    addresses = {TARGET_GRADIENT: gradient.data_ptr(), SOURCE_GRADIENT: result.data_ptr()}
    if kept is not None:
        addresses[WORKSPACE] = kept.data_ptr()
    with engine().lock:
        find(windows, False).run(addresses)
    return result


def average(x: Tensor, windows: Windows) -> Tensor:
    """Return the result alone; the gradient of average pooling needs nothing else."""
    return pool(x, windows)[0]


class MaxPool(PyLayer):
    """Maximum pooling."""

    @staticmethod
    def forward(ctx, x: Tensor, windows: Windows) -> Tensor:
        result, kept = pool(x, windows)
        ctx.back = partial(unpool, windows=windows, kept=kept)
        return result

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return linear_op(gradient, ctx.back, refuse)


def refuse(gradient: Tensor) -> Tensor:
    """Raise RuntimeError: the framework's own has no second gradient either."""
    raise RuntimeError("the gradient of maximum pooling has no gradient; average pooling has")


def fast(kind: str, x: Tensor, kernel: Any, stride: Any, padding: Any) -> Tensor | None:
    """Return the pooled [N, C, H, W], or None where the framework's kernel has to pool it."""
    steps = pair(kernel), pair(kernel if stride is None else stride), pair(padding)
    if None in steps or not usable(x) or x.ndim != 4:
        return None
    windows = Windows(kind, tuple(x.shape), *steps)
    fits = all(2 * p <= k for k, p in zip(windows.kernel, windows.padding))
    if min(*windows.stride, *windows.pooled()) < 1 or min(windows.padding) < 0 or not fits:
        return None
    with engine().lock:
        if find(windows, True) is None or find(windows, False) is None:
            return None
    if kind == "max":
        return MaxPool.apply(x, windows)
    return linear_op(x, partial(average, windows=windows), partial(unpool, windows=windows))


class FastAvgPool2D(nn.AvgPool2D):
    """nn.AvgPool2D on the fast path, unless it has a divisor or counts padded pixels."""

    @not_to_static
    def forward(self, x):
        usual = not self.ceil_mode and not self.divisor and self.data_format == "NCHW"
        if usual and (self.exclusive or pair(self.padding) == (0, 0)):
            result = fast("average", x, self.ksize, self.stride, self.padding)
            if result is not None:
                return result
        return nn.AvgPool2D.forward(self, x)


class FastMaxPool2D(nn.MaxPool2D):
    """nn.MaxPool2D on the fast path, unless it returns its indices."""

    @not_to_static
    def forward(self, x):
        if not self.ceil_mode and not self.return_mask and self.data_format == "NCHW":
            result = fast("max", x, self.ksize, self.stride, self.padding)
            if result is not None:
                return result
        return nn.MaxPool2D.forward(self, x)
