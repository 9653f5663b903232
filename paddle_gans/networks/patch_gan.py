"""The 70x70 PatchGAN discriminator of the pix2pix paper."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from paddle import nn

from .init import normal_init


class PatchGAN(nn.Layer):
    """Classify every 70x70 patch of an image (pix2pix, appendix 6.1.2: C64-C128-C256-C512).

    Input [N, in_channels, H, W], output logits [N, 1, H/8 - 2, W/8 - 2]. Convolutions before a
    norm with its own shift have no bias.
    """

    def __init__(
        self,
        in_channels: int = 6,
        *,
        base_dim: int = 64,
        num_layers: int = 3,
        norm: Callable[[int], nn.Layer] = nn.BatchNorm2D,
        norm_shifts: bool = True,
    ):
        super().__init__()
        conv = partial(nn.Conv2D, kernel_size=4, padding=1)
        layers = [conv(in_channels, base_dim, stride=2), nn.LeakyReLU(0.2)]
        width = base_dim
        for i in range(1, num_layers + 1):
            previous, width = width, base_dim * min(2**i, 8)
            stride = 2 if i < num_layers else 1
            bias = False if norm_shifts else None
            layers += [conv(previous, width, stride=stride, bias_attr=bias), norm(width)]
            layers += [nn.LeakyReLU(0.2)]
        layers += [conv(width, 1)]
        self.layers = nn.Sequential(*layers)
        normal_init(self, norm_std=0.02)

    def features(self, x):
        """Return the activations of the hidden layers, then the logits."""
        found = []
        for layer in self.layers:
            x = layer(x)
            if isinstance(layer, nn.LeakyReLU):
                found.append(x)
        return [*found, x]

    def forward(self, x):
        return self.layers(x)
