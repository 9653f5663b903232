"""The four networks of StarGAN v2 (Choi et al., CVPR 2020, appendix A and F).

Images x are [N, 3, S, S] in [-1, 1], S a power of two; domains y are int64 [N]; styles s are
[N, style_dim]. Every network narrows or widens by ``dims``: the channels at S, S/2, S/4 and so on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Optional

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn
from paddle.distributed.fleet.utils import recompute

from paddle_gans.networks.init import he_init

MASKED_SIDES = (32, 64, 128)  # pixels of the maps that the high-pass skips carry over
UNIT_VARIANCE = 1 / math.sqrt(2)  # of a sum of two branches with variance 1 each


def channels(image_size: int, base_dim: Optional[int], max_dim: int) -> list[int]:
    """The channels at each size of map from ``image_size`` down to 4 pixels.

    They double to at most ``max_dim`` from ``base_dim`` (None: 2**14 / image_size, the paper's).
    """
    first = base_dim or 2**14 // image_size
    return [min(first * 2**i, max_dim) for i in range(int(math.log2(image_size)) - 1)]


class ResidualBlock(nn.Layer):
    """Pre-activation residual block: [N, dim_in, H, W] to [N, dim_out, H, W], halved by ``down``.

    ``norm`` puts instance norm with scale and shift in front of both activations.
    """

    def __init__(self, dim_in: int, dim_out: int, *, norm: bool = False, down: bool = False):
        super().__init__()
        self.norm1 = nn.InstanceNorm2D(dim_in) if norm else nn.Identity()
        self.norm2 = nn.InstanceNorm2D(dim_in) if norm else nn.Identity()
        self.conv1 = nn.Conv2D(dim_in, dim_in, 3, padding=1)
        self.conv2 = nn.Conv2D(dim_in, dim_out, 3, padding=1)
        changes = dim_in != dim_out
        self.shortcut = nn.Conv2D(dim_in, dim_out, 1, bias_attr=False) if changes else nn.Identity()
        self.activation = nn.LeakyReLU(0.2)
        self.pool = nn.AvgPool2D(2) if down else nn.Identity()

    def forward(self, x):
        h = self.conv1(self.activation(self.norm1(x)))
        h = self.conv2(self.activation(self.norm2(self.pool(h))))
        # A 1x1 convolution after the pooling is the one before it, for a quarter of the work.
        return (self.shortcut(self.pool(x)) + h) * UNIT_VARIANCE


class AdaIN(nn.Layer):
    """Adaptive instance norm: maps [N, dim, H, W] take scale and shift from a style.

    Source: Huang and Belongie 2017. The learned scale is added to 1.
    """

    def __init__(self, style_dim: int, dim: int):
        super().__init__()
        self.affine = nn.Linear(style_dim, dim * 2)

    def forward(self, x, s):
        n, c, h, w = x.shape
        scale, shift = (part.reshape([n * c]) for part in self.affine(s).chunk(2, axis=1))
        # All maps as channels of one image: norm, scale and shift are one pass over the memory.
        maps = F.instance_norm(x.reshape([1, n * c, h, w]), weight=1 + scale, bias=shift)
        return maps.reshape([n, c, h, w])


class AdaINResidualBlock(nn.Layer):
    """Residual block with AdaIN: [N, dim_in, H, W] to [N, dim_out, H, W], doubled by ``up``.

    Without ``skip`` the residual branch stands alone (the paper's network for faces).
    """

    def __init__(
        self, dim_in: int, dim_out: int, style_dim: int, *, up: bool = False, skip: bool = True
    ):
        super().__init__()
        self.norm1, self.norm2 = AdaIN(style_dim, dim_in), AdaIN(style_dim, dim_out)
        self.conv1 = nn.Conv2D(dim_in, dim_out, 3, padding=1)
        self.conv2 = nn.Conv2D(dim_out, dim_out, 3, padding=1)
        # The reference keeps the weight without using it where there is no skip; so its files fit.
        changes = dim_in != dim_out
        self.shortcut = nn.Conv2D(dim_in, dim_out, 1, bias_attr=False) if changes else nn.Identity()
        self.activation = nn.LeakyReLU(0.2)
        self.upsample = nn.Upsample(scale_factor=2) if up else nn.Identity()
        self.skip = skip

    def forward(self, x, s):
        h = self.conv1(self.upsample(self.activation(self.norm1(x, s))))
        h = self.conv2(self.activation(self.norm2(h, s)))
        if not self.skip:
            return h
        # A 1x1 convolution before the upsampling is the one after it, for a quarter of the work.
        return (self.upsample(self.shortcut(x)) + h) * UNIT_VARIANCE


class Generator(nn.Layer):
    """G(x, s): the image x in the style s, [N, 3, S, S]; unbounded, as in the paper.

    With ``w_hpf`` above 0 (faces) it is one block deeper, has no skips on the way up, and takes
    the masks of face parts from ``FAN.masks``, two of [N, 1, h, w]: within them the fine detail of
    the source is kept. ``recompute`` does every block once more on the way back, for less memory.
    """

    recompute = False

    def __init__(self, dims: Sequence[int], style_dim: int = 64, w_hpf: float = 0.0):
        super().__init__()
        self.w_hpf = w_hpf
        dims = dims[:-1] if w_hpf > 0 else dims[:-2]  # down to 8 pixels with it, 16 without
        wide, skip = dims[-1], w_hpf == 0
        self.from_rgb = nn.Conv2D(3, dims[0], 3, padding=1)
        self.encode = nn.LayerList(
            [ResidualBlock(a, b, norm=True, down=True) for a, b in zip(dims, dims[1:])]
            + [ResidualBlock(wide, wide, norm=True) for _ in range(2)]
        )
        self.decode = nn.LayerList(
            [AdaINResidualBlock(wide, wide, style_dim, skip=skip) for _ in range(2)]
            + [
                AdaINResidualBlock(b, a, style_dim, up=True, skip=skip)
                for a, b in reversed(list(zip(dims, dims[1:])))
            ]
        )
        self.to_rgb = nn.Sequential(
            nn.InstanceNorm2D(dims[0]), nn.LeakyReLU(0.2), nn.Conv2D(dims[0], 3, 1)
        )
        he_init(self)

    def forward(self, x, s, masks: Optional[Sequence[Tensor]] = None):
        x = self.from_rgb(x)
        sources = {}  # feature maps of the source, by their side
        for block in self.encode:
            sources[x.shape[2]] = x
            x = self._through(block, x)
        for block in self.decode:
            x = self._through(block, x, s)
            side = x.shape[2]
            if masks is not None and side in MASKED_SIDES:
                mask = masks[0] if side == MASKED_SIDES[0] else masks[1]
                mask = F.interpolate(mask, size=[side, side], mode="bilinear")
                x = x + high_pass(mask * sources[side], self.w_hpf)
        return self.to_rgb(x)

    def _through(self, block, *inputs):
        if self.recompute and paddle.is_grad_enabled():
            return recompute(block, *inputs)
        return block(*inputs)


def high_pass(x: Tensor, w_hpf: float) -> Tensor:
    """Each channel filtered by 8 in the middle and -1 around, divided by ``w_hpf``.

    That is nine times what a pixel differs from the mean of its 3x3, with zeros outside.
    """
    mean = F.avg_pool2d(x, 3, stride=1, padding=1, exclusive=False)
    return (x - mean) * (9 / w_hpf)


class MappingNetwork(nn.Layer):
    """F_y(z): a latent code z [N, latent_dim] of N(0, 1) to a style of domain y."""

    def __init__(
        self, num_domains: int, latent_dim: int = 16, style_dim: int = 64, hidden_dim: int = 512
    ):
        super().__init__()
        self.shared = nn.Sequential(
            *linear_relu(latent_dim, hidden_dim),
            *[layer for _ in range(3) for layer in linear_relu(hidden_dim, hidden_dim)],
        )
        heads = [
            nn.Sequential(
                *[layer for _ in range(3) for layer in linear_relu(hidden_dim, hidden_dim)],
                nn.Linear(hidden_dim, style_dim),
            )
            for _ in range(num_domains)
        ]
        self.unshared = nn.LayerList(heads)
        he_init(self)

    def forward(self, z, y):
        h = self.shared(z)
        return of_domain([head(h) for head in self.unshared], y)


def linear_relu(dim_in: int, dim_out: int) -> list[nn.Layer]:
    """A linear layer and its activation."""
    return [nn.Linear(dim_in, dim_out), nn.ReLU()]


class StyleEncoder(nn.Layer):
    """E_y(x): the style of a reference image x of domain y."""

    def __init__(self, dims: Sequence[int], num_domains: int, style_dim: int = 64):
        super().__init__()
        self.shared = to_a_vector(dims)
        heads = [nn.Linear(dims[-1], style_dim) for _ in range(num_domains)]
        self.unshared = nn.LayerList(heads)
        he_init(self)

    def forward(self, x, y):
        h = self.shared(x).reshape([x.shape[0], -1])
        return of_domain([head(h) for head in self.unshared], y)


class Discriminator(nn.Layer):
    """D_y(x): the logit [N] of an image being a real one of domain y."""

    def __init__(self, dims: Sequence[int], num_domains: int):
        super().__init__()
        self.shared = to_a_vector(dims)
        self.logits = nn.Conv2D(dims[-1], num_domains, 1)
        he_init(self)

    def forward(self, x, y):
        logits = self.logits(self.shared(x)).reshape([x.shape[0], -1])
        # Not by indexing: R1 needs its second derivative, which Paddle 2.6 does not have.
        return (logits * F.one_hot(y, logits.shape[1])).sum(axis=1)


def to_a_vector(dims: Sequence[int]) -> nn.Sequential:
    """Images [N, 3, S, S] to [N, dims[-1], 1, 1] by residual blocks down to 4 pixels."""
    return nn.Sequential(
        nn.Conv2D(3, dims[0], 3, padding=1),
        *[ResidualBlock(a, b, down=True) for a, b in zip(dims, dims[1:])],
        nn.LeakyReLU(0.2),
        nn.Conv2D(dims[-1], dims[-1], 4),
        nn.LeakyReLU(0.2),
    )


def of_domain(outputs: Sequence[Tensor], y: Tensor) -> Tensor:
    """Of one output [N, C] a domain, each row's own: [N, C]."""
    chosen = F.one_hot(y, len(outputs)).unsqueeze(2)  # [N, domains, 1]
    return (paddle.stack(list(outputs), axis=1) * chosen).sum(axis=1)
