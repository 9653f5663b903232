"""Read size, orientation and completeness of an image from its bytes, before decoding.

Not with Pillow: it checks no JPEG for completeness, has one global size limit for the process, and
refuses PNGs with long texts and TIFFs of float values, whose size would then go unchecked.
"""

from __future__ import annotations

import re
import struct
from contextlib import suppress
from typing import NamedTuple

import numpy as np


class Header(NamedTuple):
    kind: str = ""  # "" if unknown
    width: int = 0  # pixels as stored; 0 if unknown
    height: int = 0
    complete: bool = True  # the file has its end mark
    orientation: int = 1  # EXIF's, 1 to 8, where OpenCV does not apply it
    grey: bool = False  # grey with alpha, which OpenCV decodes as colour with alpha
    opaque: bool = False  # OpenCV decodes a fourth channel that is not alpha
    white: int | None = None  # the value of white, if the number type does not tell


def read_header(data: bytes) -> Header:
    """Read the header of a known format; a file that ends within it is incomplete."""
    for magic, (kind, read) in _FORMATS.items():
        if data.startswith(magic):
            try:
                return read(kind, data)
            except struct.error:
                return Header(kind, complete=False)
    return Header()


def _jpeg(kind: str, data: bytes) -> Header:
    """Walk the segments to the end-of-image mark, skipping that of a thumbnail in a segment."""
    width = height = position = 0
    orientation = 1
    while True:
        mark = _JPEG_MARK.search(data, position)
        if mark is None:
            return Header(kind, width, height, False)
        code, position = mark[1][0], mark.end()
        if code == 0xD9:
            return Header(kind, width, height, True, orientation)
        if code == 0xD8:
            continue
        (length,) = struct.unpack_from(">H", data, position)
        if 0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC):  # a frame, not a table
            height, width = struct.unpack_from(">HH", data, position + 3)
        elif code == 0xE1 and data.startswith(b"Exif\0\0", position + 2):
            orientation = _orientation(data[position + 8 : position + length])
        position += length


# Excludes stuffed zeros, fill bytes and restart marks, which occur within the coded image.
_JPEG_MARK = re.compile(rb"\xff([\x02-\xcf\xd8-\xfe])")


def _png(kind: str, data: bytes) -> Header:
    """Walk the chunks to IEND."""
    width = height = colour = 0
    orientation, position, name = 1, 8, b""
    while position + 12 <= len(data) and name != b"IEND":
        length, name = struct.unpack_from(">I4s", data, position)
        if name == b"IHDR":
            width, height, _, colour = struct.unpack_from(">IIBB", data, position + 8)
        elif name == b"eXIf":
            orientation = _orientation(data[position + 8 : position + 8 + length])
        position += 12 + length
    return Header(kind, width, height, name == b"IEND", orientation, grey=colour == 4)


def _webp(kind: str, data: bytes) -> Header:
    """Read EXIF and the larger of the sizes of canvas and image."""
    if data[8:12] != b"WEBP":
        return Header()  # audio or video
    (size,) = struct.unpack_from("<I", data, 4)
    width = height = 0
    orientation, position = 1, 12
    while position + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, position)
        body = data[position + 8 : position + 8 + length]
        claim = (0, 0)
        if name == b"VP8X":
            claim = tuple(int.from_bytes(body[i : i + 3], "little") + 1 for i in (4, 7))
        elif name == b"VP8L" and len(body) >= 5:  # lossless: 14 bits each, after a signature
            bits = int.from_bytes(body[1:5], "little")
            claim = (1 + bits % 2**14, 1 + (bits >> 14) % 2**14)
        elif name == b"VP8 " and len(body) >= 10:  # lossy: after a frame's tag and start code
            claim = tuple(side % 2**14 for side in struct.unpack_from("<HH", body, 6))
        elif name == b"EXIF":
            orientation = _orientation(body[6:] if body.startswith(b"Exif\0\0") else body)
        if claim[0] * claim[1] > width * height:
            width, height = claim
        position += 8 + length + length % 2
    return Header(kind, width, height, len(data) >= 8 + size, orientation)


def _bmp(kind: str, data: bytes) -> Header:
    length, width, height = struct.unpack_from("<Iii", data, 14)
    if length == 12:  # OS/2's header
        return Header(kind, *struct.unpack_from("<HH", data, 18))
    if length > 255:
        return Header()  # text that begins with BM
    return Header(kind, abs(width), abs(height))  # a negative height stores the top row first


def _gif(kind: str, data: bytes) -> Header:
    return Header(kind, *struct.unpack_from("<HH", data, 6))


def _tiff(kind: str, data: bytes) -> Header:
    tags = _tiff_tags(data)  # OpenCV applies the orientation of TIFF, and turns CMYK into RGBA
    return Header(kind, tags.get(256, 0), tags.get(257, 0), opaque=tags.get(262) == 5)


def _pnm(kind: str, data: bytes) -> Header:
    """Read the size and the value of white, which OpenCV applies only in 8-bit text."""
    match = _PNM.match(data)
    if match is None:
        return Header()
    variant, width, height, white = (int(number) for number in match.groups(default=b"0"))
    scaled = variant in (1, 4) or (variant in (2, 3) and white < 256)
    return Header(kind, width, height, white=None if scaled else white)


# Variant, width, height and white; bitmaps of ones and zeros have no white.
_GAP = rb"(?:\s|#[^\n]*\n)+"
_PNM = re.compile(rb"P([1-6])%b(\d{1,9})%b(\d{1,9})(?:%b(\d{1,9}))?" % (_GAP, _GAP, _GAP))


def _tiff_tags(data: bytes) -> dict[int, int]:
    """Return the integers in the first directory of a TIFF; EXIF data is a TIFF."""
    _, places, _ = tiff_places(data)
    return {tag: struct.unpack_from(form, data, at)[0] for tag, (form, at) in places.items()}


def tiff_places(
    data: bytes, start: int | None = None
) -> tuple[str | None, dict[int, tuple[str, int]], int]:
    """Find the integers in the directory of a TIFF at ``start``, by default the first one.

    Returns the byte order of ``struct`` (None: not a TIFF), format and position of each tag's
    number, and the end of the directory, where the position of the next one is stored.
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        return None, {}, 0
    if start is None:
        (start,) = struct.unpack_from(order + "I", data, 4)
    (entries,) = struct.unpack_from(order + "H", data, start)
    end = start + 2 + 12 * entries
    places = {}
    for position in range(start + 2, end, 12):
        tag, number_type, count = struct.unpack_from(order + "HHI", data, position)
        if count == 1 and number_type in (3, 4):  # of 16 or 32 bits
            places[tag] = (order + " HI"[number_type - 2], position + 8)
    return order, places, end


def _orientation(exif: bytes) -> int:
    """Return EXIF's orientation, 1 if it is missing, unknown or damaged."""
    with suppress(struct.error):
        orientation = _tiff_tags(exif).get(274)
        if orientation in UPRIGHT:
            return orientation
    return 1


UPRIGHT = {  # EXIF's orientation -> function that turns the stored image upright
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: np.rot90(x),
}

_FORMATS = {
    b"\xff\xd8\xff": ("JPEG", _jpeg),
    b"\x89PNG\r\n\x1a\n": ("PNG", _png),
    b"RIFF": ("WebP", _webp),
    b"BM": ("BMP", _bmp),
    b"II*\0": ("TIFF", _tiff),
    b"MM\0*": ("TIFF", _tiff),
    b"GIF8": ("GIF", _gif),
    b"P": ("PNM", _pnm),
}
