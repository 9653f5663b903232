"""Fruit, leaves, flowers and trees of the drawn colour scenes: the outline tells the hue.

Fruit and flowers are functions of (stage, x, y, r, rng): their middle and about half their width.
"""

from __future__ import annotations

import math

import numpy as np

from ._drawing import fract, smoothstep
from ._photo_stage import Stage, direction, hue, plain

BARK = plain((98, 74, 50))

# ------------------------------------------------------------------------- fruit


def lemon(stage: Stage, x, y, r, rng) -> None:
    """Yellow: an ellipse that ends in two nubs."""

    def nubs(u, v):
        far = np.abs(u)
        longer, slimmer = smoothstep(0.8, 1.15, far), smoothstep(0.55, 1.0, far)
        return u * (0.95 - 0.18 * longer), v * (1 + 0.9 * slimmer)

    def pores(u, v):
        return 1 + 0.35 * stage.grain(v * 40, u * 60)

    light, turn = hue(rng, (240, 208, 50), (236, 212, 62)), rng.uniform(-35, 35)
    at, size = (x, y + 0.22 * r), (1.2 * r, 0.8 * r)
    stage.ball(at, size, light, turn=turn, warp=nubs, pattern=pores)


def orange(stage: Stage, x, y, r, rng) -> None:
    """Orange: a ball with pores and a green star where the stem was."""

    def pores(u, v):
        return 1 + 0.9 * stage.grain(v * 160, u * 160)

    light, lean = hue(rng, (242, 136, 30), (238, 124, 28)), rng.uniform(-0.35, 0.35)
    stage.ball((x, y), (r, r), light, pattern=pores, gloss=0.18)
    star, size = plain((70, 92, 40)), (0.16 * r, 0.05 * r)
    for degrees in (0, 60, 120):
        stage.ball((x + lean * r, y - 0.62 * r), size, star, turn=degrees, gloss=0)


def apple(stage: Stage, x, y, r, rng) -> None:
    """Red: broad, with a dent on top, a stem, and streaks."""

    def dent(u, v):
        hollow, foot = np.clip(1 - 3.2 * u * u, 0, 1), np.clip(1 - 6 * u * u, 0, 1)
        stretch = np.where(v < 0, 0.34 * hollow * hollow, 0.12 * foot * foot)
        return u * (1 + 0.1 * np.clip(v, 0, 1)), v * (1 + stretch)

    def streaks(u, v):
        return 1 + 0.8 * stage.grain(v * 8, u * 60 * (1 + 0.4 * v))

    light, lean = hue(rng, (200, 40, 40), (184, 34, 44)), rng.uniform(-0.2, 0.25)
    stage.ball((x, y), (1.04 * r, 1.02 * r), light, warp=dent, pattern=streaks, gloss=0.4)
    stage.shade(x, y - 0.68 * r, 0.34 * r, 0.2 * r, 0.6)
    stage.bar((x, y - 0.62 * r), (x + lean * r, y - 1.2 * r), 0.13 * r, BARK)


def pear(stage: Stage, x, y, r, rng) -> None:
    """Yellow-green: slim at the top, with a stem."""

    def slim(u, v):
        return u * (1 + 0.95 * smoothstep(0.25, -0.75, v)), v

    def dots(u, v):
        return 1 + 0.5 * stage.grain(v * 60, u * 60)

    light, turn = hue(rng, (182, 188, 66), (170, 184, 70)), rng.uniform(-14, 14)
    y, (c, s) = y - 0.25 * r, direction(turn)
    top, end = (x + 1.17 * r * s, y - 1.17 * r * c), (x + r * (1.69 * s + 0.1), y - 1.63 * r * c)
    stage.bar(top, end, 0.12 * r, BARK)
    stage.ball((x, y), (r, 1.3 * r), light, turn=turn, warp=slim, pattern=dots)


def aubergine(stage: Stage, x, y, r, rng) -> None:
    """Purple: long, thicker at one end, a jagged green cap on the other."""

    def bent(u, v):
        return u, (v + 0.35 * u * u - 0.12) * (1 - 0.3 * u)

    light, turn = hue(rng, (104, 48, 124), (92, 46, 128)), rng.uniform(-30, 30)
    y, (c, s) = y + 0.35 * r, direction(turn)
    stage.ball((x, y), (1.75 * r, 0.72 * r), light, turn=turn, warp=bent, gloss=0.5)
    cap, end = plain((84, 122, 58)), (x - r * (1.38 * c - 0.1 * s), y - r * (1.38 * s + 0.1 * c))
    for aside, length in ((-28, 0.34), (0, 0.42), (28, 0.34)):
        petal(stage, end, turn + aside, 0.22 * r, (length * r, 0.16 * r), cap)
    stage.bar(end, (end[0] - 0.5 * r * c, end[1] - 0.5 * r * s), 0.2 * r, cap)


def grapes(stage: Stage, x, y, r, rng) -> None:
    """Violet: a bunch of small balls that narrows downwards."""
    light = hue(rng, (106, 70, 164), (92, 72, 172))
    stage.bar((x, y - 0.8 * r), (x + 0.15 * r, y - 1.45 * r), 0.12 * r, BARK)
    for row, count in enumerate((3, 4, 3, 2, 1)):
        for k in range(count):
            a = 0.62 * (k - (count - 1) / 2) + rng.uniform(-0.06, 0.06)
            b = 0.48 * (row - 1.75) + rng.uniform(-0.06, 0.06)
            stage.ball((x + a * r, y + b * r), (0.38 * r, 0.38 * r), light, gloss=0.45)


# ------------------------------------------------------------------------- flowers


def petal(stage: Stage, middle, degrees: float, far: float, size, light, pattern=None) -> None:
    """An ellipse that points away from the middle, its own middle `far` from there."""
    c, s = direction(degrees)
    at = middle[0] + far * c, middle[1] + far * s
    stage.ball(at, size, light, turn=degrees, pattern=pattern, gloss=0.04)


def rose(stage: Stage, x, y, r, rng) -> None:
    """Pink: five broad petals around a yellow middle."""

    def cupped(u, v):
        return 1.15 + 0.25 * u - 0.35 * v * v

    light, start = hue(rng, (232, 104, 160), (222, 92, 158)), rng.uniform(0, 72)
    for k in range(5):
        size = (0.52 * r, 0.46 * r)
        petal(stage, (x, y), start + 72 * k, 0.55 * r, size, light, cupped)
    stage.ball((x, y), (0.24 * r, 0.24 * r), plain((232, 192, 60)), gloss=0.1)


def sunflower(stage: Stage, x, y, r, rng) -> None:
    """Yellow: two rings of narrow petals around a large dark disk."""

    def lighter_outside(u, v):
        return 1.05 + 0.35 * u

    def seeds(u, v):
        return 1 + 2.2 * stage.grain(v * 60, u * 60)

    light, start = hue(rng, (244, 196, 34), (240, 184, 30)), rng.uniform(0, 20)
    for k in range(32):
        ring, among = divmod(k, 16)
        degrees, far = start + 22.5 * (among + 0.5 * ring), (0.72 - 0.12 * ring) * r
        petal(stage, (x, y), degrees, far, (0.34 * r, 0.13 * r), light, lighter_outside)
    stage.ball((x, y), (0.46 * r, 0.46 * r), plain((104, 66, 38)), pattern=seeds, gloss=0.05)


def tulip(stage: Stage, x, y, r, rng) -> None:
    """Red: a cup of three petals."""

    def pointed(u, v):
        return u * (1 + 0.75 * smoothstep(0.1, -1.0, v)), v

    light, size = hue(rng, (218, 42, 46), (208, 36, 58)), (0.46 * r, 0.85 * r)
    for aside, turn, tone in ((-0.34, -14, 0.85), (0.34, 14, 0.75), (0, 0, 1.0)):
        stage.ball((x + aside * r, y), size, light * tone, turn=turn, warp=pointed, gloss=0.12)


def cornflower(stage: Stage, x, y, r, rng) -> None:
    """Blue: a ring of petals that widen and end in three teeth."""

    def lighter_outside(u, v):
        return 0.95 + 0.45 * u

    light, start = hue(rng, (70, 84, 214), (82, 82, 210)), rng.uniform(0, 40)
    for k in range(27):
        degrees = start + 40 * (k // 3) + 11 * (k % 3 - 1)
        petal(stage, (x, y), degrees, 0.62 * r, (0.4 * r, 0.085 * r), light, lighter_outside)
    stage.ball((x, y), (0.3 * r, 0.3 * r), light * 0.45, gloss=0.02)


# ------------------------------------------------------------------------- leaves


def leaf(stage: Stage, x, y, r, turn: float, light) -> None:
    """Green: pointed at both ends, with a rib and veins."""

    def pointed(u, v):
        # The outline is |v| = 1 - u^2.
        return 60 * np.maximum(np.abs(u) - 1, 0), v / np.maximum(1 - u * u, 0.02)

    def veins(u, v):
        rib = smoothstep(0.13, 0.03, np.abs(v))
        vein = smoothstep(0.32, 0.42, np.abs(fract(4 * (u - 0.55 * np.abs(v))) - 0.5))
        return 0.8 + 0.75 * np.maximum(rib, 0.55 * vein) - 0.25 * (v > 0)

    stage.ball((x, y), (r, 0.42 * r), light, turn=turn, warp=pointed, pattern=veins, gloss=0.08)


def tree(stage: Stage, x, y, r, rng) -> None:
    """Green: a crown of many ragged clumps on a brown trunk; (x, y) is its foot."""
    light, clumps = hue(rng, (84, 122, 44), (70, 112, 44)), rng.uniform(-1, 1, (22, 2)).tolist()
    stage.bar((x, y), (x, y - 1.3 * r), 0.2 * r, BARK)
    for a, b in sorted(clumps, key=sum, reverse=True):  # those in the light hide the others

        def ragged(u, v, a=30 * a, b=30 * b):
            right, down = stage.grain(v * 12 + b, u * 12 + a), stage.grain(v * 12 + a, u * 12 - b)
            return u + 1.3 * right, v + 1.3 * down

        def mottled(u, v):
            return 1 + 1.6 * stage.grain(v * 24, u * 24)

        inside, size = 1 / max(1.0, math.hypot(a, b)), rng.uniform(0.24, 0.4) * r
        at = x + 0.74 * a * inside * r, y - (1.75 - 0.7 * b * inside) * r
        stage.ball(at, (size, size), light, warp=ragged, pattern=mottled, gloss=0)
