"""Street scenes and their label maps."""

from __future__ import annotations

import math

import numpy as np

from data_reader.embedded import STREET_LABELS
from data_reader.errors import InputError

from ._drawing import (
    LEAVES,
    Canvas,
    Sun,
    View,
    develop,
    draw_tree,
    linear,
)
from ._street_look import (
    ROAD,
    SIDEWALK,
    TERRAIN,
    Block,
    Street,
    Wall,
    light,
)
from ._street_things import draw_car, draw_lamp, draw_person, draw_sign, draw_traffic_light

COUNTS = {"train": 400, "test": 60}


def street_scene(
    index: int, size: int = 128, split: str = "train"
) -> tuple[np.ndarray, np.ndarray]:
    """Draw street scene `index` as a photo and as its label map.

    Both are uint8 RGB [size, size, 3]; the labels hold the colours of `STREET_LABELS` only. A scene
    has one layout at all sizes; `COUNTS` says how many scenes the data set offers.

    Raises:
        InputError: no such split, a negative index, or a size under 32.
    """
    if split not in COUNTS:
        raise InputError(f"demo scenes have no split {split!r}; take {' or '.join(COUNTS)}")
    if index < 0 or size < 32:
        raise InputError(f"no demo scene {index} of {size} px; index from 0, size from 32")
    seed = [list(COUNTS).index(split), index]
    layout, things, look = (np.random.default_rng([*seed, stage]) for stage in range(3))
    oversampling = 2 if size > 100 else 3
    street = _plan(layout)
    canvas = Canvas(_camera(layout, size * oversampling))
    for label in ("sky", "road", "sidewalk", "terrain"):
        canvas.surface(label)
    _draw_ground(canvas, street)
    walls = _draw_blocks(canvas, street, things)
    _draw_things(canvas, street, things)
    canvas.ruffle(things)
    photo = develop(light(canvas, street, walls, look), size, look)
    palette = np.array([STREET_LABELS[label] for label in canvas.labels], np.uint8)
    middle = oversampling // 2
    return photo, palette[canvas.surfaces[middle::oversampling, middle::oversampling]]


# ------------------------------------------------------------------------- what is seen where


def _plan(rng) -> Street:
    kerb, crossing = rng.uniform(5.2, 6.2), 1e4
    front = kerb + rng.uniform(3.4, 4.6)
    if rng.random() < 0.5:
        crossing = rng.uniform(16, 34)
    blocks = []
    for side in (-1, 1):
        near = -45 + rng.uniform(0, 9)
        while near < 170:
            far, storeys = near + rng.uniform(9, 18), int(rng.integers(3, 8))
            if rng.random() < 0.1:
                storeys = 0
            if near == crossing:
                far, storeys = crossing + 10, 0
            elif near < crossing < far + 5:
                far = crossing
            setback = 1.4 if rng.random() < 0.2 else 0.0
            blocks.append(Block(side, near, far, storeys, side * (front + setback)))
            near = far
    azimuth, elevation = rng.uniform(0.6, 1.1), rng.uniform(0.8, 1.1)  # radians
    x, z = (-math.cos(elevation) * turn(azimuth) for turn in (math.sin, math.cos))
    houses = [(b.near, b.far, b.height) for b in blocks if b.side < 0]
    return Street(kerb, front, crossing, blocks, Sun((x, math.sin(elevation), z), front, houses))


def _camera(rng, side: int) -> View:
    focal, column, row = rng.uniform(0.8, 0.95), rng.uniform(0.42, 0.6), rng.uniform(0.47, 0.55)
    x, height = rng.uniform(1.3, 2.1), rng.uniform(1.7, 2.4)
    return View(side, focal * side, column * side, row * side, x, height)


def _draw_ground(canvas: Canvas, street: Street) -> None:
    x, z, first = canvas.view.ground()
    across, beyond = np.abs(x), z - street.crossing
    surfaces = np.full(x.shape, TERRAIN)
    surfaces[(across < street.front) | ((beyond > 0) & (beyond < 10))] = SIDEWALK
    surfaces[(across < street.kerb) | ((beyond > 2) & (beyond < 8))] = ROAD
    canvas.surfaces[first:] = surfaces


def _draw_blocks(canvas: Canvas, street: Street, rng) -> list[Wall]:
    """Draw skyline, houses and parks, far to near; the walls' surfaces follow on the ground's."""
    blocks = sorted((b for b in street.blocks if b.far > 1.5), key=lambda b: -b.near)
    walls = [
        wall
        for b in blocks
        for wall in (Wall(False, b.near, b), Wall(True, b.front, b))
        if b.storeys
    ]
    numbers = {wall: canvas.surface("building") for wall in walls}
    _draw_skyline(canvas, rng)
    for block in blocks:
        if not block.storeys:
            if block.near != street.crossing:
                _draw_park(canvas, street, block, rng)
            continue
        front, near, far, top = block.front, block.near, block.far, block.height
        back = front + block.side * 14
        if near > 1:
            wall = [(front, 0, near), (front, top, near), (back, top, near), (back, 0, near)]
            canvas.polygon(numbers[Wall(False, near, block)], wall)
        near = max(near, 1.0)
        wall = [(front, 0, near), (front, top, near), (front, top, far), (front, 0, far)]
        canvas.polygon(numbers[Wall(True, front, block)], wall)
    return walls


def _draw_skyline(canvas: Canvas, rng) -> None:
    woods = canvas.surface("vegetation", linear((80, 104, 66)), 420)
    canvas.leaves.add(woods)
    for x in range(-260, 260, 13):
        canvas.disc(woods, (x, rng.uniform(-4, 6), 420.0), rng.uniform(9, 17))
    for x in range(-130, 130, 21):
        house = canvas.surface("building", linear([rng.uniform(130, 158)] * 3), 200)
        left, right, top = x + rng.uniform(0, 4), x + rng.uniform(12, 20), rng.uniform(5, 15)
        corners = ((left, 0), (left, top), (right, top), (right, 0))
        canvas.polygon(house, [(*corner, 190) for corner in corners])


def _draw_park(canvas: Canvas, street: Street, block: Block, rng) -> None:
    """Trees behind a hedge."""
    z = block.far - 1
    while z > max(block.near, 4):
        draw_tree(canvas, street.sun, (block.front + block.side * rng.uniform(2, 6), z), rng)
        z -= 3
    hedge = [canvas.surface("vegetation", linear(rgb), block.near + 4) for rgb in LEAVES[:2]]
    canvas.leaves.update(hedge)
    z = block.far
    while z > max(block.near, 3):
        for surface, y, radius in zip(hedge, (0.45, 0.75), (0.55, 0.3)):
            canvas.disc(surface, (block.front + block.side * 0.6, y, z), radius)
        z -= 0.8 + z / 40


def _draw_things(canvas: Canvas, street: Street, rng) -> None:
    """Draw what stands and moves on road and pavement, far to near."""
    things = _traffic(street, canvas.view, rng) + _pavements(street, rng)
    for z, x, draw, arguments in sorted(things, key=lambda thing: -thing[0]):
        if canvas.view.sees(x, z, 2.5):
            draw(canvas, street.sun, (x, z), rng, *arguments)


def _near_crossing(street: Street, z: float, before: float) -> bool:
    return street.crossing - before < z < street.crossing + 11


def _traffic(street: Street, view: View, rng) -> list[tuple]:
    things = []
    for x, towards, z, gap, chance in (
        (street.kerb - 1.1, False, 7.0, 6.5, 0.6),  # parked
        (1.1 - street.kerb, True, 10.0, 6.5, 0.55),
        (view.x, False, 11.0, 13.0, 0.5),  # on the move
        (-1.7, True, 13.0, 14.0, 0.5),
    ):
        while z < 65:
            if rng.random() < chance and not _near_crossing(street, z, 5):
                things.append((z, x + rng.uniform(-0.2, 0.2), draw_car, (towards,)))
            z += gap * rng.uniform(0.85, 1.4)
    return things


def _pavements(street: Street, rng) -> list[tuple]:
    things, kerb, crossing = [], street.kerb, street.crossing
    walkers = int(rng.integers(0, 4)) if crossing < 100 else 0
    for _ in range(walkers):
        things.append((crossing - 2.5, rng.uniform(-kerb, kerb), draw_person, ()))
    for side in (-1, 1):
        lined, offset = rng.random() < 0.7, rng.uniform(0, 6)
        for k in range(9):
            z = 7 + offset + 9.5 * k
            if k % 2 and not _near_crossing(street, z, 2):
                things.append((z - 3, side * (kerb + 0.5), draw_lamp, ()))
            if lined and rng.random() < 0.75 and not _near_crossing(street, z, 2):
                things.append((z, side * (kerb + 1.0), draw_tree, ()))
        for _ in range(int(rng.integers(2, 6))):
            x = side * rng.uniform(kerb + 1.2, street.front - 0.5)
            things.append((rng.uniform(7, 28), x, draw_person, ()))
        things.append((rng.uniform(8, 26), side * (kerb + 0.4), draw_sign, ()))
        if crossing < 100:
            # Red stops the cars while someone crosses.
            things.append((crossing - 1, side * (kerb + 0.6), draw_traffic_light, (walkers > 0,)))
    return things
