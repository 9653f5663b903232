"""Writes the drawings as the files of ``data_reader/demo``."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from .faces import FACE_COUNTS, KINDS, animal_face
from .photos import PHOTO_COUNTS, colour_scene
from .scenes import DIGIT_COUNTS, LANDSCAPE_COUNTS, STYLES, digit, landscape
from .streets import COUNTS, street_scene

SIZE = 128  # pixels a side, of all but the digits
# JPEG quality: what fits, with everything else, into 12 MB.
QUALITY = {"streets": 92, "landscapes": 82, "faces": 83, "colours": 84}


def write_streets(root: Path) -> None:
    """Aligned pairs: photographs in <split>A/, their label maps in <split>B/."""
    for split, count in COUNTS.items():
        for index in range(count):
            photo, labels = street_scene(index, SIZE, split)
            write_jpeg(root / f"{split}A" / f"{index:04d}.jpg", photo, QUALITY["streets"])
            write_png(root / f"{split}B" / f"{index:04d}.png", labels)


def write_landscapes(root: Path) -> None:
    """Two domains without pairs, so without equal names: <split>A/ and <split>B/."""
    for split, count in LANDSCAPE_COUNTS.items():
        for side, style in zip("AB", STYLES):
            for index in range(count):
                image = landscape(index, SIZE, style, split)
                path = root / f"{split}{side}" / f"{style}_{index:04d}.jpg"
                write_jpeg(path, image, QUALITY["landscapes"])


def write_faces(root: Path) -> None:
    """A folder for each domain: train/cat/, val/dog/ ..."""
    for split, count in FACE_COUNTS.items():
        for kind in KINDS:
            for index in range(count):
                image = animal_face(index, SIZE, kind, split)
                path = root / folder_of(split) / kind / f"{index:04d}.jpg"
                write_jpeg(path, image, QUALITY["faces"])


def write_colours(root: Path) -> None:
    """Photographs: train/ and val/."""
    for split, count in PHOTO_COUNTS.items():
        for index in range(count):
            image = colour_scene(index, SIZE, split)
            write_jpeg(root / folder_of(split) / f"{index:04d}.jpg", image, QUALITY["colours"])


def write_digits(root: Path) -> None:
    """MNIST's four files."""
    for split, count in DIGIT_COUNTS.items():
        images, labels = zip(*(digit(index, split) for index in range(count)))
        name = "train" if split == "train" else "t10k"
        write_idx(root / f"{name}-images-idx3-ubyte.gz", np.stack(images))
        write_idx(root / f"{name}-labels-idx1-ubyte.gz", np.array(labels, np.uint8))


WRITERS: dict[str, Callable[[Path], None]] = {
    "streets": write_streets,
    "landscapes": write_landscapes,
    "faces": write_faces,
    "colours": write_colours,
    "digits": write_digits,
}


def folder_of(split: str) -> str:
    """Name the folder of a split as the data sets of faces and photographs do."""
    return "train" if split == "train" else "val"


def write_jpeg(path: Path, rgb: np.ndarray, quality: int) -> None:
    """Write an image, uint8 RGB [H, W, 3]."""
    encode(path, rgb, [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1])


def write_png(path: Path, rgb: np.ndarray) -> None:
    """Write an image, uint8 RGB [H, W, 3], without loss."""
    encode(path, rgb, [cv2.IMWRITE_PNG_COMPRESSION, 9])


def encode(path: Path, rgb: np.ndarray, parameters: list[int]) -> None:
    """Write an image in the format that the suffix names, with OpenCV's parameters for it."""
    _, data = cv2.imencode(path.suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), parameters)
    write_bytes(path, data.tobytes())


def write_idx(path: Path, values: np.ndarray) -> None:
    """Write a uint8 array in MNIST's format, packed by gzip without a date."""
    header = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
    write_bytes(path, gzip.compress(header + values.tobytes(), 9, mtime=0))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
