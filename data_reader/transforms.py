"""Crop, flip, resize and normalise: pure functions of (images, rng).

Images are uint8 [H, W, C] in RGB. The images of one call share every random decision, which keeps
pairs aligned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .errors import InputError
from .images import cv2, pixel_errors

SHAPES = 0.9, 1.1  # width / height of a random part
MAX_ENLARGED = 2**26  # pixels of an image after it is enlarged


def resize(
    image: np.ndarray, width: int, height: int, interpolation: str = "cubic", name: str = "an image"
) -> np.ndarray:
    """Resize to ``width`` x ``height`` pixels; returns the same array if it has that size.

    ``interpolation`` is "cubic" (area averaging when shrinking, against aliasing) or "nearest" (for
    label maps: adds no colours). ``name`` is for the error message. Raises InputError if the result
    would have more than ``MAX_ENLARGED`` pixels, and more than the image; or it does not fit into
    memory.
    """
    if image.shape[:2] == (height, width):
        return image
    if interpolation == "nearest":
        mode = cv2.INTER_NEAREST
    else:
        shrinks = width < image.shape[1] and height < image.shape[0]
        mode = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    size = f"{image.shape[1]} x {image.shape[0]} pixels to {width} x {height}"
    if width * height > max(MAX_ENLARGED, image.shape[0] * image.shape[1]):
        raise InputError(
            f"{name} would be enlarged from {size}, more than the maximum of {MAX_ENLARGED}; "
            "choose a smaller size, or remove the image"
        )
    with pixel_errors(f"cannot resize {name} from {size}"):
        resized = cv2.resize(image, (width, height), interpolation=mode)
    return resized.reshape(height, width, image.shape[2])  # OpenCV drops a single channel


def short_side(
    image: np.ndarray, size: int, interpolation: str = "cubic", name: str = "an image"
) -> np.ndarray:
    """Resize the shorter side to ``size`` pixels, keeping the aspect ratio; see ``resize``."""
    return resize(image, *short_side_shape(image, size), interpolation, name)


def short_side_shape(image: np.ndarray, size: int) -> tuple[int, int]:
    """Return (width, height) of an image whose shorter side becomes ``size`` pixels."""
    height, width = image.shape[:2]
    scale = size / min(height, width)
    return round(width * scale), round(height * scale)


def common_shape(images: list[np.ndarray], size: int) -> list[tuple[int, int]]:
    """Return ``short_side_shape`` of each image: the first one's if only rounding tells them apart.

    A scene of 500 x 333 pixels is stored as 250 x 167 at half its size, which is not its shape.
    """
    shapes = [short_side_shape(image, size) for image in images]
    width, height = shapes[0]
    rounding = sum(0.5 / min(image.shape[:2]) for image in images)  # of the aspect ratio
    tolerance = 1 + max(width, height) * rounding
    off = (max(abs(w - width), abs(h - height)) for w, h in shapes)
    return [shapes[0] if by <= tolerance else shape for by, shape in zip(off, shapes)]


def crop(
    images: list[np.ndarray], size: int, how: str, rng: np.random.Generator, name: str
) -> list[np.ndarray]:
    """Crop the same ``size`` x ``size`` window from every image.

    ``how`` is "Random" (every window equally likely), "Center" or "None" (the whole image).
    ``name`` is for the error message. Raises InputError if the images are smaller than the window
    or of different sizes.
    """
    height, width = images[0].shape[:2]
    for other in images[1:]:
        if other.shape[:2] != (height, width):
            raise InputError(
                f"{name}: the images of a pair differ in size ({width}x{height} and "
                f"{other.shape[1]}x{other.shape[0]}); --load-size resizes them"
            )
    if how == "None":
        return images
    if size > min(height, width):
        raise InputError(
            f"{name} is {width}x{height}, smaller than the crop of {size}; choose a --crop-size "
            f"of at most {min(height, width)}, or a --load-size of at least {size}"
        )
    if how == "Random":
        top = int(rng.integers(height - size + 1))
        left = int(rng.integers(width - size + 1))
    else:
        top, left = (height - size) // 2, (width - size) // 2
    return [image[top : top + size, left : left + size] for image in images]


def flip(images: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """Mirror all images left to right, half the time."""
    return [image[:, ::-1] for image in images] if rng.random() < 0.5 else images


def random_box(height: int, width: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Return a random part of an image of this size: (top, left, height, width), pixels.

    It has 0.8 to 1 of the area; width / height is ``SHAPES`` (log-uniform). If ten tries do not
    fit, returns the largest centre part of such a shape.
    """
    for _ in range(10):
        area = height * width * rng.uniform(0.8, 1.0)
        shape = math.exp(rng.uniform(*map(math.log, SHAPES)))
        wide, high = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if 0 < wide <= width and 0 < high <= height:
            top, left = rng.integers(height - high + 1), rng.integers(width - wide + 1)
            return int(top), int(left), high, wide
    wide = min(width, max(1, round(height * SHAPES[1])))
    high = min(height, max(1, round(width / SHAPES[0])))
    return (height - high) // 2, (width - wide) // 2, high, wide


def normalise(image: np.ndarray) -> np.ndarray:
    """Convert uint8 [H, W, C] to float32 [C, H, W] in [-1, 1]: x / 127.5 - 1."""
    if image.dtype != np.uint8 or image.ndim != 3:
        raise ValueError(f"an image is uint8 [H, W, C], not {image.dtype} {list(image.shape)}")
    planes = np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32)
    return planes / np.float32(127.5) - np.float32(1)


def denormalise(image: np.ndarray) -> np.ndarray:
    """Convert floats [C, H, W] in [-1, 1] to uint8 [H, W, C]: clipped, rounded."""
    if image.ndim != 3:
        raise ValueError(f"an image is [C, H, W], not {list(image.shape)}")
    levels = np.rint((np.clip(image, -1, 1).astype(np.float32) + 1) * np.float32(127.5))
    return np.ascontiguousarray(levels.astype(np.uint8).transpose(1, 2, 0))


def looks_like_labels(image: np.ndarray) -> bool:
    """Return whether an image is a label map: at most 256 colours, neighbours mostly equal.

    Does not detect label maps saved as JPEG, whose colours are no longer flat.
    """
    if (image[:, 1:] == image[:, :-1]).all(axis=2).mean() < 0.8:
        return False
    codes = image.astype("int32") @ np.array([65536, 256, 1])[: image.shape[2]]
    return len(np.unique(codes)) <= 256


def fitted(image: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Resize to the height and width of ``shape``; label maps keep their colours."""
    how = "nearest" if looks_like_labels(image) else "cubic"
    return resize(image, shape[1], shape[0], how)
