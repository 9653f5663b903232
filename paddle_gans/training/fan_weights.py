"""The face-alignment network's weights, from a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Optional, Union

import numpy as np

from data_reader.errors import InputError
from paddle_gans.networks.fan import DEPTH, FAN

from . import safe_pickle
from .weights import fill, require_equal

NEEDED = "--w-hpf 1 needs the face-alignment network's weights: --fan-weights FILE"
SOURCE = (
    "they are those of StarGAN v2's published wing.ckpt, converted: "
    "python -m paddle_gans.convert wing.ckpt --to fan"
)

# Where our layers stand in the reference, by the beginnings of their paths ...
LAYERS = {
    "stem.0": "conv1", "stem.1": "bn1", "stem.3": "conv2", "stem.5": "conv3", "stem.6": "conv4",
    "stem.7": "m0.coordconv", "head.0": "top_m_0", "head.1": "conv_last0", "head.2": "bn_end0",
    "head.4": "l0",
}  # fmt: skip
HOURGLASS = {"beside": "b1", "before": "b2", "inner": "b2_plus", "after": "b3"}
# ... within a block, and what their statistics are called.
BLOCK = {
    "steps.0.0": "bn1", "steps.1.0": "bn2", "steps.2.0": "bn3",
    "steps.0.2": "conv1", "steps.1.2": "conv2", "steps.2.2": "conv3",
    "shortcut": "downsample",
}  # fmt: skip
STATISTICS = {"_mean": "running_mean", "_variance": "running_var"}


def load_fan(path: Optional[Union[str, os.PathLike]]) -> FAN:
    """Build the face-alignment network with the weights of a ``.pdparams`` file.

    The file has our names, or those of the published wing.ckpt (whose licence is for
    non-commercial use); of the latter the network takes what it has and leaves the rest, as its
    authors' code does. No code in the file is run.

    Raises:
        InputError: no path, or a file that is absent, damaged, or holds other weights.
    """
    if not path:
        raise InputError(f"{NEEDED}; {SOURCE}")
    fan = FAN()
    try:
        fill(fan, to_ours(safe_pickle.load(path), fan, str(path)), str(path))
    except InputError as error:
        raise InputError(f"{error}. {NEEDED}; {SOURCE}") from error
    return fan


def to_ours(state: Mapping[str, Any], fan: FAN, source: str) -> dict[str, np.ndarray]:
    """A file's arrays under our names, whichever names they have there.

    Raises:
        InputError: the file has the reference's names, but not all of them or other shapes.
    """
    nested = state.get("state_dict")
    state = nested if isinstance(nested, dict) else state
    arrays = {name: x for name, x in state.items() if isinstance(x, np.ndarray)}
    if not any(name.startswith("conv1.") for name in arrays):
        return arrays
    shapes = {reference_name(ours): tuple(x.shape) for ours, x in fan.state_dict().items()}
    arrays = {name: arrays[name] for name in shapes if name in arrays}
    require_equal(shapes, arrays, f"{source}: not the weights of this FAN")
    return {ours: arrays[reference_name(ours)] for ours in fan.state_dict()}


def reference_name(name: str) -> str:
    """The reference's name of one of our weights or statistics."""
    layer, _, array = name.rpartition(".")
    return f"{reference_layer(layer)}.{STATISTICS.get(array, array)}"


def reference_layer(layer: str) -> str:
    """``hourglass.inner.after.steps.0.2`` is ``m0.b3_3.conv1``, ``stem.6`` is ``conv4``."""
    for ours, theirs in BLOCK.items():
        layer = layer.replace(ours, theirs)
    part, *path = layer.split(".")
    if part != "hourglass":
        return ".".join([LAYERS[f"{part}.{path[0]}"], *path[1:]])
    *outer, block, last = path  # the reference counts the levels from inside, and has them flat
    return f"m0.{HOURGLASS[block]}_{DEPTH - len(outer)}.{last}"
