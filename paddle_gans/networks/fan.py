"""The face-alignment network: where the parts of a face are in a picture."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn

from ._face_masks import LANDMARKS, FaceMasks

SIDE = 256  # pixels of the square pictures that the network is made for
DEPTH = 4  # how often the hourglass halves its maps


class FAN(nn.Layer):
    """Shows for each of 98 points of a face where it is: pictures to heat maps.

    ``forward`` takes [N, 3, 256, 256] in [0, 1] and gives [N, 99, 64, 64]: one map a landmark (of
    WFLW), high where it is, and the last one for the outlines. ``masks`` and ``landmarks`` take
    pictures in [-1, 1] and say what is in the maps. The network is frozen: it has no trainable
    parameters, and training mode leaves its statistics alone; gradients pass through to the input.
    Sources: Wang et al. 2019, "Adaptive Wing Loss" (one hourglass, CoordConv); Choi et
    al. 2020, "StarGAN v2", appendix on the architecture, and its authors' code.
    """

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            *[CoordConv(3, 64, 7, stride=2, padding=3), fixed_norm(64), nn.ReLU()],
            *[Block(64, 128), nn.AvgPool2D(2), Block(128, 128), Block(128, 256)],
            CoordConv(256, 256, 1),
        )
        self.hourglass = Hourglass(256, DEPTH)
        self.head = nn.Sequential(
            *[Block(256, 256), nn.Conv2D(256, 256, 1), fixed_norm(256), nn.ReLU()],
            nn.Conv2D(256, LANDMARKS + 1, 1),
        )
        self.resize = nn.Upsample(size=[SIDE, SIDE], mode="bilinear")
        self.to_masks = FaceMasks()
        for p in self.parameters():
            p.stop_gradient = True

    def forward(self, x):
        return self.head(self.hourglass(self.stem(x)))

    @paddle.no_grad()
    def heat(self, x: Tensor) -> Tensor:
        """The landmarks' maps [N, 98, 64, 64] of square pictures [N, 3, S, S] in [-1, 1]."""
        if list(x.shape[2:]) != [SIDE, SIDE]:
            x = self.resize(x)
        return self(x * 0.5 + 0.5)[:, :LANDMARKS]

    @paddle.no_grad()
    def masks(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Where the face is, and where nose and eyes are: [N, 1, 256, 256] in [0, 1] each.

        ``x`` are square pictures [N, 3, S, S] in [-1, 1]; no gradient passes.
        """
        return self.to_masks(self.heat(x))

    @paddle.no_grad()
    def landmarks(self, x: Tensor) -> Tensor:
        """The landmarks [N, 98, 2], (column, row) in pixels of square pictures [N, 3, S, S].

        The pixel at the upper left has its centre at (0.5, 0.5); pictures are in [-1, 1].
        """
        return peaks(self.heat(x))[0] * x.shape[2]


class Block(nn.Layer):
    """Three convolutions, each on the one before; their maps beside each other, plus the input.

    [N, in_channels, H, W] to [N, channels, H, W]. Source: Bulat and Tzimiropoulos 2017, "How far
    are we from solving the 2D & 3D Face Alignment problem?", figure 2.
    """

    def __init__(self, in_channels: int, channels: int):
        super().__init__()
        widths = [in_channels, channels // 2, channels // 4, channels // 4]
        self.steps = nn.LayerList([activated_conv(a, b, 3) for a, b in zip(widths, widths[1:])])
        same = in_channels == channels
        self.shortcut = nn.Identity() if same else activated_conv(in_channels, channels, 1)

    def forward(self, x):
        maps = [x]
        for step in self.steps:
            maps.append(step(maps[-1]))
        return paddle.concat(maps[1:], axis=1) + self.shortcut(x)


class Hourglass(nn.Layer):
    """Looks at its maps at half the size, there at half again, ``depth`` times; sizes are kept."""

    def __init__(self, channels: int, depth: int):
        super().__init__()
        self.beside = Block(channels, channels)
        self.pool = nn.AvgPool2D(2)
        self.before = Block(channels, channels)
        self.inner = Hourglass(channels, depth - 1) if depth > 1 else Block(channels, channels)
        self.after = Block(channels, channels)
        self.upsample = nn.Upsample(scale_factor=2)

    def forward(self, x):
        smaller = self.after(self.inner(self.before(self.pool(x))))
        return self.beside(x) + self.upsample(smaller)


class CoordConv(nn.Layer):
    """A convolution that also sees where it is (Liu et al. 2018): three more input channels."""

    def __init__(self, in_channels: int, channels: int, kernel_size: int, **options):
        super().__init__()
        self.conv = nn.Conv2D(in_channels + 3, channels, kernel_size, **options)

    def forward(self, x):
        n, _, height, width = x.shape
        return self.conv(paddle.concat([x, places(height, width).expand([n, -1, -1, -1])], axis=1))


def places(height: int, width: int) -> Tensor:
    """[1, 3, H, W]: row and column in [-1, 1], and the distance from the middle in [0, 1]."""
    rows, columns = paddle.meshgrid(paddle.linspace(-1, 1, height), paddle.linspace(-1, 1, width))
    distance = (rows.square() + columns.square()).sqrt()
    return paddle.stack([rows, columns, distance / distance.amax()])[None]


def peaks(heat: Tensor) -> tuple[Tensor, Tensor]:
    """Where each map is highest, [N, C, 2] as (column, row) parts of its sides, and how high.

    Heat maps are square, [N, C, H, H]. Within the border the place is moved by a quarter of a
    pixel towards the higher neighbour, in both directions. Heights are [N, C].
    """
    n, channels, side, _ = heat.shape
    flat = heat.reshape([n, channels, side * side])
    best = flat.argmax(axis=2, keepdim=True)  # [N, C, 1]
    row, column = best // side, best % side
    inside = ((row % (side - 1)) * (column % (side - 1)) > 0).astype("int64")

    def slope(step: int) -> Tensor:
        """Which neighbour is higher: -1, 0 or 1; 0 at the border."""
        after = paddle.take_along_axis(flat, best + step * inside, axis=2)
        before = paddle.take_along_axis(flat, best - step * inside, axis=2)
        return (after - before).sign()

    place = paddle.concat([column, row], axis=2).astype(heat.dtype) + 0.5
    place = place + 0.25 * paddle.concat([slope(1), slope(side)], axis=2)
    return place / side, flat.amax(axis=2)


def activated_conv(in_channels: int, channels: int, kernel_size: int) -> nn.Sequential:
    """Norm, ReLU and a convolution that keeps the size."""
    options = {"padding": kernel_size // 2, "bias_attr": False}
    conv = nn.Conv2D(in_channels, channels, kernel_size, **options)
    return nn.Sequential(fixed_norm(in_channels), nn.ReLU(), conv)


def fixed_norm(channels: int) -> nn.BatchNorm2D:
    """Batch norm that uses its own statistics, and keeps them, in training mode too."""
    return nn.BatchNorm2D(channels, use_global_stats=True)
