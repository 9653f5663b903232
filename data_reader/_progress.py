"""Messages, sizes and progress bars of the downloader."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

from .errors import InputError
from .output import STDERR, say

LINE_SECONDS = 5.0  # between progress lines outside a terminal


log = say


def format_size(count: int) -> str:
    """Return a byte count for people: ``30 MB``, ``19.3 GB``."""
    if count >= 1_000_000_000:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.0f} MB" if count >= 1_000_000 else f"{count / 1e3:.1f} kB"


class _Lines(io.StringIO):
    """Prints what tqdm draws as plain lines."""

    def write(self, text: str) -> int:
        if text.strip():
            log(text.strip())
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
            "free some space or choose another folder with --to"
        )
