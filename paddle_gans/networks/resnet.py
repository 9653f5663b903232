"""The residual generator of the CycleGAN paper."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import paddle
from paddle import nn
from paddle.distributed.fleet.utils import recompute

from .init import normal_init
from .layers import instance_norm, resize_conv


class ResidualBlock(nn.Layer):
    """Two 3x3 convolutions and an identity shortcut; [N, channels, H, W] in and out.

    With ``recompute``, training stores only the block's input and computes the block again in the
    backward pass: less memory, more time, the same values.
    """

    recompute = False

    def __init__(
        self,
        channels: int,
        *,
        dropout: float = 0.0,
        norm: Callable[[int], nn.Layer] = instance_norm,
        norm_shifts: bool = False,
    ):
        super().__init__()
        conv = partial(nn.Conv2D, bias_attr=False if norm_shifts else None)
        first = [nn.Pad2D(1, mode="reflect"), conv(channels, channels, 3), norm(channels)]
        second = [nn.Pad2D(1, mode="reflect"), conv(channels, channels, 3), norm(channels)]
        noise = [nn.Dropout(dropout)] if dropout > 0 else []
        self.layers = nn.Sequential(*first, nn.ReLU(), *noise, *second)

    def forward(self, x):
        if self.recompute and paddle.is_grad_enabled():
            return x + recompute(self.layers, x)
        return x + self.layers(x)


class ResNetGenerator(nn.Layer):
    """Two strided convolutions, residual blocks, two transposed convolutions.

    Input [N, in_channels, H, W] and output [N, out_channels, H, W] in [-1, 1]; H and W must be
    multiples of 4. ``upsample`` "resize" and "bilinear" use ``resize_conv`` instead of transposed
    convolutions.
    Convolutions before a norm with its own shift have no bias. The paper uses 9 blocks for images
    of 256 pixels and more, 6 for 128. Source: CycleGAN, appendix 7.2.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        *,
        base_dim: int = 64,
        num_blocks: int = 9,
        dropout: float = 0.0,
        norm: Callable[[int], nn.Layer] = instance_norm,
        norm_shifts: bool = False,
        upsample: str = "deconv",
    ):
        super().__init__()
        d, bias = base_dim, False if norm_shifts else None
        conv = partial(nn.Conv2D, bias_attr=bias)
        deconv = partial(nn.Conv2DTranspose, kernel_size=3, stride=2, padding=1, output_padding=1)
        up = deconv if upsample == "deconv" else partial(resize_conv, upsample=upsample)
        self.encoder = nn.Sequential(
            *[nn.Pad2D(3, mode="reflect"), conv(in_channels, d, 7), norm(d), nn.ReLU()],
            *[conv(d, d * 2, 3, stride=2, padding=1), norm(d * 2), nn.ReLU()],
            *[conv(d * 2, d * 4, 3, stride=2, padding=1), norm(d * 4), nn.ReLU()],
        )
        block = partial(ResidualBlock, d * 4, dropout=dropout, norm=norm, norm_shifts=norm_shifts)
        self.blocks = nn.Sequential(*[block() for _ in range(num_blocks)])
        self.decoder = nn.Sequential(
            *[up(d * 4, d * 2, bias_attr=bias), norm(d * 2), nn.ReLU()],
            *[up(d * 2, d, bias_attr=bias), norm(d), nn.ReLU()],
            *[nn.Pad2D(3, mode="reflect"), nn.Conv2D(d, out_channels, 7), nn.Tanh()],
        )
        normal_init(self, norm_std=0.02)

    def forward(self, x):
        return self.decoder(self.blocks(self.encoder(x)))
