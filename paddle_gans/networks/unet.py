"""The U-Net generators of the pix2pix paper."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import paddle
from paddle import nn

from .init import normal_init
from .layers import resize_conv


class UNet(nn.Layer):
    """Encoder-decoder with skips between mirrored layers (pix2pix, appendix 6.1.1).

    Input and output [N, C, H, W] in [-1, 1]; H and W must be multiples of ``2 ** depth``. The
    three widest decoder blocks have dropout, the paper's only source of noise. Convolutions before
    a norm with its own shift have no bias. ``upsample`` is "deconv" (paper), or
    "resize" or "bilinear" (``resize_conv``).
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        *,
        depth: int = 8,
        base_dim: int = 64,
        dropout: float = 0.5,
        norm: Callable[[int], nn.Layer] = nn.BatchNorm2D,
        norm_shifts: bool = True,
        upsample: str = "deconv",
    ):
        super().__init__()
        bias = False if norm_shifts else None
        down = partial(nn.Conv2D, kernel_size=4, stride=2, padding=1, bias_attr=bias)
        deconv = partial(nn.Conv2DTranspose, kernel_size=4, stride=2, padding=1)
        up = deconv if upsample == "deconv" else partial(resize_conv, upsample=upsample)
        widths = [base_dim * min(2**i, 8) for i in range(depth)]

        # The outermost and the innermost convolution have no norm.
        encoder = [nn.Sequential(down(in_channels, widths[0]))]
        for i in range(1, depth):
            block = [nn.LeakyReLU(0.2), down(widths[i - 1], widths[i])]
            encoder.append(nn.Sequential(*block, *([norm(widths[i])] if i < depth - 1 else [])))
        self.encoder = nn.LayerList(encoder)

        # Every block but the innermost also gets the features of its encoder block.
        decoder = []
        for i in range(depth - 1, 0, -1):
            width_in = widths[i] * (1 if i == depth - 1 else 2)
            block = [nn.ReLU(), up(width_in, widths[i - 1], bias_attr=bias), norm(widths[i - 1])]
            if dropout > 0 and 4 <= i < depth - 1:
                block.append(nn.Dropout(dropout))
            decoder.append(nn.Sequential(*block))
        decoder.append(nn.Sequential(nn.ReLU(), up(2 * widths[0], out_channels), nn.Tanh()))
        self.decoder = nn.LayerList(decoder)
        normal_init(self, norm_std=0.02)

    def forward(self, x):
        skips = []
        for block in self.encoder:
            x = block(x)
            skips.append(x)
        x = skips.pop()
        for block in self.decoder[:-1]:
            x = paddle.concat([skips.pop(), block(x)], axis=1)
        return self.decoder[-1](x)
