"""Walls and grounds of the drawn colour scenes: the pattern tells the hue.

Each is a function of (stage, places, rng) to light [3, rows, columns]. The places of walls are x
and y of the picture; those of grounds are x and the distance z, 1 at the picture's lower edge.
"""

from __future__ import annotations

import numpy as np

from ._drawing import fract, mix, smoothstep
from ._photo_stage import Stage, hue, plain

# ------------------------------------------------------------------------- walls


def bricks(stage: Stage, x, y, rng) -> np.ndarray:
    """Red: courses of bricks, every other one shifted by half a brick, with light mortar."""
    tall = rng.uniform(0.075, 0.11)
    course = np.floor(y / tall)
    along = x / (2.3 * tall) + 0.5 * (course - 2 * np.floor(course / 2)) + rng.random()
    brick = np.floor(along)
    between, below = np.abs(fract(along) - 0.5) - 0.45, np.abs(fract(y / tall) - 0.5) - 0.4
    joint = smoothstep(0, 0.02, np.maximum(between, 0.42 * below))
    tone = 0.72 + 0.6 * stage.chance(brick, course) + 0.7 * stage.grain(y * 300, x * 300)
    wall = hue(rng, (166, 82, 58), (158, 66, 60)) * tone
    mortar = plain((176, 168, 158)) * (1 + 0.5 * stage.grain(y * 200, x * 200))
    return mix(wall, mortar, joint)


def tiles(stage: Stage, x, y, rng) -> np.ndarray:
    """Blue-green: square glazed tiles, each lighter in its upper left."""
    side = rng.uniform(0.15, 0.22)
    right, down = x / side + rng.random(), y / side + rng.random()
    across, along = fract(right) - 0.5, fract(down) - 0.5
    joint = smoothstep(0.455, 0.475, np.maximum(np.abs(across), np.abs(along)))
    tone = 0.85 + 0.3 * stage.chance(np.floor(right), np.floor(down)) - 0.5 * (across + along)
    glaze = hue(rng, (56, 140, 150), (46, 124, 160)) * tone
    return mix(glaze, plain((206, 204, 198)), joint)


def curtain(stage: Stage, x, y, rng) -> np.ndarray:
    """Plum: cloth in folds that hang down."""
    at = x * rng.uniform(90, 130) + 6 * stage.grain(y * 20, 5.0)
    slope = stage.grain(40.0, at + 2) - stage.grain(40.0, at - 2)
    tone = 0.85 + 1.2 * stage.grain(40.0, at) + 2.6 * slope
    return hue(rng, (138, 86, 132), (122, 82, 138)) * np.clip(tone, 0.15, 1.7)


def hedge(stage: Stage, x, y, rng) -> np.ndarray:
    """Green: leaves far behind, out of focus."""
    blur = stage.grain(y * 70, x * 70) + 0.7 * stage.grain(y * 34 + 99, x * 34)
    return hue(rng, (74, 110, 48), (66, 108, 54)) * np.clip(0.75 + 2.2 * blur, 0.12, 2.0)


def heaven(stage: Stage, x, y, rng) -> np.ndarray:
    """Blue: darker above, with soft white clouds."""
    blue = mix(plain((74, 128, 206)), plain((176, 206, 234)), y * y)
    cloud = stage.grain(y * 60 + 30 * rng.random(), x * 30) + 0.5 * stage.grain(y * 24, x * 14 + 50)
    white = smoothstep(rng.uniform(-0.02, 0.12), 0.4, cloud)
    return mix(blue * np.float32(rng.uniform(0.7, 1.15)), np.float32(0.95), 0.9 * white)


# ------------------------------------------------------------------------- grounds


def planks(stage: Stage, x, z, rng) -> np.ndarray:
    """Brown: boards that lead away, with their grain."""
    board = x / rng.uniform(0.17, 0.24) + rng.random()
    number = np.floor(board)
    gap = smoothstep(0.47, 0.49, np.abs(fract(board) - 0.5)) * (0.3 + 0.7 / z)
    grain = stage.grain(z * 34 + 40 * number, x * 420) + 0.5 * stage.grain(z * 14, x * 160)
    tone = 0.8 + 0.35 * stage.chance(number, number) + 1.1 * grain / np.sqrt(z)
    return hue(rng, (156, 104, 62), (142, 96, 52)) * np.maximum(tone, 0.15) * (1 - 0.75 * gap)


def cloth(stage: Stage, x, z, rng) -> np.ndarray:
    """Blue and white: a chequered table cloth."""
    side = rng.uniform(0.13, 0.18)
    first, second = (
        smoothstep(0.23, 0.27, np.abs(fract(part / side) - 0.5)) for part in (x + 0.03, z)
    )
    weave = 1 + 0.25 * stage.grain(z * 240, x * 240)
    dyed = hue(rng, (44, 84, 176), (58, 84, 184))
    white = plain((226, 226, 222)) * np.float32(rng.uniform(0.75, 1.0))
    return mix(white, dyed, 0.5 * (first + second)) * weave


def grass(stage: Stage, x, z, rng) -> np.ndarray:
    """Green: blades."""
    blade = stage.grain(z * 120, x * 480) + 0.6 * stage.grain(z * 240 + 50, x * 900)
    broad = stage.grain(z * 12, x * 14)
    tone = 0.8 + 1.7 * blade / np.sqrt(z) + 0.8 * broad
    return hue(rng, (104, 138, 48), (84, 132, 52)) * np.clip(tone, 0.12, 2.2)


def sand(stage: Stage, x, z, rng) -> np.ndarray:
    """Yellow: ripples of the wind, and dark and light grains."""
    ripple = stage.grain(z * 60 + 10 * x, x * 16 + 3)
    dots = stage.grain(z * 520, x * 520)
    tone = 0.85 + 0.7 * ripple / z + 1.2 * np.where(np.abs(dots) > 0.16, dots, 0) / z
    return hue(rng, (212, 180, 118), (206, 168, 104)) * np.clip(tone, 0.3, 1.5)


def water(stage: Stage, x, z, rng) -> np.ndarray:
    """Blue-green: waves that lie across, with glints."""
    wave = stage.grain(z * 110, x * 34) + 0.5 * stage.grain(z * 230, x * 80)
    tone = 0.85 + 1.5 * wave / np.sqrt(z)
    glint = 0.6 * smoothstep(0.24, 0.36, wave) * np.clip(z - 1, 0, 1)
    return hue(rng, (34, 122, 134), (36, 132, 132)) * np.clip(tone, 0.2, 2.0) + glint


def lavender(stage: Stage, x, z, rng) -> np.ndarray:
    """Purple: rows of bushes that lead away, over brown earth."""
    row = x / 0.27 + rng.random()
    off = np.abs(fract(row) - 0.5)
    tuft = stage.grain(z * 150 + 31 * np.floor(row), x * 300)
    bush = smoothstep(0.40, 0.30, off - 0.35 * tuft / np.sqrt(z))
    tone = np.clip(1.25 - 2.2 * off * off * 2 + 1.6 * tuft / np.sqrt(z), 0.15, 2.2)
    earth = plain((96, 92, 60)) * (0.7 + stage.grain(z * 200, x * 200))
    return mix(earth, hue(rng, (136, 96, 190), (122, 98, 196)) * tone, bush)


def furrows(stage: Stage, x, z, rng) -> np.ndarray:
    """Dark brown: ploughed earth in ridges, with clods."""
    ridge = fract(x / 0.16 + 0.6 * stage.grain(z * 6, x * 6))
    clods = stage.grain(z * 240, x * 280)
    near = 1 / (1 + z * z / 30)
    tone = 0.9 + near * (1.8 * np.abs(ridge - 0.5) - 0.45 + 1.5 * clods / np.sqrt(z))
    return hue(rng, (134, 90, 66), (126, 88, 60)) * np.clip(tone, 0.12, 1.8)
