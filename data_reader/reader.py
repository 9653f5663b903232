"""The reader of the pix2pix paper's card: ``data_reader(cfg).make_data()``."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .datasets import Paired
from .errors import InputError
from .layout import read_list, test_lists
from .loader import Loader

CROP_TYPES = {
    "Random": "Random",
    "Centor": "Center",  # the old reader's spelling
    "Center": "Center",
    "None": "None",
    None: "None",
}


class PairReader:
    """Batches of pairs: a call yields one pass, each in its own order and with its own crops.

    ``paddle_gans.train("pix2pix", data=...)`` takes it for training.
    """

    def __init__(
        self, dataset: Paired, batch_size: int, *, seed: int, shuffle: bool, drop_last: bool
    ):
        self.dataset, self.batch_size, self.seed = dataset, batch_size, seed
        self.shuffle = shuffle
        full, rest = divmod(len(dataset), batch_size)
        self.batch_num = full + (rest > 0 and not drop_last)
        self.test: PairReader | None = None
        self._passes = itertools.count()

    def __call__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        number = next(self._passes)
        return (self.batch(number, i) for i in range(self.batch_num))

    def batch(self, number: int, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Return A and B [N, C, H, W] of batch ``i`` of pass ``number``."""
        rng = np.random.default_rng([self.seed, number, i])
        items = [self.dataset.item(index, rng) for index in self.indices(number, i)]
        return np.stack([x["a"] for x in items]), np.stack([x["b"] for x in items])

    def indices(self, number: int, i: int) -> list[int]:
        order = np.arange(len(self.dataset))
        if self.shuffle:
            order = self.dataset.order(np.random.default_rng([self.seed, number]))
        return order[i * self.batch_size : (i + 1) * self.batch_size].tolist()


class PairLoader(Loader):
    """The batches of a ``PairReader`` for training, as functions of the step."""

    def __init__(self, reader: PairReader, *, world_size: int = 1):
        if world_size > 1:
            raise InputError("data=reader trains in one process; give --data a list file instead")
        if reader.batch_num == 0:
            raise InputError(
                f"the reader has {len(reader.dataset)} pairs, fewer than a batch of "
                f"{reader.batch_size}; lower batch_size, or set drop_last to False"
            )
        super().__init__(reader.dataset, reader.batch_size, seed=reader.seed, workers=0)
        self.reader, self.steps_per_epoch = reader, reader.batch_num

    def batch(self, step):
        a, b = self.reader.batch(*divmod(step, self.steps_per_epoch))
        return {"a": a, "b": b}

    def files(self, step):
        indices = self.reader.indices(*divmod(step, self.steps_per_epoch))
        return [name for index in indices for name in self.dataset.files(index)]


class data_reader:
    """Readers of aligned image pairs, configured as in the pix2pix paper's code.

    ``cfg`` is any object with ``data_dir``, ``dataset``, ``train_list``, ``batch_size``,
    ``shuffle``, ``drop_last``, ``run_test``, ``load_size``, ``crop_size`` (pixels) and
    ``crop_type`` ("Random", "Centor", "Center" or None); optional are ``test_list`` (default
    the list with ``test`` or ``val`` for ``train`` in its name, or ``test.txt``, next to the train
    list), ``flip`` (off) and ``seed`` (0). ``model_net`` is ignored.

    Raises:
        InputError: an attribute is missing, or a list is invalid.
    """

    def __init__(self, cfg: Any):
        needed = ("data_dir", "dataset", "train_list", "batch_size", "load_size", "crop_size")
        missing = [name for name in needed if not hasattr(cfg, name)]
        if missing:
            raise InputError(f"the reader's configuration lacks {', '.join(missing)}")
        if getattr(cfg, "crop_type", "Random") not in CROP_TYPES:
            raise InputError(f"unknown crop_type {cfg.crop_type!r}; use 'Random', 'Center' or None")
        self.cfg = cfg

    def make_data(self) -> tuple[PairReader, PairReader | None, int]:
        """Return ``(train_reader, test_reader, batch_num)``.

        Call a reader for one pass over the data: it yields pairs (A, B) of float32 [N, C, H, W] in
        [-1, 1]. ``batch_num`` is the number of batches of a training pass. ``test_reader`` is None
        unless ``cfg.run_test``.
        """
        cfg = self.cfg
        root = Path(cfg.data_dir) / cfg.dataset
        train = Paired(
            read_list(cfg.train_list, root),
            load_size=cfg.load_size,
            crop_size=cfg.crop_size,
            crop_type=CROP_TYPES[getattr(cfg, "crop_type", "Random")],
            flip=getattr(cfg, "flip", False),
            keep_aspect=False,
            what=f"list {cfg.train_list}",
        )
        seed = getattr(cfg, "seed", 0)
        train_reader = PairReader(
            train,
            cfg.batch_size,
            seed=seed,
            shuffle=getattr(cfg, "shuffle", True),
            drop_last=getattr(cfg, "drop_last", False),
        )
        if getattr(cfg, "run_test", False):
            lists = test_lists(Path(cfg.train_list))
            found = next((p for p in lists if p.is_file()), lists[0])
            pairs = read_list(getattr(cfg, "test_list", None) or found, root)
            test = Paired(pairs, crop_size=cfg.crop_size, crop_type="Resize")
            train_reader.test = PairReader(
                test, cfg.batch_size, seed=seed, shuffle=False, drop_last=False
            )
        return train_reader, train_reader.test, train_reader.batch_num
