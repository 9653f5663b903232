"""Which network a dict of arrays is, by its names and shapes, and the options that these say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

import numpy as np

from data_reader.errors import InputError

from .networks import CLOVAAI, DEPTHS, JUNYANZ, PYTORCH_GAN
from .pieces import Piece

LEVEL = "model.model.1.model"  # the second level of a U-Net; the next ones follow with .3.model
KINDS = (
    f"known are generators (unet_256, unet_128, resnet) and PatchGANs of {JUNYANZ} and PaddleGAN, "
    f"CycleGAN's networks of {PYTORCH_GAN}, and StarGAN v2's of {CLOVAAI} and PaddleGAN"
)


@dataclass(frozen=True)
class Found:
    """What a piece is: ``part`` of our ``model`` with ``options``, as far as the shapes say.

    ``zeros`` are the reference's names of biases that are not there, and so 0.
    """

    what: str
    model: str
    part: str
    options: Mapping[str, Any] = field(default_factory=dict)
    dropout: bool = False
    zeros: tuple[str, ...] = ()


def recognise(piece: Piece) -> Found:
    """What network the piece is.

    Raises:
        InputError: none that is known here, or one that our models do not have; it says why.
    """
    if any(".spectral_norm." in name for name in [*piece.arrays, *piece.vectors]):
        raise InputError(f"{piece} is a discriminator with spectral norm, which ours have not")
    for look in (unet, junyanz_resnet, pytorch_gan_resnet, stargan, patch_gan):
        found = look(piece)
        if found is not None:
            if piece.vectors and "discriminator" in found.part:
                raise InputError(
                    f"{piece} is a {found.what} with spectral norm; {found.model}'s discriminators "
                    "here have none, and training on would be another one's"
                )
            return found
    first = ", ".join(list(piece.arrays)[:3])
    raise InputError(f"{piece}: no network that is known here (its first names: {first}); {KINDS}")


def cannot(piece: Piece, what: str, why: str) -> InputError:
    return InputError(f"{piece} is a {what}, but {why}; no network here computes the same")


def norm_of(piece: Piece, layer: str) -> str:
    """The kind of the norm that stands there: batch, instance, or instance with parameters."""
    if f"{layer}.weight" not in piece.arrays:
        return "instance"
    if f"{layer}.running_mean" in piece.arrays:
        return "batch"
    idle = idle_scale(piece, f"{layer}.weight") and idle_scale(piece, f"{layer}.bias")
    return "instance" if idle else "affine instance"


def idle_scale(piece: Piece, name: str) -> bool:
    """Whether a norm's scale is 1 or its shift 0 all over, so that it does nothing."""
    array = piece.arrays.get(name)
    return array is not None and bool(np.all(array == (1 if name.endswith("weight") else 0)))


def channels(piece: Piece, what: str, first: tuple, out: Optional[int], width: int = 3) -> None:
    """Refuse other pictures than RGB; ``first`` is the shape of the first convolution."""
    if first[1] != width or out not in (3, None):
        given = f"{first[1]} channels" + (f" and gives {out}" if out is not None else "")
        raise cannot(piece, what, f"takes {given}, where ours takes {width} and gives 3")


def conv_shape(piece: Piece, name: str, kernel: int) -> tuple:
    """The shape of a convolution's weight; () where it is none of this kernel."""
    shape = piece.shape(name)
    good = len(shape) == 4 and shape[2:] == (kernel, kernel) and min(shape) > 0
    return shape if good else ()


def unet(piece: Piece) -> Optional[Found]:
    second = conv_shape(piece, f"{LEVEL}.1.weight", 4)
    if not second:
        return None
    first = conv_shape(piece, "model.model.0.weight", 4) or second[1:2] + (3,)  # a near miss
    depth, level = 1, LEVEL
    while f"{level}.1.weight" in piece.arrays:
        depth, level = depth + 1, f"{level}.3.model"
    names = {n: name for name, n in DEPTHS.items()}
    what = f"UnetGenerator of {JUNYANZ} or PaddleGAN, {depth} levels"
    if depth not in names:
        raise cannot(piece, what, "pix2pix here has 8 (unet_256) or 7 (unet_128)")
    last = piece.shape("model.model.3.weight")
    channels(piece, what, first, last[1] if len(last) == 4 else None)
    norm = norm_of(piece, f"{LEVEL}.2")
    if norm != "batch":
        raise cannot(piece, what, f"has {norm} norm or none, where ours is batch norm")
    options = {"generator": names[depth], "base_dim": first[0]}
    return Found(what, "pix2pix", "generator", options)


def junyanz_resnet(piece: Piece) -> Optional[Found]:
    return resnet(piece, "conv_block", JUNYANZ, "resnet_9blocks")


def pytorch_gan_resnet(piece: Piece) -> Optional[Found]:
    return resnet(piece, "block", PYTORCH_GAN, "article")


def resnet(piece: Piece, block: str, origin: str, kind: str) -> Optional[Found]:
    """CycleGAN's generators, which are one list: three convolutions, blocks, three more."""
    blocks = piece.count(rf"model\.(\d+)\.{block}\.")
    second = conv_shape(piece, "model.4.weight", 3)
    first = conv_shape(piece, "model.1.weight", 7) or second[1:2] + (3,)  # missing: a near miss
    if not second or not blocks:
        return None
    what = f"ResNet generator of {origin}, {blocks} blocks"
    last = conv_shape(piece, f"model.{10 + blocks + (7 if block == 'conv_block' else 9)}.weight", 7)
    channels(piece, what, first, last[0] if last else None)
    norm = norm_of(piece, "model.2")
    if not any(f"model.{i}.bias" in piece.arrays for i in (1, 4, 7)) and norm == "instance":
        norm = "no"
    if norm != "instance":
        raise cannot(
            piece, what, f"has {norm} norm, where CycleGAN's here is instance without parameters"
        )
    dropout = f"model.10.{block}.6.weight" in piece.arrays and (
        f"model.10.{block}.5.weight" not in piece.arrays
    )
    options = {"generator": kind, "base_dim": first[0], "residual_num": blocks}
    return Found(what, "cyclegan", "generator", options, dropout and block == "conv_block")


def patch_gan(piece: Piece) -> Optional[Found]:
    """PatchGANs tell themselves apart by where their convolutions stand."""
    pixel = conv_shape(piece, "net.0.weight", 1)
    if pixel:
        raise cannot(piece, f"PixelDiscriminator of {JUNYANZ}", "ours look at patches")
    first = conv_shape(piece, "model.0.weight", 4)
    places = [name for name in piece.arrays if re.fullmatch(r"model\.\d+\.weight", name)]
    if not first or len(places) < 3:
        return None
    convs = sorted(int(name.split(".")[1]) for name in places if len(piece.shape(name)) == 4)
    if convs == [0, 2, 5, 8, 12]:
        what = f"discriminator of {PYTORCH_GAN}"
        channels(piece, what, first, None)
        options = {"discriminator": "article", "base_dim": first[0]}
        return Found(what, "cyclegan", "discriminator", options)
    what = f"NLayerDiscriminator of {JUNYANZ} or PaddleGAN"
    if convs != [0, 2, 5, 8, 11]:
        if convs[-1] == 2 + 3 * (len(convs) - 2):
            raise cannot(piece, what, f"has {len(convs) - 2} layers with a norm, where ours has 3")
        return None
    norm, zeros = norm_of(piece, "model.3"), ()
    if norm == "batch" and first[1] == 6:
        zeros = () if "model.0.bias" in piece.arrays else ("model.0.bias",)  # of PaddleGAN
        options = {"discriminator": "paper", "base_dim": first[0]}
        return Found(what, "pix2pix", "discriminator", options, zeros=zeros)
    if norm == "instance" and first[1] == 3:
        options = {"discriminator": "patch_gan", "base_dim": first[0]}
        return Found(what, "cyclegan", "discriminator", options)
    raise cannot(
        piece,
        what,
        f"has {norm} norm and takes {first[1]} channels, where pix2pix's here has batch norm and "
        "takes 6, CycleGAN's instance norm without parameters and 3",
    )


def stargan(piece: Piece) -> Optional[Found]:
    """StarGAN v2's networks; what the shapes say is read of all of them together."""
    has: Callable[[str], tuple] = piece.shape
    part = None
    if has("from_rgb.weight") or has("decode.0.norm1.fc.weight"):
        part = "generator"
    elif len(has("shared.0.weight")) == 2 and has("unshared.0.0.weight"):
        part = "mapping_network"
    elif len(has("shared.0.weight")) == 4 and has("unshared.0.weight"):
        part = "style_encoder"
    elif has("main.0.weight") and has("main.1.conv1.weight"):
        part = "discriminator"
    elif has("m0.b1_4.conv1.weight") and has("l0.weight"):
        part = "fan"
    return part and Found(f"{part} of {CLOVAAI} or PaddleGAN", "stargan_v2", part)
