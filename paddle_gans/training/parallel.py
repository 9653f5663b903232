"""Data-parallel training on the framework's own engine (gloo on CPU, NCCL on GPUs)."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from typing import Any

import paddle
from paddle import nn
from paddle.distributed.fleet.utils.hybrid_parallel_util import fused_allreduce_gradients
from paddle.optimizer import Optimizer

from data_reader.errors import InputError


def world_size() -> int:
    """Number of processes that train together; 1 without the launcher."""
    return int(os.environ.get("PADDLE_TRAINERS_NUM", "1"))


def rank() -> int:
    """This process's number among them, from 0."""
    return int(os.environ.get("PADDLE_TRAINER_ID", "0"))


def start() -> None:
    """Join the other ranks; nothing to do for a process alone."""
    if world_size() > 1 and not paddle.distributed.is_initialized():
        with block_signals():  # the engine's threads inherit this; a signal would end them
            paddle.distributed.init_parallel_env()


@contextlib.contextmanager
def block_signals() -> Iterator[None]:
    """Hold back SIGINT and SIGTERM until the end of the block."""
    mask = getattr(signal, "pthread_sigmask", None)  # Windows has none
    before = mask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM}) if mask else None
    try:
        yield
    finally:
        if mask:
            mask(signal.SIG_SETMASK, before)


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


# What ranks agree on: every rank calls these at the same time.


def any_rank(flag: Any) -> bool:
    """Whether ``flag`` is true on any rank."""
    if world_size() == 1:
        return bool(flag)
    found = paddle.to_tensor([int(bool(flag))])
    paddle.distributed.all_reduce(found, op=paddle.distributed.ReduceOp.MAX)
    return bool(found.item())


def gather(value: Any) -> list[Any]:
    """The values of all ranks, by rank; anything that can be pickled."""
    if world_size() == 1:
        return [value]
    found: list[Any] = []
    paddle.distributed.all_gather_object(found, value)
    return found


@contextlib.contextmanager
def sync_errors(at_once: bool = True) -> Iterator[None]:
    """Raise an InputError of any rank on every rank, at the end of the block.

    Unless ``at_once``, it is raised on that rank alone, and the launcher ends the others: nobody
    waits for the device.

    Raises:
        InputError: the message of the first rank that has one.
    """
    failure = None
    try:
        yield
    except InputError as error:
        if world_size() == 1 or not at_once:
            raise
        failure = error
    if not at_once or not any_rank(failure):
        return
    messages = gather(failure and str(failure))
    rank_of, message = next((i, text) for i, text in enumerate(messages) if text)
    raise InputError(f"{message} (rank {rank_of})") from failure


def require_same_start(step: int, folder: os.PathLike) -> None:
    """Raise InputError unless every rank starts at the same step."""
    steps = gather(step)
    if len(set(steps)) > 1:
        raise InputError(
            f"the processes find {folder} at different steps, {steps}; put it on a disk that all "
            "machines share"
        )
