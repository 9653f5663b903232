"""Whether a program's ``.pdiparams`` is whole: the framework takes one that is cut short."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from data_reader.errors import InputError

# Bytes a number, by the framework's code for its type.
ITEM_SIZE = {0: 1, 1: 2, 2: 4, 3: 8, 4: 2, 5: 4, 6: 8, 20: 1, 21: 1, 22: 2, 23: 8, 24: 16}
MAX_DESCRIPTION = 2**16  # bytes; a tensor's type and shape take some twenty


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
                pass_tensor(file)
            whole = file.tell() == size
    except (struct.error, ValueError, KeyError, OverflowError, OSError):
        whole = False
    if not whole:
        raise InputError(f"{path} is damaged or cut short; export the network again")


def pass_tensor(file: BinaryIO) -> None:
    """Go behind the next tensor; its bytes are the product of its sides and its type's."""
    version, levels = take(file, "<IQ")
    for _ in range(levels):
        file.seek(*take(file, "<Q"), 1)
    version_of_tensor, length = take(file, "<Ii")
    if version or version_of_tensor or not 0 < length <= MAX_DESCRIPTION:
        raise ValueError("no tensor of version 0")
    size = 1
    for field, value in fields(file.read(length)):
        size *= ITEM_SIZE[value] if field == 1 else value
    file.seek(size, 1)


def take(file: BinaryIO, form: str) -> tuple[int, ...]:
    """The next numbers of a file."""
    return struct.unpack(form, file.read(struct.calcsize(form)))


def fields(description: bytes) -> Iterator[tuple[int, int]]:
    """The numbers of a protocol buffer with their fields: 1 the type, 2 a side."""
    numbers = varints(description)
    for tag in numbers:
        value = next(numbers, None)
        if tag & 7 != 0 or value is None:
            raise ValueError("a field that is no number")
        yield tag >> 3, value


def varints(data: bytes) -> Iterator[int]:
    """Numbers of seven bits a byte, the low ones first."""
    value = shift = 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield value
            value = shift = 0
