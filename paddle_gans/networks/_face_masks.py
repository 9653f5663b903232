"""From a face's heat maps to the masks within which StarGAN v2 keeps the source's fine detail."""

from __future__ import annotations

from typing import NamedTuple

import paddle
from paddle import Tensor, nn

LANDMARKS = 98
MASK_SIDE = 256  # pixels
NOISE = 0.1  # heat below this is none


class Part(NamedTuple):
    """Landmarks of a face that are treated alike, and where their heat goes in the masks."""

    name: str
    first: int
    last: int  # included
    moves: tuple[tuple[int, int], ...]  # (rows down, power): their copies are added
    in_detail: bool  # whether they are in the second mask, of nose and eyes


# The landmarks are those of WFLW. A power makes a spot smaller, a move puts it inside the part
# whose edge the landmark marks. What is not named stands in no mask: the jaw's sides (0 to 7, 25 to
# 32), the outer ends of the brows (33, 46), the corners of the mouth (76, 82). Source of the
# numbers: the authors' code of StarGAN v2, for maps of 256 pixels.
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
    """Heat maps [N, 98, h, w] to (face mask, nose-and-eyes mask), [N, 1, 256, 256] in [0, 1]."""

    def __init__(self):
        super().__init__()
        size = [MASK_SIDE, MASK_SIDE]
        self.enlarge = nn.Upsample(size=size, mode="bilinear", align_corners=True)

    def forward(self, heat):
        face, detail = [], []
        # Part by part: all maps at full size would need 26 MB a picture.
        for part in PARTS:
            spots = normalised(self.enlarge(heat[:, part.first : part.last + 1]))
            for rows_down, power in part.moves:
                spot = spots.pow(power).sum(axis=1, keepdim=True)
                # What leaves at the bottom comes back at the top, as in the authors' code.
                face.append(spot.roll(rows_down, axis=2))
            if part.in_detail:
                detail += face[-len(part.moves) :]
        return paddle.add_n(face).clip(0, 1), paddle.add_n(detail).clip(0, 1)


def normalised(heat: Tensor) -> Tensor:
    """Each map without its noise, from 0 at its lowest to 1 at its highest; [N, C, H, W]."""
    heat = heat * (heat >= NOISE).astype(heat.dtype)
    low, high = heat.amin(axis=[2, 3], keepdim=True), heat.amax(axis=[2, 3], keepdim=True)
    return (heat - low) / (high - low + 1e-6)
