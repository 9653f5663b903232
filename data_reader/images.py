"""Decode, encode and list images: uint8 RGB and upright, whatever the file holds."""

from __future__ import annotations

import io
import os
import re
import stat
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
from PIL import Image, ImageOps, UnidentifiedImageError

from ._headers import UPRIGHT, Header, read_header
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
    applied, CMYK JPEGs are converted by OpenCV.

    Raises:
        InputError: the file is missing, a folder, empty, not an image, truncated, damaged, of
            floating-point values, or too large (``MAX_PIXELS``, ``MAX_RATIO``).
    """
    path = Path(path)
    data = read_file(path)
    header = read_header(data)
    _check(path, data, header)
    with pixel_errors(f"cannot decode {path}"):
        return _decoded(path, data, header)


def _decoded(path: Path, data: bytes, header: Header) -> DecodedImage:
    pixels = (_decode_with_pillow if header.with_pillow else _decode)(path, data, header)
    if header.clear is not None and pixels.ndim == 2:
        opaque = np.where(pixels == header.clear, 0, np.iinfo(pixels.dtype).max)
        pixels = np.dstack([pixels, pixels, pixels, opaque.astype(pixels.dtype)])
    if header.associated and not header.with_pillow and pixels.ndim == 3:
        pixels = _without_alpha_in_colours(pixels)
    pixels = _to_8_bits(path, pixels)
    pixels = 255 - pixels if header.inverted else pixels
    if pixels.ndim == 3 and pixels.shape[2] == 2:  # Pillow's grey with alpha
        grey = pixels[..., :1]
        pixels, header = np.dstack([grey, grey, grey, pixels[..., 1]]), header._replace(grey=True)
    pixels = np.ascontiguousarray(UPRIGHT[header.orientation](pixels))
    if pixels.ndim == 2:
        return DecodedImage(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB), None, True)
    if pixels.shape[2] == 3:
        return DecodedImage(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), None, False)
    alpha = None if header.opaque else pixels[..., 3].copy()
    return DecodedImage(cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGB), alpha, header.grey)


def read_image(path: PathLike, channels: int = 3) -> np.ndarray:
    """Decode an image to uint8 [H, W, channels]: 3 is RGB, 1 is luma (ITU-R 601); no alpha.

    Raises:
        InputError: see ``decode_image``.
    """
    if channels not in (1, 3):
        raise ValueError(f"channels is 1 or 3, not {channels}")
    rgb = decode_image(path).rgb
    return rgb if channels == 3 else cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None]


def write_image(
    path: PathLike,
    rgb: np.ndarray,
    alpha: np.ndarray | None = None,
    quality: int = 95,
) -> None:
    """Write uint8 RGB [H, W, 3] atomically in the format of the suffix; creates folders.

    Args:
        alpha: uint8 [H, W], dropped by formats other than ``ALPHA_SUFFIXES``.
        quality: 1 to 100, for JPEG and WebP (lossy at any quality). A ``.pgm`` holds the luma.

    Raises:
        InputError: unknown suffix, an image too large for the format, or a disk error; an existing
            file is then kept.
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
    files and folders are skipped, and ``SYSTEM_FOLDERS``; links to folders are followed.

    Raises:
        InputError: the folder is missing, a file, or unreadable.
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
    tops: list[Path] = []
    for folder in sorted(set(folders)):
        if not any(top in folder.parents for top in tops):
            tops.append(folder)
    for top in tops:
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
    """Return the path of a file that exists and is not empty.

    Raises:
        InputError: see ``file_size``; or it has zero bytes.
    """
    path = Path(path)
    if file_size(path) == 0:
        raise InputError(f"{path} is empty (0 bytes); copy or download it again")
    return path


def file_size(path: Path) -> int:
    """Return the size of a file in bytes.

    Raises:
        InputError: it is missing, a broken link, a folder, a device or a pipe.
    """
    with disk_errors(f"cannot read {path}"):
        if not path.exists():
            if path.is_symlink():
                raise InputError(
                    f"{path} is a link to {os.readlink(path)}, which does not exist; copy the file "
                    "there, or remove the link"
                )
            raise InputError(f"{path} does not exist; check the spelling")
        status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{path} is a folder; name a file in it")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path} is a device, a pipe or a socket, not a file; remove it")
    return status.st_size


def read_file(path: Path) -> bytes:
    """Return the content of an image file.

    Raises:
        InputError: see ``existing_file``; or it has more than ``MAX_BYTES``.
    """
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
        raise InputError(
            f"{path} is a {header.kind} that is not read right: {header.refused}; convert it to "
            "RGB or RGBA of 8 bits"
        )
    if not header.complete:
        raise InputError(
            f"{path} is truncated: the {header.kind} has no end within its {len(data)} bytes; "
            "copy or download it again"
        )


def _decode(path: Path, data: bytes, header: Header) -> np.ndarray:
    """Decode to [H, W], or to [H, W, 3 or 4] in OpenCV's order, blue first."""
    reason = "damaged, or an unknown variant"
    try:
        # Only IMREAD_UNCHANGED keeps alpha and 16 bits; it ignores EXIF's orientation.
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        pixels, reason = None, error.err
    if pixels is None and not header.kind:
        raise InputError(
            f"{path} is not an image (it begins with {data[:16]!r}) that OpenCV reads; "
            "remove it, or convert it to PNG or JPEG"
        )
    if pixels is None:
        raise InputError(
            f"{path} is a {header.kind} that OpenCV {cv2.__version__} cannot decode: {reason}; "
            "copy it again or convert it to PNG"
        )
    return pixels


def _decode_with_pillow(path: Path, data: bytes, header: Header) -> np.ndarray:
    with suppress(ImportError):
        import pillow_heif  # an extra

        pillow_heif.register_heif_opener()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes that are within our limits
            image = Image.open(io.BytesIO(data))
            _check(path, data, header._replace(width=image.width, height=image.height))
            image = ImageOps.exif_transpose(image)
    except UnidentifiedImageError as error:
        how = {"HEIC": "`pip install pillow-heif` reads it", "AVIF": "Pillow 11.3 reads AVIF"}
        advice = how.get(header.kind, "copy it again")
        raise InputError(
            f"{path} is a {header.kind} that Pillow {PIL.__version__} cannot decode; {advice}, or "
            "convert it to PNG"
        ) from error
    except Image.DecompressionBombError as error:
        reason = str(error).rstrip(".")
        raise InputError(f"{path}: {reason}; resize or split it") from error
    except InputError:
        raise
    except Exception as error:  # Pillow's decoders raise anything on damaged files
        raise InputError(
            f"{path} is a damaged {header.kind}: {error}; copy it again or convert it to PNG"
        ) from error
    if image.mode.startswith("I"):
        return np.asarray(image).astype(np.uint16)
    if image.mode in ("P", "PA"):
        image = image.convert(
            "RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB"
        )
    mode = {"1": "L", "La": "LA", "YCbCr": "RGB", "RGBX": "RGB"}.get(image.mode, image.mode)
    if mode not in ("L", "LA", "RGB", "RGBA"):
        raise InputError(f"{path} holds colours of the kind {mode}; convert it to RGB or RGBA")
    pixels = np.asarray(image.convert(mode))
    return pixels if mode in ("L", "LA") else pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


def _without_alpha_in_colours(pixels: np.ndarray) -> np.ndarray:
    """Divide the colours by alpha; they are black where it is 0."""
    most = np.iinfo(pixels.dtype).max
    alpha = pixels[..., 3:].astype(np.float64)
    colours = np.rint(pixels[..., :3] * (most / np.maximum(alpha, 1)))
    return np.dstack([np.minimum(colours, most).astype(pixels.dtype), pixels[..., 3]])


def _to_8_bits(path: Path, pixels: np.ndarray) -> np.ndarray:
    """Divide 16-bit values by 257 and round."""
    if pixels.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"{path} holds {pixels.dtype} values without a known white; convert it to 8 or "
            "16 bits a channel"
        )
    if pixels.ndim == 3 and pixels.shape[2] not in (2, 3, 4):
        raise InputError(f"{path} has {pixels.shape[2]} channels; convert it to grey, RGB or RGBA")
    return pixels if pixels.dtype == np.uint8 else cv2.convertScaleAbs(pixels, alpha=1 / 257)
