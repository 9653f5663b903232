"""The four networks of StarGAN v2 (Choi et al., CVPR 2020, appendices A and F).

Images x are [N, 3, S, S] in [-1, 1], S a power of two; domains y are int64 [N]; styles s are
[N, style_dim]. ``dims`` are the channels of feature maps with side S, S/2, S/4 and so on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn
from paddle.distributed.fleet.utils import recompute

from paddle_gans.networks.init import he_init

MASKED_SIDES = (32, 64, 128)  # of the feature maps with high-pass skips, in pixels
UNIT_VARIANCE = 1 / math.sqrt(2)  # scales the sum of two branches of variance 1 to variance 1


def channels(image_size: int, base_dim: int | None, max_dim: int) -> list[int]:
    """Return the channels of feature maps with sides from ``image_size`` down to 4 pixels.

    They double from ``base_dim`` (None: the paper's 2**14 / image_size) up to ``max_dim``.
    """
    first = base_dim or 2**14 // image_size
    return [min(first * 2**i, max_dim) for i in range(int(math.log2(image_size)) - 1)]


class ResidualBlock(nn.Layer):
    """Pre-activation residual block: [N, dim_in, H, W] to [N, dim_out, H, W], H/2 if ``down``.

    ``norm`` adds instance norm with scale and shift before both activations.
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
        # The 1x1 convolution commutes with pooling, and is four times cheaper after it.
        return (self.shortcut(self.pool(x)) + h) * UNIT_VARIANCE


class AdaIN(nn.Layer):
    """Adaptive instance norm of [N, dim, H, W]: a style determines scale and shift.

    The linear layer's scale is added to 1. Source: Huang and Belongie 2017.
    """

    def __init__(self, style_dim: int, dim: int):
        super().__init__()
        self.affine = nn.Linear(style_dim, dim * 2)

    def forward(self, x, s):
        n, c, h, w = x.shape
        scale, shift = (part.reshape([n * c]) for part in self.affine(s).chunk(2, axis=1))
        # All maps as channels of one image: one pass over memory for norm, scale and shift.
        maps = F.instance_norm(x.reshape([1, n * c, h, w]), weight=1 + scale, bias=shift)
        return maps.reshape([n, c, h, w])


class AdaINResidualBlock(nn.Layer):
    """Residual block with AdaIN: [N, dim_in, H, W] to [N, dim_out, H, W], 2H if ``up``.

    Without ``skip`` there is no shortcut (the paper's network for faces). ``upsample``: "nearest"
    (paper) or "bilinear".
    """

    def __init__(
        self,
        dim_in: int,
        dim_out: int,
        style_dim: int,
        *,
        up: bool = False,
        skip: bool = True,
        upsample: str = "nearest",
    ):
        super().__init__()
        self.norm1, self.norm2 = AdaIN(style_dim, dim_in), AdaIN(style_dim, dim_out)
        self.conv1 = nn.Conv2D(dim_in, dim_out, 3, padding=1)
        self.conv2 = nn.Conv2D(dim_out, dim_out, 3, padding=1)
        # Kept without ``skip`` too, unused, so that the reference's weights files fit.
        changes = dim_in != dim_out
        self.shortcut = nn.Conv2D(dim_in, dim_out, 1, bias_attr=False) if changes else nn.Identity()
        self.activation = nn.LeakyReLU(0.2)
        self.upsample = nn.Upsample(scale_factor=2, mode=upsample) if up else nn.Identity()
        self.skip = skip

    def forward(self, x, s):
        h = self.conv1(self.upsample(self.activation(self.norm1(x, s))))
        h = self.conv2(self.activation(self.norm2(h, s)))
        if not self.skip:
            return h
        # The 1x1 convolution commutes with upsampling, and is four times cheaper before it.
        return (self.upsample(self.shortcut(x)) + h) * UNIT_VARIANCE


class Generator(nn.Layer):
    """G(x, s): the image x in style s, [N, 3, S, S]; unbounded, as in the paper.

    With ``w_hpf`` above 0 (faces) it is one block deeper, its decoder has no shortcuts, and
    ``masks`` are two of ``FAN.masks`` [N, 1, h, w], within which the source's fine detail is kept.
    ``upsample`` "bilinear" makes no mesh where a short training with the paper's "nearest" does.
    ``recompute`` saves memory by computing every block again in the backward pass.
    """

    recompute = False

    def __init__(
        self,
        dims: Sequence[int],
        style_dim: int = 64,
        w_hpf: float = 0.0,
        upsample: str = "nearest",
    ):
        super().__init__()
        self.w_hpf = w_hpf
        dims = dims[:-1] if w_hpf > 0 else dims[:-2]  # down to 8 pixels for faces, else 16
        wide, skip = dims[-1], w_hpf == 0
        self.from_rgb = nn.Conv2D(3, dims[0], 3, padding=1)
        self.encode = nn.LayerList(
            [ResidualBlock(a, b, norm=True, down=True) for a, b in zip(dims, dims[1:])]
            + [ResidualBlock(wide, wide, norm=True) for _ in range(2)]
        )
        self.decode = nn.LayerList(
            [AdaINResidualBlock(wide, wide, style_dim, skip=skip) for _ in range(2)]
            + [
                AdaINResidualBlock(b, a, style_dim, up=True, skip=skip, upsample=upsample)
                for a, b in reversed(list(zip(dims, dims[1:])))
            ]
        )
        self.to_rgb = nn.Sequential(
            nn.InstanceNorm2D(dims[0]), nn.LeakyReLU(0.2), nn.Conv2D(dims[0], 3, 1)
        )
        he_init(self)

    def forward(self, x, s, masks: Sequence[Tensor] | None = None):
        x = self.from_rgb(x)
        sources = {}  # encoder's feature maps by side
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
    """Filter each channel by a 3x3 kernel of 8 in the middle and -1 around, divided by ``w_hpf``.

    Equal to nine times the difference to the 3x3 mean, with zero padding.
    """
    mean = F.avg_pool2d(x, 3, stride=1, padding=1, exclusive=False)
    return (x - mean) * (9 / w_hpf)


class MappingNetwork(nn.Layer):
    """F_y(z): map latent codes z [N, latent_dim] from N(0, 1) to styles of domains y."""

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
        return select_domain([head(h) for head in self.unshared], y)


def linear_relu(dim_in: int, dim_out: int) -> list[nn.Layer]:
    """Return a linear layer and its activation."""
    return [nn.Linear(dim_in, dim_out), nn.ReLU()]


class StyleEncoder(nn.Layer):
    """E_y(x): the styles of reference images x in domains y."""

    def __init__(self, dims: Sequence[int], num_domains: int, style_dim: int = 64):
        super().__init__()
        self.shared = feature_extractor(dims)
        heads = [nn.Linear(dims[-1], style_dim) for _ in range(num_domains)]
        self.unshared = nn.LayerList(heads)
        he_init(self)

    def forward(self, x, y):
        h = self.shared(x).reshape([x.shape[0], -1])
        return select_domain([head(h) for head in self.unshared], y)


class Discriminator(nn.Layer):
    """D_y(x): logits [N] of images x being real images of domains y."""

    def __init__(self, dims: Sequence[int], num_domains: int):
        super().__init__()
        self.shared = feature_extractor(dims)
        self.logits = nn.Conv2D(dims[-1], num_domains, 1)
        he_init(self)

    def forward(self, x, y):
        logits = self.logits(self.shared(x)).reshape([x.shape[0], -1])
        # Not by indexing: Paddle 2.6 lacks its second derivative, which R1 needs.
        return (logits * F.one_hot(y, logits.shape[1])).sum(axis=1)


def feature_extractor(dims: Sequence[int]) -> nn.Sequential:
    """Build residual blocks that reduce images [N, 3, S, S] to vectors [N, dims[-1], 1, 1]."""
    return nn.Sequential(
        nn.Conv2D(3, dims[0], 3, padding=1),
        *[ResidualBlock(a, b, down=True) for a, b in zip(dims, dims[1:])],
        nn.LeakyReLU(0.2),
        nn.Conv2D(dims[-1], dims[-1], 4),
        nn.LeakyReLU(0.2),
    )


def select_domain(outputs: Sequence[Tensor], y: Tensor) -> Tensor:
    """Select from one output [N, C] per domain the row of each image's domain: [N, C]."""
    chosen = F.one_hot(y, len(outputs)).unsqueeze(2)  # [N, domains, 1]
    return (paddle.stack(list(outputs), axis=1) * chosen).sum(axis=1)
