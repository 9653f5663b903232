"""The page's images: examples to start with, and uploads within the page's limits."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data_reader.errors import InputError
from data_reader.images import decode_image, read_header, write_image
from data_reader.transforms import resize
from paddle_gans.training.checkpoint import read_json
from paddle_gans.weights import pretrained

MAX_EXAMPLE_SIDE = 512  # pixels
MAX_DECODED = 2**26  # pixels; larger files are not decoded: 64 megapixels take 200 MB


def config_of(translate) -> dict[str, Any]:
    """Return the run's config.json; {} for weights without one.

    Trained weights that come with the package have their examples beside them instead.
    """
    if pretrained.is_pretrained(translate.path):
        folder = translate.path.parent
        is_demo = pretrained.card(folder.name)["data"] == "demo"
        return {"data_path": None if is_demo else str(folder / "examples")}
    try:
        return read_json(translate.path.parent / "config.json")
    except InputError:
        return {}


def validation_set(translate, *, embedded: bool):
    """Return the data set that the run did not train on; None if its data cannot be found.

    With ``embedded``, the model's embedded data set is used in that case.
    """
    config = config_of(translate)
    places = [config["data_path"]] if "data_path" in config else []
    for place in [*places, None] if embedded else places:
        try:
            found = translate.model.dataset(place, train=False)
            found = found or translate.model.dataset(place, train=True)
        except (ValueError, TypeError, OSError):  # moved, or a config.json that is not ours
            continue
        if len(found):
            return found
    return None


def first_readable(count: int, read: Callable[[int], np.ndarray], limit: int) -> list[np.ndarray]:
    """Return ``read(0)``, ``read(1)`` and so on, without those that cannot be read."""
    found = []
    for i in range(min(count, limit)):
        with contextlib.suppress(InputError):
            found.append(read(i))
    return found


def save_examples(images: list[np.ndarray], folder: Path, name: str) -> list[str]:
    """Write images, at most `MAX_EXAMPLE_SIDE` large; returns their paths."""
    paths = []
    for i, image in enumerate(images, 1):
        height, width = image.shape[:2]
        scale = min(1, MAX_EXAMPLE_SIDE / max(height, width))
        paths.append(str(folder / f"{name}-{i}.png"))
        write_image(paths[-1], resize(image, round(width * scale), round(height * scale)))
    return paths


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


def read_upload(
    path: str | None, limits: Limits, what: str = "an image", interpolation: str = "cubic"
) -> tuple[np.ndarray, str]:
    """Read an uploaded file, reduced if it has more pixels than the limit, and a note on that."""
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
    reduced = reduce(rgb, limits.megapixels, interpolation)
    note = f"reduced from {rgb.shape[1]} x {rgb.shape[0]}, see --max-pixels"
    return reduced, "" if reduced is rgb else note


def reduce(rgb: np.ndarray, megapixels: float, interpolation: str = "cubic") -> np.ndarray:
    """Resize an image with more pixels to so many; returns the same array if it has not."""
    height, width = rgb.shape[:2]
    scale = (megapixels * 1e6 / (height * width)) ** 0.5
    if scale >= 1:
        return rgb
    return resize(rgb, *(max(1, int(side * scale)) for side in (width, height)), interpolation)
