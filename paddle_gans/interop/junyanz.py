"""Where the layers of the papers' networks stand in the authors' own code.

That is github.com/junyanz/pytorch-CycleGAN-and-pix2pix, ``models/networks.py``. Layers without
weights are counted by its ``nn.Sequential`` and by ours.
"""

from __future__ import annotations


def unet(layer: str, *, depth: int) -> str:
    """The layer in ``UnetGenerator(num_downs=depth)``, with or without dropout.

    Each level there holds the next inner one: at 1 in the outermost, then at 3, behind a
    LeakyReLU, a convolution and its norm. The way up follows in the same list.
    """
    half, block, index = layer.split(".")
    level = int(block) if half == "encoder" else depth - 1 - int(block)
    path = "model.model" + (".1.model" if level > 0 else "") + ".3.model" * (level - 1)
    if half == "encoder":
        return f"{path}.{index}"
    # Before the ReLU that begins a block of our decoder, the outermost and the innermost level
    # have two entries, every other one has four.
    before = 2 if level in (0, depth - 1) else 4
    return f"{path}.{before + int(index)}"


def patch_gan(layer: str) -> str:
    """The layer in ``NLayerDiscriminator``: of any depth, and with any norm."""
    return layer.replace("layers.", "model.", 1)


def resnet(layer: str, *, num_blocks: int) -> str:
    """The layer in ``ResnetGenerator(n_blocks=num_blocks)``, which is one list."""
    part, index, *rest = layer.split(".")
    before = {"encoder": 0, "blocks": 10, "decoder": 10 + num_blocks}[part]
    path = f"model.{before + int(index)}"
    return path if part != "blocks" else f"{path}.conv_block.{rest[-1]}"
