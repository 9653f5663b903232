"""The data sets: ``paddle.io.Dataset``, one dict of arrays per item."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from . import framework

framework.import_paddle()
from paddle.io import Dataset  # noqa: E402

from . import transforms  # noqa: E402
from .errors import InputError  # noqa: E402
from .images import JPEG_SUFFIXES, file_size, read_image  # noqa: E402
from .layout import Pair  # noqa: E402

SAMPLES = 8  # items that show what a set holds
MAX_CLASS_ID = 50


class ImageDataset(Dataset):
    """Items that are read from files, as functions of (index, rng).

    ``__getitem__`` uses NumPy's global random state, for ``paddle.io``'s loader; the trainer's
    loader calls ``item`` with a generator that follows from the seed.
    """

    items: Sequence[Any]
    load_size: int  # these are used by ``window`` alone
    crop_size: int
    crop_type: str
    flip: bool

    def item(self, index: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return item ``index`` as a dict of arrays."""
        raise NotImplementedError

    def window(self, image: np.ndarray, name: str, rng: np.random.Generator) -> np.ndarray:
        """Resize, crop and flip one image, as ``load_size``, ``crop_type`` and so on say."""
        if self.load_size > 0:
            image = transforms.short_side(image, self.load_size, name=name)
        images = transforms.crop([image], self.crop_size, self.crop_type, rng, name)
        return (transforms.flip(images, rng) if self.flip else images)[0]

    def files(self, index: int, rng: np.random.Generator | None = None) -> list[str]:
        """Return the names of the files that ``item`` reads with the same ``rng``."""
        return [str(self.items[index])]

    def order(self, rng: np.random.Generator) -> np.ndarray:
        """Return the indices of one epoch, shuffled."""
        return rng.permutation(len(self))

    def paths(self) -> Sequence[tuple[str, Path]]:
        """Return every file of the set as (name relative to its root, path)."""
        return ()

    def describe(self) -> str:
        """Return a short description."""
        return getattr(self, "what", type(self).__name__)

    def warnings(self) -> list[str]:
        """Return what a user should know before training on this data."""
        return []

    def statistics(self) -> list[str]:
        """Return lines for --dry-run; may take a few seconds."""
        return []

    def limited(self, count: int) -> ImageDataset:
        """Return the first ``count`` items."""
        few = copy.copy(self)
        few.items = self.items[:count]
        return few

    def fingerprint(self, bad: dict[str, None] | None = None) -> dict[str, Any]:
        """Return the number of items and a hash of names and sizes, which identify the data.

        ``bad`` collects what is wrong with files, instead of raising InputError.
        """
        digest = hashlib.sha256(self.describe().encode() if not self.paths() else b"")
        for name, path in sorted(self.paths()):
            try:
                size = file_size(path)
            except InputError as error:
                if bad is None:
                    raise
                bad[str(error)], size = None, -1
            digest.update(os.fsencode(f"{name}\t{size}\n"))  # a name need not be UTF-8
        return {"items": len(self), "sha256": digest.hexdigest()}

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        return self.item(index, np.random.default_rng(np.random.randint(2**31)))


class Paired(ImageDataset):
    """Aligned images A and B, cropped and flipped together.

    Items hold ``a`` and ``b``, float32 [3, H, W] in [-1, 1].

    Args:
        load_size: pixels of the short side, or of both sides without ``keep_aspect``; 0 keeps the
            size.
        crop_type: "Random", "Center", "None" or "Resize" (the whole image at ``crop_size``).
        labels: sides that hold label maps, resized by nearest neighbour: "a", "b", "none", or
            "auto" (see ``label_votes``).

    Raises:
        InputError: on reading an item whose images are unreadable, differ in size, or are smaller
            than the crop.
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
        self._votes: list[tuple[int, int]] | None = None

    def read(self, index: int) -> list[np.ndarray]:
        """Return the whole images A and B as stored, uint8 [H, W, 3] each."""
        pair = self.items[index]
        if pair.b is not None:
            return [read_image(pair.a), read_image(pair.b)]
        both = read_image(pair.a)
        width = both.shape[1]
        if width % 2:
            raise InputError(
                f"{pair.a} is {width} pixels wide, which cannot be two images side by side; put A "
                "and B into trainA/ and trainB/ with equal names"
            )
        halves = [both[:, : width // 2], both[:, width // 2 :]]
        return halves if self.a_side == "left" else halves[::-1]

    def item(self, index, rng):
        images = self.read(index)
        names = 2 * self.files(index)  # one file may hold both sides
        whole = self.crop_type == "Resize"
        size = self.crop_size if whole else self.load_size
        if size > 0:
            labels = self.label_sides()
            ways = ["nearest" if side in labels else "cubic" for side in "ab"]
            shapes = [(size, size)] * 2
            if self.keep_aspect and not whole:
                shapes = transforms.common_shape(images, size)
            resizes = zip(images, shapes, ways, names)
            images = [transforms.resize(x, *shape, how, name) for x, shape, how, name in resizes]
        how = "None" if whole else self.crop_type
        images = transforms.crop(images, self.crop_size, how, rng, names[0])
        if self.flip:
            images = transforms.flip(images, rng)
        a, b = map(transforms.normalise, images)
        return {"a": a, "b": b}

    def label_sides(self) -> str:
        if self.labels != "auto":
            return {"none": ""}.get(self.labels, self.labels)
        return "".join(side for side, (yes, of) in zip("ab", self.label_votes()) if 2 * yes > of)

    def label_votes(self) -> list[tuple[int, int]]:
        """Return, for each side, how many sampled images look like label maps, and of how many.

        Blank images do not vote: a photograph that is all white has one colour too.
        """
        if self._votes is None:  # the same for all workers
            self._votes = []
            for images in zip(*samples(self.read, len(self))):
                shown = [image for image in images if (image != image[0, 0]).any()]
                self._votes.append((sum(map(transforms.looks_like_labels, shown)), len(shown)))
        return self._votes

    def files(self, index, rng=None):
        pair = self.items[index]
        return [str(path) for path in (pair.a, pair.b) if path is not None]

    def paths(self):
        files = [(side, path) for pair in self.items for side, path in zip("ab", pair[:2]) if path]
        return [(f"{side}/{path.parent.name}/{path.name}", path) for side, path in files]

    def warnings(self):
        sides = list(zip(*samples(self.read, len(self))))
        found = [text for side, images in zip("AB", sides) for text in dark(side, images)]
        short = min(sides[0][0].shape[:2])
        if self.load_size in (0, short):
            return found
        if self.labels == "auto":
            for side, (yes, of) in zip("AB", self.label_votes()):
                if yes:
                    how = "label maps, resized by nearest neighbour"
                    how = how if 2 * yes > of else "photographs, resized smoothly"
                    found.append(
                        f"side {side} is taken for {how}: {yes} of {of} sampled images look like "
                        "label maps; --labels a, b or none decides otherwise"
                    )
            jpeg = any(path.suffix.lower() in JPEG_SUFFIXES for _, path in self.paths())
            if jpeg and not any(yes for yes, _ in self.label_votes()):
                found.append(
                    "no side is taken for label maps; those stored as JPEG are not recognised, so "
                    "name their side with --labels a or b"
                )
        return [
            *found,
            f"the images' short side of {short} pixels is resized to {self.load_size}; resizing "
            "blurs the training images, --load-size 0 crops them at full resolution",
        ]


class Unpaired(ImageDataset):
    """Images of two domains without partners: each A with a random B.

    Items hold ``a`` and ``b``, float32 [3, H, W] in [-1, 1], cropped and flipped independently. An
    epoch is as long as the larger domain. Source: CycleGAN, section 4; the authors' loader.

    Args:
        load_size: pixels of the short side; 0 keeps the size.
        crop_type: "Random" or "Center".

    Raises:
        InputError: on reading an item whose images are unreadable or smaller than the crop.
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
        """Return image ``index`` of a side as stored, uint8 [H, W, 3]."""
        return read_image(self._side(side)[index])

    def item(self, index, rng):
        first, second = self.partners(index, rng)
        return {"a": self._window("a", first, rng), "b": self._window("b", second, rng)}

    def partners(self, index: int, rng: np.random.Generator) -> tuple[int, int]:
        """Return the indices of A and B in item ``index``; fixed without random crops."""
        random = self.crop_type == "Random"
        second = int(rng.integers(len(self.b))) if random else index % len(self.b)
        return index % len(self.a), second

    def _side(self, side):
        return self.a if side == "a" else self.b

    def _window(self, side, index, rng):
        image, name = self.read(side, index), str(self._side(side)[index])
        return transforms.normalise(self.window(image, name, rng))

    def limited(self, count):
        few = copy.copy(self)
        few.a, few.b = self.a[:count], self.b[:count]
        few.items = range(max(len(few.a), len(few.b)))
        return few

    def files(self, index, rng=None):
        first, second = self.partners(index, rng or np.random.default_rng(0))
        return [str(self.a[first]), str(self.b[second])]

    def paths(self):
        sides = (("a", self.a), ("b", self.b))
        return [(f"{side}/{path.name}", path) for side, paths in sides for path in paths]

    def describe(self):
        return f"{len(self.a)} A and {len(self.b)} B, {self.what}"

    def warnings(self):
        sides = [samples(partial(self.read, side), len(self._side(side))) for side in "ab"]
        found = [text for side, images in zip("AB", sides) for text in dark(side, images)]
        return found + enlarged(min(min(s[0].shape[:2]) for s in sides), self.load_size)


def samples(read: Callable[[int], Any], count: int) -> list[Any]:
    """Read ``SAMPLES`` items, spread over the set; InputError if none of them can be read."""
    found = []
    for index in np.unique(np.linspace(0, count - 1, min(SAMPLES, count)).round().astype(int)):
        try:
            found.append(read(int(index)))
        except InputError as error:
            last = error
    if not found:
        raise last
    return found


def dark(side: str, images: Sequence[np.ndarray]) -> list[str]:
    """Return a warning if images hold small numbers only, as masks of class ids do."""
    most = max(int(image.max()) for image in images)
    if not 1 <= most <= MAX_CLASS_ID or not any(map(transforms.looks_like_labels, images)):
        return []
    return [
        f"side {side} holds no value above {most} of 255, which is black to the eye and to the "
        "network. If these are class ids, give each class a colour of its own, or spread them: "
        f"`mogrify -evaluate multiply {255 // most}` (ImageMagick) in a copy of the folder"
    ]


def enlarged(smallest: int, size: int) -> list[str]:
    """Return a warning if images of ``smallest`` pixels are enlarged to ``size``."""
    if smallest >= size:
        return []
    return [
        f"images of {smallest} pixels are enlarged to {size}; choose a smaller --crop-size to "
        "avoid it"
    ]


def without_randomness(dataset: ImageDataset) -> ImageDataset:
    """Return a training set that reads like a test set: centre crops, no flips, fixed items."""
    dataset = copy.copy(dataset)
    fixed = {"crop_type": "Center", "flip": False, "augment": False, "fixed": True}
    for name, value in fixed.items():
        if hasattr(dataset, name):
            setattr(dataset, name, value)
    return dataset
