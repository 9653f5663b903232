"""Reads pickles of NumPy arrays in plain containers, and can do nothing else.

A pickle is a program for a small stack machine, and ``pickle.load`` runs whatever the program says.
This is a machine of our own and not a narrowed ``pickle.Unpickler``: it follows only what
``paddle.save`` writes, calls nothing that a file names, and hands NumPy no argument unchecked.
"""

from __future__ import annotations

import pickle
import pickletools
from pathlib import Path
from typing import Any, BinaryIO, Callable, NamedTuple

import numpy as np

from .pickle_file import NUMERIC, TAKE_AGAIN, Bytes, BytesAsText, PickleFile, Text

INSTRUCTION_COST = 4  # bytes of MAX_CONTENT, so that there are at most 2**18 objects
MAX_DEPTH = 16  # containers in each other; what training saves has three or four


class Name(NamedTuple):
    """The name of an admitted function or class; the thing itself is never looked up."""

    dotted: str


class Array:
    """An array, empty (None) until its BUILD instruction."""

    __slots__ = ("values",)

    def __init__(self):
        self.values = None


class PickleMachine(PickleFile):
    """A stack and a memo over a file; ``instructions`` at the end is all that it can do.

    A machine for another program's files has tables of its own.
    """

    saver, loader = "paddle.save", "paddle.load"  # for messages
    calls: dict[str, Callable[[PickleMachine, object], object]]  # what a file may name
    instructions: dict[bytes, Callable[[PickleMachine], object]]  # what a file may do

    def __init__(self, path: Path, file: BinaryIO):
        super().__init__(path, file)
        self.stack: list = []
        self.outer_stacks: list[list] = []  # one for each open MARK
        self.memo: dict[int, object] = {}

    def run(self) -> Any:
        """Follow the instructions to the end and return the one object that they leave."""
        value = self.follow()
        self.check(self.position == self.size)
        return self.plain(value, depth=0)

    def follow(self) -> Any:
        """Follow one pickle's instructions; the object that they leave, in this machine's terms."""
        self.skip(2)  # PROTO and its number
        while (code := self.read(1)) != pickle.STOP:
            self.spend(INSTRUCTION_COST)
            if code not in self.instructions:
                known = pickletools.code2op.get(code.decode("latin-1"))
                self.check(known is not None)
                self.refuse(
                    f"holds the pickle instruction {known.name}, which weights do not need "
                    f"(nothing was run); save them with {self.saver}"
                )
            self.instructions[code](self)
        self.check(not self.outer_stacks and len(self.stack) == 1)
        return self.stack.pop()

    def plain(self, value: Any, depth: int) -> Any:
        """``value`` with nothing of this machine left in it.

        Every visit is paid for: lists that share lists can be short in the file and endless here.
        """
        self.spend(INSTRUCTION_COST)
        if depth > MAX_DEPTH:
            self.refuse(f"has over {MAX_DEPTH} containers in each other; save a state_dict() alone")
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
        return self.refuse(f"holds {what.get(kind, 'raw bytes')} among its values; {TAKE_AGAIN}")

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
            self.top()[self.text(key)] = value

    # Names, and what stands in for calling them.

    def name(self, module: str, name: str) -> None:
        dotted = f"{module}.{name}"
        if dotted not in self.calls:
            self.refuse(
                f"asks for {ascii(dotted)[1:-1][:80]}, which weights do not need (nothing was run; "
                f"{self.loader} would run it); take the file from a source you trust"
            )
        self.push(Name(dotted))

    def call(self) -> None:
        function, arguments = self.pop(2)
        self.check(type(function) is Name)
        self.push(self.calls[function.dotted](self, arguments))

    def exactly(self, count: int, items: object) -> tuple:
        """``items``, which must be a tuple of this length."""
        self.check(type(items) is tuple and len(items) == count)
        return items

    def new_array(self, _: object) -> Array:
        """Whatever shape and type are asked for; BUILD brings the real ones."""
        return Array()

    def new_dict(self, arguments: object) -> dict:
        self.exactly(0, arguments)
        return {}

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
        """Give the array or the dtype on the stack its state; nothing else has one."""
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
        """A plain number has a byte order and no fields; the rest says nothing about it."""
        _version, order, subarray, names, fields, _size, _alignment, _flags = self.exactly(8, state)
        if not subarray is names is fields is None:
            self.refuse("holds an array with fields; only arrays of plain numbers are read")
        if self.text(order) not in ("<", "|"):
            self.refuse("holds a big-endian array; save it as little-endian")


# The names that a file may mention, and what happens when it calls them.
PickleMachine.calls = {
    "numpy.ndarray": PickleMachine.new_array,
    "numpy.core.multiarray._reconstruct": PickleMachine.new_array,  # NumPy 1
    "numpy._core.multiarray._reconstruct": PickleMachine.new_array,  # NumPy 2
    "numpy.core.multiarray.scalar": PickleMachine.scalar,
    "numpy._core.multiarray.scalar": PickleMachine.scalar,
    "numpy.dtype": PickleMachine.dtype,
    "collections.OrderedDict": PickleMachine.new_dict,
    "builtins.tuple": PickleMachine.same_tuple,
    "__builtin__.tuple": PickleMachine.same_tuple,  # protocol 2 uses the names of Python 2
    "__builtin__.bytes": PickleMachine.no_bytes,
    "_codecs.encode": PickleMachine.encode,
}

# Every instruction that the machine follows.
PickleMachine.instructions = {
    pickle.FRAME: lambda m: m.need(m.number("<Q")),
    pickle.NONE: lambda m: m.push(None),
    pickle.NEWTRUE: lambda m: m.push(True),
    pickle.NEWFALSE: lambda m: m.push(False),
    pickle.BININT: lambda m: m.push(m.number("<i")),
    pickle.BININT1: lambda m: m.push(m.number("<B")),
    pickle.BININT2: lambda m: m.push(m.number("<H")),
    pickle.LONG1: lambda m: m.push(m.integer()),
    pickle.BINFLOAT: lambda m: m.push(m.number(">d")),
    pickle.SHORT_BINUNICODE: lambda m: m.push(m.pass_text("<B")),
    pickle.BINUNICODE: lambda m: m.push(m.pass_text("<I")),
    pickle.BINUNICODE8: lambda m: m.push(m.pass_text("<Q")),
    pickle.SHORT_BINBYTES: lambda m: m.push(m.pass_bytes("<B")),
    pickle.BINBYTES: lambda m: m.push(m.pass_bytes("<I")),
    pickle.BINBYTES8: lambda m: m.push(m.pass_bytes("<Q")),
    pickle.MARK: PickleMachine.mark,
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
    pickle.REDUCE: PickleMachine.call,
    pickle.BUILD: PickleMachine.build,
}
