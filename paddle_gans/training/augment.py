"""Differentiable augmentation of all images that a discriminator sees."""

from __future__ import annotations

import paddle
from paddle import Tensor

from data_reader.errors import InputError

MAX_SHIFT = 1 / 8  # of the image's side
CUTOUT_SIDE = 1 / 2  # of the image's side


class DiffAugment:
    """Random, differentiable transforms of images [N, C, H, W] in [-1, 1].

    ``policy`` contains any of color, translation and cutout, comma-separated; None does nothing.
    Real and generated images are both augmented, so the discriminator cannot memorise a few
    training images, and the generator does not learn the transforms. Source: Zhao et al. 2020,
    "Differentiable Augmentation for Data-Efficient GAN Training", section 3.
    """

    def __init__(self, policy: str | None):
        self.names = [name.strip() for name in (policy or "").split(",") if name.strip()]
        for name in self.names:
            if name not in TRANSFORMS:
                raise InputError(
                    f"--diff-augment {policy}: {name!r} is not one of {', '.join(TRANSFORMS)}"
                )

    def __call__(self, *images: Tensor) -> list[Tensor]:
        """Transform several batches; images with the same index are transformed alike."""
        transformed = list(images)
        for name in self.names:
            transformed = TRANSFORMS[name](transformed)
        return transformed


def color(images: list[Tensor]) -> list[Tensor]:
    """Change brightness by up to 0.5, saturation by 0 to 2 times, contrast by 0.5 to 1.5 times."""
    shape = [images[0].shape[0], 1, 1, 1]
    brightness, saturation = paddle.rand(shape) - 0.5, paddle.rand(shape) * 2
    contrast = paddle.rand(shape) + 0.5
    return [adjust_color(x, brightness, saturation, contrast) for x in images]


def adjust_color(x: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    """Add ``brightness``; scale by ``saturation`` around grey and ``contrast`` around the mean."""
    x = x + brightness
    grey = x.mean(axis=1, keepdim=True)
    x = (x - grey) * saturation + grey
    mean = x.mean(axis=[1, 2, 3], keepdim=True)
    return (x - mean) * contrast + mean


def translation(images: list[Tensor]) -> list[Tensor]:
    """Shift each image by up to an eighth of its sides; pixels that enter are 0."""
    count, _, *sides = images[0].shape
    down, right = (
        paddle.randint(-limit, limit + 1, [count, 1, 1, 1], dtype="int64")
        for limit in (int(side * MAX_SHIFT + 0.5) for side in sides)
    )
    return [shift(x, down, right) for x in images]


def shift(x: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Shift images [N, C, H, W] by whole numbers of pixels, int64 [N, 1, 1, 1]."""
    # Products with shifted identity matrices are exact, and have gradients of every order.
    rows = shift_matrix(down, x.shape[2])
    columns = shift_matrix(right, x.shape[3]).transpose([0, 1, 3, 2])
    return paddle.matmul(paddle.matmul(rows, x), columns)


def shift_matrix(shift: Tensor, side: int) -> Tensor:
    """Return matrices [N, 1, side, side] that shift the rows of their right factor down."""
    at = paddle.arange(side, dtype="int64")
    return (at.reshape([1, 1, side, 1]) - at.reshape([1, 1, 1, side]) == shift).astype("float32")


def cutout(images: list[Tensor]) -> list[Tensor]:
    """Set a rectangle of half the sides to 0; its centre is anywhere in the image."""
    count, _, *sides = images[0].shape
    sizes = [int(side * CUTOUT_SIDE + 0.5) for side in sides]
    top, left = (
        paddle.randint(0, side + 1 - size % 2, [count, 1, 1, 1], dtype="int64") - size // 2
        for side, size in zip(sides, sizes)
    )
    return [cut_out(x, top, left, *sizes) for x in images]


def cut_out(x: Tensor, top: Tensor, left: Tensor, height: int, width: int) -> Tensor:
    """Set ``height`` x ``width`` pixels of images [N, C, H, W] to 0, starting at (top, left)."""
    row = paddle.arange(x.shape[2], dtype="int64").reshape([1, 1, -1, 1])
    column = paddle.arange(x.shape[3], dtype="int64").reshape([1, 1, 1, -1])
    in_rows = paddle.logical_and(row >= top, row < top + height)
    in_columns = paddle.logical_and(column >= left, column < left + width)
    return x * (1 - paddle.logical_and(in_rows, in_columns).astype(x.dtype))


TRANSFORMS = {"color": color, "translation": translation, "cutout": cutout}
