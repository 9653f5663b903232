"""The pool of earlier generated images on which a discriminator is trained."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import nn

from paddle_gans.weights.arrays import layer_arrays

from . import parallel


class ImagePool(nn.Layer):
    """Returns each generated image, or half of the time an earlier one.

    The first ``size`` images are stored and returned. After that, with probability 1/2, an image
    is exchanged for a random one of the pool. The pool is a buffer, saved in checkpoints. Size 0
    returns every image.

    Input and output [N, C, H, W], detached. Source: Shrivastava et al. 2017, section 2.3; CycleGAN,
    section 4 (50 images).
    """

    def __init__(self, size: int, channels: int, height: int, width: int):
        super().__init__()
        self.size = size
        if size > 0:
            self.register_buffer("images", paddle.zeros([size, channels, height, width]))
            self.register_buffer("seen", paddle.zeros([1], dtype="int64"))

    @paddle.no_grad()
    def forward(self, images):
        images = images.detach()
        if self.size == 0:
            return images
        one_by_one = [self.exchange(images[i : i + 1]) for i in range(images.shape[0])]
        return paddle.concat(one_by_one)

    def exchange(self, image):
        """Return the image [1, C, H, W] or an earlier one, without waiting for the device."""
        full = self.seen >= self.size
        drawn = paddle.randint(0, self.size, [1], dtype="int64")
        place = paddle.where(full, drawn, self.seen)
        older = paddle.index_select(self.images, place)
        swaps = paddle.logical_and(full, paddle.rand([1]) < 0.5)
        keeps = paddle.logical_or(swaps, paddle.logical_not(full))
        self.images.set_value(
            paddle.scatter(
                self.images, place, paddle.where(keeps.reshape([1, 1, 1, 1]), image, older)
            )
        )
        self.seen.set_value(paddle.minimum(self.seen + 1, paddle.full([1], self.size, "int64")))
        return paddle.where(swaps.reshape([1, 1, 1, 1]), older, image)


def gather_pools(model: nn.Layer) -> dict[str, dict[str, np.ndarray]]:
    """Return the pools of all ranks but the first, by ``pool_name``; every rank must call it.

    Pools of own images are the only state in which ranks differ.
    """
    pools = {n: layer for n, layer in model.named_children() if isinstance(layer, ImagePool)}
    if parallel.world_size() == 1 or not pools:
        return {}
    by_rank = parallel.gather({name: layer_arrays(pool) for name, pool in pools.items()})
    return {
        pool_name(name, rank): arrays
        for rank, of_rank in enumerate(by_rank[1:], start=1)
        for name, arrays in of_rank.items()
    }


def pool_name(pool: str, rank: int) -> str:
    """Return the name of a rank's pool in a checkpoint."""
    return f"{pool}.rank{rank}" if rank else pool
