"""Embedded pictures for the unpaired and the unconditional articles: landscapes and digits."""

from __future__ import annotations

import math

import cv2
import numpy as np

from data_reader.errors import InputError

from ._drawing import (
    ONE,
    SHIFT,
    Canvas,
    Spot,
    Sun,
    View,
    develop,
    draw_tree,
    fractal_noise,
    linear,
    lookup,
    mix,
    sky,
    smoothstep,
    tint,
)

STYLES = ("photo", "painting")
LANDSCAPE_COUNTS = {"train": 300, "test": 40}  # of each style
DIGIT_COUNTS = {"train": 6000, "test": 1000}


def landscape(index: int, size: int = 64, style: str = "photo", split: str = "train") -> np.ndarray:
    """Draw landscape `index`: uint8 RGB [size, size, 3], hills, water or meadows, trees, a sky.

    A photo and a painting never show the same place. `LANDSCAPE_COUNTS` says how many there are.

    Raises:
        InputError: no such style or split, a negative index, or a size under 32.
    """
    if style not in STYLES:
        raise InputError(f"landscapes have no style {style!r}; take {' or '.join(STYLES)}")
    if split not in LANDSCAPE_COUNTS:
        raise InputError(f"landscapes have no split {split!r}; take train or test")
    if index < 0 or size < 32:
        raise InputError(f"no landscape {index} of {size} px; index from 0, size from 32")
    seed = [1000 + STYLES.index(style), list(LANDSCAPE_COUNTS).index(split), index]
    place, brush = (np.random.default_rng([*seed, stage]) for stage in range(2))
    light = _landscape_light(place, size * (2 if size > 100 else 3))
    if style == "photo":
        return develop(light, size, brush)
    return _paint(light, size, brush)


# ------------------------------------------------------------------------- the place


def _landscape_light(rng, side: int) -> np.ndarray:
    """Linear light float32 [3, side, side] of a landscape."""
    horizon, shore = rng.uniform(0.4, 0.56), rng.uniform(0.74, 0.9)
    view = View(side, 0.9 * side, 0.5 * side, horizon * side, 0.0, rng.uniform(3, 5))
    noise = fractal_noise(rng, (256, 256), (16, 16), 4)
    light = np.empty((3, side, side), np.float32)
    x, z, first = view.ground()
    light[:, :first] = sky(view, first, rng)
    _draw_hills(light, first, rng)
    light[:, first:] = _meadow(x, z, noise, rng)
    if rng.random() < 0.6:
        _draw_lake(light, first, shore, noise, z, rng)
        bank = 0.9 * view.height / (shore - horizon)  # metres to the near shore
        _draw_woods(light, view, (0.75 * bank, 0.85 * bank), (0, 4), 0.28, noise, rng)
    else:
        _draw_woods(light, view, (11.0, 60.0), (1, 8), 0.12, noise, rng)
    return light


def _ridge(rng, side: int, cells: int) -> np.ndarray:
    """A line of hills: heights [side] in [0, 1]."""
    return fractal_noise(rng, (16, side), (1, cells), 5)[8]


def _draw_hills(light: np.ndarray, first: int, rng) -> None:
    """Two or three ridges, far to near, each lower, greener and less hazy than the last."""
    side = light.shape[1]
    row = np.arange(first, dtype=np.float32)[:, None]
    haze, rock, wood = tint((178, 196, 220)), tint((112, 108, 110)), tint((66, 92, 48))
    count = int(rng.integers(2, 4))
    for k in range(count):
        near = (k + 1) / count
        height = side * (0.30 - 0.2 * near) * rng.uniform(0.6, 1.3)
        top = first - height * (0.25 + 1.1 * _ridge(rng, side, 2 + k))
        texture = fractal_noise(rng, (first, side), (8, 12), 4)
        relief = np.clip(1 + 9 * (texture - np.roll(texture, side // 96, 1)), 0.5, 1.6)
        colour = mix(rock, wood, near)[..., None] * relief
        snow = smoothstep(0.18, 0.1, (row - top) / side + 0.25 * (texture - 0.5)) * (k == 0)
        if height > side * 0.16:
            colour = mix(colour, tint((244, 246, 250))[..., None] * np.sqrt(relief), snow)
        colour = mix(colour, haze[..., None], 0.62 * (1 - near) + 0.12)
        np.copyto(light[:, :first], colour, where=row > top)


def _meadow(x: np.ndarray, z: np.ndarray, noise: np.ndarray, rng) -> np.ndarray:
    """Light [3, rows, side] of grass with ripe fields, flowers and perhaps a path."""
    fine = lookup(noise, np.broadcast_to(z * 9, x.shape), x * 9 + 9999)
    broad = lookup(noise, np.broadcast_to(z * 1.2, x.shape), x * 0.8 + 9999)
    grass = mix(tint((56, 88, 34))[..., None], tint((150, 168, 76))[..., None], 1.4 * fine - 0.2)
    ripe = smoothstep(0.5, 0.6, broad + rng.uniform(-0.1, 0.1))
    grass = mix(grass, tint((196, 176, 96))[..., None] * (0.7 + 0.6 * fine), 0.8 * ripe)
    petals = (lookup(noise, np.broadcast_to(z * 31, x.shape), x * 31 + 9999) > 0.72) & (z < 25)
    colour = ((226, 70, 54), (240, 236, 226), (236, 200, 60))[int(rng.integers(3))]
    grass = mix(grass, tint(colour)[..., None], 0.85 * petals)
    if rng.random() < 0.5:
        bend, start = rng.uniform(-1.5, 1.5), rng.uniform(-2, 2)
        middle = start + bend * (z / 12) * (1 - z / 60)
        path = smoothstep(1.3, 0.9, np.abs(x - middle)) * (z < 60)
        grass = mix(grass, tint((188, 164, 128))[..., None] * (0.7 + 0.6 * fine), path)
    return mix(grass, tint((178, 196, 214))[..., None], 0.7 * z / (z + 200)).astype(np.float32)


def _draw_lake(light: np.ndarray, first: int, shore: float, noise, z, rng) -> None:
    """Water from near the horizon to the shore; it mirrors what is above, with ripples."""
    side = light.shape[1]
    edge = side * (shore + 0.12 * (_ridge(rng, side, 3) - 0.5))
    row, column = np.arange(first, side)[:, None], np.arange(side)[None]
    ripple = lookup(noise, z * 10 + 0 * column, column * (40 / side) * np.sqrt(z))
    shift = (ripple - 0.5) * (0.02 + 0.22 / np.sqrt(z)) * side
    mirror = np.clip(2 * first - row + shift, 0, first - 1).astype(np.int32)
    water = light[:, mirror, np.broadcast_to(column, mirror.shape)]
    depth = (row - first) / np.float32(side - first)
    water = mix(water * 0.85, tint((38, 76, 104))[..., None], 0.25 + 0.4 * depth)
    water = mix(water, np.float32(0.95), 0.6 * smoothstep(0.7, 0.8, ripple))
    wet = (row > first + side * 0.012) & (row < edge)
    bank = wet & (row > edge - side * 0.014)
    water = mix(water, tint((150, 132, 100))[..., None], 0.8 * bank)
    np.copyto(light[:, first:], water.astype(np.float32), where=wet)


def _draw_woods(light: np.ndarray, view: View, reach, counts, aside: float, noise, rng) -> None:
    """Round trees or firs on each side, between two distances; the middle stays free."""
    canvas = Canvas(view)
    canvas.surface("sky")
    sun = Sun((-0.5, 0.7, -0.5), 1e3, [])
    near, far = reach
    spots = []
    for side in (-1, 1):
        for _ in range(int(rng.integers(*counts))):
            z = near * (far / near) ** rng.random()
            spots.append((z, side * z * rng.uniform(aside, 0.6), side))
    firs = {side: rng.random() < 0.5 for side in (-1, 1)}
    for z, x, side in sorted(spots, reverse=True):
        (_draw_fir if firs[side] else draw_tree)(canvas, sun, (x, z), rng)
    canvas.ruffle(rng)
    light *= 0.45 + 0.55 / 255 * np.float32(canvas.sunlight)
    where, things, depth = canvas.things(noise, 1)
    haze = 0.7 * depth / (depth + 160)
    light.reshape(3, -1)[:, where] = mix(things, tint((178, 196, 214)), haze)


def _draw_fir(canvas: Canvas, sun: Sun, at: tuple[float, float], rng) -> None:
    """A fir of about 8 m."""
    spot, tall = Spot(canvas, sun, "vegetation", at, 5.0), rng.uniform(6, 9)
    spot.cast([(-0.2 * tall, 0.5, 0), (0.2 * tall, 0.5, 0), (0, tall, 0)])
    spot.shape(spot.paint((84, 66, 52)), [(-0.2, 0), (0.2, 0), (0.1, 2), (-0.1, 2)])
    for rgb, width, shift in (((30, 50, 36), 0.22, 0.0), ((62, 92, 54), 0.14, -0.06)):
        needles = spot.glow(linear(rgb))
        canvas.leaves.add(needles)
        for low in (0.1, 0.28, 0.46, 0.64):
            half, high = width * (1.1 - low), min(1.0, low + 0.36)
            points = [(shift - half, low), (shift + half, low), (0.3 * shift, high)]
            spot.shape(needles, [(x * tall, y * tall) for x, y in points])


# ------------------------------------------------------------------------- the brush


def _paint(light: np.ndarray, size: int, rng) -> np.ndarray:
    """The landscape in oils: uint8 RGB [size, size, 3] of dabs, in a warm and lively palette."""
    side = light.shape[1]
    model = _palette(np.sqrt(light))
    smooth = cv2.GaussianBlur(cv2.cvtColor(model, cv2.COLOR_RGB2GRAY), (0, 0), side / 48)
    down = np.int32(np.roll(smooth, -2, 0)) - np.roll(smooth, 2, 0)
    right = np.int32(np.roll(smooth, -2, 1)) - np.roll(smooth, 2, 1)
    picture = cv2.GaussianBlur(model, (0, 0), side / 24)
    for spacing, length, width in ((0.05, 0.15, 0.062), (0.032, 0.085, 0.032), (0.026, 0.05, 0.02)):
        count = int(1 / spacing**2)
        places = (rng.random((count, 2)) * side).astype(np.int32)
        tones = model[places[:, 1], places[:, 0]] + rng.integers(-22, 23, (count, 3))
        tones = np.clip(tones + rng.integers(-16, 17, (count, 1)), 0, 255).tolist()
        wobble = rng.uniform(-0.35, 0.35, count).tolist()
        slopes = np.stack([down, right], -1)[places[:, 1], places[:, 0]].tolist()
        for (x, y), tone, turn, (a, b) in zip(places.tolist(), tones, wobble, slopes):
            # Along the contour; where there is none, slightly falling strokes.
            angle = (math.atan2(b, -a) if abs(a) + abs(b) > 6 else 0.5) + turn
            dx, dy = (0.5 * length * side * part for part in (math.cos(angle), math.sin(angle)))
            ends = [(round((x - k * dx) * ONE), round((y - k * dy) * ONE)) for k in (-1, 1)]
            cv2.line(picture, *ends, tone, max(2, round(width * side)), cv2.LINE_8, SHIFT)
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)


def _palette(colour: np.ndarray) -> np.ndarray:
    """Colours of the oils, uint8 [side, side, 3], for those of the photo, float [3, side, side]."""
    grey = np.clip(colour.mean(0), 0, 1)
    violet, cream = np.float32([0.30, 0.24, 0.58]), np.float32([1.0, 0.93, 0.68])
    wash = mix(violet[:, None, None], cream[:, None, None], smoothstep(0.15, 0.8, grey))
    mood = mix(grey + 2.1 * (colour - grey), wash, 0.34)
    return np.clip(mood * 255 + 0.5, 0, 255).astype(np.uint8).transpose(1, 2, 0).copy()


# ------------------------------------------------------------------------- digits

# Strokes of the pen, one or two ways to write each digit: points in hundredths of the unit square,
# y down; `|` begins a new stroke, and strokes run smoothly through their points. (OpenCV 5 draws
# its Hershey fonts in another typeface than OpenCV 4, so the digits bring their own.)
_GLYPHS = (
    ["52,3 24,20 20,60 45,97 76,76 80,30 50,3"],
    ["50,3 50,97", "34,24 54,4 | 54,4 52,97"],
    ["20,26 42,4 72,20 60,52 20,95 | 20,95 84,94", "20,20 56,4 72,30 34,90 20,80 42,78 86,94"],
    ["22,14 52,3 74,22 42,46 | 42,46 78,64 62,92 20,90"],
    ["30,5 22,52 80,52 | 72,6 66,97", "62,4 16,62 | 16,62 86,62 | 62,4 62,97"],
    ["78,6 34,6 | 34,6 28,46 | 28,46 62,42 76,70 50,95 20,86"],
    ["66,4 36,30 24,72 46,96 74,78 64,54 38,58 25,76"],
    ["18,8 82,7 | 82,7 56,48 42,97", "18,8 82,7 | 82,7 56,48 42,97 | 36,50 74,48"],
    ["74,16 50,3 28,20 50,46 74,74 50,97 27,76 48,48 74,16"],
    ["74,20 50,4 26,24 42,48 68,40 74,20 | 74,20 70,60 56,97"],
)


def digit(index: int, split: str = "train") -> tuple[np.ndarray, int]:
    """Write digit `index` by hand: uint8 [28, 28], white on black, and its label 0..9.

    As in MNIST the digit fits 20 x 20 pixels and its centre of mass is the picture's centre. The
    label is the index's last figure; `DIGIT_COUNTS` says how many digits there are.

    Raises:
        InputError: no such split or a negative index.
    """
    if split not in DIGIT_COUNTS:
        raise InputError(f"digits have no split {split!r}; take train or test")
    if index < 0:
        raise InputError(f"no digit {index}; the index counts from 0")
    rng = np.random.default_rng([2000, list(DIGIT_COUNTS).index(split), index])
    label = index % 10
    glyph = _GLYPHS[label][int(rng.integers(len(_GLYPHS[label])))]
    strokes = [[point.split(",") for point in stroke.split()] for stroke in glyph.split("|")]
    turn, shear, narrow = rng.uniform(-0.2, 0.2), rng.uniform(-0.15, 0.35), rng.uniform(0.65, 0.95)
    c, s = math.cos(turn), math.sin(turn)
    pose = np.array([[narrow, 0], [-shear, 1]]) @ np.array([[c, s], [-s, c]])
    curves = []
    for stroke in strokes:
        points = np.array(stroke, np.float64) / 100
        curves.append(_curve(points + rng.uniform(-0.035, 0.035, points.shape)) @ pose)
    return _ink(curves, rng.uniform(1.9, 3.3)), label


def _curve(points: np.ndarray) -> np.ndarray:
    """A smooth line through the points [N, 2]: Catmull-Rom, six steps from each to the next."""
    ends = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    a, b, c, d = (ends[k : len(ends) - 3 + k, None] for k in range(4))
    t = (np.arange(6) / 6)[:, None]
    line = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return np.concatenate([line.reshape(-1, 2), points[-1:]])


def _ink(curves: list[np.ndarray], width: float) -> np.ndarray:
    """Draw the curves with a pen of this width in pixels, fitted to 20 x 20 and centred by mass."""
    points = np.concatenate(curves)
    low, high = points.min(0), points.max(0)
    scale = 4 * (20 - width) / (high - low).max()
    picture = np.zeros((112, 112), np.uint8)
    for curve in curves:
        pixels = np.rint(((curve - (low + high) / 2) * scale + 55.5) * ONE).astype(np.int32)
        cv2.polylines(picture, [pixels], False, 255, round(4 * width), cv2.LINE_8, SHIFT)
    mass = cv2.moments(picture, True)
    shift = (round(55.5 - mass[axis] / mass["m00"]) for axis in ("m01", "m10"))
    return cv2.resize(
        np.roll(picture, tuple(shift), (0, 1)), (28, 28), interpolation=cv2.INTER_AREA
    )
