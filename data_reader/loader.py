"""Batches for training: endless, shuffled, shared by ranks, starting at any step.

Batch ``step`` is a pure function of (dataset, batch size, seed, step): a resumed run sees what an
uninterrupted one would have seen, and two ranks together see what one process would. Threads read
ahead: decoding and resizing release Python's lock, no worker process can hang, and exceptions keep
their type and message.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np

from .datasets import ImageDataset
from .errors import InputError

READ_AHEAD = 3  # batches
MAX_TRIES = 100  # items tried in place of an unreadable one


def read_item(
    dataset: ImageDataset, index: int, rng: np.random.Generator, bad: dict[str, None] | None = None
) -> dict[str, np.ndarray]:
    """Return item ``index``; with ``bad``, replace an unreadable one by a random other.

    ``bad`` collects the reasons as keys. The same unreadable files get the same replacements.
    Raises InputError if the item, or with ``bad`` each of ``MAX_TRIES`` items, is unreadable.
    """
    if bad is None:
        return dataset.item(index, rng)
    for _ in range(MAX_TRIES):
        try:
            return dataset.item(index, rng)
        except InputError as error:
            bad[str(error)] = None  # a dict, since several threads may write at once
            index, last = int(rng.integers(len(dataset))), error
    raise InputError(f"{MAX_TRIES} items in a row are unreadable; the last: {last}") from last


class Loader:
    """Batches of a dataset, each a dict of arrays [N, ...] with the dataset's keys.

    ``batch_size`` is the whole batch, of which this rank reads ``1 / world_size``. ``drop_last``
    drops the last incomplete batch of an epoch, and repeats the items of a set smaller than one
    batch. With ``bad``, unreadable items are replaced: see ``read_item``.

    Raises:
        InputError: no items, or a batch that the ranks cannot share evenly.
    """

    def __init__(
        self,
        dataset: ImageDataset,
        batch_size: int,
        *,
        seed: int = 0,
        shuffle: bool = True,
        drop_last: bool = True,
        workers: int = 2,
        rank: int = 0,
        world_size: int = 1,
        bad: dict[str, None] | None = None,
    ):
        if len(dataset) == 0:
            raise InputError("the data set has no items")
        if batch_size < 1 or batch_size % world_size:
            raise InputError(
                f"{world_size} process(es) cannot share a --batch-size of {batch_size}; choose a "
                f"positive multiple of {world_size}"
            )
        self.dataset, self.batch_size, self.seed = dataset, batch_size, seed
        self.shuffle, self.drop_last, self.workers = shuffle, drop_last, workers
        self.rank, self.world_size, self.bad = rank, world_size, bad
        full, rest = divmod(len(dataset), batch_size)
        self.steps_per_epoch = max(1, full) if drop_last else full + (rest > 0)
        self._order = lru_cache(maxsize=2)(self._order_of_epoch)

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """Read batch ``step`` of the endless stream."""
        draws = self._draws(step)
        items = [read_item(self.dataset, index, rng, self.bad) for index, rng in draws]
        return {key: np.stack([item[key] for item in items]) for key in items[0]}

    def files(self, step: int) -> list[str]:
        """Return the names of the files of batch ``step``, before any replacement."""
        draws = self._draws(step)
        return [name for index, rng in draws for name in self.dataset.files(index, rng)]

    def batches(self, start: int = 0) -> Generator[dict[str, np.ndarray], None, None]:
        """Yield the batches from ``start`` on, read ahead by ``workers`` threads."""
        if self.workers == 0:
            while True:
                yield self.batch(start)
                start += 1
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="reader")
        try:
            ahead = READ_AHEAD + self.workers
            pending = deque(pool.submit(self.batch, start + i) for i in range(ahead))
            while True:
                batch = pending.popleft().result()
                start += 1
                pending.append(pool.submit(self.batch, start + ahead - 1))
                yield batch
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _order_of_epoch(self, epoch: int) -> np.ndarray:
        order = np.arange(len(self.dataset))
        if self.shuffle:
            order = self.dataset.order(np.random.default_rng([self.seed, epoch]))
        return np.tile(order, -(-self.batch_size // len(order)) if self.drop_last else 1)

    def _draws(self, step: int) -> list[tuple[int, np.random.Generator]]:
        """Return this rank's items of batch ``step``, each with its own generator."""
        epoch, within = divmod(step, self.steps_per_epoch)
        share = self.batch_size // self.world_size
        first = within * self.batch_size + self.rank * share
        indices = enumerate(self._order(epoch)[first : first + share].tolist(), first)
        return [(i, np.random.default_rng([self.seed, epoch, at])) for at, i in indices]
