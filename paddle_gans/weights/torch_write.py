"""Writes what ``torch.load`` opens, also with ``weights_only=True``, without PyTorch."""

from __future__ import annotations

import pickle
import struct
import zipfile
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

FOLDER = "archive"
ALIGNED = 64  # bytes; PyTorch aligns its records, so that the file can be memory-mapped
HEADER = 30  # bytes of a record's header before its name
STORAGES = {"<f4": "FloatStorage", "<i8": "LongStorage"}
EPOCH = (1980, 1, 1, 0, 0, 0)  # fixed, so that equal weights give equal bytes


def dump(state: Mapping[str, Any], file: BinaryIO) -> None:
    """Write a dict of float32 and int64 arrays, or of such dicts, as ``torch.save`` writes it."""
    arrays: list[np.ndarray] = []
    program = pickle.PROTO + b"\x02" + dict_of(state, arrays) + pickle.STOP
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        put(archive, "data.pkl", program)
        put(archive, "byteorder", b"little")
        for number, array in enumerate(arrays):
            put(archive, f"data/{number}", np.ascontiguousarray(array).tobytes())
        put(archive, "version", b"3\n")


def put(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add a record whose data starts at a multiple of ``ALIGNED``."""
    record = zipfile.ZipInfo(f"{FOLDER}/{name}", EPOCH)
    start = archive.fp.tell() + HEADER + len(record.filename)
    padding = -(start + 4) % ALIGNED
    record.extra = b"FB" + struct.pack("<H", padding) + bytes(padding)
    archive.writestr(record, data)


# The pickle's instructions, without a memo, because nothing in the state is repeated.


def dict_of(state: Mapping[str, Any], arrays: list[np.ndarray]) -> bytes:
    """An OrderedDict, which ``load_state_dict`` expects; adds its arrays to ``arrays``."""
    items = b"".join(
        text(key) + (dict_of if isinstance(value, Mapping) else tensor)(value, arrays)
        for key, value in state.items()
    )
    return (
        name("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE
        + pickle.MARK + items + pickle.SETITEMS
    )  # fmt: skip


def tensor(array: np.ndarray, arrays: list[np.ndarray]) -> bytes:
    """``_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)``."""
    kind = STORAGES[array.dtype.str]
    key = str(len(arrays))
    arrays.append(array)
    strides = [int(np.prod(array.shape[i + 1 :])) for i in range(array.ndim)]
    about = [text("storage"), name("torch", kind), text(key), text("cpu"), number(array.size)]
    hooks = name("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE
    arguments = [
        tuple_of(about) + pickle.BINPERSID,
        number(0),
        tuple_of([number(side) for side in array.shape]),
        tuple_of([number(stride) for stride in strides]),
        pickle.NEWFALSE,
        hooks,
    ]
    return name("torch._utils", "_rebuild_tensor_v2") + tuple_of(arguments) + pickle.REDUCE


def tuple_of(items: list[bytes]) -> bytes:
    return pickle.MARK + b"".join(items) + pickle.TUPLE


def text(value: str) -> bytes:
    data = value.encode()
    return pickle.BINUNICODE + struct.pack("<I", len(data)) + data


def number(value: int) -> bytes:
    if value < 2**31:
        return pickle.BININT + struct.pack("<i", value)
    return pickle.LONG1 + b"\x08" + struct.pack("<q", value)


def name(module: str, attribute: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{attribute}\n".encode()
