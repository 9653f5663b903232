"""Detects which network a state dict is, and its options, by its names and shapes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from data_reader.errors import InputError

from .networks import CLOVAAI, DEPTHS, JUNYANZ, PYTORCH_GAN, TAESUNGP, TUTORIAL
from .state_dicts import Match, StateDict

LEVEL = "model.model.1.model"  # the second level of a U-Net; the next ones follow with .3.model
KINDS = (
    f"known are generators (unet_256, unet_128, resnet) and PatchGANs of {JUNYANZ} and PaddleGAN, "
    f"CycleGAN's networks of {PYTORCH_GAN}, CUT's of {TAESUNGP}, and StarGAN v2's of {CLOVAAI} "
    f"and PaddleGAN, and those of {TUTORIAL}"
)
STARGAN_PARTS = ("generator", "mapping_network", "style_encoder")
STARGAN_MAX_CHANNELS = 512  # assumed if no network reaches its limit


def detect(state: StateDict) -> Match:
    """Find the network that a state dict belongs to.

    Raises:
        InputError: no known network, or one that our models do not have; the message says why.
    """
    if any(".spectral_norm." in name for name in [*state.arrays, *state.vectors]):
        raise InputError(f"{state} is a discriminator with spectral norm; ours have none")
    for detector in (unet, resnet, stargan, patch_gan, dcgan):
        match = detector(state)
        if match is not None:
            if state.vectors and "discriminator" in match.part:
                raise InputError(
                    f"{state} is a {match.what} with spectral norm; {match.model}'s discriminators "
                    "here have none, so that training could not be resumed"
                )
            return match
    first = ", ".join(list(state.arrays)[:3])
    raise InputError(f"{state}: unknown network (its first names: {first}); {KINDS}")


def unsupported(state: StateDict, what: str, why: str) -> InputError:
    return InputError(f"{state} is a {what}, but {why}; no network here computes the same")


def norm_of(state: StateDict, layer: str) -> str:
    """The kind of a norm layer: batch, instance, or instance with parameters."""
    if f"{layer}.weight" not in state.arrays:
        return "instance"
    if f"{layer}.running_mean" in state.arrays:
        return "batch"
    return "instance" if state.is_identity(layer) else "affine instance"


def check_channels(state: StateDict, what: str, first: tuple, out: int | None = None) -> None:
    """Refuse images that are not RGB; ``first`` is the shape of the first convolution."""
    if first[1] != 3 or out not in (3, None):
        given = f"{first[1]} channels" + (f" and gives {out}" if out is not None else "")
        raise unsupported(state, what, f"takes {given}, where ours takes 3 and gives 3")


def conv_shape(state: StateDict, name: str, kernel: int) -> tuple:
    """The shape of a convolution's weight; () if it has another kernel."""
    shape = state.shape(name)
    good = len(shape) == 4 and shape[2:] == (kernel, kernel) and min(shape) > 0
    return shape if good else ()


def unet(state: StateDict) -> Match | None:
    second = conv_shape(state, f"{LEVEL}.1.weight", 4)
    if not second:
        return None
    first = conv_shape(state, "model.model.0.weight", 4) or second[1:2] + (3,)  # a near miss
    depth, level = 1, LEVEL
    while f"{level}.1.weight" in state.arrays:
        depth, level = depth + 1, f"{level}.3.model"
    names = {n: name for name, n in DEPTHS.items()}
    what = f"UnetGenerator of {JUNYANZ} or PaddleGAN, {depth} levels"
    if depth not in names:
        raise unsupported(state, what, "pix2pix here has 8 (unet_256) or 7 (unet_128)")
    last = state.shape("model.model.3.weight")
    check_channels(state, what, first, last[1] if len(last) == 4 else None)
    norm = norm_of(state, f"{LEVEL}.2")
    if norm != "batch":
        raise unsupported(state, what, f"has {norm} norm or none, where ours is batch norm")
    options = {"generator": names[depth], "base_dim": first[0]}
    return Match(what, "pix2pix", "generator", options)


def resnet(state: StateDict) -> Match | None:
    """Generators that are one list: three convolutions, residual blocks, three convolutions.

    The layers without weights between them tell the projects apart: CUT's blurs come before each
    block and convolution, PyTorch-GAN's upsampling before the last convolutions.
    """
    blocks = state.count(r"model\.(\d+)\.(?:conv_)?block\.")
    second = conv_shape(state, "model.4.weight", 3)
    first = conv_shape(state, "model.1.weight", 7) or second[1:2] + (3,)  # missing: a near miss
    if not second or not blocks:
        return None
    named = state.count(r"model\.\d+\.(conv_block)\.") > 0
    block = "conv_block" if named else "block"
    model, options = "cyclegan", {"base_dim": first[0], "residual_num": blocks}
    if conv_shape(state, "model.8.weight", 3):
        origin, model, begin, end = TAESUNGP, "cut", 12, 9
    elif named or conv_shape(state, f"model.{blocks + 17}.weight", 7):
        origin, begin, end = JUNYANZ, 10, 7
        options["generator"] = "resnet_9blocks"
    else:
        origin, begin, end = PYTORCH_GAN, 10, 9
        options["generator"] = "article"
    what = f"ResNet generator of {origin}, {blocks} blocks"
    last = conv_shape(state, f"model.{begin + blocks + end}.weight", 7)
    check_channels(state, what, first, last[0] if last else None)
    norm = norm_of(state, "model.2")
    if not any(f"model.{i}.bias" in state.arrays for i in (1, 4, 7)) and norm == "instance":
        norm = "no"
    if norm == "affine instance" and options.get("generator") == "resnet_9blocks":
        options["affine"] = True
    elif norm != "instance":
        why = f"has {norm} norm, where {model}'s here is instance norm without parameters"
        raise unsupported(state, what, why)
    dropout = f"model.{begin}.{block}.6.weight" in state.arrays and (
        f"model.{begin}.{block}.5.weight" not in state.arrays
    )
    naming = {"block": block, "dropout": dropout and named} if model == "cyclegan" else {}
    return Match(what, model, "generator", options, naming=naming)


def patch_gan(state: StateDict) -> Match | None:
    """PatchGANs, which differ in the indices of their convolutions."""
    if conv_shape(state, "net.0.weight", 1):
        raise unsupported(state, f"PixelDiscriminator of {JUNYANZ}", "ours judge patches")
    first = conv_shape(state, "model.0.weight", 4)
    places = [name for name in state.arrays if re.fullmatch(r"model\.\d+\.weight", name)]
    if not first or len(places) < 3:
        return None
    options: dict[str, Any] = {"base_dim": first[0]}
    convs = sorted(int(name.split(".")[1]) for name in places if len(state.shape(name)) == 4)
    if convs == [0, 2, 5, 8, 12]:
        what = f"discriminator of {PYTORCH_GAN}"
        check_channels(state, what, first)
        return Match(what, "cyclegan", "discriminator", {**options, "discriminator": "article"})
    if convs == [0, 3, 7, 11, 14]:
        what = f"NLayerDiscriminator of {TAESUNGP}"
        check_channels(state, what, first)
        return Match(what, "cut", "discriminator", options)
    what = f"NLayerDiscriminator of {JUNYANZ} or PaddleGAN"
    if convs != [0, 2, 5, 8, 11]:
        if convs[-1] == 2 + 3 * (len(convs) - 2):
            raise unsupported(state, what, f"has {len(convs) - 2} layers with a norm, ours 3")
        return None
    norm = norm_of(state, "model.3")
    if norm == "batch" and first[1] == 6:
        zeros = () if "model.0.bias" in state.arrays else ("model.0.bias",)  # of PaddleGAN
        options["discriminator"] = "paper"
        return Match(what, "pix2pix", "discriminator", options, zeros=zeros)
    if norm == "instance" and first[1] == 3:
        return Match(what, "cyclegan", "discriminator", {**options, "discriminator": "patch_gan"})
    raise unsupported(
        state,
        what,
        f"has {norm} norm and takes {first[1]} channels, where pix2pix's here has batch norm and "
        "takes 6, CycleGAN's instance norm without parameters and 3",
    )


def dcgan(state: StateDict) -> Match | None:
    """DCGAN's networks, each a list; the number of convolutions gives the size of the images."""
    places = [i for i in range(32) if conv_shape(state, f"main.{i}.weight", 4)]
    size = 2 ** (len(places) + 1)
    is_generator = places[:2] == [0, 3]
    if places != [max(0, 3 * i - (not is_generator)) for i in range(len(places))] or size < 16:
        return None
    first, last = (state.shape(f"main.{places[i]}.weight") for i in (0, -1))
    channels, base_dim = (last[1], last[0]) if is_generator else (first[1], first[0])
    part = "generator" if is_generator else "discriminator"
    what = f"{part} of {TUTORIAL}, {size} pixels"
    if size not in (32, 64) or channels not in (1, 3):
        why = f"has images of {size} pixels and {channels} channels, where dcgan's here have 32 or "
        raise unsupported(state, what, f"{why}64 and 1 or 3")
    options = {"generator": "paper", "crop_size": size, "channels": channels, "base_dim": base_dim}
    if is_generator:
        options.update(noise_dim=first[0], noise="normal")
    return Match(what, "dcgan", part, options)


def stargan(state: StateDict) -> Match | None:
    """StarGAN v2's networks; ``stargan_options`` reads the shapes of all of them together."""
    has = state.shape
    found = {
        "generator": has("from_rgb.weight") or has("decode.0.norm1.fc.weight"),
        "mapping_network": len(has("shared.0.weight")) == 2 and has("unshared.0.0.weight"),
        "style_encoder": len(has("shared.0.weight")) == 4 and has("unshared.0.weight"),
        "discriminator": has("main.0.weight") and has("main.1.conv1.weight"),
        "fan": has("m0.b1_4.conv1.weight") and has("l0.weight"),
    }
    part = next(filter(found.get, found), None)
    return part and Match(f"{part} of {CLOVAAI} or PaddleGAN", "stargan_v2", part)


def stargan_options(
    states: Mapping[str, StateDict], domains: Sequence[str] | None, w_hpf: float | None
) -> dict[str, Any]:
    """The options of StarGAN v2's networks, keyed by our names."""
    missing = [part for part in STARGAN_PARTS if part not in states]
    if missing:
        given = ", ".join(f"{state.path.name} has the {part}" for part, state in states.items())
        raise InputError(
            f"StarGAN v2 needs its three networks together; {' and '.join(missing)} missing "
            f"({given}); give the file of the averaged networks, such as 100000_nets_ema.ckpt"
        )
    generator, mapping, encoder = (states[part] for part in STARGAN_PARTS)
    dims = stargan_widths(encoder)
    crop_size = 2 ** (len(dims) + 1)
    limited = dims[-1] < dims[0] * 2 ** (len(dims) - 1)
    return {
        "domains": ",".join(domain_names(mapping, domains)),
        "crop_size": crop_size,
        "base_dim": None if dims[0] == 2**14 // crop_size else dims[0],
        "max_channels": dims[-1] if limited else max(STARGAN_MAX_CHANNELS, dims[-1]),
        "latent_dim": linear_side(mapping, "shared.0.weight", 1),
        "hidden_dim": linear_side(mapping, "shared.0.weight", 0),
        "style_dim": linear_side(encoder, "unshared.0.weight", 0),
        "w_hpf": high_pass(generator, crop_size, w_hpf),
    }


def stargan_widths(encoder: StateDict) -> list[int]:
    """The channels at each size of map down to 4 pixels."""
    blocks = encoder.count(r"shared\.(\d+)\.conv1\.")
    shapes = [encoder.shape(f"shared.{i + 1}.conv1.weight") for i in range(blocks)]
    shapes.append(encoder.shape(f"shared.{blocks}.conv2.weight"))
    if not 4 <= blocks <= 10 or any(len(shape) != 4 or shape[0] < 1 for shape in shapes):
        raise InputError(f"{encoder}: {blocks} blocks of convolutions fit no image size")
    return [shape[0] for shape in shapes]


def linear_side(state: StateDict, name: str, axis: int) -> int:
    shape = state.shape(name)
    if len(shape) != 2 or min(shape) < 1:
        raise InputError(f"{state}: {name} is {list(shape)}, not the weight of a linear layer")
    return shape[axis]


def domain_names(mapping: StateDict, domains: Sequence[str] | None) -> list[str]:
    """The domains' names; a file holds only their number."""
    count = mapping.count(r"unshared\.(\d+)\.")
    if domains is None:
        return [f"domain{i + 1}" for i in range(count)]
    if len(domains) != count or any("," in name for name in domains):
        raise InputError(
            f"{mapping.path} has {count} domains, --domains {' '.join(domains)} names "
            f"{len(domains)}; give them in the order of the folders' names in training"
        )
    return list(domains)


def high_pass(generator: StateDict, crop_size: int, w_hpf: float | None) -> float:
    """``w_hpf``: the generator is a block deeper if it is above 0; no weight holds its value."""
    blocks = generator.count(r"encode\.(\d+)\.")
    deeper = blocks == int(math.log2(crop_size)) - 1
    if w_hpf is not None and (w_hpf > 0) != deeper:
        raise InputError(
            f"{generator}: --w-hpf {w_hpf:g} does not fit its {blocks} blocks, which mean "
            f"{'high-pass' if deeper else 'no high-pass'} skips"
        )
    if not deeper:
        return 0.0
    kernel = generator.arrays.get("hpf.filter")
    if w_hpf is None and kernel is not None and kernel.size == 9 and kernel.ravel()[4] > 0:
        w_hpf = round(8 / float(kernel.ravel()[4]), 6)
    return 1.0 if w_hpf is None else w_hpf
