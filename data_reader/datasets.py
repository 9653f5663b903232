"""The data sets of the articles: ``paddle.io.Dataset``, one dict of arrays an item."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np

from . import framework

framework.import_paddle()
from paddle.io import Dataset  # noqa: E402

from . import transforms  # noqa: E402
from .errors import InputError  # noqa: E402
from .images import read_image  # noqa: E402
from .layout import Pair  # noqa: E402


class ImageDataset(Dataset):
    """Items that are read from files, as functions of (index, rng).

    ``__getitem__`` draws its random numbers from NumPy's global state, for ``paddle.io``'s loader;
    the trainer's loader calls ``item`` with random numbers that follow from the seed.
    """

    items: Sequence[Any]

    def item(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Item ``index`` as a dict of arrays."""
        raise NotImplementedError

    def files(self, index: int, rng=None) -> list[str]:
        """Names of the files behind item ``index``, with the same ``rng`` as ``item``."""
        raise NotImplementedError

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """The indices of one epoch, shuffled."""
        return rng.permutation(len(self))

    def paths(self) -> Sequence[tuple[str, Path]]:
        """Every file of the set as (name relative to its root, path)."""
        return ()

    def describe(self) -> str:
        """What the set is, in a few words."""
        return type(self).__name__

    def warnings(self) -> list[str]:
        """What a user should know of this data before training on it."""
        return []

    def statistics(self) -> list[str]:
        """Figures that --dry-run prints, one a line; finding them may take a few seconds."""
        return []

    def limited(self, count: int) -> ImageDataset:
        """The first ``count`` items alone."""
        few = copy.copy(self)
        few.items = self.items[:count]
        return few

    def fingerprint(self) -> dict[str, Any]:
        """What tells this data from other data: the count, and a hash of names and sizes."""
        digest = hashlib.sha256(self.describe().encode() if not self.paths() else b"")
        for name, path in sorted(self.paths()):
            try:
                size = path.stat().st_size
            except OSError as error:
                raise InputError(f"{path} cannot be read: {error.strerror}") from error
            digest.update(f"{name}\t{size}\n".encode())
        return {"items": len(self), "sha256": digest.hexdigest()}

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        return self.item(index, np.random.default_rng(np.random.randint(2**31)))


class Paired(ImageDataset):
    """Aligned pictures A and B, cropped and flipped together.

    Items hold ``a`` and ``b``, float32 [3, H, W] in [-1, 1]. ``load_size`` (pixels, 0: as they
    are) brings the short side to that length when ``keep_aspect``, else the picture to a square;
    ``crop_type`` is "Random", "Center", "None" or "Resize" (the whole picture at ``crop_size``).
    ``labels`` names the sides that hold label maps and are resized by nearest neighbour: "a",
    "b", "none", or "auto": decided by the first pair.

    Raises:
        InputError: on reading an item whose pictures cannot be read, differ in size, or are
            smaller than the crop.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        *,
        load_size: int = 256,
        crop_size: int = 224,
        crop_type: str = "Random",
        flip: bool = False,
        keep_aspect: bool = True,
        a_side: str = "left",
        labels: str = "auto",
        what: str = "pairs",
    ):
        self.items = pairs
        self.load_size, self.crop_size, self.crop_type = load_size, crop_size, crop_type
        self.flip, self.keep_aspect, self.a_side = flip, keep_aspect, a_side
        self.labels, self.what = labels, what
        self._interpolation: Optional[list[str]] = None

    def read(self, index: int) -> list[np.ndarray]:
        """The whole pictures A and B as they are stored, uint8 [H, W, 3] each."""
        pair = self.items[index]
        if pair.b is not None:
            return [read_image(pair.a), read_image(pair.b)]
        both = read_image(pair.a)
        width = both.shape[1]
        if width % 2:
            raise InputError(
                f"{pair.a} is {width} pixels wide, which two pictures side by side cannot be; "
                "put A and B into trainA/ and trainB/ with equal names instead"
            )
        halves = [both[:, : width // 2], both[:, width // 2 :]]
        return halves if self.a_side == "left" else halves[::-1]

    def item(self, index, rng):
        images = self.read(index)
        if self.crop_type == "Resize":
            images = self._resized(images, self.crop_size, keep_aspect=False)
        else:
            if self.load_size > 0:
                images = self._resized(images, self.load_size, self.keep_aspect)
            name = self.files(index)[0]
            images = transforms.crop(images, self.crop_size, self.crop_type, rng, name)
            if self.flip:
                images = transforms.flip(images, rng)
        a, b = (transforms.normalise(image) for image in images)
        return {"a": a, "b": b}

    def _resized(self, images, size, keep_aspect):
        if self._interpolation is None:  # decided once, by the first pair, for every worker alike
            if self.labels == "auto":
                flat = [transforms.looks_like_labels(image) for image in self.read(0)]
            else:
                flat = [self.labels == "a", self.labels == "b"]
            self._interpolation = ["nearest" if is_flat else "cubic" for is_flat in flat]
        resized = []
        for image, interpolation in zip(images, self._interpolation):
            if keep_aspect:
                resized.append(transforms.short_side(image, size, interpolation))
            else:
                resized.append(transforms.resize(image, size, size, interpolation))
        return resized

    def files(self, index, rng=None):
        pair = self.items[index]
        return [str(path) for path in (pair.a, pair.b) if path is not None]

    def paths(self):
        files = [(side, path) for pair in self.items for side, path in zip("ab", pair[:2]) if path]
        return [(f"{side}/{path.parent.name}/{path.name}", path) for side, path in files]

    def describe(self):
        return self.what

    def warnings(self):
        short = min(self.read(0)[0].shape[:2])
        if self.load_size in (0, short):
            return []
        return [
            f"the pictures' short side is {short} pixels and is resized to {self.load_size}; "
            "resizing blurs what a GAN learns, --load-size 0 crops them as they are"
        ]


class Unpaired(ImageDataset):
    """Pictures of two domains without partners: each A with a B that is drawn at random.

    Items hold ``a`` and ``b``, float32 [3, H, W] in [-1, 1], cropped and flipped each by itself.
    An epoch is as long as the larger domain. ``load_size`` brings the short side to that many
    pixels (0: as they are); ``crop_type`` is "Random" or "Center". Source: CycleGAN, section 4; the
    article's loader.

    Raises:
        InputError: on reading an item whose pictures cannot be read, or are smaller than the crop.
    """

    def __init__(
        self,
        a: Sequence[Path],
        b: Sequence[Path],
        *,
        load_size: int = 286,
        crop_size: int = 256,
        crop_type: str = "Random",
        flip: bool = True,
        what: str = "two folders",
    ):
        self.a, self.b = a, b
        self.items = range(max(len(a), len(b)))
        self.load_size, self.crop_size, self.crop_type = load_size, crop_size, crop_type
        self.flip, self.what = flip, what

    def read(self, side: str, index: int) -> np.ndarray:
        """Picture ``index`` of a side as it is stored, uint8 [H, W, 3]."""
        return read_image((self.a if side == "a" else self.b)[index])

    def item(self, index, rng):
        first, second = self.partners(index, rng)
        return {"a": self._window("a", first, rng), "b": self._window("b", second, rng)}

    def partners(self, index: int, rng: np.random.Generator) -> tuple[int, int]:
        """Which A and which B make item ``index``; without random crops, which never changes."""
        drawn = self.crop_type == "Random"
        second = int(rng.integers(len(self.b))) if drawn else index % len(self.b)
        return index % len(self.a), second

    def _window(self, side, index, rng):
        image = self.read(side, index)
        if self.load_size > 0:
            image = transforms.short_side(image, self.load_size)
        images = transforms.crop(
            [image], self.crop_size, self.crop_type, rng, self._name(side, index)
        )
        if self.flip:
            images = transforms.flip(images, rng)
        return transforms.normalise(images[0])

    def _name(self, side, index):
        return str((self.a if side == "a" else self.b)[index])

    def limited(self, count):
        few = copy.copy(self)
        few.a, few.b = self.a[:count], self.b[:count]
        few.items = range(max(len(few.a), len(few.b)))
        return few

    def files(self, index, rng=None):
        first, second = self.partners(index, rng or np.random.default_rng(0))
        return [self._name("a", first), self._name("b", second)]

    def paths(self):
        sides = (("a", self.a), ("b", self.b))
        return [(f"{side}/{path.name}", path) for side, paths in sides for path in paths]

    def describe(self):
        return f"{len(self.a)} A and {len(self.b)} B, {self.what}"

    def warnings(self):
        smallest = min(min(self.read(side, 0).shape[:2]) for side in "ab")
        if self.load_size <= smallest:
            return []
        return [
            f"pictures of {smallest} pixels are enlarged to {self.load_size}; with a smaller "
            "--crop-size they are not"
        ]


def without_randomness(dataset: ImageDataset) -> ImageDataset:
    """A training set as a test set would show it: centre crops, no flips, nothing drawn."""
    dataset = copy.copy(dataset)
    fixed = {"crop_type": "Center", "flip": False, "augment": False, "fixed": True}
    for name, value in fixed.items():
        if hasattr(dataset, name):
            setattr(dataset, name, value)
    return dataset
