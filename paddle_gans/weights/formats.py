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
from .arrays import layer_arrays, unwrapped
from .unpickler import COPY_AGAIN, from_bfloat16

ENTRY = "__paddle_gans__"  # a JSON string in a network's file: its model, options, network
SAFETENSORS = ".safetensors"
NATIVE = (".pdparams", SAFETENSORS)  # what networks are saved as; the first one wins
SAFETENSORS_TYPES = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2", "I16": "<i2", "U32": "<u4", "I32": "<i4",
    "U64": "<u8", "I64": "<i8", "BF16": "<u2", "F16": "<f2", "F32": "<f4", "F64": "<f8",
    "C64": "<c8",
}  # fmt: skip
SUFFIXES = (".pth", ".pt", ".ckpt", *NATIVE)


def load(path: str | os.PathLike) -> dict[str, Any]:
    """Read the dict in a weight file of any format, arrays as NumPy arrays, without running code.

    Raises:
        InputError: the file is missing, damaged, or holds more than plain values.
    """
    path = Path(path)
    return unwrap(load_as_named(path), path)


def unwrap(state: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Remove PyTorch's wrappers from the names in a state dict, and in those that it contains."""
    found = {}
    for name, value in state.items():
        if isinstance(value, dict):
            value = unwrap(value, path)
        elif isinstance(value, np.ndarray) and isinstance(name, str):
            name = unwrapped(name)
        if name in found:
            raise InputError(f"{path} holds {ascii(name)[1:-1][:80]} twice: wrapped and not")
        found[name] = value
    return found


def load_as_named(path: Path) -> dict[str, Any]:
    """``load`` without changing a name."""
    if path.suffix == SAFETENSORS:
        return load_safetensors(path)
    if not is_torch(path):
        return paddle_file.load(path)
    state = torch_file.load(path)
    if not isinstance(state, dict):
        raise InputError(f"{path} holds no dict of arrays; save a network's state_dict()")
    return state


def is_torch(path: Path) -> bool:
    """Whether ``torch.save`` wrote a file; False if there is no file."""
    if not path.is_file():
        return False
    with disk_errors(f"cannot read {path}"), path.open("rb") as file:
        return torch_file.is_torch(file.read(32))


def load_safetensors(path: Path) -> dict[str, Any]:
    """Read a ``.safetensors`` file; its metadata's ``ENTRY`` becomes an entry of the dict."""
    package = safetensors(f"{path} cannot be read")
    if not path.is_file():
        raise InputError(f"{path} {'is a folder' if path.is_dir() else 'does not exist'}")
    try:
        with disk_errors(f"cannot read {path}"):
            with package.safe_open(path, framework="np") as file:
                metadata = file.metadata() or {}
            # Its arrays for NumPy lack some types.
            found = package.deserialize(path.read_bytes())
    except package.SafetensorError as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path} is damaged: {reason}; {COPY_AGAIN}") from error
    state: dict[str, Any] = {}
    for name, array in found:
        kind = SAFETENSORS_TYPES.get(array["dtype"])
        if kind is None:
            raise InputError(f"{path} holds numbers of type {array['dtype']}; save them as float32")
        values = np.array(array["data"], "u1").view(kind).reshape(array["shape"])
        state[name] = from_bfloat16(values) if array["dtype"] == "BF16" else values
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
    return unwrap({k: v for k, v in state.items() if isinstance(v, np.ndarray)}, path), entry


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
