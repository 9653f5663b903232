"""The pix2pix article's reader: ``data_reader(cfg).make_data()``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np

from .datasets import Paired
from .errors import InputError
from .layout import read_list

CROP_TYPES = {
    "Random": "Random",
    "Centor": "Center",
    "Center": "Center",
    "None": "None",
    None: "None",
}

Reader = Callable[[], Iterator[tuple[np.ndarray, np.ndarray]]]


class data_reader:
    """Readers of aligned picture pairs, as the pix2pix article configures them.

    ``cfg`` is any object with ``data_dir``, ``dataset``, ``train_list``, ``batch_size``,
    ``shuffle``, ``drop_last``, ``run_test``, ``load_size``, ``crop_size`` (pixels) and
    ``crop_type`` ("Random", "Centor" as the old reader spells it, "Center" or None); optional are
    ``test_list`` (default ``test.txt`` beside the train list), ``flip`` (off) and ``seed`` (0).
    ``model_net`` is read by nothing: every list of pairs is read alike.

    Raises:
        InputError: an attribute is missing, or a list cannot be used.
    """

    def __init__(self, cfg: Any):
        needed = ("data_dir", "dataset", "train_list", "batch_size", "load_size", "crop_size")
        missing = [name for name in needed if not hasattr(cfg, name)]
        if missing:
            raise InputError(f"the reader's configuration lacks {', '.join(missing)}")
        if getattr(cfg, "crop_type", "Random") not in CROP_TYPES:
            raise InputError(
                f"crop_type {cfg.crop_type!r} is not known; it is 'Random', 'Center' or None"
            )
        self.cfg = cfg

    def make_data(self) -> tuple[Reader, Optional[Reader], int]:
        """``(train_reader, test_reader, batch_num)``.

        A reader is called for one pass over the data; it yields pairs (A, B) of float32
        [N, C, H, W] in [-1, 1], as an array [2, N, C, H, W]. ``batch_num`` is the number of
        batches of a training pass. ``test_reader`` is None unless ``cfg.run_test``.
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
        passes = iter(range(2**31))  # every pass has an order and crops of its own

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
