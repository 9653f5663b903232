"""Where the layers of StarGAN v2's networks stand in clovaai/stargan-v2, ``core/model.py``."""

from __future__ import annotations


def generator(layer: str) -> str:
    """``encode.0.shortcut`` is ``encode.0.conv1x1``, ``decode.0.norm1.affine`` ``...norm1.fc``."""
    return layer.replace("shortcut", "conv1x1").replace("affine", "fc")


def mapping_network(layer: str) -> str:
    """The same."""
    return layer


def style_encoder(layer: str) -> str:
    """``shared.1.shortcut`` is ``shared.1.conv1x1``."""
    return layer.replace("shortcut", "conv1x1")


def discriminator(layer: str, *, num_blocks: int) -> str:
    """``shared.1.shortcut`` is ``main.1.conv1x1``; ``logits`` is the last of the same list."""
    if layer == "logits":
        return f"main.{num_blocks + 4}"
    return layer.replace("shared", "main").replace("shortcut", "conv1x1")
