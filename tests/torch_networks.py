"""The networks of other people's programs in plain PyTorch, for the parity of converted weights.

Written anew after the papers and the layers' names in the files; widths are free, to be small.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


def norm_layer(kind):
    """batch; instance without parameters; affine; or instance with statistics, as before 0.4."""
    return {
        "batch": nn.BatchNorm2d,
        "instance": nn.InstanceNorm2d,
        "affine": lambda channels: nn.InstanceNorm2d(channels, affine=True),
        "old": lambda channels: nn.InstanceNorm2d(channels, track_running_stats=True),
    }[kind]


class UNetLevel(nn.Module):
    def __init__(self, outer, inner, inside, norm, *, pictures=None, out=None, dropout=False):
        super().__init__()
        bias, self.outermost = norm != "batch", pictures is not None
        norm = norm_layer(norm)
        down = nn.Conv2d(pictures or outer, inner, 4, 2, 1, bias=bias)
        width = inner if inside is None else 2 * inner
        if self.outermost:
            up = nn.ConvTranspose2d(width, out, 4, 2, 1)
            layers = [down, inside, nn.ReLU(), up, nn.Tanh()]
        else:
            up = nn.ConvTranspose2d(width, outer, 4, 2, 1, bias=bias)
            layers = [nn.LeakyReLU(0.2), down]
            layers += [norm(inner), inside] if inside is not None else []
            layers += [nn.ReLU(), up, norm(outer)] + ([nn.Dropout(0.5)] if dropout else [])
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


class UNet(nn.Module):
    def __init__(self, d, depth, norm="batch", channels=3, dropout=True):
        super().__init__()
        level = UNetLevel(8 * d, 8 * d, None, norm)
        for _ in range(depth - 5):
            level = UNetLevel(8 * d, 8 * d, level, norm, dropout=dropout)
        for i in (4, 2, 1):
            level = UNetLevel(i * d, 2 * i * d, level, norm)
        self.model = UNetLevel(None, d, level, norm, pictures=channels, out=3)

    def forward(self, x):
        return self.model(x)


class Block(nn.Module):
    """A residual block whose list is called ``name``."""

    def __init__(self, d, norm, name, dropout=False):
        super().__init__()
        noise = [nn.Dropout(0.5)] if dropout else []
        layers = []
        for more in ([nn.ReLU(), *noise], []):
            conv = nn.Conv2d(d, d, 3, bias=norm != "batch")
            layers += [nn.ReflectionPad2d(1), conv, norm_layer(norm)(d), *more]
        self.name = name
        self.add_module(name, nn.Sequential(*layers))

    def forward(self, x):
        return x + getattr(self, self.name)(x)


class Blur(nn.Module):
    """CUT's filter of ``channels``: halves the sides, or doubles them with ``up``."""

    def __init__(self, channels, up=False):
        super().__init__()
        line, self.up = torch.tensor([1.0, 3, 3, 1] if up else [1.0, 2, 1]), up
        self.register_buffer("filt", (torch.outer(line, line) / 16).repeat(channels, 1, 1, 1))

    def forward(self, x):
        x = F.pad(x, (1, 1, 1, 1), "replicate" if self.up else "reflect")
        if not self.up:
            return F.conv2d(x, self.filt, stride=2, groups=x.shape[1])
        return F.conv_transpose2d(x, self.filt, None, 2, 2, groups=x.shape[1])[..., 1:-1, 1:-1]


class ResNet(nn.Module):
    """``upsample`` is PyTorch-GAN's nearest neighbour and convolution; else a transposed one.

    ``blur`` is CUT's; ``name`` is that of the blocks' list.
    """

    def __init__(
        self, d, blocks, norm="instance", *, upsample=False, dropout=False, channels=3,
        blur=False, name=None,
    ):  # fmt: skip
        super().__init__()
        bias, make = norm != "batch", norm_layer(norm)
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(channels, d, 7, bias=bias), make(d), nn.ReLU()]
        for i in (1, 2):
            conv = nn.Conv2d(i * d, 2 * i * d, 3, 1 if blur else 2, 1, bias=bias)
            layers += [conv, make(2 * i * d), nn.ReLU(), *([Blur(2 * i * d)] if blur else [])]
        name = name or ("block" if upsample else "conv_block")
        layers += [Block(4 * d, norm, name, dropout) for _ in range(blocks)]
        for i in (4, 2):
            if upsample or blur:
                up = Blur(i * d, up=True) if blur else nn.Upsample(scale_factor=2)
                layers += [up, nn.Conv2d(i * d, i * d // 2, 3, 1, 1)]
            else:
                up = nn.ConvTranspose2d(i * d, i * d // 2, 3, 2, 1, output_padding=1, bias=bias)
                layers += [up]
            layers += [make(i * d // 2), nn.ReLU()]
        self.model = nn.Sequential(
            *layers, nn.ReflectionPad2d(3), nn.Conv2d(d, channels, 7), nn.Tanh()
        )

    def forward(self, x):
        return self.model(x)


class PatchGAN(nn.Module):
    """``even`` is PyTorch-GAN's: four strides of 2, a padded last convolution; ``blur`` CUT's."""

    def __init__(self, d, channels, norm, layers=3, even=False, blur=False):
        super().__init__()
        model = [nn.Conv2d(channels, d, 4, 1 if blur else 2, 1), nn.LeakyReLU(0.2)]
        for i in range(layers):
            model += [Blur(d * 2**i)] if blur else []
            stride = 2 if even or i < layers - 1 else 1
            stride = 1 if blur else stride
            conv = nn.Conv2d(d * 2**i, d * 2 ** (i + 1), 4, stride, 1, bias=norm != "batch")
            model += [conv, norm_layer(norm)(d * 2 ** (i + 1)), nn.LeakyReLU(0.2)]
        model += [nn.ZeroPad2d((1, 0, 1, 0))] if even else []
        self.model = nn.Sequential(*model, nn.Conv2d(d * 2**layers, 1, 4, 1, 1))

    def forward(self, x):
        return self.model(x)


class DCGAN(nn.Module):
    """The generator of PyTorch's tutorial: [N, z] to images of ``size`` pixels; or its judge."""

    def __init__(self, d, z=None, *, size=64, channels=3):
        super().__init__()
        layers, width = [], d * size // 8
        conv = nn.ConvTranspose2d if z else nn.Conv2d
        steps = [(z, width, 1, 0)] if z else [(channels, d, 2, 1)]
        widths = [d * 2**i for i in range((size // 8).bit_length())]
        widths = widths[::-1] if z else widths
        steps += [(a, b, 2, 1) for a, b in zip(widths, widths[1:])]
        steps += [(d, channels, 2, 1)] if z else [(width, 1, 1, 0)]
        for i, (a, b, stride, padding) in enumerate(steps):
            norm = [nn.BatchNorm2d(b)] if i > 0 or z else []
            last = [nn.ReLU() if z else nn.LeakyReLU(0.2)]
            layers += [conv(a, b, 4, stride, padding, bias=False)]
            layers += [*norm, *last] if i < len(steps) - 1 else [nn.Tanh() if z else nn.Flatten()]
        self.main = nn.Sequential(*layers)

    def forward(self, x):
        return self.main(x[..., None, None] if x.ndim == 2 else x)


class ResBlk(nn.Module):
    def __init__(self, a, b, norm=False, down=False):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(a, a, 3, 1, 1), nn.Conv2d(a, b, 3, 1, 1)
        self.down = down
        if norm:
            self.norm1 = nn.InstanceNorm2d(a, affine=True)
            self.norm2 = nn.InstanceNorm2d(a, affine=True)
        self.normed = norm
        if a != b:
            self.conv1x1 = nn.Conv2d(a, b, 1, bias=False)

    def forward(self, x):
        h = self.conv1(F.leaky_relu(self.norm1(x) if self.normed else x, 0.2))
        h = F.avg_pool2d(h, 2) if self.down else h
        h = self.conv2(F.leaky_relu(self.norm2(h) if self.normed else h, 0.2))
        x = self.conv1x1(x) if hasattr(self, "conv1x1") else x
        return ((F.avg_pool2d(x, 2) if self.down else x) + h) / 2**0.5


class AdaIN(nn.Module):
    def __init__(self, style_dim, d):
        super().__init__()
        self.fc = nn.Linear(style_dim, 2 * d)

    def forward(self, x, s):
        scale, shift = self.fc(s)[:, :, None, None].chunk(2, dim=1)
        return (1 + scale) * F.instance_norm(x) + shift


class AdainResBlk(nn.Module):
    def __init__(self, a, b, style_dim, w_hpf, up=False):
        super().__init__()
        self.norm1, self.norm2 = AdaIN(style_dim, a), AdaIN(style_dim, b)
        self.conv1, self.conv2 = nn.Conv2d(a, b, 3, 1, 1), nn.Conv2d(b, b, 3, 1, 1)
        if a != b:
            self.conv1x1 = nn.Conv2d(a, b, 1, bias=False)
        self.up, self.w_hpf = up, w_hpf

    def forward(self, x, s):
        grow = (lambda y: F.interpolate(y, scale_factor=2)) if self.up else (lambda y: y)
        h = self.conv1(grow(F.leaky_relu(self.norm1(x, s), 0.2)))
        h = self.conv2(F.leaky_relu(self.norm2(h, s), 0.2))
        if self.w_hpf:
            return h
        x = grow(x)
        return (h + (self.conv1x1(x) if hasattr(self, "conv1x1") else x)) / 2**0.5


class StarGenerator(nn.Module):
    def __init__(self, d, size, style_dim, w_hpf, most):
        super().__init__()
        self.w_hpf = w_hpf
        self.from_rgb = nn.Conv2d(3, d, 3, 1, 1)
        self.to_rgb = nn.Sequential(
            nn.InstanceNorm2d(d, affine=True), nn.LeakyReLU(0.2), nn.Conv2d(d, 3, 1)
        )
        self.encode, self.decode = nn.ModuleList(), nn.ModuleList()
        for _ in range(size.bit_length() - 5 + (w_hpf > 0)):
            b = min(2 * d, most)
            self.encode.append(ResBlk(d, b, norm=True, down=True))
            self.decode.insert(0, AdainResBlk(b, d, style_dim, w_hpf, up=True))
            d = b
        for _ in range(2):
            self.encode.append(ResBlk(d, d, norm=True))
            self.decode.insert(0, AdainResBlk(d, d, style_dim, w_hpf))

    def forward(self, x, s, masks=None):
        x, kept = self.from_rgb(x), {}
        for block in self.encode:
            kept[x.shape[2]] = x
            x = block(x)
        for block in self.decode:
            x = block(x, s)
            side = x.shape[2]
            if masks is not None and side in (32, 64, 128):
                mask = F.interpolate(masks[0 if side == 32 else 1], size=side, mode="bilinear")
                kernel = -torch.ones(3, 3)
                kernel[1, 1] = 8
                weight = (kernel / self.w_hpf).expand(x.shape[1], 1, 3, 3)
                x = x + F.conv2d(mask * kept[side], weight, padding=1, groups=x.shape[1])
        return self.to_rgb(x)


class Mapping(nn.Module):
    def __init__(self, latent, style_dim, domains, hidden):
        super().__init__()
        shared = [nn.Linear(latent, hidden), nn.ReLU()]
        for _ in range(3):
            shared += [nn.Linear(hidden, hidden), nn.ReLU()]
        self.shared, self.unshared = nn.Sequential(*shared), nn.ModuleList()
        for _ in range(domains):
            head = []
            for _ in range(3):
                head += [nn.Linear(hidden, hidden), nn.ReLU()]
            self.unshared.append(nn.Sequential(*head, nn.Linear(hidden, style_dim)))

    def forward(self, z, y):
        return torch.stack([head(self.shared(z)) for head in self.unshared], 1)[range(len(y)), y]


def star_trunk(d, size, most):
    layers = [nn.Conv2d(3, d, 3, 1, 1)]
    for _ in range(size.bit_length() - 3):
        b = min(2 * d, most)
        layers, d = [*layers, ResBlk(d, b, down=True)], b
    return [*layers, nn.LeakyReLU(0.2), nn.Conv2d(d, d, 4), nn.LeakyReLU(0.2)], d


class StyleEncoder(nn.Module):
    def __init__(self, d, size, style_dim, domains, most):
        super().__init__()
        layers, width = star_trunk(d, size, most)
        self.shared = nn.Sequential(*layers)
        self.unshared = nn.ModuleList([nn.Linear(width, style_dim) for _ in range(domains)])

    def forward(self, x, y):
        h = self.shared(x).flatten(1)
        return torch.stack([head(h) for head in self.unshared], 1)[range(len(y)), y]


class StarDiscriminator(nn.Module):
    def __init__(self, d, size, domains, most):
        super().__init__()
        layers, width = star_trunk(d, size, most)
        self.main = nn.Sequential(*layers, nn.Conv2d(width, domains, 1))

    def forward(self, x, y):
        return self.main(x).flatten(1)[range(len(y)), y]


def shaken(network, seed=0):
    """The network with weights, statistics, scales and shifts that are all different."""
    torch.manual_seed(seed)
    for name, x in network.state_dict().items():
        if name.endswith("running_var"):
            x.uniform_(0.3, 2)
        elif x.is_floating_point() and not name.endswith("filt"):
            fan_in = x[0].numel() if x.ndim > 1 else 1
            spread = torch.randn_like(x) / fan_in**0.5
            one = x.ndim == 1 and name.endswith("weight")
            x.copy_(1 + 0.2 * spread if one else spread if x.ndim > 1 else 0.2 * spread)
    return network.eval()
