"""Puts a file's arrays into a network of ours, and says what it did with every one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from paddle import nn

from data_reader.errors import InputError
from paddle_gans.interop import names
from paddle_gans.training.weights import difference, fill

from .networks import Network, with_dropout
from .pieces import Piece
from .recognise import Found, idle_scale

STATISTICS = (".running_mean", ".running_var")


class Row(NamedTuple):
    """What became of one array: ``ours`` is "" where it is left out, and ``note`` says why."""

    source: str
    shape: tuple
    ours: str
    note: str = ""


def put_into(network: Network, piece: Piece, found: Found) -> list[Row]:
    """Fill the network with the piece's arrays.

    Raises:
        InputError: something is missing, unexpected or of another shape; nothing is filled then.
    """
    layer, rename = network
    if found.dropout:
        rename = with_dropout(rename)
    ours_of = {theirs: ours for ours, theirs in names.reference_names(layer, rename).items()}
    flipped = names.linear_weights(layer)
    expected = {
        theirs: tuple(layer.state_dict()[ours].shape)[:: -1 if ours in flipped else 1]
        for theirs, ours in ours_of.items()
    }
    left = {n: left_out(piece, n, found) for n in piece.arrays if n not in expected}
    kept = {name: array for name, array in piece.arrays.items() if not left.get(name)}
    kept.update({name: np.zeros(expected[name], "float32") for name in found.zeros})
    wrong = difference(expected, kept)
    if wrong:
        raise InputError(f"{piece} is nearly a {found.what}, but differs; {wrong}")

    notes = undo_spectral_norms(layer, piece, kept, ours_of)
    notes.update({name: "transposed" for name, ours in ours_of.items() if ours in flipped})
    kept = {name: np.ascontiguousarray(array, "float32") for name, array in kept.items()}
    broken = [name for name, array in kept.items() if not np.isfinite(array).all()]
    if broken:
        raise InputError(f"{piece}: {broken[0]} holds NaN or infinity: training had diverged")
    fill(layer, names.to_ours(kept, layer, rename), str(piece))
    rows = [
        Row(piece.sources[name], array.shape, ours_of.get(name, ""), (left | notes).get(name, ""))
        for name, array in piece.arrays.items()
    ]
    made = [Row("", expected[name], ours_of[name], "not there: zeros") for name in found.zeros]
    return rows + made


def left_out(piece: Piece, name: str, found: Found) -> str:
    """Why an array is not needed; "" where it is not known to be."""
    layer, _, last = name.rpartition(".")
    if name.endswith(names.COUNTER):
        return "left out: a counter of batches"
    if name.endswith(STATISTICS) and f"{layer}.weight" not in piece.arrays:
        return "left out: instance norm goes by each picture's own statistics"
    idle = [idle_scale(piece, f"{layer}.{part}") for part in ("weight", "bias")]
    if found.model == "cyclegan" and all(idle) and last in ("weight", "bias"):
        return f"left out: a norm's {'scale of 1' if last == 'weight' else 'shift of 0'}"
    if name == "hpf.filter":
        return "left out: follows from w_hpf"
    if found.part == "fan":  # its authors' code takes what it has, too
        return "left out: not of the network that finds faces"
    return ""


def undo_spectral_norms(
    layer: nn.Layer, piece: Piece, kept: dict[str, np.ndarray], ours_of: Mapping[str, str]
) -> dict[str, str]:
    """Divide the weights by their largest singular values, as inference does; notes by name.

    Raises:
        InputError: the vectors that the norm keeps do not fit the weight.
    """
    layers, notes = dict(layer.named_sublayers()), {}
    for name, vectors in piece.vectors.items():
        weight = kept.get(name)
        if weight is None or set(vectors) != {"u", "v"}:
            raise InputError(f"{piece}: the spectral norm of {name} has not both its vectors")
        weight = weight.astype("float32")
        transposed = isinstance(layers[ours_of[name].rpartition(".")[0]], nn.Conv2DTranspose)
        matrix = np.moveaxis(weight, 1, 0) if transposed else weight
        matrix = matrix.reshape(len(matrix), -1)
        if (vectors["u"].size, vectors["v"].size) != matrix.shape:
            raise InputError(f"{piece}: the spectral norm of {name} has vectors of another length")
        sigma = float(vectors["u"].ravel() @ matrix @ vectors["v"].ravel())
        if not sigma > 0:
            raise InputError(f"{piece}: the spectral norm of {name} is {sigma}; it cannot divide")
        notes[name] = f"divided by its spectral norm {sigma:.3g}"
        kept[name] = weight / sigma
    return notes
