"""Label maps: which class a colour stands for, and how many pixels have the right one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Union

import numpy as np

from data_reader.errors import InputError

MOST_CLASSES = 64  # of a palette that is taken from the truth; more are no flat colours
STRIP = 2**15  # pixels whose distances to all colours are in memory at once


class Palette(NamedTuple):
    """A label map's classes."""

    colours: np.ndarray  # uint8 [K, 3]
    names: Sequence[str]

    def classes(self, picture: np.ndarray) -> np.ndarray:
        """The class of each pixel: that of the nearest colour. uint8 [H, W, 3] to int [H * W]."""
        pixels = picture.reshape(-1, 3).astype(np.float32)
        colours = self.colours.astype(np.float32)
        squares = (colours**2).sum(axis=1)
        found = np.empty(len(pixels), np.int64)
        for start in range(0, len(pixels), STRIP):
            part = slice(start, start + STRIP)
            # |p - c|^2 without |p|^2, which is the same for every colour.
            found[part] = (squares - 2 * pixels[part] @ colours.T).argmin(axis=1)
        return found


def read_palette(path: Union[str, os.PathLike]) -> Palette:
    """Read a palette: ``R G B name`` a line, the name may be left out; # begins a comment.

    Raises:
        InputError: it cannot be read, or a line is something else.
    """
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
            raise InputError(f"{path}, line {number}: a class is `R G B name`, 128 64 128 road say")
        colours.append([int(word) for word in words[:3]])
        names.append(words[3].strip() if len(words) > 3 else " ".join(words[:3]))
    if len({tuple(c) for c in colours}) < max(2, len(colours)):
        raise InputError(f"the palette {path} needs two colours or more, and none of them twice")
    return Palette(np.array(colours, np.uint8), names)


def palette_of(maps: Iterable[np.ndarray]) -> Palette:
    """The colours that occur in label maps, uint8 [H, W, 3] each.

    Raises:
        InputError: there is only one, or more than ``MOST_CLASSES``.
    """
    codes: set[int] = set()
    for picture in maps:
        seen = picture.reshape(-1, 3).astype(np.int64) @ np.array([65536, 256, 1])
        codes.update(np.unique(seen).tolist())
        if len(codes) > MOST_CLASSES:
            raise InputError(
                f"the label maps hold more than {MOST_CLASSES} colours, as they do after JPEG; "
                "name the classes' colours: --palette FILE with `R G B name` a line"
            )
    if len(codes) < 2:
        raise InputError("the label maps hold one colour; classes need two or more")
    colours = [[code >> 16, code >> 8 & 255, code & 255] for code in sorted(codes)]
    return Palette(np.array(colours, np.uint8), [" ".join(map(str, c)) for c in colours])


def confusion(palette: Palette, picture: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Counts of pixels [K, K]: the truth's class down, the picture's across."""
    count = len(palette.colours)
    both = palette.classes(truth) * count + palette.classes(picture)
    return np.bincount(both, minlength=count * count).reshape(count, count)


def accuracies(counts: np.ndarray) -> dict[str, float]:
    """Per-pixel and per-class accuracy, and mean IoU, of a confusion matrix [K, K].

    The latter two are means over the classes that occur in the truth. Source: Long et al. 2015,
    section 5, by which Isola et al. 2017 judge photo to labels.
    """
    right, of_truth = np.diag(counts).astype(np.float64), counts.sum(axis=1)
    there = of_truth > 0
    union = of_truth + counts.sum(axis=0) - right
    return {
        "pixel_accuracy": float(right.sum() / counts.sum()),
        "class_accuracy": float((right[there] / of_truth[there]).mean()),
        "class_iou": float((right[there] / union[there]).mean()),
    }
