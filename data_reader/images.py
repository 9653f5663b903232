"""Decode, encode and list images: uint8 RGB and upright, whatever the file holds."""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
from PIL import Image, ImageOps, UnidentifiedImageError

from .atomic import write_bytes
from .errors import InputError, disk_errors

try:
    import cv2
except ImportError as error:
    raise ImportError(
        f"OpenCV cannot be imported ({error}): `pip install opencv-python-headless`, or for "
        "opencv-python the system package libgl1"
    ) from error

JPEG_SUFFIXES = frozenset((".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".pjpeg", ".pjp"))
ALPHA_SUFFIXES = frozenset((".png", ".webp", ".tif", ".tiff"))  # write_image keeps alpha in these
WRITTEN_SUFFIXES = JPEG_SUFFIXES | ALPHA_SUFFIXES | {".bmp", ".dib", ".ppm", ".pgm", ".pnm"}
IMAGE_SUFFIXES = WRITTEN_SUFFIXES | {
    ".apng", ".avif", ".gif", ".heic", ".heif", ".hif", ".j2c", ".j2k", ".jp2", ".jpf", ".jpx",
    ".mpo", ".pbm",
}  # fmt: skip
# Folders that systems add to those of the user: thumbnails, deleted files.
SYSTEM_FOLDERS = frozenset(
    ("__macosx", "@eadir", "#recycle", "@recycle", "@__thumb", "$recycle.bin", "lost+found",
     "system volume information", "thumbs", "__pycache__")
)  # fmt: skip
# Decompression bombs: larger than MAX_PIXELS, or larger than CHECKED_PIXELS with more than
# MAX_RATIO pixels per byte (photographs have 2 to 50).
MAX_PIXELS = 2**28
CHECKED_PIXELS = 2**26
MAX_RATIO = 256
# Pillow's decoders that run no other program, for what OpenCV does not read, or not right.
PILLOW_FORMATS = ("AVIF", "BMP", "GIF", "HEIF", "JPEG2000", "PPM", "TIFF", "WEBP")
MAX_BYTES = 2**31 + 2**20  # MAX_PIXELS of 8 bytes, and a header

PathLike = str | os.PathLike


@contextmanager
def pixel_errors(failure: str) -> Iterator[None]:
    """Turn an error of OpenCV or of the memory into an InputError that starts with ``failure``."""
    try:
        yield
    except cv2.error as error:
        raise InputError(f"{failure}: OpenCV reports: {' '.join(error.err.split())}") from error
    except MemoryError as error:
        raise InputError(
            f"{failure}: there is not enough memory; make the image smaller"
        ) from error


class DecodedImage(NamedTuple):
    """A decoded image, upright."""

    rgb: np.ndarray  # uint8 [H, W, 3]
    alpha: np.ndarray | None  # uint8 [H, W], 255 is opaque; None if the file has no alpha
    grey: bool  # the file holds brightness only; a palette counts as colour


def decode_image(path: PathLike) -> DecodedImage:
    """Decode an image of any kind that OpenCV or Pillow reads; the first frame of an animation.

    16-bit values are rounded to 8 bits, palettes and grey become RGB, the EXIF orientation is
    applied, CMYK JPEGs are converted by OpenCV. Raises InputError if the file is missing, a folder,
    empty, not an image, truncated, damaged, of floating-point values, or too large (``MAX_PIXELS``,
    ``MAX_RATIO``).
    """
    path = Path(path)
    data = read_file(path)
    header = read_header(data)
    _check(path, data, header)
    with pixel_errors(f"cannot decode {path}"):
        return _decoded(path, data, header)


def _decoded(path: Path, data: bytes, header: Header) -> DecodedImage:
    with_opencv = header.kind in ("JPEG", "PNG", "TIFF") and not header.with_pillow
    pixels = (_decode if with_opencv else _decode_with_pillow)(path, data, header)
    pixels = np.atleast_3d(UPRIGHT[header.orientation](pixels))
    channels = pixels.shape[2]
    colours = pixels[..., :3] if channels > 2 else np.repeat(pixels[..., :1], 3, axis=2)
    alpha = None if channels % 2 or header.opaque else pixels[..., -1].copy()
    return DecodedImage(np.ascontiguousarray(colours), alpha, header.grey or channels < 3)


def read_image(path: PathLike, channels: int = 3) -> np.ndarray:
    """Decode to uint8 [H, W, channels], 3 RGB or 1 luma (ITU-R 601), as ``decode_image`` does."""
    if channels not in (1, 3):
        raise ValueError(f"channels is 1 or 3, not {channels}")
    rgb = decode_image(path).rgb
    return rgb if channels == 3 else cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None]


def write_image(
    path: PathLike, rgb: np.ndarray, alpha: np.ndarray | None = None, quality: int = 95
) -> None:
    """Write uint8 RGB [H, W, 3] atomically in the format of the suffix; creates folders.

    ``alpha``, uint8 [H, W], is dropped by formats other than ``ALPHA_SUFFIXES``. ``quality``, 1 to
    100, is for JPEG and WebP (lossy at any quality). A ``.pgm`` holds the luma. Raises InputError
    for an unknown suffix, an image too large for the format, or a disk error; an existing file is
    then kept.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in WRITTEN_SUFFIXES:
        known = ", ".join(sorted(WRITTEN_SUFFIXES))
        raise InputError(f"cannot write {path}: its suffix is none of {known}")
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise ValueError(f"an image is uint8 [H, W, 3], not {rgb.dtype} {list(rgb.shape)}")
    if alpha is not None and (alpha.dtype != np.uint8 or alpha.shape != rgb.shape[:2]):
        raise ValueError(f"alpha is {alpha.dtype} {list(alpha.shape)}, the image {rgb.shape}")
    pixels = cv2.cvtColor(
        np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY if suffix == ".pgm" else cv2.COLOR_RGB2BGR
    )
    if alpha is not None and suffix in ALPHA_SUFFIXES:
        pixels = np.dstack([pixels, alpha])
    # OpenCV 4 reads WebP's quality only from the first option; OpenCV 5 warns of those of others.
    options = [cv2.IMWRITE_WEBP_QUALITY, quality] if suffix == ".webp" else []
    if suffix in JPEG_SUFFIXES:
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    try:
        kind = ".jpg" if suffix in JPEG_SUFFIXES else suffix
        done, encoded = cv2.imencode(kind, pixels, options)
    except cv2.error:  # OpenCV 4 raises, OpenCV 5 returns False
        done = False
    if not done:
        raise does_not_fit(path, rgb)
    write_bytes(path, encoded.tobytes())


def does_not_fit(path: Path, rgb: np.ndarray) -> InputError:
    height, width = rgb.shape[:2]
    return InputError(
        f"cannot write {path}: {width} x {height} pixels do not fit {path.suffix.lower()}; try "
        ".png or .tif"
    )


def count_frames(path: Path) -> int:
    """Return the number of frames of an animation, 1 for other images."""
    if path.suffix.lower() not in (".gif", ".webp", ".png", ".apng", ".avif"):
        return 1
    try:
        with Image.open(path) as image:
            return getattr(image, "n_frames", 1)
    except Exception:  # of whatever kind, for it was decoded already
        return 1


def list_images(folder: PathLike) -> list[Path]:
    """List the images in a folder and its subfolders, in natural order (2 before 10).

    Images are known by ``IMAGE_SUFFIXES``, in any case; see ``left_out`` for the others. Hidden
    files and folders are skipped, and ``SYSTEM_FOLDERS``; links to folders are followed. Raises
    InputError if the folder is missing, a file, or unreadable.
    """
    folder = Path(folder)
    with disk_errors(f"cannot list {folder}"):
        if not folder.exists():
            raise InputError(f"{folder} does not exist; check the spelling")
        if not folder.is_dir():
            raise InputError(f"{folder} is a file; name its folder")
        images = (path for path in _files_below(folder, frozenset()) if is_image(path))
        return sorted(images, key=natural_key)


def is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def is_system_folder(name: str) -> bool:
    """Whether a folder is hidden, or one that a system adds."""
    return name.startswith(".") or name.lower() in SYSTEM_FOLDERS


def left_out(folders: Iterable[Path]) -> str:
    """Say which files in folders and their subfolders are not images; "" if there are none.

    Hidden files and folders are not counted.
    """
    counts: Counter[str] = Counter()
    every = set(folders)
    for top in every - {folder for folder in every if every & set(folder.parents)}:
        with disk_errors(f"cannot list {top}"):
            for path in _files_below(top, frozenset(), of_systems=True):
                within = [part for part in path.relative_to(top).parts if is_system_folder(part)]
                if within:
                    counts[f"in {within[0]}/"] += 1
                elif not is_image(path):
                    counts[path.suffix.lower() or "without a suffix"] += 1
    found = ", ".join(f"{n} {what}" for what, n in sorted(counts.items(), key=lambda x: (-x[1], x)))
    return f"left out, since they are not images that can be read: {found}" if found else ""


def natural_key(path: PathLike) -> tuple:
    """Return a sort key by which ``img2.png`` comes before ``img10.png``, folder by folder."""
    # Split into text, number, text, ...: text first, so that any two splits can be compared.
    splits = (re.split("([0-9]+)", part.casefold()) for part in Path(path).parts)
    parts = tuple(tuple(int(x) if i % 2 else x for i, x in enumerate(split)) for split in splits)
    return parts, str(path)  # the text decides between a1 and a01, a1 and A1


def existing_file(path: PathLike) -> Path:
    """Return a path; InputError as of ``file_size``, or if the file is empty."""
    path = Path(path)
    if file_size(path) == 0:
        raise InputError(f"{path} is empty (0 bytes); copy or download it again")
    return path


def file_size(path: Path) -> int:
    """Return the size of a file in bytes; InputError if it is missing, or no file."""
    with disk_errors(f"cannot read {path}"):
        if not path.exists():
            if path.is_symlink():
                raise InputError(
                    f"{path} is a link to {os.readlink(path)}, which is gone; remove it"
                )
            raise InputError(f"{path} does not exist; check the spelling")
        status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{path} is a folder; name a file in it")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path} is a device, a pipe or a socket, not a file; remove it")
    return status.st_size


def read_file(path: Path) -> bytes:
    """Return the content of an image file; InputError as of ``existing_file``, or if too large."""
    path = existing_file(path)
    if file_size(path) > MAX_BYTES:
        raise InputError(f"{path} is larger than {MAX_BYTES} bytes, the maximum of an image")
    with disk_errors(f"cannot read {path}"):
        return path.read_bytes()


def _files_below(
    folder: Path, above: frozenset[Path], *, of_systems: bool = False
) -> Iterator[Path]:
    """Yield the files; ``above`` are the enclosing folders, to which a link may lead back."""
    above = above | {folder.resolve()}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = folder / entry.name
            if os.path.isdir(path):  # entry.is_dir() fails on links in a circle
                enters = of_systems or not is_system_folder(entry.name)
                if enters and path.resolve() not in above:
                    yield from _files_below(path, above, of_systems=of_systems)
            else:
                yield path


def _check(path: Path, data: bytes, header: Header) -> None:
    """Raise the InputErrors that need no decoding.

    OpenCV fills the missing part of a truncated JPEG with grey: 4.8 always, 5.0 if zeros follow, as
    in an interrupted download.
    """
    pixels = header.width * header.height
    claim = f"{path} claims to be {header.width} x {header.height} pixels"
    if pixels > MAX_PIXELS:
        raise InputError(f"{claim}, more than the maximum of {MAX_PIXELS}; resize or split it")
    if pixels > max(CHECKED_PIXELS, MAX_RATIO * len(data)):
        raise InputError(
            f"{claim} in {len(data)} bytes, like a decompression bomb; resize or split it"
        )
    if header.refused:
        raise InputError(f"{path}: {header.refused}; convert it to RGB or RGBA of 8 bits")
    if not header.complete:
        raise InputError(f"{path} is truncated: the {header.kind} has no end; copy it again")


def _decode(path: Path, data: bytes, header: Header) -> np.ndarray:
    """Decode to uint8, [H, W] or [H, W, C] of grey and alpha, RGB or RGBA, as stored."""
    pixels, reason = None, "damaged, or an unknown variant"
    try:
        # Only IMREAD_UNCHANGED keeps alpha and 16 bits; it ignores EXIF's orientation.
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        reason = error.err
    if pixels is None:
        raise InputError(
            f"{path} is a {header.kind} that OpenCV {cv2.__version__} cannot decode: {reason}; "
            "copy it again or convert it to PNG"
        )
    if pixels.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"{path} holds {pixels.dtype} values; convert it to 8 or 16 bits a channel"
        )
    most = np.iinfo(pixels.dtype).max
    if header.clear is not None and pixels.ndim == 2:
        alpha = np.where(pixels == header.clear, 0, most).astype(pixels.dtype)
        pixels = np.dstack([pixels, alpha])
    if header.associated and pixels.ndim == 3:  # divide by alpha; colours are black where it is 0
        alpha = pixels[..., 3:]
        colours = np.rint(pixels[..., :3] * (most / np.maximum(alpha, 1)))
        pixels = np.dstack([np.minimum(colours, most).astype(pixels.dtype), alpha])
    pixels = _to_8_bits(pixels)
    pixels = 255 - pixels if header.inverted else pixels
    if pixels.ndim == 3 and pixels.shape[2] > 2:
        order = cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
        pixels = cv2.cvtColor(pixels, order)
    return pixels


def _decode_with_pillow(path: Path, data: bytes, header: Header) -> np.ndarray:
    """Decode as ``_decode`` does, but upright."""
    with suppress(ImportError):
        import pillow_heif  # an extra

        pillow_heif.register_heif_opener()
    Image.init()
    image = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes that are within our limits
            formats = [name for name in PILLOW_FORMATS if name in Image.OPEN]
            image = Image.open(io.BytesIO(data), formats=formats)
            _check(path, data, header._replace(width=image.width, height=image.height))
            upright = ImageOps.exif_transpose(image)
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"{path}: {str(error).rstrip('.')}; resize or split it") from error
    except Exception as error:  # Pillow's decoders raise anything on damaged files
        kind = header.kind or (image.format if image else "")
        problem = f"is a damaged {kind}: {error}; copy it again or convert it to PNG"
        if not kind:
            problem = (
                f"is not an image (it begins with {data[:16]!r}), or one that Pillow cannot "
                "decode; remove it, or convert it to PNG or JPEG"
            )
        elif isinstance(error, UnidentifiedImageError):
            how = {"HEIC": "`pip install pillow-heif` reads it", "AVIF": "Pillow 11.3 reads AVIF"}
            problem = (
                f"is a {kind} that Pillow {PIL.__version__} cannot decode; "
                f"{how.get(kind, 'copy it again')}, or convert it to PNG"
            )
        raise InputError(f"{path} {problem}") from error
    if upright.mode.startswith("I"):
        return _to_8_bits(np.asarray(upright).astype(np.uint16))
    if upright.mode in ("P", "PA"):
        clear = "transparency" in upright.info or upright.mode == "PA"
        upright = upright.convert("RGBA" if clear else "RGB")
    mode = {"1": "L", "La": "LA", "YCbCr": "RGB", "RGBX": "RGB"}.get(upright.mode, upright.mode)
    if mode not in ("L", "LA", "RGB", "RGBA"):
        raise InputError(f"{path} holds colours of the kind {mode}; convert it to RGB or RGBA")
    return np.array(upright.convert(mode))  # asarray could not be written to


def _to_8_bits(pixels: np.ndarray) -> np.ndarray:
    """Divide 16-bit values by 257 and round."""
    return pixels if pixels.dtype == np.uint8 else cv2.convertScaleAbs(pixels, alpha=1 / 257)


# Headers: size, orientation and completeness of an image from its bytes, before decoding. Not with
# Pillow: it checks no JPEG for completeness, has one global size limit for the process, and refuses
# PNGs with long texts and TIFFs of float values, whose size would then go unchecked.


class Header(NamedTuple):
    kind: str = ""  # "" for those whose header only Pillow reads
    width: int = 0  # pixels as stored; 0 if unknown
    height: int = 0
    complete: bool = True  # the file has its end mark
    orientation: int = 1  # EXIF's, 1 to 8, where OpenCV does not apply it
    grey: bool = False  # grey, even if OpenCV decodes it as colour with alpha
    opaque: bool = False  # OpenCV decodes a fourth channel that is not alpha
    clear: int | None = None  # the grey value that is transparent, which OpenCV ignores
    inverted: bool = False  # OpenCV decodes white as 0
    associated: bool = False  # OpenCV decodes colours that are multiplied by alpha
    with_pillow: bool = False  # though OpenCV decodes this kind, but not right
    refused: str = ""  # why neither decodes it right


def read_header(data: bytes) -> Header:
    """Read the header of a known format; a file that ends within it is incomplete."""
    for magic, (kind, read) in {
        b"\xff\xd8\xff": ("JPEG", _jpeg),
        b"\x89PNG\r\n\x1a\n": ("PNG", _png),
        **dict.fromkeys((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), ("TIFF", _tiff)),  # + is BigTIFF
        b"RIFF": ("WebP", _webp),
        b"\0\0\0": ("HEIC", _heic_or_avif),
    }.items():
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


def _webp(kind: str, data: bytes) -> Header:
    if data[8:12] != b"WEBP":
        return Header()  # audio or video
    (size,) = struct.unpack_from("<I", data, 4)
    return Header(kind, complete=len(data) >= 8 + size)


def _heic_or_avif(kind: str, data: bytes) -> Header:
    """Recognise them by the brand, in the box of videos such as MP4 too."""
    brand = data[8:12] if data[4:8] == b"ftyp" else b""
    heic = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
    return Header(kind if brand in heic else "AVIF" if brand in (b"avif", b"avis") else "")


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
