"""CIE Lab: the lightness that colorization reads, and the colour that it adds.

RGB is sRGB with white D65; L is 0 to 100, a (green to red) and b (blue to yellow) are within about
+-110 for the colours of RGB.
"""

from __future__ import annotations

import math

import numpy as np

from .images import cv2

AB_SCALE = 110.0  # Lab units of a network's 1 (Zhang et al. 2016 and those after them)
L_SCALE = 50.0
STRIP = 2**18  # pixels at a time, to limit memory
HALVINGS = 12  # bisection steps of the chroma: to 1/4096

# Constants of OpenCV's conversion, with D65 of ITU-R BT.709; rows of the second give R, G, B.
_WHITE = np.array([0.950456, 1.0, 1.088754])
_TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)
_TO_RGB = np.linalg.inv(_TO_XYZ)

# Light outside by less rounds to the same 8 bits: gamma is steep at black, flat at white.
_DARKEST, _BRIGHTEST = -1e-4, 1.002


def linear_light(rgb: np.ndarray) -> np.ndarray:
    """Convert sRGB values in [0, 1] to linear light. Source: IEC 61966-2-1."""
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


_LIGHT_OF_LEVEL = linear_light(np.arange(256) / 255).astype(np.float32)


def rgb_to_lab(rgb: np.ndarray) -> np.ndarray:
    """Convert RGB [H, W, 3], uint8 or floats in [0, 1], to Lab float32, within 0.03.

    OpenCV's conversion of sRGB uses a coarse table and is off by up to 0.47; that of linear light
    is not, so gamma is undone here first.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"an image is [H, W, 3], not {list(rgb.shape)}")
    lab = np.empty(rgb.shape, np.float32)
    for rows in _strips(rgb):
        if rgb.dtype == np.uint8:
            light = _LIGHT_OF_LEVEL.take(rgb[rows])
        else:
            light = linear_light(np.clip(rgb[rows].astype(np.float32, order="C"), 0, 1))
        lab[rows] = cv2.cvtColor(light, cv2.COLOR_LRGB2LAB)
    return lab


def lab_to_rgb(lab: np.ndarray) -> np.ndarray:
    """Convert Lab [H, W, 3] to RGB uint8; the exact inverse of ``rgb_to_lab``.

    The chroma of colours outside RGB is lowered, which keeps lightness and hue; clipping red, green
    and blue would change all three. L is clipped to 0..100.
    """
    if lab.ndim != 3 or lab.shape[2] != 3:
        raise ValueError(f"a Lab image is [H, W, 3], not {list(lab.shape)}")
    rgb = np.empty(lab.shape, np.uint8)
    for rows in _strips(lab):
        strip = lab[rows].astype(np.float32, order="C")  # a copy
        np.clip(strip[..., 0], 0, 100, out=strip[..., 0])
        rgb[rows] = _strip_to_rgb(strip)
    return rgb


def _strips(image: np.ndarray) -> list[slice]:
    height, width = image.shape[:2]
    rows = max(1, STRIP // max(1, width))
    return [slice(top, top + rows) for top in range(0, height, rows)]


def _strip_to_rgb(lab: np.ndarray) -> np.ndarray:
    rgb = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)  # clipped: only values of 0 or 1 are suspect
    suspect = ((rgb <= 0) | (rgb >= 1)).any(axis=2)
    colours = lab[suspect]
    outside = ~_in_gamut(colours, np.float32(1))
    if outside.any():
        colours[outside, 1:] *= _largest_share(colours[outside])[:, None]
        rgb[suspect] = cv2.cvtColor(colours[None], cv2.COLOR_LAB2RGB)[0]
    return np.rint(rgb * 255).astype(np.uint8)


def _largest_share(lab: np.ndarray) -> np.ndarray:
    """Return the share [N] of their chroma that these colours [N, 3] can keep, by bisection."""
    low, high = np.zeros(len(lab), np.float32), np.ones(len(lab), np.float32)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        inside = _in_gamut(lab, middle)
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return low


def _in_gamut(lab: np.ndarray, share) -> np.ndarray:
    """Return whether RGB has these colours [N, 3] with this share of their chroma."""
    fy = (lab[:, 0] + 16) / 116
    xyz = [fy + share * lab[:, 1] / 500, fy, fy - share * lab[:, 2] / 200]
    # Source: CIE 15:2004; below 6/29 the cube is replaced by its tangent.
    xyz = [np.where(f > 6 / 29, f * f * f, (f - 4 / 29) * (108 / 841)) for f in xyz]
    inside = True
    for row in (_TO_RGB * _WHITE).astype(np.float32):
        light = row[0] * xyz[0] + row[1] * xyz[1] + row[2] * xyz[2]
        inside = inside & (light >= _DARKEST) & (light <= _BRIGHTEST)
    return inside


def encode(lab: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale Lab [H, W, 3] for networks: l [1, H, W] = L / 50 - 1, ab [2, H, W] = ab / 110."""
    planes = np.ascontiguousarray(lab.transpose(2, 0, 1), dtype=np.float32)
    return planes[:1] / np.float32(L_SCALE) - np.float32(1), planes[1:] / np.float32(AB_SCALE)


def decode(l: np.ndarray, ab: np.ndarray) -> np.ndarray:  # noqa: E741
    """Return Lab float32 [H, W, 3] of l [1, H, W] and ab [2, H, W]; the inverse of ``encode``."""
    planes = [(l + 1) * np.float32(L_SCALE), ab * np.float32(AB_SCALE)]
    return np.ascontiguousarray(np.concatenate(planes).transpose(1, 2, 0), dtype=np.float32)


def chroma(ab: np.ndarray) -> np.ndarray:
    """Return the chroma sqrt(a^2 + b^2) [..., H, W] of ab [..., 2, H, W], in the units of ab.

    Grey is 0; photographs have a mean of about 15 Lab units.
    """
    return np.hypot(ab[..., 0, :, :], ab[..., 1, :, :])


def psnr(difference: np.ndarray, peak: float) -> float:
    """Return the peak signal-to-noise ratio of a difference, in dB; infinite for none."""
    mean_square = float(np.mean(np.square(difference, dtype=np.float64)))
    return 10 * math.log10(peak * peak / mean_square) if mean_square else math.inf


def ciede2000(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the visible difference [...] of two Lab images [..., 3]; 1 is just noticeable.

    Source: Sharma, Wu, Dalal, "The CIEDE2000 color-difference formula", 2005, equations 2 to 22.
    """
    (l1, a1, b1), (l2, a2, b2) = (np.moveaxis(np.float64(lab), -1, 0) for lab in (first, second))
    # Stretch a near grey (equations 2 to 7).
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * np.sqrt(mean**7 / (mean**7 + 25.0**7))
    a1, a2 = a1 * stretch, a2 * stretch
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360

    # Differences of lightness, chroma and hue (8 to 11); grey has no hue.
    grey = c1 * c2 == 0
    far = np.abs(h2 - h1) > 180 + 1e-9  # opposite hues, but for rounding, are not
    turn = np.where(grey, 0, h2 - h1 - 360 * far * np.sign(h2 - h1))
    dl, dc, dh = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))

    # Means (12 to 14), and from them the weights (15 to 21).
    l, c = (l1 + l2) / 2, (c1 + c2) / 2  # noqa: E741
    across = far * np.where(h1 + h2 < 360, 360, -360)
    h = np.where(grey, h1 + h2, (h1 + h2 + across) / 2)
    waves = ((0.17, 1, 30), (-0.24, 2, 0), (-0.32, 3, -6), (0.20, 4, 63))
    t = 1 - sum(w * np.cos(np.radians(n * h - at)) for w, n, at in waves)
    weight_l = 1 + 0.015 * (l - 50) ** 2 / np.sqrt(20 + (l - 50) ** 2)
    weight_c, weight_h = 1 + 0.045 * c, 1 + 0.015 * c * t
    blue = np.sin(np.radians(60 * np.exp(-(((h - 275) / 25) ** 2))))
    rotation = -2 * np.sqrt(c**7 / (c**7 + 25.0**7)) * blue
    dl, dc, dh = dl / weight_l, dc / weight_c, dh / weight_h
    return np.sqrt(dl**2 + dc**2 + dh**2 + rotation * dc * dh)
