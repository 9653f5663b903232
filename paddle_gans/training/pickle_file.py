"""What a pickle's instructions take from the file: numbers, names, text and the data of arrays.

No length is believed before it is compared with the size of the file; text and data stay in the
file until something needs them; and what a file makes us keep is counted and bounded.
"""

from __future__ import annotations

import codecs
import math
import os
import struct
import sys
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn, Union

import numpy as np

from data_reader.errors import InputError

MAX_CONTENT = 2**20  # bytes of all that is not array data: names, numbers, instructions
MAX_NAME = 256  # bytes in the name of a module or a function
MAX_INTEGER = 16  # bytes
MAX_DIMENSIONS = 32  # NumPy 1 has no more
CHUNK = 2**20  # bytes of text that are decoded at a time
TAKE_AGAIN = "copy or download it again"

TYPES = ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
NUMERIC = {name: np.dtype(f"<{name}") for name in TYPES}  # bfloat16 is saved as u2


class Text(NamedTuple):
    """UTF-8 text in the file."""

    start: int
    length: int


class Bytes(NamedTuple):
    """Bytes in the file."""

    start: int
    length: int


class BytesAsText(NamedTuple):
    """Bytes in the file the way protocol 2 writes them: as Latin-1 characters, in UTF-8."""

    start: int
    length: int


class PickleFile:
    """An open file, the position in it, and what has been spent of the limits above.

    Whatever does not suit it raises ``InputError``, which names the file and what it holds.
    """

    def __init__(self, path: Path, file: BinaryIO):
        self.path = path
        self.file = file
        self.size = file.seek(0, os.SEEK_END)
        self.position = 0
        self.content = 0  # bytes spent of MAX_CONTENT
        self.array_bytes = 0

    def refuse(self, what: str) -> NoReturn:
        raise InputError(f"{self.path} {what}")

    def damaged(self) -> NoReturn:
        self.refuse(f"is damaged near byte {self.position}; {TAKE_AGAIN}")

    def check(self, sound: bool) -> None:
        if not sound:
            self.damaged()

    def spend(self, count: int) -> None:
        self.content += count
        if self.content > MAX_CONTENT:
            self.refuse(
                f"holds more than {MAX_CONTENT >> 20} MiB that is not arrays; "
                "save a state_dict() alone"
            )

    def need(self, count: int) -> None:
        if count > self.size - self.position:
            self.refuse(f"is cut short: it ends at byte {self.size}, inside a value; {TAKE_AGAIN}")

    def skip(self, count: int) -> None:
        self.need(count)
        self.position += count

    def read(self, count: int) -> bytes:
        self.skip(count)
        return self.read_at(self.position - count, count)

    def read_at(self, start: int, count: int) -> bytes:
        self.file.seek(start)
        data = self.file.read(count)
        self.check(len(data) == count)  # another process may be writing the file
        return data

    def number(self, layout: str) -> Any:
        return struct.unpack(layout, self.read(struct.calcsize(layout)))[0]

    def integer(self) -> int:
        length = self.number("<B")
        self.check(length <= MAX_INTEGER)
        return int.from_bytes(self.read(length), "little", signed=True)

    def line(self) -> str:
        """An ASCII line, without its end."""
        ahead = self.read_at(self.position, min(MAX_NAME, self.size - self.position))
        line = ahead.partition(b"\n")[0]
        self.skip(len(line) + 1)
        self.check(len(line) < MAX_NAME and line.isascii())
        return line.decode()

    def pass_text(self, layout: str) -> Text:
        """Where the text lies that follows its length; the position moves behind it."""
        length = self.number(layout)
        self.skip(length)
        return Text(self.position - length, length)

    def pass_bytes(self, layout: str) -> Bytes:
        return Bytes(*self.pass_text(layout))

    def text(self, place: object) -> str:
        self.check(type(place) is Text)
        self.spend(place.length)
        try:
            return self.read_at(place.start, place.length).decode()
        except UnicodeDecodeError:
            self.damaged()

    def values(self, shape: object, dtype: object, data: object) -> np.ndarray:
        """``data`` as a new flat array of ``dtype`` with as many elements as ``shape`` asks for."""
        self.check(isinstance(dtype, np.dtype) and type(data) in (Bytes, BytesAsText))
        self.check(type(shape) is tuple and len(shape) <= MAX_DIMENSIONS)
        self.check(all(type(side) is int and side >= 0 for side in shape))
        # NumPy cannot hold sides whose product overflows, even where another side is 0.
        self.check(math.prod(max(side, 1) for side in shape) * dtype.itemsize <= sys.maxsize)
        count = math.prod(shape) * dtype.itemsize
        longest = count if type(data) is Bytes else 2 * count  # a Latin-1 character takes 1 or 2
        if not count <= data.length <= longest:
            self.refuse(f"holds an array of shape {shape} without data of that size; {TAKE_AGAIN}")
        self.array_bytes += count
        self.check(self.array_bytes <= self.size)  # many arrays may ask for the same bytes
        flat = np.empty(count, np.uint8)
        self.copy_into(flat, data)
        return flat.view(dtype)

    def copy_into(self, flat: np.ndarray, data: Union[Bytes, BytesAsText]) -> None:
        if type(data) is Bytes:
            self.file.seek(data.start)
            self.check(self.file.readinto(flat) == len(flat))
            return
        # Chunk by chunk: one wide character would make a whole string four times as large.
        decoder = codecs.getincrementaldecoder("utf-8")()
        filled, end = 0, data.start + data.length
        for start in range(data.start, end, CHUNK):
            chunk = self.read_at(start, min(CHUNK, end - start))
            try:
                decoded = decoder.decode(chunk, final=start + CHUNK >= end).encode("latin-1")
            except UnicodeError:
                self.damaged()
            self.check(filled + len(decoded) <= len(flat))
            flat[filled : filled + len(decoded)] = np.frombuffer(decoded, np.uint8)
            filled += len(decoded)
        self.check(filled == len(flat))
