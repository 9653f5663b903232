"""ResNet-18 and -34 as encoders, which return feature maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from paddle import Tensor, nn

from .init import normal_init

WIDTH = 64  # channels of the stem of the published, pretrained networks


class BasicBlock(nn.Layer):
    """Two 3x3 convolutions and a shortcut; [N, C, H, W] to [N, width, H/stride, W/stride]."""

    def __init__(self, channels: int, width: int, stride: int = 1):
        super().__init__()
        conv = partial(nn.Conv2D, kernel_size=3, padding=1, bias_attr=False)
        self.conv1, self.bn1 = conv(channels, width, stride=stride), nn.BatchNorm2D(width)
        self.conv2, self.bn2 = conv(width, width), nn.BatchNorm2D(width)
        self.relu = nn.ReLU()
        changes = stride != 1 or channels != width
        self.downsample = nn.Sequential(
            nn.Conv2D(channels, width, 1, stride=stride, bias_attr=False), nn.BatchNorm2D(width)
        ) if changes else nn.Identity()  # fmt: skip

    def forward(self, x):
        h = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(h)) + self.downsample(x))


class ResNet(nn.Layer):
    """The residual network of He et al. 2016 (table 1, basic blocks), without its classifier.

    Maps [N, in_channels, H, W] of any size to five feature maps of ``widths`` channels: after the
    stem's ReLU (base_dim channels, 1/2 of the sides) and after each stage (base_dim x 1, 2, 4 and
    8; 1/4 to 1/32), sides rounded up. Layers have the names of ``paddle.vision.models``, so its
    weights can be loaded; see ``from_vision``.
    """

    def __init__(self, blocks: Sequence[int], in_channels: int = 1, base_dim: int = WIDTH):
        super().__init__()
        self.in_channels = in_channels
        self.widths = [base_dim, base_dim, base_dim * 2, base_dim * 4, base_dim * 8]
        self.conv1 = nn.Conv2D(in_channels, base_dim, 7, stride=2, padding=3, bias_attr=False)
        self.bn1, self.relu = nn.BatchNorm2D(base_dim), nn.ReLU()
        self.pool = nn.MaxPool2D(3, stride=2, padding=1)
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            stage(self.widths[i], self.widths[i + 1], count, stride=1 if i == 0 else 2)
            for i, count in enumerate(blocks)
        )
        normal_init(self)

    def forward(self, x) -> list[Tensor]:
        maps = [self.relu(self.bn1(self.conv1(x)))]  # [N, d, H/2, W/2]
        x = self.pool(maps[0])
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            maps.append(x)
        return maps


def stage(channels: int, width: int, count: int, stride: int) -> nn.Sequential:
    """Return ``count`` blocks; the first one changes width and size."""
    first = BasicBlock(channels, width, stride)
    return nn.Sequential(first, *[BasicBlock(width, width) for _ in range(count - 1)])


resnet18 = partial(ResNet, (2, 2, 2, 2))
resnet34 = partial(ResNet, (3, 4, 6, 3))


def from_vision(arrays: Mapping[str, np.ndarray], in_channels: int) -> dict[str, np.ndarray]:
    """Convert the state of ``paddle.vision.models``' network to the encoder's.

    Drops the classifier. For one input channel, sums the stem's kernel over R, G and B: a grey
    image then gives the same features as in RGB.
    """
    state = {name: array for name, array in arrays.items() if not name.startswith("fc.")}
    stem = state.get("conv1.weight")
    if in_channels == 1 and stem is not None and stem.ndim == 4:
        state["conv1.weight"] = stem.sum(axis=1, keepdims=True)
    return state
