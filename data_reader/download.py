"""``python -m data_reader.download facades``: fetches a published data set, checks and unpacks it.

A download that was cut off goes on where it stopped. What is unpacked is treated as hostile: most
of these archives come over plain http, and for some no checksum is published.
"""

from __future__ import annotations

import argparse
import difflib
import gzip
import hashlib
import http.client
import json
import shlex
import shutil
import socket
import stat
import struct
import sys
import tarfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Optional
from urllib.parse import urlsplit

from .errors import InputError

CHUNK = 1 << 20  # bytes moved at once
TIMEOUT_SECONDS = 30
BACKOFF_SECONDS = 1.0  # before the first retry; doubles with each one that brings nothing
LINE_SECONDS = 5.0  # between progress lines where there is no terminal
ASK_ABOVE = 5_000_000_000  # bytes
PASSING_STATUS = (408, 425, 429, 500, 502, 503, 504)  # worth another try

# An archive may unpack to 50 times its size, or to 100 MB if that is more. Pictures hardly shrink.
UNPACK_RATIO = 50
UNPACK_FLOOR = 100_000_000  # bytes
UNPACK_MEMBERS = 1_000_000
READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
LITTER = ("__MACOSX", ".DS_Store")
DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError,
           UnicodeError, OverflowError, NotImplementedError)  # what the two readers raise


@dataclass(frozen=True)
class File:
    """One published file."""

    url: str
    size: int  # bytes; exact where there is a checksum, else rounded; 0 where it is not known
    checksum: str = ""  # "sha256:..." or "md5:..."; empty where none is published

    @property
    def name(self) -> str:
        return Path(urlsplit(self.url).path).name


@dataclass(frozen=True)
class DataSet:
    """One published data set and what to do with it."""

    model: str  # the article that trains on it
    what: str
    files: tuple[File, ...]
    holds: tuple[str, ...]  # what its folder contains when it is complete
    flags: str = ""  # of the training command
    train_on: str = ""  # the folder inside that --data names


def _pix2pix(name: str, size: int, what: str, flags: str = "") -> DataSet:
    url = f"http://efrosgans.eecs.berkeley.edu/pix2pix/datasets/{name}.tar.gz"
    return DataSet("pix2pix", what, (File(url, size),), ("train",), flags)


def _cyclegan(name: str, size: int, what: str, sha256: str) -> DataSet:
    url = f"http://efrosgans.eecs.berkeley.edu/cyclegan/datasets/{name}.zip"
    return DataSet("cyclegan", what, (File(url, size, f"sha256:{sha256}"),), ("trainA", "trainB"))


def _stargan(url: str, what: str) -> DataSet:
    return DataSet("stargan_v2", what, (File(url, 0),), ("train",))


def _coco(*files: tuple[str, int, str]) -> DataSet:
    url = "http://images.cocodataset.org/zips"
    archives = tuple(File(f"{url}/{name}.zip", size, sha) for name, size, sha in files)
    return DataSet("colorization", "123,000 photographs", archives, ("train2017", "val2017"),
                   train_on="train2017")


def _mnist(*files: tuple[str, int, str]) -> DataSet:
    url = "https://ossci-datasets.s3.amazonaws.com/mnist"
    parts = tuple(File(f"{url}/{name}.gz", size, md5) for name, size, md5 in files)
    return DataSet("dcgan", "70,000 digits", parts, tuple(part.name for part in parts))


# Sizes and SHA-256 of the CycleGAN and COCO archives and the sizes of MNIST are those that
# TensorFlow Datasets publishes; the pix2pix sizes are the server's own listing, rounded.
DATA_SETS: dict[str, DataSet] = {
    "facades": _pix2pix(
        "facades", 30_000_000, "400 facades and their label maps", "--direction b2a"),
    "cityscapes": _pix2pix(
        "cityscapes", 103_000_000, "2975 street scenes and their label maps (the authors no longer "
        "point to it, for its licence: cityscapes-dataset.com)", "--direction b2a"),
    "maps": _pix2pix("maps", 250_000_000, "1096 aerial photographs and their maps"),
    "edges2shoes": _pix2pix("edges2shoes", 2_100_000_000, "50,000 shoes and their edges"),
    "edges2handbags": _pix2pix("edges2handbags", 8_600_000_000, "137,000 handbags and their edges"),
    "night2day": _pix2pix("night2day", 2_000_000_000, "the same places by night and by day"),
    "monet2photo": _cyclegan(
        "monet2photo", 305231073, "paintings by Monet, photographs",
        "88f91b00fc228f97c9411fbf1880ec1d119c98f1722e4cfcfaa2fb35fac05b04"),
    "vangogh2photo": _cyclegan(
        "vangogh2photo", 306590349, "paintings by van Gogh, photographs",
        "362c3473e70be0944bda08d49d660eafdc2854df55d697835b8186d1d79caaff"),
    "cezanne2photo": _cyclegan(
        "cezanne2photo", 279885071, "paintings by Cezanne, photographs",
        "3a6c10ca21f9485862f1cbd707744b9dc258954a04631271d23a3605eeb63cff"),
    "ukiyoe2photo": _cyclegan(
        "ukiyoe2photo", 292946532, "ukiyo-e prints, photographs",
        "02a2a2fb5ecf425ca1bf86aca7304377da64a2a1d3b86df54eb65e4068bf3b08"),
    "horse2zebra": _cyclegan(
        "horse2zebra", 116867962, "horses, zebras",
        "a74d9d392eecca9966b51287a76ca126af473d9de4f3e8fc0e9cda08fa1730a1"),
    "apple2orange": _cyclegan(
        "apple2orange", 78456409, "apples, oranges",
        "845a191e9af8926408ea597001cd03a452e3300a1f44a79fe329b3d59f6e3eb8"),
    "summer2winter_yosemite": _cyclegan(
        "summer2winter_yosemite", 132640856, "Yosemite in summer, in winter",
        "167fe1726807a9d22bd106b4a6c0bd7953b688af924ac1bf967439c4961e49f9"),
    "iphone2dslr_flower": _cyclegan(
        "iphone2dslr_flower", 339964458, "flowers by telephone, by camera",
        "8fcb5e374d631b107e1d961b8c4cd0a186aa2a4ff3e279923f4c426128de7113"),
    "afhq": _stargan("https://www.dropbox.com/s/t9l9o3vsx2jai3z/afhq.zip?dl=1",
                     "faces of cats, dogs, wild animals (not for commercial use)"),
    "celeba_hq": _stargan("https://www.dropbox.com/s/f7pvjij2xlpff59/celeba_hq.zip?dl=1",
                          "faces of women, men (not for commercial use)"),
    "coco2017": _coco(
        ("train2017", 19336861798,
         "sha256:69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929"),
        ("val2017", 815585330,
         "sha256:4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05")),
    "mnist": _mnist(
        ("train-images-idx3-ubyte", 9912422, "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte", 28881, "md5:d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte", 1648877, "md5:9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte", 4542, "md5:ec29112dd5afa0611ce80d1b7f02629c")),
}


class Unusable(InputError):
    """The file itself is wrong, so there is no use in keeping it."""


def say(text: str) -> None:
    print(text, flush=True)


def amount(count: int) -> str:
    """``count`` bytes as a person says it: ``30 MB``, ``19.3 GB``."""
    if count >= 1_000_000_000:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.0f} MB" if count >= 1_000_000 else f"{count / 1e3:.1f} kB"


class Progress:
    """A tqdm bar on a terminal, a plain line every few seconds elsewhere."""

    def __init__(self, label: str, total: Optional[int], done: int = 0):
        self.label, self.total, self.done = label, total, done
        self.first, self.started = done, time.monotonic()
        self.spoken = self.started
        self.bar = None
        if sys.stderr.isatty():
            from tqdm import tqdm

            self.bar = tqdm(desc=label, total=total, initial=done, unit="B", unit_scale=True)

    def add(self, count: int) -> None:
        self.done += count
        if self.bar is not None:
            self.bar.update(count)
        elif time.monotonic() - self.spoken >= LINE_SECONDS:
            self.spoken = time.monotonic()
            speed = (self.done - self.first) / (self.spoken - self.started)
            share = f" ({100 * self.done // self.total} %)" if self.total else ""
            say(f"{self.label}: {amount(self.done)}{share}, {amount(int(speed))}/s")

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turns what the disk refuses into an InputError; nothing but writing belongs inside."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot write in {folder}: {error.strerror or error}; make room or name another "
            "folder with --to"
        ) from error


def check_room(folder: Path, needed: int, what: str) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(f"{what} needs {amount(needed)} and {folder} has {amount(free)} free; "
                         "make room or name another folder with --to")


# ---- Fetching --------------------------------------------------------------------------------


def fetch(file: File, url: str, folder: Path, *, checked: bool, retries: int) -> Path:
    """The path of the whole and verified file: one put there by hand, or ``<name>.part``.

    ``<name>.part.json`` beside it says which version of the file the part belongs to.

    Raises:
        InputError: the server, the connection, the disk or the checksum stands against it.
    """
    by_hand = folder / file.name
    if by_hand.is_file():
        say(f"{by_hand} is there; taking it instead of downloading")
        verify(by_hand, file, checked)
        return by_hand
    part = folder / f"{file.name}.part"
    at_first, failures = size_of(part), 0
    while True:
        before = size_of(part)
        try:
            receive(url, part, file.size if checked and file.checksum else None)
            break
        except (OSError, http.client.HTTPException) as error:
            reason = broken_by(error, url, by_hand, met=size_of(part) != at_first)
            if getattr(error, "code", None) == 416:  # the part does not fit the file any more
                state_path(part).unlink(missing_ok=True)
        failures = 1 if size_of(part) > before else failures + 1
        if failures > retries:
            raise InputError(
                f"{url}: {reason}, {failures} times in a row; the same command goes on from "
                f"{amount(size_of(part))}, or {otherwise(url, by_hand)}")
        pause = BACKOFF_SECONDS * 2 ** (failures - 1)
        say(f"{file.name}: {reason}; trying again in {pause:g} s ({failures} of {retries})")
        time.sleep(pause)
    try:
        verify(part, file, checked)
    except Unusable:
        discard(part)
        raise
    return part


def broken_by(error: Exception, url: str, by_hand: Path, *, met: bool) -> str:
    """What broke the connection, if another try may mend it.

    Raises:
        InputError: it cannot.
    """
    if isinstance(error, urllib.error.HTTPError):
        if error.code not in (*PASSING_STATUS, 416):
            raise InputError(f"{url} cannot be had: HTTP {error.code} {error.reason}; "
                             f"{otherwise(url, by_hand)}") from error
        return f"the server answered HTTP {error.code}"
    reason = getattr(error, "reason", error)
    hopeless = (socket.gaierror, ConnectionRefusedError, http.client.InvalidURL)
    if isinstance(reason, hopeless) and not met:
        raise InputError(f"no connection to {urlsplit(url).netloc} ({reason}); "
                         f"{otherwise(url, by_hand)}") from error
    return f"connection lost ({reason})"


def otherwise(url: str, by_hand: Path) -> str:
    return (f"get {url} in another way (--url names a mirror), put it at {by_hand} "
            "and run the same command again")


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def state_path(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    state_path(part).unlink(missing_ok=True)


def read_state(part: Path, url: str) -> dict[str, Any]:
    """What is known of the file a part was taken from; empty where it cannot be gone on with."""
    try:
        state = json.loads(state_path(part).read_text(encoding="utf-8"))
        return state if state["url"] == url and {"validator", "total"} <= set(state) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def receive(url: str, part: Path, expected: Optional[int]) -> None:
    """One connection's worth of ``url`` into ``part``, from where it stands.

    Raises:
        OSError, HTTPException: the connection broke; what came is in ``part``.
        InputError: the file or the disk has the wrong size.
    """
    state = read_state(part, url)
    here = size_of(part)
    if here and here == state.get("total"):
        return
    headers = {"User-Agent": "paddle-gans", "Accept-Encoding": "identity"}
    going_on = bool(here and state.get("validator"))
    if going_on:  # the server sends the rest only if the file is still the same one
        headers.update({"Range": f"bytes={here}-", "If-Range": state["validator"]})
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        if going_on and response.status == 206:
            check_range(response, part, here, state)
            total = state["total"]
            say(f"{part.stem}: going on from {amount(here)}")
        else:
            total = length_of(response)
            known = f"{amount(total)} " if total is not None else ""
            say(f"{part.stem}: {known}from {url}")
            if here:
                same = going_on and validator_of(response) == state["validator"]
                say(f"{part.stem}: starting over, because "
                    + ("this server cannot resume" if same else "what is here is of another file"
                       if going_on else "it is not known what file the part here is of"))
            here, state = 0, {"url": url, "validator": validator_of(response), "total": total}
            check_expected(url, total, expected)
        if total is not None:
            check_room(part.parent, total - here, part.stem)
        save(response, part, here, state)


def save(response: http.client.HTTPResponse, part: Path, here: int, state: dict) -> None:
    """Write what comes behind the first ``here`` bytes of ``part``, as soon as it comes."""
    total = state["total"]
    with writing(part.parent):
        stream = part.open("ab" if here else "wb", buffering=0)
    with stream, Progress(part.stem, total, here) as progress:
        with writing(part.parent):
            state_path(part).write_text(json.dumps(state), encoding="utf-8")
        while total is None or here < total:
            chunk = response.read1(CHUNK)
            if not chunk:
                break
            with writing(part.parent):
                stream.write(chunk)
            here += len(chunk)
            progress.add(len(chunk))
    if total is not None and here != total:
        raise ConnectionError(f"closed after {amount(here)} of {amount(total)}")


def check_range(response: http.client.HTTPResponse, part: Path, here: int, state: dict) -> None:
    """Take a partial answer only if it is the rest of the same file; else start over next time."""
    end = "*" if state["total"] is None else state["total"]
    given = response.headers.get("Content-Range", "")
    theirs = validator_of(response)
    if not (given.startswith(f"bytes {here}-") and given.endswith(f"/{end}")) or (
        theirs and theirs != state["validator"]
    ):
        discard(part)
        raise ConnectionError(f"another range than the one asked for: {given or 'none named'}")


def check_expected(url: str, total: Optional[int], expected: Optional[int]) -> None:
    if None not in (total, expected) and total != expected:
        raise InputError(f"{url} has {total} bytes and the published file {expected}: it is not "
                         "the same; name a mirror with --url, or take it with --no-check")


def length_of(response: http.client.HTTPResponse) -> Optional[int]:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def validator_of(response: http.client.HTTPResponse) -> str:
    """What names this version of the file; a weak ETag does not promise equal bytes."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


def verify(path: Path, file: File, checked: bool) -> None:
    """Compare ``path`` with the published checksum; say so where there is none.

    Raises:
        InputError: they differ.
    """
    if not (checked and file.checksum):
        why = "no checksum is published" if checked else "--no-check"
        say(f"{file.name}: {amount(size_of(path))}, not compared with a checksum ({why})")
        return
    algorithm, _, expected = file.checksum.partition(":")
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as stream, Progress(f"checking {file.name}", size_of(path)) as progress:
        for chunk in iter(lambda: stream.read(CHUNK), b""):
            digest.update(chunk)
            progress.add(len(chunk))
    if digest.hexdigest() != expected:
        raise Unusable(
            f"{path} has the checksum {algorithm} {digest.hexdigest()} and the published file "
            f"{expected}: it is damaged or another file; {again(path)}, or take it with --no-check")
    say(f"{file.name}: {amount(size_of(path))}, {algorithm} as published")


def again(archive: Path) -> str:
    """What to do about a bad file: ours is removed, one that was put there by hand is not."""
    if archive.suffix == ".part":
        return "it was removed; run the same command again, or name a mirror with --url"
    return "delete it and run the same command again"


# ---- Unpacking -------------------------------------------------------------------------------


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
            kind = ("file" if info.isreg() else "folder" if info.isdir() else
                    "a link" if info.issym() or info.islnk() else "a device or the like")
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
        raise Unusable(f"{archive} is damaged, or no tar or zip file ({error}); "
                       f"{again(archive)}") from error


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
            raise Unusable(f"{archive}: member {member.name!r} is {member.kind}; only plain files "
                           "and folders are unpacked, do not use this archive")
        parts = parts_of(member.name, archive)
        total += member.size
        if total > limit or len(good) >= UNPACK_MEMBERS:
            raise Unusable(
                f"{archive}: {amount(packed)} would unpack to {amount(total)} and more at member "
                f"{member.name!r}; that is no archive of pictures, do not use it")
        if total > free:
            raise InputError(f"{archive} unpacks to {amount(total)} and more, {folder.parent} has "
                             f"{amount(free)} free; make room or name another folder with --to")
        if not parts or parts[0] in LITTER or parts[-1].startswith("._"):
            continue
        path, above = tuple(parts), {tuple(parts[:depth]) for depth in range(1, len(parts))}
        if path in files or above & files or (member.kind == "file" and path in folders):
            raise Unusable(f"{archive}: member {member.name!r} comes twice, or as a file and as a "
                           "folder, do not use this archive")
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
        raise Unusable(f"{archive}: member {name!r} would be written outside the folder; do not "
                       "use this archive")
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


# ---- The command -----------------------------------------------------------------------------


def find(name: str) -> DataSet:
    """The data set of that name.

    Raises:
        InputError: there is none; the message names the near ones and all.
    """
    if name not in DATA_SETS:
        near = difflib.get_close_matches(name, DATA_SETS, n=3, cutoff=0.5)
        meant = f" (did you mean {' or '.join(near)}?)" if near else ""
        raise InputError(f"there is no data set {name!r}{meant}; there are {', '.join(DATA_SETS)}")
    return DATA_SETS[name]


def addresses(data: DataSet, url: Optional[str]) -> list[str]:
    """Where each file comes from; ``url`` is the file, or the folder of a set of several files.

    Raises:
        InputError: ``url`` is no web address.
    """
    if url is None:
        return [file.url for file in data.files]
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname.encode("idna")
        usable = usable and parts.port != 0
    except (ValueError, AttributeError):  # no host, no such host name, no such port
        usable = False
    if not usable:
        raise InputError(f"--url {url} is no address; it takes http://... or https://...")
    if len(data.files) == 1:
        return [url]
    return [f"{url.rstrip('/')}/{file.name}" for file in data.files]


def is_complete(data: DataSet, target: Path) -> bool:
    """Whether ``target`` holds the data set; an empty folder counts as none.

    Raises:
        InputError: something else is there.
    """
    if all((target / name).exists() for name in data.holds):
        return True
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise InputError(f"{target} is there and holds no {' and '.join(data.holds)}; --to names "
                         "the data set's own folder, which must be new or empty")
    return False


def download(
    name: str, to: Optional[Path] = None, *, url: Optional[str] = None, checked: bool = True,
    retries: int = 5
) -> Path:
    """Fetch, verify and unpack a data set; its folder is whole or absent, and is given back.

    Raises:
        InputError: the name, the address, the server, the disk or the archive stands against it.
    """
    data = find(name)
    target = Path(to or Path("data") / name)
    if is_complete(data, target):
        return target
    beside = target.parent
    with writing(beside):
        beside.mkdir(parents=True, exist_ok=True)
    archives = [fetch(file, address, beside, checked=checked, retries=retries)
                for file, address in zip(data.files, addresses(data, url))]
    try:
        build(data, archives, target)
    except Unusable:
        drop(archives)
        raise
    drop(archives)
    return target


def build(data: DataSet, archives: list[Path], target: Path) -> None:
    """Unpack beside ``target`` and rename at the end, so that it is whole or absent."""
    work = target.parent / f".{target.name}.unpacking"
    shutil.rmtree(work, ignore_errors=True)  # of a run that was killed
    whole = work / "whole"
    try:
        with writing(target.parent):
            whole.mkdir(parents=True)
        for file, archive in zip(data.files, archives):
            if file.name in data.holds:  # used as it is
                with writing(target.parent):
                    shutil.copyfile(archive, whole / file.name)
                continue
            content = work / file.name
            with writing(target.parent):
                content.mkdir()
            say(f"unpacking {archive}")
            unpack(archive, content)
            gather(content, whole, data.holds)
        missing = [name for name in data.holds if not (whole / name).exists()]
        if missing:
            raise Unusable(f"{archives[0]} holds no {' and no '.join(missing)}: it is another data "
                           f"set; {again(archives[0])}")
        with writing(target.parent):
            if target.exists():
                target.rmdir()
            whole.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def drop(archives: list[Path]) -> None:
    """Remove what was downloaded; what was put there by hand stays."""
    for archive in archives:
        if archive.suffix == ".part":
            discard(archive)


def ask(name: str, data: DataSet, urls: list[str], folder: Path, *, yes: bool) -> None:
    """Say how much is to come and how long it takes; on a terminal, ask before a large one.

    Raises:
        InputError: the answer is no.
    """
    sizes = [file.size for file in data.files]
    if 0 < sum(sizes) <= ASK_ABOVE:
        return
    sizes = [real_size(url) or size for url, size in zip(urls, sizes)]
    if 0 in sizes:
        say(f"{name}: the size is not known before it starts")
    else:
        here = sum(size_of(folder / f"{file.name}.part") for file in data.files)
        rest = max(0, sum(sizes) - here)
        say(f"{name}: {amount(rest)} to download, about {rest / 6e8:.0f} minutes at 10 MB/s or "
            f"{rest / 3.6e9:.1f} hours at 1 MB/s, and as much room again to unpack it")
    if yes or not sys.stdin.isatty():
        return
    try:
        answer = input("download it? [y/N] ").strip().lower()
    except EOFError:  # Ctrl-D
        answer = ""
    if answer not in ("y", "yes"):
        raise InputError(f"{name} was not downloaded: not confirmed; --yes asks no question")


def real_size(url: str) -> int:
    """The size the server names, in bytes; 0 where it names none or cannot be reached."""
    request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "paddle-gans"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
            return length_of(response) or 0
    except (OSError, http.client.HTTPException):
        return 0  # the download will say what is wrong


def listing() -> str:
    lines = ["name                    article       size          checksum  what"]
    for name, data in DATA_SETS.items():
        size = sum(file.size for file in data.files)
        known = all(file.checksum for file in data.files)
        shown = ("" if known else "about ") + amount(size) if size else "not known"
        lines.append(f"{name:<23} {data.model:<13} {shown:<13} {'yes' if known else 'none':<9} "
                     f"{data.what}")
    return "\n".join(lines)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:
        raise InputError(f"{message}; --help lists the options")


def parser() -> argparse.ArgumentParser:
    result = _Parser(
        prog="python -m data_reader.download",
        description="Fetch a published data set, check it and unpack it. A download that was cut "
        "off goes on where it stopped.",
        epilog=f"data sets: {', '.join(DATA_SETS)}",
    )
    result.add_argument("name", nargs="?", help="the data set")
    result.add_argument("--list", action="store_true", help="all data sets with size and article")
    result.add_argument("--to", type=Path, metavar="DIR", help="its folder (default: data/<name>)")
    result.add_argument("--url", help="a mirror: the archive's address, or the address of the "
                        "folder for coco2017 and mnist")
    result.add_argument("--yes", action="store_true", help="do not ask before a large download")
    result.add_argument("--no-check", action="store_true",
                        help="take a file that differs from the published one")
    result.add_argument("--retries", type=int, default=5, metavar="N",
                        help="tries in a row that bring nothing (default: 5)")
    return result


def run(options: argparse.Namespace) -> None:
    if options.list:
        say(listing())
        return
    if options.name is None:
        raise InputError(f"name a data set: {', '.join(DATA_SETS)}; --list says more of them")
    data = find(options.name)
    target = options.to or Path("data") / options.name
    if is_complete(data, target):
        say(f"{options.name} is already in {target}")
    else:
        ask(options.name, data, addresses(data, options.url), target.parent, yes=options.yes)
        download(options.name, target, url=options.url, checked=not options.no_check,
                 retries=options.retries)
        say(f"{options.name} is in {target}")
    where = shlex.quote(str(target / data.train_on))
    say(f"train on it: python -m paddle_gans.train --model {data.model} --data {where} "
        f"{data.flags}".rstrip())


def main(argv: Optional[list[str]] = None) -> int:
    """Run the command; 0, or 2 where the user can mend it, or 130 after Ctrl-C."""
    try:
        run(parser().parse_args(argv))
        return 0
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; what came so far stays beside the target, its name ends in .part; the same "
              "command goes on from there", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
