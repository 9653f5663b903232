"""Reads what ``torch.save`` wrote, without PyTorch and without running code from the file.

Since 1.6 that is a zip archive: a pickle, and a record of bytes for each storage. Before, it was
five pickles one behind the other, and the storages behind these.
"""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, Union

import numpy as np

from data_reader.errors import InputError
from paddle_gans.training.pickle_file import TAKE_AGAIN

from .torch_machine import Storage, TorchMachine

ZIP = b"PK\x03\x04"
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of the files without an archive
LEGACY = pickle.PROTO + b"\x02" + pickle.LONG1 + b"\x0a" + MAGIC.to_bytes(10, "little")
MAX_RECORDS = 2**16
MAX_PICKLE = 2**24  # bytes of the archive's pickle
SHARED = 2  # times as much as the file holds may its tensors have together


def is_torch(head: bytes) -> bool:
    """Whether a file that begins so was written by ``torch.save``."""
    return head.startswith((ZIP, LEGACY))


def load(path: Union[str, os.PathLike]) -> Any:
    """Return what ``torch.save(object, path)`` saved, tensors as NumPy arrays (not writable).

    bfloat16 comes as float32. No code from the file is run; memory is the size of the file.

    Raises:
        InputError: the file is absent, cut short, damaged, no file of ``torch.save``, or holds
            more than tensors, plain values and containers; the message says which.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(len(LEGACY))
            if not is_torch(head):
                raise InputError(f"{path} begins with {head[:4]!r}, as no file of torch.save does")
            return (from_archive if head.startswith(ZIP) else from_pickles)(path, file)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; see to that first") from error


def from_archive(path: Path, file: BinaryIO) -> Any:
    """The object in a zip archive."""
    try:
        with zipfile.ZipFile(file) as archive:
            records = checked_records(path, archive)
            machine = TorchMachine(path, io.BytesIO(read_record(archive, records["data.pkl"])))
            value = machine.follow()
            machine.check(machine.position == machine.size)
            order = records.get("byteorder")
            big_endian = order is not None and read_record(archive, order) == b"big"
            machine.fill(StorageRecords(machine, archive, records), big_endian, allowed(file))
            return machine.plain(value, depth=0)
    except InputError:
        raise
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise InputError(f"{path} is damaged: {error}; {TAKE_AGAIN}") from error


def checked_records(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The archive's records by their names within its one folder.

    Raises:
        InputError: they are not what ``torch.save`` writes: packed, encrypted, larger than the
            file, too many, without a pickle, or a program.
    """
    infos = archive.infolist()
    size = os.fstat(archive.fp.fileno()).st_size
    if len(infos) > MAX_RECORDS:
        raise InputError(f"{path} holds {len(infos)} records; torch.save writes one a tensor")
    names = [info.filename for info in infos]
    pickles = [name for name in names if name.count("/") == 1 and name.endswith("/data.pkl")]
    if any("/code/" in name or name.endswith("/constants.pkl") for name in names):
        raise InputError(
            f"{path} is a TorchScript program; save weights: "
            'torch.save(torch.jit.load(FILE, map_location="cpu").state_dict(), "weights.pth")'
        )
    if sum(info.file_size for info in infos) > size:
        raise InputError(f"{path} is damaged: its records claim more than its {size} bytes")
    if any(info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 for info in infos):
        raise InputError(
            f"{path} is packed or encrypted, which torch.save does not do; unpack it, or save the "
            "weights anew with torch.save(network.state_dict(), FILE)"
        )
    if len(pickles) != 1 or len(set(names)) != len(names):
        raise InputError(f"{path} is a zip archive, but none of torch.save: give a .pth or .ckpt")
    folder = pickles[0][: -len("data.pkl")]
    records = {i.filename[len(folder) :]: i for i in infos if i.filename.startswith(folder)}
    if records["data.pkl"].file_size > MAX_PICKLE:
        raise InputError(f"{path} holds a pickle of over {MAX_PICKLE >> 20} MiB; {TAKE_AGAIN}")
    return records


def read_record(archive: zipfile.ZipFile, record: zipfile.ZipInfo) -> bytes:
    """A record's bytes; zipfile compares their checksum."""
    with archive.open(record) as file:
        data = file.read(record.file_size)
        file.read(1)  # the end: now the checksum is looked at
    if len(data) != record.file_size:
        raise EOFError(f"the record {record.filename} is cut short")
    return data


class StorageRecords:
    """The flat bytes of a storage, each record read once."""

    def __init__(self, machine: TorchMachine, archive: zipfile.ZipFile, records: dict):
        self.machine, self.archive, self.records = machine, archive, records
        self.read: dict[str, np.ndarray] = {}

    def __call__(self, storage: Storage) -> np.ndarray:
        name = f"data/{storage.key}"
        if name not in self.records:
            self.machine.refuse(f"has no record {ascii(name)[1:-1][:80]}; {TAKE_AGAIN}")
        if storage.key not in self.read:
            data = read_record(self.archive, self.records[name])
            self.read[storage.key] = np.frombuffer(data, np.uint8)
        return self.read[storage.key]


def from_pickles(path: Path, file: BinaryIO) -> Any:
    """The object in a file of the format before 1.6."""
    machine = TorchMachine(path, file)
    machine.check(machine.follow() == MAGIC and machine.follow() == PROTOCOL)
    system = machine.plain(machine.follow(), depth=0)
    machine.check(type(system) is dict)
    value, keys = machine.follow(), machine.plain(machine.follow(), depth=0)
    machine.check(type(keys) is list and set(keys) == set(machine.storages))
    big_endian = system.get("little_endian") is False
    data = {}
    for key in keys:
        storage = machine.storages[key]
        machine.check(machine.number(">q" if big_endian else "<q") == storage.count)
        machine.need(storage.count * storage.dtype.itemsize)
        data[key] = np.frombuffer(machine.read(storage.count * storage.dtype.itemsize), np.uint8)
    machine.check(machine.position == machine.size)
    machine.fill(lambda storage: data[storage.key], big_endian, allowed(file))
    return machine.plain(value, depth=0)


def allowed(file: BinaryIO) -> int:
    """The bytes that the tensors of a file may have together."""
    return SHARED * os.fstat(file.fileno()).st_size
