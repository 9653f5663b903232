"""A network's parameters and buffers as arrays by name, and back."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import paddle
from paddle import Tensor, nn

from data_reader.errors import InputError, InputWarning

WRAPPERS = ("module", "_orig_mod")
MAX_WEIGHT = 1e4
STATISTICS = ("_mean", "_variance")  # of features, which may be large


def layer_arrays(layer: nn.Layer) -> dict[str, np.ndarray]:
    """All parameters and buffers of a layer by structured name."""
    return {name: to_numpy(tensor) for name, tensor in layer.state_dict().items()}


def to_numpy(tensor: Tensor) -> np.ndarray:
    """A tensor's values; bfloat16, whose bits Paddle would return as integers, as float32."""
    return np.asarray(
        (tensor.astype("float32") if tensor.dtype == paddle.bfloat16 else tensor).numpy()
    )


def load_state_strict(
    layer: nn.Layer, arrays: Mapping[str, np.ndarray], source: str = "these arrays"
) -> None:
    """Set all parameters and buffers of a layer; ``source`` is for messages.

    Raises:
        InputError: a name is missing, unexpected or of another shape, or its numbers are of a type
            that weights cannot have; nothing is set.
    """
    state = layer.state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    arrays = without_prefix(shapes, arrays)
    require_equal(shapes, arrays, f"{source}: not the weights of this {type(layer).__name__}")
    for name, tensor in state.items():
        if paddle.is_floating_point(tensor) and arrays[name].dtype.kind != "f":
            raise InputError(
                f"{source}: {name} holds {arrays[name].dtype} numbers where floats are needed: "
                "quantised, float8 or complex weights; save them as float32"
            )
    warn_of_values(arrays, source)
    for name, tensor in state.items():
        tensor.set_value(paddle.to_tensor(np.ascontiguousarray(arrays[name]), dtype=tensor.dtype))


def unwrapped(name: str) -> str:
    """A weight's name without what PyTorch's DataParallel and torch.compile add to it."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def without_prefix(
    expected: Mapping[str, tuple], given: Mapping[str, np.ndarray]
) -> Mapping[str, np.ndarray]:
    """``given`` without a path that all its names begin with, such as ``netG.``, if that helps."""
    first = next(iter(given), "")
    start = next((i for i in range(len(first)) if first[i:] in expected), 0)
    if not start or not all(name.startswith(first[:start]) for name in given):
        return given
    return {name[start:]: array for name, array in given.items()}


def warn_of_values(arrays: Mapping[str, np.ndarray], source: str) -> None:
    """Warn of values that are not finite, or that no training leads to."""
    wrong = []
    for name, array in arrays.items():
        largest = float(np.abs(array).max(initial=0))  # NaN if one is
        if not np.isfinite(largest) or (largest > MAX_WEIGHT and not name.endswith(STATISTICS)):
            wrong.append(f"{name} (up to {largest:.3g})")
    if wrong:
        warnings.warn(
            f"{source}: these values are not those of a trained network: {listed(wrong)}; check "
            "where the file is from",
            InputWarning,
            stacklevel=3,
        )


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
