"""Weight files: ``.pdparams`` and ``.safetensors`` are read and written, PyTorch's are read."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from paddle import nn

from data_reader.atomic import atomic_write
from data_reader.errors import InputError, disk_errors

from . import paddle_file, torch_file
from .arrays import layer_arrays
from .unpickler import COPY_AGAIN

ENTRY = "__paddle_gans__"  # a JSON string in a network's file: its model, options, network
SAFETENSORS = ".safetensors"
NATIVE = (".pdparams", SAFETENSORS)  # what networks are saved as; the first one wins
SUFFIXES = (".pth", ".pt", ".ckpt", *NATIVE)


def load(path: str | os.PathLike) -> dict[str, Any]:
    """Read the dict in a weight file of any format, arrays as NumPy arrays, without running code.

    Raises:
        InputError: the file is missing, damaged, or holds more than plain values.
    """
    path = Path(path)
    if path.suffix == SAFETENSORS:
        return load_safetensors(path)
    if path.is_file():
        with disk_errors(f"cannot read {path}"), path.open("rb") as file:
            head = file.read(32)
        if torch_file.is_torch(head):
            state = torch_file.load(path)
            if not isinstance(state, dict):
                raise InputError(f"{path} holds no dict of arrays; save a state_dict()")
            return state
    return paddle_file.load(path)


def load_safetensors(path: Path) -> dict[str, Any]:
    """Read a ``.safetensors`` file; its metadata's ``ENTRY`` becomes an entry of the dict."""
    package = safetensors(f"{path} cannot be read")
    if not path.is_file():
        raise InputError(f"{path} {'is a folder' if path.is_dir() else 'does not exist'}")
    state: dict[str, Any] = {}
    try:
        with disk_errors(f"cannot read {path}"), package.safe_open(path, framework="np") as file:
            for name in file.keys():  # noqa: SIM118  it is no dict
                state[name] = file.get_tensor(name)
            metadata = file.metadata() or {}
    except (package.SafetensorError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{path} is damaged, or has no plain numbers: {reason}; {COPY_AGAIN}"
        ) from error
    if ENTRY in metadata:
        state[ENTRY] = metadata[ENTRY]
    return state


def safetensors(failure: str) -> Any:
    """Import the package, which Paddle 3 requires and Paddle 2 does not."""
    try:
        importlib.import_module("safetensors.numpy")
        return importlib.import_module("safetensors")
    except ImportError as error:
        raise InputError(f"{failure} without safetensors: pip install safetensors") from error


def read_network(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read a saved network's arrays and its entry, {} if another program wrote the file.

    Raises:
        InputError: the file is neither a .pdparams nor a .safetensors, or damaged.
    """
    state = load_safetensors(path) if path.suffix == SAFETENSORS else paddle_file.load(path)
    text = state.pop(ENTRY, "{}")
    try:
        entry = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: its entry {ENTRY} is not JSON; the file is damaged") from error
    if not isinstance(entry, dict):
        raise InputError(f"{path}: its entry {ENTRY} is not a JSON object; the file is damaged")
    return {k: v for k, v in state.items() if isinstance(v, np.ndarray)}, entry


def save_network(path: Path, layer: nn.Layer, entry: Mapping[str, Any]) -> None:
    """Write a layer and the entry that says how to build it, in the format of the suffix.

    Raises:
        InputError: the file cannot be written.
    """
    write_network(path, layer_arrays(layer), entry)


def write_network(path: Path, arrays: Mapping[str, np.ndarray], entry: Mapping[str, Any]) -> None:
    """Write arrays as ``save_network`` does."""
    text = json.dumps(entry, sort_keys=True)
    if path.suffix != SAFETENSORS:
        with atomic_write(path) as file:
            paddle_file.dump({**arrays, ENTRY: text}, file)
        return
    package = safetensors(f"{path} cannot be written")
    dense = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    with atomic_write(path) as file:
        file.write(package.numpy.save(dense, {ENTRY: text}))


def network_files(folder: Path) -> list[Path]:
    """The networks' files in a folder, one for each name."""
    found: dict[str, Path] = {}
    for suffix in NATIVE:
        for path in sorted(folder.glob(f"*{suffix}")):
            found.setdefault(path.stem, path)
    return [found[name] for name in sorted(found)]


def checksum(path: Path) -> str:
    """The SHA-256 of a file; InputError if it cannot be read."""
    digest = hashlib.sha256()
    with disk_errors(f"cannot read {path}"), path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()
