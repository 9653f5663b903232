"""Embedded pictures for the article on several domains: faces of cats, dogs and rabbits."""

from __future__ import annotations

import numpy as np

from data_reader.errors import InputError

from ._drawing import develop, fractal_noise, mix
from ._face_coats import PINK, Look, ear_coat, look_of, marked_coat, plain_coat
from ._face_parts import (
    Eye,
    Portrait,
    Pose,
    band,
    dome,
    draw_button,
    draw_eyes,
    draw_mouth,
    draw_whiskers,
    mirrored,
    oval,
    paint,
    triangle,
    union,
)

KINDS = ("cat", "dog", "rabbit")
FACE_COUNTS = {"train": 300, "test": 12}  # of each kind

# Behind the animals, far out of focus: two colours that run into one another.
BACKGROUNDS = (
    ((120, 152, 84), (58, 88, 48)), ((150, 186, 216), (216, 226, 228)),
    ((206, 186, 156), (150, 118, 90)), ((176, 190, 200), (112, 124, 138)),
    ((92, 84, 84), (46, 44, 50)), ((196, 146, 122), (120, 80, 76)),
    ((182, 204, 150), (100, 144, 92)), ((92, 140, 150), (36, 76, 92)),
    ((226, 196, 110), (176, 124, 56)), ((160, 140, 176), (96, 80, 120)),
)  # fmt: skip
# Half the picture's width, and how far below its middle the face is, in heads.
FRAMES = {"cat": (1.36, 0.22), "dog": (1.42, 0.02), "rabbit": (1.46, 0.53)}


def animal_face(index: int, size: int = 64, kind: str = "cat", split: str = "train") -> np.ndarray:
    """Draw face `index` of a kind of animal: uint8 RGB [size, size, 3].

    Coat, markings, eyes and background are drawn apart from build and pose, so that neither tells
    the other. A face is the same at all sizes; `FACE_COUNTS` says how many each kind has.

    Raises:
        InputError: no such kind or split, a negative index, or a size under 32.
    """
    if kind not in KINDS:
        raise InputError(f"faces have no kind {kind!r}; take {', '.join(KINDS)}")
    if split not in FACE_COUNTS:
        raise InputError(f"faces have no split {split!r}; take train or test")
    if index < 0 or size < 32:
        raise InputError(f"no face {index} of {size} px; index from 0, size from 32")
    seed = [3400 + KINDS.index(kind), list(FACE_COUNTS).index(split), index]
    build, style, place = (np.random.default_rng([*seed, stage]) for stage in range(3))
    light = _background(2 * size, place)
    face, look = Portrait(light, _pose(kind, build), style), look_of(kind, style)
    {"cat": _draw_cat, "dog": _draw_dog, "rabbit": _draw_rabbit}[kind](face, look, build)
    return develop(face.light, size, place, 1.2)


def _pose(kind: str, rng) -> Pose:
    zoom, low = FRAMES[kind]
    zoom *= rng.uniform(0.94, 1.08)
    x, y = rng.uniform(-0.1, 0.1), low + rng.uniform(-0.06, 0.06)
    roll, yaw, pitch = rng.uniform(-0.09, 0.09), rng.uniform(-0.2, 0.2), rng.uniform(-0.08, 0.1)
    return Pose(zoom, x, y, roll, yaw, pitch)


def _background(side: int, rng) -> np.ndarray:
    """Light [3, side, side] of something out of focus, with a few discs of light."""
    first, second = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))]
    place = (np.arange(side, dtype=np.float32) + np.float32(0.5)) / side
    clouds = fractal_noise(rng, (side, side), (2, 3), 3)
    amount = np.clip(0.9 * place[:, None] + 1.3 * (clouds - 0.5), 0, 1)
    light = mix(paint(first), paint(second), amount) * rng.uniform(0.85, 1.1)
    for _ in range(int(rng.integers(0, 7))):
        x, y = place - rng.uniform(0, 1), (place - rng.uniform(0, 0.8))[:, None]
        disc = np.clip(40 * (rng.uniform(0.03, 0.09) - np.sqrt(x * x + y * y)), 0, 1)
        light = mix(light, paint((244, 240, 226)), rng.uniform(0.08, 0.28) * disc)
    return light


def _draw_chest(face: Portrait, look: Look, head: np.ndarray, wide: float, top: float) -> None:
    """Shoulders and a bib, in the shadow of the head."""
    places = face.plane(-0.15)[0], face.v
    field = oval(places, 0, top + 0.2, 0.62 * wide, 0.9)
    field = union(oval(places, 0, top + 1, wide, 1), field, 0.3)
    bib = oval(places, 0, top + 0.7, 0.52, 0.85) + 0.1 * face.fur
    coat = mix(plain_coat(face, look), look.bib, 0.8 * band(bib, -0.05, 0.12))
    shadow = 0.6 * band(head, -0.45, 0.05)
    face.body(field, coat * (1 - shadow), 1.2 * np.maximum(field, 0), look.fray)


# ------------------------------------------------------------------------- cats


def _draw_cat(face: Portrait, look: Look, rng) -> None:
    """Pointed ears, almond eyes, whiskers."""
    cheeks, ears, eyes = rng.uniform(-0.05, 0.1), rng.uniform(-0.1, 0.1), rng.uniform(0.92, 1.1)
    skull, muzzle = mirrored((face.x, face.y)), mirrored(face.plane(1.15))
    head = oval(skull, 0.4, 0.3, 0.6 + cheeks, 0.46)
    head = union(oval(skull, 0, -0.05, 0.98, 0.82), head, 0.2)
    head = union(head, oval(muzzle, 0, 0.62, 0.3, 0.25), 0.2)
    _draw_chest(face, look, head, 1.1, 0.45)
    coat = plain_coat(face, look)
    _draw_cats_ears(face, look, coat, ears)

    pads = oval(muzzle, 0, 0.6, 0.2, 0.16)
    pads = union(oval(muzzle, 0.17, 0.4, 0.27, 0.2), pads, 0.05)
    relief = dome(head, 0.5, 0.75) + dome(oval(muzzle, 0, 0, 0.2, 0.5), 0.1, 0.2)
    relief += dome(pads, 0.13, 0.12) - dome(oval(skull, 0.42, -0.06, 0.3, 0.26), 0.06, 0.12)
    face.body(head, marked_coat(face, look, coat), relief, look.fray)
    slit = (rng.uniform(0.14, 0.38), 0.88)
    draw_eyes(face, Eye(0.42, -0.06, 0.25 * eyes, 0.2 * eyes, 0.22, slit, True), look.iris)
    draw_button(face, 1.15, 0.27, 0.12, look.nose)
    draw_mouth(face, 1.15, 0.36, 0.42, 0.15)
    draw_whiskers(face, 1.15, 0.42, rng)


def _draw_cats_ears(face: Portrait, look: Look, coat: np.ndarray, tall: float) -> None:
    """Two triangles, pink inside, with tufts of hair at the inner edge."""
    places = x, y = mirrored(face.plane(-0.1))
    tip = (0.8 + 0.4 * tall, -1.32 - tall)
    ear = triangle(places, ((0.16, -0.62), tip, (0.98, -0.2)), 0.05)
    inner = triangle(places, ((0.34, -0.62), (tip[0], tip[1] + 0.2), (0.84, -0.25)), 0.03)
    skin = paint(PINK) * (0.62 + 0.3 * band(y, -0.6, -1.2)) * (1 + 0.1 * face.fur)
    hollow = band(inner, -0.02, 0.1)
    tuft = band(0.9 * face.fur - 3 * x + 0.8 * y, -1.92, -1.32)
    colour = mix(ear_coat(face, look, coat), skin, 0.9 * hollow)
    colour = mix(colour, look.light * (0.85 + 0.2 * face.fur), 0.8 * hollow * tuft)
    face.body(ear, colour, dome(ear, 0.12, 0.2) - dome(inner, 0.05, 0.2), look.fray)


# ------------------------------------------------------------------------- dogs


def _draw_dog(face: Portrait, look: Look, rng) -> None:
    """Drooping ears, a muzzle, often a tongue."""
    skull, muzzle = mirrored((face.x, face.y)), mirrored(face.plane(1.45))
    head = union(oval(skull, 0, -0.15, 0.8, 0.86), oval(skull, 0.3, 0.3, 0.5, 0.48), 0.2)
    snout = union(oval(muzzle, 0, 0.42, 0.4, 0.46), oval(muzzle, 0.2, 0.5, 0.32, 0.32), 0.1)
    outline = union(head, snout, 0.15)
    _draw_chest(face, look, outline, 1.15, 0.5)

    plain = plain_coat(face, look)
    coat = marked_coat(face, look, plain)
    relief = dome(head, 0.5, 0.7) + dome(oval(skull, 0.34, -0.42, 0.22, 0.12), 0.05, 0.08)
    relief -= dome(oval(skull, 0.36, -0.2, 0.24, 0.22), 0.08, 0.1)
    face.body(head, coat, relief, look.fray)
    eyes = rng.uniform(0.9, 1.1)
    draw_eyes(face, Eye(0.36, -0.17, 0.165 * eyes, 0.15 * eyes, 0, (0.55, 0.55), False), look.iris)
    if rng.random() < 0.55:
        _draw_tongue(face, look, coat, rng.uniform(-0.1, 0.1))
    face.darken(0.25 * band(snout, -0.12, 0.02) * face.inside(head))
    pads = union(oval(muzzle, 0.19, 0.5, 0.27, 0.27), oval(muzzle, 0, 0.2, 0.3, 0.4), 0.1)
    face.body(snout, coat, dome(snout, 0.34, 0.4) + dome(pads, 0.1, 0.15), 0.6 * look.fray)
    draw_mouth(face, 1.45, 0.3, 0.52, 0.2)
    _draw_dogs_nose(face, look.nose)

    out, low = rng.uniform(-0.04, 0.08), rng.uniform(-0.08, 0.1)
    places = mirrored(face.plane(0.25))
    ear = oval(places, 0.97 + out, low - 0.02, 0.27, 0.62 + low, 0.12)
    ear = union(oval(places, 0.72, -0.55, 0.3, 0.3), ear, 0.3)
    face.darken(0.35 * band(ear, -0.15, 0) * face.inside(outline))
    colour = ear_coat(face, look, mix(plain, look.shade, 0.4))
    face.body(ear, colour, dome(ear, 0.22, 0.25), look.fray)


def _draw_tongue(face: Portrait, look: Look, coat: np.ndarray, lean: float) -> None:
    """The lower jaw, open, with the tongue out."""
    places = x, y = face.plane(1.45)
    jaw = oval(places, 0, 0.8, 0.3, 0.3)
    face.body(jaw, 0.8 * coat, dome(jaw, 0.15, 0.15), look.fray)
    face.cover(face.inside(oval(places, 0, 0.74, 0.24, 0.24), 0.04), paint((70, 30, 32)))
    tongue = oval(places, 0.5 * lean, 0.82, 0.16, 0.2)
    tongue = union(tongue, oval(places, lean, 0.98, 0.165, 0.17), 0.05)
    furrow = 1 - 0.35 * face.inside(0.012 - np.abs(x - 0.8 * lean), 0.03)
    pink = paint((226, 118, 120)) * (furrow * (0.6 + 0.45 * band(y, 0.7, 1)))
    face.cover(face.inside(tongue, 0.015), face.lit(pink, dome(tongue, 0.1, 0.08)))


def _draw_dogs_nose(face: Portrait, colour: np.ndarray) -> None:
    """A broad, wet nose with two nostrils."""
    face = face.part(-0.7, -0.4, 0.7, 0.8)
    places = face.plane(1.45)
    both = mirrored(places)
    nose = union(oval(both, 0.09, 0.2, 0.14, 0.13), oval(both, 0, 0.27, 0.12, 0.12), 0.06)
    face.darken(0.4 * face.inside(nose + 0.03, 0.06))
    face.cover(face.inside(nose, 0.015), face.lit(colour, dome(nose, 0.12, 0.1)))
    face.darken(0.8 * face.inside(oval(both, 0.1, 0.24, 0.05, 0.04, 0.5), 0.02))
    face.cover(0.5 * face.inside(oval(places, -0.06, 0.13, 0.08, 0.03), 0.03), np.float32(1))


# ------------------------------------------------------------------------- rabbits


def _draw_rabbit(face: Portrait, look: Look, rng) -> None:
    """Long upright ears, round cheeks, a small nose."""
    cheeks = rng.uniform(0.0, 0.1)
    skull, muzzle = mirrored((face.x, face.y)), mirrored(face.plane(1.2))
    head = oval(skull, 0.32, 0.28, 0.48 + cheeks, 0.46)
    head = union(oval(skull, 0, -0.08, 0.74, 0.78), head, 0.2)
    head = union(head, oval(muzzle, 0, 0.55, 0.3, 0.25), 0.2)
    _draw_chest(face, look, head, 1.05, 0.4)
    coat = plain_coat(face, look)
    _draw_rabbits_ears(face, look, coat, rng.uniform(0.0, 0.24), rng.uniform(-0.08, 0.04))

    relief = dome(head, 0.5, 0.65) + dome(oval(muzzle, 0, 0, 0.22, 0.5), 0.1, 0.2)
    relief += dome(oval(muzzle, 0.15, 0.4, 0.22, 0.19), 0.12, 0.12)
    face.body(head, marked_coat(face, look, coat), relief, look.fray)
    eyes, pupil = rng.uniform(0.9, 1.08), (0.62, 0.62)
    draw_eyes(face, Eye(0.46, -0.08, 0.17 * eyes, 0.19 * eyes, 0.05, pupil, False), look.iris)
    draw_button(face, 1.2, 0.28, 0.085, look.nose)
    draw_mouth(face, 1.2, 0.33, 0.42, 0.11)
    draw_whiskers(face, 1.2, 0.42, rng)


def _draw_rabbits_ears(face: Portrait, look: Look, coat, lean: float, tall: float) -> None:
    """Two long ovals, pink inside."""
    places = mirrored(face.plane(-0.1))
    x, y = 0.32 + 0.5 * lean, -1.12 - tall
    ear = oval(places, x, y, 0.25, 0.76 + tall, -lean)
    inner = oval(places, x, y + 0.04, 0.15, 0.62 + tall, -lean)
    skin = paint(PINK) * (0.7 + 0.3 * band(places[1], -0.6, -1.5)) * (1 + 0.1 * face.fur)
    colour = mix(ear_coat(face, look, coat), skin, 0.9 * band(inner, -0.01, 0.05))
    face.body(ear, colour, dome(ear, 0.12, 0.12) - dome(inner, 0.12, 0.08), 0.7 * look.fray)
