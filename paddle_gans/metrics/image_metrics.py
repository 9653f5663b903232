"""Metrics of one image, alone or against its truth; uint8 RGB [H, W, 3] everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np

from data_reader import colour
from data_reader.images import cv2

PEAK = 255.0
MAX_PSNR = 100.0  # dB, instead of infinity: equal images must not spoil a mean
WINDOW, SIGMA = 11, 1.5  # of SSIM's Gaussian, pixels
C1, C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R 601, as data_reader.images reads grey
PERIODS = (2, 4, 8)  # pixels; strides of 2 leave grids of these periods
MIN_LATTICE_SIDE = 64  # pixels; keeps the rings around neighbouring places apart from peaks
ROUNDING = 1 / 12  # variance of rounding to whole levels


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB over all pixels and channels; 100 for equal images."""
    difference = image.astype(np.float64) - truth
    return min(colour.psnr(difference, PEAK), MAX_PSNR)


def ssim(image: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity: the mean over channels and over windows that lie in the image.

    Source: Wang et al. 2004, equation 13; a Gaussian of 11 pixels, K1 = 0.01, K2 = 0.03.
    """
    if min(image.shape[:2]) < WINDOW:
        raise ValueError(f"SSIM needs {WINDOW} pixels a side, not {image.shape[:2]}")
    x, y = image.astype(np.float64), truth.astype(np.float64)
    mean_x, mean_y = blurred(x), blurred(y)
    var_x = blurred(x * x) - mean_x**2
    var_y = blurred(y * y) - mean_y**2
    covariance = blurred(x * y) - mean_x * mean_y
    likeness = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    likeness /= (mean_x**2 + mean_y**2 + C1) * (var_x + var_y + C2)
    return float(likeness.mean())


def blurred(x: np.ndarray) -> np.ndarray:
    """Return the Gaussian means of the windows that lie within x, [H - 10, W - 10, C]."""
    edge = WINDOW // 2
    return cv2.GaussianBlur(x, (WINDOW, WINDOW), SIGMA)[edge:-edge, edge:-edge]


def ciede2000(image: np.ndarray, truth: np.ndarray) -> float:
    """Mean CIEDE2000 of the pixels: 1 is just visible side by side, 100 is black and white."""
    return float(colour.ciede2000(colour.rgb_to_lab(image), colour.rgb_to_lab(truth)).mean())


def chroma(image: np.ndarray) -> float:
    """Mean chroma of the pixels in Lab units; 0 is grey, photographs have about 15."""
    lab = colour.rgb_to_lab(image)
    return float(np.hypot(lab[..., 1], lab[..., 2]).mean())


def lattice(image: np.ndarray) -> float:
    """Strength of periodic grids (checkerboards) of 2, 4 and 8 pixels.

    Compares the spectrum's energy at 1/2, 1/4 and 1/8 cycles per pixel along x, along y and along
    both with the energy around each of these nine places. A constant image has 1, white noise
    about 1.4 (its mean energy over the median), photographs have a few units, a visible grid has
    tens. The value of a grid grows with the number of pixels: compare images of one size. Sides
    are cropped to a multiple of 8.
    """
    height, width = (side // max(PERIODS) * max(PERIODS) for side in image.shape[:2])
    if min(height, width) < MIN_LATTICE_SIDE:
        raise ValueError(f"lattice needs {MIN_LATTICE_SIDE} pixels a side, not {image.shape[:2]}")
    grey = image[:height, :width] @ LUMA
    window = np.outer(np.hanning(height), np.hanning(width))
    power = np.abs(np.fft.fft2((grey - grey.mean()) * window)) ** 2
    # Rounding to 8 bits alone has this much energy: no ratio is of less than that.
    power += ROUNDING * (window**2).sum()
    peaks, rings = lattice_places(height, width)
    return float(np.mean(power[peaks].mean(axis=1) / np.median(power[rings], axis=1)))


@lru_cache(maxsize=8)
def lattice_places(height: int, width: int):
    """Indices of the spectrum, [9, K] each: within 1.5 bins of the places, and 3 to 6 bins away."""
    places = []
    for period in PERIODS:
        y, x = height // period, width // period
        places += [(0, x), (y, 0), (y, x)]
    rows, columns = np.array(places).T[..., None]
    dy, dx = np.mgrid[-6:7, -6:7].reshape(2, -1)
    distance = np.hypot(dy, dx)

    def around(chosen):
        return (rows + dy[chosen]) % height, (columns + dx[chosen]) % width

    return around(distance <= 1.5), around((distance >= 3) & (distance <= 6))


def geometric_mean(values: Iterable[float]) -> float:
    """The mean of ratios: 2 and 1/2 give 1."""
    return float(np.exp(np.mean(np.log(list(values)))))
