"""Differentiable augmentation of all images that a discriminator sees."""

from __future__ import annotations

from typing import Optional

import paddle
from paddle import Tensor

from data_reader.errors import InputError

SHIFT = 1 / 8  # largest translation, as a share of the side
CUTOUT = 1 / 2  # side of the square that is cut out, as a share of the image's side


class DiffAugment:
    """Random transforms of images [N, C, H, W] in [-1, 1], through which gradients flow.

    ``policy`` names some of color, translation and cutout, separated by commas; None changes
    nothing. Real and generated images are both augmented, so the discriminator cannot memorise a
    few training images and the generator does not learn the transforms. All randomness comes from
    the framework's generator. Source: Zhao et al. 2020, "Differentiable Augmentation for
    Data-Efficient GAN Training", section 3.

    Raises:
        InputError: the policy names a transform that does not exist.
    """

    def __init__(self, policy: Optional[str]):
        self.names = [name.strip() for name in (policy or "").split(",") if name.strip()]
        for name in self.names:
            if name not in TRANSFORMS:
                raise InputError(
                    f"--diff-augment {policy}: {name!r} is not one of {', '.join(TRANSFORMS)}"
                )

    def __call__(self, *images: Tensor) -> list[Tensor]:
        """The images, each with the same transform: one for every index of the batch."""
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
    """Move each image by up to an eighth of its sides; what moves in is 0."""
    count, _, *sides = images[0].shape
    down, right = (
        paddle.randint(-most, most + 1, [count, 1, 1, 1], dtype="int64")
        for most in (int(side * SHIFT + 0.5) for side in sides)
    )
    return [shift(x, down, right) for x in images]


def shift(x: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Images [N, C, H, W] moved by whole numbers of pixels, int64 [N, 1, 1, 1]."""
    # As products with shifted identity matrices: exact, and every order of gradient exists.
    rows = shift_matrix(down, x.shape[2])
    columns = shift_matrix(right, x.shape[3]).transpose([0, 1, 3, 2])
    return paddle.matmul(paddle.matmul(rows, x), columns)


def shift_matrix(shift: Tensor, side: int) -> Tensor:
    """Matrices [N, 1, side, side] that move the rows of what they multiply down by ``shift``."""
    at = paddle.arange(side, dtype="int64")
    return (at.reshape([1, 1, side, 1]) - at.reshape([1, 1, 1, side]) == shift).astype("float32")


def cutout(images: list[Tensor]) -> list[Tensor]:
    """Set a square of half the sides to 0; its centre lies anywhere in the image."""
    count, _, *sides = images[0].shape
    sizes = [int(side * CUTOUT + 0.5) for side in sides]
    top, left = (
        paddle.randint(0, side + 1 - size % 2, [count, 1, 1, 1], dtype="int64") - size // 2
        for side, size in zip(sides, sizes)
    )
    return [cut_out(x, top, left, *sizes) for x in images]


def cut_out(x: Tensor, top: Tensor, left: Tensor, height: int, width: int) -> Tensor:
    """Images [N, C, H, W] with 0 in the ``height`` x ``width`` pixels from (top, left) on."""
    row = paddle.arange(x.shape[2], dtype="int64").reshape([1, 1, -1, 1])
    column = paddle.arange(x.shape[3], dtype="int64").reshape([1, 1, 1, -1])
    in_rows = paddle.logical_and(row >= top, row < top + height)
    in_columns = paddle.logical_and(column >= left, column < left + width)
    return x * (1 - paddle.logical_and(in_rows, in_columns).astype(x.dtype))


TRANSFORMS = {"color": color, "translation": translation, "cutout": cutout}
