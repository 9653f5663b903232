"""Images of several domains, for one generator that translates between all of them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

import numpy as np

from . import transforms
from .datasets import ImageDataset, enlarged
from .errors import InputError
from .images import read_image


class Domains(ImageDataset):
    """Images of two or more domains, each with references and latents of a target domain.

    Items hold (images are float32 in [-1, 1]):

    * ``x_real`` [3, S, S] and its domain ``y_org``, int64 [];
    * ``x_ref`` and ``x_ref2`` [3, S, S], two images (different ones, if there are two) of the
      target domain ``y_trg``, int64 [], which is uniformly random;
    * ``z_trg`` and ``z_trg2`` [latent_dim], standard normal, part of the item so that two
      processes with half a batch each see what one process would.

    Args:
        sources: images of each domain; the order of the names numbers the domains.
        references: images of the same domains that styles are taken from.
        image_size: S, pixels. Images that are not square are cropped (the authors' loader squeezes
            them; their faces are square, a photograph would get narrow).
        augment: a random part of the image half the time, then a flip half the time; otherwise the
            centre of the image.
        fixed: an item depends on its index alone and target domains take turns, for a test set;
            None: if nothing is augmented.

    Raises:
        InputError: on reading an item whose images are unreadable.

    Source: StarGAN v2, section 4 and appendix A; augmentation as in the authors' loader.
    """

    def __init__(
        self,
        sources: Mapping[str, Sequence[Path]],
        references: Mapping[str, Sequence[Path]],
        *,
        image_size: int = 256,
        augment: bool = True,
        fixed: bool | None = None,
        latent_dim: int = 16,
        what: str = "domains",
    ):
        self.image_size, self.augment = image_size, augment
        self.fixed = not augment if fixed is None else fixed
        self.latent_dim, self.what = latent_dim, what
        self._arrange(sources, references)

    def _arrange(self, sources, references):
        self.domains = list(sources)
        self.sources = dict(sources)
        self.references = {name: references[name] for name in sources}
        # Interleave the domains, so that the first items (samples, --limit) show them all.
        numbered = ([(y, image) for image in sources[n]] for y, n in enumerate(sources))
        self.items = [entry for turn in zip_longest(*numbered) for entry in turn if entry]

    def item(self, index, rng):
        if self.fixed:
            rng = np.random.default_rng([len(self.domains), index])
        y_org, source = self.items[index]
        y_trg, references = self.partners(index, rng)
        x_ref, x_ref2 = (self.view(image, rng) for image in references)
        z_trg, z_trg2 = rng.standard_normal((2, self.latent_dim), dtype=np.float32)
        return {
            "x_real": self.view(source, rng),
            "y_org": np.array(y_org, np.int64),
            "x_ref": x_ref,
            "x_ref2": x_ref2,
            "y_trg": np.array(y_trg, np.int64),
            "z_trg": z_trg,
            "z_trg2": z_trg2,
        }

    def partners(self, index: int, rng: np.random.Generator) -> tuple[int, list[Path]]:
        """Return the target domain of item ``index``, and two references of it."""
        count = len(self.domains)
        if self.fixed:  # every other domain in turn, then its own
            turn = index // count
            y_trg = (self.items[index][0] + 1 + turn) % count
            images = self.references[self.domains[y_trg]]
            two = (turn + 1) % len(images), (turn + 2) % len(images)
        else:
            y_trg = int(rng.integers(count))
            images = self.references[self.domains[y_trg]]
            two = rng.choice(len(images), 2, replace=len(images) < 2)
        return y_trg, [images[int(k)] for k in two]

    def view(self, path: Path, rng: np.random.Generator) -> np.ndarray:
        """Return an image as items hold it, float32 [3, S, S] in [-1, 1]."""
        image = read_image(path)
        (image,) = transforms.crop([image], min(image.shape[:2]), "Center", rng, str(path))
        if self.augment and rng.random() < 0.5:
            top, left, height, width = transforms.random_box(*image.shape[:2], rng)
            image = image[top : top + height, left : left + width]
        image = transforms.resize(image, self.image_size, self.image_size)
        if self.augment:
            (image,) = transforms.flip([image], rng)
        return transforms.normalise(image)

    def order(self, rng):
        """Return as many indices as there are items, every domain equally often (to within one).

        The images of a small domain repeat, in a new order each time; of a large domain, each
        epoch leaves out other images.
        """
        numbers = np.array([y for y, _ in self.items])
        members = [np.flatnonzero(numbers == y) for y in np.unique(numbers)]
        share, rest = divmod(len(self), len(members))
        epoch = []
        for turn, k in enumerate(rng.permutation(len(members))):
            count = share + (turn < rest)
            passes = -(-count // len(members[k]))
            shuffled = [rng.permutation(members[k]) for _ in range(passes)]
            epoch.append(np.concatenate(shuffled)[:count])
        return rng.permutation(np.concatenate(epoch))

    def select(self, names: Sequence[str]) -> Domains:
        """Return these domains alone, numbered in this order; InputError if one is unknown."""
        missing = [name for name in names if name not in self.sources]
        if missing:
            raise InputError(
                f"no domain {missing[0]!r} in this data; choose from {', '.join(self.domains)}"
            )
        some = copy.copy(self)
        some._arrange({name: self.sources[name] for name in names}, self.references)
        return some

    def limited(self, count):
        """Return the first ``count`` items; domains take turns, so they stay about equal.

        References are limited alike, to at least one per domain.
        """
        numbers = [y for y, _ in self.items[:count]]
        counts = {name: numbers.count(y) for y, name in enumerate(self.domains)}
        few = copy.copy(self)
        few._arrange(
            {name: self.sources[name][:most] for name, most in counts.items()},
            {name: self.references[name][: max(1, most)] for name, most in counts.items()},
        )
        return few

    def files(self, index, rng=None):
        _, source = self.items[index]
        _, references = self.partners(index, rng or np.random.default_rng(0))
        return [str(source), *(str(path) for path in references)]

    def paths(self):
        both = (self.sources, self.references)
        files = {(name, path) for side in both for name in side for path in side[name]}
        return [(f"{name}/{path.name}", path) for name, path in files]

    def describe(self):
        sizes = ", ".join(f"{name} {len(found)}" for name, found in self.sources.items())
        return f"{len(self)} images of {len(self.domains)} domains: {sizes}, {self.what}"

    def warnings(self):
        warnings, sizes = [], [len(found) for found in self.sources.values() if found]
        if max(sizes) >= 2 * min(sizes):
            warnings.append(
                f"the domains differ in size ({min(sizes)} to {max(sizes)} images); all are shown "
                "equally often, so images of small ones repeat"
            )
        firsts = (found[0] for found in self.references.values())
        smallest = min(min(read_image(first).shape[:2]) for first in firsts)
        return warnings + enlarged(smallest, self.image_size)
