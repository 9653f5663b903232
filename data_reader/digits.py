"""MNIST's four files, and folders of single pictures."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

import numpy as np

from . import transforms
from .datasets import ImageDataset
from .errors import InputError
from .images import read_image

MOST_BYTES = 2**28  # a file that unpacks to more is not MNIST


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
    """Single pictures of a folder; items hold ``image``, float32 [C, size, size] in [-1, 1].

    The short side is brought to ``size`` and the middle is cut out.
    """

    def __init__(self, paths: Sequence[Path], *, size: int, channels: int):
        self.items, self.size, self.channels = paths, size, channels

    def item(self, index, rng):
        path = self.items[index]
        image = transforms.short_side(read_image(path, self.channels), self.size)
        (image,) = transforms.crop([image], self.size, "Center", rng, str(path))
        return {"image": transforms.normalise(image)}

    def files(self, index, rng=None):
        return [str(self.items[index])]

    def paths(self):
        return [(path.name, path) for path in self.items]

    def describe(self):
        return f"pictures of {self.items[0].parent}"


def read_idx(path: Path) -> np.ndarray:
    """The uint8 array of an idx file, packed by gzip or not.

    Raises:
        InputError: it is no such file, or its length is not what its header says.
    """
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                data = file.read(MOST_BYTES)
        else:
            data = path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be unpacked: {error}; download it again") from error
    if len(data) < 4 or data[:3] != b"\0\0\x08" or not 1 <= data[3] <= 3:
        raise InputError(f"{path} is not an idx file of bytes, as MNIST's are")
    dims = data[3]
    shape = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(dims)]
    values = data[4 + 4 * dims :]
    if len(values) != np.prod(shape, dtype=object):
        raise InputError(f"{path} holds {len(values)} bytes where its header says {shape}")
    return np.frombuffer(values, np.uint8).reshape(shape)


def find_idx(root: Path, split: str, what: str) -> Optional[Path]:
    """MNIST's file of a split ("train", "t10k") and a kind ("images", "labels") under ``root``."""
    return next(iter(sorted(root.rglob(f"{split}-{what}*idx?-ubyte*"))), None)


def read_digits(root: Path, *, train: bool, size: int, channels: int) -> Optional[Digits]:
    """MNIST from the idx files under ``root``; None where there are none.

    Raises:
        InputError: the images are there and their labels are not, or a file is damaged.
    """
    split = "train" if train else "t10k"
    images = find_idx(root, split, "images")
    if images is None:
        return None
    labels = find_idx(root, split, "labels")
    if labels is None:
        raise InputError(f"{images} is there, but {split}-labels-idx1-ubyte.gz is not")
    pictures, numbers = read_idx(images), read_idx(labels)
    if pictures.ndim != 3 or len(pictures) != len(numbers):
        raise InputError(
            f"{images} {list(pictures.shape)} and {labels} {list(numbers.shape)} are not of one set"
        )
    return Digits(pictures, numbers, images, size=size, channels=channels)
