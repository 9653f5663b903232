"""What the drawn colour scenes are painted with: a stage, and lit things on it.

Every surface has a pattern and every thing an outline of its own, from which its hue follows. How
light it is tells little, since each is lit more or less.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from ._drawing import mix, tint

SUN = (-0.48, -0.62, 0.62)  # towards the light: from the upper left, from the front
HALF = (-0.27, -0.34, 0.90)  # half way between the light and the eye


class Stage:
    """A picture under way: linear light float32 [3, side, side]; places are 0..1, y down."""

    def __init__(self, side: int, rng):
        self.side, self.rng = side, rng
        self.light = np.zeros((3, side, side), np.float32)
        self.noise = endless_noise(rng)
        self.place = (np.arange(side, dtype=np.float32) + np.float32(0.5)) / side

    def grain(self, down, right) -> np.ndarray:
        """Noise in about [-0.5, 0.5] at these places, linear between the pixels of its picture."""
        down, right = np.float32(down), np.float32(right)
        row, column = np.floor(down), np.floor(right)
        below, beside = down - row, right - column
        top, left = row.astype(np.int32) & 255, column.astype(np.int32) & 255
        bottom, other = (top + 1) & 255, (left + 1) & 255
        upper = mix(self.noise[top, left], self.noise[top, other], beside)
        lower = mix(self.noise[bottom, left], self.noise[bottom, other], beside)
        return mix(upper, lower, below) - np.float32(0.5)

    def chance(self, *numbers) -> np.ndarray:
        """A number in [0, 1] for each combination of whole numbers; the same for the same ones."""
        row = sum(n * k for n, k in zip(numbers, (37, 11, 101))).astype(np.int32)
        column = sum(n * k for n, k in zip(numbers, (17, 59, 23))).astype(np.int32)
        return np.clip(1.8 * self.noise[row & 255, column & 255] - 0.4, 0, 1)

    def cut(self, x: float, y: float, reach: float):
        """The square around (x, y): its slices of the picture, and its places [1, w] and [h, 1]."""
        low, high = (
            [min(max(round((c + sign * reach) * self.side), 0), self.side) for c in (y, x)]
            for sign in (-1, 1)
        )
        rows, columns = (slice(a, b) for a, b in zip(low, high))
        return (slice(None), rows, columns), self.place[None, columns], self.place[rows, None]

    def lay(self, box, light, cover) -> None:
        """Put light [3, h, w] where the cover [h, w] is 1."""
        self.light[box] = mix(self.light[box], light, cover)

    def lay_below(self, line: np.ndarray, draw: Callable[[int], np.ndarray]) -> None:
        """Put `draw(row)`, light of the rows from `row` on, underneath the line [1, side]."""
        top = max(0, int(line.min() * self.side) - 1)
        light = draw(top)
        box = slice(None), slice(top, top + light.shape[1]), slice(None)
        cover = np.clip((self.place[box[1], None] - line) * self.side + 0.5, 0, 1)
        self.lay(box, light, cover)

    def shade(self, x: float, y: float, wide: float, high: float, depth: float) -> None:
        """A soft round shadow around (x, y)."""
        box, across, down = self.cut(x, y, max(wide, high))
        far = ((across - x) / wide) ** 2 + ((down - y) / high) ** 2
        self.light[box] *= 1 - depth * np.clip(1 - far, 0, 1)

    def ball(
        self,
        at: tuple[float, float],
        size: tuple[float, float],
        light: np.ndarray,
        *,
        turn: float = 0.0,
        warp: Callable | None = None,
        pattern: Callable | None = None,
        gloss: float = 0.25,
    ) -> None:
        """A rounded thing, lit from the upper left.

        ``at`` is its centre, ``size`` its half width and half height, ``turn`` degrees clockwise.
        Places (u, v) on it are -1 to 1: ``warp(u, v)`` moves them to where they are on a ball,
        whose rim is the outline; ``pattern(u, v)`` multiplies the light.
        """
        (x, y), (wide, high), (c, s) = at, size, direction(turn)
        box, across, down = self.cut(x, y, 1.35 * max(wide, high))
        across, down = across - np.float32(x), down - np.float32(y)
        u, v = (across * c + down * s) / wide, (down * c - across * s) / high
        p, q = warp(u, v) if warp else (u, v)
        square = p * p + q * q
        cover = np.clip((1 - np.sqrt(square)) * (min(wide, high) * self.side) + 0.5, 0, 1)
        normal = p * c - q * s, p * s + q * c, np.sqrt(np.maximum(1 - square, 0))
        lit, shine = (np.clip(sum(a * b for a, b in zip(normal, to)), 0, 1) for to in (SUN, HALF))
        for _ in range(4):
            shine = shine * shine
        light = light * (0.28 + 0.95 * lit) * (pattern(u, v) if pattern else 1)
        self.lay(box, light + gloss * shine, cover)

    def bar(self, start, end, width: float, light: np.ndarray) -> None:
        """A straight stem from ``start`` to ``end``."""
        (x, y), (a, b) = start, end
        length = math.hypot(a - x, b - y)
        box, across, down = self.cut((x + a) / 2, (y + b) / 2, length / 2 + width)
        dx, dy = (a - x) / length, (b - y) / length
        along = (across - x) * dx + (down - y) * dy
        side = (down - y) * dx - (across - x) * dy
        off = np.maximum(np.abs(side) - width / 2, np.maximum(-along, along - length))
        tone = np.clip(1.15 - 1.3 * side / width, 0.4, 1.6)
        self.lay(box, light * tone, np.clip(0.5 - off * self.side, 0, 1))


def direction(degrees: float) -> tuple[float, float]:
    """Cosine and sine, rounded so that they are the same on every machine."""
    angle = math.radians(degrees)
    return round(math.cos(angle) * 4096) / 4096, round(math.sin(angle) * 4096) / 4096


def endless_noise(rng) -> np.ndarray:
    """Clouds as of ``fractal_noise``, float32 [256, 256], that go on beyond their edges."""
    total = np.zeros((256, 256), np.uint16)
    for octave in range(4):
        cells, pixels = 16 << octave, 16 >> octave
        grid = np.pad(rng.integers(0, 256, (cells, cells), dtype=np.uint8), 1, mode="wrap")
        size = (256 + 2 * pixels, 256 + 2 * pixels)
        clouds = cv2.resize(grid, size, interpolation=cv2.INTER_LINEAR_EXACT)
        total = 2 * total + clouds[pixels:-pixels, pixels:-pixels]
    return total * np.float32(1 / (255 * 15))


def hue(rng, first, second) -> np.ndarray:
    """Light [3, 1, 1] of a colour between two (0..255), under more or less light.

    Dark colours get more of it, so that lightness alone tells little.
    """
    red, green, blue = light = mix(tint(first), tint(second), np.float32(rng.random()))
    even = np.sqrt(np.sqrt(np.float32(0.25) / (0.25 * red + 0.625 * green + 0.125 * blue)))
    return (light * even * np.float32(rng.uniform(0.6, 1.4)))[..., None]


def plain(rgb) -> np.ndarray:
    """Light [3, 1, 1] of a colour 0..255."""
    return tint(rgb)[..., None]
