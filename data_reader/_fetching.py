"""Fetches one file over http: resumed, retried, compared with its checksum."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Optional
from urllib.parse import urlsplit

from ._data_sets import File
from ._telling import Progress, amount, check_room, say, writing
from .errors import InputError

CHUNK = 1 << 20  # bytes moved at once
TIMEOUT_SECONDS = 30
BACKOFF_SECONDS = 1.0  # before the first retry; doubles with each one that brings nothing
PASSING_STATUS = (408, 425, 429, 500, 502, 503, 504)  # worth another try


class Unusable(InputError):
    """The file itself is wrong, so there is no use in keeping it."""


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
                f"{amount(size_of(part))}, or {otherwise(url, by_hand)}"
            )
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
            raise InputError(
                f"{url} cannot be had: HTTP {error.code} {error.reason}; {otherwise(url, by_hand)}"
            ) from error
        return f"the server answered HTTP {error.code}"
    reason = getattr(error, "reason", error)
    hopeless = (socket.gaierror, ConnectionRefusedError, http.client.InvalidURL)
    if isinstance(reason, hopeless) and not met:
        raise InputError(
            f"no connection to {urlsplit(url).netloc} ({reason}); {otherwise(url, by_hand)}"
        ) from error
    return f"connection lost ({reason})"


def otherwise(url: str, by_hand: Path) -> str:
    return (
        f"get {url} in another way (--url names a mirror), put it at {by_hand} "
        "and run the same command again"
    )


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
                say(
                    f"{part.stem}: starting over, because "
                    + (
                        "this server cannot resume"
                        if same
                        else "what is here is of another file"
                        if going_on
                        else "it is not known what file the part here is of"
                    )
                )
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
        raise InputError(
            f"{url} has {total} bytes and the published file {expected}: it is not "
            "the same; name a mirror with --url, or take it with --no-check"
        )


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
            f"{expected}: it is damaged or another file; {again(path)}, or take it with --no-check"
        )
    say(f"{file.name}: {amount(size_of(path))}, {algorithm} as published")


def again(archive: Path) -> str:
    """What to do about a bad file: ours is removed, one that was put there by hand is not."""
    if archive.suffix == ".part":
        return "it was removed; run the same command again, or name a mirror with --url"
    return "delete it and run the same command again"
