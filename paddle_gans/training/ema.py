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


def soft_update(
    target: nn.Layer, source: nn.Layer, decay: float | None = None, *, tau: float | None = None
) -> None:
    """Update the moving average: target = decay * target + tau * source, with decay + tau = 1.

    Give either ``decay``, the weight of the average (0.999), or ``tau``, the weight of the new
    weights (0.001). The tutorial's third argument is called decay and is tau. Trainable parameters
    are averaged; running statistics and buffers are copied.

    Raises:
        InputError: both or neither are given, or one has a value that only the other can mean:
            ``decay`` is in [0.5, 1], ``tau`` in [0, 0.5].
        ValueError: the networks have different parameters.
    """
    if (decay is None) == (tau is None):
        raise InputError("soft_update takes either decay, e.g. 0.999, or tau, e.g. 0.001")
    name, value, other = ("decay", decay, "tau") if decay is not None else ("tau", tau, "decay")
    average = decay if decay is not None else 1 - (tau or 0.0)
    if not 0.5 <= average <= 1:
        raise InputError(
            f"{name}={value} gives the average the weight {average:g}; as the weight of the "
            f"{'new weights' if other == 'tau' else 'average'} it is {other}={value}"
        )
    move_average(target, source, average)


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
    return {name for name, p in network.named_parameters() if p.trainable}
