"""Average and maximum pooling on oneDNN, which the framework does on one core."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple, Optional

import paddle
from paddle import Tensor, nn
from paddle.autograd import PyLayer
from paddle.jit import not_to_static

from . import plans
from .convolution import pair
from .onednn import (
    SOURCE,
    SOURCE_GRADIENT,
    TARGET,
    TARGET_GRADIENT,
    TRAINING,
    WORKSPACE,
    OneDNN,
    Plan,
    numbers,
    plain,
)  # fmt: skip
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
        name = "pooling_forward_primitive_desc_create"
        settings = (algorithm, wide, narrow, *space)
        hint = dnn.make(name, dnn.engine, TRAINING, *settings, dnn.attributes)
        if forward:
            return hint
        try:
            name = "pooling_backward_primitive_desc_create"
            return dnn.make(name, dnn.engine, *settings, hint, dnn.attributes)
        finally:
            dnn.library.dnnl_primitive_desc_destroy(hint)

    if forward:
        return Plan(dnn, {SOURCE: x, TARGET: y}, TARGET, describe)
    return Plan(dnn, {SOURCE_GRADIENT: x, TARGET_GRADIENT: y}, SOURCE_GRADIENT, describe)


def pool(x: Tensor, windows: Windows) -> tuple[Tensor, Optional[Tensor]]:
    """The result, and what the gradient wants of it: which element of a window was taken."""
    x = x if x.is_contiguous() else x.contiguous()
    result = paddle.empty(windows.pooled(), "float32")
    addresses, kept = {SOURCE: x.data_ptr(), TARGET: result.data_ptr()}, None
    with engine().lock:
        found = plan(windows, True)
        if found.workspace:
            kept = paddle.empty([found.workspace], "uint8")
            addresses[WORKSPACE] = kept.data_ptr()
        found.run(addresses)
    return result, kept


def unpool(gradient: Tensor, windows: Windows, kept: Optional[Tensor]) -> Tensor:
    """The gradient of the input from that of the result."""
    gradient = gradient if gradient.is_contiguous() else gradient.contiguous()
    result = paddle.empty(windows.shape, "float32")
    addresses = {TARGET_GRADIENT: gradient.data_ptr(), SOURCE_GRADIENT: result.data_ptr()}
    if kept is not None:
        addresses[WORKSPACE] = kept.data_ptr()
    with engine().lock:
        plan(windows, False).run(addresses)
    return result


class Average(PyLayer):
    """Average pooling."""

    @staticmethod
    def forward(ctx, x: Tensor, windows: Windows) -> Tensor:
        ctx.windows = windows
        return pool(x, windows)[0]

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return Spread.apply(gradient, ctx.windows)


class Spread(PyLayer):
    """The adjoint of `Average`."""

    @staticmethod
    def forward(ctx, x: Tensor, windows: Windows) -> Tensor:
        ctx.windows = windows
        return unpool(x, windows, None)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return Average.apply(gradient, ctx.windows)


class Largest(PyLayer):
    """Maximum pooling."""

    @staticmethod
    def forward(ctx, x: Tensor, windows: Windows) -> Tensor:
        result, kept = pool(x, windows)
        ctx.taken = Taken(windows, kept)
        return result

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return Return.apply(gradient, ctx.taken)


class Taken(NamedTuple):
    """Which element of every window was taken, as oneDNN keeps it."""

    windows: Windows
    kept: Tensor


class Return(PyLayer):
    """The gradient of `Largest`."""

    @staticmethod
    def forward(ctx, gradient: Tensor, taken: Taken) -> Tensor:
        return unpool(gradient, *taken)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        # As with the framework's own.
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
    return (Largest if kind == "max" else Average).apply(x, windows)


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
