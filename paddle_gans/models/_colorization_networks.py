"""The two generators of the colorization tutorial: lightness of any size to colour."""

from __future__ import annotations

from functools import partial

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from paddle_gans.networks.init import he_init, normal_init
from paddle_gans.networks.resnet18 import ResNet


class ResUNet(nn.Layer):
    """Residual U-Net: [N, in_channels, H, W] to [N, out_channels, H, W] of any size.

    Seven residual units: three in the encoder, the bridge, three in the decoder. ``bounded`` adds a
    tanh. Source: Zhang et al., "Road Extraction by Deep Residual U-Net", 2018, section II.
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 2,
        *,
        base_dim: int = 64,
        bounded: bool = False,
    ):
        super().__init__()
        d = base_dim
        self.encoder = nn.LayerList(
            [
                ResidualUnit(in_channels, d, first=True),
                ResidualUnit(d, d * 2, stride=2),
                ResidualUnit(d * 2, d * 4, stride=2),
            ]
        )
        self.bridge = ResidualUnit(d * 4, d * 8, stride=2)
        self.up = nn.Upsample(scale_factor=2)
        self.decoder = nn.LayerList(
            [
                ResidualUnit(d * 8 + d * 4, d * 4),
                ResidualUnit(d * 4 + d * 2, d * 2),
                ResidualUnit(d * 2 + d, d),
            ]
        )
        self.head = nn.Conv2D(d, out_channels, 1)
        self.bound = nn.Tanh() if bounded else nn.Identity()
        normal_init(self)

    def forward(self, x):
        skips = []
        for unit in self.encoder:
            x = unit(x)
            skips.append(x)  # [N, d, H, W], [N, 2d, H/2, W/2], [N, 4d, H/4, W/4]
        x = self.bridge(x)  # [N, 8d, H/8, W/8]
        for unit in self.decoder:
            skip = skips.pop()
            x = unit(paddle.concat([match_size(self.up(x), skip), skip], axis=1))
        return self.bound(self.head(x))


class ResidualUnit(nn.Layer):
    """Residual unit: twice norm, ReLU and a 3x3 convolution, plus a projected shortcut.

    [N, channels, H, W] to [N, width, H/stride, W/stride], rounded up. The ``first`` unit, whose
    input is the image, begins with its convolution. Convolutions before a norm have no bias.
    """

    def __init__(self, channels: int, width: int, *, stride: int = 1, first: bool = False):
        super().__init__()
        begin = [] if first else [nn.BatchNorm2D(channels), nn.ReLU()]
        self.layers = nn.Sequential(
            *begin,
            nn.Conv2D(channels, width, 3, stride=stride, padding=1, bias_attr=False),
            *[nn.BatchNorm2D(width), nn.ReLU(), nn.Conv2D(width, width, 3, padding=1)],
        )
        self.shortcut = nn.Sequential(
            nn.Conv2D(channels, width, 1, stride=stride, bias_attr=False), nn.BatchNorm2D(width)
        )

    def forward(self, x):
        return self.layers(x) + self.shortcut(x)


class DynamicUNet(nn.Layer):
    """U-Net on any encoder: [N, encoder.in_channels, H, W] to [N, out_channels, H, W].

    ``encoder`` returns its feature maps, largest first; ``encoder.widths`` are their channels (all
    even). The decoder upsamples by sub-pixel convolutions and normalises only the encoder's maps;
    maps with odd sides are matched by nearest neighbour, so that every size works. ``bounded`` adds
    a tanh. Sources: the tutorial; fastai's DynamicUnet, which it uses.
    """

    def __init__(self, encoder: ResNet, out_channels: int = 2, *, bounded: bool = False):
        super().__init__()
        conv = partial(nn.Conv2D, kernel_size=3, padding=1)
        *skips, deepest = encoder.widths
        self.norm, self.relu = nn.BatchNorm2D(deepest), nn.ReLU()
        self.middle = nn.Sequential(
            *[conv(deepest, deepest * 2), nn.ReLU()],
            *[conv(deepest * 2, deepest), nn.ReLU()],
        )
        blocks, channels = [], deepest
        for i, skip in reversed(list(enumerate(skips))):
            joined = channels // 2 + skip
            blocks.append(UpBlock(channels, skip, joined if i > 0 else joined // 2))
            channels = blocks[-1].width
        self.blocks = nn.LayerList(blocks)
        self.up = SubPixel(channels, channels)
        channels += encoder.in_channels
        self.conv1, self.conv2 = conv(channels, channels), conv(channels, channels)
        self.head = nn.Conv2D(channels, out_channels, 1)
        self.bound = nn.Tanh() if bounded else nn.Identity()
        self.initialise()
        self.encoder = encoder  # keeps its own initial weights

    def initialise(self):
        """Initialise the decoder after He et al. 2015, and the last layer near 0 (grey).

        Seventeen convolutions follow each other without a norm: N(0, 0.02) would shrink gradients
        so far (to 1e-8 in the deepest ones, with 64 channels) that half of the network would not
        learn.
        """
        he_init(self)
        for layer in self.sublayers():
            if isinstance(layer, SubPixel):
                AsNearest()(layer.conv.weight)
        normal_init(self.head)

    def forward(self, x):
        *skips, h = self.encoder(x)
        h = self.middle(self.relu(self.norm(h)))
        for block in self.blocks:
            h = block(h, skips.pop())
        h = paddle.concat([match_size(self.up(h), x), x], axis=1)
        h = self.relu(h + self.conv2(self.relu(self.conv1(h))))
        return self.bound(self.head(h))


class UpBlock(nn.Layer):
    """Upsample [N, channels, H, W] and merge a map of the encoder: [N, width, 2H, 2W]."""

    def __init__(self, channels: int, skip: int, width: int):
        super().__init__()
        joined = channels // 2 + skip
        self.width = width
        self.up = SubPixel(channels, channels // 2)
        self.norm, self.relu = nn.BatchNorm2D(skip), nn.ReLU()
        self.conv1 = nn.Conv2D(joined, width, 3, padding=1)
        self.conv2 = nn.Conv2D(width, width, 3, padding=1)

    def forward(self, x, skip):
        joined = paddle.concat([match_size(self.up(x), skip), self.norm(skip)], axis=1)
        return self.relu(self.conv2(self.relu(self.conv1(self.relu(joined)))))


class SubPixel(nn.Layer):
    """Sub-pixel convolution with ReLU: [N, channels, H, W] to [N, width, 2H, 2W].

    Source: Shi et al., "Real-Time Single Image and Video Super-Resolution", 2016, section 3.2.
    """

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.conv = nn.Conv2D(channels, width * 4, 1)
        self.relu, self.shuffle = nn.ReLU(), nn.PixelShuffle(2)

    def forward(self, x):
        return self.shuffle(self.relu(self.conv(x)))


class AsNearest(nn.initializer.Initializer):
    """Makes an initialised sub-pixel convolution upsample by nearest neighbour at first.

    This avoids checkerboards (Aitken et al. 2017).
    """

    def forward(self, param: Tensor, block=None) -> None:
        param.set_value(np.repeat(param.numpy()[::4], 4, axis=0))


def match_size(x: Tensor, other: Tensor) -> Tensor:
    """Resize ``x`` [N, C, h, w] to the sides of ``other``, by nearest neighbour if they differ."""
    if not paddle.in_dynamic_mode():  # export: sides are unknown, so crop the extra pixel
        height, width = paddle.shape(other)[2:].unbind()
        return x[:, :, :height, :width]
    if x.shape[2:] == other.shape[2:]:
        return x
    return F.interpolate(x, size=other.shape[2:], mode="nearest")
