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
    count = images[0].shape[0]
    brightness = paddle.rand([count, 1, 1, 1]) - 0.5
    saturation = paddle.rand([count, 1, 1, 1]) * 2
    contrast = paddle.rand([count, 1, 1, 1]) + 0.5

    def transform(x):
        x = x + brightness
        grey = x.mean(axis=1, keepdim=True)
        x = (x - grey) * saturation + grey
        mean = x.mean(axis=[1, 2, 3], keepdim=True)
        return (x - mean) * contrast + mean

    return [transform(x) for x in images]


def translation(images: list[Tensor]) -> list[Tensor]:
    """Move each image by up to an eighth of its sides; what moves in is 0."""
    count, _, height, width = images[0].shape
    down, right = shifts(count, height), shifts(count, width)
    # As products with shifted identity matrices: exact, and every order of gradient exists.
    rows = shift_matrix(down, height)
    columns = shift_matrix(right, width).transpose([0, 1, 3, 2])
    return [paddle.matmul(paddle.matmul(rows, x), columns) for x in images]


def shifts(count: int, side: int) -> Tensor:
    """Random whole numbers of pixels, int64 [count, 1, 1, 1]."""
    most = int(side * SHIFT + 0.5)
    return paddle.randint(-most, most + 1, [count, 1, 1, 1], dtype="int64")


def shift_matrix(shift: Tensor, side: int) -> Tensor:
    """Matrices [N, 1, side, side] that move the rows of what they multiply down by ``shift``."""
    at = paddle.arange(side, dtype="int64")
    return (at.reshape([1, 1, side, 1]) - at.reshape([1, 1, 1, side]) == shift).astype("float32")


def cutout(images: list[Tensor]) -> list[Tensor]:
    """Set a square of half the sides to 0; its centre lies anywhere in the image."""
    count, _, height, width = images[0].shape
    rows = outside(count, height).reshape([count, 1, height, 1])
    columns = outside(count, width).reshape([count, 1, 1, width])
    keep = paddle.maximum(rows, columns)
    return [x * keep for x in images]


def outside(count: int, side: int) -> Tensor:
    """1 outside and 0 inside random intervals of half the side, float32 [count, side]."""
    size = int(side * CUTOUT + 0.5)
    first = paddle.randint(0, side + 1 - size % 2, [count, 1], dtype="int64") - size // 2
    at = paddle.arange(side, dtype="int64").unsqueeze(0)
    inside = paddle.logical_and(at >= first, at < first + size)
    return 1 - inside.astype("float32")


TRANSFORMS = {"color": color, "translation": translation, "cutout": cutout}
