"""Read and write EXIF, XMP, captions and resolution of JPEG and PNG files.

What is read is adapted to another image of the same scene: upright, in sRGB, with other colours.
Broken parts are dropped, and so is a colour profile: files without one are sRGB. Sources: ITU-T
T.81 annex B (JPEG), JFIF 1.02, CIPA DC-008 (EXIF), W3C PNG third edition, Adobe's XMP part 3 and
Photoshop file format.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ._headers import tiff_places

JPEG, PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"

EXIF = b"Exif\0\0"  # the first bytes of a JPEG's segments
XMP = b"http://ns.adobe.com/xap/1.0/\0"
EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"
PHOTOSHOP = b"Photoshop 3.0\0"
XMP_KEYWORD = b"XML:com.adobe.xmp\0"  # of a PNG's text chunk
MAX_SEGMENT = 65533  # bytes in one segment of a JPEG
MAX_INFLATED = 2**24  # bytes; a longer text is taken for a decompression bomb
INCH = 0.0254  # metres

# Tags of TIFF and EXIF.
WIDTH, HEIGHT, ORIENTATION, EXIF_PLACE = 0x100, 0x101, 0x112, 0x8769
COLOUR_SPACE, EXIF_WIDTH, EXIF_HEIGHT = 0xA001, 0xA002, 0xA003
THUMBNAIL, THUMBNAIL_LENGTH = 0x201, 0x202
IPTC = 0x404  # of Photoshop's resources


class Metadata(NamedTuple):
    """What can be copied into another file; missing parts are empty."""

    exif: bytes = b""  # a TIFF structure
    xmp: bytes = b""  # a packet
    dots_per_metre: float = 0.0
    segments: bytes = b""  # for JPEG only: IPTC captions, comments, extended XMP
    chunks: bytes = b""  # for PNG only: texts


def read_metadata(data: bytes) -> Metadata:
    """Read the metadata of a JPEG or PNG file; empty for other formats.

    The orientation is set to upright; the thumbnail is dropped.
    """
    if data.startswith(JPEG):
        return _from_jpeg(data)
    return _from_png(data) if data.startswith(PNG) else Metadata()


def add_metadata(encoded: bytes, metadata: Metadata) -> bytes:
    """Insert metadata into a JPEG or PNG encoded by OpenCV; other formats are unchanged."""
    if encoded.startswith(JPEG):
        return _into_jpeg(encoded, metadata)
    return _into_png(encoded, metadata) if encoded.startswith(PNG) else encoded


def _from_jpeg(data: bytes) -> Metadata:
    exif = xmp = rest = b""
    dots = 0.0
    for code, body in _segments(data):
        if code == 0xE0 and body.startswith(b"JFIF\0") and len(body) >= 12:
            unit, x, y = struct.unpack_from(">BHH", body, 7)
            dots = {1: x / INCH, 2: x * 100}.get(unit, 0.0) if x == y else 0.0
        elif code == 0xE1 and body.startswith(EXIF):
            exif = _or_empty(tidy_exif, body[len(EXIF) :])
        elif code == 0xE1 and body.startswith(XMP):
            xmp = tidy_xmp(body[len(XMP) :])
        elif code == 0xED and body.startswith(PHOTOSHOP):
            rest += _or_empty(lambda body: _segment(0xED, captions(body)), body)
        elif code == 0xFE or (code == 0xE1 and body.startswith(EXTENDED_XMP)):
            rest += _segment(code, body)
    return Metadata(exif, xmp, dots, segments=rest)


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the code and body of the segments before the coded image."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        code = data[position + 1]
        if code == 0xFF:  # a fill byte
            position += 1
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        if code == 0xDA or length < 2 or position + 2 + length > len(data):
            return
        yield code, data[position + 4 : position + 2 + length]
        position += 2 + length


def _segment(code: int, body: bytes) -> bytes:
    """Return a segment; nothing if the body is empty or too long."""
    if not 0 < len(body) <= MAX_SEGMENT:
        return b""
    return struct.pack(">BBH", 0xFF, code, len(body) + 2) + body


def _into_jpeg(encoded: bytes, m: Metadata) -> bytes:
    end = 2
    if encoded[2:4] == b"\xff\xe0":  # JFIF's segment comes first
        end = 4 + struct.unpack_from(">H", encoded, 4)[0]
    start = bytearray(encoded[:end])
    dots = round(m.dots_per_metre * INCH)
    if 0 < dots < 2**16 and start[6:11] == b"JFIF\0":
        struct.pack_into(">BHH", start, 13, 1, dots, dots)
    added = [
        _segment(0xE1, EXIF + m.exif if m.exif else b""),
        _segment(0xE1, XMP + m.xmp if m.xmp else b""),
        m.segments,
    ]
    return bytes(start) + b"".join(added) + encoded[end:]


def _from_png(data: bytes) -> Metadata:
    exif = xmp = texts = b""
    dots = 0.0
    for name, body in _chunks(data):
        if name == b"eXIf":
            exif = _or_empty(tidy_exif, body)
        elif name == b"iTXt" and body.startswith(XMP_KEYWORD):
            xmp = tidy_xmp(_or_empty(_packet, body))
        elif name in (b"tEXt", b"zTXt", b"iTXt"):
            texts += _chunk(name, body)
        elif name == b"pHYs" and len(body) == 9:
            x, y, unit = struct.unpack(">IIB", body)
            dots = float(x) if unit == 1 and x == y else 0.0
    return Metadata(exif, xmp, dots, chunks=texts)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name and body of the intact chunks of a PNG."""
    position = len(PNG)
    while position + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, position)
        chunk = data[position : position + 12 + length]
        if chunk == _chunk(name, chunk[8:-4]):
            yield name, chunk[8:-4]
        position += 12 + length


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _packet(body: bytes) -> bytes:
    packed = body[len(XMP_KEYWORD)]
    _, _, text = body[len(XMP_KEYWORD) + 2 :].split(b"\0", 2)  # language, translated keyword
    return inflate(text) if packed else text


def _into_png(encoded: bytes, m: Metadata) -> bytes:
    end = len(PNG) + 25  # behind IHDR, before the pixels
    added = b""
    if 0 < round(m.dots_per_metre) < 2**31:
        added += _chunk(b"pHYs", struct.pack(">IIB", *2 * [round(m.dots_per_metre)], 1))
    if m.exif:
        added += _chunk(b"eXIf", m.exif)
    if m.xmp:
        added += _chunk(b"iTXt", XMP_KEYWORD + b"\0\0\0\0" + m.xmp)
    return encoded[:end] + added + m.chunks + encoded[end:]


def _or_empty(read: Callable[[bytes], bytes], body: bytes) -> bytes:
    """Return ``read(body)``; nothing if the body is broken."""
    try:
        return read(body)
    except (struct.error, ValueError, IndexError, zlib.error):
        return b""


def inflate(packed: bytes) -> bytes:
    """Decompress data of a PNG; raises ValueError above ``MAX_INFLATED``."""
    unpacking = zlib.decompressobj()
    text = unpacking.decompress(packed, MAX_INFLATED)
    if unpacking.unconsumed_tail:
        raise ValueError(f"more than {MAX_INFLATED} bytes")
    return text


def tidy_exif(exif: bytes) -> bytes:
    """Adapt EXIF to the decoded image: upright, in sRGB, without the thumbnail.

    Everything else keeps its place: offsets in makers' notes are absolute.
    """
    data = bytearray(exif)
    order, main, end = tiff_places(exif)
    if order is None:
        raise ValueError("no TIFF structure")
    inner = tiff_places(exif, _get(data, main, EXIF_PLACE))[1] if EXIF_PLACE in main else {}
    if _get(data, main, ORIENTATION) in (5, 6, 7, 8):  # stored lying on its side
        _swap(data, main, WIDTH, HEIGHT)
        _swap(data, inner, EXIF_WIDTH, EXIF_HEIGHT)
    _set(data, main, ORIENTATION, 1)
    _set(data, inner, COLOUR_SPACE, 1)

    # The first directory is followed by that of the thumbnail.
    (second,) = struct.unpack_from(order + "I", data, end)
    if second:
        thumbnail = tiff_places(exif, second)[1]
        start = _get(data, thumbnail, THUMBNAIL)
        stop = min(start + _get(data, thumbnail, THUMBNAIL_LENGTH), len(data))
        struct.pack_into(order + "I", data, end, 0)
        if start >= second:
            data[start:stop] = b"" if stop == len(data) else bytes(stop - start)
    return bytes(data)


Places = dict[int, tuple[str, int]]  # tag -> (format, position) of its number


def _get(data: bytearray, places: Places, tag: int) -> int:
    return struct.unpack_from(places[tag][0], data, places[tag][1])[0] if tag in places else 0


def _set(data: bytearray, places: Places, tag: int, value: int) -> None:
    if tag in places:
        struct.pack_into(places[tag][0], data, places[tag][1], value)


def _swap(data: bytearray, places: Places, one: int, other: int) -> None:
    if one in places and other in places:
        first, second = _get(data, places, one), _get(data, places, other)
        _set(data, places, one, second)
        _set(data, places, other, first)


def tidy_xmp(packet: bytes) -> bytes:
    """Remove the orientation and thumbnails that XMP may contain."""
    packet = re.sub(rb"<xmp:Thumbnails>.*?</xmp:Thumbnails>", b"", packet, flags=re.DOTALL)
    return re.sub(rb"(tiff:Orientation(?:\s*=\s*[\"']|\s*>\s*))[2-8]", rb"\g<1>1", packet)


def captions(body: bytes) -> bytes:
    """Return the IPTC captions of Photoshop's resources; others are thumbnails, paths ..."""
    position = len(PHOTOSHOP)
    while body[position : position + 4] == b"8BIM":
        number, name = struct.unpack_from(">HB", body, position + 4)
        start = position + 6 + (name + 2) // 2 * 2  # the name and its length fill an even space
        (size,) = struct.unpack_from(">I", body, start)
        stop = start + 4 + size
        if number == IPTC and stop <= len(body):
            return PHOTOSHOP + body[position:stop] + bytes(size % 2)
        position = stop + size % 2
    return b""
