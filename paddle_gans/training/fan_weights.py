"""Load the weights of the face-alignment network."""

from __future__ import annotations

import os

import numpy as np

from data_reader.errors import InputError
from paddle_gans.networks.fan import FAN
from paddle_gans.weights import formats, name_maps
from paddle_gans.weights.arrays import load_state_strict

NEEDED = "--w-hpf 1 needs the face-alignment network's weights: --fan-weights FILE"
SOURCE = (
    "give StarGAN v2's published wing.ckpt, or the fan.pdparams of "
    "python -m paddle_gans.convert wing.ckpt --to fan"
)


def load_fan(path: str | os.PathLike | None) -> FAN:
    """Build the face-alignment network and load its weights from a file, without running code.

    The file has our parameter names, or those of the published wing.ckpt (licensed for
    non-commercial use), whose unknown arrays are ignored, as in its authors' code.
    """
    if not path:
        raise InputError(f"{NEEDED}; {SOURCE}")
    fan = FAN()
    try:
        state = formats.load(path)
        nested = state.get("state_dict")
        state = nested if isinstance(nested, dict) else state
        arrays = {name: x for name, x in state.items() if isinstance(x, np.ndarray)}
        if any(name.startswith("conv1.") for name in arrays):  # wing.ckpt's names
            known = set(name_maps.reference_names(fan, name_maps.fan).values())
            arrays = {name: x for name, x in arrays.items() if name in known}
            arrays = name_maps.to_ours(arrays, fan, name_maps.fan, str(path))
        load_state_strict(fan, arrays, str(path))
    except InputError as error:
        raise InputError(f"{error}. {NEEDED}; {SOURCE}") from error
    return fan
