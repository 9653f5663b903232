"""The reader of the pix2pix paper's card: ``data_reader(cfg).make_data()``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .datasets import Paired
from .errors import InputError
from .layout import read_list

CROP_TYPES = {
    "Random": "Random",
    "Centor": "Center",  # the old reader's spelling
    "Center": "Center",
    "None": "None",
    None: "None",
}

Reader = Callable[[], Iterator[tuple[np.ndarray, np.ndarray]]]


class data_reader:
    """Readers of aligned image pairs, configured as in the pix2pix paper's code.

    ``cfg`` is any object with ``data_dir``, ``dataset``, ``train_list``, ``batch_size``,
    ``shuffle``, ``drop_last``, ``run_test``, ``load_size``, ``crop_size`` (pixels) and
    ``crop_type`` ("Random", "Centor", "Center" or None); optional are ``test_list`` (default
    ``test.txt`` next to the train list), ``flip`` (off) and ``seed`` (0). ``model_net`` is ignored.

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

    def make_data(self) -> tuple[Reader, Reader | None, int]:
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
        )
        batches = len(train) / cfg.batch_size
        batch_num = int(batches) if getattr(cfg, "drop_last", False) else int(np.ceil(batches))
        test_reader = None
        if getattr(cfg, "run_test", False):
            test_list = getattr(cfg, "test_list", None) or Path(cfg.train_list).with_name(
                "test.txt"
            )
            test = Paired(read_list(test_list, root), crop_size=cfg.crop_size, crop_type="Resize")
            test_reader = self._reader(test, shuffle=False, drop_last=False)
        shuffle, drop_last = getattr(cfg, "shuffle", True), getattr(cfg, "drop_last", False)
        return self._reader(train, shuffle=shuffle, drop_last=drop_last), test_reader, batch_num

    def _reader(self, dataset: Paired, *, shuffle: bool, drop_last: bool) -> Reader:
        batch_size, seed = self.cfg.batch_size, getattr(self.cfg, "seed", 0)
        passes = iter(range(2**31))  # every pass has its own order and crops

        def reader():
            rng = np.random.default_rng([seed, next(passes)])
            order = dataset.order(rng) if shuffle else np.arange(len(dataset))
            for start in range(0, len(order), batch_size):
                batch = order[start : start + batch_size]
                if drop_last and len(batch) < batch_size:
                    return
                items = [dataset.item(int(index), rng) for index in batch]
                yield np.stack([i["a"] for i in items]), np.stack([i["b"] for i in items])

        return reader
