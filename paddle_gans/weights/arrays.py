"""A network's parameters and buffers as arrays by name, and back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import paddle
from paddle import nn

from data_reader.errors import InputError


def layer_arrays(layer: nn.Layer) -> dict[str, np.ndarray]:
    """All parameters and buffers of a layer by structured name."""
    return {name: np.asarray(tensor.numpy()) for name, tensor in layer.state_dict().items()}


def load_state_strict(
    layer: nn.Layer, arrays: Mapping[str, np.ndarray], source: str = "these arrays"
) -> None:
    """Set all parameters and buffers of a layer; ``source`` is for messages.

    Raises:
        InputError: a name is missing, unexpected or of another shape; nothing is set.
    """
    state = layer.state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    require_equal(shapes, arrays, f"{source}: not the weights of this {type(layer).__name__}")
    for name, tensor in state.items():
        tensor.set_value(paddle.to_tensor(np.ascontiguousarray(arrays[name]), dtype=tensor.dtype))


def require_equal(
    expected: Mapping[str, tuple], given: Mapping[str, np.ndarray], complaint: str
) -> None:
    """Raise InputError unless ``given`` has exactly the names and shapes of ``expected``."""
    found = difference(expected, given)
    if found:
        raise InputError(
            f"{complaint}; {found}. Build the network with the options it was trained with"
        )


def difference(expected: Mapping[str, tuple], given: Mapping[str, np.ndarray]) -> str:
    """What is missing, unexpected or of another shape; "" if the names and shapes are equal."""
    wrong = {
        "missing": [name for name in expected if name not in given],
        "unexpected": [name for name in given if name not in expected],
        "of another shape": [
            f"{name} {list(given[name].shape)} instead of {list(shape)}"
            for name, shape in expected.items()
            if name in given and tuple(given[name].shape) != shape
        ],
    }
    return "; ".join(f"{what}: {listed(names)}" for what, names in wrong.items() if names)


def listed(names: list[str], most: int = 5) -> str:
    """The first names, and the number of the others."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
