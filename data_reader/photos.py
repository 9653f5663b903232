"""Photographs for colorization: lightness and colour of each, and how colourful they are."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Optional

import numpy as np
from tqdm import tqdm

from . import transforms
from ._headers import read_header
from ._opencv import cv2
from .colour import encode, rgb_to_lab
from .datasets import ImageDataset
from .errors import InputError
from .images import MAX_PIXELS, read_image

SCANNED = 200  # pictures that are looked at for the statistics of a set
GREY_SPREAD = 2.4  # Lab units; grey photographs and their JPEG noise stay below, see `colour_stats`
GREY_TINT = 17.0  # Lab units; paper that has yellowed stays below
THUMBNAIL = 32  # pixels of the longer side; averages over the noise that JPEG has


class ColourStats(NamedTuple):
    """What a look at a small version of a picture tells."""

    chroma: float  # the mean, in Lab units
    grey: bool


class Photos(ImageDataset):
    """Photographs as lightness and colour: what colorization sees, and what it is to give.

    Items hold ``l``, float32 [1, S, S] in [-1, 1] (L / 50 - 1), and ``ab``, [2, S, S] (ab / 110).
    ``load_size`` (pixels, 0: as they are) brings the short side to that length, ``crop_type`` is
    "Random", "Center" or "None" (the whole picture). ``grey`` is "keep", or "skip", which looks at
    every picture and leaves the grey ones out. Source: the colorization article.

    Raises:
        InputError: every picture is grey; on reading an item that cannot be read or is smaller
            than the crop.
    """

    def __init__(
        self,
        paths: Sequence[Any],
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
        self._looks: Optional[list[Optional[ColourStats]]] = None
        if grey == "skip":
            self._leave_out_grey()

    def read(self, index: int) -> np.ndarray:
        """The whole picture as it is stored, uint8 [H, W, 3]."""
        return read_image(self.items[index])

    def colour_stats(self, index: int) -> Optional[ColourStats]:
        """Whether the picture is grey, and how colourful; None where it cannot be read."""
        return read_colour_stats(self.items[index])

    def item(self, index, rng):
        image = self.read(index)
        if self.load_size > 0:
            image = transforms.short_side(image, self.load_size)
        name = self.files(index)[0]
        images = transforms.crop([image], self.crop_size, self.crop_type, rng, name)
        if self.flip:
            images = transforms.flip(images, rng)
        l, ab = encode(rgb_to_lab(images[0]))  # noqa: E741
        return {"l": l, "ab": ab}

    def files(self, index, rng=None):
        return [str(self.items[index])]

    def paths(self):
        return [(f"{path.parent.name}/{path.name}", path) for path in self.items]

    def describe(self):
        return self.what

    def limited(self, count):
        few = super().limited(count)
        few._looks = None
        return few

    def warnings(self):
        looks = self._looked_at()
        grey = sum(look.grey for look in looks)
        if not grey:
            return []
        return [
            f"{grey} of the {len(looks)} pictures that were looked at are grey, which teaches a "
            "network to leave the colour out; --grey skip trains without them"
        ]

    def chroma_statistics(self) -> dict[str, float]:
        """Chroma of the pictures in Lab units, over at most ``SCANNED`` of them.

        ``mean``, ``p5``, ``p50`` and ``p95`` (percentiles) of the pictures' mean chroma, the share
        of ``grey`` ones, and how many were ``scanned``. Pictures that cannot be read do not count.
        """
        looks = self._looked_at()
        chroma = [look.chroma for look in looks] or [0.0]
        low, middle, high = (float(value) for value in np.percentile(chroma, (5, 50, 95)))
        return {
            "mean": float(np.mean(chroma)),
            "p5": low,
            "p50": middle,
            "p95": high,
            "grey": float(np.mean([look.grey for look in looks] or [0.0])),
            "scanned": len(looks),
        }

    def statistics(self):
        s = self.chroma_statistics()
        return [
            f"chroma {s['mean']:.1f} in the mean; of the pictures 5 % are below {s['p5']:.1f}, "
            f"half below {s['p50']:.1f}, 95 % below {s['p95']:.1f}",
            f"{s['grey']:.1%} grey, of {s['scanned']} pictures looked at",
        ]

    def _looked_at(self) -> list[ColourStats]:
        if self._looks is None:
            count = min(SCANNED, len(self))
            spread = np.linspace(0, len(self) - 1, count).round().astype(int).tolist()
            self._looks = in_threads(self.colour_stats, spread)
        return [look for look in self._looks if look is not None]

    def _leave_out_grey(self) -> None:
        looks = in_threads(self.colour_stats, range(len(self)))
        kept = [i for i, look in enumerate(looks) if look is None or not look.grey]
        count = len(self) - len(kept)
        if self.items and not kept:
            raise InputError(f"all {count} {self.what} are grey; --grey keep trains on them")
        if count:
            self.what = f"{self.what}, {count} grey ones left out"
        self.items = [self.items[i] for i in kept]
        self._looks = [looks[i] for i in kept]


def find_grey(paths: Sequence[Path]) -> np.ndarray:
    """Which of these pictures are grey, bool [N]; False where one cannot be read."""
    looks = in_threads(read_colour_stats, paths)
    return np.array([look is not None and look.grey for look in looks], bool)


def read_colour_stats(path: Path) -> Optional[ColourStats]:
    """``colour_stats`` a file, decoded at an eighth where it is large; None: it cannot be read."""
    try:
        data = Path(path).read_bytes()
    except OSError:
        return None
    header = read_header(data)
    if not data or not header.complete or header.width * header.height > MAX_PIXELS:
        return None
    large = min(header.width, header.height) >= 256
    try:
        mode = cv2.IMREAD_REDUCED_COLOR_8 if large else cv2.IMREAD_COLOR
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), mode)
    except cv2.error:
        return None
    return None if pixels is None else colour_stats(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB))


def colour_stats(rgb: np.ndarray) -> ColourStats:
    """Mean chroma of a picture, uint8 [H, W, 3], and whether it is grey.

    Grey is one whose colour follows from its lightness, as a slight tint of the paper does: of the
    pixels, 95 % are within ``GREY_SPREAD`` of ab = p + q L + r L^2, fitted to the picture, and
    95 % have less chroma than ``GREY_TINT``. (Of 300 photographs of BSDS500 that calls none grey;
    made grey, with noise, yellowed by 5 to 15 %, as JPEG of quality 40 to 95, all.)
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
    return ColourStats(float(chroma.mean()), bool(spread < GREY_SPREAD and tint < GREY_TINT))


def in_threads(function, values: Iterable[Any]) -> list[Any]:
    """``[function(value) for value in values]``, in threads; a bar on a terminal if it is long."""
    values = list(values)
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        done = pool.map(function, values)
        return list(tqdm(done, "looking for grey", len(values), False, disable=None, delay=1))
