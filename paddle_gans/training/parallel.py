"""Data-parallel training on the framework's own engine (gloo on CPU, NCCL on GPUs)."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import paddle
from paddle import nn
from paddle.distributed.fleet.utils.hybrid_parallel_util import fused_allreduce_gradients
from paddle.optimizer import Optimizer

from data_reader.errors import InputError

LAUNCHER_SECONDS = 10  # in which the launcher notices that a process has ended


def world_size() -> int:
    """Return the number of processes that train together; 1 without the launcher."""
    return int(os.environ.get("PADDLE_TRAINERS_NUM", "1"))


def rank() -> int:
    """Return the number of this process, from 0."""
    return int(os.environ.get("PADDLE_TRAINER_ID", "0"))


def start() -> None:
    """Connect to the other ranks; does nothing in a single process."""
    if world_size() > 1 and not paddle.distributed.is_initialized():
        with block_signals():  # the engine's threads inherit the mask; a signal would end them
            paddle.distributed.init_parallel_env()


@contextlib.contextmanager
def block_signals() -> Iterator[None]:
    """Block SIGINT and SIGTERM until the end of the block."""
    mask = getattr(signal, "pthread_sigmask", None)  # absent on Windows
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
    """Average batch norm's running statistics over all ranks, which makes them equal."""
    if world_size() == 1:
        return
    for layer in batch_norms(model):
        if not isinstance(layer, nn.SyncBatchNorm):  # it averages them itself
            for statistic in (layer._mean, layer._variance):
                paddle.distributed.all_reduce(statistic)
                statistic.set_value(statistic / world_size())


def synchronise_batch_norm(model: nn.Layer) -> list[str]:
    """Normalise over all ranks if the device supports it; returns messages about batch norm."""
    if world_size() == 1 or not batch_norms(model):
        return []
    if paddle.get_device().startswith("gpu"):
        convert_batch_norm(model)
        if all(isinstance(layer, nn.SyncBatchNorm) for layer in batch_norms(model)):
            return ["batch norm is synchronised: it normalises over the whole batch"]
    return [
        f"batch norm is not synchronised: each process normalises over its 1/{world_size()} of the "
        "batch, and running statistics are averaged after each step"
    ]


def convert_batch_norm(model: nn.Layer) -> None:
    """Replace batch norms by synchronised ones, which the CPU can build but not run.

    They keep the same parameter objects, to which the optimizers refer. Layers with other
    statistics at test time (pix2pix with ``norm_mode`` "instance") are not replaced.
    """
    for parent in [model, *model.sublayers()]:
        for name, layer in list(parent.named_children()):
            if getattr(layer, "mode", "running") == "running" and is_batch_norm(layer):
                parent.add_sublayer(name, nn.SyncBatchNorm.convert_sync_batchnorm(layer))


def batch_norms(model: nn.Layer) -> list[nn.Layer]:
    return [layer for layer in model.sublayers() if is_batch_norm(layer)]


def is_batch_norm(layer: nn.Layer) -> bool:
    return isinstance(layer, nn.layer.norm._BatchNormBase)


# Communication: every rank must call these at the same time.


def is_alone() -> bool:
    """Return whether there is no other rank to talk to, or not yet."""
    return world_size() == 1 or not paddle.distributed.is_initialized()


def any_rank(flag: Any) -> bool:
    """Return whether ``flag`` is true on any rank."""
    if is_alone():
        return bool(flag)
    found = paddle.to_tensor([int(bool(flag))])
    paddle.distributed.all_reduce(found, op=paddle.distributed.ReduceOp.MAX)
    return bool(found.item())


def gather(value: Any) -> list[Any]:
    """Return the values of all ranks, in order; values must be picklable."""
    if is_alone():
        return [value]
    found: list[Any] = []
    paddle.distributed.all_gather_object(found, value)
    return found


@contextlib.contextmanager
def sync_errors(at_once: bool = True) -> Iterator[None]:
    """Re-raise an InputError from any rank on every rank, at the end of the block.

    Unless ``at_once``, it is raised on its own rank only, without waiting for the device; the
    launcher then ends the others.
    """
    failure = None
    try:
        yield
    except InputError as error:
        if is_alone() or not at_once:
            raise
        failure = error
    if not at_once or not any_rank(failure):
        return
    messages = gather(failure and str(failure))
    rank_of, message = next((i, text) for i, text in enumerate(messages) if text)
    raise InputError(f"{message} (rank {rank_of})") from failure


@contextlib.contextmanager
def report_lost_rank() -> Iterator[None]:
    """Let the launcher report the process that failed, not this one that lost the connection."""
    try:
        yield
    except RuntimeError as error:
        if is_alone() or "gloo" not in str(error):
            raise
        # The launcher shows the log of the process that ends first, and then ends all others.
        time.sleep(LAUNCHER_SECONDS)
        raise InputError("another process of this run ended; its log says why") from error


def require_same_start(step: int, folder: os.PathLike) -> None:
    """Raise an InputError unless every rank starts at the same step."""
    steps = gather(step)
    if len(set(steps)) > 1:
        raise InputError(
            f"the processes see different steps in {folder}: {steps}; use a disk that all share"
        )
