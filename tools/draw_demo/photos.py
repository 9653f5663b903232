"""Embedded photographs for colorization: scenes whose colours follow from shape and texture."""

from __future__ import annotations

import numpy as np

from data_reader.errors import InputError

from . import _photo_surfaces as surfaces
from . import _photo_things as things
from ._drawing import View, develop, mix, sky, smoothstep
from ._photo_stage import Stage, direction, hue, plain

PHOTO_COUNTS = {"train": 400, "test": 24}
FRUIT = (things.lemon, things.orange, things.apple, things.pear, things.aubergine, things.grapes)
FLOWERS = (things.rose, things.sunflower, things.tulip, things.cornflower)
WALLS = (surfaces.bricks, surfaces.tiles, surfaces.curtain)
BACKGROUNDS = (surfaces.hedge, surfaces.bricks, surfaces.heaven)
TABLES = (surfaces.planks, surfaces.cloth)
FIELDS = (surfaces.grass, surfaces.sand, surfaces.water, surfaces.lavender, surfaces.furrows)


def colour_scene(index: int, size: int = 64, split: str = "train") -> np.ndarray:
    """Draw colour scene `index`: uint8 RGB [size, size, 3], a still life, flowers or a landscape.

    Raises:
        InputError: no such split, a negative index, or a size under 32.
    """
    if split not in PHOTO_COUNTS:
        raise InputError(f"colour scenes have no split {split!r}; take train or test")
    if index < 0 or size < 32:
        raise InputError(f"no colour scene {index} of {size} px; index from 0, size from 32")
    seed = [3000, list(PHOTO_COUNTS).index(split), index]
    rng, camera = (np.random.default_rng([*seed, stage]) for stage in range(2))
    stage = Stage(size * (2 if size > 100 else 3), rng)
    (still_life, landscape, garden)[index % 3](stage, rng)
    return develop(stage.light, size, camera)


def pick(rng, choices, count: int) -> list:
    """So many of the choices, none twice while there are enough."""
    order = rng.permutation(len(choices)).tolist()
    return [choices[order[k % len(order)]] for k in range(count)]


def ground(stage: Stage, horizon: float, first: int, field, rng) -> np.ndarray:
    """Light [3, rows, side] of the picture's rows from `first` on, as level ground."""
    down = stage.place[first:, None] - np.float32(horizon)
    z = np.float32(1 - horizon) / down  # 1 at the lower edge
    return field(stage, (stage.place[None] - np.float32(0.5)) * z, z, rng)


def still_life(stage: Stage, rng) -> None:
    """Fruit on a table before a wall."""
    edge = rng.uniform(0.46, 0.58)
    first = int(edge * stage.side)
    wall, table = (kind[int(rng.integers(len(kind)))] for kind in (WALLS, TABLES))
    stage.light[:, :first] = wall(stage, stage.place[None], stage.place[:first, None], rng)
    stage.light[:, :first] *= 1.1 - 0.35 * stage.place[None]  # the window is on the left
    stage.light[:, first:] = ground(stage, edge - 0.35, first, table, rng)
    stage.shade(0.5, edge, 1.0, 0.09, 0.45)
    count = int(rng.integers(3, 6))
    rows = (count // 2, 0.95, edge + 0.03), (count - count // 2, 1.15, edge + 0.22)
    places = [(k + 0.5, *row) for row in rows for k in range(row[0])]
    for fruit, (place, among, scale, y) in zip(pick(rng, FRUIT, count), places):
        x, y = 0.1 + 0.8 * place / among + rng.uniform(-0.06, 0.06), y + rng.uniform(-0.02, 0.05)
        r = scale * rng.uniform(0.105, 0.13)
        stage.shade(x + 0.5 * r, y + 0.95 * r, 1.7 * r, 0.5 * r, 0.65)
        fruit(stage, x, y, r, rng)


def landscape(stage: Stage, rng) -> None:
    """Sky, woods, and one kind of ground before another."""
    horizon, side, x = rng.uniform(0.34, 0.5), stage.side, stage.place[None]
    first = int(np.count_nonzero(stage.place <= horizon))
    view = View(side, 0.9 * side, 0.5 * side, horizon * side, 0.0, 3.0)
    stage.light[:, :first] = sky(view, first, rng) * np.float32(rng.uniform(0.75, 1.05))
    far, near = pick(rng, FIELDS, 2)
    stage.light[:, first:] = ground(stage, horizon, first, far, rng)
    haze = 0.4 * smoothstep(0.08, 0.0, stage.place[:, None] - horizon)
    stage.light = mix(stage.light, plain((190, 204, 218)), haze)
    _woods(stage, horizon, first, rng)
    shore = horizon + rng.uniform(0.22, 0.4) + 0.25 * stage.grain(5.0, x * 30)
    stage.lay_below(shore, lambda row: ground(stage, horizon, row, near, rng))
    for _ in range(int(rng.integers(0, 3))):
        r, x = rng.uniform(0.09, 0.15), 0.5 + rng.uniform(0.2, 0.45) * rng.choice((-1, 1))
        y = horizon + 0.7 * r
        stage.shade(x + 0.4 * r, y, 1.3 * r, 0.25 * r, 0.5)
        things.tree(stage, x, y, r, rng)


def _woods(stage: Stage, horizon: float, first: int, rng) -> None:
    """A dark green line of tree tops on the horizon, and hazy blue hills behind."""
    x, y = stage.place[None], stage.place[:first, None]
    hills = hue(rng, (120, 150, 172), (128, 152, 184)) * (1 + 0.6 * stage.grain(y * 120, x * 120))
    tops = horizon - 0.10 - 0.22 * stage.grain(90.0, x * 26)
    stage.lay_below(tops, lambda row: hills[:, row:])
    tops = horizon - 0.035 - 0.10 * stage.grain(30.0, x * 150) - 0.08 * stage.grain(60.0, x * 40)
    leaves = np.clip(0.8 + 2.6 * stage.grain(y * 260, x * 200) - 4 * (y - tops), 0.1, 2)
    crowns = hue(rng, (62, 96, 50), (56, 90, 52)) * leaves
    stage.lay_below(tops, lambda row: crowns[:, row:])


def garden(stage: Stage, rng) -> None:
    """Flowers and leaves from near by, before a wall, the sky, or more green."""
    behind = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))]
    stage.light[:] = behind(stage, stage.place[None], stage.place[:, None], rng)
    green = hue(rng, (96, 140, 54), (78, 134, 58))
    count = int(rng.integers(2, 5))
    for k, flower in enumerate(pick(rng, FLOWERS, count)):
        at = 0.08 + 0.84 * (k + 0.5) / count + rng.uniform(-0.05, 0.05)
        top, r = rng.uniform(0.18, 0.5), rng.uniform(0.13, 0.18)
        foot = at + rng.uniform(-0.06, 0.06)
        stage.bar((at, top), (foot, 1.05), 0.2 * r, green * np.float32(0.8))
        _leaves(stage, (at, top + r), (foot, 1.0), green, rng)
        flower(stage, at, top, r, rng)


def _leaves(stage: Stage, top, foot, green, rng) -> None:
    """Leaves to the left and the right of a stem."""
    for k in range(int(rng.integers(2, 5))):
        share, r = rng.uniform(0.25, 1.0), rng.uniform(0.1, 0.16)
        x, y = (mix(a, b, share) for a, b in zip(top, foot))
        turn = rng.uniform(-70, -20) if k % 2 else rng.uniform(-160, -110)
        c, s = direction(turn)
        light = green * np.float32(rng.uniform(0.7, 1.15))
        things.leaf(stage, x + 0.95 * r * c, y + 0.95 * r * s, r, turn, light)
