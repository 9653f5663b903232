"""What a long transfer says, and whether the disk has room for it."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

from .errors import InputError

LINE_SECONDS = 5.0  # between progress lines where there is no terminal


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
        raise InputError(
            f"{what} needs {amount(needed)} and {folder} has {amount(free)} free; "
            "make room or name another folder with --to"
        )
