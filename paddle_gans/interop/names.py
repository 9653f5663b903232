"""Weights between a reference implementation's names and layouts and ours, in both directions.

A network's map is one function from the path of a layer of ours to the reference's path of the
same layer, say ``residuals.0.norm1`` to ``res_0.bn1``. The network itself says which layers there
are, so that one short function serves every depth, and the way back is the same table read from
the other side.

Layouts differ in one place: a linear weight is [out, in] there and [in, out] here. Convolutions
are [out, in, h, w] and transposed convolutions [in, out, h, w] on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Callable

import numpy as np
from paddle import nn

from paddle_gans.training.weights import require_equal

Rename = Callable[[str], str]

# What the reference's layers call their arrays, where the name differs from ours.
ARRAYS = {"scale": "weight", "_mean": "running_mean", "_variance": "running_var"}

# A counter of training batches that the reference's batch norm keeps; nothing here needs it.
COUNTER = ".num_batches_tracked"


def reference_names(network: nn.Layer, rename: Rename) -> dict[str, str]:
    """The reference's name for each of our names of a weight or running statistic."""
    names = {}
    for ours in network.state_dict():
        layer, _, array = ours.rpartition(".")
        names[ours] = f"{rename(layer)}.{ARRAYS.get(array, array)}"
    return names


def linear_weights(network: nn.Layer) -> set[str]:
    """Our names of the weights whose two axes the reference has the other way round."""
    layers = network.named_sublayers(include_self=True)
    return {f"{path}.weight".lstrip(".") for path, x in layers if isinstance(x, nn.Linear)}


def to_ours(
    reference: Mapping[str, np.ndarray], network: nn.Layer, rename: Rename
) -> dict[str, np.ndarray]:
    """A reference's weights under our names and in our layouts, for ``fill``.

    Raises:
        InputError: the weights are not those of this network; the message has the reference's
            names of what is missing, unexpected or of another shape.
    """
    given = {name: x for name, x in reference.items() if not name.endswith(COUNTER)}
    names, flipped = reference_names(network, rename), linear_weights(network)
    expected = {
        names[ours]: tuple(x.shape)[::-1] if ours in flipped else tuple(x.shape)
        for ours, x in network.state_dict().items()
    }
    require_equal(expected, given, f"these are not the weights of this {type(network).__name__}")
    return {ours: given[n].T if ours in flipped else given[n] for ours, n in names.items()}


def to_reference(network: nn.Layer, rename: Rename) -> dict[str, np.ndarray]:
    """Our network's weights under the reference's names and in its layouts."""
    names, flipped = reference_names(network, rename), linear_weights(network)
    arrays = {ours: x.numpy() for ours, x in network.state_dict().items()}
    return {names[ours]: x.T if ours in flipped else x for ours, x in arrays.items()}
