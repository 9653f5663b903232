"""Where the layers of the colorization article's networks stand in fastai."""

from __future__ import annotations

import re

# fastai keeps one list: the encoder, a norm, a ReLU, the middle, the four blocks of a ResNet's
# decoder, the last upsampling, a resize, a concatenation, the residual block, the head.
PARTS = {
    "norm": "layers.1",
    "middle.0": "layers.3.0.0",
    "middle.2": "layers.3.1.0",
    "up.conv": "layers.8.0.0",
    "conv1": "layers.11.convpath.0.0",
    "conv2": "layers.11.convpath.1.0",
    "head": "layers.12.0",
}
BLOCK = {"up.conv": "shuf.0.0", "norm": "bn", "conv1": "conv1.0", "conv2": "conv2.0"}
STEM = {"conv1": "0", "bn1": "1"}  # then a ReLU, the pool, and the stages


def dynamic_unet(layer: str) -> str:
    """``encoder.layer1.0.conv1`` is ``layers.0.4.0.conv1``, ``blocks.0.norm`` ``layers.4.bn``.

    That is ``fastai.vision.models.unet.DynamicUnet`` over a ResNet whose encoder is cut with
    ``create_body``.
    """
    part, _, rest = layer.partition(".")
    if part == "encoder":
        stage = re.sub(r"^layer(\d)", lambda m: str(3 + int(m[1])), rest)
        return f"layers.0.{STEM.get(rest, stage)}"
    if part == "blocks":
        index, _, name = rest.partition(".")
        return f"layers.{4 + int(index)}.{BLOCK[name]}"
    return PARTS[layer]
