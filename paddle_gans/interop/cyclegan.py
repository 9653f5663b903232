"""Where the layers of the CycleGAN article's networks stand in eriklindernoren/PyTorch-GAN."""

from __future__ import annotations


def generator(layer: str, *, num_blocks: int) -> str:
    """``encoder.1`` is ``model.1``, ``blocks.0.layers.1`` is ``model.10.block.1``."""
    part, *rest = layer.split(".")
    if part == "blocks":
        return f"model.{10 + int(rest[0])}.block.{rest[2]}"
    return f"model.{int(rest[0]) + (0 if part == 'encoder' else 10 + num_blocks)}"


def discriminator(layer: str) -> str:
    """``layers.2`` is ``model.2``."""
    return layer.replace("layers", "model")
