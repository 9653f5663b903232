"""Check that a program's ``.pdiparams`` is complete; the framework loads a truncated one."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from data_reader.errors import InputError

# Bytes per number, by the framework's code for its type.
ITEM_SIZE = {0: 1, 1: 2, 2: 4, 3: 8, 4: 2, 5: 4, 6: 8, 20: 1, 21: 1, 22: 2, 23: 8, 24: 16}
MAX_DESCRIPTION = 2**16  # bytes; a tensor's type and shape take about twenty


def check_parameters(path: Path) -> None:
    """Follow the tensors of a file to its end.

    Each is a version (0), its levels of detail with their sizes, a version again, a description
    (type and shape as a protocol buffer) with its size, and the numbers.

    Raises:
        InputError: a tensor ends beyond the file, or it is something else.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            while file.tell() < size:
                skip_tensor(file)
            complete = file.tell() == size
    except (struct.error, ValueError, KeyError, OverflowError, OSError):
        complete = False
    if not complete:
        raise InputError(f"{path} is damaged or cut short; export the network again")


def skip_tensor(file: BinaryIO) -> None:
    """Seek behind the next tensor; its size is the product of its sides and its type's size."""

    def read(form: str) -> tuple[int, ...]:
        return struct.unpack(form, file.read(struct.calcsize(form)))

    version, levels = read("<IQ")
    for _ in range(levels):
        file.seek(*read("<Q"), 1)
    version_of_tensor, length = read("<Ii")
    if version or version_of_tensor or not 0 < length <= MAX_DESCRIPTION:
        raise ValueError("not a tensor of version 0")
    size, numbers = 1, varints(file.read(length))
    for tag in numbers:
        value = next(numbers, None)
        if tag & 7 != 0 or value is None:
            raise ValueError("a field that is not a number")
        size *= ITEM_SIZE[value] if tag >> 3 == 1 else value  # field 1 is the type, 2 a side
    file.seek(size, 1)


def varints(data: bytes) -> Iterator[int]:
    """Decode a protocol buffer's numbers: seven bits a byte, the low ones first."""
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield value
            value = shift = 0
