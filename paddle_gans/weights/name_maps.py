"""Weights between a reference implementation's names and layouts and ours, in both directions.

A name map is a function from a layer's path here to its path in the reference, for example
``residuals.0.norm1`` to ``res_0.bn1``. It is applied to the layers that a network has, so that one
short function serves every depth, and the way back is the same table.

Layouts differ in one place: a linear weight is [out, in] there and [in, out] here. Convolutions
are [out, in, h, w] and transposed convolutions [in, out, h, w] on both sides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np
from paddle import nn

from paddle_gans.networks.fan import DEPTH

from .arrays import require_equal, without_prefix

Rename = Callable[[str], str]

# The reference's names of arrays, where they differ from ours.
ARRAYS = {"scale": "weight", "_mean": "running_mean", "_variance": "running_var"}

COUNTER = ".num_batches_tracked"  # of the reference's batch norm; not used here


def reference_names(network: nn.Layer, rename: Rename) -> dict[str, str]:
    """Our names of the weights and running statistics, each with its name in the reference."""
    names = {}
    for ours in network.state_dict():
        layer, _, array = ours.rpartition(".")
        names[ours] = f"{rename(layer)}.{ARRAYS.get(array, array)}"
    return names


def linear_weights(network: nn.Layer) -> set[str]:
    """Our names of the weights whose two axes are swapped in the reference."""
    layers = network.named_sublayers(include_self=True)
    return {f"{path}.weight".lstrip(".") for path, x in layers if isinstance(x, nn.Linear)}


def reference_shapes(network: nn.Layer, rename: Rename) -> dict[str, tuple]:
    """The shape of each weight in the reference, by its name there."""
    names, flipped = reference_names(network, rename), linear_weights(network)
    shapes = {ours: tuple(x.shape) for ours, x in network.state_dict().items()}
    return {names[ours]: x[::-1] if ours in flipped else x for ours, x in shapes.items()}


def to_ours(
    reference: Mapping[str, np.ndarray],
    network: nn.Layer,
    rename: Rename,
    source: str = "these arrays",
) -> dict[str, np.ndarray]:
    """Convert a reference's weights to our names and layouts; ``source`` is for messages.

    Raises:
        InputError: the weights are not those of this network; the message lists what is missing,
            unexpected or of another shape by the reference's names.
    """
    given = {name: x for name, x in reference.items() if not name.endswith(COUNTER)}
    complaint = f"{source}: not the weights of this {type(network).__name__}"
    shapes = reference_shapes(network, rename)
    given = without_prefix(shapes, given)
    require_equal(shapes, given, complaint)
    names, flipped = reference_names(network, rename), linear_weights(network)
    return {ours: given[n].T if ours in flipped else given[n] for ours, n in names.items()}


def to_reference(network: nn.Layer, rename: Rename) -> dict[str, np.ndarray]:
    """Convert our network's weights to the reference's names and layouts."""
    names, flipped = reference_names(network, rename), linear_weights(network)
    arrays = {ours: x.numpy() for ours, x in network.state_dict().items()}
    return {names[ours]: x.T if ours in flipped else x for ours, x in arrays.items()}


# The papers' networks in junyanz/pytorch-CycleGAN-and-pix2pix, models/networks.py. Both
# nn.Sequentials count layers without weights.


def junyanz_unet(layer: str, *, depth: int) -> str:
    """A layer of ``UnetGenerator(num_downs=depth)``, with or without dropout.

    Each level contains the next inner one: at index 1 in the outermost, else at 3, after a
    LeakyReLU, a convolution and its norm. The decoder's layers follow in the same list.
    """
    half, block, index = layer.split(".")
    level = int(block) if half == "encoder" else depth - 1 - int(block)
    path = "model.model" + (".1.model" if level > 0 else "") + ".3.model" * (level - 1)
    if half == "encoder":
        return f"{path}.{index}"
    # The outermost and the innermost level have two entries before the ReLU that begins a block of
    # our decoder, every other one has four.
    before = 2 if level in (0, depth - 1) else 4
    return f"{path}.{before + int(index)}"


def junyanz_resnet(
    layer: str, *, num_blocks: int, block: str = "conv_block", dropout: bool = False
) -> str:
    """A layer of ``ResnetGenerator(n_blocks=num_blocks)``, which is one list.

    PyTorch-GAN's generator is the same list with ``block="block"``. With ``dropout``, which has no
    weights, the last layers of a block move by one.
    """
    part, index, *rest = layer.split(".")
    before = {"encoder": 0, "blocks": 10, "decoder": 10 + num_blocks}[part]
    path = f"model.{before + int(index)}"
    if part != "blocks":
        return path
    inside = int(rest[-1])
    return f"{path}.{block}.{inside + (dropout and inside >= 5)}"


def replaced(*rules: tuple[str, str]) -> Rename:
    """A name map that replaces regular expressions, one after the other."""

    def rename(layer: str) -> str:
        for pattern, theirs in rules:
            layer = re.sub(pattern, theirs, layer)
        return layer

    return rename


# Discriminators of junyanz, PyTorch-GAN and CUT (taesungp/contrastive-unpaired-translation).
patch_gan = replaced(("layers", "model"))
# CUT's generator: layers.12.layers.1 is model.12.conv_block.1.
cut_generator = replaced(("^layers", "model"), ("layers", "conv_block"))
# Both networks of DCGAN in PyTorch's tutorial and examples.
dcgan = replaced(("layers", "main"))
# The listing of pix2pix's paper: residuals.0.norm1 is res_0.bn1, up1 is convTrans1.
pix2pix_generator = replaced((r"^residuals\.", "res_"), ("^up", "convTrans"), ("norm", "bn"))
pix2pix_discriminator = replaced(("norm", "in"))
# Three networks of StarGAN v2 in clovaai/stargan-v2, core/model.py ...
stargan = replaced(("shortcut", "conv1x1"), ("affine", "fc"))


def stargan_discriminator(layer: str, *, num_blocks: int) -> str:
    """... and the fourth, which is one list: ``shared.1`` is ``main.1``, ``logits`` the last."""
    return stargan(layer).replace("shared", "main").replace("logits", f"main.{num_blocks + 4}")


# The face-alignment network of StarGAN v2, core/wing.py: the beginnings of layers' paths ...
FAN_LAYERS = {
    "stem.0": "conv1", "stem.1": "bn1", "stem.3": "conv2", "stem.5": "conv3", "stem.6": "conv4",
    "stem.7": "m0.coordconv", "head.0": "top_m_0", "head.1": "conv_last0", "head.2": "bn_end0",
    "head.4": "l0",
}  # fmt: skip
HOURGLASS = {"beside": "b1", "before": "b2", "inner": "b2_plus", "after": "b3"}
# ... and the layers within a block.
FAN_BLOCK = {
    "steps.0.0": "bn1", "steps.1.0": "bn2", "steps.2.0": "bn3",
    "steps.0.2": "conv1", "steps.1.2": "conv2", "steps.2.2": "conv3",
    "shortcut": "downsample",
}  # fmt: skip


def fan(layer: str) -> str:
    """``hourglass.inner.after.steps.0.2`` is ``m0.b3_3.conv1``, ``stem.6`` is ``conv4``."""
    for ours, theirs in FAN_BLOCK.items():
        layer = layer.replace(ours, theirs)
    part, *path = layer.split(".")
    if part != "hourglass":
        return ".".join([FAN_LAYERS[f"{part}.{path[0]}"], *path[1:]])
    *outer, block, last = path  # the reference counts levels from inside, in one flat module
    return f"m0.{HOURGLASS[block]}_{DEPTH - len(outer)}.{last}"
