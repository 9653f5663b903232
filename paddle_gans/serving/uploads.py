"""Pictures that come from a browser: how large they may be, and how they are read."""

from __future__ import annotations

import base64
import binascii
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Optional

import numpy as np

from data_reader._headers import read_header
from data_reader.errors import InputError
from data_reader.images import decode_image
from data_reader.transforms import resize

DECODED = 2**26  # pixels; a file of more is not decoded at all, 64 megapixels are 200 MB


@dataclass(frozen=True)
class Limits:
    """What the page takes: MB of a file, and millions of pixels that a network is given."""

    megabytes: float = 10.0
    megapixels: float = 1.0

    def __post_init__(self):
        for flag, value in (("--max-upload", self.megabytes), ("--max-pixels", self.megapixels)):
            if not 0 < value < float("inf"):
                raise InputError(f"{flag} is above 0, not {value:g}")

    @property
    def bytes(self) -> int:
        return int(self.megabytes * 1e6)


class Upload(NamedTuple):
    """A picture that was sent, as a network is given it."""

    rgb: np.ndarray  # uint8 [H, W, 3]
    remark: str  # what was done to it, "" where nothing was


def read_upload(path: Optional[str], limits: Limits, what: str = "a picture") -> Upload:
    """Read a file that was sent; reduced, where it has more pixels than are taken.

    Raises:
        InputError: there is none, it is too large, or no picture that can be read. The message
            has the file's name and not its place on this machine.
    """
    if not path:
        raise InputError(f"{what} is missing: choose one, or click on an example")
    file = Path(path)
    try:
        size = file.stat().st_size if file.is_file() else 0
        if size > limits.bytes:
            raise InputError(
                f"{file} has {size / 1e6:.1f} MB, and {limits.megabytes:g} MB are taken here; "
                "save it smaller, or start the page with a larger --max-upload"
            )
        header = read_header(file.read_bytes() if size else b"")
        if header.width * header.height > DECODED:
            raise InputError(
                f"{file} is {header.width} x {header.height} pixels, more than are read here "
                f"({DECODED >> 20} megapixels); make it smaller"
            )
        rgb = decode_image(file).rgb
    except InputError as error:
        raise InputError(str(error).replace(str(file), file.name)) from error
    return within(rgb, limits)


def within(rgb: np.ndarray, limits: Limits) -> Upload:
    """The picture with at most so many pixels."""
    height, width = rgb.shape[:2]
    scale = (limits.megapixels * 1e6 / (height * width)) ** 0.5
    if scale >= 1:
        return Upload(rgb, "")
    sides = [max(1, int(side * scale)) for side in (width, height)]
    remark = f"reduced from {width} x {height}, see --max-pixels"
    return Upload(resize(rgb, *sides), remark)


def read_data_url(url: Any, limits: Limits) -> np.ndarray:
    """The picture of a ``data:image/png;base64,...`` address, as a canvas gives it.

    Raises:
        InputError: it is none, or too large.
    """
    match = re.match(r"data:image/png;base64,", url) if isinstance(url, str) else None
    if match is None:
        raise InputError("the drawing did not arrive; reload the page")
    try:
        content = base64.b64decode(url[match.end() :], validate=True)
    except binascii.Error as error:
        raise InputError("the drawing arrived damaged; reload the page") from error
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "the drawing.png"
        file.write_bytes(content)
        return read_upload(str(file), limits).rgb
