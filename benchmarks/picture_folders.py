"""Folders of random pictures in every model's layout, for the benchmarks that read."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data_reader.images import write_image

# The folders of each layout; aligned pairs stand side by side in one picture.
FOLDERS = {
    "dcgan": [""],
    "pix2pix": ["train"],
    "cyclegan": ["trainA", "trainB"],
    "stargan_v2": ["train/cat", "train/dog", "train/wild"],
    "colorization": ["train"],
}


def photograph(number: int, side: int, wide: int = 1) -> np.ndarray:
    """A picture [side, wide * side, 3] with structure at every scale, as photographs have it."""
    rng, result = np.random.default_rng(number), np.zeros((side, side * wide, 3))
    size = 4
    while size <= side:
        noise = rng.standard_normal((size, size * wide, 3))
        times = -(-side // size)
        result += noise.repeat(times, 0).repeat(times, 1)[:side, : side * wide] / size**0.5
        size *= 4
    return np.clip(128 + 40 * result, 0, 255).astype("uint8")


def make(model: str, root: Path, count: int, side: int, *, links: bool = False) -> Path:
    """``count`` JPEGs of ``side`` pixels in each folder that the model wants; returns the root.

    With ``links`` all but a few are hard links to those: names without the bytes.
    """
    for folder in FOLDERS[model]:
        place = root / folder
        place.mkdir(parents=True, exist_ok=True)
        for i in range(min(count, 16) if links else count):
            write_image(place / f"{i:06d}.jpg", photograph(i, side, 2 if model == "pix2pix" else 1))
        for i in range(16, count if links else 0):
            os.link(place / f"{i % 16:06d}.jpg", place / f"{i:06d}.jpg")
    return root
