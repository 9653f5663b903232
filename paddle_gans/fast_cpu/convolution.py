"""Convolutions that are fast where they can be, and the framework's own everywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Optional, Union

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn
from paddle.jit import not_to_static

from .moving import pad
from .product import Geometry, multiply, possible
from .switch import usable

Size = Union[int, Sequence[int]]
FEW = 8  # images


class Steps(NamedTuple):
    """How a kernel walks over a map; pairs are (vertical, horizontal)."""

    stride: tuple[int, int]
    before: tuple[int, int]  # padding above and to the left
    after: tuple[int, int]  # padding below and to the right
    dilation: tuple[int, int]
    groups: int

    def narrowed(self, sides: Sequence[int], kernel: Sequence[int]) -> list[int]:
        """The sides of a convolution's result."""
        return [(n - r) // s + 1 for n, r, s in zip(sides, self.reach(kernel), self.stride)]

    def widened(self, sides: Sequence[int], kernel: Sequence[int]) -> list[int]:
        """The sides of a transposed convolution's result, without output padding."""
        return [(n - 1) * s + r for n, r, s in zip(sides, self.reach(kernel), self.stride)]

    def reach(self, kernel: Sequence[int]) -> list[int]:
        """The sides of the kernel on the map, less the padding."""
        axes = zip(kernel, self.dilation, self.before, self.after)
        return [d * (k - 1) + 1 - b - a for k, d, b, a in axes]


def pair(value: Any) -> Optional[tuple[int, int]]:
    """One number for both axes, or one for each; None for anything else."""
    if isinstance(value, int):
        return value, value
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return (value[0], value[1]) if all(isinstance(v, int) for v in value) else None
    return None


def read(stride: Any, padding: Any, dilation: Any, groups: int) -> Optional[Steps]:
    """The arguments of a convolution; None for what only the framework understands."""
    if isinstance(padding, (list, tuple)) and len(padding) == 4:
        rows, columns = pair(padding[:2]), pair(padding[2:])
        borders = [] if None in (rows, columns) else list(zip(rows, columns))
    else:
        borders = [pair(padding)] * 2
    pairs = [pair(stride), *borders, pair(dilation)]
    if len(pairs) < 4 or None in pairs:
        return None
    steps = Steps(*pairs, groups)
    fits = min(*steps.stride, *steps.dilation, groups) >= 1 and min(*pairs[1], *pairs[2]) >= 0
    return steps if fits else None


def fast(
    target: str, wide: Sequence[int], narrow: Sequence[int], operands: dict, steps: Steps
) -> Optional[Tensor]:
    """The product ``target``, or None where the framework is to take it.

    ``wide`` and ``narrow`` are the shapes of the maps before and after the convolution; a
    transposed convolution goes from the narrow one to the wide one.
    """
    geometry = Geometry(tuple(wide), tuple(operands["w"].shape), tuple(narrow), *steps)
    if min(geometry.x + geometry.y) < 1:
        return None
    bias = operands.get("bias")
    if bias is not None and bias.shape != [getattr(geometry, target)[1]]:
        return None
    # Where a weight is used only a few times, bringing all of them into oneDNN's order costs more
    # than the product itself.
    if geometry.y[2:] == (1, 1) and geometry.y[0] < FEW:
        return None
    gradients = paddle.is_grad_enabled() and any(not t.stop_gradient for t in operands.values())
    if not possible(target, geometry, bias is not None, gradients):
        return None
    return multiply(target, geometry, operands)


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Optional[Tensor] = None,
    stride: Size = 1,
    padding: Any = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """`paddle.nn.functional.conv2d` of [N, C, H, W] and [O, C / groups, h, w].

    Raises:
        ValueError: what the framework's own function raises.
    """
    steps = read(stride, padding, dilation, groups)
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
    bias: Optional[Tensor] = None,
    stride: Size = 1,
    padding: Any = 0,
    output_padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Tensor:
    """`paddle.nn.functional.conv2d_transpose` of [N, C, H, W] and [C, O / groups, h, w].

    Raises:
        ValueError: what the framework's own function raises.
    """
    steps, more = read(stride, padding, dilation, groups), pair(output_padding)
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
    """nn.Conv2DTranspose on the fast path; an ``output_size`` takes the framework's own."""

    @not_to_static
    def forward(self, x, output_size=None):
        if output_size is not None or self._data_format != "NCHW":
            return nn.Conv2DTranspose.forward(self, x, output_size)
        steps = self._stride, self._padding, self.output_padding, self._dilation, self._groups
        return conv2d_transpose(x, self.weight, self.bias, *steps)
