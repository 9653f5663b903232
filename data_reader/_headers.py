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
    grey: bool = False  # grey, even if OpenCV decodes it as colour with alpha
    opaque: bool = False  # OpenCV decodes a fourth channel that is not alpha
    clear: int | None = None  # the grey value that is transparent, which OpenCV ignores
    inverted: bool = False  # OpenCV decodes white as 0
    associated: bool = False  # OpenCV decodes colours that are multiplied by alpha
    with_pillow: bool = False  # Pillow decodes it, since OpenCV does not, or not right
    refused: str = ""  # why neither decodes it right


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
    """Walk the segments to the end-of-image mark, skipping that of a thumbnail in a segment.

    Some telephones (Samsung's) write a trailer, SEFH ... SEFT, over the mark of a whole image.
    """
    trailer = data.rfind(b"SEFH") if data.endswith(b"SEFT") else -1
    width = height = position = 0
    orientation = 1
    while True:
        mark = _JPEG_MARK.search(data, position)
        if mark is None or mark.start() > trailer > 0:
            return Header(kind, width, height, trailer > position > 0, orientation)
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
    width = height = depth = colour = 0
    clear = None
    orientation, position, name = 1, 8, b""
    while position + 12 <= len(data) and name != b"IEND":
        length, name = struct.unpack_from(">I4s", data, position)
        if name == b"IHDR":
            width, height, depth, colour = struct.unpack_from(">IIBB", data, position + 8)
        elif name == b"tRNS" and colour == 0 and depth:
            (clear,) = struct.unpack_from(">H", data, position + 8)
            clear *= 1 if depth == 16 else 255 // (2**depth - 1)  # as OpenCV widens the values
        elif name == b"eXIf":
            orientation = _orientation(data[position + 8 : position + 8 + length])
        position += 12 + length
    grey = colour in (0, 4)
    return Header(kind, width, height, name == b"IEND", orientation, grey=grey, clear=clear)


def _by_pillow(kind: str, data: bytes) -> Header:
    """Leave size and orientation to Pillow."""
    return Header(kind, with_pillow=True)


def _bmp(kind: str, data: bytes) -> Header:
    # Text may begin with BM; the length of the second header is below 256.
    return _by_pillow(kind, data) if data[15:18] == bytes(3) else Header()


def _webp(kind: str, data: bytes) -> Header:
    if data[8:12] != b"WEBP":
        return Header()  # audio or video
    (size,) = struct.unpack_from("<I", data, 4)
    return Header(kind, complete=len(data) >= 8 + size, with_pillow=True)


def _isobmff(kind: str, data: bytes) -> Header:
    """Recognise AVIF and HEIC by the brand, in the box of videos such as MP4 too."""
    brand = data[8:12] if data[4:8] == b"ftyp" else b""
    if brand in (b"avif", b"avis"):
        return _by_pillow("AVIF", data)
    heic = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
    return _by_pillow(kind, data) if brand in heic else Header()


_COLOURS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3}  # channels of each photometric interpretation
_UNKNOWN_COLOURS = {4: "a mask", 8: "Lab colours", 9: "Lab colours", 10: "Lab colours",
                    32803: "a camera's raw values", 34892: "a camera's raw values"}  # fmt: skip


def _tiff(kind: str, data: bytes) -> Header:
    """Choose who decodes by the tags: tests/test_image_formats.py has a table of all kinds.

    OpenCV applies the orientation, turns CMYK into RGBA, inverts min-is-white up to 8 bits only,
    loses the alpha of grey images, multiplies 8-bit colours by alpha, and reads memory at random
    for 16 bits in planes. Pillow keeps 8 bits only, of 2 to 8.
    """
    tags = _tiff_values(data)
    first = {tag: values[0] for tag, values in tags.items() if values}
    colours, samples = first.get(262, 1), first.get(277, 1)
    bits = first.get(258, 1)
    extra = samples - _COLOURS.get(colours, samples)
    alpha = first.get(338, 2)  # 0 is no alpha, 1 associated, 2 not
    refused = ""
    if first.get(254, 0) & 1:
        refused = "its first image is a thumbnail of another"
    elif colours not in _COLOURS:
        refused = f"it holds {_UNKNOWN_COLOURS.get(colours, 'unknown colours')}"
    elif extra > 1 or (extra and (_COLOURS[colours] not in (1, 3) or alpha > 2)):
        refused = f"it has {samples} channels"
    elif bits > 8 and samples > 1 and first.get(284, 1) == 2:
        refused = f"its {bits}-bit channels are stored one after another"
    elif extra and _COLOURS[colours] == 1 and (bits != 8 or 338 not in tags or colours != 1):
        refused = f"it holds {bits}-bit grey with a second channel"
    return Header(
        kind,
        first.get(256, 0),
        first.get(257, 0),
        opaque=colours == 5 or alpha == 0,
        inverted=colours == 0 and bits > 8,
        associated=extra == 1 and alpha == 1,
        with_pillow=(extra == 1 and bits == 8) or bits in (2, 4),
        refused=refused,
    )


def _tiff_values(data: bytes) -> dict[int, tuple[int, ...]]:
    """Return the first integers of each tag in the first directory of a TIFF or BigTIFF."""
    order = {b"II": "<", b"MM": ">"}[data[:2]]
    big = struct.unpack_from(order + "H", data, 2) == (43,)
    word, count_of_tags, head = ("Q", "Q", 4) if big else ("I", "H", 4)
    (start,) = struct.unpack_from(order + word, data, 8 if big else 4)
    (entries,) = struct.unpack_from(order + count_of_tags, data, start)
    start += struct.calcsize(count_of_tags)
    size = struct.calcsize("<" + word)
    values = {}
    for position in range(start, start + entries * (head + 2 * size), head + 2 * size):
        tag, number_type = struct.unpack_from(order + "HH", data, position)
        (count,) = struct.unpack_from(order + word, data, position + head)
        letter = {1: "B", 3: "H", 4: "I", 16: "Q"}.get(number_type)
        if letter is None:
            continue
        place, shown = position + head + size, min(count, 4)
        if count * struct.calcsize("<" + letter) > size:
            (place,) = struct.unpack_from(order + word, data, place)
        values[tag] = struct.unpack_from(f"{order}{shown}{letter}", data, place)
    return values


def _orientation(exif: bytes) -> int:
    """Return EXIF's orientation, 1 if it is missing, unknown or damaged."""
    with suppress(struct.error, KeyError, IndexError):
        orientation = _tiff_values(exif)[274][0]
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
    b"II+\0": ("TIFF", _tiff),  # BigTIFF
    b"MM\0+": ("TIFF", _tiff),
    b"GIF8": ("GIF", _by_pillow),
    b"\0\0\0\x0cjP  ": ("JPEG 2000", _by_pillow),
    b"\xff\x4f\xff\x51": ("JPEG 2000", _by_pillow),
    b"\0\0\0": ("HEIC", _isobmff),
    **{b"P%d" % variant: ("PNM", _by_pillow) for variant in range(1, 7)},
}
