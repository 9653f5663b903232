"""Read uploaded images within the page's limits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_reader._headers import read_header
from data_reader.errors import InputError
from data_reader.images import decode_image
from data_reader.transforms import resize

MAX_DECODED = 2**26  # pixels; larger files are not decoded: 64 megapixels take 200 MB


@dataclass(frozen=True)
class Limits:
    """The largest upload in MB, and how many million pixels a network gets."""

    megabytes: float = 10.0
    megapixels: float = 1.0

    def __post_init__(self):
        for flag, value in (("--max-upload", self.megabytes), ("--max-pixels", self.megapixels)):
            if not 0 < value < float("inf"):
                raise InputError(f"{flag} must be above 0, not {value:g}")

    @property
    def bytes(self) -> int:
        return int(self.megabytes * 1e6)


class Upload(NamedTuple):
    """An uploaded image in the size that a network gets."""

    rgb: np.ndarray  # uint8 [H, W, 3]
    note: str  # what was changed; "" for nothing


def read_upload(
    path: str | None, limits: Limits, what: str = "an image", interpolation: str = "cubic"
) -> Upload:
    """Read an uploaded file, and reduce it if it has more pixels than the limit."""
    if not path:
        raise InputError(f"{what} is missing: upload one, or click on an example")
    file = Path(path)
    try:
        size = file.stat().st_size if file.is_file() else 0
        if size > limits.bytes:
            raise InputError(
                f"{file} has {size / 1e6:.1f} MB; the limit is {limits.megabytes:g} MB: save it "
                "smaller, or start the page with a larger --max-upload"
            )
        header = read_header(file.read_bytes() if size else b"")
        if header.width * header.height > MAX_DECODED:
            raise InputError(
                f"{file} is {header.width} x {header.height} pixels; the limit is "
                f"{MAX_DECODED >> 20} megapixels: make it smaller"
            )
        rgb = decode_image(file).rgb
    except InputError as error:
        raise InputError(str(error).replace(str(file), file.name)) from error
    height, width = rgb.shape[:2]
    scale = (limits.megapixels * 1e6 / (height * width)) ** 0.5
    if scale >= 1:
        return Upload(rgb, "")
    sides = [max(1, int(side * scale)) for side in (width, height)]
    note = f"reduced from {width} x {height}, see --max-pixels"
    return Upload(resize(rgb, *sides, interpolation), note)
