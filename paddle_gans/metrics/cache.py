"""Features of real pictures, kept in a folder so that the next evaluation need not find them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np

from data_reader.atomic import atomic_write
from data_reader.datasets import ImageDataset
from data_reader.errors import InputError

from .features import Features
from .pictures import lattice

FORMAT = 1  # of the files; raised when what they hold changes its meaning


@dataclass(frozen=True)
class Reals:
    """Real pictures, and what tells them from others."""

    key: Mapping[str, Any]
    count: int
    read: Callable[[int], np.ndarray]  # uint8 [H, W, 3]

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """All of them, uint8 [N, H, W, 3]."""
        for start in range(0, self.count, size):
            stop = min(start + size, self.count)
            yield np.stack([self.read(i) for i in range(start, stop)])


def identity(dataset: ImageDataset) -> dict[str, Any]:
    """What tells a data set from others: its fingerprint, and when its files were changed.

    Raises:
        InputError: a file cannot be read.
    """
    known = dataset.fingerprint()
    digest = hashlib.sha256()
    for name, path in sorted(dataset.paths()):
        digest.update(f"{name}\t{path.stat().st_mtime_ns}\n".encode())
    return {**known, "changed": digest.hexdigest()}


class Cache:
    """Features of real pictures: in memory, and in a folder where there is one."""

    def __init__(self, folder: Optional[Path] = None):
        self.folder = folder
        self.known: dict[str, np.ndarray] = {}  # by the file's name
        self.lattices: dict[str, list[float]] = {}  # by the images' key; in memory only

    def features_of(
        self,
        reals: Reals,
        features: Features,
        batch_size: int,
        tick: Callable[[int], None] = lambda count: None,
    ) -> np.ndarray:
        """Features [N, D] of real pictures: as they were kept, or found now and kept.

        ``tick`` is called with how many pictures were looked at.

        Raises:
            InputError: a picture cannot be read, or the folder not be written to.
        """
        name = name_for(reals, features)
        if name not in self.known and self.folder is not None:
            kept = read_kept(self.folder / name, reals.count)
            if kept is not None:
                self.known[name] = kept
        if name not in self.known:
            found = []
            for batch in reals.batches(batch_size):
                found.append(features(batch))
                tick(len(batch))
            self.known[name] = np.concatenate(found)
            self.keep(name)
        features.dims = self.known[name].shape[1]
        return self.known[name]

    def lattices_of(
        self, reals: Reals, count: int, tick: Callable[[int], None] = lambda count: None
    ) -> list[float]:
        """``lattice`` of the first ``count`` real images, each measured once.

        Raises:
            InputError: an image cannot be read.
        """
        known = self.lattices.setdefault(json.dumps(dict(reals.key), sort_keys=True), [])
        for index in range(len(known), count):
            known.append(lattice(reals.read(index)))
            tick(1)
        return known[:count]

    def keep(self, name: str) -> None:
        """Write what is known under a name into the folder, whole or not at all."""
        if self.folder is None:
            return
        make_folder(self.folder)
        with atomic_write(self.folder / name) as file:
            np.save(file, self.known[name], allow_pickle=False)


def name_for(reals: Reals, features: Features) -> str:
    """The file's name: a hash of all that its content depends on."""
    key = {"format": FORMAT, "features": features.fingerprint, "reals": dict(reals.key)}
    text = json.dumps({**key, "count": reals.count}, sort_keys=True)
    return f"real_{hashlib.sha256(text.encode()).hexdigest()[:32]}.npy"


def read_kept(path: Path, count: int) -> Optional[np.ndarray]:
    """What is in a file; None where it is absent or not what was written."""
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    fits = found.ndim == 2 and len(found) == count and found.dtype == np.float32
    return found if fits else None


def make_folder(folder: Path) -> None:
    """Make the folder of the cache.

    Raises:
        InputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--cache {folder} cannot be made: {error.strerror}; name another folder"
        ) from error
