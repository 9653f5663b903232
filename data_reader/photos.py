"""Photographs for colorization: lightness and colour of each, and how colourful they are."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from .colour import encode, rgb_to_lab
from .datasets import ImageDataset
from .errors import InputError
from .images import cv2, pixel_errors, read_file, read_header, read_image
from .output import STDERR

MAX_SCANNED = 200  # images that the statistics of a set are computed from
MAX_GREY_SPREAD = 2.4  # Lab units; grey photographs and their JPEG noise stay below
MAX_GREY_TINT = 17.0  # Lab units; yellowed paper stays below
THUMBNAIL = 32  # pixels of the longer side; averages out JPEG noise


class ColourStats(NamedTuple):
    """Statistics of a small version of an image."""

    chroma: float  # mean, in Lab units
    grey: bool


class Photos(ImageDataset):
    """Photographs as lightness and colour: the input and the target of colorization.

    Items hold ``l``, float32 [1, S, S] in [-1, 1] (L / 50 - 1), and ``ab``, [2, S, S] (ab / 110).
    Source: the colorization paper.

    Args:
        load_size: pixels of the short side; 0 keeps the size.
        crop_type: "Random", "Center" or "None" (the whole image).
        grey: "keep", or "skip", which scans all images and leaves the grey ones out.

    Raises:
        InputError: every image is grey; on reading an item that is unreadable or smaller than the
            crop.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        load_size: int = 256,
        crop_size: int = 256,
        crop_type: str = "Random",
        flip: bool = True,
        grey: str = "keep",
        what: str = "photographs",
    ):
        if grey not in ("keep", "skip"):
            raise InputError(f"--grey is keep or skip, not {grey!r}")
        self.items = paths
        self.load_size, self.crop_size, self.crop_type = load_size, crop_size, crop_type
        self.flip, self.what = flip, what
        self._stats: list[ColourStats | None] | None = None
        if grey == "skip":
            self._skip_grey()

    def read(self, index: int) -> np.ndarray:
        """Return the whole image as stored, uint8 [H, W, 3]."""
        return read_image(self.items[index])

    def item(self, index, rng):
        image = self.window(self.read(index), str(self.items[index]), rng)
        l, ab = encode(rgb_to_lab(image))  # noqa: E741
        return {"l": l, "ab": ab}

    def paths(self):
        return [(f"{path.parent.name}/{path.name}", path) for path in self.items]

    def limited(self, count):
        few = super().limited(count)
        few._stats = None
        return few

    def warnings(self):
        stats = self._scanned()
        grey = sum(image.grey for image in stats)
        if not grey:
            return []
        return [
            f"{grey} of {len(stats)} scanned images are grey, which teaches the network to leave "
            "colour out; --grey skip trains without them"
        ]

    def chroma_statistics(self) -> dict[str, float]:
        """Return the mean and percentiles of the images' mean chroma, in Lab units.

        And the share of ``grey`` images, and the number ``scanned``: at most ``MAX_SCANNED``,
        without the unreadable ones.
        """
        stats = self._scanned()
        chroma, grey = np.array(stats or [(0.0, 0.0)], np.float64).T
        percentiles = dict(zip(("p5", "p50", "p95"), np.percentile(chroma, (5, 50, 95))))
        return {
            "mean": chroma.mean(), **percentiles, "grey": grey.mean(), "scanned": len(stats)
        }  # fmt: skip

    def statistics(self):
        s = self.chroma_statistics()
        return [
            f"mean chroma {s['mean']:.1f}; 5th percentile {s['p5']:.1f}, median {s['p50']:.1f}, "
            f"95th percentile {s['p95']:.1f}",
            f"{s['grey']:.1%} grey, of {s['scanned']} scanned images",
        ]

    def _scanned(self) -> list[ColourStats]:
        if self._stats is None:
            count = min(MAX_SCANNED, len(self))
            spread = np.linspace(0, len(self) - 1, count).round().astype(int).tolist()
            self._stats = in_threads(read_colour_stats, [self.items[i] for i in spread])
        return [stats for stats in self._stats if stats is not None]

    def _skip_grey(self) -> None:
        stats = in_threads(read_colour_stats, self.items)
        kept = [i for i, image in enumerate(stats) if image is None or not image.grey]
        count = len(self) - len(kept)
        if self.items and not kept:
            raise InputError(f"all {count} {self.what} are grey; --grey keep trains on them")
        if count:
            self.what = f"{self.what}, {count} grey ones skipped"
        self.items = [self.items[i] for i in kept]
        self._stats = [stats[i] for i in kept]


def read_colour_stats(path: Path) -> ColourStats | None:
    """Return ``colour_stats`` of a file; None if unreadable. A large JPEG is decoded at 1/8."""
    try:
        data = read_file(Path(path))
        header = read_header(data)
        small = min(header.width, header.height) < 256
        if header.kind != "JPEG" or small or not header.complete:
            return colour_stats(read_image(path))
        with pixel_errors(f"cannot decode {path}"):
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_REDUCED_COLOR_8)
    except InputError:
        return None
    return None if pixels is None else colour_stats(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))


def colour_stats(rgb: np.ndarray) -> ColourStats:
    """Return the mean chroma of an image, uint8 [H, W, 3], and whether it is grey.

    In a grey image the colour follows from the lightness, as a slight tint of the paper does: 95 %
    of the pixels are within ``MAX_GREY_SPREAD`` of ab = p + q L + r L^2, fitted to the image, and
    95 % have less chroma than ``MAX_GREY_TINT``. (None of 300 photographs of BSDS500 is found
    grey; with the colour removed, noise added, yellowed by 5 to 15 % and saved as JPEG of quality
    40 to 95, all are.)
    """
    scale = THUMBNAIL / max(rgb.shape[:2])
    if scale < 1:
        size = [max(1, round(scale * side)) for side in rgb.shape[1::-1]]
        rgb = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    lab = rgb_to_lab(rgb).reshape(-1, 3)
    lightness, ab = lab[:, 0] / 100, lab[:, 1:]
    curve = np.stack([np.ones_like(lightness), lightness, lightness * lightness], axis=1)
    off = ab - curve @ np.linalg.lstsq(curve, ab, rcond=None)[0]
    chroma = np.hypot(*ab.T)
    tint, spread = np.percentile(chroma, 95), np.percentile(np.hypot(*off.T), 95)
    return ColourStats(
        float(chroma.mean()), bool(spread < MAX_GREY_SPREAD and tint < MAX_GREY_TINT)
    )


def in_threads(
    function: Callable[[Any], Any], values: Sequence[Any], what: str = "looking for grey"
) -> list[Any]:
    """Map a function over values in threads; shows a bar on a terminal after a second."""
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        done = pool.map(function, values)
        return list(tqdm(done, what, len(values), False, STDERR, disable=None, delay=1))
