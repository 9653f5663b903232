"""The exponential moving average of a network's weights."""

from __future__ import annotations

import copy

import paddle
from paddle import nn

from data_reader.errors import InputError


def average_of(network: nn.Layer) -> nn.Layer:
    """A frozen copy of a network, for ``soft_update`` to follow it."""
    average = copy.deepcopy(network)
    for p in average.parameters():
        p.stop_gradient = True
    return average


def soft_update(target: nn.Layer, source: nn.Layer, decay: float) -> None:
    """Move the running average a little: target = decay * target + (1 - decay) * source.

    Trainable parameters are averaged; running statistics and buffers are copied. ``decay`` is the
    weight of the average, 0.999 say. The article's function of this name weighs the source by it;
    a call that was copied from there is refused.

    Raises:
        InputError: ``decay`` is below 0.5 or above 1.
        ValueError: the networks have other parameters.
    """
    if not 0.5 <= decay <= 1:
        raise InputError(
            f"soft_update takes the weight of the running average, 0.999 say, not {decay}; the "
            f"article's decay weighs the new weights: give {1 - decay:g} for its {decay:g}"
        )
    move_average(target, source, decay)


@paddle.no_grad()
def move_average(target: nn.Layer, source: nn.Layer, decay: float) -> None:
    """``soft_update`` for any ``decay`` in [0, 1]: the first steps of a warm-up need a low one.

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
        # As a small step from the average: the two products of the formula would be rounded to
        # more than a slow network moves.
        step = (weight - average) * (1 - decay)
        average.set_value(average + step if name in trainable else weight)


def warm_up_decay(decay: float, step: int) -> float:
    """The decay at ``step``: low at first, so that the average soon forgets the initial weights.

    Source: the moving averages of TensorFlow and of EDM: min(decay, (1 + step) / (10 + step)).
    """
    return min(decay, (1 + step) / (10 + step))


def trainable_names(network: nn.Layer) -> set[str]:
    """The names of the parameters that training moves."""
    return {name for name, p in network.named_parameters() if p.trainable}
