"""Builds our networks with their names in the authors' code, and loads state dicts into them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from paddle import nn

from data_reader.errors import InputError
from paddle_gans.models import _stargan_v2_networks as stargan
from paddle_gans.models import cut, cyclegan, dcgan, pix2pix
from paddle_gans.networks.fan import FAN
from paddle_gans.weights import name_maps
from paddle_gans.weights.arrays import difference, load_state_strict
from paddle_gans.weights.name_maps import COUNTER, Rename

from .state_dicts import Match, StateDict

JUNYANZ = "junyanz/pytorch-CycleGAN-and-pix2pix"
PYTORCH_GAN = "eriklindernoren/PyTorch-GAN"
TAESUNGP = "taesungp/contrastive-unpaired-translation"
TUTORIAL = "PyTorch's DCGAN tutorial"
CLOVAAI = "clovaai/stargan-v2"

DEPTHS = {"unet_256": 8, "unet_128": 7}
# Networks used in training only, which `load` does not need.
DISCRIMINATORS = {
    "pix2pix": ["discriminator"],
    "cyclegan": ["discriminator_a", "discriminator_b"],
    "cut": ["discriminator"],
    "dcgan": ["discriminator"],
    "stargan_v2": ["discriminator"],
}


class Network(NamedTuple):
    """A layer of ours, and the map to its layers' names in the reference."""

    layer: nn.Layer
    rename: Rename


def network_of(model: str, part: str, options: Mapping[str, Any]) -> Network:
    """Build a model's network ``part``, named as its file is.

    Raises:
        InputError: no other code has this model's networks.
    """
    require_known(model)
    return BUILDERS[model](part, options)


def require_known(model: str) -> None:
    """Raise InputError if no other code has a model's networks."""
    if model not in BUILDERS:
        raise InputError(f"{model} has no counterpart to convert; {', '.join(BUILDERS)} have")


def of_pix2pix(part: str, options: Mapping[str, Any]) -> Network:
    d, kind = options["base_dim"], options["generator"]
    if part == "discriminator":
        if options["discriminator"] == "paper":
            return Network(pix2pix.PatchGAN(6, base_dim=d), name_maps.junyanz_patch_gan)
        return Network(pix2pix.Discriminator(d), name_maps.pix2pix_discriminator)
    refuse_upsample(options)
    norm = partial(pix2pix.Norm, mode=options["norm_mode"])
    layer = pix2pix.GENERATORS[kind][0](d, options["residual_num"], norm, "deconv")
    if kind in DEPTHS:
        return Network(layer, partial(name_maps.junyanz_unet, depth=DEPTHS[kind]))
    return Network(layer, name_maps.pix2pix_generator)


def refuse_upsample(options: Mapping[str, Any], paper: str = "deconv") -> None:
    """Raise InputError for a generator that the authors' code cannot build."""
    if options.get("upsample", paper) != paper:
        raise InputError(
            f"--upsample {options['upsample']}: the authors' code cannot build this generator; "
            f"only --upsample {paper} converts"
        )


def of_cyclegan(part: str, options: Mapping[str, Any]) -> Network:
    d, blocks = options["base_dim"], options["residual_num"]
    if part.startswith("discriminator"):
        kind = options["discriminator"]
        is_article = kind == "article"
        rename = name_maps.pytorch_gan_discriminator if is_article else name_maps.junyanz_patch_gan
        return Network(cyclegan.DISCRIMINATORS[kind](d), rename)
    kind = options["generator"]
    if kind != "article":  # which always resizes
        refuse_upsample(options)
    rename = name_maps.pytorch_gan_generator if kind == "article" else name_maps.junyanz_resnet
    layer = cyclegan.GENERATORS[kind](d, blocks, "deconv", options["affine"])
    return Network(layer, partial(rename, num_blocks=blocks))


def of_cut(part: str, options: Mapping[str, Any]) -> Network:
    d = options["base_dim"]
    if part == "discriminator":
        return Network(cut.Discriminator(d), name_maps.junyanz_patch_gan)
    return Network(cut.Generator(d, options["residual_num"]), name_maps.cut_generator)


def blur_filters(layer: nn.Layer) -> dict[str, np.ndarray]:
    """The filters that CUT's authors keep among the weights, by their names there."""
    filters, channels = {}, 0
    for i, part in enumerate(layer.layers if isinstance(layer, CUT_NETWORKS) else ()):
        if isinstance(part, nn.Conv2D):
            channels = part.weight.shape[0]
        elif isinstance(part, (cut.BlurPool, nn.Upsample)):
            line = np.float32([1, 2, 1] if isinstance(part, cut.BlurPool) else [1, 3, 3, 1])
            filters[f"model.{i}.filt"] = np.tile(np.outer(line, line) / 16, (channels, 1, 1, 1))
    return filters


CUT_NETWORKS = (cut.Generator, cut.Discriminator)


def of_dcgan(part: str, options: Mapping[str, Any]) -> Network:
    if options["generator"] != "paper":
        raise InputError("dcgan has no counterpart to convert, except with --generator paper")
    size, channels, d = options["crop_size"], options["channels"], options["base_dim"]
    if part == "discriminator":
        return Network(dcgan.PaperDiscriminator(size, channels, d), name_maps.dcgan)
    layer = dcgan.PaperGenerator(size, channels, options["noise_dim"], d)
    return Network(layer, name_maps.dcgan)


def of_stargan_v2(part: str, options: Mapping[str, Any]) -> Network:
    if part == "fan":  # needs no options
        return Network(FAN(), name_maps.fan)
    count, style_dim = len(options["domains"].split(",")), options["style_dim"]
    dims = stargan.channels(options["crop_size"], options["base_dim"], options["max_channels"])
    if part == "generator":
        refuse_upsample(options, "nearest")
        layer = stargan.Generator(dims, style_dim, options["w_hpf"])
        return Network(layer, name_maps.stargan_generator)
    if part == "mapping_network":
        sizes = (options["latent_dim"], style_dim, options["hidden_dim"])
        layer = stargan.MappingNetwork(count, *sizes)
        return Network(layer, name_maps.stargan_mapping_network)
    if part == "style_encoder":
        layer = stargan.StyleEncoder(dims, count, style_dim)
        return Network(layer, name_maps.stargan_style_encoder)
    rename = partial(name_maps.stargan_discriminator, num_blocks=len(dims) - 1)
    return Network(stargan.Discriminator(dims, count), rename)


BUILDERS = {
    "pix2pix": of_pix2pix, "cyclegan": of_cyclegan, "cut": of_cut, "dcgan": of_dcgan,
    "stargan_v2": of_stargan_v2,
}  # fmt: skip


def min_parameters(model: str, part: str, options: Mapping[str, Any]) -> int:
    """About how many parameters a network has at least, without building it."""
    if part == "fan":
        return 0  # always the same
    if part == "mapping_network":
        return 3 * (1 + options["domains"].count(",")) * options["hidden_dim"] ** 2
    if model == "stargan_v2":
        dims = stargan.channels(options["crop_size"], options["base_dim"], options["max_channels"])
        return sum(9 * a * b for a, b in zip(dims, dims[1:]))
    d = options["base_dim"]
    if model == "dcgan":
        return 8 * (d * options["crop_size"] // 8) ** 2
    if part.startswith("discriminator"):
        return 16 * (4 * d) * (8 * d)
    if options.get("generator") in DEPTHS:
        return 2 * (DEPTHS[options["generator"]] - 4) * 16 * (8 * d) ** 2
    return 2 * options["residual_num"] * 9 * (4 * d) ** 2


class Row(NamedTuple):
    """What happened to one array: ``ours`` is "" if it was skipped, and ``note`` says why."""

    source: str
    shape: tuple
    ours: str
    note: str = ""


def load_into(network: Network, state: StateDict, match: Match) -> list[Row]:
    """Load a state dict into a network of ours."""
    layer, original = network

    def rename(name: str) -> str:
        name = original(name)
        if match.dropout:  # the fifth entry of a ResNet's blocks
            name = re.sub(r"(\.conv_block)\.([56])$", lambda m: f"{m[1]}.{int(m[2]) + 1}", name)
        return name.replace("conv_block", match.block)

    ours_of = {theirs: ours for ours, theirs in name_maps.reference_names(layer, rename).items()}
    expected = name_maps.reference_shapes(layer, rename)
    filters = blur_filters(layer)
    notes = {n: why_skipped(state, n, match, filters) for n in state.arrays if n not in expected}
    kept = {name: array for name, array in state.arrays.items() if not notes.get(name)}
    kept.update({name: np.zeros(expected[name], "float32") for name in match.zeros})
    wrong = difference(expected, kept)
    if wrong:
        raise InputError(f"{state} is nearly a {match.what}, but differs; {wrong}")

    notes.update(undo_spectral_norms(layer, state, kept, ours_of))
    flipped = name_maps.linear_weights(layer)
    notes.update({name: "transposed" for name, ours in ours_of.items() if ours in flipped})
    kept = {name: np.ascontiguousarray(array, "float32") for name, array in kept.items()}
    broken = [name for name, array in kept.items() if not np.isfinite(array).all()]
    if broken:
        raise InputError(f"{state}: {broken[0]} holds NaN or infinity: training had diverged")
    load_state_strict(layer, name_maps.to_ours(kept, layer, rename), str(state))
    rows = [
        Row(state.sources[name], array.shape, ours_of.get(name, ""), notes.get(name, ""))
        for name, array in state.arrays.items()
    ]
    zeros = [Row("", expected[name], ours_of[name], "missing: zeros") for name in match.zeros]
    return rows + zeros


def why_skipped(state: StateDict, name: str, match: Match, filters: Mapping) -> str:
    """Why an array is not needed; "" if no reason is known."""
    layer, _, last = name.rpartition(".")
    if name.endswith(COUNTER):
        return "skipped: a counter of batches"
    if last in ("running_mean", "running_var") and f"{layer}.weight" not in state.arrays:
        return "skipped: instance norm uses each image's own statistics"
    norm = [state.arrays.get(f"{layer}.{part}") for part in ("weight", "bias")]
    identity = norm[1] is not None and np.all(norm[0] == 1) and np.all(norm[1] == 0)
    if name in filters and np.array_equal(filters[name], state.arrays[name]):
        return "skipped: a blur, whose weights are fixed"
    if match.model in ("cyclegan", "cut") and identity and last in ("weight", "bias"):
        return f"skipped: a norm's {'scale of 1' if last == 'weight' else 'shift of 0'}"
    if name == "hpf.filter":
        return "skipped: follows from w_hpf"
    if match.part == "fan":  # its authors' code ignores these, too
        return "skipped: not part of the face-alignment network"
    return ""


def undo_spectral_norms(
    layer: nn.Layer, state: StateDict, kept: dict[str, np.ndarray], ours_of: Mapping[str, str]
) -> dict[str, str]:
    """Divide weights by their largest singular values, as inference does; returns notes by name."""
    layers, notes = dict(layer.named_sublayers()), {}
    for name, vectors in state.vectors.items():
        weight = kept.get(name)
        if weight is None or set(vectors) != {"u", "v"}:
            raise InputError(f"{state}: the spectral norm of {name} does not have both vectors")
        weight = weight.astype("float32")
        transposed = isinstance(layers[ours_of[name].rpartition(".")[0]], nn.Conv2DTranspose)
        matrix = np.moveaxis(weight, 1, 0) if transposed else weight
        matrix = matrix.reshape(len(matrix), -1)
        if (vectors["u"].size, vectors["v"].size) != matrix.shape:
            raise InputError(f"{state}: the spectral norm of {name} has vectors of another length")
        sigma = float(vectors["u"].ravel() @ matrix @ vectors["v"].ravel())
        if not sigma > 0:
            raise InputError(f"{state}: the spectral norm of {name} is {sigma}, not positive")
        notes[name] = f"divided by its spectral norm {sigma:.3g}"
        kept[name] = weight / sigma
    return notes
