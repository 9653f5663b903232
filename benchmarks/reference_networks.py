"""The articles' networks in plain PyTorch: what step.py --against torch runs beside ours.

Layers, sizes and order are those of the articles; nothing is tuned, and nothing is imported from
paddle_gans.
"""

from __future__ import annotations

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

instance_norm = nn.InstanceNorm2d  # without scale and shift, PyTorch's default


def layers(*parts) -> nn.Sequential:
    """A Sequential of layers, and of lists of layers."""
    flat = [layer for part in parts for layer in (part if isinstance(part, list) else [part])]
    return nn.Sequential(*flat)


class DigitGenerator(nn.Module):
    """DCGAN's: noise [N, 100] to [N, 1, 28, 28]."""

    def __init__(self, size=28, base_dim=64, fc_dim=2048):
        super().__init__()
        d, side = base_dim * 2, size // 4
        up = partial(nn.ConvTranspose2d, kernel_size=5, stride=2, padding=2, output_padding=1)
        self.flat = layers(
            [nn.Linear(100, fc_dim), nn.BatchNorm1d(fc_dim), nn.ReLU()],
            [nn.Linear(fc_dim, d * side**2), nn.BatchNorm1d(d * side**2), nn.ReLU()],
        )
        self.maps = layers(nn.Unflatten(1, (d, side, side)), up(d, d), nn.ReLU(), up(d, 1))

    def forward(self, z):
        return torch.tanh(self.maps(self.flat(z)))


def digit_discriminator(size=28, base_dim=64, fc_dim=1024) -> nn.Module:
    """DCGAN's: [N, 1, 28, 28] to logits [N, 1]."""
    d, side = base_dim, ((size - 4) // 2 - 4) // 2
    return layers(
        [nn.Conv2d(1, d, 5), nn.LeakyReLU(0.02), nn.MaxPool2d(2)],
        [nn.Conv2d(d, d * 2, 5), nn.MaxPool2d(2), nn.BatchNorm2d(d * 2), nn.LeakyReLU(0.02)],
        [nn.Flatten(), nn.Linear(d * 2 * side**2, fc_dim)],
        [nn.BatchNorm1d(fc_dim), nn.LeakyReLU(0.02), nn.Linear(fc_dim, 1)],
    )


class Residual(nn.Module):
    """Two 3x3 convolutions beside the identity."""

    def __init__(self, width, norm, bias):
        super().__init__()
        conv = partial(nn.Conv2d, width, width, 3, bias=bias)
        pad = partial(nn.ReflectionPad2d, 1)
        self.inner = layers([pad(), conv(), norm(width), nn.ReLU()], [pad(), conv(), norm(width)])

    def forward(self, x):
        return x + self.inner(x)


def resnet_generator(base_dim, blocks, *, norm, bias, upsamples) -> nn.Module:
    """pix2pix's and CycleGAN's: [N, 3, H, W] to the same; ``upsamples`` or transposes."""
    d = base_dim
    conv = partial(nn.Conv2d, bias=bias)

    def up(a, b):
        if upsamples:
            way = [nn.Upsample(scale_factor=2), conv(a, b, 3, padding=1)]
        else:
            way = [nn.ConvTranspose2d(a, b, 3, stride=2, padding=1, bias=bias)]
        # The article of pix2pix completes 2n - 1 to 2n after the activation.
        return [*way, norm(b), nn.ReLU()] + ([] if upsamples else [nn.ZeroPad2d((0, 1, 0, 1))])

    return layers(
        [nn.ReflectionPad2d(3), conv(3, d, 7), norm(d), nn.ReLU()],
        [conv(d, d * 2, 3, stride=2, padding=1), norm(d * 2), nn.ReLU()],
        [conv(d * 2, d * 4, 3, stride=2, padding=1), norm(d * 4), nn.ReLU()],
        [Residual(d * 4, norm, bias) for _ in range(blocks)],
        up(d * 4, d * 2),
        up(d * 2, d),
        [nn.ReflectionPad2d(3), nn.Conv2d(d, 3, 7), nn.Tanh()],
    )


def pair_discriminator(base_dim) -> nn.Module:
    """pix2pix's: A and B [N, 6, H, W] to a map of logits."""
    d = base_dim
    conv = partial(nn.Conv2d, kernel_size=4, padding=1)
    norm = partial(nn.InstanceNorm2d, affine=True)
    return layers(
        [conv(6, d, stride=2), norm(d), nn.LeakyReLU(0.2)],
        [conv(d, d * 2, stride=2, bias=False), norm(d * 2), nn.LeakyReLU(0.2)],
        [conv(d * 2, d * 4, stride=2, bias=False), norm(d * 4), nn.LeakyReLU(0.2)],
        [conv(d * 4, d * 8, bias=False), norm(d * 8), nn.LeakyReLU(0.2), conv(d * 8, 1)],
    )


def patch_discriminator(base_dim) -> nn.Module:
    """CycleGAN's: [N, 3, H, W] to a map of scores."""
    d = base_dim
    down = partial(nn.Conv2d, kernel_size=4, stride=2, padding=1)
    return layers(
        [down(3, d), nn.LeakyReLU(0.2)],
        [down(d, d * 2), instance_norm(d * 2), nn.LeakyReLU(0.2)],
        [down(d * 2, d * 4), instance_norm(d * 4), nn.LeakyReLU(0.2)],
        [down(d * 4, d * 8), instance_norm(d * 8), nn.LeakyReLU(0.2)],
        [nn.ZeroPad2d((1, 0, 1, 0)), nn.Conv2d(d * 8, 1, 4, padding=1)],
    )


class BlurDown(nn.Module):
    """The filter 1, 2, 1 in both directions, and every second pixel, as one convolution."""

    def __init__(self):
        super().__init__()
        line = torch.tensor([1.0, 2.0, 1.0])
        self.register_buffer("kernel", torch.outer(line, line) / 16, persistent=False)

    def forward(self, x):
        kernel = self.kernel.expand(x.shape[1], 1, 3, 3)
        return F.conv2d(F.pad(x, (1, 1, 1, 1), "reflect"), kernel, stride=2, groups=x.shape[1])


class BlurUp(nn.Module):
    """Zeros between the pixels, and the filter 1, 3, 3, 1 in both directions."""

    def __init__(self):
        super().__init__()
        line = torch.tensor([1.0, 3.0, 3.0, 1.0])
        self.register_buffer("kernel", torch.outer(line, line) / 16, persistent=False)

    def forward(self, x):
        kernel, x = self.kernel.expand(x.shape[1], 1, 4, 4), F.pad(x, (1, 1, 1, 1), "replicate")
        wide = F.conv_transpose2d(x, kernel, stride=2, padding=2, groups=x.shape[1])
        return wide[:, :, 1:-1, 1:-1]


class BlurredGenerator(nn.Module):
    """CUT's: [N, 3, H, W] to the same; ``features`` are the inner maps that are compared."""

    def __init__(self, base_dim, blocks):
        super().__init__()
        d, norm = base_dim, instance_norm
        conv = partial(nn.Conv2d, kernel_size=3, padding=1)
        self.model = layers(
            [nn.ReflectionPad2d(3), nn.Conv2d(3, d, 7), norm(d), nn.ReLU()],
            [conv(d, d * 2), norm(d * 2), nn.ReLU(), BlurDown()],
            [conv(d * 2, d * 4), norm(d * 4), nn.ReLU(), BlurDown()],
            [Residual(d * 4, norm, True) for _ in range(blocks)],
            [BlurUp(), conv(d * 4, d * 2), norm(d * 2), nn.ReLU()],
            [BlurUp(), conv(d * 2, d), norm(d), nn.ReLU()],
            [nn.ReflectionPad2d(3), nn.Conv2d(d, 3, 7), nn.Tanh()],
        )
        self.kept = (0, 4, 8, 12, 16)
        self.channels = (3, d * 2, d * 4, d * 4, d * 4)

    def forward(self, x):
        return self.model(x)

    def features(self, x):
        maps = [x := layer(x) for layer in self.model[: self.kept[-1] + 1]]
        return [maps[i] for i in self.kept]


def blurred_discriminator(base_dim) -> nn.Module:
    """CUT's, the 70x70 PatchGAN: [N, 3, H, W] to a map of scores."""
    d, norm = base_dim, instance_norm
    conv = partial(nn.Conv2d, kernel_size=4, padding=1)
    return layers(
        [conv(3, d), nn.LeakyReLU(0.2), BlurDown()],
        [conv(d, d * 2), norm(d * 2), nn.LeakyReLU(0.2), BlurDown()],
        [conv(d * 2, d * 4), norm(d * 4), nn.LeakyReLU(0.2), BlurDown()],
        [conv(d * 4, d * 8), norm(d * 8), nn.LeakyReLU(0.2), conv(d * 8, 1)],
    )


def projections(channels, width) -> nn.Module:
    """CUT's H: two linear layers for each map."""
    return nn.ModuleList(
        [layers(nn.Linear(c, width), nn.ReLU(), nn.Linear(width, width)) for c in channels]
    )


def lab_discriminator(base_dim) -> nn.Module:
    """Colorization's, the 70x70 PatchGAN: Lab [N, 3, H, W] to a map of logits."""
    d = base_dim
    conv = partial(nn.Conv2d, kernel_size=4, padding=1)
    middle = [(d, d * 2, 2), (d * 2, d * 4, 2), (d * 4, d * 8, 1)]
    return layers(
        [conv(3, d, stride=2), nn.LeakyReLU(0.2)],
        *(
            [conv(a, b, stride=stride, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2)]
            for a, b, stride in middle
        ),
        conv(d * 8, 1),
    )


# Colorization's dynamic U-Net on a ResNet-18.


class BasicBlock(nn.Module):
    """Of the ResNet: two 3x3 convolutions beside a shortcut."""

    def __init__(self, a, b, stride=1):
        super().__init__()
        conv = partial(nn.Conv2d, kernel_size=3, padding=1, bias=False)
        self.inner = layers(
            [conv(a, b, stride=stride), nn.BatchNorm2d(b), nn.ReLU()],
            [conv(b, b), nn.BatchNorm2d(b)],
        )
        projects = [nn.Conv2d(a, b, 1, stride=stride, bias=False), nn.BatchNorm2d(b)]
        self.shortcut = layers(projects if a != b else nn.Identity())

    def forward(self, x):
        return F.relu(self.inner(x) + self.shortcut(x))


class Up(nn.Module):
    """Sub-pixel upsampling, joined to a map of the encoder."""

    def __init__(self, a, skip, b):
        super().__init__()
        self.up = layers([nn.Conv2d(a, a // 2 * 4, 1), nn.ReLU(), nn.PixelShuffle(2)])
        self.norm = nn.BatchNorm2d(skip)
        conv = partial(nn.Conv2d, kernel_size=3, padding=1)
        self.out = layers([nn.ReLU(), conv(a // 2 + skip, b), nn.ReLU(), conv(b, b), nn.ReLU()])

    def forward(self, x, skip):
        return self.out(torch.cat([self.up(x), self.norm(skip)], 1))


class DynamicUNet(nn.Module):
    """Lightness [N, 1, H, W] to ab [N, 2, H, W]; sides divide by 32."""

    def __init__(self, base_dim):
        super().__init__()
        d = base_dim
        widths = [d, d, d * 2, d * 4, d * 8]
        conv = partial(nn.Conv2d, kernel_size=3, padding=1)
        stem = [nn.Conv2d(1, d, 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(d), nn.ReLU()]
        first = [nn.MaxPool2d(3, stride=2, padding=1), BasicBlock(d, d), BasicBlock(d, d)]
        deeper = [[BasicBlock(a, b, 2), BasicBlock(b, b)] for a, b in zip(widths[1:-1], widths[2:])]
        self.encoder = nn.ModuleList(map(layers, [stem, first, *deeper]))
        deepest = widths[-1]
        self.middle = layers(
            [nn.BatchNorm2d(deepest), nn.ReLU(), conv(deepest, deepest * 2), nn.ReLU()],
            [conv(deepest * 2, deepest), nn.ReLU()],
        )
        ups, width = [], deepest
        for i in (3, 2, 1, 0):
            joined = width // 2 + widths[i]
            ups.append(Up(width, widths[i], joined if i else joined // 2))
            width = joined if i else joined // 2
        self.ups = nn.ModuleList(ups)
        self.last = layers([nn.Conv2d(width, width * 4, 1), nn.ReLU(), nn.PixelShuffle(2)])
        width += 1
        self.block = layers([conv(width, width), nn.ReLU(), conv(width, width)])
        self.head = nn.Conv2d(width, 2, 1)

    def forward(self, x):
        maps, h = [], x
        for stage in self.encoder:
            h = stage(h)
            maps.append(h)
        h = self.middle(maps.pop())
        for up in self.ups:
            h = up(h, maps.pop())
        h = torch.cat([self.last(h), x], 1)
        return self.head(F.relu(h + self.block(h)))


# StarGAN v2's four.


def dims_of(size, base_dim, max_dim) -> list[int]:
    """Channels at each size of map, down to 4 pixels."""
    return [min(base_dim * 2**i, max_dim) for i in range(int(math.log2(size)) - 1)]


class ResBlk(nn.Module):
    """Pre-activation residual block."""

    def __init__(self, a, b, norm=False, down=False):
        super().__init__()
        affine = partial(nn.InstanceNorm2d, a, affine=True) if norm else nn.Identity
        pool = nn.AvgPool2d(2) if down else nn.Identity()
        first = [affine(), nn.LeakyReLU(0.2), nn.Conv2d(a, a, 3, padding=1), pool]
        self.inner = layers(first, [affine(), nn.LeakyReLU(0.2), nn.Conv2d(a, b, 3, padding=1)])
        self.shortcut = layers([nn.Conv2d(a, b, 1, bias=False) if a != b else nn.Identity(), pool])

    def forward(self, x):
        return (self.shortcut(x) + self.inner(x)) / math.sqrt(2)


class AdaIN(nn.Module):
    """Instance norm with scale and shift from a style."""

    def __init__(self, style_dim, width):
        super().__init__()
        self.norm, self.affine = nn.InstanceNorm2d(width), nn.Linear(style_dim, width * 2)

    def forward(self, x, s):
        scale, shift = self.affine(s)[:, :, None, None].chunk(2, 1)
        return (1 + scale) * self.norm(x) + shift


class AdaINResBlk(nn.Module):
    """Residual block with AdaIN."""

    def __init__(self, a, b, style_dim, up=False):
        super().__init__()
        self.norm1, self.norm2 = AdaIN(style_dim, a), AdaIN(style_dim, b)
        self.conv1, self.conv2 = nn.Conv2d(a, b, 3, padding=1), nn.Conv2d(b, b, 3, padding=1)
        self.shortcut = nn.Conv2d(a, b, 1, bias=False) if a != b else nn.Identity()
        self.up = nn.Upsample(scale_factor=2) if up else nn.Identity()

    def forward(self, x, s):
        h = self.conv1(self.up(F.leaky_relu(self.norm1(x, s), 0.2)))
        h = self.conv2(F.leaky_relu(self.norm2(h, s), 0.2))
        return (self.shortcut(self.up(x)) + h) / math.sqrt(2)


class StyledGenerator(nn.Module):
    """G(x, s), without the high-pass skips."""

    def __init__(self, dims, style_dim=64):
        super().__init__()
        dims = dims[:-2]
        pairs, wide = list(zip(dims, dims[1:])), dims[-1]
        self.encode = layers(
            nn.Conv2d(3, dims[0], 3, padding=1),
            [ResBlk(a, b, norm=True, down=True) for a, b in pairs],
            [ResBlk(wide, wide, norm=True) for _ in range(2)],
        )
        up = [AdaINResBlk(b, a, style_dim, up=True) for a, b in reversed(pairs)]
        self.decode = nn.ModuleList([AdaINResBlk(wide, wide, style_dim) for _ in range(2)] + up)
        norm = nn.InstanceNorm2d(dims[0], affine=True)
        self.to_rgb = layers([norm, nn.LeakyReLU(0.2), nn.Conv2d(dims[0], 3, 1)])

    def forward(self, x, s):
        x = self.encode(x)
        for block in self.decode:
            x = block(x, s)
        return self.to_rgb(x)


class ByDomain(nn.Module):
    """A shared trunk and an output a domain: of style encoder, discriminator, mapping network."""

    def __init__(self, trunk, heads):
        super().__init__()
        self.trunk, self.heads = trunk, nn.ModuleList(heads)

    def forward(self, x, y):
        h = self.trunk(x).flatten(1)
        found = torch.stack([head(h) for head in self.heads], 1)
        return found[torch.arange(len(y)), y]


def to_a_vector(dims) -> nn.Sequential:
    """Images to [N, dims[-1], 1, 1]."""
    down = [ResBlk(a, b, down=True) for a, b in zip(dims, dims[1:])]
    last = [nn.LeakyReLU(0.2), nn.Conv2d(dims[-1], dims[-1], 4), nn.LeakyReLU(0.2)]
    return layers(nn.Conv2d(3, dims[0], 3, padding=1), down, last)


def mapping_network(domains, hidden_dim, latent_dim=16, style_dim=64) -> nn.Module:
    """F_y(z)."""

    def dense(a):
        return [nn.Linear(a, hidden_dim), nn.ReLU()]

    wide = [layer for _ in range(3) for layer in dense(hidden_dim)]
    heads = []
    for _ in range(domains):
        deep = [layer for _ in range(3) for layer in dense(hidden_dim)]
        heads.append(layers(deep, nn.Linear(hidden_dim, style_dim)))
    return ByDomain(layers(dense(latent_dim), wide), heads)
