"""Reads pickles of NumPy arrays in plain containers, and can do nothing else.

A pickle is a program for a small stack machine, and ``pickle.load`` runs whatever the program says.
This is an interpreter of its own rather than a restricted ``pickle.Unpickler``: it calls nothing
that a file names, compares every length with the size of the file before using it, leaves text and
array data in the file until they are needed, and bounds what a file can make it allocate.
"""

from __future__ import annotations

import codecs
import math
import os
import pickle
import pickletools
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn

import numpy as np

from data_reader.errors import InputError

MAX_CONTENT = 2**20  # bytes of everything except array data: names, numbers, instructions
INSTRUCTION_COST = 4  # bytes of MAX_CONTENT, which limits a file to 2**18 objects
MAX_DEPTH = 16  # nested containers; what training saves has three or four
MAX_NAME = 256  # bytes in the name of a module or a function
MAX_INTEGER = 16  # bytes
MAX_DIMENSIONS = 32  # the limit of NumPy 1
CHUNK = 2**20  # bytes of text decoded at a time
COPY_AGAIN = "copy or download it again"

TYPES = ["b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]
NUMERIC = {name: np.dtype(f"<{name}") for name in TYPES}


def from_bfloat16(bits: np.ndarray) -> np.ndarray:
    """Convert bfloat16, which NumPy lacks, to float32, whose upper half it is."""
    return (bits.astype("<u4") << 16).view("<f4")


class Text(NamedTuple):
    """UTF-8 text in the file."""

    start: int
    length: int


class Bytes(Text):
    """Bytes in the file."""


class BytesAsText(Text):
    """Bytes in the file as protocol 2 writes them: Latin-1 characters encoded in UTF-8."""


class Name(NamedTuple):
    """The name of an allowed function or class, which is never looked up."""

    dotted: str


class Array:
    """An array, empty (None) until its BUILD instruction."""

    __slots__ = ("values",)

    def __init__(self):
        self.values = None


class SafeUnpickler:
    """A stack and a memo over an open file; ``instructions`` lists all that it can do.

    Anything unexpected raises an InputError that names the file. Subclasses that read another
    program's files have their own tables.
    """

    saver = "paddle.save"  # for messages, as the next one
    not_allowed = (
        "which weights do not need (nothing was run; paddle.load would run it); download the file "
        "from a source you trust"
    )
    calls: dict[str, Callable[[SafeUnpickler, object], object]]  # what a file may name
    instructions: dict[bytes, Callable[[SafeUnpickler], object]]

    def __init__(self, path: Path, file: BinaryIO):
        self.path, self.file = path, file
        self.size = file.seek(0, os.SEEK_END)
        self.position = 0
        self.content = 0  # bytes of MAX_CONTENT used so far
        self.array_bytes = 0
        self.stack: list = []
        self.outer_stacks: list[list] = []  # one for each open MARK
        self.memo: dict[int, object] = {}

    def load(self) -> Any:
        """Execute the whole file and return its one object."""
        value = self.execute()
        self.check(self.position == self.size)
        return self.plain(value, depth=0)

    def execute(self) -> Any:
        """Execute one pickle; returns its object, which ``plain`` turns into ordinary data."""
        self.skip(2)  # PROTO and its number
        while (code := self.read(1)) != pickle.STOP:
            self.spend(INSTRUCTION_COST)
            if code not in self.instructions:
                known = pickletools.code2op.get(code.decode("latin-1"))
                self.check(known is not None)
                self.refuse(
                    f"contains the pickle instruction {known.name}, which weights do not need "
                    f"(nothing was run); save them with {self.saver}"
                )
            self.instructions[code](self)
        self.check(not self.outer_stacks and len(self.stack) == 1)
        return self.stack.pop()

    def plain(self, value: Any, depth: int) -> Any:
        """Convert ``value`` to arrays, numbers, strings and containers of these.

        Every visit counts as content: shared lists can be short in the file and endless here.
        """
        self.spend(INSTRUCTION_COST)
        if depth > MAX_DEPTH:
            self.refuse(f"has over {MAX_DEPTH} nested containers; save a state_dict() alone")
        kind = type(value)
        if kind is Text:
            return self.text(value)
        if kind is Array and value.values is not None:
            return value.values
        if kind is dict:
            return {key: self.plain(item, depth + 1) for key, item in value.items()}
        if kind in (list, tuple):
            return kind(self.plain(item, depth + 1) for item in value)
        if value is None or kind in (bool, int, float) or isinstance(value, np.generic):
            return value
        what = {Array: "an array without data", Name: "a function or class"}
        return self.refuse(f"holds {what.get(kind, 'raw bytes')} among its values; {COPY_AGAIN}")

    # Errors and limits.

    def refuse(self, what: str) -> NoReturn:
        raise InputError(f"{self.path} {what}")

    def check(self, sound: bool) -> None:
        if not sound:
            self.refuse(f"is damaged near byte {self.position}; {COPY_AGAIN}")

    def spend(self, count: int) -> None:
        self.content += count
        if self.content > MAX_CONTENT:
            self.refuse(
                f"holds more than {MAX_CONTENT >> 20} MiB that is not arrays; "
                "save a state_dict() alone"
            )

    def require(self, count: int) -> None:
        if count > self.size - self.position:
            self.refuse(f"is cut short: it ends at byte {self.size}, inside a value; {COPY_AGAIN}")

    # The file.

    def skip(self, count: int) -> None:
        self.require(count)
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

    def skip_text(self, layout: str) -> Text:
        """Skip text that follows its length; returns where it is."""
        length = self.number(layout)
        self.skip(length)
        return Text(self.position - length, length)

    def text(self, place: object) -> str:
        self.check(type(place) is Text)
        self.spend(place.length)
        try:
            return self.read_at(place.start, place.length).decode()
        except UnicodeDecodeError:
            self.check(False)

    def values(self, shape: object, dtype: object, data: object) -> np.ndarray:
        """Read ``data`` as a new flat array of ``dtype`` with as many elements as ``shape`` has."""
        self.check(isinstance(dtype, np.dtype) and type(data) in (Bytes, BytesAsText))
        self.check(type(shape) is tuple and len(shape) <= MAX_DIMENSIONS)
        self.check(all(type(side) is int and side >= 0 for side in shape))
        # NumPy cannot hold sides whose product overflows, even where another side is 0.
        self.check(math.prod(max(side, 1) for side in shape) * dtype.itemsize <= sys.maxsize)
        count = math.prod(shape) * dtype.itemsize
        longest = count if type(data) is Bytes else 2 * count  # a Latin-1 character has 1 or 2
        if not count <= data.length <= longest:
            self.refuse(f"holds an array of shape {shape} without data of that size; {COPY_AGAIN}")
        self.array_bytes += count
        self.check(self.array_bytes <= self.size)  # many arrays may name the same bytes
        flat = np.empty(count, np.uint8)
        self.copy_into(flat, data)
        return flat.view(dtype)

    def copy_into(self, flat: np.ndarray, data: Bytes | BytesAsText) -> None:
        if type(data) is Bytes:
            self.file.seek(data.start)
            self.check(self.file.readinto(flat) == len(flat))
            return
        # In chunks, because one wide character would make a whole string four times as large.
        decoder = codecs.getincrementaldecoder("utf-8")()
        filled, end = 0, data.start + data.length
        for start in range(data.start, end, CHUNK):
            chunk = self.read_at(start, min(CHUNK, end - start))
            try:
                decoded = decoder.decode(chunk, final=start + CHUNK >= end).encode("latin-1")
            except UnicodeError:
                self.check(False)
            self.check(filled + len(decoded) <= len(flat))
            flat[filled : filled + len(decoded)] = np.frombuffer(decoded, np.uint8)
            filled += len(decoded)
        self.check(filled == len(flat))

    # The stack and the memo.

    def push(self, value: object) -> None:
        self.stack.append(value)

    def pop(self, count: int) -> list:
        self.check(len(self.stack) >= count)
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def mark(self) -> None:
        self.outer_stacks.append(self.stack)
        self.stack = []

    def pop_to_mark(self) -> list:
        self.check(len(self.outer_stacks) > 0)
        items = self.stack
        self.stack = self.outer_stacks.pop()
        return items

    def top(self) -> Any:
        self.check(len(self.stack) > 0)
        return self.stack[-1]

    def put(self, index: int) -> None:
        self.memo[index] = self.top()

    def get(self, index: int) -> None:
        self.check(index in self.memo)
        self.push(self.memo[index])

    def extend_list(self, items: list) -> None:
        self.check(type(self.top()) is list)
        self.top().extend(items)

    def set_items(self, items: list) -> None:
        self.check(type(self.top()) is dict and len(items) % 2 == 0)
        for key, value in zip(items[::2], items[1::2]):
            self.top()[self.key(key)] = value

    def key(self, key: object) -> object:
        return self.text(key)

    # Names, and what replaces the calls that a file requests.

    def name(self, module: str, name: str) -> None:
        dotted = f"{module}.{name}"
        if dotted not in self.calls:
            self.refuse(f"asks for {ascii(dotted)[1:-1][:80]}, {self.not_allowed}")
        self.push(Name(dotted))

    def call(self) -> None:
        function, arguments = self.pop(2)
        self.check(type(function) is Name)
        self.push(self.calls[function.dotted](self, arguments))

    def exactly(self, count: int, items: object) -> tuple:
        """``items``, which must be a tuple of this length."""
        self.check(type(items) is tuple and len(items) == count)
        return items

    def no_bytes(self, arguments: object) -> Bytes:
        """``bytes()`` is how protocol 2 saves no bytes."""
        self.exactly(0, arguments)
        return Bytes(0, 0)

    def same_tuple(self, arguments: object) -> tuple:
        """``tuple((name, array))`` is how a tensor and its name are saved."""
        return self.exactly(2, *self.exactly(1, arguments))

    def encode(self, arguments: object) -> BytesAsText:
        """``encode(text, "latin1")`` is how protocol 2 saves bytes."""
        text, encoding = self.exactly(2, arguments)
        self.check(type(text) is Text and self.text(encoding) == "latin1")
        return BytesAsText(*text)

    def dtype(self, arguments: object) -> np.dtype:
        code = self.text(self.exactly(3, arguments)[0])
        if code not in NUMERIC:
            self.refuse(f"holds an array of type {ascii(code)[:20]}; only plain numbers are read")
        return NUMERIC[code]

    def scalar(self, arguments: object) -> np.generic:
        dtype, data = self.exactly(2, arguments)
        return self.values((), dtype, data)[0]

    def build(self) -> None:
        """Set the state of the array or dtype on the stack; nothing else has one."""
        (state,) = self.pop(1)
        target = self.top()
        if isinstance(target, np.dtype):
            self.check_dtype_state(state)
            return
        self.check(type(target) is Array and target.values is None)
        _version, shape, dtype, is_fortran, data = self.exactly(5, state)
        self.check(type(is_fortran) is bool)
        values = self.values(shape, dtype, data)
        target.values = values.reshape(shape, order="F" if is_fortran else "C")

    def check_dtype_state(self, state: object) -> None:
        """Allow only a plain little-endian number: no fields, no subarray."""
        _version, order, subarray, names, fields, _size, _alignment, _flags = self.exactly(8, state)
        if not subarray is names is fields is None:
            self.refuse("holds an array with fields; only arrays of plain numbers are read")
        if self.text(order) not in ("<", "|"):
            self.refuse("holds a big-endian array; save it as little-endian")


SafeUnpickler.calls = {
    # BUILD has an array's real shape and type, not these arguments.
    "numpy.ndarray": lambda m, _: Array(),
    "numpy.core.multiarray._reconstruct": lambda m, _: Array(),  # NumPy 1
    "numpy._core.multiarray._reconstruct": lambda m, _: Array(),  # NumPy 2
    "numpy.core.multiarray.scalar": SafeUnpickler.scalar,
    "numpy._core.multiarray.scalar": SafeUnpickler.scalar,
    "numpy.dtype": SafeUnpickler.dtype,
    "collections.OrderedDict": lambda m, arguments: dict(m.exactly(0, arguments)),
    "builtins.tuple": SafeUnpickler.same_tuple,
    "__builtin__.tuple": SafeUnpickler.same_tuple,  # protocol 2 uses the names of Python 2
    "__builtin__.bytes": SafeUnpickler.no_bytes,
    "_codecs.encode": SafeUnpickler.encode,
}

SafeUnpickler.instructions = {
    pickle.FRAME: lambda m: m.require(m.number("<Q")),
    pickle.NONE: lambda m: m.push(None),
    pickle.NEWTRUE: lambda m: m.push(True),
    pickle.NEWFALSE: lambda m: m.push(False),
    pickle.BININT: lambda m: m.push(m.number("<i")),
    pickle.BININT1: lambda m: m.push(m.number("<B")),
    pickle.BININT2: lambda m: m.push(m.number("<H")),
    pickle.LONG1: lambda m: m.push(m.integer()),
    pickle.BINFLOAT: lambda m: m.push(m.number(">d")),
    pickle.SHORT_BINUNICODE: lambda m: m.push(m.skip_text("<B")),
    pickle.BINUNICODE: lambda m: m.push(m.skip_text("<I")),
    pickle.BINUNICODE8: lambda m: m.push(m.skip_text("<Q")),
    pickle.SHORT_BINBYTES: lambda m: m.push(Bytes(*m.skip_text("<B"))),
    pickle.BINBYTES: lambda m: m.push(Bytes(*m.skip_text("<I"))),
    pickle.BINBYTES8: lambda m: m.push(Bytes(*m.skip_text("<Q"))),
    pickle.MARK: SafeUnpickler.mark,
    pickle.EMPTY_TUPLE: lambda m: m.push(()),
    pickle.TUPLE1: lambda m: m.push(tuple(m.pop(1))),
    pickle.TUPLE2: lambda m: m.push(tuple(m.pop(2))),
    pickle.TUPLE3: lambda m: m.push(tuple(m.pop(3))),
    pickle.TUPLE: lambda m: m.push(tuple(m.pop_to_mark())),
    pickle.EMPTY_LIST: lambda m: m.push([]),
    pickle.APPEND: lambda m: m.extend_list(m.pop(1)),
    pickle.APPENDS: lambda m: m.extend_list(m.pop_to_mark()),
    pickle.EMPTY_DICT: lambda m: m.push({}),
    pickle.SETITEM: lambda m: m.set_items(m.pop(2)),
    pickle.SETITEMS: lambda m: m.set_items(m.pop_to_mark()),
    pickle.BINPUT: lambda m: m.put(m.number("<B")),
    pickle.LONG_BINPUT: lambda m: m.put(m.number("<I")),
    pickle.MEMOIZE: lambda m: m.put(len(m.memo)),
    pickle.BINGET: lambda m: m.get(m.number("<B")),
    pickle.LONG_BINGET: lambda m: m.get(m.number("<I")),
    pickle.GLOBAL: lambda m: m.name(m.line(), m.line()),
    pickle.STACK_GLOBAL: lambda m: m.name(*map(m.text, m.pop(2))),
    pickle.REDUCE: SafeUnpickler.call,
    pickle.BUILD: SafeUnpickler.build,
}
