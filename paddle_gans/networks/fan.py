"""The face-alignment network (FAN) and the masks that StarGAN v2 makes of its heat maps."""

from __future__ import annotations

from typing import NamedTuple

import paddle
from paddle import Tensor, nn

LANDMARKS = 98
MASK_SIDE = 256  # pixels
MIN_HEAT = 0.1  # lower values are noise
SIDE = 256  # pixels of the square images that the network was trained on
DEPTH = 4  # how often the hourglass halves its maps


class FAN(nn.Layer):
    """Locate 98 landmarks of a face (those of WFLW), as heat maps.

    ``forward`` maps [N, 3, 256, 256] in [0, 1] to [N, 99, 64, 64]: one heat map for each landmark,
    and the last one for the outlines. ``masks`` and ``landmarks`` take images in [-1, 1] and
    evaluate the maps. The network is frozen: it has no trainable parameters, and training mode
    does not change its statistics; gradients pass through to the input.
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
        """Return the landmarks' heat maps [N, 98, 64, 64] of images [N, 3, S, S] in [-1, 1]."""
        if list(x.shape[2:]) != [SIDE, SIDE]:
            x = self.resize(x)
        return self(x * 0.5 + 0.5)[:, :LANDMARKS]

    @paddle.no_grad()
    def masks(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return masks of the face, and of nose and eyes: [N, 1, 256, 256] in [0, 1] each.

        ``x`` are square images [N, 3, S, S] in [-1, 1]; no gradient passes.
        """
        return self.to_masks(self.heat(x))

    @paddle.no_grad()
    def landmarks(self, x: Tensor) -> Tensor:
        """Return the landmarks [N, 98, 2], (column, row) in pixels of images [N, 3, S, S].

        The centre of the upper left pixel is (0.5, 0.5); images are square, in [-1, 1].
        """
        return peaks(self.heat(x))[0] * x.shape[2]


class Block(nn.Layer):
    """Three convolutions in sequence, whose concatenated outputs are added to the input.

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
    """Process maps at 1, 1/2, 1/4 ... of their size, halved ``depth`` times; keeps the shape."""

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
    """A convolution with three more input channels, the coordinates (Liu et al. 2018)."""

    def __init__(self, in_channels: int, channels: int, kernel_size: int, **options):
        super().__init__()
        self.conv = nn.Conv2D(in_channels + 3, channels, kernel_size, **options)

    def forward(self, x):
        n, _, height, width = x.shape
        return self.conv(paddle.concat([x, places(height, width).expand([n, -1, -1, -1])], axis=1))


def places(height: int, width: int) -> Tensor:
    """Return [1, 3, H, W]: row and column in [-1, 1], distance from the centre in [0, 1]."""
    rows, columns = paddle.meshgrid(paddle.linspace(-1, 1, height), paddle.linspace(-1, 1, width))
    distance = (rows.square() + columns.square()).sqrt()
    return paddle.stack([rows, columns, distance / distance.amax()])[None]


def peaks(heat: Tensor) -> tuple[Tensor, Tensor]:
    """Return each map's maximum: its place [N, C, 2], (column, row) / side, and its value [N, C].

    Heat maps are square, [N, C, H, H]. Inside the border, the place is moved by a quarter of a
    pixel towards the higher neighbour, in both directions.
    """
    n, channels, side, _ = heat.shape
    flat = heat.reshape([n, channels, side * side])
    best = flat.argmax(axis=2, keepdim=True)  # [N, C, 1]
    row, column = best // side, best % side
    inside = ((row % (side - 1)) * (column % (side - 1)) > 0).astype("int64")

    def slope(step: int) -> Tensor:
        """Return which neighbour is higher: -1, 0 or 1; 0 at the border."""
        after = paddle.take_along_axis(flat, best + step * inside, axis=2)
        before = paddle.take_along_axis(flat, best - step * inside, axis=2)
        return (after - before).sign()

    place = paddle.concat([column, row], axis=2).astype(heat.dtype) + 0.5
    place = place + 0.25 * paddle.concat([slope(1), slope(side)], axis=2)
    return place / side, flat.amax(axis=2)


def activated_conv(in_channels: int, channels: int, kernel_size: int) -> nn.Sequential:
    """Return norm, ReLU and a convolution that keeps the size."""
    options = {"padding": kernel_size // 2, "bias_attr": False}
    conv = nn.Conv2D(in_channels, channels, kernel_size, **options)
    return nn.Sequential(fixed_norm(in_channels), nn.ReLU(), conv)


def fixed_norm(channels: int) -> nn.BatchNorm2D:
    """Return batch norm that never updates its statistics, not even in training mode."""
    return nn.BatchNorm2D(channels, use_global_stats=True)


class Part(NamedTuple):
    """Landmarks that the masks treat alike."""

    name: str
    first: int
    last: int  # included
    moves: tuple[tuple[int, int], ...]  # (rows down, power) of each copy that is added
    in_detail: bool  # whether they belong to the second mask, of nose and eyes


# A power shrinks a spot; a move shifts it into the part whose edge the landmark marks. No mask
# contains the sides of the jaw (0 to 7, 25 to 32), the outer ends of the brows (33, 46) and the
# corners of the mouth (76, 82). Source of the numbers: the authors' code of StarGAN v2, for maps
# of 256 pixels.
PARTS = (
    Part("chin", 8, 24, ((0, 3),), False),
    Part("brows", 34, 45, ((7, 2),), False),
    Part("right brow, lower edge", 47, 50, ((7, 2),), False),
    Part("top of the nose", 51, 51, ((0, 1),), True),
    Part("ridge of the nose", 52, 54, ((-4, 1),), True),
    Part("nostrils", 55, 59, ((-8, 4),), True),
    Part("eyes, and the skin below", 60, 75, ((8, 3), (24, 1)), True),
    Part("upper lip", 77, 81, ((8, 4),), False),
    Part("lower lip", 83, 87, ((-8, 4),), False),
    Part("inside of the lips", 88, 95, ((2, 3),), False),
    Part("pupils", 96, 97, ((0, 1),), True),
)


class FaceMasks(nn.Layer):
    """Heat maps [N, 98, h, w] to the masks of face and of nose and eyes, [N, 1, 256, 256]."""

    def __init__(self):
        super().__init__()
        size = [MASK_SIDE, MASK_SIDE]
        self.enlarge = nn.Upsample(size=size, mode="bilinear", align_corners=True)

    def forward(self, heat):
        face, detail = [], []
        # Part by part: all maps at full size would need 26 MB per image.
        for part in PARTS:
            spots = normalised(self.enlarge(heat[:, part.first : part.last + 1]))
            for rows_down, power in part.moves:
                spot = spots.pow(power).sum(axis=1, keepdim=True)
                # roll() wraps around at the border, as in the authors' code.
                face.append(spot.roll(rows_down, axis=2))
            if part.in_detail:
                detail += face[-len(part.moves) :]
        return paddle.add_n(face).clip(0, 1), paddle.add_n(detail).clip(0, 1)


def normalised(heat: Tensor) -> Tensor:
    """Set noise to 0 and scale each map [N, C, H, W] to [0, 1]."""
    heat = heat * (heat >= MIN_HEAT).astype(heat.dtype)
    low, high = heat.amin(axis=[2, 3], keepdim=True), heat.amax(axis=[2, 3], keepdim=True)
    return (heat - low) / (high - low + 1e-6)
