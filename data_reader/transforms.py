"""Crop, flip, resize and normalise: pure functions of (images, rng).

Images are uint8 [H, W, C] in RGB; several images of one call share every random decision, so that
a pair stays aligned.
"""

from __future__ import annotations

import numpy as np

from ._opencv import cv2
from .errors import InputError

# The loader reads with threads of its own; OpenCV's would only get in their way.
cv2.setNumThreads(1)


def resize(image: np.ndarray, width: int, height: int, interpolation: str = "cubic") -> np.ndarray:
    """The image at ``width`` x ``height`` pixels; the same array when it is that size already.

    ``interpolation`` is "cubic" (area averaging when shrinking, against aliasing) or "nearest"
    (label maps: no colour that was not there).
    """
    if image.shape[:2] == (height, width):
        return image
    if interpolation == "nearest":
        mode = cv2.INTER_NEAREST
    else:
        shrinks = width < image.shape[1] and height < image.shape[0]
        mode = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    resized = cv2.resize(image, (width, height), interpolation=mode)
    return resized.reshape(height, width, image.shape[2])  # OpenCV drops a single channel


def short_side(image: np.ndarray, size: int, interpolation: str = "cubic") -> np.ndarray:
    """The image with its shorter side at ``size`` pixels, in its own proportions."""
    height, width = image.shape[:2]
    scale = size / min(height, width)
    return resize(image, round(width * scale), round(height * scale), interpolation)


def crop(
    images: list[np.ndarray], size: int, how: str, rng: np.random.Generator, name: str
) -> list[np.ndarray]:
    """The same ``size`` x ``size`` window of every image.

    ``how`` is "Random" (every window equally likely, the last one included), "Center" or "None"
    (the whole image). ``name`` stands in the error.

    Raises:
        InputError: the images are smaller than the window, or of different sizes.
    """
    height, width = images[0].shape[:2]
    for other in images[1:]:
        if other.shape[:2] != (height, width):
            raise InputError(
                f"{name}: the two pictures of a pair differ in size ({width}x{height} and "
                f"{other.shape[1]}x{other.shape[0]}); a --load-size brings them to the same"
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
    """All images mirrored left to right, half the time."""
    return [image[:, ::-1] for image in images] if rng.random() < 0.5 else images


def normalise(image: np.ndarray) -> np.ndarray:
    """uint8 [H, W, C] to float32 [C, H, W] in [-1, 1]: x / 127.5 - 1."""
    if image.dtype != np.uint8 or image.ndim != 3:
        raise ValueError(f"an image is uint8 [H, W, C], not {image.dtype} {list(image.shape)}")
    planes = np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32)
    return planes / np.float32(127.5) - np.float32(1)


def denormalise(image: np.ndarray) -> np.ndarray:
    """Floats [C, H, W] in [-1, 1] to uint8 [H, W, C]: clipped, rounded to nearest."""
    if image.ndim != 3:
        raise ValueError(f"an image is [C, H, W], not {list(image.shape)}")
    levels = np.rint((np.clip(image, -1, 1).astype(np.float32) + 1) * np.float32(127.5))
    return np.ascontiguousarray(levels.astype(np.uint8).transpose(1, 2, 0))


def looks_like_labels(image: np.ndarray) -> bool:
    """Whether an image is a label map: at most 256 colours, neighbours nearly always equal.

    A label map that was saved as JPEG is not known by this; its colours are no longer flat.
    """
    if (image[:, 1:] == image[:, :-1]).all(axis=2).mean() < 0.8:
        return False
    codes = image.astype("int32") @ np.array([65536, 256, 1])[: image.shape[2]]
    return len(np.unique(codes)) <= 256
