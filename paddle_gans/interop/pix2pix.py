"""Where the layers of pix2pix's networks stand in the article's listing."""

from __future__ import annotations

import re


def generator(layer: str) -> str:
    """``residuals.0.norm1`` is ``res_0.bn1``, ``up1`` is ``convTrans1``; the rest is equal."""
    layer = re.sub(r"^residuals\.", "res_", layer)
    layer = re.sub(r"^up", "convTrans", layer)
    return layer.replace("norm", "bn")


def discriminator(layer: str) -> str:
    """``norm1`` is ``in1``; the rest is equal."""
    return layer.replace("norm", "in")
