"""A street as a plan in metres, and the light that reaches the camera from it."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from ._drawing import (
    SHADE,
    SKYLIGHT,
    SUNLIGHT,
    Canvas,
    Sun,
    View,
    fract,
    fractal_noise,
    linear,
    lookup,
    mix,
    sky,
    tint,
)

SKY, ROAD, SIDEWALK, TERRAIN = range(4)  # the first surfaces of a canvas; walls follow
STOREY = 3.1  # metres
HAZE = tint((196, 208, 222))

# A facade follows from the number of storeys, which the label map shows: wall colour, share of a
# bay that is window (across, up), width of a bay in metres.
FACADES = {
    3: ((150, 84, 66), 0.42, 0.52, 2.3),  # brick
    4: ((206, 190, 158), 0.40, 0.60, 2.5),  # cream plaster
    5: ((188, 146, 106), 0.46, 0.58, 2.7),  # ochre
    6: ((164, 162, 158), 0.62, 0.46, 3.0),  # concrete
    7: ((112, 128, 142), 0.88, 0.66, 2.0),  # glass
}


class Block(NamedTuple):
    """A piece of a row of houses; metres along the street. No storeys: a gap."""

    side: int  # -1 left, 1 right
    near: float
    far: float
    storeys: int
    front: float  # x of the facade

    @property
    def height(self) -> float:
        return self.storeys * STOREY + 1.2 if self.storeys else 0.0


class Street(NamedTuple):
    """What stands where, before anything is drawn; metres, x to the right, z ahead."""

    kerb: float  # half the road's width
    front: float  # half the distance between the facades
    crossing: float  # z where a side street begins, very far away if there is none
    blocks: list[Block]
    sun: Sun


class Wall(NamedTuple):
    """One face of a house: in the plane x = `plane` along the street, or z = `plane` across it."""

    along: bool
    plane: float
    block: Block


def light(canvas: Canvas, street: Street, walls: list[Wall], rng) -> np.ndarray:
    """Linear light float32 [3, side, side] of every pixel."""
    view, side = canvas.view, canvas.view.side
    surfaces = canvas.surfaces.reshape(-1)
    noise = fractal_noise(rng, (256, 256), (16, 16), 4)
    light = np.zeros((3, side * side), np.float32)
    depth = np.zeros(side * side, np.float32)
    things, thing_light, thing_depth = canvas.things(noise, TERRAIN + 1 + len(walls))
    light[:, things], depth[things] = thing_light, thing_depth

    ground = np.flatnonzero((surfaces >= ROAD) & (surfaces <= TERRAIN))
    x, z, first = view.ground()
    x = x.reshape(-1)[ground - first * side]
    depth[ground] = z = z[ground // side - first, 0]
    sunlight = cv2.GaussianBlur(canvas.sunlight, (5, 5), 0).reshape(-1)[ground]
    light[:, ground] = _ground(street, surfaces[ground], x, z, sunlight, noise)

    facade = np.flatnonzero((surfaces > TERRAIN) & (surfaces <= TERRAIN + len(walls)))
    wall = surfaces[facade] - (TERRAIN + 1)
    light[:, facade], depth[facade] = _facades(view, street, walls, wall, facade, noise)

    haze = 0.8 * depth / (depth + 250)
    light *= 1 - haze
    light += HAZE * haze
    light = light.reshape(3, side, side)
    np.copyto(light[:, :first], sky(view, first, rng), where=canvas.surfaces[:first] == SKY)
    return light


def _ground(street: Street, surface, x, z, sunlight, noise) -> np.ndarray:
    """Light [3, N] of the ground points (x, z), given the sunlight that things let through."""
    near = 12 / (12 + z)
    grain = (lookup(noise, z * 24, x * 24 + 99) - 0.5) * near
    broad = lookup(noise, z * 2, x * 3 + 99) - 0.5
    colour = np.empty((3, len(x)), np.float32)
    for kind, paint in ((ROAD, _asphalt), (SIDEWALK, _slabs), (TERRAIN, _grass)):
        at = np.flatnonzero(surface == kind)
        colour[:, at] = paint(street, x[at], z[at], grain[at], broad[at], near[at])
    sky = 0.35 + 0.65 * np.minimum(sunlight * np.float32(1 / SHADE), 1)
    sun = np.clip((np.float32(sunlight) - SHADE) / (255 - SHADE), 0, 1) * street.sun.direction[1]
    return colour * _illuminate(sky, sun * street.sun.reaches(x, 0, z))


def _illuminate(sky: np.ndarray, sun: np.ndarray) -> np.ndarray:
    """Light [3, N] that falls in from this share [N] of the sky and of the sun."""
    return np.float32(SKYLIGHT)[:, None] * sky + np.float32(SUNLIGHT)[:, None] * sun


def _asphalt(street: Street, x, z, grain, broad, near) -> np.ndarray:
    """Asphalt, darker where wheels run and in the gutter; lines, a stop line, a zebra crossing."""
    across, ahead = np.abs(x), street.crossing - z
    wheels = np.abs(np.abs(across - street.kerb * 0.32) - 0.75) < 0.3
    value = 0.155 * (1 + 0.9 * grain + 0.5 * broad)
    value *= 1 - 0.12 * wheels - 0.3 * (across > street.kerb - 0.25)
    lines = (across < 0.09) & (fract(z / 6) < 0.5) & (np.abs(ahead + 2) > 8)
    lines |= (np.abs(across - street.kerb + 2.2) < 0.06) & (np.abs(ahead + 5) > 5)
    lines |= (ahead > 1) & (ahead < 4.2) & (fract(x / 1.1) < 0.5) & (across < street.kerb)
    lines |= (ahead > 5) & (ahead < 5.5) & (x > 0)
    value += (0.62 - value) * (0.75 + 0.5 * broad) * (lines & (z < 90))
    return value * np.float32([[1], [1], [1.04]])


def _slabs(street: Street, x, z, grain, broad, near) -> np.ndarray:
    """Slabs of 0.6 m with darker joints behind a light kerbstone."""
    joint = (fract(x / 0.6) < 0.08) | (fract(z / 0.6) < 0.08)
    value = 0.34 * (1 + 0.35 * grain + 0.3 * broad - 0.35 * near * joint)
    value += 0.12 * (np.abs(x) < street.kerb + 0.22)
    return value * np.float32([[1.06], [1], [0.93]])


def _grass(street: Street, x, z, grain, broad, near) -> np.ndarray:
    return mix(tint((84, 112, 44)), tint((132, 148, 74)), np.clip(0.5 + grain + 2 * broad, 0, 1))


class WallPoints(NamedTuple):
    """The points of the walls that are seen at N pixels: arrays [N], metres."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    u: np.ndarray  # along the wall
    step: np.ndarray  # along the wall to the next pixel
    along: np.ndarray  # whether the wall runs along the street
    plane: np.ndarray


def _wall_points(view: View, walls: list[Wall], wall, where) -> WallPoints:
    """Cut the rays of the pixels `where` (flat positions) with their walls."""
    row, column = np.divmod(where, view.side)
    right = (column.astype(np.float32) + np.float32(0.5 - view.column)) / np.float32(view.focal)
    up = (np.float32(view.row - 0.5) - row.astype(np.float32)) / np.float32(view.focal)
    right = np.where(np.abs(right) < 1e-4, np.float32(1e-4), right)
    along = np.array([w.along for w in walls])[wall]
    plane = np.array([w.plane for w in walls], np.float32)[wall]
    offset = plane - np.float32(view.x)
    z = np.where(along, offset / right, plane)
    x, y = view.x + right * z, view.height + up * z
    step = np.where(along, z * z / np.maximum(np.abs(offset), 1), z) / np.float32(view.focal)
    return WallPoints(x, y, z, np.where(along, z, x), step, along, plane)


def _facades(view: View, street: Street, walls: list[Wall], wall, where, noise):
    """Light [3, N] and depth [N] of wall pixels; windows follow from the place on the wall."""
    x, y, z, u, step, along, plane = _wall_points(view, walls, wall, where)
    style = np.array([w.block.storeys - min(FACADES) for w in walls])[wall]
    height = np.array([w.block.height for w in walls], np.float32)[wall]
    table = np.array([(*linear(c), *rest) for c, *rest in FACADES.values()], np.float32)
    colour, (wide, tall, bay) = np.split(table.T[:, style], 2)
    storey, number = np.floor(y / STOREY), np.floor(u / bay)
    v, h = y / STOREY - storey, u / bay - number
    shop, roof = storey < 1, height - y
    dx = np.abs(h - 0.5) / np.where(shop, 0.8, wide)
    dy = np.abs(v - np.where(shop, 0.42, 0.52)) / np.where(shop, 0.62, tall)
    window = (dx < 0.5) & (dy < 0.5) & (roof > 1.2)
    frame = (dx < 0.62) & (dy < 0.6) & (roof > 1.2) & ~window
    bars = ((dx < 0.06) | (np.abs(v - 0.66) < 0.025)) & ~shop
    sharp = np.clip(1.3 - 1.6 * step / bay, 0.25, 1)  # too small to be seen: towards the mean

    tone = 1 + 0.35 * (lookup(noise, z * 6, y * 9) - 0.5)
    tone += 0.35 * sharp * frame + 0.3 * (roof < 0.9) - 0.12 * (np.abs(v - 0.02) < 0.035)
    tone *= 1 - 0.45 * ((roof < 1.15) & (roof > 0.9)) - 0.4 * (shop & (v > 0.8) & (v < 0.97))
    from_left, _, from_behind = (-part for part in street.sun.direction)
    facing = np.where(along, np.where(plane > 0, from_left, 0), from_behind).astype(np.float32)
    sun = facing * street.sun.reaches(x, y, z)
    sky = 0.5 + 0.3 * np.clip(y / 6, 0, 1)
    light = colour * _illuminate(sky * tone, sun * tone)

    chance = lookup(noise, number * 37 + storey * 11, wall * 29.0)
    mirror = np.clip(0.5 * v + 1.2 * chance - 0.4, 0, 1) * (0.65 + 0.25 * np.float32(plane > 0))
    glass = mix(tint((38, 44, 52)), tint((140, 164, 190)), mirror)
    return mix(light, glass, window * sharp * (0.95 - 0.6 * np.float32(bars))), z
