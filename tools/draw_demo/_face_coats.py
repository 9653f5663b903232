"""What the drawn animals wear: colours and markings, which say nothing of species and pose."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._drawing import mix
from ._face_parts import Portrait, band, oval, paint, wave

# Base, shade and light of a coat, RGB.
COATS = {
    "ginger": ((204, 122, 56), (142, 70, 30), (246, 222, 190)),
    "grey": ((138, 140, 146), (76, 78, 86), (214, 216, 218)),
    "black": ((50, 46, 46), (30, 28, 30), (84, 78, 76)),
    "white": ((234, 230, 222), (200, 190, 178), (248, 246, 242)),
    "cream": ((226, 200, 162), (180, 140, 98), (248, 238, 220)),
    "brown": ((138, 98, 66), (72, 48, 34), (214, 186, 150)),
    "chocolate": ((96, 64, 48), (56, 38, 30), (158, 124, 100)),
    "fawn": ((192, 154, 108), (112, 80, 54), (238, 218, 188)),
}
WHITE, BLACK, GINGER = (240, 236, 228), (46, 42, 42), (204, 122, 56)
SEAL, TAN = (84, 62, 52), (196, 124, 66)
PINK = (222, 156, 148)


class Marking(NamedTuple):
    """A pattern, the coats that it stands on, its colours, and how far it dyes the ears."""

    coats: str
    tones: tuple
    ears: float = 0.0
    bib: bool = False  # the chest is white


MARKINGS = {
    "plain": Marking(" ".join(COATS), (WHITE,)),
    "tabby": Marking("ginger grey brown cream fawn", (BLACK,)),
    "blaze": Marking("ginger grey black brown chocolate fawn", (WHITE,), bib=True),
    "calico": Marking("ginger cream grey", (BLACK, (96, 70, 54)), ears=0.7, bib=True),
    "patch": Marking("white cream white grey", (BLACK, (150, 88, 48), (96, 64, 48)), ears=0.85),
    "spots": Marking("white cream white", (BLACK, (110, 72, 50), (110, 110, 116)), ears=0.85),
    "tan": Marking("black chocolate grey", (TAN, (222, 190, 150))),
    "mask": Marking("fawn cream ginger grey", (BLACK,), ears=0.8),
    "points": Marking("cream white fawn", (SEAL, (112, 112, 124)), ears=0.85),
}
# What a species wears, as often as it is named.
WARDROBES = {
    "cat": "tabby tabby tabby tabby plain plain blaze blaze blaze calico calico points patch",
    "dog": "plain plain blaze blaze patch patch tan tan mask spots",
    "rabbit": "plain plain blaze blaze blaze patch points spots tan",
}
IRISES = {
    "cat": ((150, 168, 62), (204, 158, 44), (96, 152, 96), (110, 168, 206), (190, 110, 40)),
    "dog": ((92, 56, 30), (64, 40, 26), (140, 92, 44), (92, 56, 30), (120, 164, 200)),
    "rabbit": ((62, 38, 26), (44, 30, 26), (96, 62, 40), (92, 112, 140)),
}
NOSES = {
    "cat": ((206, 134, 126), (52, 42, 42), (128, 80, 66)),
    "dog": ((48, 42, 44), (48, 42, 44), (48, 42, 44), (104, 70, 60)),
    "rabbit": ((206, 134, 126), (206, 134, 126), (150, 112, 104)),
}


class Look(NamedTuple):
    """How one animal is coloured; colours are light [3, 1, 1]."""

    base: np.ndarray
    shade: np.ndarray
    light: np.ndarray
    tone: np.ndarray  # of the marking
    bib: np.ndarray
    nose: np.ndarray
    iris: np.ndarray
    marking: str
    ears: float  # how far the tone dyes them
    spread: float  # 0..1: how far the marking reaches
    left: bool  # the side of a patch
    blots: list[tuple[float, float, float]]  # places and radii of spots
    fray: float  # length of the hairs on the outline, heads


def look_of(kind: str, rng) -> Look:
    """A look at random, among those that the species has."""

    def one_of(options):
        return options[int(rng.integers(len(options)))]

    name = one_of(WARDROBES[kind].split())
    marking = MARKINGS[name]
    coat = COATS[one_of(marking.coats.split())]
    bright, warm = rng.uniform(0.92, 1.03), rng.uniform(-0.02, 0.02)
    red, blue = bright * (1 + warm), bright * (1 - warm)
    base, shade, light = (paint((red * r, bright * g, blue * b)) for r, g, b in coat)
    tone = paint(one_of(marking.tones))
    nose, iris = paint(one_of(NOSES[kind])), paint(one_of(IRISES[kind]))
    blots = []
    for _ in range(int(rng.integers(10, 16))):
        blots.append((rng.uniform(-0.9, 0.9), rng.uniform(-0.8, 0.75), rng.uniform(0.06, 0.16)))
    return Look(
        *(base, shade, light, tone, paint(WHITE) if marking.bib else light),
        *(nose, iris, name, marking.ears, rng.random(), rng.random() < 0.5, blots),
        fray=rng.uniform(0.02, 0.05),
    )


def plain_coat(face: Portrait, look: Look) -> np.ndarray:
    """Colour [3, side, side] of fur without markings, mottled."""
    tone = 0.26 * face.fur + 0.9 * face.cloud(40)
    coat = mix(look.base, look.shade, 0.7 * np.clip(-tone, 0, 1))
    return mix(coat, look.light, 0.55 * np.clip(tone, 0, 1))


def marked_coat(face: Portrait, look: Look, coat: np.ndarray) -> np.ndarray:
    """Colour [3, side, side] of the face: the coat with the look's marking."""
    rough = 0.06 * face.fur + 0.5 * face.cloud(30, 100)  # hairs blur a marking's edge
    return _MARKS[look.marking](face, look, coat, rough)


def ear_coat(face: Portrait, look: Look, coat: np.ndarray) -> np.ndarray:
    """Colour of the ears' backs."""
    return mix(coat, look.tone * (1 + 0.25 * face.fur), look.ears)


def _dye(face: Portrait, look: Look, coat, field, soft: float = 0.06) -> np.ndarray:
    """The coat with the marking's tone inside a field."""
    return mix(coat, look.tone * (1 + 0.2 * face.fur), band(field, -0.5 * soft, 0.5 * soft))


def _plain(face, look, coat, rough):
    chin = oval((face.x, face.y), 0, 0.55, 0.5, 0.4) + 0.3 * rough
    return mix(coat, look.light, 0.55 * band(chin, -0.05, 0.15))


def _tabby(face, look, coat, rough):
    """Stripes up the forehead and across the cheeks, a light muzzle."""
    away, y = np.abs(face.x), face.y
    count = 2.6 + look.spread
    forehead = wave(away * count + 0.5 + 0.35 * rough + 0.12 * (y + 0.6))
    cheeks = wave((y - 0.35 * away) * 3.2 + 0.4 * rough)
    stripes = np.maximum(
        band(forehead, 0.5, 0.85) * band(y, -0.24, -0.44) * band(away, 0.8, 0.6),
        band(cheeks, 0.6, 0.9) * band(away, 0.56, 0.7) * band(y, -0.3, -0.1),
    )
    coat = mix(coat, look.shade * (1 + 0.2 * face.fur), 0.88 * stripes)
    muzzle = band(y + rough - 0.4 * away, 0.12, 0.42) * band(away, 0.62, 0.4)
    return mix(coat, look.light, 0.8 * muzzle)


def _white_below(face, look, coat, rough, top):
    """A white muzzle with a blaze of this half width on the brow, which ends in a point."""
    width = top * band(face.y, -0.85, -0.25) + 0.8 * np.maximum(face.y + 0.05, 0)
    white = paint(WHITE) * (1 + 0.12 * face.fur)
    return mix(coat, white, band(width + 0.4 * rough - np.abs(face.x), -0.03, 0.05))


def _blaze(face, look, coat, rough):
    return _white_below(face, look, coat, rough, 0.06 + 0.2 * look.spread)


def _calico(face, look, coat, rough):
    """Ginger on one half of the brow, dark on the other, white below."""
    x = -face.x if look.left else face.x
    coat = _dye(face, look, coat, oval((x, face.y), 0.55, -0.25, 0.62, 0.72) + 0.5 * rough)
    ginger = oval((x, face.y), -0.6, -0.3, 0.5 + 0.2 * look.spread, 0.6) + 0.5 * rough
    coat = mix(coat, paint(GINGER) * (1 + 0.2 * face.fur), band(ginger, -0.03, 0.03))
    return _white_below(face, look, coat, rough, 0.03)


def _patch(face, look, coat, rough):
    """A dark patch around one eye."""
    x, size = (-face.x if look.left else face.x), 0.36 + 0.12 * look.spread
    return _dye(face, look, coat, oval((x, face.y), 0.46, -0.18, size, 1.25 * size) + 0.75 * rough)


def _spots(face, look, coat, rough):
    field = np.float32(-1)
    for x, y, radius in look.blots:
        field = np.maximum(field, oval((face.x, face.y), x, y, radius, radius))
    return _dye(face, look, coat, field + 0.5 * rough, 0.05)


def _tan(face, look, coat, rough):
    """Light brows, muzzle and cheeks."""
    away, y = np.abs(face.x), face.y
    field = oval((away, y), 0.3, -0.43, 0.13, 0.1)
    for x, down, wide, tall in ((0.16, 0.5, 0.42, 0.34), (0.62, 0.4, 0.3, 0.3)):
        field = np.maximum(field, oval((away, y), x, down, wide, tall))
    return _dye(face, look, coat, field + 0.2 * rough)


def _mask(face, look, coat, rough):
    """A dark muzzle and dark eyes."""
    away, size = np.abs(face.x), 0.5 + 0.14 * look.spread
    field = oval((away, face.y), 0.38, -0.12, 0.26, 0.24)
    field = np.maximum(field, oval((face.x, face.y), 0, 0.36, size, size)) + 0.3 * rough
    return _dye(face, look, coat, field, 0.15)


def _points(face, look, coat, rough):
    """A face that darkens towards its middle."""
    size = 0.7 + 0.2 * look.spread
    field = oval((face.x, face.y), 0, 0.2, size, size) + 0.3 * rough - 0.14
    return _dye(face, look, coat, field, 0.4)


_MARKS = {
    "plain": _plain, "tabby": _tabby, "blaze": _blaze, "calico": _calico, "patch": _patch,
    "spots": _spots, "tan": _tan, "mask": _mask, "points": _points,
}  # fmt: skip
