"""pix2pix: image-to-image translation with a conditional GAN (Isola et al., CVPR 2017).

The article's networks and losses; the paper's U-Nets and its discriminator are the other choice.
"""

from __future__ import annotations

from functools import partial
from typing import Literal, Optional

import paddle
import paddle.nn.functional as F
from paddle import nn

from data_reader.datasets import Paired
from paddle_gans.networks.init import normal_init
from paddle_gans.networks.patch_gan import PatchGAN
from paddle_gans.networks.unet import UNet
from paddle_gans.training.losses import GAN_LOSSES, gradient_penalty
from paddle_gans.training.model import GANModel, Recipe, adam, frozen


class Norm(nn.BatchNorm2D):
    """Batch norm that at test time uses its running statistics, or each image's own.

    The article never leaves training mode, so that its batch of one is normalised by its own
    statistics at test time too: that is ``mode="instance"``.
    """

    def __init__(self, channels: int, mode: str = "running"):
        super().__init__(channels)
        self.mode = mode

    def forward(self, x):
        if self.training or self.mode == "running":
            return super().forward(x)
        return F.instance_norm(x, weight=self.weight, bias=self.bias, eps=self._epsilon)


class Residual(nn.Layer):
    """Two 3x3 convolutions beside the identity; [N, C, H, W] in and out."""

    def __init__(self, channels: int, norm=Norm):
        super().__init__()
        self.conv1 = nn.Conv2D(channels, channels, 3, bias_attr=False)
        self.norm1 = norm(channels)
        self.conv2 = nn.Conv2D(channels, channels, 3, bias_attr=False)
        self.norm2 = norm(channels)

    def forward(self, x):
        h = F.relu(self.norm1(self.conv1(F.pad(x, [1, 1, 1, 1], mode="reflect"))))
        return x + self.norm2(self.conv2(F.pad(h, [1, 1, 1, 1], mode="reflect")))


class Generator(nn.Layer):
    """The article's ResNet generator: [N, 3, H, W] to [N, 3, H, W] in [-1, 1], sides / 4."""

    def __init__(self, base_dim: int = 64, residual_num: int = 7, norm=Norm):
        super().__init__()
        conv = partial(nn.Conv2D, bias_attr=False)
        up = partial(nn.Conv2DTranspose, kernel_size=3, stride=2, padding=1, bias_attr=False)
        self.conv1 = conv(3, base_dim, 7)
        self.norm1 = norm(base_dim)
        self.conv2 = conv(base_dim, base_dim * 2, 3, stride=2, padding=1)
        self.norm2 = norm(base_dim * 2)
        self.conv3 = conv(base_dim * 2, base_dim * 4, 3, stride=2, padding=1)
        self.norm3 = norm(base_dim * 4)
        self.residuals = nn.LayerList([Residual(base_dim * 4, norm) for _ in range(residual_num)])
        self.up1 = up(base_dim * 4, base_dim * 2)
        self.norm4 = norm(base_dim * 2)
        self.up2 = up(base_dim * 2, base_dim)
        self.norm5 = norm(base_dim)
        self.conv4 = nn.Conv2D(base_dim, 3, 7)
        normal_init(self)

    def forward(self, x):
        x = F.pad(x, [3, 3, 3, 3], mode="reflect")
        x = F.relu(self.norm1(self.conv1(x)))
        x = F.relu(self.norm2(self.conv2(x)))  # [N, 2d, H/2, W/2]
        x = F.relu(self.norm3(self.conv3(x)))  # [N, 4d, H/4, W/4]

        for residual in self.residuals:
            x = residual(x)

        # A transposed convolution gives 2n - 1; the missing row and column are zeros.
        x = F.pad(F.relu(self.norm4(self.up1(x))), [0, 1, 0, 1])  # [N, 2d, H/2, W/2]
        x = F.pad(F.relu(self.norm5(self.up2(x))), [0, 1, 0, 1])  # [N, d, H, W]

        x = F.pad(x, [3, 3, 3, 3], mode="reflect")
        return paddle.tanh(self.conv4(x))


class Discriminator(nn.Layer):
    """The article's 70x70 PatchGAN: A and B together, [N, 6, H, W], to logits [N, 1, h, w].

    A side of 256 gives 30, one of 224 gives 26. Instance norm follows the first convolution too.
    """

    def __init__(self, base_dim: int = 64):
        super().__init__()
        conv = partial(nn.Conv2D, kernel_size=4, padding=1)
        d = base_dim
        self.conv1, self.norm1 = conv(6, d, stride=2), nn.InstanceNorm2D(d)
        self.conv2 = conv(d, d * 2, stride=2, bias_attr=False)
        self.norm2 = nn.InstanceNorm2D(d * 2)
        self.conv3 = conv(d * 2, d * 4, stride=2, bias_attr=False)
        self.norm3 = nn.InstanceNorm2D(d * 4)
        self.conv4 = conv(d * 4, d * 8, bias_attr=False)
        self.norm4 = nn.InstanceNorm2D(d * 8)
        self.conv5 = conv(d * 8, 1)
        normal_init(self)

    def forward(self, x):
        x = F.leaky_relu(self.norm1(self.conv1(x)), 0.2)
        x = F.leaky_relu(self.norm2(self.conv2(x)), 0.2)
        x = F.leaky_relu(self.norm3(self.conv3(x)), 0.2)
        x = F.leaky_relu(self.norm4(self.conv4(x)), 0.2)
        return self.conv5(x)
