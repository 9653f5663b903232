"""Show images in many styles: grids, strips and interpolations between styles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data_reader.transforms import resize
from paddle_gans.training.panels import grid

MAX_SHOWN = 12  # sources, references, or random styles of a domain, in one grid
STRIP_STEPS = 8  # from one style to the next
CHANGE_FRAMES = 48  # of a video, from one style to the next
FPS = 24


class Row(NamedTuple):
    """A source and its results, uint8 [S, S, 3]."""

    name: str
    source: np.ndarray
    results: list[np.ndarray]


def thumbnail(image: np.ndarray, size: int) -> np.ndarray:
    """Fit an image, uint8 [H, W, 3 or 4], into a black square [size, size, 3], without alpha."""
    rgb = image[..., :3]
    scale = size / max(rgb.shape[:2])
    height, width = (max(1, round(side * scale)) for side in rgb.shape[:2])
    top, left = (size - height) // 2, (size - width) // 2
    square = np.zeros((size, size, 3), np.uint8)
    square[top : top + height, left : left + width] = resize(rgb, width, height)
    return square


def latent_grid(rows: Sequence[Row], captions: Sequence[str]) -> np.ndarray:
    """Draw sources down and random styles across."""
    columns = [(caption, [row.results[i] for row in rows]) for i, caption in enumerate(captions)]
    return grid([("source", [row.source for row in rows]), *columns])


def reference_grid(rows: Sequence[Row], references: Sequence[np.ndarray]) -> np.ndarray:
    """Draw sources across and references down."""
    blank = np.zeros_like(rows[0].source)
    columns = [(row.name, [row.source, *row.results]) for row in rows]
    return grid([("reference", [blank, *references]), *columns])


def strip(row: Row, captions: Sequence[str]) -> np.ndarray:
    """Draw the interpolations between neighbouring styles, one below the other.

    The results of the row are those of ``between(styles, STRIP_STEPS)``.
    """
    lines = []
    for i, (first, last) in enumerate(zip(captions, captions[1:])):
        parts = [f"{100 * step / STRIP_STEPS:.0f} %" for step in range(1, STRIP_STEPS)]
        results = row.results[i * STRIP_STEPS : (i + 1) * STRIP_STEPS + 1]
        columns = [(caption, [x]) for caption, x in zip([first, *parts, last], results)]
        lines.append(grid([(row.name, [row.source]), *columns]))
    return np.concatenate(lines)


def between(styles: np.ndarray, steps: int) -> np.ndarray:
    """Interpolate linearly between neighbouring styles [K, D] in ``steps`` equal steps."""
    parts = [blend(a, b, np.arange(steps) / steps) for a, b in zip(styles, styles[1:])]
    return np.concatenate([*parts, styles[-1:]])


def round_trip(styles: np.ndarray) -> np.ndarray:
    """Return one style per video frame: from each style to the next, and back to the first.

    Each change eases in and out.
    """
    part = np.arange(CHANGE_FRAMES) / CHANGE_FRAMES
    eased = part * part * (3 - 2 * part)
    return np.concatenate([blend(a, b, eased) for a, b in zip(styles, np.roll(styles, -1, axis=0))])


def blend(first: np.ndarray, last: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Interpolate between two styles: [N, D] for parts [N] from 0 (first) to 1 (last)."""
    return (first + parts[:, None] * (last - first)).astype(np.float32)
