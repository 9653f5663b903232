"""The reader of the pix2pix paper's card: ``data_reader(cfg).make_data()``."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from .datasets import Paired
from .errors import InputError
from .layout import LINES_CHECKED, read_list, test_lists
from .loader import Loader

# "Centor" is the old reader's spelling.
CROP_TYPES = {
    "Random": "Random", "Centor": "Center", "Center": "Center", "None": "None", None: "None"
}  # fmt: skip


class PairReader(Loader):
    """Batches of pairs: a call yields one pass, each in its own order and with its own crops.

    ``paddle_gans.train("pix2pix", data=...)`` takes it for training.
    """

    dataset: Paired

    def __init__(
        self, dataset: Paired, batch_size: int, *, seed: int, shuffle: bool, drop_last: bool
    ):
        super().__init__(
            dataset, batch_size, seed=seed, shuffle=shuffle, drop_last=drop_last, workers=0
        )
        self.batch_num = len(dataset) // batch_size if drop_last else self.steps_per_epoch
        self.test: PairReader | None = None
        self._passes = itertools.count()

    def __call__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        first = next(self._passes) * self.batch_num
        batches = map(self.batch, range(first, first + self.batch_num))
        return ((batch["a"], batch["b"]) for batch in batches)


class data_reader:
    """Readers of aligned image pairs, configured as in the pix2pix paper's code.

    ``cfg`` is any object with ``data_dir``, ``dataset``, ``train_list``, ``batch_size``,
    ``shuffle``, ``drop_last``, ``run_test``, ``load_size``, ``crop_size`` (pixels) and
    ``crop_type`` ("Random", "Centor", "Center" or None); optional are ``test_list`` (default
    the list with ``test`` or ``val`` for ``train`` in its name, or ``test.txt``, next to the train
    list), ``flip`` (off) and ``seed`` (0). ``model_net`` is ignored.

    Raises:
        InputError: an attribute is missing, or a list is invalid or of another folder.
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
        pairs = read_list(cfg.train_list, root)
        if not any(pair.a.exists() for pair in pairs[:LINES_CHECKED]):
            raise InputError(
                f"{cfg.train_list} names {pairs[0].a.relative_to(root)}, which is not in {root}; "
                "choose data_dir and dataset so that its lines are relative to data_dir/dataset"
            )
        train = Paired(
            pairs,
            load_size=cfg.load_size,
            crop_size=cfg.crop_size,
            crop_type=CROP_TYPES[getattr(cfg, "crop_type", "Random")],
            flip=getattr(cfg, "flip", False),
            keep_aspect=False,
            what=f"list {cfg.train_list}",
        )
        reader = partial(PairReader, batch_size=cfg.batch_size, seed=getattr(cfg, "seed", 0))
        train_reader = reader(
            train,
            shuffle=getattr(cfg, "shuffle", True),
            drop_last=getattr(cfg, "drop_last", False),
        )
        if getattr(cfg, "run_test", False):
            lists = test_lists(Path(cfg.train_list))
            found = next((p for p in lists if p.is_file()), lists[0])
            pairs = read_list(getattr(cfg, "test_list", None) or found, root)
            test = Paired(pairs, crop_size=cfg.crop_size, crop_type="Resize")
            train_reader.test = reader(test, shuffle=False, drop_last=False)
        return train_reader, train_reader.test, train_reader.batch_num
