"""The shapes of a 2-D convolution, and its arguments as the framework's functions accept them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple


class Steps(NamedTuple):
    """How a kernel moves over a map; pairs are (vertical, horizontal)."""

    stride: tuple[int, int]
    before: tuple[int, int]  # padding above and to the left
    after: tuple[int, int]  # padding below and to the right
    dilation: tuple[int, int]
    groups: int

    def narrowed(self, sides: Sequence[int], kernel: Sequence[int]) -> list[int]:
        """Return the sides of a convolution's result."""
        return [(n - r) // s + 1 for n, r, s in zip(sides, self.reach(kernel), self.stride)]

    def widened(self, sides: Sequence[int], kernel: Sequence[int]) -> list[int]:
        """Return the sides of a transposed convolution's result, without output padding."""
        return [(n - 1) * s + r for n, r, s in zip(sides, self.reach(kernel), self.stride)]

    def reach(self, kernel: Sequence[int]) -> list[int]:
        """Return the sides that the kernel covers on the map, less the padding."""
        axes = zip(kernel, self.dilation, self.before, self.after)
        return [d * (k - 1) + 1 - b - a for k, d, b, a in axes]


class Geometry(NamedTuple):
    """The shapes of x, w and y, the fields of `Steps`, and whether to multiply in bfloat16."""

    x: tuple[int, ...]
    w: tuple[int, ...]
    y: tuple[int, ...]
    stride: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    bf16: bool = False

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of x, w, y or the bias in oneDNN's form."""
        if name == "bias":
            return (self.y[1],)
        if name == "w" and self.groups > 1:
            return (self.groups, self.w[0] // self.groups, *self.w[1:])
        return getattr(self, name)


def pair(value: Any) -> tuple[int, int] | None:
    """Return one number for both axes, or one for each; None for anything else."""
    if isinstance(value, int):
        return value, value
    if isinstance(value, (list, tuple)) and len(value) == 2:
        return (value[0], value[1]) if all(isinstance(v, int) for v in value) else None
    return None


def parse(stride: Any, padding: Any, dilation: Any, groups: int) -> Steps | None:
    """Read the arguments of a convolution; None for forms that only the framework understands."""
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
