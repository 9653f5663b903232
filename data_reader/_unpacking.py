"""Unpack untrusted archives: no path leaves the folder, no links, no archive bombs."""

from __future__ import annotations

import errno
import gzip
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ._fetching import Unusable, check_room, format_size, progress, retry_advice
from .errors import disk_errors

CHUNK = 1 << 20  # bytes per read

# An archive may unpack to 50 times its size, or to 100 MB if that is more: images barely compress.
UNPACK_RATIO = 50
UNPACK_FLOOR = 100_000_000  # bytes
MAX_MEMBERS = 1_000_000
COMPRESSION = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
LITTER = ("__MACOSX", ".DS_Store")
# Raised by tarfile and zipfile for damaged archives.
DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError,
    UnicodeError, OverflowError, NotImplementedError,
)  # fmt: skip
# Python before 3.10.12 and 3.11.4 has no extraction filters; ``accepted`` is as strict.
FILTER = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


class Member(NamedTuple):
    """One entry of an archive, as it declares itself."""

    name: str
    kind: str  # "file", "folder", or why it is refused
    size: int  # bytes
    extract: Callable[[Path], object]  # into a folder


class _Gzip(gzip.GzipFile):
    """A gzip stream that refuses tar headers which ask for gigabytes at once."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= 16 * CHUNK:
            raise tarfile.ReadError("a header of impossible size")
        return super().read(size)


def _tar_members(stream: BinaryIO) -> Iterator[Member]:
    tar = tarfile.TarFile(fileobj=stream)
    for info in tar:
        if info.size < 0:  # would send tarfile back to an earlier member
            raise tarfile.ReadError("a negative size")
        if info.isdir():
            kind = "folder"
        elif info.isreg() and not info.issparse():
            kind = "file"
        else:
            kind = "a link" if info.issym() or info.islnk() else "not a plain file"
        info.name = info.name.replace("\\", "/")
        yield Member(
            info.name, kind, info.size if kind == "file" else 0,
            lambda folder, info=info: tar.extract(info, folder, set_attrs=False, **FILTER),
        )  # fmt: skip
    # Read on to verify gzip's checksum, and because tarfile takes a broken header for the end.
    while chunk := stream.read(CHUNK):
        if chunk.strip(b"\0"):
            raise tarfile.ReadError("bytes that belong to no member")


def _zip_members(stream: BinaryIO) -> Iterator[Member]:
    archive = zipfile.ZipFile(stream)
    for info in archive.infolist():
        mode = stat.S_IFMT(info.external_attr >> 16)
        info.filename = info.filename.replace("\\", "/")
        kind = "folder" if info.is_dir() else "file"
        if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
            kind = "a link" if mode == stat.S_IFLNK else "not a plain file"
        elif info.flag_bits & 1 or info.compress_type not in COMPRESSION:
            kind = "encrypted, or compressed by an unsupported method"
        yield Member(
            info.filename, kind, info.file_size,
            lambda folder, info=info: archive.extract(info, folder),
        )  # fmt: skip


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar, tar.gz or zip file into an empty folder.

    Every member is checked before the first byte is written. Raises InputError if the archive is
    damaged or too large, or a member is unsafe.
    """
    with archive.open("rb") as file:
        start = file.read(512)
        file.seek(0)
        if start.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")):
            raise Unusable(f"{archive} is a web page, not an archive; {retry_advice(archive)}")
        try:
            if start[:2] == b"PK":
                members = _zip_members(file)
            else:
                members = _tar_members(_Gzip(fileobj=file) if start[:2] == b"\x1f\x8b" else file)
            good = accepted(members, archive, folder)
            total = sum(member.size for member, _ in good)
            with progress(f"unpacking {archive.name}", total) as bar:
                for member, path in good:
                    extract(member, folder, path)
                    bar.update(member.size)
        except DAMAGED as error:
            raise Unusable(
                f"{archive} is damaged, or not a tar or zip file ({error}); {retry_advice(archive)}"
            ) from error


def accepted(
    members: Iterable[Member], archive: Path, folder: Path
) -> list[tuple[Member, tuple[str, ...]]]:
    """Return the members with their paths, or raise InputError if one of them is unsafe."""
    packed = archive.stat().st_size
    limit = max(UNPACK_FLOOR, UNPACK_RATIO * packed)
    free = shutil.disk_usage(folder).free
    total, good = 0, []
    files, folders = set(), set()
    for member in members:
        refusal = f"{archive}: member {member.name!r}"
        if member.kind not in ("file", "folder"):
            raise Unusable(f"{refusal} is {member.kind}; do not use this archive")
        name = member.name
        parts = name.split("/")
        if name[:1] == "/" or name[1:2] == ":" or ".." in parts or "\0" in name:
            raise Unusable(
                f"{refusal} would be written outside the folder; do not use this archive"
            )
        path = tuple(part for part in parts if part not in ("", "."))
        total += member.size
        if total > limit or len(good) >= MAX_MEMBERS:
            raise Unusable(
                f"{refusal}: {format_size(packed)} would unpack to {format_size(total)} or more, "
                "which is no archive of images; do not use it"
            )
        if total > free:
            check_room(folder.parent, total, f"unpacking {archive}")
        if not path or path[0] in LITTER or path[-1].startswith("._"):
            continue
        above = {path[:depth] for depth in range(1, len(path))}
        if path in files or above & files or (member.kind == "file" and path in folders):
            raise Unusable(
                f"{refusal} comes twice, or as a file and as a folder; do not use this archive"
            )
        (files if member.kind == "file" else folders).add(path)
        folders |= above
        good.append((member, path))
    return good


def extract(member: Member, folder: Path, path: tuple[str, ...]) -> None:
    """Write one member; raises InputError for disk errors, others if the archive is damaged."""
    try:
        member.extract(folder)
    except OSError as error:
        if error.errno in (None, errno.EINVAL):  # from gzip, or from seeking in the archive
            raise
        with disk_errors(f"cannot write to {folder.parent}"):
            raise
    if member.kind == "file" and folder.joinpath(*path).stat().st_size != member.size:
        raise tarfile.ReadError(f"member {member.name!r} is not as long as it says")


def gather(content: Path, whole: Path, holds: tuple[str, ...]) -> None:
    """Move unpacked files into ``whole``, without a single enclosing folder."""
    entries = list(content.iterdir())
    if len(entries) == 1 and entries[0].is_dir() and entries[0].name not in holds:
        entries = list(entries[0].iterdir())
    for entry in entries:
        entry.rename(whole / entry.name)
