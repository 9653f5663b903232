"""Find the face in a photograph and crop it as the training faces were cropped."""

from __future__ import annotations

import itertools
import math

import numpy as np
import paddle

from data_reader.errors import InputError
from data_reader.images import cv2
from data_reader.transforms import normalise, resize
from paddle_gans.networks.fan import FAN, LANDMARKS, SIDE, peaks

# A heat map is trained to reach 1 at its landmark. Both bounds are on the mean peak height over
# the landmarks; they were chosen with a wide margin, not measured.
CLEAR_FACE = 0.5  # stop searching
MIN_FACE = 0.2  # below this there is no face

MAX_SAMPLES = 4096  # samples of the photograph along a row of the crop: bounds the memory

# Landmarks of WFLW by what they surround; left is the image's left.
LEFT_EYE, RIGHT_EYE = slice(60, 68), slice(68, 76)
LEFT_CORNER, RIGHT_CORNER = 76, 82  # of the mouth


def align(rgb: np.ndarray, landmarks: np.ndarray, size: int) -> np.ndarray:
    """Crop the upright square around a face, uint8 [H, W, 3] to [size, size, 3].

    ``landmarks`` are [98, 2], (column, row) in pixels of ``rgb`` with the centre of the first
    pixel at (0.5, 0.5). The photograph is mirrored beyond its border. Source: Karras et al. 2018,
    "Progressive Growing of GANs", appendix C, which made CelebA-HQ. The authors of StarGAN v2
    align faces to mean landmarks of that set instead, from a data file that we cannot ship.
    """
    centre, right = crop_square(landmarks)
    side = 2 * math.hypot(*right)
    if side < 1:
        raise InputError("the face has no size: its eyes and mouth are in one place")

    # Samples are at most one pixel apart; each result pixel is the mean of its samples.
    samples = min(math.ceil(side / size), max(MAX_SAMPLES // size, 1))
    step = right * 2 / (size * samples)  # from one sample to the next, along a row
    down = np.array([-step[1], step[0]])
    half = size * samples / 2
    # OpenCV counts from the middle of the first pixel: sample 0 is at 0.5, and so is pixel 0.
    origin = centre - (half - 0.5) * (step + down) - 0.5
    matrix = np.stack([step, down, origin], axis=1)  # of the sample (column, row, 1)
    square = cv2.warpAffine(
        np.ascontiguousarray(rgb), matrix, (size * samples, size * samples),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REFLECT,
    )  # fmt: skip
    return resize(square, size, size)


def crop_square(landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the centre of a face's square, and the vector from there to its right edge's middle.

    Source: Karras et al. 2018, appendix C; vectors of (column, row) in pixels.
    """
    left_eye, right_eye = landmarks[LEFT_EYE].mean(axis=0), landmarks[RIGHT_EYE].mean(axis=0)
    eyes = (left_eye + right_eye) / 2
    mouth = (landmarks[LEFT_CORNER] + landmarks[RIGHT_CORNER]) / 2
    across, up = right_eye - left_eye, eyes - mouth
    side = max(4.0 * math.hypot(*across), 3.6 * math.hypot(*up))
    # Two estimates of the horizontal: the line of the eyes, and the normal to mouth-eyes.
    right = across + np.array([-up[1], up[0]])
    return eyes - 0.1 * up, right * side / 2 / max(math.hypot(*right), 1e-9)


def find_face(fan: FAN, rgb: np.ndarray) -> np.ndarray:
    """Return the landmarks of the face in a photograph, [98, 2] in its pixels, for ``align``.

    ``rgb`` is uint8 [H, W, 3]. The network expects a face that fills most of a square, so the
    middle of the photograph is searched first, then squares of two sizes.
    """
    landmarks, height = np.zeros((LANDMARKS, 2)), -math.inf
    for left, top, side in squares(*rgb.shape[:2]):
        crop = resize(rgb[top : top + side, left : left + side], SIDE, SIDE)
        place, heat = peaks(fan.heat(paddle.to_tensor(normalise(crop)[None])))
        if float(heat.mean()) > height:
            height = float(heat.mean())
            landmarks = place[0].numpy() * side + (left, top)
        if height >= CLEAR_FACE:
            break
    if height < MIN_FACE:
        raise InputError("no face is found; give a photo of one face from the front, or crop it")
    return landmarks


def squares(height: int, width: int) -> list[tuple[int, int, int]]:
    """Return the squares to search, (left, top, side) in pixels: the photograph's middle first."""
    short = min(height, width)
    found = [((width - short) // 2, (height - short) // 2, short)]
    for side in (short, math.ceil(short * 0.6)):
        for row, column in itertools.product(range(3), repeat=2):
            found.append(((width - side) * column // 2, (height - side) * row // 2, side))
    return list(dict.fromkeys(found))
