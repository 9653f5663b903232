"""Accuracy of label maps: the class of each colour, and the share of correct pixels."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_reader.errors import InputError

MAX_CLASSES = 64  # of a palette that is taken from the truth; more are no flat colours
CHUNK = 2**15  # pixels whose distances to all colours are in memory at once


class Palette(NamedTuple):
    """The classes of a label map."""

    colours: np.ndarray  # uint8 [K, 3]
    names: Sequence[str]

    def classes(self, image: np.ndarray) -> np.ndarray:
        """Return the class of the nearest colour of each pixel, uint8 [H, W, 3] to int [H * W]."""
        pixels = image.reshape(-1, 3).astype(np.float32)
        colours = self.colours.astype(np.float32)
        squares = (colours**2).sum(axis=1)
        found = np.empty(len(pixels), np.int64)
        for start in range(0, len(pixels), CHUNK):
            part = slice(start, start + CHUNK)
            # |p - c|^2 without |p|^2, which is the same for every colour.
            found[part] = (squares - 2 * pixels[part] @ colours.T).argmin(axis=1)
        return found


def read_palette(path: str | os.PathLike) -> Palette:
    """Read a palette: ``R G B name`` a line; the name is optional, # begins a comment."""
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file"
        raise InputError(f"the palette {path} cannot be read: {reason}") from error
    colours, names = [], []
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split(maxsplit=3)
        if not words:
            continue
        if len(words) < 3 or not all(w.isdecimal() and int(w) < 256 for w in words[:3]):
            raise InputError(f"{path}, line {number}: give `R G B name`, e.g. 128 64 128 road")
        colours.append([int(word) for word in words[:3]])
        names.append(words[3].strip() if len(words) > 3 else " ".join(words[:3]))
    if len({tuple(c) for c in colours}) < max(2, len(colours)):
        raise InputError(f"the palette {path} needs two colours or more, and none of them twice")
    return Palette(np.array(colours, np.uint8), names)


def palette_of(maps: Iterable[np.ndarray]) -> Palette:
    """Return the colours of label maps, uint8 [H, W, 3] each."""
    codes: set[int] = set()
    for image in maps:
        seen = image.reshape(-1, 3).astype(np.int64) @ np.array([65536, 256, 1])
        codes.update(np.unique(seen).tolist())
        if len(codes) > MAX_CLASSES:
            raise InputError(
                f"the label maps hold more than {MAX_CLASSES} colours, as they do after JPEG; "
                "give the colours of the classes: --palette FILE with `R G B name` a line"
            )
    if len(codes) < 2:
        raise InputError("the label maps hold one colour; classes need two or more")
    colours = [[code >> 16, code >> 8 & 255, code & 255] for code in sorted(codes)]
    return Palette(np.array(colours, np.uint8), [" ".join(map(str, c)) for c in colours])


def confusion(palette: Palette, image: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Count pixels [K, K]: the truth's class down, the image's across."""
    count = len(palette.colours)
    both = palette.classes(truth) * count + palette.classes(image)
    return np.bincount(both, minlength=count * count).reshape(count, count)


def accuracies(counts: np.ndarray) -> dict[str, float]:
    """Per-pixel accuracy, per-class accuracy and mean IoU of a confusion matrix [K, K].

    The latter two are means over the classes that occur in the truth. Source: Long et al. 2015,
    section 5, which Isola et al. 2017 use for photo to labels.
    """
    right, of_truth = np.diag(counts).astype(np.float64), counts.sum(axis=1)
    occurs = of_truth > 0
    union = of_truth + counts.sum(axis=0) - right
    return {
        "pixel_accuracy": float(right.sum() / counts.sum()),
        "class_accuracy": float((right[occurs] / of_truth[occurs]).mean()),
        "class_iou": float((right[occurs] / union[occurs]).mean()),
    }
