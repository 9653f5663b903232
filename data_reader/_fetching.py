"""Download one file over HTTP: resumed, retried, verified, with its progress shown."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import shutil
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ._data_sets import File
from .errors import InputError, disk_errors
from .output import STDERR, say

CHUNK = 1 << 20  # bytes per read
TIMEOUT_SECONDS = 30
LINE_SECONDS = 5.0  # between progress lines outside a terminal
BACKOFF_SECONDS = 1.0  # before the first retry; doubles with each retry that receives nothing
RETRY_STATUS = (408, 416, 425, 429, 500, 502, 503, 504)
HEADERS = {"User-Agent": "paddle-gans", "Accept-Encoding": "identity"}


class Unusable(InputError):
    """The file itself is wrong and not worth keeping."""


def fetch(file: File, url: str, folder: Path, *, checked: bool, retries: int) -> Path:
    """Download and verify a file; returns ``<name>.part``, or ``<name>`` if the user put it there.

    ``<name>.part.json`` records which version of the file the partial download belongs to.

    Raises:
        InputError: server, connection, disk space or checksum failed.
    """
    by_hand = folder / file.name
    if by_hand.is_file():
        say(f"using {by_hand} instead of downloading")
        verify(by_hand, file, checked)
        return by_hand
    part = folder / f"{file.name}.part"
    advice = (
        f"download {url} by other means ({file.mirror} names a mirror), save it as {by_hand} and "
        "run the same command again"
    )
    at_first, failures = size_of(part), 0
    while True:
        before = size_of(part)
        try:
            receive(url, part, file if checked and file.checksum else None)
            break
        except KeyboardInterrupt as stop:
            stop.advice = (  # type: ignore[attr-defined]
                "stopped; the partial download (*.part) is kept, run the same command again to "
                "resume"
            )
            raise
        except (OSError, http.client.HTTPException) as error:
            reason = failure(error, url, advice, started=before != at_first)
            if getattr(error, "code", None) == 416:  # the partial file no longer fits
                state_path(part).unlink(missing_ok=True)
        failures = 1 if size_of(part) > before else failures + 1
        if failures > retries:
            raise InputError(
                f"{url}: {reason}, {failures} times in a row; run the same command again to "
                f"resume at {format_size(size_of(part))}, or {advice}"
            )
        pause = BACKOFF_SECONDS * 2 ** (failures - 1)
        say(f"{file.name}: {reason}; retry {failures} of {retries} in {pause:g} s")
        time.sleep(pause)
    try:
        verify(part, file, checked)
    except Unusable:
        discard(part)
        raise
    return part


def failure(error: Exception, url: str, advice: str, *, started: bool) -> str:
    """Describe a failure that a retry may mend; raise InputError for any other."""
    if isinstance(error, urllib.error.HTTPError):
        if error.code not in RETRY_STATUS:
            raise InputError(f"{url}: HTTP {error.code} {error.reason}; {advice}") from error
        return f"the server answered HTTP {error.code}"
    reason = getattr(error, "reason", error)
    permanent = (socket.gaierror, ConnectionRefusedError, http.client.InvalidURL)
    if isinstance(reason, permanent) and not started:
        host = urlsplit(url).netloc
        raise InputError(f"no connection to {host} ({reason}); {advice}") from error
    return f"connection lost ({reason})"


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def state_path(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def discard(*parts: Path) -> None:
    for part in parts:
        part.unlink(missing_ok=True)
        state_path(part).unlink(missing_ok=True)


def read_state(part: Path, url: str) -> dict[str, Any]:
    """Return the recorded version of a partial file; empty if it cannot be resumed from ``url``."""
    try:
        state = json.loads(state_path(part).read_text(encoding="utf-8"))
        return state if state["url"] == url and {"validator", "total"} <= set(state) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def receive(url: str, part: Path, expected: File | None) -> None:
    """Download over one connection into ``part``, resuming where possible.

    Raises:
        OSError, HTTPException: the connection failed; the bytes received are in ``part``.
        InputError: the file has another size than ``expected``, or the disk is too small.
    """
    state, done = read_state(part, url), size_of(part)
    if done and done == state.get("total"):
        return
    headers = dict(HEADERS)
    resuming = bool(done and state.get("validator"))
    if resuming:  # the server sends the rest only if the file has not changed
        headers |= {"Range": f"bytes={done}-", "If-Range": state["validator"]}
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
        if resuming and response.status == 206:
            check_range(response, part, done, state)
            say(f"{part.stem}: resuming at {format_size(done)}")
        else:
            total, validator = length_of(response), validator_of(response)
            say(f"{part.stem}: {format_size(total) if total else 'unknown size'} from {url}")
            if done:
                unchanged = resuming and validator == state["validator"]
                reason = "cannot resume" if unchanged else "may have another version"
                say(f"{part.stem}: starting over, this server {reason}")
            done, state = 0, {"url": url, "validator": validator, "total": total}
            if expected is not None and total not in (None, expected.size):
                raise InputError(
                    f"{url} has {total} bytes, the published file {expected.size}; name a mirror "
                    f"with {expected.mirror}{or_accept(expected)}"
                )
        if state["total"] is not None:
            check_room(part.parent, state["total"] - done, part.stem)
        save(response, part, done, state)


def save(response: http.client.HTTPResponse, part: Path, done: int, state: dict) -> None:
    """Append a response to the first ``done`` bytes of ``part`` as it arrives."""
    total, writing = state["total"], f"cannot write to {part.parent}"
    with disk_errors(writing):
        stream = part.open("ab" if done else "wb", buffering=0)
    with stream, progress(part.stem, total, done) as bar:
        with disk_errors(writing):
            state_path(part).write_text(json.dumps(state), encoding="utf-8")
        while (total is None or done < total) and (chunk := response.read1(CHUNK)):
            with disk_errors(writing):
                stream.write(chunk)
            done += len(chunk)
            bar.update(len(chunk))
    if total is not None and done != total:
        raise ConnectionError(f"closed after {format_size(done)} of {format_size(total)}")


def check_range(response: http.client.HTTPResponse, part: Path, done: int, state: dict) -> None:
    """Discard ``part`` and fail unless the response is the rest of the same file."""
    end = "*" if state["total"] is None else state["total"]
    given = response.headers.get("Content-Range", "")
    fits = given.startswith(f"bytes {done}-") and given.endswith(f"/{end}")
    if not fits or validator_of(response) not in ("", state["validator"]):
        discard(part)
        raise ConnectionError(f"the server sent another range: {given or 'none named'}")


def length_of(response: http.client.HTTPResponse) -> int | None:
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def validator_of(response: http.client.HTTPResponse) -> str:
    """Return what identifies this version of the file; a weak ETag does not promise equal bytes."""
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


def verify(path: Path, file: File, checked: bool) -> None:
    """Raise Unusable unless a file has its published checksum; log if there is none."""
    if not (checked and file.checksum):
        why = "no checksum is published" if checked else "--no-check"
        say(f"{file.name}: {format_size(size_of(path))}, checksum not verified ({why})")
        return
    algorithm, _, expected = file.checksum.partition(":")
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as stream, progress(f"checking {file.name}", size_of(path)) as bar:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            bar.update(len(chunk))
    if digest.hexdigest() != expected:
        raise Unusable(
            f"{path} has {algorithm} {digest.hexdigest()}, the published file {expected}; "
            f"{retry_advice(path, file.mirror)}{or_accept(file)}"
        )
    say(f"{file.name}: {format_size(size_of(path))}, {algorithm} as published")


def or_accept(file: File) -> str:
    """Return the other advice about a file that differs, where the command has the flag."""
    return ", or accept it with --no-check" if file.mirror == "--url" else ""


def retry_advice(archive: Path, mirror: str = "--url") -> str:
    """Return what to do about a bad file: a download is removed, a file of the user is not."""
    if archive.suffix == ".part":
        return f"it was removed; run the same command again, or name a mirror with {mirror}"
    return "delete it and run the same command again"


def format_size(count: int) -> str:
    """Return a byte count for people: ``30 MB``, ``19.3 GB``."""
    if count >= 1_000_000_000:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.0f} MB" if count >= 1_000_000 else f"{count / 1e3:.1f} kB"


class _Lines(io.StringIO):
    def write(self, text: str) -> int:
        if text.strip():
            say(text.strip())
        return len(text)


def progress(label: str, total: int | None, done: int = 0):
    """Return a tqdm bar on a terminal; elsewhere it prints a line every few seconds."""
    from tqdm import tqdm  # here: --help needs no tqdm

    plain = {"file": STDERR} if STDERR.isatty() else {
        "file": _Lines(), "mininterval": LINE_SECONDS, "delay": LINE_SECONDS,
        "bar_format": "{desc}: {n_fmt} ({percentage:.0f} %), {rate_fmt}",
    }  # fmt: skip
    return tqdm(desc=label, total=total, initial=done, unit="B", unit_scale=True, **plain)


def check_room(folder: Path, needed: int, what: str) -> None:
    """Raise InputError if the disk has less than ``needed`` bytes free."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{what} needs {format_size(needed)}, but {folder} has {format_size(free)} free; "
            "free some space or choose another folder"
        )
