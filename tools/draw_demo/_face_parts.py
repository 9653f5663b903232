"""What the drawn animal faces are built of: fur in relief, eyes, noses, mouths, whiskers.

Shapes are fields over the picture: positive inside, 0 on the outline, about the distance to it
nearby. So they blend into one another, cast soft shadows and end in hairs. Lengths are in heads: 1
is half a head's width; x is to the right, y down, z towards the camera. As in ``_drawing``, all
arithmetic is such that IEEE 754 rounds it exactly.
"""

from __future__ import annotations

import copy
import math
from typing import NamedTuple

import numpy as np

from ._drawing import fract, fractal_noise, lookup, mix, tint

SUN_AT = (-0.48, -0.62, 0.62)  # about a unit vector, towards the sun: the upper left
SKYLIGHT, SUNLIGHT = (0.46, 0.50, 0.56), (0.88, 0.82, 0.73)
HAIR = 9  # cells of noise that one hair runs through
HAIRS = 58  # cells of noise in a head's length


class Pose(NamedTuple):
    """Where a head is in the picture, and where it looks."""

    zoom: float  # half the picture's width, heads
    x: float  # of the head's middle from the picture's, heads
    y: float
    roll: float  # tangent of half the angle
    yaw: float  # how far a point moves to the right by being one head nearer
    pitch: float


class Portrait:
    """A picture under way: ``light`` float32 [3, side, side] (linear), and where its pixels are.

    ``u``, ``v`` [side, side] are places in the plane of the head's outline; ``x``, ``y`` are places
    on the face, which bulges towards the camera and so shifts as the head turns. ``fur`` is hair
    that grows away from the nose and hangs a little, about 0 on average.
    """

    def __init__(self, light: np.ndarray, pose: Pose, rng):
        self.light, self.pose = light, pose
        side = light.shape[1]
        self.pixel = 2 * pose.zoom / side  # heads
        place = (np.arange(side, dtype=np.float32) + np.float32(0.5)) * np.float32(self.pixel)
        right, down = place - (pose.zoom + pose.x), (place - (pose.zoom + pose.y))[:, None]
        norm = 1 + pose.roll * pose.roll  # without sines, which may differ in the last bit
        c, s = (2 - norm) / norm, 2 * pose.roll / norm
        self.u, self.v = c * right + s * down, c * down - s * right
        bulge = np.maximum(1 - self.u * self.u - self.v * self.v, 0)
        self.x, self.y = self.u - pose.yaw * bulge, self.v - pose.pitch * bulge
        self.clouds = fractal_noise(rng, (256, 256), (16, 16), 4) - np.float32(0.5)
        self.fur = self._fur(rng.integers(-255, 256, (256, 256), dtype=np.int16))

    def _fur(self, noise: np.ndarray) -> np.ndarray:
        """White noise, smeared along the way the hair lies."""
        right, down = self.u, self.v - np.float32(0.5)
        down = down + 0.35 * np.sqrt(right * right + down * down)
        length = np.sqrt(right * right + down * down) + np.float32(1e-3)
        right, down = right / length, down / length
        across, along = (place * HAIRS + (4096 - HAIR // 2) for place in (self.u, self.v))
        across, along = across - HAIR // 2 * (right - 1), along - HAIR // 2 * (down - 1)
        total = np.zeros(self.u.shape, np.int16)
        for _ in range(HAIR):
            total += lookup(noise, along, across)
            across += right
            along += down
        return total * np.float32(2 / (255 * HAIR))

    def part(self, left: float, top: float, right: float, bottom: float) -> Portrait:
        """The pixels around this box in the plane of the outline, as a view: drawing shows here."""
        inside = (self.u > left) & (self.u < right) & (self.v > top) & (self.v < bottom)
        rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
        box = tuple(slice(n[0], n[-1] + 1) if len(n) else slice(0) for n in (rows, columns))
        small = copy.copy(self)
        small.light = self.light[(slice(None), *box)]
        for name in ("u", "v", "x", "y", "fur"):
            setattr(small, name, getattr(self, name)[box])
        return small

    def plane(self, depth: float) -> tuple[np.ndarray, np.ndarray]:
        """Places (x, y) on a plane that is so many heads nearer than the outline's."""
        return self.u - self.pose.yaw * depth, self.v - self.pose.pitch * depth

    def cloud(self, scale: float, shift: float = 0.0) -> np.ndarray:
        """Mottles on the face, about -0.5..0.5; ``scale`` cells a head."""
        return lookup(self.clouds, self.y * scale + (512 + shift), self.x * scale + 512)

    def inside(self, field: np.ndarray, soft: float = 0.0) -> np.ndarray:
        """How much of a pixel lies inside the field, 0..1; the edge is this wide, or a pixel."""
        return np.clip(field * (1 / max(soft, self.pixel)) + 0.5, 0, 1)

    def cover(self, mask: np.ndarray, light) -> None:
        """Put light [3, ...] over what is there, as much as the mask says."""
        self.light += (light - self.light) * mask

    def darken(self, mask: np.ndarray) -> None:
        """Take this share of the light away."""
        self.light *= 1 - mask

    def body(self, field: np.ndarray, coat: np.ndarray, relief: np.ndarray, fray: float) -> None:
        """Draw a furry body; its hairs stand out by about ``fray``."""
        mask = self.inside(field + fray * self.fur, 0.04)
        self.cover(mask, self.lit(coat, relief + 0.01 * self.fur))

    def lit(self, colour: np.ndarray, relief: np.ndarray) -> np.ndarray:
        """Light [3, ...] of a relief, in heads, that is made of this colour."""
        scale = np.float32(0.5 / self.pixel)
        across, along = (
            (np.roll(relief, -1, axis) - np.roll(relief, 1, axis)) * scale for axis in (1, 0)
        )
        x, y, z = SUN_AT
        facing = (z - x * across - y * along) / np.sqrt(1 + across * across + along * along)
        sky, sun = 0.75 + 0.25 * facing, np.maximum(facing, 0)
        return colour * np.stack([a * sky + b * sun for a, b in zip(SKYLIGHT, SUNLIGHT)])


# ------------------------------------------------------------------------- shapes


def paint(rgb) -> np.ndarray:
    """Light of a colour 0..255 as float32 [3, 1, 1]."""
    return tint(rgb)[:, :, None]


def band(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 at `low`, 1 at `high`, straight between them, which may be in either order."""
    return np.clip((value - low) * (1 / (high - low)), 0, 1)


def wave(value: np.ndarray) -> np.ndarray:
    """0 at whole numbers, 1 halfway between them."""
    part = fract(value)
    return 4 * part * (1 - part)


def mirrored(places) -> tuple[np.ndarray, np.ndarray]:
    """Places (x, y) with the left half folded onto the right: what is drawn there comes twice."""
    return np.abs(places[0]), places[1]


def oval(places, x: float, y: float, wide: float, tall: float, lean: float = 0.0) -> np.ndarray:
    """Field of an oval around (x, y) with these half axes; ``lean`` takes its top to the left."""
    x, y = places[0] - x, places[1] - y
    if lean:
        norm = math.sqrt(1 + lean * lean)
        x, y = (x - lean * y) * (1 / norm), (y + lean * x) * (1 / norm)
    x, y = x * (1 / wide), y * (1 / tall)
    return (1 - x * x - y * y) * (0.5 * min(wide, tall))


def union(first: np.ndarray, second: np.ndarray, width: float) -> np.ndarray:
    """Field of both shapes as one; the crease between them is filled over this width."""
    gap = np.maximum(width - np.abs(first - second), 0)
    return np.maximum(first, second) + gap * gap * (1 / (4 * width))


def overlap(first: np.ndarray, second: np.ndarray, width: float) -> np.ndarray:
    """Field of what two shapes have in common; its corner is rounded over this width."""
    return -union(-first, -second, width)


def triangle(places, corners, bulge: float) -> np.ndarray:
    """Field of a triangle (clockwise) with round corners, its sides bulging by this much."""
    (x, y), field = places, None
    for (x0, y0), (x1, y1) in zip(corners, (*corners[1:], corners[0])):
        along_x, along_y = x1 - x0, y1 - y0
        length = math.sqrt(along_x * along_x + along_y * along_y)
        along_x, along_y = along_x / length, along_y / length
        t = np.clip(((x - x0) * along_x + (y - y0) * along_y) * (1 / length), 0, 1)
        side = (y - y0) * along_x - (x - x0) * along_y + 4 * bulge * t * (1 - t)
        field = side if field is None else overlap(field, side, 0.1)
    return field


def dome(field: np.ndarray, height: float, reach: float) -> np.ndarray:
    """Relief that rises from a field's outline to this height, `reach` further in."""
    t = np.clip(field * (1 / reach), 0, 1)
    return height * t * (2 - t)


# ------------------------------------------------------------------------- features


class Eye(NamedTuple):
    """An eye on the right of the face; its twin mirrors it."""

    x: float
    y: float
    wide: float  # half axes
    tall: float
    slant: float  # how much the outer corner is raised
    pupil: tuple[float, float]  # half axes, in half heights of the eye
    almond: bool


def draw_eyes(face: Portrait, eye: Eye, iris: np.ndarray) -> None:
    """Both eyes, lit from the upper left."""
    reach = eye.x + 2 * eye.wide
    face = face.part(-reach, eye.y - 2.2 * eye.tall, reach, eye.y + 2.2 * eye.tall)
    across, down = np.abs(face.x) - eye.x, face.y - eye.y
    tilted = across - eye.slant * down, down + eye.slant * across
    if eye.almond:
        arch = eye.tall * (1 - tilted[0] * tilted[0] * (1 / (eye.wide * eye.wide)))
        field = overlap(arch + tilted[1], 0.85 * arch - tilted[1], 0.05)
    else:
        field = oval(tilted, 0, 0, eye.wide, eye.tall)
    face.cover(0.92 * face.inside(field + 0.24 * eye.tall, 0.03), paint((34, 26, 24)))

    across, down = across * (1 / eye.tall), down * (1 / eye.tall)
    away = across * across + down * down
    glow = (0.7 + 0.6 * np.minimum(away, 1)) * (0.75 + 0.45 * np.clip(down, -1, 1))
    colour = mix(iris * glow, iris * np.float32(0.2), band(away, 0.75, 1.1))
    wide, tall = eye.pupil
    pupil = 1 - np.sqrt(across * across * (1 / (wide * wide)) + down * down * (1 / (tall * tall)))
    colour = mix(colour, paint((12, 10, 10)), face.inside(pupil * (wide * eye.tall), 0.02))
    lid = 1 - 0.55 * band(tilted[1], -0.3 * eye.tall, -eye.tall)
    face.cover(face.inside(field), colour * lid)

    right = np.where(face.x > 0, across, -across)  # glints are on the same side of both eyes
    for x, y, radius, strength in ((-0.40, -0.42, 0.19, 0.95), (0.38, 0.42, 0.14, 0.3)):
        x, y = right - x, down - y
        glint = (radius - np.sqrt(x * x + y * y)) * eye.tall
        face.cover(strength * face.inside(glint, 0.02), np.float32(1))


def draw_button(face: Portrait, depth: float, y: float, size: float, colour: np.ndarray) -> None:
    """The small triangular nose of a cat or a rabbit."""
    face = face.part(-0.6, y - 0.5, 0.6, y + 0.5)
    x, y = face.plane(depth)[0], face.plane(depth)[1] - y
    sides = 0.75 * (0.84 * size - np.abs(x) - 0.85 * y)
    field = overlap(overlap(y + 0.5 * size, sides, 0.06), 0.9 * size - y, 0.05)
    face.darken(0.45 * face.inside(field + 0.03, 0.06))
    shade = 1.1 - 0.45 * band(y, -0.4 * size, 0.9 * size)
    face.cover(face.inside(field, 0.02), colour * shade)
    nostril = oval(mirrored((x, y)), 0.5 * size, 0.22 * size, 0.2 * size, 0.16 * size, 0.5)
    face.darken(0.75 * face.inside(nostril, 0.02))
    shine = oval((x, y), -0.25 * size, -0.25 * size, 0.35 * size, 0.14 * size)
    face.cover(0.35 * face.inside(shine, 0.03), np.float32(1))


def draw_mouth(face: Portrait, depth: float, top: float, y: float, radius: float) -> None:
    """A line down from the nose that parts into two arcs."""
    face = face.part(-0.8, y - 0.5, 0.8, y + 0.6)
    x, down = mirrored(face.plane(depth))
    line = np.minimum(0.013 - x, np.minimum(down - top, y + 0.08 - down))
    right, below = x - radius, down - y
    arc = 0.015 - np.abs(np.sqrt(right * right + below * below) - radius)
    arc = np.minimum(arc, np.minimum(below - 0.03, 0.7 * radius - right))
    face.darken(0.65 * face.inside(np.maximum(line, arc), 0.025))


def draw_whiskers(face: Portrait, depth: float, y: float, rng) -> None:
    """Three a side, which bend down."""
    face = face.part(-9, y - 0.6, 9, y + 0.7)
    out, down = mirrored(face.plane(depth))
    out = out - np.float32(0.24)
    for k in range(3):
        rise, length = 0.16 * k + rng.uniform(-0.16, 0.0), rng.uniform(0.85, 1.15)
        t = out * (1 / length)
        away = np.abs(down - (y - 0.07 + 0.07 * k) - rise * out - 0.16 * t * t)
        hair = np.where((t > 0) & (t < 1), 0.011 * (1 - t) - away, -1)
        face.cover(0.8 * face.inside(hair, 0.014), np.float32(0.95))
