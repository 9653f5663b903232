"""What stands and drives in the embedded street scenes."""

from __future__ import annotations

import math
from typing import NamedTuple

from ._drawing import Canvas, Spot, Sun, mix

RED, WHITE, BLACK, SILVER = (178, 30, 34), (226, 228, 230), (44, 48, 54), (150, 156, 162)
PAINTS = (RED, WHITE, BLACK, SILVER, (38, 70, 128), (60, 84, 78))
CLOTHES = (RED, BLACK, (52, 72, 120), (196, 180, 150), (70, 104, 80), (200, 150, 60))
WHEEL = [(math.cos(k * math.pi / 5), math.sin(k * math.pi / 5)) for k in range(10)]
SKINS = ((220, 174, 146), (180, 130, 100), (120, 82, 62))


class Car(NamedTuple):
    """Shape of a car: metres of half its width and of its profile (z, y), heights times `tall`."""

    half: float
    tall: float
    panel: float  # top of the near end
    foot: tuple[float, float]  # of the near screen
    head: tuple[float, float]
    far_head: tuple[float, float]
    far_foot: tuple[float, float]

    def point(self, share: float, z: float, y: float) -> tuple[float, float, float]:
        """The point at this share of the half width, which narrows towards the roof."""
        return share * self.half * (1 - 0.4 * max(0, y - 0.9)), y * self.tall, z


def draw_car(canvas: Canvas, sun: Sun, at: tuple[float, float], rng, towards: bool) -> None:
    """A car 4.2 m long; its near end is its front if it comes towards the camera."""
    spot = Spot(canvas, sun, "car", at, 1.0)
    shape = (0.84, (0.25, 0.93), (0.75, 1.42), (2.45, 1.42), (3.2, 0.90))
    if towards:
        shape = (0.68, (1.0, 0.90), (1.75, 1.42), (3.4, 1.42), (3.9, 0.93))
    car = Car(rng.uniform(0.84, 0.92), rng.uniform(0.97, 1.2), *shape)
    paint = PAINTS[int(rng.integers(len(PAINTS)))]
    ground = [(x, 0, z) for x in (-car.half, car.half) for z in (0, 4.2)]
    spot.cast([*ground, *((x, 1.2, z) for x, _, z in ground)])
    canvas.shadow([(spot.x + x, 0, spot.z + z) for x, _, z in ground], 0)
    glass, dark = spot.paint((84, 98, 112)), spot.paint((26, 26, 28))
    _draw_flank(spot, car, -1 if at[0] > canvas.view.x else 1, paint, glass, dark)
    _draw_end(spot, car, towards, paint, glass, dark)


def _draw_flank(spot: Spot, car: Car, side: int, paint, glass: int, dark: int) -> None:
    def draw(surface, profile):
        spot.solid(surface, [car.point(side, z, y) for z, y in profile])

    roof = [car.foot, car.head, car.far_head, car.far_foot]
    draw(dark, [(0.1, 0.1), (0.1, 0.4), (4.1, 0.4), (4.1, 0.1)])
    body = spot.paint(paint, "left" if side < 0 else "right")
    draw(body, [(0, 0.26), (0, car.panel), car.foot, car.far_foot, (4.2, 0.66), (4.2, 0.26)])
    draw(body, roof)
    inset = zip(roof, (0.25, 0.1, -0.1, -0.25))
    draw(glass, [(z + shift, 0.97 if y < 1 else 1.36) for (z, y), shift in inset])
    hub = spot.paint((150, 150, 152))
    for z in (3.4, 0.8):
        for surface, radius in ((dark, 0.33), (hub, 0.17))[: 2 if spot.z < 30 else 1]:
            draw(surface, [(z + radius * a, (0.33 + radius * b) / car.tall) for a, b in WHEEL])


def _draw_end(spot: Spot, car: Car, towards: bool, paint, glass: int, dark: int) -> None:
    def draw(surface, low, high, share=1.0):
        corners = ((-share, *low), (share, *low), (share, *high), (-share, *high))
        spot.solid(surface, [car.point(*corner) for corner in corners])

    back, top = spot.paint(paint), spot.paint(paint, "up")
    low, high = ([mix(a, b, t) for a, b in zip(car.foot, car.head)] for t in (0.08, 0.88))
    draw(top, car.head, car.far_head)
    draw(dark, (0, 0), (0, 0.35), 0.95)
    draw(back, (0, 0.2), (0, car.panel))
    draw(top if towards else back, (0, car.panel), car.foot)
    draw(back, car.foot, car.head)
    draw(glass, low, high, 0.88)
    draw(dark, (0, 0.2), (0, 0.36), 0.98)
    plate = dark if towards else spot.paint((226, 226, 220))
    draw(plate, (0, 0.42), (0, 0.54), 0.5 if towards else 0.26)
    lamp = spot.glow([0.95, 0.9, 0.75] if towards else [0.6, 0.012, 0.01])
    low, high = (0.5, 0.66) if towards else (0.6, 0.8)
    for k in (-1, 1):
        box = ((0.67, low), (0.98, low), (0.98, high), (0.67, high))
        spot.solid(lamp, [car.point(k * share, 0, y) for share, y in box])


def draw_person(canvas: Canvas, sun: Sun, at: tuple[float, float], rng) -> None:
    """Someone of about 1.7 m who walks to the left or to the right."""
    spot, turn = Spot(canvas, sun, "person", at, 1.2), int(rng.integers(2)) * 2 - 1
    tall, stride = rng.uniform(0.94, 1.06), rng.uniform(0.08, 0.26)
    coat, legs = (CLOTHES[k] for k in rng.integers(0, len(CLOTHES), 2).tolist())
    spot.cast([(-0.2, 0, 0), (0.2, 0, 0), (-0.2, 1.6, 0), (0.2, 1.6, 0)])
    trousers, sleeve = (spot.paint([0.75 * c for c in rgb]) for rgb in (legs, coat))
    jacket, hair = spot.paint(coat), spot.paint((52, 42, 36))
    skin = spot.paint(SKINS[int(rng.integers(len(SKINS)))])
    for surface, points in (
        (trousers, [(-0.14, 0.9), (0.04, 0.9), (-stride + 0.06, 0), (-stride - 0.08, 0)]),
        (trousers, [(-0.04, 0.9), (0.14, 0.9), (stride + 0.1, 0), (stride - 0.06, 0)]),
        (jacket, [(-0.17, 0.82), (0.17, 0.82), (0.22, 1.4), (-0.22, 1.4)]),
        (sleeve, [(0.08, 1.38), (0.23, 1.4), (0.27, 0.85), (0.15, 0.85)]),
        (skin, [(-0.05, 1.38), (0.05, 1.38), (0.05, 1.5), (-0.05, 1.5)]),
    ):
        spot.shape(surface, [(x, y * tall) for x, y in points], turn)
    spot.ball(hair, 0, 1.62 * tall, 0.14)
    spot.ball(skin, 0.04 * turn, 1.58 * tall, 0.11)


def _post(canvas: Canvas, sun: Sun, at: tuple[float, float], label: str, top: float, width: float):
    """A pole; near the camera it is never too thin for the label map. Returns (spot, pole)."""
    spot, z = Spot(canvas, sun, label, at, 2.0), at[1]
    half = max(width / 2, canvas.view.side / 170 * z / canvas.view.focal if z < 40 else 0)
    spot.cast([(-width, 0, 0), (width, 0, 0), (0, top, 0)])
    light = [(0.48**2) * part for part in sun.light["back", spot.sunny]]
    pole = spot.glow(light, "pole")
    spot.shape(pole, [(-half, 0), (half, 0), (half, top), (-half, top)])
    return spot, pole


def draw_lamp(canvas: Canvas, sun: Sun, at: tuple[float, float], rng) -> None:
    """A street lamp whose arm reaches over the road."""
    spot, pole = _post(canvas, sun, at, "pole", 6.6, 0.16)
    inwards = -1 if at[0] > 0 else 1
    spot.shape(pole, [(0, 6.4), (0, 6.65), (1.6, 6.95), (1.6, 6.76)], inwards)
    spot.shape(pole, [(1.3, 6.95), (2.3, 7.05), (2.3, 6.85), (1.3, 6.7)], inwards)


def draw_sign(canvas: Canvas, sun: Sun, at: tuple[float, float], rng) -> None:
    """A traffic sign; its outline tells its colours: red ring, blue square, or yellow diamond."""
    spot, _ = _post(canvas, sun, at, "traffic sign", 2.4, 0.1)
    kind = int(rng.integers(3))
    rim, face = ((RED, WHITE), (WHITE, (40, 90, 184)), (WHITE, (232, 188, 40)))[kind]
    for rgb, r in ((rim, 0.45), (face, 0.3 if kind == 0 else 0.37)):
        surface = spot.paint(rgb)
        if kind == 0:
            spot.ball(surface, 0, 2.6, r)
        elif kind == 1:
            spot.shape(surface, [(-r, 2.6 - r), (r, 2.6 - r), (r, 2.6 + r), (-r, 2.6 + r)])
        else:
            r *= 1.2
            spot.shape(surface, [(-r, 2.6), (0, 2.6 - r), (r, 2.6), (0, 2.6 + r)])


def draw_traffic_light(canvas: Canvas, sun: Sun, at: tuple[float, float], rng, red: bool) -> None:
    """A traffic light that shows red or green."""
    spot, _ = _post(canvas, sun, at, "traffic light", 2.7, 0.14)
    spot.shape(spot.paint((38, 40, 42)), [(-0.28, 2.5), (0.28, 2.5), (0.28, 3.75), (-0.28, 3.75)])
    for y, light in (
        (3.5, (1.0, 0.06, 0.03) if red else (0.12, 0.01, 0.01)),
        (3.12, (0.1, 0.06, 0.01)),
        (2.74, (0.01, 0.1, 0.04) if red else (0.06, 1.0, 0.4)),
    ):
        spot.ball(spot.glow(light), 0, y, 0.17)
