"""The networks in a file of weights: their arrays under PyTorch's names and in its layouts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from data_reader.errors import InputError
from paddle_gans.training import safe_pickle
from paddle_gans.training.checkpoint import ENTRY
from paddle_gans.training.pickle_file import MAX_NAME

from . import torch_file

SUFFIXES = (".pth", ".pt", ".ckpt", ".pdparams")
WRAPPERS = ("state_dict", "model", "model_state_dict", "params", "net", "network", "weights")
TO_TORCH = {"scale": "weight", "_mean": "running_mean", "_variance": "running_var"}
OF_TORCH = re.compile(r"\.running_mean$|norm[12]\.weight$|to_rgb\.0\.weight$")  # norms' arrays
MAX_DEPTH = 4  # dicts in each other

# How a spectral norm keeps a weight and its singular vectors, before and since PyTorch 1.9.
SPECTRAL = {
    r"\.weight_orig$": ".weight", r"\.weight_u$": ".u", r"\.weight_v$": ".v",
    r"\.parametrizations\.weight\.original$": ".weight",
    r"\.parametrizations\.weight\.0\._u$": ".u", r"\.parametrizations\.weight\.0\._v$": ".v",
}  # fmt: skip


@dataclass
class Piece:
    """One network of a file. ``sources`` has each array's own name; ``label`` is what it is called.

    ``vectors`` are u and v of the weights that a spectral norm divides. ``of_paddle`` says that the
    names were Paddle's.
    """

    path: Path
    label: str
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    vectors: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    of_paddle: bool = False

    def __str__(self) -> str:
        return f"{self.path} ({self.label})" if self.label else str(self.path)

    def shape(self, name: str) -> tuple:
        """The shape of an array; () where there is none of this name."""
        return self.arrays[name].shape if name in self.arrays else ()

    def count(self, pattern: str) -> int:
        """How many numbers stand for ``(\\d+)`` in the names that the pattern matches."""
        matches = (re.match(pattern, name) for name in self.arrays)
        return len({match[1] for match in matches if match})


def read(path: Path) -> tuple[list[Piece], list[str]]:
    """The networks in a file, and the names of what else it holds.

    Raises:
        InputError: it cannot be read as weights, or holds none.
    """
    if path.is_dir() or not path.exists():
        raise InputError(f"{path} is {'a folder' if path.is_dir() else 'not there'}; give a file")
    tree, is_paddle = read_tree(path)
    pieces: list[Piece] = []
    left = collect(tree, [], path, pieces) if isinstance(tree, Mapping) else []
    if not pieces:
        kind = type(tree)
        what = {np.ndarray: "a tensor", dict: "no tensor"}.get(kind, f"a {kind.__name__}")
        raise InputError(f"{path} holds {what}; give a network's state_dict()")
    # Some .pdparams hold PyTorch's names: a state_dict that was saved by paddle.save.
    names = [name for piece in pieces for name in piece.arrays]
    of_paddle = is_paddle and not any(OF_TORCH.search(name) for name in names)
    for piece in pieces:
        piece.of_paddle = of_paddle
        translate(piece)
    return pieces, left


def read_tree(path: Path) -> tuple[Any, bool]:
    """What a file holds, and whether Paddle saved it."""
    try:
        with path.open("rb") as file:
            head = file.read(32)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; see to that first") from error
    if torch_file.is_torch(head):
        return torch_file.load(path), False
    if path.suffix != ".pdparams":
        raise InputError(
            f"{path} begins with {head[:4]!r}: neither torch.save nor paddle.save wrote it; "
            "give a .pth, .ckpt or .pdparams file as it was published"
        )
    state = safe_pickle.load(path)
    if ENTRY in state:
        raise InputError(f"{path} is of paddle_gans already; --to-torch DIR is the way back")
    return state, True


def collect(tree: Mapping, label: list[str], path: Path, pieces: list[Piece]) -> list[str]:
    """Add each dict of arrays to ``pieces``; returns the names of what is none."""
    for key in tree:
        if not str(key).isprintable() or len(str(key)) > MAX_NAME:  # it would be printed
            raise InputError(f"{path} holds the name {ascii(key)[:60]}, which no layer has")
    arrays = {key: x for key, x in tree.items() if isinstance(x, np.ndarray) and type(key) is str}
    left = []
    if arrays:
        name = ".".join(part for part in label if part not in WRAPPERS)
        pieces.append(Piece(path, name, arrays))
    for key, value in tree.items():
        if key in arrays:
            continue
        deeper = isinstance(value, Mapping) and len(label) < MAX_DEPTH and type(key) is str
        if deeper and not key.lower().startswith(("opt", "lr_", "sched")):
            left += collect(value, [*label, key], path, pieces)
        elif not deeper or value:
            left.append(".".join([*label, str(key)]))
    return left


def translate(piece: Piece) -> None:
    """Bring a piece's arrays to PyTorch's names and layouts; spectral norms apart."""
    given, piece.arrays = piece.arrays, {}
    for source, array in given.items():
        name = source
        while name.startswith("module."):  # of DataParallel
            name = name[len("module.") :]
        if piece.of_paddle:
            layer, _, last = name.rpartition(".")
            name = f"{layer}.{TO_TORCH.get(last, last)}"
            array = array.T if last == "weight" and array.ndim == 2 else array
        name, vector = spectral(name)
        if vector:
            piece.vectors.setdefault(name, {})[vector] = array
            continue
        if name in piece.arrays:
            raise InputError(f"{piece}: {source} and {piece.sources[name]} are the same weight")
        piece.arrays[name], piece.sources[name] = array, source


def spectral(name: str) -> tuple[str, str]:
    """A weight's usual name, and "u" or "v" where it is a vector of its spectral norm."""
    for pattern, usual in SPECTRAL.items():
        if re.search(pattern, name):
            part = usual[1:]
            return re.sub(pattern, ".weight", name), "" if part == "weight" else part
    return name, ""
