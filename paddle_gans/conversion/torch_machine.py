"""What a pickle of ``torch.save`` does more than one of ``paddle.save``: tensors in storages.

The same machine, with names and instructions of its own: nothing that a file names is imported,
called or built, and no number in it is believed before it is compared with the data.
"""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any, BinaryIO, Callable

import numpy as np

from paddle_gans.training.pickle_file import MAX_DIMENSIONS, TAKE_AGAIN
from paddle_gans.training.pickle_machine import Array, Name, PickleMachine

BFLOAT16 = "bfloat16"  # NumPy has none: the upper half of a float32
TYPES = {
    "Double": "f8", "Float": "f4", "Half": "f2", "BFloat16": BFLOAT16, "Long": "i8", "Int": "i4",
    "Short": "i2", "Char": "i1", "Byte": "u1", "Bool": "b1",
}  # fmt: skip
STORAGES = {
    f"{module}.{name}Storage": kind
    for module in ("torch", "torch.cuda")
    for name, kind in TYPES.items()
}


class Storage:
    """Numbers that the file has elsewhere under ``key``: ``count`` of them from ``start`` on."""

    __slots__ = ("count", "key", "kind", "start")

    def __init__(self, key: str, kind: str, count: int, start: int = 0):
        self.key, self.kind, self.count, self.start = key, kind, count, start

    @property
    def dtype(self) -> np.dtype:
        """How the numbers lie in the file, lowest byte first."""
        return np.dtype("<u2" if self.kind == BFLOAT16 else f"<{self.kind}")


class Tensor(Array):
    """An array whose numbers come after the pickle has been followed."""

    __slots__ = ("offset", "shape", "storage", "strides")

    def __init__(self, storage: Storage, offset: int, shape: tuple, strides: tuple):
        super().__init__()
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides


class TorchMachine(PickleMachine):
    """Follows the pickles of ``torch.save``; ``fill`` brings the numbers of their tensors."""

    saver, loader = "torch.save(network.state_dict(), FILE)", "torch.load"

    def __init__(self, path: Path, file: BinaryIO):
        super().__init__(path, file)
        self.tensors: list[Tensor] = []
        self.storages: dict[str, Storage] = {}

    def follow(self) -> Any:
        """As of any pickle; several in one file have a memo each."""
        self.check(self.read_at(self.position, 1) == pickle.PROTO)
        self.memo = {}
        return super().follow()

    def fill(self, data_of: Callable[[Storage], np.ndarray], big_endian: bool, most: int) -> None:
        """Give every tensor its numbers, out of the flat bytes of its storage; nothing is copied.

        ``most`` are the bytes that all tensors may have together: each is a view, but what is done
        with it copies, and many may be views of the same bytes.
        """
        for tensor in self.tensors:
            storage, dtype = tensor.storage, tensor.storage.dtype
            flat, start = data_of(storage), (storage.start + tensor.offset) * dtype.itemsize
            self.check(start + last(tensor) * dtype.itemsize <= len(flat))
            self.array_bytes += math.prod(tensor.shape) * dtype.itemsize
            if self.array_bytes > most:
                self.refuse("holds tensors that share their data; save clones of them")
            tensor.values = np.ndarray(
                tensor.shape,
                dtype.newbyteorder(">") if big_endian else dtype,
                flat.data,
                start,
                [stride * dtype.itemsize for stride in tensor.strides],
            )
            if storage.kind == BFLOAT16:
                tensor.values = (tensor.values.astype("<u4") << 16).view("<f4")

    def name(self, module: str, name: str) -> None:
        dotted = f"{module}.{name}"
        if dotted not in self.calls:
            self.refuse(
                f"asks for {ascii(dotted)[1:-1][:80]}, which is no part of a state_dict (nothing "
                "was run); where you trust the file, save the state_dict() of what "
                "torch.load(FILE, weights_only=False) gives"
            )
        super().name(module, name)

    # What stands in for the calls that a file asks for.

    def storage(self) -> None:
        """The persistent id of a storage: its type, key, place and length, and what part of it."""
        (about,) = self.pop(1)
        self.check(type(about) is tuple and len(about) in (5, 6))
        word, kind, key, _location, count, *part = about
        self.check(type(kind) is Name and type(count) is int and count >= 0)
        self.check(self.text(word) == "storage")
        if kind.dotted not in STORAGES:
            self.refuse(f"holds a storage of {kind.dotted}; only plain numbers are read")
        start, key = 0, self.text(key)
        known = self.storages.setdefault(key, Storage(key, STORAGES[kind.dotted], count))
        self.check(known.count == count and known.kind == STORAGES[kind.dotted])
        if part and part[0] is not None:
            _key, start, count = self.exactly(3, part[0])
            self.check(type(start) is int and type(count) is int)
            self.check(start >= 0 and 0 <= count <= known.count - start)
        self.push(Storage(key, known.kind, count, start))

    def tensor(self, arguments: object) -> Tensor:
        """``_rebuild_tensor(storage, offset, shape, strides, ...)``."""
        self.check(type(arguments) is tuple and len(arguments) in (4, 6, 7))
        storage, offset, shape, strides = arguments[:4]
        self.check(type(storage) is Storage and type(shape) is tuple and type(strides) is tuple)
        self.check(len(shape) == len(strides) <= MAX_DIMENSIONS)
        self.check(all(type(n) is int and 0 <= n < 2**62 for n in (offset, *shape, *strides)))
        tensor = Tensor(storage, offset, shape, strides)
        if offset + last(tensor) > storage.count:
            self.refuse(f"holds a tensor of shape {list(shape)} without data of that size")
        if math.prod(shape) > storage.count:
            self.refuse(f"holds an expanded tensor of shape {list(shape)}; save it contiguous")
        self.tensors.append(tensor)
        return tensor

    def parameter(self, arguments: object) -> Tensor:
        """``_rebuild_parameter(tensor, requires_grad, hooks)``."""
        tensor = self.exactly(3, arguments)[0]
        self.check(type(tensor) is Tensor)
        return tensor

    def size(self, arguments: object) -> tuple:
        """``torch.Size((2, 3))``."""
        (size,) = self.exactly(1, arguments)
        self.check(type(size) is tuple)
        return size

    def ordered(self, arguments: object) -> dict:
        """An empty dict, or one of a list of pairs as Python 2 has it."""
        if arguments == ():
            return {}
        (pairs,) = self.exactly(1, arguments)
        self.check(type(pairs) is list)
        self.check(all(type(pair) in (list, tuple) and len(pair) == 2 for pair in pairs))
        return {self.text(key): value for key, value in pairs}

    def set_items(self, items: list) -> None:
        """Keys may be numbers too: an optimizer counts its parameters."""
        self.check(type(self.top()) is dict and len(items) % 2 == 0)
        for key, value in zip(items[::2], items[1::2]):
            self.top()[key if type(key) is int else self.text(key)] = value

    def build(self) -> None:
        """A state dict's state are the versions of its layers; nothing here needs them."""
        if len(self.stack) > 1 and type(self.stack[-2]) is dict:
            self.pop(1)
        else:
            super().build()

    def not_callable(self, _: object) -> None:
        self.damaged()

    def plain(self, value: Any, depth: int) -> Any:
        """As of any pickle; a storage by itself is no weight."""
        if type(value) is Tensor:
            self.check(value.values is not None)
            return value.values
        if type(value) is Storage:
            self.refuse(f"holds a storage among its values; {TAKE_AGAIN}")
        return super().plain(value, depth)


def last(tensor: Tensor) -> int:
    """How far the tensor reaches beyond its offset; 0 where it is empty."""
    if 0 in tensor.shape:
        return 0
    return 1 + sum((side - 1) * stride for side, stride in zip(tensor.shape, tensor.strides))


TorchMachine.calls = {
    **PickleMachine.calls,
    **dict.fromkeys(STORAGES, TorchMachine.not_callable),
    "collections.OrderedDict": TorchMachine.ordered,
    "torch._utils._rebuild_tensor": TorchMachine.tensor,  # before 0.4
    "torch._utils._rebuild_tensor_v2": TorchMachine.tensor,
    "torch._utils._rebuild_parameter": TorchMachine.parameter,
    "torch.Size": TorchMachine.size,
}

TorchMachine.instructions = {
    **PickleMachine.instructions,
    pickle.BINPERSID: TorchMachine.storage,
    pickle.BUILD: TorchMachine.build,
    pickle.SHORT_BINSTRING: lambda m: m.push(m.pass_text("<B")),  # Python 2's text
    pickle.BINSTRING: lambda m: m.push(m.pass_text("<I")),
}
