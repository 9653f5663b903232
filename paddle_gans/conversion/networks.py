"""Our networks by their model's options, each with its layers' names in the authors' code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from paddle import nn

from data_reader.errors import InputError
from paddle_gans.interop import cyclegan as pytorch_gan
from paddle_gans.interop import fan, junyanz
from paddle_gans.interop import pix2pix as article
from paddle_gans.interop import stargan_v2 as clovaai
from paddle_gans.interop.names import Rename
from paddle_gans.models import _stargan_v2_networks as stargan
from paddle_gans.models import cyclegan, pix2pix
from paddle_gans.networks.fan import FAN

JUNYANZ = "junyanz/pytorch-CycleGAN-and-pix2pix"
PYTORCH_GAN = "eriklindernoren/PyTorch-GAN"
CLOVAAI = "clovaai/stargan-v2"

DEPTHS = {"unet_256": 8, "unet_128": 7}
KNOWN = ("pix2pix", "cyclegan", "stargan_v2")
# Networks that training alone needs: `load` asks for none of them.
DISCRIMINATORS = {
    "pix2pix": ["discriminator"],
    "cyclegan": ["discriminator_a", "discriminator_b"],
    "stargan_v2": ["discriminator"],
}


class Network(NamedTuple):
    """A layer of ours, and the reference's path of a layer in it."""

    layer: nn.Layer
    rename: Rename


def network_of(model: str, part: str, options: Mapping[str, Any]) -> Network:
    """A model's network ``part``, which is called as its file is.

    Raises:
        InputError: there is no code of other people's that this model's networks are those of.
    """
    require_known(model)
    makers = {"pix2pix": of_pix2pix, "cyclegan": of_cyclegan, "stargan_v2": of_stargan_v2}
    return makers[model](part, options)


def require_known(model: str) -> None:
    """Raise InputError where nobody else's code has the networks of a model."""
    if model not in KNOWN:
        raise InputError(f"{model} has no counterpart to convert; {', '.join(KNOWN)} have")


def of_pix2pix(part: str, options: Mapping[str, Any]) -> Network:
    d, kind = options["base_dim"], options["generator"]
    if part == "discriminator":
        if options["discriminator"] == "paper":
            return Network(pix2pix.PatchGAN(6, base_dim=d), junyanz.patch_gan)
        return Network(pix2pix.Discriminator(d), article.discriminator)
    refuse_resize(options)
    norm = partial(pix2pix.Norm, mode=options["norm_mode"])
    layer = pix2pix.GENERATORS[kind][0](d, options["residual_num"], norm, "deconv")
    if kind in DEPTHS:
        return Network(layer, partial(junyanz.unet, depth=DEPTHS[kind]))
    return Network(layer, article.generator)


def refuse_resize(options: Mapping[str, Any]) -> None:
    """Raise InputError for a generator that the authors' code cannot build."""
    if options.get("upsample", "deconv") != "deconv":
        raise InputError(
            f"--upsample {options['upsample']}: the authors' generators have transposed "
            "convolutions, so their code cannot load these weights; only --upsample deconv converts"
        )


def of_cyclegan(part: str, options: Mapping[str, Any]) -> Network:
    d, blocks = options["base_dim"], options["residual_num"]
    if part.startswith("discriminator"):
        kind = options["discriminator"]
        names = {"article": pytorch_gan.discriminator, "patch_gan": junyanz.patch_gan}
        return Network(cyclegan.DISCRIMINATORS[kind](d), names[kind])
    kind = options["generator"]
    if kind != "article":  # which always resizes
        refuse_resize(options)
    names = {"article": pytorch_gan.generator, "resnet_9blocks": junyanz.resnet}
    layer = cyclegan.GENERATORS[kind](d, blocks, "deconv")
    return Network(layer, partial(names[kind], num_blocks=blocks))


def of_stargan_v2(part: str, options: Mapping[str, Any]) -> Network:
    if part == "fan":  # always the same, and alone without options
        return Network(FAN(), fan.network)
    count, style_dim = len(options["domains"].split(",")), options["style_dim"]
    dims = stargan.channels(options["crop_size"], options["base_dim"], options["max_channels"])
    if part == "generator":
        return Network(stargan.Generator(dims, style_dim, options["w_hpf"]), clovaai.generator)
    if part == "mapping_network":
        sizes = (options["latent_dim"], style_dim, options["hidden_dim"])
        return Network(stargan.MappingNetwork(count, *sizes), clovaai.mapping_network)
    if part == "style_encoder":
        return Network(stargan.StyleEncoder(dims, count, style_dim), clovaai.style_encoder)
    rename = partial(clovaai.discriminator, num_blocks=len(dims) - 1)
    return Network(stargan.Discriminator(dims, count), rename)


def numbers_needed(model: str, part: str, options: Mapping[str, Any]) -> int:
    """About how many numbers a network has, at least.

    A file's shapes are compared with its data by this before a network of that size is built.
    """
    if part == "fan":
        return 0  # always the same
    if part == "mapping_network":
        return 3 * (1 + options["domains"].count(",")) * options["hidden_dim"] ** 2
    if model == "stargan_v2":
        dims = stargan.channels(options["crop_size"], options["base_dim"], options["max_channels"])
        return sum(9 * a * b for a, b in zip(dims, dims[1:]))
    d = options["base_dim"]
    if part.startswith("discriminator"):
        return 16 * (4 * d) * (8 * d)
    if options["generator"] in DEPTHS:
        return 2 * (DEPTHS[options["generator"]] - 4) * 16 * (8 * d) ** 2
    return 2 * options["residual_num"] * 9 * (4 * d) ** 2


def with_dropout(rename: Rename) -> Rename:
    """The names of a ResNet whose blocks have a dropout as their fifth entry."""
    return lambda layer: re.sub(r"(\.conv_block)\.5$", r"\1.6", rename(layer))
