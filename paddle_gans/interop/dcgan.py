"""Where the layers of DCGAN's networks stand in the article's listing."""

from __future__ import annotations

GENERATOR = {
    "fc1": "fc3", "norm1": "bn3", "fc2": "fc4", "norm2": "bn4", "up1": "deconv1", "up2": "deconv2"
}  # fmt: skip
DISCRIMINATOR = {
    "conv1": "conv1", "conv2": "conv2", "norm2": "bn1", "fc1": "fc1", "norm3": "bn2", "fc2": "fc2"
}  # fmt: skip


def generator(layer: str) -> str:
    """``fc1`` is ``fc3``, ``norm1`` is ``bn3``, ``up1`` is ``deconv1``."""
    return GENERATOR[layer]


def discriminator(layer: str) -> str:
    """``norm2`` is ``bn1``, ``norm3`` is ``bn2``; the rest is equal."""
    return DISCRIMINATOR[layer]
