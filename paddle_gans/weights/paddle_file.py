"""Reads and writes ``.pdparams`` and ``.pdopt`` files without running code from them.

``paddle.load`` runs whatever a file says, and ``paddle.save`` names a function that has moved
between versions of NumPy; these two do neither.
"""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from data_reader.errors import InputError, disk_errors

from .unpickler import COPY_AGAIN, NUMERIC, SafeUnpickler, from_bfloat16

NAME_TABLE = "StructuredToParameterName@@"  # paddle.save adds it, paddle.load drops it
SPLIT_TABLE = "UnpackBigParamInfor@@"  # protocols 2 and 3 split arrays of more than 1 GiB
GIVE_WEIGHTS = "give the path of a weight file"


def load(path: str | os.PathLike) -> dict[str, Any]:
    """Return what ``paddle.save(state_dict, path)`` saved, without running code from the file.

    Values are NumPy arrays (writable; bfloat16 as float32), strings, numbers, None, and dicts,
    lists and tuples of these. An OrderedDict is read as a dict, a tensor saved with its name as its
    array, a file of one tensor as ``{name: array}``; the table of parameter names is dropped.
    Memory: the size of the file, and 64 MiB more at most.

    Raises:
        InputError: the file is missing, truncated, damaged, not written by ``paddle.save``, or
            holds something other than the above; the message says which.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"{path} {what}; {GIVE_WEIGHTS}")
    with disk_errors(f"cannot read {path}"), path.open("rb") as file:
        return read_open(path, file)


def read_open(path: Path, file: BinaryIO) -> dict[str, Any]:
    """``load`` of an open file at its start; ``path`` is for messages."""
    _check_head(path, file.read(32))
    state = _PaddleUnpickler(path, file).load()
    if _is_named_tensor(state):
        state = dict([state])
    if type(state) is not dict:
        raise InputError(f"{path} holds no dict of arrays; save a state_dict() with paddle.save")
    if SPLIT_TABLE in state:
        raise InputError(f"{path} holds an array in pieces; save it with paddle.save, protocol 4")
    state.pop(NAME_TABLE, None)
    return state


def dump(state: dict[str, Any], file: BinaryIO) -> None:
    """Write a dict of arrays, strings, numbers and plain containers to an open binary file.

    Plain ``paddle.load`` opens it, under NumPy 1 and 2, and ``set_state_dict`` accepts the result.
    NumPy's scalars become arrays without dimensions.

    Raises:
        TypeError: an object in ``state`` is none of these, or an array is not of plain numbers.
    """
    _Pickler(file, protocol=4).dump(state)


class _PaddleUnpickler(SafeUnpickler):
    def plain(self, value: Any, depth: int) -> Any:
        found = super().plain(value, depth)
        # Paddle has no uint16: these are the bits of bfloat16. Tied weights stay tied.
        if isinstance(found, np.ndarray) and found.dtype == np.uint16:
            found = value.values = from_bfloat16(found)
        return found[1] if depth > 0 and _is_named_tensor(found) else found


class _Pickler(pickle.Pickler):
    """Names only ``numpy.ndarray`` and ``numpy.dtype``; the usual third name moved in NumPy 2."""

    def reducer_override(self, value: object) -> Any:
        if isinstance(value, (np.ndarray, np.generic)):
            # uint16 would be read as bfloat16.
            if value.dtype not in NUMERIC.values() or value.dtype == np.uint16:
                raise TypeError(f"an array of {value.dtype} cannot be saved, only plain numbers")
            return np.ndarray, ((0,),), np.asarray(value).__reduce__()[2]
        if value is np.ndarray or isinstance(value, (np.dtype, type(np.dtype))):
            return NotImplemented  # pickle as usual
        raise TypeError(f"a {type(value).__name__} cannot be saved, only arrays and plain values")


def _check_head(path: Path, head: bytes) -> None:
    """Raise InputError, which says what the file is, unless a pickle of protocol 2 to 4 starts."""
    if not head:
        raise InputError(f"{path} is empty; {COPY_AGAIN}")
    if head[:4] == b"PK\x03\x04" or head[2:4] == b"\x8a\x0a":  # a zip archive, or a magic number
        raise InputError(
            f"{path} begins with {head[:4]!r}, as PyTorch's files do; convert it with "
            f"python -m paddle_gans.convert {path.name} --to DIR"
        )
    if head[:1] != pickle.PROTO:
        what = f"begins with {head[:4]!r}, as no file of paddle.save or torch.save does"
        if all(byte >= 32 or byte in b"\t\n\r\f" for byte in head):
            what = "is a text file (a web page, or a Git LFS pointer?)"
        raise InputError(f"{path} {what}; {GIVE_WEIGHTS}")
    if len(head) > 1 and head[1] not in (2, 3, 4):
        raise InputError(f"{path} is a pickle of protocol {head[1]}; save it with protocol 4")


def _is_named_tensor(value: object) -> bool:
    """Whether this is how Paddle saves a tensor outside a state dict."""
    return type(value) is tuple and [type(item) for item in value] == [str, np.ndarray]
