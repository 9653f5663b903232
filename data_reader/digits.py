"""MNIST's four files, and folders of single images."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from . import transforms
from .datasets import ImageDataset
from .errors import InputError
from .images import read_image

MAX_BYTES = 2**28  # a file that unpacks to more is not MNIST


class Digits(ImageDataset):
    """Digits of an idx file; items hold ``image``, float32 [C, size, size] in [-1, 1].

    ``images`` is uint8 [N, 28, 28], ``labels`` uint8 [N].
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        path: Path,
        *,
        size: int = 28,
        channels: int = 1,
    ):
        self.items, self.labels, self.path = images, labels, path
        self.size, self.channels = size, channels

    def item(self, index, rng):
        image = transforms.resize(self.items[index][:, :, None], self.size, self.size)
        return {"image": transforms.normalise(np.repeat(image, self.channels, axis=2))}

    def files(self, index, rng=None):
        return [f"{self.path} digit {index}"]

    def paths(self):
        return [(self.path.name, self.path)]

    def describe(self):
        return f"digits of {self.path.name}"


class Images(ImageDataset):
    """Single images of a folder; items hold ``image``, float32 [C, size, size] in [-1, 1].

    Images are resized to ``size`` pixels on the short side and cropped to the centre.
    """

    def __init__(self, paths: Sequence[Path], *, size: int, channels: int):
        self.items, self.channels = paths, channels
        self.load_size = self.crop_size = size
        self.crop_type, self.flip = "Center", False

    def item(self, index, rng):
        path = self.items[index]
        image = self.window(read_image(path, self.channels), str(path), rng)
        return {"image": transforms.normalise(image)}

    def paths(self):
        return [(path.name, path) for path in self.items]

    def describe(self):
        return f"images of {self.items[0].parent}"


def read_idx(path: Path) -> np.ndarray:
    """Read the uint8 array of an idx file, gzipped or not; InputError if it is no such file."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(MAX_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot unpack {path}: {error}; download it again") from error
    if len(data) < 4 or data[:3] != b"\0\0\x08" or not 1 <= data[3] <= 3:
        raise InputError(f"{path} is not an idx file of bytes, as MNIST's are")
    dims = data[3]
    shape = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(dims)]
    values = data[4 + 4 * dims :]
    if len(values) != np.prod(shape, dtype=object):
        raise InputError(f"{path} holds {len(values)} bytes, but its header says {shape}")
    return np.frombuffer(values, np.uint8).reshape(shape)


def read_digits(root: Path, *, train: bool, size: int, channels: int) -> Digits | None:
    """Read MNIST from the idx files under ``root``; None if there are none.

    Raises InputError if the labels are missing, or a file is damaged.
    """
    split = "train" if train else "t10k"
    images, labels = (
        next(iter(sorted(root.rglob(f"{split}-{what}*idx?-ubyte*"))), None)
        for what in ("images", "labels")
    )
    if images is None:
        return None
    if labels is None:
        raise InputError(f"{images} has no {split}-labels-idx1-ubyte.gz next to it")
    pixels, numbers = read_idx(images), read_idx(labels)
    if pixels.ndim != 3 or len(pixels) != len(numbers):
        raise InputError(
            f"{images} {list(pixels.shape)} and {labels} {list(numbers.shape)} do not match"
        )
    return Digits(pixels, numbers, images, size=size, channels=channels)
