"""Reads the networks in a weight file: their arrays under PyTorch's names and in its layouts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from data_reader.errors import InputError
from paddle_gans.weights import formats
from paddle_gans.weights.arrays import unwrapped
from paddle_gans.weights.name_maps import ARRAYS
from paddle_gans.weights.unpickler import MAX_NAME

WRAPPERS = ("state_dict", "model", "model_state_dict", "params", "net", "network", "weights")
TORCH_NORM = re.compile(r"\.running_mean$|norm[12]\.weight$|to_rgb\.0\.weight$")
# A module's path up to a network's name, and the name of a weight in it.
NETWORK = re.compile(
    r"((?:\w+\.)*?(?:net_?[GDgd](?:_\w+)?|[GD](?:_\w+)?|gen|disc?|(?:generator|discriminator)\w*"
    r"|(?:gen|disc?)_\w+|mapping_network|style_encoder))\.(.+)"
)
MAX_DEPTH = 4  # nested dicts

# The names of a spectral norm's weight and singular vectors, before and since PyTorch 1.9.
SPECTRAL = {
    r"\.weight_orig$": "", r"\.weight_u$": "u", r"\.weight_v$": "v",
    r"\.parametrizations\.weight\.original$": "",
    r"\.parametrizations\.weight\.0\._u$": "u", r"\.parametrizations\.weight\.0\._v$": "v",
}  # fmt: skip


@dataclass
class StateDict:
    """One network of a file. ``label`` is its name there, ``sources`` each array's own name.

    ``vectors`` are u and v of the weights that have a spectral norm. ``of_paddle`` says whether
    the names were Paddle's.
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
        """The shape of an array; () if there is no such array."""
        return self.arrays[name].shape if name in self.arrays else ()

    def count(self, pattern: str) -> int:
        """The number of different matches of the pattern's group in the arrays' names."""
        matches = (re.match(pattern, name) for name in self.arrays)
        return len({match[1] for match in matches if match})

    def is_identity(self, norm: str) -> bool:
        """Whether a norm layer's scale is 1 and its shift 0 everywhere."""
        scale, shift = (self.arrays.get(f"{norm}.{part}") for part in ("weight", "bias"))
        known = scale is not None and shift is not None
        return known and bool(np.all(scale == 1) and np.all(shift == 0))


def read(path: Path) -> tuple[list[StateDict], list[str]]:
    """Read the networks in a file; also returns the names of everything else in it."""
    tree = formats.load_as_named(path)
    if formats.ENTRY in tree:
        raise InputError(
            f"{path} was saved by paddle_gans already; --to-torch DIR converts it for PyTorch, "
            "--to DIR --format safetensors to another format"
        )
    found: list[StateDict] = []
    others = collect(tree, [], path, found)
    if not found:
        raise InputError(f"{path} holds no tensor; give a network's state_dict()")
    # Some .pdparams have PyTorch's names: a state_dict saved with paddle.save.
    names = [name for one in found for name in one.arrays]
    is_paddle = path.suffix != formats.SAFETENSORS and not formats.is_torch(path)
    for one in found:
        one.of_paddle = is_paddle and not any(TORCH_NORM.search(name) for name in names)
        to_torch_names(one)
    return found, others


def collect(tree: Mapping, label: list[str], path: Path, found: list[StateDict]) -> list[str]:
    """Add each dict of arrays to ``found``; returns the names of everything else."""
    for key in tree:
        if not str(key).isprintable() or len(str(key)) > MAX_NAME:  # it would be printed
            raise InputError(f"{path} holds the name {ascii(key)[:60]}, which no layer has")
    others: list[str] = []
    arrays = {key: x for key, x in tree.items() if isinstance(x, np.ndarray) and type(key) is str}
    if arrays:
        name = ".".join(part for part in label if part not in WRAPPERS)
        groups = by_network(arrays)
        others += groups.pop("", {}) if len(groups) > 1 else ()
        for network, part in groups.items():
            found.append(StateDict(path, ".".join(filter(None, [name, network])), part))
    for key, value in tree.items():
        if key in arrays:
            continue
        nested = isinstance(value, Mapping) and len(label) < MAX_DEPTH and type(key) is str
        if nested and not key.lower().startswith(("opt", "lr_", "sched")):
            others += collect(value, [*label, key], path, found)
        elif not nested or value:
            others.append(".".join([*label, str(key)]))
    return others


def by_network(arrays: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """The arrays by the network that their names begin with, as ``netG.model.1.weight`` does.

    Lightning, and training code whose model is one module, save all networks in one dict. "" are
    the arrays without such a name.
    """
    groups: dict[str, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        match = NETWORK.match(name)
        network, rest = (unwrapped(match[1]), match[2]) if match else ("", name)
        groups.setdefault(network, {})[rest] = array
    return groups


def to_torch_names(state: StateDict) -> None:
    """Convert a state dict to PyTorch's names and layouts; separate its spectral norms."""
    given, state.arrays = state.arrays, {}
    for source, array in given.items():
        name = unwrapped(source)
        if state.of_paddle:
            layer, _, last = name.rpartition(".")
            name = f"{layer}.{ARRAYS.get(last, last)}"
            array = array.T if last == "weight" and array.ndim == 2 else array
        vector = ""
        for pattern, kind in SPECTRAL.items():
            if re.search(pattern, name):
                name, vector = re.sub(pattern, ".weight", name), kind
                break
        if vector:
            state.vectors.setdefault(name, {})[vector] = array
            continue
        if name in state.arrays:
            raise InputError(f"{state}: {source} and {state.sources[name]} are the same weight")
        state.arrays[name], state.sources[name] = array, source


@dataclass(frozen=True)
class Match:
    """What a state dict is: ``part`` of ``model``, with the options that its shapes determine.

    ``zeros`` are the reference's names of missing biases, which are zero; ``naming`` is passed to
    the name map.
    """

    what: str
    model: str
    part: str
    options: Mapping[str, Any] = field(default_factory=dict)
    zeros: tuple[str, ...] = ()
    naming: Mapping[str, Any] = field(default_factory=dict)
