"""Reads and writes the files of ``torch.save``, without PyTorch and without running their code.

Since 1.6 that is a zip archive: a pickle, and a record of bytes for each storage. Before, it was
five pickles, followed by the storages.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from data_reader.errors import InputError, disk_errors

from .unpickler import COPY_AGAIN, MAX_DIMENSIONS, Array, Name, SafeUnpickler, from_bfloat16

ZIP = b"PK\x03\x04"
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of the files without an archive
LEGACY = pickle.PROTO + b"\x02" + pickle.LONG1 + b"\x0a" + MAGIC.to_bytes(10, "little")
MAX_SHARING = 2  # size of a file's tensors together, in sizes of the file

BFLOAT16 = "bfloat16"  # unknown to NumPy: the upper half of a float32
TYPES = {
    "Double": "f8", "Float": "f4", "Half": "f2", "BFloat16": BFLOAT16, "Long": "i8", "Int": "i4",
    "Short": "i2", "Char": "i1", "Byte": "u1", "Bool": "b1",
}  # fmt: skip
STORAGES = {
    f"{module}.{name}Storage": kind
    for module in ("torch", "torch.cuda")
    for name, kind in TYPES.items()
}
STORAGES["torch.storage.UntypedStorage"] = "u1"  # of the types below
UNTYPED = (
    "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu",
    "float4_e2m1fn_x2", "uint16", "uint32", "uint64",
)  # fmt: skip
TO_FLOAT32 = "only float32 and other plain numbers are read; convert the network with .float()"


def is_torch(head: bytes) -> bool:
    """Whether a file that begins with ``head`` was written by ``torch.save``."""
    return head.startswith((ZIP, LEGACY))


def load(path: str | os.PathLike) -> Any:
    """Return what ``torch.save(object, path)`` saved, tensors as NumPy arrays (not writable).

    bfloat16 is read as float32. No code from the file is run; memory is the size of the file.

    Raises:
        InputError: the file is missing, truncated, damaged, not written by ``torch.save``, or
            holds more than tensors, plain values and containers; the message says which.
    """
    path = Path(path)
    with disk_errors(f"cannot read {path}"), path.open("rb") as file:
        head = file.read(len(LEGACY))
        if not is_torch(head):
            raise InputError(f"{path} begins with {head[:4]!r}, unlike any file of torch.save")
        return (from_archive if head.startswith(ZIP) else from_pickles)(path, file)


def from_archive(path: Path, file: BinaryIO) -> Any:
    """The object in a zip archive."""
    try:
        with zipfile.ZipFile(file) as archive:
            records = checked_records(path, archive)
            unpickler = TorchUnpickler(path, io.BytesIO(read_record(archive, records["data.pkl"])))
            value = unpickler.execute()
            unpickler.check(unpickler.position == unpickler.size)
            order = records.get("byteorder")
            big_endian = order is not None and read_record(archive, order) == b"big"
            data: dict[str, np.ndarray] = {}

            def data_of(storage: Storage) -> np.ndarray:
                name = f"data/{storage.key}"
                if name not in records:
                    unpickler.refuse(f"has no record {ascii(name)[1:-1][:80]}; {COPY_AGAIN}")
                if name not in data:
                    data[name] = np.frombuffer(read_record(archive, records[name]), np.uint8)
                return data[name]

            unpickler.fill(data_of, big_endian, max_bytes(file))
            return unpickler.plain(value, depth=0)
    except InputError:
        raise
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise InputError(f"{path} is damaged: {error}; {COPY_AGAIN}") from error


def checked_records(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The archive's records by their names within its one folder.

    Raises:
        InputError: they are not what ``torch.save`` writes: compressed, encrypted, larger than the
            file, without a pickle, or a program.
    """
    infos = archive.infolist()
    size = os.fstat(archive.fp.fileno()).st_size
    names = [info.filename for info in infos]
    pickles = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
    if any("/code/" in name or name.endswith("/constants.pkl") for name in names):
        raise InputError(
            f"{path} is a TorchScript program; save its weights: "
            'torch.save(torch.jit.load(FILE, map_location="cpu").state_dict(), "weights.pth")'
        )
    if sum(info.file_size for info in infos) > size:
        raise InputError(f"{path} is damaged: its records claim more than its {size} bytes")
    if any(info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 for info in infos):
        raise InputError(
            f"{path} is compressed or encrypted, unlike any file of torch.save; unpack it, or save "
            "the weights again with torch.save(network.state_dict(), FILE)"
        )
    if len(pickles) != 1 or len(set(names)) != len(names):
        raise InputError(f"{path} is a zip archive, but not of torch.save: give a .pth or .ckpt")
    folder = pickles[0][: -len("data.pkl")]
    return {i.filename[len(folder) :]: i for i in infos if i.filename.startswith(folder)}


def read_record(archive: zipfile.ZipFile, record: zipfile.ZipInfo) -> bytes:
    """A record's bytes, checked against its CRC by zipfile."""
    with archive.open(record) as file:
        data = file.read(record.file_size)
        file.read(1)  # zipfile compares the CRC at the end
    if len(data) != record.file_size:
        raise EOFError(f"the record {record.filename} is cut short")
    return data


def from_pickles(path: Path, file: BinaryIO) -> Any:
    """The object in a file of the format before 1.6."""
    unpickler = TorchUnpickler(path, file)
    unpickler.check(unpickler.execute() == MAGIC and unpickler.execute() == PROTOCOL)
    system = unpickler.plain(unpickler.execute(), depth=0)
    unpickler.check(type(system) is dict)
    value, keys = unpickler.execute(), unpickler.plain(unpickler.execute(), depth=0)
    unpickler.check(type(keys) is list and set(keys) == set(unpickler.storages))
    big_endian = system.get("little_endian") is False
    data = {}
    for key in keys:
        storage = unpickler.storages[key]
        unpickler.check(unpickler.number(">q" if big_endian else "<q") == storage.count)
        size = storage.count * storage.dtype.itemsize
        unpickler.require(size)
        data[key] = np.frombuffer(unpickler.read(size), np.uint8)
    unpickler.check(unpickler.position == unpickler.size)
    unpickler.fill(lambda storage: data[storage.key], big_endian, max_bytes(file))
    return unpickler.plain(value, depth=0)


def max_bytes(file: BinaryIO) -> int:
    """The allowed size of all tensors of a file together."""
    return MAX_SHARING * os.fstat(file.fileno()).st_size


class Storage(NamedTuple):
    """Numbers elsewhere in the file under ``key``: ``count`` of them from ``start`` on."""

    key: str
    kind: str
    count: int
    start: int = 0

    @property
    def dtype(self) -> np.dtype:
        """The type of the numbers in the file, little-endian."""
        return np.dtype("<u2" if self.kind == BFLOAT16 else f"<{self.kind}")


class Tensor(Array):
    """An array whose numbers are read after the pickle."""

    __slots__ = ("offset", "shape", "storage", "strides")

    def __init__(self, storage: Storage, offset: int, shape: tuple, strides: tuple):
        super().__init__()
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    @property
    def extent(self) -> int:
        """The numbers between the first and the last element; 0 if the tensor is empty."""
        if 0 in self.shape:
            return 0
        return 1 + sum((side - 1) * stride for side, stride in zip(self.shape, self.strides))


class TorchUnpickler(SafeUnpickler):
    """Executes the pickles of ``torch.save``; ``fill`` then reads the numbers of the tensors."""

    saver = "torch.save(network.state_dict(), FILE)"
    not_allowed = (
        "which is no part of a state_dict (nothing was run); if you trust the file, save the "
        "state_dict() of what torch.load(FILE, weights_only=False) returns"
    )

    def __init__(self, path: Path, file: BinaryIO):
        super().__init__(path, file)
        self.tensors: list[Tensor] = []
        self.storages: dict[str, Storage] = {}

    def execute(self) -> Any:
        """Execute one of the file's pickles, each of which has its own memo."""
        self.check(self.read_at(self.position, 1) == pickle.PROTO)
        self.memo = {}
        return super().execute()

    def fill(self, data_of: Callable[[Storage], np.ndarray], big_endian: bool, most: int) -> None:
        """Make every tensor a view of the flat bytes of its storage.

        ``most`` limits the bytes of all tensors together, because using a view copies it, and many
        may be views of the same bytes.
        """
        for tensor in self.tensors:
            storage, dtype = tensor.storage, tensor.storage.dtype
            flat, start = data_of(storage), (storage.start + tensor.offset) * dtype.itemsize
            self.check(start + tensor.extent * dtype.itemsize <= len(flat))
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
                tensor.values = from_bfloat16(tensor.values)

    # What replaces the calls that a file requests.

    def storage(self) -> None:
        """Read a persistent id: a storage's type, key, device and length, and a part of it."""
        (about,) = self.pop(1)
        self.check(type(about) is tuple and len(about) in (5, 6))
        word, kind, key, _location, count, *part = about
        self.check(type(kind) is Name and type(count) is int and count >= 0)
        self.check(self.text(word) == "storage")
        if kind.dotted not in STORAGES:
            self.refuse(f"holds a storage of {kind.dotted}; {TO_FLOAT32}")
        start, key = 0, self.text(key)
        whole = Storage(key, STORAGES[kind.dotted], count)
        self.check(self.storages.setdefault(key, whole) == whole)
        if part and part[0] is not None:
            _key, start, count = self.exactly(3, part[0])
            self.check(type(start) is int and type(count) is int)
            self.check(start >= 0 and 0 <= count <= whole.count - start)
        self.push(whole._replace(count=count, start=start))

    def tensor(self, arguments: object) -> Tensor:
        """``_rebuild_tensor(storage, offset, shape, strides, ...)``."""
        self.check(type(arguments) is tuple and len(arguments) in (4, 6, 7))
        storage, offset, shape, strides = arguments[:4]
        self.check(type(storage) is Storage and type(shape) is tuple and type(strides) is tuple)
        self.check(len(shape) == len(strides) <= MAX_DIMENSIONS)
        self.check(all(type(n) is int and 0 <= n < 2**62 for n in (offset, *shape, *strides)))
        tensor = Tensor(storage, offset, shape, strides)
        if offset + tensor.extent > storage.count:
            self.refuse(f"holds a tensor of shape {list(shape)} without data of that size")
        if math.prod(shape) > storage.count:
            self.refuse(f"holds an expanded tensor of shape {list(shape)}; save it contiguous")
        self.tensors.append(tensor)
        return tensor

    def untyped_tensor(self, arguments: object) -> Tensor:
        """``_rebuild_tensor_v3(storage, offset, shape, strides, _, _, type, ...)``."""
        self.check(type(arguments) is tuple and len(arguments) in (7, 8))
        self.check(type(arguments[6]) is Name)
        return self.refuse(f"holds a tensor of {arguments[6].dotted}; {TO_FLOAT32}")

    def parameter(self, arguments: object) -> Tensor:
        """``_rebuild_parameter(tensor, requires_grad, hooks)``."""
        tensor = self.exactly(3, arguments)[0]
        self.check(type(tensor) is Tensor)
        return tensor

    def torch_size(self, arguments: object) -> tuple:
        """``torch.Size((2, 3))``."""
        (size,) = self.exactly(1, arguments)
        self.check(type(size) is tuple)
        return size

    def ordered_dict(self, arguments: object) -> dict:
        """An empty dict, or one of a list of pairs as Python 2 has it."""
        if arguments == ():
            return {}
        (pairs,) = self.exactly(1, arguments)
        self.check(type(pairs) is list)
        self.check(all(type(pair) in (list, tuple) and len(pair) == 2 for pair in pairs))
        return {self.text(key): value for key, value in pairs}

    def key(self, key: object) -> object:
        """A dict's key, which may be a number: an optimizer counts its parameters."""
        return key if type(key) is int else self.text(key)

    def build(self) -> None:
        """Ignore a state dict's state, the versions of its layers."""
        if len(self.stack) > 1 and type(self.stack[-2]) is dict:
            self.pop(1)
        else:
            super().build()

    def plain(self, value: Any, depth: int) -> Any:
        if type(value) is Tensor:
            self.check(value.values is not None)
            return value.values
        if type(value) is Storage:
            self.refuse(f"holds a storage among its values; {COPY_AGAIN}")
        return super().plain(value, depth)


TorchUnpickler.calls = {
    **SafeUnpickler.calls,
    **dict.fromkeys(STORAGES, lambda m, _: m.check(False)),  # named, but never called
    "collections.OrderedDict": TorchUnpickler.ordered_dict,
    "torch._utils._rebuild_tensor": TorchUnpickler.tensor,  # before 0.4
    "torch._utils._rebuild_tensor_v2": TorchUnpickler.tensor,
    "torch._utils._rebuild_tensor_v3": TorchUnpickler.untyped_tensor,
    **dict.fromkeys((f"torch.{name}" for name in UNTYPED), lambda m, _: m.check(False)),
    "torch._utils._rebuild_parameter": TorchUnpickler.parameter,
    "torch.Size": TorchUnpickler.torch_size,
}

TorchUnpickler.instructions = {
    **SafeUnpickler.instructions,
    pickle.BINPERSID: TorchUnpickler.storage,
    pickle.BUILD: TorchUnpickler.build,
    pickle.SHORT_BINSTRING: lambda m: m.push(m.skip_text("<B")),  # Python 2's text
    pickle.BINSTRING: lambda m: m.push(m.skip_text("<I")),
}


# Writing: also for ``weights_only=True``, and equal weights give equal bytes.

FOLDER = "archive"
ALIGNED = 64  # bytes; PyTorch aligns its records, so that the file can be memory-mapped
HEADER = 30  # bytes of a record's header before its name
EPOCH = (1980, 1, 1, 0, 0, 0)
WRITTEN = {"<f4": "FloatStorage", "<i8": "LongStorage"}


def dump(state: Mapping[str, Any], file: BinaryIO) -> None:
    """Write a dict of float32 and int64 arrays, or of such dicts, as ``torch.save`` writes it."""
    arrays: list[np.ndarray] = []
    program = pickle.PROTO + b"\x02" + pickled_dict(state, arrays) + pickle.STOP
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


def pickled(value: Any) -> bytes:
    """The instructions that put a number, a string or a tuple of these on the stack."""
    return pickle.dumps(value, 2)[2:-1]


def pickled_name(module: str, attribute: str) -> bytes:
    return pickle.GLOBAL + f"{module}\n{attribute}\n".encode()


EMPTY = pickled_name("collections", "OrderedDict") + pickle.EMPTY_TUPLE + pickle.REDUCE


def pickled_dict(state: Mapping[str, Any], arrays: list[np.ndarray]) -> bytes:
    """An OrderedDict, which ``load_state_dict`` expects; adds its arrays to ``arrays``."""
    items = b"".join(
        pickled(key)
        + (pickled_dict if isinstance(value, Mapping) else pickled_tensor)(value, arrays)
        for key, value in state.items()
    )
    return EMPTY + pickle.MARK + items + pickle.SETITEMS


def pickled_tensor(array: np.ndarray, arrays: list[np.ndarray]) -> bytes:
    """``_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)``."""
    key = str(len(arrays))
    arrays.append(array)
    strides = tuple(math.prod(array.shape[i + 1 :]) for i in range(array.ndim))
    kind = pickled_name("torch", WRITTEN[array.dtype.str])
    about = pickled("storage") + kind + pickled(key) + pickled("cpu") + pickled(array.size)
    storage = pickle.MARK + about + pickle.TUPLE + pickle.BINPERSID
    sizes = pickled(0) + pickled(array.shape) + pickled(strides) + pickle.NEWFALSE
    arguments = pickle.MARK + storage + sizes + EMPTY + pickle.TUPLE
    return pickled_name("torch._utils", "_rebuild_tensor_v2") + arguments + pickle.REDUCE
