"""The two generators of the colorization article: lightness to colour, at any size."""

from __future__ import annotations

from functools import partial

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn

from paddle_gans.networks.init import he_init, normal_init
from paddle_gans.networks.resnet18 import ResNet


class ResUNet(nn.Layer):
    """The residual U-Net: [N, in_channels, H, W] to [N, out_channels, H, W] of any size.

    Seven residual units: three going down, the bridge, three coming up. ``bounded`` ends in a
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
                ResidualUnit(in_channels, d, leads=True),
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
            x = unit(paddle.concat([at_size_of(self.up(x), skip), skip], axis=1))
        return self.bound(self.head(x))


class ResidualUnit(nn.Layer):
    """Twice norm, ReLU and a 3x3 convolution, plus a projected shortcut.

    [N, channels, H, W] to [N, width, H/stride, W/stride], rounded up. The unit that ``leads``
    sees the picture itself, and begins with its convolution. A convolution in front of a norm
    carries no bias.
    """

    def __init__(self, channels: int, width: int, *, stride: int = 1, leads: bool = False):
        super().__init__()
        begin = [] if leads else [nn.BatchNorm2D(channels), nn.ReLU()]
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
    """A U-Net on any encoder: [N, encoder.in_channels, H, W] to [N, out_channels, H, W].

    ``encoder`` returns its feature maps, the largest first, and names their channels in
    ``widths`` (all even). The way up is made of sub-pixel convolutions and has no norm but those
    of the maps it takes in; where a map's sides were odd, it is brought to them by nearest
    neighbour, so that every size is possible. ``bounded`` ends in a tanh. Sources: the article;
    fastai's DynamicUnet, which it uses.
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
        self.encoder = encoder  # which begins as it is

    def initialise(self):
        """Draw the weights.

        Seventeen convolutions follow each other without a norm: N(0, 0.02) would shrink what passes
        so far (at 64 channels the gradients of the deepest ones to 1e-8) that half of the network
        would not learn, so they start as He et al. 2015 derive. The colours begin near grey.
        """
        he_init(self)
        for layer in self.sublayers():
            if isinstance(layer, SubPixel):
                layer.begin_as_nearest()
        normal_init(self.head)

    def forward(self, x):
        *skips, h = self.encoder(x)
        h = self.middle(self.relu(self.norm(h)))
        for block in self.blocks:
            h = block(h, skips.pop())
        h = paddle.concat([at_size_of(self.up(h), x), x], axis=1)
        h = self.relu(h + self.conv2(self.relu(self.conv1(h))))
        return self.bound(self.head(h))


class UpBlock(nn.Layer):
    """Doubles [N, channels, H, W] and joins it to a map of the encoder: [N, width, 2H, 2W]."""

    def __init__(self, channels: int, skip: int, width: int):
        super().__init__()
        joined = channels // 2 + skip
        self.width = width
        self.up = SubPixel(channels, channels // 2)
        self.norm, self.relu = nn.BatchNorm2D(skip), nn.ReLU()
        self.conv1 = nn.Conv2D(joined, width, 3, padding=1)
        self.conv2 = nn.Conv2D(width, width, 3, padding=1)

    def forward(self, x, skip):
        joined = paddle.concat([at_size_of(self.up(x), skip), self.norm(skip)], axis=1)
        return self.relu(self.conv2(self.relu(self.conv1(self.relu(joined)))))


class SubPixel(nn.Layer):
    """Each pixel of [N, channels, H, W] becomes four: [N, width, 2H, 2W], not negative.

    Source: Shi et al., "Real-Time Single Image and Video Super-Resolution", 2016, section 3.2.
    """

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.conv = nn.Conv2D(channels, width * 4, 1)
        self.relu, self.shuffle = nn.ReLU(), nn.PixelShuffle(2)

    def begin_as_nearest(self):
        """Let the four begin equal, which leaves no checkerboard; Aitken et al. 2017 (ICNR)."""
        kernels = self.conv.weight.numpy()[::4]
        self.conv.weight.set_value(np.repeat(kernels, 4, axis=0))

    def forward(self, x):
        return self.shuffle(self.relu(self.conv(x)))


def at_size_of(x: Tensor, other: Tensor) -> Tensor:
    """``x`` [N, C, h, w] at the sides of ``other``, by nearest neighbour where they differ."""
    if not paddle.in_dynamic_mode():  # exported: no side is known, and one too many is cut off
        height, width = paddle.shape(other)[2:].unbind()
        return x[:, :, :height, :width]
    if x.shape[2:] == other.shape[2:]:
        return x
    return F.interpolate(x, size=other.shape[2:], mode="nearest")
