"""Data-parallel training on the framework's own engine (gloo on CPU, NCCL on GPUs).

Gradients and statistics travel by the engine. What the ranks tell each other besides, who failed
say, travels by its key-value store: that works from the host alone, and a rank that waits there can
still be told that another one has ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any, Optional

import numpy as np
import paddle
from paddle import nn
from paddle.distributed.fleet.utils.hybrid_parallel_util import fused_allreduce_gradients
from paddle.optimizer import Optimizer

from data_reader.errors import InputError

FAREWELL = 5.0  # seconds that rank 0, which holds the store, gives the others to read its last word


def world_size() -> int:
    """Number of processes that train together; 1 without the launcher."""
    return int(os.environ.get("PADDLE_TRAINERS_NUM", "1"))


def rank() -> int:
    """This process's number among them, from 0."""
    return int(os.environ.get("PADDLE_TRAINER_ID", "0"))


def start() -> None:
    """Join the other ranks; nothing to do for a process alone."""
    if world_size() > 1 and not paddle.distributed.is_initialized():
        with undisturbed():  # the threads of the engine's store inherit it: a signal ends them
            paddle.distributed.init_parallel_env()


# Gradients, statistics and states.


def average_gradients(optimizer: Optimizer) -> None:
    """Average the gradients of an optimizer's parameters over all ranks, in place."""
    if world_size() > 1:
        with paddle.no_grad():
            fused_allreduce_gradients(list(optimizer._parameter_list), None)


def average_statistics(model: nn.Layer) -> None:
    """Average batch norm's running statistics over all ranks, so that every rank holds the same."""
    if world_size() == 1:
        return
    for layer in batch_norms(model):
        if not isinstance(layer, nn.SyncBatchNorm):  # which has averaged them already
            for statistic in (layer._mean, layer._variance):
                paddle.distributed.all_reduce(statistic)
                statistic.set_value(statistic / world_size())


def synchronise_batch_norm(model: nn.Layer) -> list[str]:
    """Let batch norm see the images of all ranks where the device can; returns what to say."""
    if world_size() == 1 or not batch_norms(model):
        return []
    if paddle.get_device().startswith("gpu"):
        convert_batch_norm(model)
        if all(isinstance(layer, nn.SyncBatchNorm) for layer in batch_norms(model)):
            return ["batch norm is synchronised: its statistics are those of the whole batch"]
    share = f"its 1/{world_size()} of the batch"
    return [
        f"batch norm is not synchronised here: each process normalises {share} by itself, and the "
        "running statistics are averaged after each step"
    ]


def convert_batch_norm(model: nn.Layer) -> None:
    """Put synchronised layers in the place of batch norms; the CPU can hold but not run them.

    Parameters stay the objects that they were, which the optimizers hold. What is normalised in a
    way of its own at test time, as pix2pix's with ``norm_mode`` instance, stays as it is.
    """
    for parent in [model, *model.sublayers()]:
        for name, layer in list(parent.named_children()):
            if getattr(layer, "mode", "running") == "running" and is_batch_norm(layer):
                parent.add_sublayer(name, nn.SyncBatchNorm.convert_sync_batchnorm(layer))


def batch_norms(model: nn.Layer) -> list[nn.Layer]:
    """The batch norms of a model, of any kind."""
    return [layer for layer in model.sublayers() if is_batch_norm(layer)]


def is_batch_norm(layer: nn.Layer) -> bool:
    """Whether a layer keeps running statistics of the batches."""
    return isinstance(layer, nn.layer.norm._BatchNormBase)


def gather(arrays: dict[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """The arrays of every rank, by rank; names and shapes are the same on all of them."""
    if world_size() == 1:
        return [arrays]
    exchange()  # so that nobody waits in what follows for one that has ended
    found: list[dict[str, np.ndarray]] = [{} for _ in range(world_size())]
    for name, array in arrays.items():
        parts: list[paddle.Tensor] = []
        paddle.distributed.all_gather(parts, paddle.to_tensor(array))
        for one, part in zip(found, parts):
            one[name] = part.numpy()
    return found


# What the ranks tell each other.


def same_start(step: int, folder: os.PathLike) -> None:
    """Raise InputError unless every rank goes on from the same step."""
    steps = exchange(step)
    if len(set(steps)) > 1:
        raise InputError(
            f"the processes find {folder} at different steps, {steps}; put it on a disk that all "
            "machines share"
        )


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Signals wait until the block's end: one would break off what the store is reading."""
    mask = getattr(signal, "pthread_sigmask", None)  # Windows has none
    before = mask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM}) if mask else None
    try:
        yield
    finally:
        if mask:
            mask(signal.SIG_SETMASK, before)


class _Board:
    """The engine's key-value store as a board on which each rank has two places, used in turn.

    Two are enough: who writes for round n + 2 has read everything of round n + 1, and so has
    everybody read what stood here for round n.
    """

    round = 0

    def write(self, content: dict[str, Any]) -> None:
        text = json.dumps({"round": self.round, **content})
        with undisturbed():
            self.store().set(self.place(rank()), text)

    def read(self, other: int) -> dict[str, Any]:
        """What another rank wrote for this round; waits for it."""
        pause = 0.0002
        while True:
            said = self.look(other)
            if said["round"] == self.round or "failed" in said:
                return said
            time.sleep(pause)
            pause = min(2 * pause, 0.01)

    def look(self, other: int) -> dict[str, Any]:
        """What stands there now."""
        with undisturbed():
            text = self.store().get(self.place(other))
        return json.loads(text)

    def place(self, owner: int) -> str:
        return f"paddle_gans/{owner}/{self.round % 2}"

    @staticmethod
    def store() -> Any:
        return paddle.distributed.collective._default_store


_BOARD = _Board()


class Shared(InputError):
    """What went wrong on one rank, raised on all of them."""


def exchange(value: Any = None) -> list[Any]:
    """What every rank says (anything JSON can hold), by rank; each waits for all the others.

    Raises:
        Shared: a rank has ended with an error.
    """
    if world_size() == 1:
        return [value]
    try:
        _BOARD.write({"value": value})
        said = [_BOARD.read(other) for other in range(world_size())]
    except (RuntimeError, ValueError) as error:  # the store went with its owner
        raise Shared("rank 0 has ended; its log (workerlog.0) says why") from error
    _BOARD.round += 1
    for number, one in enumerate(said):
        if "failed" in one:
            raise Shared(f"{one['failed']} (rank {number})")
    return [one["value"] for one in said]


def anywhere(flag: bool) -> bool:
    """Whether it is true on any rank."""
    return any(exchange(bool(flag)))


@contextlib.contextmanager
def together() -> Iterator[None]:
    """What the user got wrong within the block, on any rank, is raised on all at its end.

    Raises:
        InputError: the message of the first rank that has one.
    """
    failure = None
    try:
        yield
    except InputError as error:
        if world_size() == 1 or isinstance(error, Shared):
            raise
        failure = error
    for number, message in enumerate(exchange(failure and str(failure))):
        if message is not None:
            raise Shared(f"{message} (rank {number})") from failure


@contextlib.contextmanager
def leaving() -> Iterator[None]:
    """Around all of a rank's work: an exception that ends it is told to the others.

    They end at their next exchange with its message; where the engine failed because another one
    ended, that one's message is raised in place of the engine's.
    """
    failure = None
    try:
        yield
    except Exception as error:
        failure, told = error, _for_all(error)
        if told is error:
            raise
        raise told from error
    finally:
        if world_size() > 1:
            with contextlib.suppress(Exception):  # the engine may be gone
                _leave(failure)


def _for_all(error: Exception) -> Exception:
    """What a rank's error is called where there are several."""
    if world_size() == 1 or isinstance(error, Shared):
        return error
    if isinstance(error, InputError):
        return Shared(f"{error} (rank {rank()})")
    with contextlib.suppress(Exception):
        for other in range(world_size()):
            said = {} if other == rank() else _BOARD.look(other)
            if "failed" in said:
                return Shared(f"{said['failed']} (rank {other})")
    return error


def _leave(failure: Optional[Exception]) -> None:
    """Say why, and leave; rank 0 last, for it holds the board."""
    if failure is not None and not isinstance(failure, Shared):
        kind = "" if isinstance(failure, InputError) else f"{type(failure).__name__}: "
        _BOARD.write({"failed": f"{kind}{failure}"})
    store = _BOARD.store()
    left, end = store.add("paddle_gans/left", 1), time.monotonic() + FAREWELL
    while rank() == 0 and left < world_size() and time.monotonic() < end:
        time.sleep(0.02)
        left = store.add("paddle_gans/left", 0)
