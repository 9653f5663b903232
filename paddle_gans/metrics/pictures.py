"""How far a picture is from its truth, and how colourful it is; uint8 RGB [H, W, 3] everywhere."""

from __future__ import annotations

import numpy as np

from data_reader import colour
from data_reader._opencv import cv2

PEAK = 255.0
BEST_PSNR = 100.0  # dB, in the place of infinity: equal pictures must not spoil a mean
WINDOW, SIGMA = 11, 1.5  # of SSIM's Gaussian, pixels
C1, C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2


def psnr(picture: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB over all pixels and channels; 100 where nothing differs."""
    difference = picture.astype(np.float64) - truth
    return min(colour.psnr(difference, PEAK), BEST_PSNR)


def ssim(picture: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity: the mean over channels and over windows that lie in the picture.

    Source: Wang et al. 2004, equation 13; a Gaussian of 11 pixels, K1 = 0.01, K2 = 0.03.

    Raises:
        ValueError: a side is below 11 pixels.
    """
    if min(picture.shape[:2]) < WINDOW:
        raise ValueError(f"SSIM looks at windows of {WINDOW} pixels, not {picture.shape[:2]}")
    x, y = picture.astype(np.float64), truth.astype(np.float64)
    mean_x, mean_y = blurred(x), blurred(y)
    var_x = blurred(x * x) - mean_x**2
    var_y = blurred(y * y) - mean_y**2
    covariance = blurred(x * y) - mean_x * mean_y
    likeness = (2 * mean_x * mean_y + C1) * (2 * covariance + C2)
    likeness /= (mean_x**2 + mean_y**2 + C1) * (var_x + var_y + C2)
    return float(likeness.mean())


def blurred(x: np.ndarray) -> np.ndarray:
    """Gaussian means of the windows that lie within x, [H - 10, W - 10, C]."""
    edge = WINDOW // 2
    return cv2.GaussianBlur(x, (WINDOW, WINDOW), SIGMA)[edge:-edge, edge:-edge]


def ciede2000(picture: np.ndarray, truth: np.ndarray) -> float:
    """Mean CIEDE2000 of the pixels: 1 can just be seen side by side, 100 is black and white."""
    return float(colour.ciede2000(colour.rgb_to_lab(picture), colour.rgb_to_lab(truth)).mean())


def chroma(picture: np.ndarray) -> float:
    """Mean chroma of the pixels in Lab units; 0 is grey, photographs have about 15."""
    lab = colour.rgb_to_lab(picture)
    return float(np.hypot(lab[..., 1], lab[..., 2]).mean())
