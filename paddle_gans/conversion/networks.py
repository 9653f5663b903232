"""Our networks' names in the authors' code, and how state dicts are loaded into them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import paddle
from paddle import nn

from data_reader.errors import InputError
from paddle_gans import models
from paddle_gans.models import cut
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

MODELS = ("pix2pix", "cyclegan", "cut", "dcgan", "stargan_v2")  # those that other code has
DEPTHS = {"unet_256": 8, "unet_128": 7}
UPSAMPLE = {"pix2pix": "deconv", "cyclegan": "deconv", "stargan_v2": "nearest"}  # the authors'


def networks_of(model: str, parts: list[str], options: Mapping[str, Any]) -> dict[str, nn.Layer]:
    """Build a model and return its networks ``parts``, without weights."""
    if parts == ["fan"]:  # needs no options
        return {"fan": FAN()}
    with paddle.LazyGuard():  # no memory for weights before they are set
        built = models.find(model)(**options)
    return {part: getattr(built, part) for part in parts}


def names_of(model: str, part: str, options: Mapping[str, Any]) -> Rename:
    """The map from a network's layers to their names in the authors' code.

    Raises:
        InputError: no other code has this network.
    """
    if model not in MODELS:
        raise InputError(f"{model} has no counterpart to convert; {', '.join(MODELS)} have")
    is_discriminator = part.startswith("discriminator")
    kind = options.get("discriminator" if is_discriminator else "generator")
    if model == "dcgan":
        if options["generator"] != "paper":
            raise InputError("dcgan has no counterpart to convert, except with --generator paper")
        return name_maps.dcgan
    if part.startswith("generator") and kind != "article":  # which always resizes
        usual = UPSAMPLE.get(model)
        if options.get("upsample", usual) != usual:
            raise InputError(
                f"--upsample {options['upsample']}: the authors' code cannot build this "
                f"generator; only --upsample {usual} converts"
            )
    if model == "stargan_v2":
        if is_discriminator:
            blocks = int(math.log2(options["crop_size"])) - 2
            return partial(name_maps.stargan_discriminator, num_blocks=blocks)
        return name_maps.fan if part == "fan" else name_maps.stargan
    if is_discriminator:
        is_listing = model == "pix2pix" and kind != "paper"
        return name_maps.pix2pix_discriminator if is_listing else name_maps.patch_gan
    if model == "cut":
        return name_maps.cut_generator
    if model == "pix2pix":
        if kind in DEPTHS:
            return partial(name_maps.junyanz_unet, depth=DEPTHS[kind])
        return name_maps.pix2pix_generator
    block, blocks = "block" if kind == "article" else "conv_block", options["residual_num"]
    return partial(name_maps.junyanz_resnet, num_blocks=blocks, block=block)


def blur_filters(layer: nn.Layer) -> dict[str, np.ndarray]:
    """The filters that CUT's authors keep among the weights, by their names there."""
    filters, channels = {}, 0
    is_cut = isinstance(layer, (cut.Generator, cut.Discriminator))
    for i, part in enumerate(layer.layers if is_cut else ()):
        if isinstance(part, nn.Conv2D):
            channels = part.weight.shape[0]
        elif isinstance(part, (cut.BlurPool, nn.Upsample)):
            line = np.float32([1, 2, 1] if isinstance(part, cut.BlurPool) else [1, 3, 3, 1])
            filters[f"model.{i}.filt"] = np.tile(np.outer(line, line) / 16, (channels, 1, 1, 1))
    return filters


class Row(NamedTuple):
    """What happened to one array: ``ours`` is "" if it was skipped, and ``note`` says why."""

    source: str
    shape: tuple
    ours: str
    note: str = ""


def load_into(layer: nn.Layer, rename: Rename, state: StateDict, match: Match) -> list[Row]:
    """Load a state dict into a network of ours."""
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
    if name in filters and np.array_equal(filters[name], state.arrays[name]):
        return "skipped: a blur, whose weights are fixed"
    is_norm = last in ("weight", "bias") and state.is_identity(layer)
    if match.model in ("cyclegan", "cut") and is_norm:
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
