"""Features of real images, saved so that the next evaluation does not compute them again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from data_reader.atomic import atomic_write

from .features import Features
from .image_metrics import lattice
from .tasks import RealImages

FORMAT = 1  # of the files; increase it when the meaning of their content changes


class Cache:
    """Features of real images: in memory, and in a folder if one is given."""

    def __init__(self, folder: Path | None = None):
        self.folder = folder
        self.known: dict[str, np.ndarray] = {}  # by the file's name
        self.lattices: dict[str, list[float]] = {}  # by the images' key; in memory only

    def features_of(
        self,
        reals: RealImages,
        features: Features,
        batch_size: int,
        on_progress: Callable[[int], None] = lambda count: None,
    ) -> np.ndarray:
        """Return the features [N, D] of real images, saved ones or new ones.

        ``on_progress`` is called with the number of images after each batch.
        """
        name = name_for(reals, features)
        if name not in self.known and self.folder is not None:
            saved = read_saved(self.folder / name, reals.count)
            if saved is not None:
                self.known[name] = saved
        if name not in self.known:
            parts = []
            for batch in reals.batches(batch_size):
                parts.append(features(batch))
                on_progress(len(batch))
            self.known[name] = np.concatenate(parts)
            if self.folder is not None:
                with atomic_write(self.folder / name) as file:
                    np.save(file, self.known[name], allow_pickle=False)
        features.dims = self.known[name].shape[1]
        return self.known[name]

    def lattices_of(
        self, reals: RealImages, count: int, on_progress: Callable[[int], None]
    ) -> list[float]:
        """Return ``lattice`` of the first ``count`` real images, each computed once."""
        known = self.lattices.setdefault(json.dumps(dict(reals.key), sort_keys=True), [])
        for index in range(len(known), count):
            known.append(lattice(reals.read(index)))
            on_progress(1)
        return known[:count]


def name_for(reals: RealImages, features: Features) -> str:
    """Return the file's name: a hash of all that its content depends on."""
    key = {"format": FORMAT, "features": features.fingerprint, "reals": dict(reals.key)}
    text = json.dumps({**key, "count": reals.count}, sort_keys=True)
    return f"real_{hashlib.sha256(text.encode()).hexdigest()[:32]}.npy"


def read_saved(path: Path, count: int) -> np.ndarray | None:
    """Read saved features; None if the file is missing or damaged."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    fits = found.ndim == 2 and len(found) == count and found.dtype == np.float32
    return found if fits else None
