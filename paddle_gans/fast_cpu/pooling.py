"""Average and maximum pooling on oneDNN, which the framework does on one core."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, Optional

import paddle
from paddle import Tensor, nn
from paddle.autograd import PyLayer
from paddle.jit import not_to_static

from . import plans
from .adjoint import Linear
from .convolution import pair
from .memory import in_order
from .onednn import (
    SOURCE,
    SOURCE_GRADIENT,
    TARGET,
    TARGET_GRADIENT,
    TRAINING,
    WORKSPACE,
    OneDNN,
    numbers,
    plain,
)  # fmt: skip
from .plans import Plan
from .switch import engine, usable

ALGORITHMS = {"max": 0x1FF, "average": 0x3FF}


class Windows(NamedTuple):
    """The windows of a pooling on [N, C, H, W]; pairs are (vertical, horizontal)."""

    kind: str
    shape: tuple[int, ...]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]

    def pooled(self) -> tuple[int, ...]:
        """The shape of the result."""
        steps = zip(self.shape[2:], self.kernel, self.stride, self.padding)
        return (*self.shape[:2], *((n + 2 * p - k) // s + 1 for n, k, s, p in steps))


def plan(windows: Windows, forward: bool) -> Optional[Plan]:
    """The plan of a pooling, or of its gradient; the caller holds the engine's lock."""
    return plans.find((windows, forward), partial(make_plan, windows=windows, forward=forward))


def make_plan(dnn: OneDNN, windows: Windows, forward: bool) -> Plan:
    """Prepare a pooling, or its gradient."""
    x, y = plain(windows.shape), plain(windows.pooled())
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
        return Plan(dnn, {SOURCE: x, TARGET: y}, TARGET, describe)
    return Plan(dnn, {SOURCE_GRADIENT: x, TARGET_GRADIENT: y}, SOURCE_GRADIENT, describe)


def pool(x: Tensor, windows: Windows) -> tuple[Tensor, Optional[Tensor]]:
    """The result, and what the gradient wants of it: which element of a window was taken."""
    x = in_order(x)
    result = paddle.empty(windows.pooled(), "float32")
    addresses, kept = {SOURCE: x.data_ptr(), TARGET: result.data_ptr()}, None
    with engine().lock:
        found = plan(windows, True)
        if found.workspace:
            kept = paddle.empty([found.workspace], "uint8")
            addresses[WORKSPACE] = kept.data_ptr()
        found.run(addresses)
    return result, kept


def unpool(gradient: Tensor, windows: Windows, kept: Optional[Tensor] = None) -> Tensor:
    """The gradient of the input from that of the result."""
    gradient = in_order(gradient)
    result = paddle.empty(windows.shape, "float32")
    addresses = {TARGET_GRADIENT: gradient.data_ptr(), SOURCE_GRADIENT: result.data_ptr()}
    if kept is not None:
        addresses[WORKSPACE] = kept.data_ptr()
    with engine().lock:
        plan(windows, False).run(addresses)
    return result


def average(x: Tensor, windows: Windows) -> Tensor:
    """The result alone, all that a linear pooling needs."""
    return pool(x, windows)[0]


class Largest(PyLayer):
    """Maximum pooling."""

    @staticmethod
    def forward(ctx, x: Tensor, windows: Windows) -> Tensor:
        result, kept = pool(x, windows)
        ctx.back = partial(unpool, windows=windows, kept=kept)
        return result

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return Linear.apply(gradient, ctx.back, refuse)


def refuse(gradient: Tensor) -> Tensor:
    """Raise RuntimeError: neither has the framework's own."""
    raise RuntimeError("the gradient of maximum pooling has no gradient; average pooling has")


def fast(kind: str, x: Tensor, kernel: Any, stride: Any, padding: Any) -> Optional[Tensor]:
    """The pooled [N, C, H, W], or None where the framework is to pool it."""
    steps = pair(kernel), pair(kernel if stride is None else stride), pair(padding)
    if None in steps or not usable(x) or x.ndim != 4:
        return None
    windows = Windows(kind, tuple(x.shape), *steps)
    fits = all(2 * p <= k for k, p in zip(windows.kernel, windows.padding))
    if min(*windows.stride, *windows.pooled()) < 1 or min(windows.padding) < 0 or not fits:
        return None
    with engine().lock:
        if plan(windows, True) is None or plan(windows, False) is None:
            return None
    if kind == "max":
        return Largest.apply(x, windows)
    return Linear.apply(x, partial(average, windows=windows), partial(unpool, windows=windows))


class FastAvgPool2D(nn.AvgPool2D):
    """nn.AvgPool2D on the fast path, without a divisor of its own and borders that count."""

    @not_to_static
    def forward(self, x):
        usual = not self.ceil_mode and not self.divisor and self.data_format == "NCHW"
        if usual and (self.exclusive or pair(self.padding) == (0, 0)):
            result = fast("average", x, self.ksize, self.stride, self.padding)
            if result is not None:
                return result
        return nn.AvgPool2D.forward(self, x)


class FastMaxPool2D(nn.MaxPool2D):
    """nn.MaxPool2D on the fast path, where nobody asks which elements were taken."""

    @not_to_static
    def forward(self, x):
        if not self.ceil_mode and not self.return_mask and self.data_format == "NCHW":
            result = fast("max", x, self.ksize, self.stride, self.padding)
            if result is not None:
                return result
        return nn.MaxPool2D.forward(self, x)
