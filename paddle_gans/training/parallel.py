"""Data-parallel training on the framework's own engine (gloo on CPU, NCCL on GPUs)."""

from __future__ import annotations

import os

import paddle
from paddle import nn
from paddle.distributed.fleet.utils.hybrid_parallel_util import fused_allreduce_gradients
from paddle.optimizer import Optimizer


def world_size() -> int:
    """Number of processes that train together; 1 without the launcher."""
    return int(os.environ.get("PADDLE_TRAINERS_NUM", "1"))


def rank() -> int:
    """This process's number among them, from 0."""
    return int(os.environ.get("PADDLE_TRAINER_ID", "0"))


def start() -> None:
    """Join the other ranks; nothing to do for a process alone."""
    if world_size() > 1 and not paddle.distributed.is_initialized():
        paddle.distributed.init_parallel_env()


def average_gradients(optimizer: Optimizer) -> None:
    """Average the gradients of an optimizer's parameters over all ranks, in place."""
    if world_size() > 1:
        with paddle.no_grad():
            fused_allreduce_gradients(list(optimizer._parameter_list), None)


def average_statistics(model: nn.Layer) -> None:
    """Average batch norm's running statistics over all ranks, so that every rank holds the same."""
    if world_size() == 1:
        return
    for layer in model.sublayers():
        if isinstance(layer, nn.layer.norm._BatchNormBase):
            for statistic in (layer._mean, layer._variance):
                paddle.distributed.all_reduce(statistic)
                statistic.set_value(statistic / world_size())
