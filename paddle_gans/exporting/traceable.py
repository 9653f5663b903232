"""Layers in a form that can be traced: no Python number of theirs depends on an input's sides."""

from __future__ import annotations

import paddle
from paddle import nn

from paddle_gans.models import _stargan_v2_networks as stargan_v2
from paddle_gans.models import pix2pix
from paddle_gans.networks.resnet import ResidualBlock


class AdaIN(stargan_v2.AdaIN):
    """The same numbers without the maps of all images in one row, whose length is the batch's."""

    def forward(self, x, s):
        scale, shift = self.affine(s).unsqueeze([2, 3]).chunk(2, axis=1)
        mean = x.mean([2, 3], keepdim=True)
        centred = x - mean
        variance = centred.square().mean([2, 3], keepdim=True)
        return centred * (variance + 1e-5).rsqrt() * (1 + scale) + shift


TRACEABLE = {stargan_v2.AdaIN: AdaIN}


def make_traceable(model: nn.Layer) -> None:
    """Put the layers that need it into that form; weights and names stay."""
    model.eval()
    for layer in model.sublayers(include_self=True):
        if isinstance(layer, pix2pix.Norm) and layer.mode == "running":
            layer.__class__ = nn.BatchNorm2D  # tracing, Paddle 2.6 stumbles over its super()
        layer.__class__ = TRACEABLE.get(type(layer), type(layer))
        if isinstance(layer, (ResidualBlock, stargan_v2.Generator)):
            layer.recompute = False  # a matter of training


class Rendered(nn.Layer):
    """Images x [N, 3, H, W] in styles s [N, style_dim], cut to [-1, 1]; ``fan`` finds faces."""

    def __init__(self, generator: nn.Layer, fan=None):
        super().__init__()
        self.generator, self.fan = generator, fan

    def forward(self, x, s):
        masks = None if self.fan is None else self.fan.masks(x)
        return paddle.clip(self.generator(x, s, masks), -1.0, 1.0)


class Mapped(nn.Layer):
    """Latent codes z [N, latent_dim] and domains y [N] to styles."""

    def __init__(self, network: nn.Layer):
        super().__init__()
        self.network = network

    def forward(self, z, y):
        return self.network(z, y)


class Styled(nn.Layer):
    """Images x [N, 3, S, S] and their domains y [N] to styles."""

    def __init__(self, network: nn.Layer):
        super().__init__()
        self.network = network

    def forward(self, x, y):
        heads = self.network.unshared
        h = self.network.shared(x).reshape([-1, heads[0].weight.shape[0]])
        return stargan_v2.of_domain([head(h) for head in heads], y)
