"""The exponential moving average of a network's weights."""

from __future__ import annotations

import copy

import paddle
from paddle import nn

from data_reader.errors import InputError


def average_of(network: nn.Layer) -> nn.Layer:
    """Return a copy of a network without gradients, for ``soft_update``."""
    average = copy.deepcopy(network)
    for p in average.parameters():
        p.stop_gradient = True
    return average


def soft_update(target: nn.Layer, source: nn.Layer, decay: float) -> None:
    """Update the moving average: target = decay * target + (1 - decay) * source.

    Trainable parameters are averaged; running statistics and buffers are copied. ``decay`` is the
    weight of the average, e.g. 0.999. It must be at least 0.5, because in the tutorial's function
    of this name it is the weight of the source.

    Raises:
        InputError: ``decay`` is below 0.5 or above 1.
        ValueError: the networks have different parameters.
    """
    if not 0.5 <= decay <= 1:
        raise InputError(
            f"soft_update expects the weight of the moving average, e.g. 0.999, not {decay}; the "
            f"tutorial's decay is that of the new weights: give {1 - decay:g} instead of {decay:g}"
        )
    move_average(target, source, decay)


@paddle.no_grad()
def move_average(target: nn.Layer, source: nn.Layer, decay: float) -> None:
    """Do as ``soft_update``, with any ``decay`` in [0, 1], since a warm-up begins with low ones.

    Raises:
        ValueError: the networks have different parameters.
    """
    averages, trainable = target.state_dict(), trainable_names(source)
    weights = source.state_dict()
    if averages.keys() != weights.keys():
        alone = sorted(averages.keys() ^ weights.keys())
        raise ValueError(f"only one of the two networks has {alone[0]}")
    for name, average in averages.items():
        weight = weights[name]
        # As a small step from the average: rounding the two products of the formula would hide
        # small changes of the network.
        step = (weight - average) * (1 - decay)
        average.set_value(average + step if name in trainable else weight)


def warm_up_decay(decay: float, step: int) -> float:
    """Return min(decay, (1 + step) / (10 + step)), to forget the initial weights quickly.

    Source: the moving averages of TensorFlow and of EDM.
    """
    return min(decay, (1 + step) / (10 + step))


def trainable_names(network: nn.Layer) -> set[str]:
    """Return the names of the trainable parameters."""
    return {name for name, p in network.named_parameters() if p.trainable}
