"""Unpacks an archive that is treated as hostile: no path leaves the folder, no bomb goes off."""

from __future__ import annotations

import gzip
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Optional

from ._fetching import Unusable, again
from ._telling import Progress, amount, writing
from .errors import InputError

CHUNK = 1 << 20  # bytes moved at once

# An archive may unpack to 50 times its size, or to 100 MB if that is more. Pictures hardly shrink.
UNPACK_RATIO = 50
UNPACK_FLOOR = 100_000_000  # bytes
UNPACK_MEMBERS = 1_000_000
READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
LITTER = ("__MACOSX", ".DS_Store")
DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    UnicodeError,
    OverflowError,
    NotImplementedError,
)  # what the two readers raise


class Member(NamedTuple):
    """One entry of an archive, as it declares itself."""

    name: str
    kind: str  # "file", "folder", or what it is instead
    size: int  # bytes
    entry: Any


class _Gzip(gzip.GzipFile):
    """A gzip stream that does not believe a header which asks for gigabytes at once."""

    def read(self, size: Optional[int] = -1) -> bytes:
        if size is None or not 0 <= size <= 16 * CHUNK:
            raise tarfile.ReadError("a header of impossible size")
        return super().read(size)


@contextmanager
def _tar(path: Path) -> Iterator[tuple[Iterator[Member], Callable]]:
    """The members of a tar file, plain or gzipped, and what opens one."""

    def members() -> Iterator[Member]:
        for info in tar:
            if info.size < 0:  # would send the reader back to where it was
                raise tarfile.ReadError("a negative size")
            kind = (
                "file"
                if info.isreg()
                else "folder"
                if info.isdir()
                else "a link"
                if info.issym() or info.islnk()
                else "a device or the like"
            )
            yield Member(info.name, kind, info.size if info.isreg() else 0, info)
        # To the end, so that gzip's own checksum speaks; tarfile takes a broken header for the end.
        for chunk in iter(lambda: stream.read(CHUNK), b""):
            if chunk.strip(b"\0"):
                raise tarfile.ReadError("bytes that belong to no member")

    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        stream = _Gzip(fileobj=file) if zipped else file
        with tarfile.TarFile(fileobj=stream) as tar:
            yield members(), tar.extractfile


@contextmanager
def _zip(path: Path) -> Iterator[tuple[Iterator[Member], Callable]]:
    """The members of a zip file, and what opens one."""

    def members() -> Iterator[Member]:
        for info in archive.infolist():
            mode = stat.S_IFMT(info.external_attr >> 16)
            kind = "folder" if info.filename.endswith("/") else "file"
            if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
                kind = "a link" if mode == stat.S_IFLNK else "a device or the like"
            elif info.flag_bits & 1 or info.compress_type not in READABLE:
                kind = "encrypted, or packed in a way that is not read here"
            yield Member(info.filename, kind, info.file_size, info)

    with zipfile.ZipFile(path) as archive:
        yield members(), archive.open


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar, tar.gz or zip file into ``folder``, which is empty.

    Everything is listed and judged before the first byte is written.

    Raises:
        InputError: it is damaged, too large, or a member would leave the folder.
    """
    with archive.open("rb") as stream:
        start = stream.read(512)
    if start.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
        raise Unusable(f"{archive} is a web page, not an archive; {again(archive)}")
    opened = _zip if start[:2] == b"PK" else _tar
    try:
        with opened(archive) as (members, open_member):
            good = accepted(members, archive, folder)
            total = sum(member.size for member, _ in good)
            with Progress(f"unpacking {archive.name}", total) as progress:
                for member, parts in good:
                    place(open_member, member, folder.joinpath(*parts), progress)
    except DAMAGED as error:
        raise Unusable(
            f"{archive} is damaged, or no tar or zip file ({error}); {again(archive)}"
        ) from error


def accepted(
    members: Iterable[Member], archive: Path, folder: Path
) -> list[tuple[Member, list[str]]]:
    """The members with their path below ``folder``, once every one of them is found harmless.

    Raises:
        InputError: one is not; the message names it.
    """
    packed = archive.stat().st_size
    limit = max(UNPACK_FLOOR, UNPACK_RATIO * packed)
    free = shutil.disk_usage(folder).free
    total, good = 0, []
    files, folders = set(), set()
    for member in members:
        if member.kind not in ("file", "folder"):
            raise Unusable(
                f"{archive}: member {member.name!r} is {member.kind}; only plain files "
                "and folders are unpacked, do not use this archive"
            )
        parts = parts_of(member.name, archive)
        total += member.size
        if total > limit or len(good) >= UNPACK_MEMBERS:
            raise Unusable(
                f"{archive}: {amount(packed)} would unpack to {amount(total)} and more at member "
                f"{member.name!r}; that is no archive of pictures, do not use it"
            )
        if total > free:
            raise InputError(
                f"{archive} unpacks to {amount(total)} and more, {folder.parent} has "
                f"{amount(free)} free; make room or name another folder with --to"
            )
        if not parts or parts[0] in LITTER or parts[-1].startswith("._"):
            continue
        path, above = tuple(parts), {tuple(parts[:depth]) for depth in range(1, len(parts))}
        if path in files or above & files or (member.kind == "file" and path in folders):
            raise Unusable(
                f"{archive}: member {member.name!r} comes twice, or as a file and as a "
                "folder, do not use this archive"
            )
        (files if member.kind == "file" else folders).add(path)
        folders |= above
        good.append((member, parts))
    return good


def parts_of(name: str, archive: Path) -> list[str]:
    """A member's path as a list of names; ``\\`` separates too, as it does on Windows.

    Raises:
        InputError: the path leads out of the folder.
    """
    parts = name.replace("\\", "/").split("/")
    if name[:1] in ("/", "\\") or name[1:2] == ":" or ".." in parts or "\0" in name:
        raise Unusable(
            f"{archive}: member {name!r} would be written outside the folder; do not "
            "use this archive"
        )
    return [part for part in parts if part not in ("", ".")]


def place(open_member: Callable, member: Member, path: Path, progress: Progress) -> None:
    """Write one member, as many bytes as it declared and not one more."""
    with writing(path.parent):
        if member.kind == "folder":
            path.mkdir(parents=True, exist_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        target = path.open("xb")  # never through something that is already there
    left = member.size
    with target, open_member(member.entry) as stream:
        while chunk := stream.read(min(CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                break
            with writing(path.parent):
                target.write(chunk)
            progress.add(len(chunk))
    if left:
        raise tarfile.ReadError(f"member {member.name!r} is not as long as it says")


def gather(content: Path, whole: Path, holds: tuple[str, ...]) -> None:
    """Move what was unpacked into ``whole``, without the one folder that everything is in."""
    entries = list(content.iterdir())
    if len(entries) == 1 and entries[0].is_dir() and entries[0].name not in holds:
        entries = list(entries[0].iterdir())
    with writing(whole.parent.parent):
        for entry in entries:
            entry.rename(whole / entry.name)
