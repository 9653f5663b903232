"""Write files and folders that are complete under their name, or absent."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .errors import InputError, disk_errors

PART = ".part"  # suffix of files and folders that are being written
OLD = f".old{PART}"  # suffix of a folder that is about to be replaced


@contextmanager
def atomic_path(path: Path, suffix: str | None = None) -> Iterator[Path]:
    """Yield a temporary path that is renamed to ``path`` when the block ends without an error.

    The temporary file is hidden, in the same folder, and has the suffix of ``path`` (encoders
    choose the format by it) or ``suffix``. It is removed if the block fails. Raises InputError if
    the folder cannot be created or the file cannot be renamed.
    """
    suffix = path.suffix if suffix is None else suffix
    temporary = path.with_name(f".{secrets.token_hex(8)}{suffix}")
    with disk_errors(f"cannot write {path}"):
        if path.parent.is_file():
            raise InputError(f"cannot write {path}: {path.parent} is a file, not a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield temporary
        with disk_errors(f"cannot write {path}"):
            temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a file whole, or raise InputError and leave nothing behind."""
    with atomic_path(path) as temporary, disk_errors(f"cannot write {path}"):
        temporary.write_bytes(content)


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file that appears as ``path`` only when it is complete and on disk.

    Raises InputError if the file cannot be written (disk full, no permission); nothing is left
    behind.
    """
    # The suffix keeps leftovers of a killed process from being taken for weights.
    with atomic_path(path, PART) as partial, disk_errors(f"cannot write {path}"):
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that replaces ``path`` when the block ends without an error.

    Raises InputError if the folder cannot be written; the previous one is kept.
    """
    partial, old = (path.with_name(f".{path.name}.{os.getpid()}{end}") for end in (PART, OLD))
    try:
        with disk_errors(f"cannot write {path}"):
            partial.mkdir(parents=True, exist_ok=True)
            yield partial
            # A folder cannot be renamed onto another; deleting in place is not atomic.
            if path.exists():
                path.rename(old)
            partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def remove_folder(path: Path) -> None:
    """Delete a folder; a process killed meanwhile leaves it whole, or for ``remove_stale``."""
    hidden = path.with_name(f".{path.name}.{os.getpid()}{PART}")
    with suppress(OSError):
        path.rename(hidden)
    shutil.rmtree(hidden, ignore_errors=True)


def remove_stale(folder: Path) -> None:
    """Remove partial files of a killed process from a folder; restore folders it had moved."""
    for stale in list(folder.glob(f".*{PART}")):
        moved_from = stale.with_name(stale.name.split(".")[1])
        if stale.name.endswith(OLD) and not moved_from.exists():
            stale.rename(moved_from)  # killed before the replacement was renamed
        elif stale.is_dir():
            shutil.rmtree(stale, ignore_errors=True)
        else:
            stale.unlink()
