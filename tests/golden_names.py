"""Names of layers in reference implementations that only the golden cases are compared with."""

from __future__ import annotations

import re


def dcgan_generator(layer: str) -> str:
    return {
        "fc1": "fc3", "norm1": "bn3", "fc2": "fc4", "norm2": "bn4", "up1": "deconv1",
        "up2": "deconv2",
    }[layer]  # fmt: skip


def dcgan_discriminator(layer: str) -> str:
    """``norm2`` is ``bn1``, ``norm3`` is ``bn2``; the rest is equal."""
    return {"norm2": "bn1", "norm3": "bn2"}.get(layer, layer)


# Colorization: fastai keeps one list of the encoder, a norm, a ReLU, the middle, the four blocks
# of a ResNet's decoder, the last upsampling, a resize, a concatenation, the residual block, the
# head.
FASTAI_LAYERS = {
    "norm": "layers.1",
    "middle.0": "layers.3.0.0",
    "middle.2": "layers.3.1.0",
    "up.conv": "layers.8.0.0",
    "conv1": "layers.11.convpath.0.0",
    "conv2": "layers.11.convpath.1.0",
    "head": "layers.12.0",
}
FASTAI_BLOCK = {"up.conv": "shuf.0.0", "norm": "bn", "conv1": "conv1.0", "conv2": "conv2.0"}
FASTAI_STEM = {"conv1": "0", "bn1": "1"}  # then a ReLU, the pool, and the stages


def fastai_unet(layer: str) -> str:
    """``encoder.layer1.0.conv1`` is ``layers.0.4.0.conv1``, ``blocks.0.norm`` ``layers.4.bn``.

    In ``fastai.vision.models.unet.DynamicUnet`` over a ResNet cut with ``create_body``.
    """
    part, _, rest = layer.partition(".")
    if part == "encoder":
        stage = re.sub(r"^layer(\d)", lambda m: str(3 + int(m[1])), rest)
        return f"layers.0.{FASTAI_STEM.get(rest, stage)}"
    if part == "blocks":
        index, _, name = rest.partition(".")
        return f"layers.{4 + int(index)}.{FASTAI_BLOCK[name]}"
    return FASTAI_LAYERS[layer]
