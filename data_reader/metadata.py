"""Metadata of photographs, read and written by Pillow.

What is read is adapted to another image of the same scene: upright, in sRGB, without a thumbnail. A
colour profile is dropped: files without one are sRGB.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from PIL.ExifTags import IFD, Base
from PIL.PngImagePlugin import PngInfo

from .atomic import write_bytes
from .images import JPEG_SUFFIXES, PathLike, does_not_fit, write_image

XMP_KEYWORD = "XML:com.adobe.xmp"  # of a PNG's text chunk
IPTC = 0x404  # of Photoshop's resources
MAX_SEGMENT = 65_000  # bytes of EXIF or XMP that fit into a JPEG


class Metadata(NamedTuple):
    """What can be copied into another file; missing parts are empty."""

    exif: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None
    captions: bytes = b""  # IPTC, for JPEG only
    comment: bytes = b""  # for JPEG only
    texts: dict[str, str] = {}  # for PNG only


def read_metadata(data: bytes) -> Metadata:
    """Read the metadata of a JPEG or PNG file; empty for other formats and damaged files."""
    # Pillow raises errors of many types for damaged metadata, or warns.
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            info = image.info
            texts = {key: text for key, text in info.items() if isinstance(text, str)}
            xmp = texts.pop(XMP_KEYWORD, "").encode() or info.get("xmp", b"")
            found = Metadata(
                xmp=tidy_xmp(xmp),
                dpi=info.get("dpi"),
                captions=info.get("photoshop", {}).get(IPTC, b""),
                comment=info.get("comment", b""),
                texts=texts,
            )
            with suppress(Exception):
                found = found._replace(exif=tidy_exif(image))
            return found
    return Metadata()


def tidy_exif(image: Image.Image) -> bytes:
    """Return EXIF of the decoded image: upright, in sRGB, without the thumbnail."""
    if "exif" not in image.info:  # Pillow would make one of the orientation in XMP
        return b""
    exif = image.getexif()
    inner = exif.get_ifd(IFD.Exif) if IFD.Exif in exif else {}
    if exif.get(Base.Orientation) in (5, 6, 7, 8):  # stored lying on its side
        sides = (Base.ImageWidth, Base.ImageLength), (Base.ExifImageWidth, Base.ExifImageHeight)
        for directory, (width, height) in zip((exif, inner), sides):
            if width in directory and height in directory:
                directory[width], directory[height] = directory[height], directory[width]
    for directory, tag in ((exif, Base.Orientation), (inner, Base.ColorSpace)):
        if tag in directory:
            directory[tag] = 1
    return exif.tobytes()


def tidy_xmp(packet: bytes) -> bytes:
    """Remove the orientation and thumbnails that XMP may contain."""
    packet = re.sub(rb"<xmp:Thumbnails>.*?</xmp:Thumbnails>", b"", packet, flags=re.DOTALL)
    return re.sub(rb"(tiff:Orientation(?:\s*=\s*[\"']|\s*>\s*))[2-8]", rb"\g<1>1", packet)


def write_photo(
    path: PathLike, rgb: np.ndarray, alpha: np.ndarray | None, metadata: Metadata
) -> None:
    """Write an image as ``write_image`` does; JPEG and PNG with metadata.

    A JPEG has quality 95 and stores the colour of every pixel (4:4:4). Raises InputError as
    ``write_image`` does.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in JPEG_SUFFIXES:
        image, kind = Image.fromarray(rgb), "JPEG"
        options = {"quality": 95, "subsampling": 0, **_for_jpeg(metadata)}
    elif suffix == ".png":
        image, kind = Image.fromarray(rgb if alpha is None else np.dstack([rgb, alpha])), "PNG"
        options = _for_png(metadata)
    else:
        write_image(path, rgb, alpha)
        return
    encoded = io.BytesIO()
    try:
        image.save(encoded, kind, **options)
    except OSError as error:
        raise does_not_fit(path, rgb) from error
    write_bytes(path, encoded.getvalue())


def _for_jpeg(metadata: Metadata) -> dict[str, Any]:
    options: dict[str, Any] = {"dpi": metadata.dpi or (0, 0), "comment": metadata.comment}
    for key in ("exif", "xmp"):
        body = getattr(metadata, key)
        if 0 < len(body) <= MAX_SEGMENT:
            options[key] = body
    if metadata.captions:
        resource = struct.pack(">4sHHI", b"8BIM", IPTC, 0, len(metadata.captions))
        resource += metadata.captions + bytes(len(metadata.captions) % 2)
        body = b"Photoshop 3.0\0" + resource
        options["extra"] = struct.pack(">HH", 0xFFED, 2 + len(body)) + body
    return options


def _for_png(metadata: Metadata) -> dict[str, Any]:
    texts = PngInfo()
    for key, text in metadata.texts.items():
        texts.add_text(key, text)
    if metadata.xmp:
        texts.add_itxt(XMP_KEYWORD, metadata.xmp.decode("utf-8", "replace"))
    options: dict[str, Any] = {"pnginfo": texts, "exif": metadata.exif or None}
    return {**options, "dpi": metadata.dpi} if metadata.dpi else options
