"""What the embedded data sets draw with: noise, camera, light, canvas, and trees.

Noise is resized as 8-bit pictures by a bit-exact method, and pixels pass only through operations
that IEEE 754 rounds exactly (no powers, no sines), so that a scene is the same on every machine.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np

SHIFT = 4  # fractional bits of the coordinates that OpenCV's drawing functions take
ONE = 1 << SHIFT
SKYLIGHT = (0.37, 0.42, 0.50)
SUNLIGHT = (1.25, 1.13, 0.95)
SHADE = 80  # in the map of sunlight: 255 is in the sun, 80 in shade, 0 underneath a thing

LEAVES = ((44, 68, 34), (86, 116, 52), (140, 164, 80))  # in the depth, of the crown, in the sun


def linear(rgb) -> list[float]:
    """Light of a colour: three floats in [0, 1] from 0..255; gamma is 2, which is exact to undo."""
    return [(c / 255) ** 2 for c in rgb]


def tint(rgb) -> np.ndarray:
    """Light of a colour as float32 [3, 1]; pictures under way are planar, [3, pixels]."""
    return np.float32(linear(rgb))[:, None]


def mix(first, second, amount):
    """From `first`, where the amount is 0, to `second`, where it is 1."""
    return first + (second - first) * amount


def smoothstep(low: float, high: float, value: np.ndarray) -> np.ndarray:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def fract(value: np.ndarray) -> np.ndarray:
    """What is above the integer below."""
    return value - np.floor(value)


def fractal_noise(rng, shape: tuple[int, int], cells: tuple[int, int], octaves: int) -> np.ndarray:
    """Clouds: float32 [height, width] in [0, 1]; the coarsest has `cells` (down, across)."""
    total = np.zeros(shape, np.uint16)
    for octave in range(octaves):
        grid = rng.integers(0, 256, [n << octave for n in cells], dtype=np.uint8)
        total *= 2  # each octave weighs half of the one before
        total += cv2.resize(grid, shape[::-1], interpolation=cv2.INTER_LINEAR_EXACT)
    return total * np.float32(1 / (255 * (2**octaves - 1)))


def lookup(noise: np.ndarray, down: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The noise picture [256, 256], repeated in all directions, at these places."""
    return noise[down.astype(np.int32) & 255, right.astype(np.int32) & 255]


def develop(light: np.ndarray, size: int, rng, grain: float = 1.5) -> np.ndarray:
    """What a small camera makes of the light: uint8 RGB [size, size, 3] from linear [3, n, n].

    Vignette, gamma, a soft shoulder, a slight blur, and grain (standard deviation in grey levels).
    """
    side = light.shape[1]
    offset = (np.arange(side, dtype=np.float32) + np.float32(0.5)) / side - np.float32(0.5)
    value = light * (1.06 - 0.5 * (offset[:, None] ** 2 + offset**2))
    np.sqrt(value, out=value)
    value *= 1.18 * 255 - 0.18 * 255 * value
    np.minimum(value + 0.5, 255, out=value)
    picture = cv2.GaussianBlur(cv2.merge(list(value.astype(np.uint8))), (3, 3), 0)
    picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    noise = rng.random((2, size, size, 1), dtype=np.float32).sum(0) - 1  # standard deviation 0.41
    return np.clip(picture + noise * np.float32(grain / 0.41) + 0.5, 0, 255).astype(np.uint8)


class View(NamedTuple):
    """A pinhole camera that looks along z over the ground y = 0; pixels, and metres for x and y."""

    side: int  # of the square picture
    focal: float
    column: float  # of the vanishing point
    row: float  # of the horizon
    x: float
    height: float

    def pixel(self, point) -> tuple[int, int]:
        """Where the point (x, y, z) in metres is seen: (column, row) in fixed point."""
        x, y, z = point
        scale = self.focal / (z if z > 0.5 else 0.5)
        column = self.column - 0.5 + scale * (x - self.x)
        row = self.row - 0.5 - scale * (y - self.height)
        return round(column * ONE), round(row * ONE)

    def sees(self, x: float, z: float, margin: float) -> bool:
        """Whether something within `margin` metres of (x, z) can be in the picture."""
        column = self.column + self.focal * (x - self.x) / z
        reach = self.focal * margin / z
        return -reach < column < self.side + reach

    def ground(self) -> tuple[np.ndarray, np.ndarray, int]:
        """x [rows, side], z [rows, 1] in metres of the pixels under the horizon; the first row."""
        first = int(self.row) + 1
        rows = np.arange(first, self.side, dtype=np.float32)[:, None] + np.float32(0.5 - self.row)
        z = np.float32(self.focal * self.height) / rows
        columns = np.arange(self.side, dtype=np.float32) + np.float32(0.5 - self.column)
        return np.float32(self.x) + columns * z / np.float32(self.focal), z, first


def sky(view: View, rows: int, rng) -> np.ndarray:
    """Light [3, rows, side] of the picture's upper rows, were they sky."""
    places = np.arange(rows, dtype=np.float32) + np.float32(0.5)
    height = np.clip((view.row - places) / np.float32(view.focal), 0, 1)  # tangent of elevation
    blue = mix(tint((214, 226, 238)), tint((84, 136, 208)), np.sqrt(np.minimum(height * 1.7, 1)))
    noise = fractal_noise(rng, (256, view.side), (6, 3), 5)
    # Clouds lie flat overhead: rows near the horizon stand for far more sky.
    cloud = noise[np.minimum(255 * (1 - 0.12 / (height + 0.12)), 255).astype(np.int32)]
    cover = rng.uniform(0.5, 0.6)
    white = mix(np.float32(1.02), tint((176, 184, 198))[..., None], smoothstep(0.66, 0.85, cloud))
    return mix(blue[..., None], white, 0.95 * smoothstep(cover - 0.06, cover + 0.14, cloud))


class Sun:
    """The sun, behind the camera and to the left, over a row of houses on the left.

    Args:
        direction: unit vector towards the sun.
        front: x of the row of houses is minus this, metres.
        houses: (near, far, height) of each in metres.
    """

    def __init__(self, direction, front: float, houses):
        self.direction, self.front = direction, front
        self.tops = np.zeros(600, np.float32)  # at every half metre from z = -60
        for near, far, height in houses:
            self.tops[max(0, int(2 * near) + 120) : max(0, int(2 * far) + 120)] = height
        x, y, z = direction
        faces = {"up": (1.0, y), "left": (0.75, -x), "right": (0.75, 0.0), "back": (0.8, -z)}
        self.light = {
            (face, sunny): [s * sky + sunny * sun * slope for s, sun in zip(SKYLIGHT, SUNLIGHT)]
            for face, (sky, slope) in faces.items()
            for sunny in (False, True)
        }

    def reaches(self, x, y, z) -> np.ndarray:
        """How much of the sun arrives at these points past the houses, 0..1, soft at the edge."""
        across, up, along = (np.float32(part) for part in self.direction)
        steps = np.maximum(x + np.float32(self.front), 0) / -across
        at = np.clip((z + steps * along) * 2 + 120, 0, 599).astype(np.int32)
        clear = y + steps * up - self.tops[at]
        return np.where(steps > 0, np.clip(clear / (0.15 + 0.03 * steps) + 0.5, 0, 1), 1)

    def shines(self, x: float, y: float, z: float) -> bool:
        """Whether one point is in the sun."""
        across, up, along = self.direction
        steps = max(x + self.front, 0) / -across
        at = min(max(int((z + steps * along) * 2 + 120), 0), 599)
        return steps == 0 or y + steps * up > self.tops[at]

    def cast(self, points) -> list[tuple[float, float, float]]:
        """Where the shadows of these points fall on the ground."""
        x, y, z = self.direction
        return [(a - b * x / y, 0.0, c - b * z / y) for a, b, c in points]


class Canvas:
    """An image of surface numbers: which surface is seen at a pixel; its look is in tables.

    Photo and labels follow from the same image, so they cannot be out of register.
    """

    def __init__(self, view: View):
        self.view = view
        self.surfaces = np.zeros((view.side, view.side), np.uint16)
        self.sunlight = np.full((view.side, view.side), 255, np.uint8)  # of the ground
        self.labels, self.colours, self.depths = [], [], []
        self.leaves: set[int] = set()  # surfaces that are foliage

    def surface(self, label: str, colour=(0, 0, 0), depth: float = 0) -> int:
        """Number of a new surface of this label, light (linear RGB) and depth in metres."""
        self.labels.append(label)
        self.colours.append(colour)
        self.depths.append(depth)
        return len(self.labels) - 1

    def polygon(self, surface: int, corners) -> None:
        """Draw a convex polygon with corners (x, y, z) in metres."""
        # Not `fillPoly`, whose edges are not the same in OpenCV 4.8 and 4.11.
        pixels = np.array([self.view.pixel(corner) for corner in corners], np.int32)
        cv2.fillConvexPoly(self.surfaces, pixels, surface, cv2.LINE_8, SHIFT)

    def disc(self, surface: int, centre, radius: float) -> None:
        """Draw a ball: a disc of this radius in metres around the point (x, y, z)."""
        pixels = round(self.view.focal * radius / centre[2] * ONE)
        cv2.circle(self.surfaces, self.view.pixel(centre), pixels, surface, -1, cv2.LINE_8, SHIFT)

    def ruffle(self, rng) -> None:
        """Give foliage its ragged edge: shift by noise what is seen there, against its ground."""
        side = self.view.side
        shift = (fractal_noise(rng, (side, side), (64, 64), 1) - 0.5) * (side / 28)
        place = np.arange(side, dtype=np.float32)
        rows = np.clip(place[:, None] + shift, 0, side - 1).astype(np.int32)
        columns = np.clip(place + shift.T, 0, side - 1).astype(np.int32)
        moved, leaves = self.surfaces[rows, columns], self._leaf_table()
        behind = leaves | np.array([label in ("sky", "building") for label in self.labels])
        swap = (leaves[self.surfaces] | leaves[moved]) & behind[self.surfaces] & behind[moved]
        self.surfaces = np.where(swap, moved, self.surfaces)

    def things(self, noise: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where surfaces from number `first` on are seen, flat [N]; light [3, N] and depth [N].

        The noise mottles foliage.
        """
        where = np.flatnonzero(self.surfaces >= first)
        surfaces = self.surfaces.reshape(-1)[where]
        light = np.array(self.colours, np.float32).T[:, surfaces]
        depth = np.array(self.depths, np.float32)[surfaces]
        row, column = np.divmod(where, self.view.side)
        scale = np.minimum(depth, 60) * np.float32(22 / self.view.focal)
        mottle = np.maximum(2.4 * lookup(noise, row * scale, column * scale) - 0.2, 0.1)
        light *= np.where(self._leaf_table()[surfaces], mottle, 1)
        return where, light, depth

    def _leaf_table(self) -> np.ndarray:
        return np.isin(np.arange(len(self.labels)), list(self.leaves))

    def shadow(self, points, level: int = SHADE) -> None:
        """Take sunlight from the ground inside the convex hull of these points of the ground."""
        pixels = np.array([self.view.pixel(point) for point in points], np.int32)
        cv2.fillConvexPoly(self.sunlight, cv2.convexHull(pixels), level, cv2.LINE_8, SHIFT)


class Spot:
    """A place on the street where a thing stands, with the light there.

    Args:
        label: of the thing.
        at: (x, z) in metres of the thing's near side.
        top: height in metres of the part that tells whether the thing is in the sun.
    """

    def __init__(self, canvas: Canvas, sun: Sun, label: str, at: tuple[float, float], top: float):
        self.canvas, self.sun, self.label, (self.x, self.z) = canvas, sun, label, at
        self.sunny = bool(sun.shines(self.x, top, self.z))
        self.foot = canvas.view.pixel((self.x, 0, self.z))
        self.scale = canvas.view.focal / self.z * ONE

    def paint(self, rgb, face: str = "back") -> int:
        """Number of a new surface of this colour that faces up, left, right or back."""
        light = self.sun.light[face, self.sunny]
        return self.glow([c * part for c, part in zip(linear(rgb), light)])

    def glow(self, light, label: str = "") -> int:
        """Number of a new surface that has this light in sun and shade."""
        return self.canvas.surface(label or self.label, light, self.z)

    def shape(self, surface: int, points, mirror: int = 1) -> None:
        """Draw a convex polygon of points (x, y) that stands upright here and faces the camera."""
        (column, row), scale = self.foot, self.scale
        pixels = [(column + round(mirror * scale * x), row - round(scale * y)) for x, y in points]
        pixels = np.array(pixels, np.int32)
        cv2.fillConvexPoly(self.canvas.surfaces, pixels, surface, cv2.LINE_8, SHIFT)

    def solid(self, surface: int, points) -> None:
        """Draw a convex polygon of points (x, y, z), metres from here."""
        self.canvas.polygon(surface, [(self.x + x, y, self.z + z) for x, y, z in points])

    def ball(self, surface: int, x: float, y: float, radius: float) -> None:
        """Draw a disc around the point (x, y) of the upright plane."""
        centre = self.foot[0] + round(self.scale * x), self.foot[1] - round(self.scale * y)
        pixels = round(self.scale * radius)
        cv2.circle(self.canvas.surfaces, centre, pixels, surface, -1, cv2.LINE_8, SHIFT)

    def cast(self, points) -> None:
        """Draw the shadow of the convex hull of these points (x, y, z), metres from here."""
        points = [(self.x + x, y, self.z + z) for x, y, z in points]
        self.canvas.shadow(self.sun.cast(points))


def draw_tree(canvas: Canvas, sun: Sun, at: tuple[float, float], rng) -> None:
    """A tree of about 7 m, its crown lit from the upper left."""
    radius, middle, hue = rng.uniform(1.5, 2.3), rng.uniform(4.4, 5.4), rng.uniform(-8, 8)
    spot = Spot(canvas, sun, "vegetation", at, middle)
    rim = ((-0.9, 0.4), (-0.9, -0.4), (-0.4, -0.9), (0.4, -0.9), (0.9, -0.4), (0.9, 0.4), (0, 0.9))
    spot.cast([(radius * a, middle, radius * b) for a, b in rim])
    spot.cast([(-0.15, 0, 0), (0.15, 0, 0), (0, middle, 0)])
    bark = spot.paint((104, 84, 66))
    spot.shape(bark, [(-0.17, 0), (0.17, 0), (0.1, middle), (-0.1, middle)])
    count, bright = (16 if at[1] < 25 else 8 if at[1] < 50 else 4), (1.0 if spot.sunny else 0.6)
    for tone, (red, green, blue) in enumerate(LEAVES):
        leaves = spot.glow([c * bright for c in linear((red + hue, green, blue))])
        canvas.leaves.add(leaves)
        spread, shift = radius * (1.0, 0.85, 0.65)[tone], radius * (0, 0.16, 0.4)[tone]
        for x, y, size in (rng.random((count, 3)) * 2 - 1).tolist():
            inside = 1 / max(1.0, math.hypot(x, y))
            x, y = x * inside * spread - shift, y * inside * spread + shift
            spot.ball(leaves, x, middle + y, radius * (0.36 + 0.1 * size) * (1, 0.78, 0.5)[tone])
