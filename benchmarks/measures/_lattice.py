"""Grid artefacts of results beside those of real images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def lattice_figures(made: Sequence[np.ndarray], real: Sequence[np.ndarray]) -> dict[str, float]:
    """``lattice`` of results and of real images, uint8 [H, W, 3] each, and the quotient.

    Returns {} where an image has a side below 64 pixels.
    """
    from paddle_gans.metrics import image_metrics

    if min(min(image.shape[:2]) for images in (made, real) for image in images) < 64:
        return {}
    results, truth = (
        image_metrics.geometric_mean(map(image_metrics.lattice, images)) for images in (made, real)
    )
    ratio = round(results / truth, 3)
    return {"lattice": round(results, 2), "lattice_truth": round(truth, 2), "lattice_ratio": ratio}


def show_lattice(figures: dict[str, float], of: str = "") -> None:
    """Print what ``lattice_figures`` found, if anything."""
    if "lattice" in figures:
        print(
            f"lattice{of}: {figures['lattice']:.2f}, real images {figures['lattice_truth']:.2f}, "
            f"ratio {figures['lattice_ratio']:.2f}"
        )
