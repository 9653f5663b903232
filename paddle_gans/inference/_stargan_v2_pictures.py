"""Pictures and videos about styles: grids of sources and styles, and ways from style to style."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data_reader.transforms import normalise, resize
from paddle_gans.training import panels

SHOWN = 12  # sources, references, or drawn styles of a domain, that a grid has room for
STRIP_STEPS = 8  # from one style to the next
CHANGE_FRAMES = 48  # of a video, from one style to the next
FPS = 24


class Row(NamedTuple):
    """What a grid shows of one source: itself and its results, uint8 [S, S, 3]."""

    name: str
    source: np.ndarray
    results: list[np.ndarray]


def thumbnail(picture: np.ndarray, size: int) -> np.ndarray:
    """A picture, uint8 [H, W, 3 or 4], as a whole on a black square [size, size, 3], no alpha."""
    rgb = picture[..., :3]
    scale = size / max(rgb.shape[:2])
    height, width = (max(1, round(side * scale)) for side in rgb.shape[:2])
    top, left = (size - height) // 2, (size - width) // 2
    square = np.zeros((size, size, 3), np.uint8)
    square[top : top + height, left : left + width] = resize(rgb, width, height)
    return square


def grid(columns: Sequence[tuple[str, Sequence[np.ndarray]]]) -> np.ndarray:
    """Columns of squares of one size, uint8, each under its caption."""
    return np.concatenate(
        [
            panels.grid({caption: np.stack([normalise(square) for square in squares])})
            for caption, squares in columns
        ],
        axis=1,
    )


def latent_grid(rows: Sequence[Row], captions: Sequence[str]) -> np.ndarray:
    """Sources down, drawn styles across."""
    columns = [(caption, [row.results[i] for row in rows]) for i, caption in enumerate(captions)]
    return grid([("source", [row.source for row in rows]), *columns])


def reference_grid(rows: Sequence[Row], references: Sequence[np.ndarray]) -> np.ndarray:
    """Sources across, references down."""
    blank = np.zeros_like(rows[0].source)
    columns = [(row.name, [row.source, *row.results]) for row in rows]
    return grid([("reference", [blank, *references]), *columns])


def strip(row: Row, captions: Sequence[str]) -> np.ndarray:
    """The ways between neighbouring styles, one below the other.

    The results of the row are those of ``between(styles, STRIP_STEPS)``.
    """
    ways = []
    for i, (first, last) in enumerate(zip(captions, captions[1:])):
        parts = [f"{100 * step / STRIP_STEPS:.0f} %" for step in range(1, STRIP_STEPS)]
        shown = row.results[i * STRIP_STEPS : (i + 1) * STRIP_STEPS + 1]
        squares = [(caption, [square]) for caption, square in zip([first, *parts, last], shown)]
        ways.append(grid([(row.name, [row.source]), *squares]))
    return np.concatenate(ways)


def between(styles: np.ndarray, steps: int) -> np.ndarray:
    """The styles [K, D] and ``steps`` - 1 between neighbours, in equal steps on straight lines."""
    ways = [blend(a, b, np.arange(steps) / steps) for a, b in zip(styles, styles[1:])]
    return np.concatenate([*ways, styles[-1:]])


def round_trip(styles: np.ndarray) -> np.ndarray:
    """The styles of a video's frames: from each to the next, at last to the first again.

    Each change begins and ends gently.
    """
    part = np.arange(CHANGE_FRAMES) / CHANGE_FRAMES
    eased = part * part * (3 - 2 * part)
    return np.concatenate([blend(a, b, eased) for a, b in zip(styles, np.roll(styles, -1, axis=0))])


def blend(first: np.ndarray, last: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Styles [N, D] on the straight line from one style to another; 0 is the first, 1 the last."""
    return (first + parts[:, None] * (last - first)).astype(np.float32)
