"""Converts our weights to files that the authors' code loads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from paddle import nn

from data_reader.atomic import atomic_write
from data_reader.errors import InputError
from paddle_gans.inference import loading
from paddle_gans.training import checkpoint
from paddle_gans.training.options import resolve
from paddle_gans.weights import formats, name_maps, torch_file
from paddle_gans.weights.arrays import load_state_strict
from paddle_gans.weights.name_maps import Rename

from .networks import (
    CLOVAAI,
    JUNYANZ,
    PYTORCH_GAN,
    TAESUNGP,
    TUTORIAL,
    Row,
    blur_filters,
    names_of,
    networks_of,
)

SUFFIXES = (".pth", ".pt", ".ckpt")
# The files of the authors' programs. Their D_A judges what G_A makes, images of B.
JUNYANZ_FILES = {
    "generator": "latest_net_G", "discriminator": "latest_net_D",
    "generator_ab": "latest_net_G_A", "generator_ba": "latest_net_G_B",
    "discriminator_b": "latest_net_D_A", "discriminator_a": "latest_net_D_B",
}  # fmt: skip


class TorchFile(NamedTuple):
    """One file to write: its content, what loads it, and a row for each of its arrays."""

    name: str
    loads: str
    state: Mapping[str, Any]
    rows: list[Row]

    def load_line(self, path: Path) -> str:
        """The line of Python that loads the file at ``path``."""
        nested = "[name]" if any(isinstance(x, Mapping) for x in self.state.values()) else ""
        return f'network.load_state_dict(torch.load("{path}", weights_only=True){nested})'


def convert(source: Path) -> tuple[list[TorchFile], list[str]]:
    """The files for the weights in a file or a run folder, and notes; writes nothing."""
    weights = loading.read(source)
    first = weights.networks[0]
    model = first.model
    options = resolve(weights.model_class, first.options, model)
    arrays = {saved.network: saved.arrays for saved in weights.networks}
    if source.is_dir() and model != "stargan_v2":
        arrays.update(discriminators(source))
    renames = {part: names_of(model, part, options) for part in arrays}
    layers = networks_of(model, list(arrays), options)
    states, rows = {}, {}
    for part, layer in layers.items():
        load_state_strict(layer, arrays[part], part)
        states[part], rows[part] = in_their_names(part, layer, renames[part])
    if model == "stargan_v2":  # has all networks in one file, the others one in each
        name, loads = f"{first.step:06d}_nets_ema.ckpt", f"{CLOVAAI}, as its nets_ema"
        every = [row for some in rows.values() for row in some]
        return [TorchFile(name, loads, states, every)], required_changes(options)
    files = []
    for part in arrays:
        name, loads = file_of(model, part, options)
        files.append(TorchFile(f"{name}.pth", loads, states[part], rows[part]))
    return files, []


def in_their_names(
    part: str, layer: nn.Layer, rename: Rename
) -> tuple[dict[str, np.ndarray], list[Row]]:
    """A network's state dict in the authors' code, and where each of its arrays comes from."""
    state = {}
    for name, array in name_maps.to_reference(layer, rename).items():
        state[name] = np.ascontiguousarray(array, "float32")
        if name.endswith(".running_var"):
            state[name[: -len(".running_var")] + name_maps.COUNTER] = np.zeros((), "int64")
    filters = blur_filters(layer)
    state.update(filters)
    ours = {theirs: mine for mine, theirs in name_maps.reference_names(layer, rename).items()}
    rows = []
    for name, array in state.items():
        fixed = "a fixed filter" if name in filters else "a counter that its batch norm expects"
        source, note = (f"{part}.{ours[name]}", "") if name in ours else ("", fixed)
        rows.append(Row(source, array.shape, name, note))
    return state, rows


def discriminators(folder: Path) -> dict[str, np.ndarray]:
    """A run's discriminators: of its newest checkpoint, or beside its generators."""
    newest, _, _ = checkpoint.newest(folder / "checkpoints")
    files = formats.network_files(newest or folder)
    judges = [path for path in files if path.stem.startswith("discriminator")]
    return {path.stem: formats.read_network(path)[0] for path in judges}


def file_of(model: str, part: str, options: Mapping[str, Any]) -> tuple[str, str]:
    """The name of a network's file, and whose code loads it."""
    is_discriminator = part.startswith("discriminator")
    d, blocks = options["base_dim"], options.get("residual_num")
    affine = " with affine=True" if options.get("affine") else ""
    if model == "dcgan":
        return "netD" if is_discriminator else "netG", TUTORIAL
    if model == "cut":
        kind = "--netD basic --ndf" if is_discriminator else f"--netG resnet_{blocks}blocks --ngf"
        return JUNYANZ_FILES[part], f"{TAESUNGP}, {kind} {d}"
    classes = {
        "patch_gan": f"NLayerDiscriminator(3, ndf={d}), norm instance",
        "paper": f"NLayerDiscriminator(6, ndf={d}), norm batch",
        "unet_256": f"UnetGenerator(3, 3, 8, ngf={d}), norm batch",
        "unet_128": f"UnetGenerator(3, 3, 7, ngf={d}), norm batch",
        "resnet_9blocks": f"ResnetGenerator(3, 3, ngf={d}, n_blocks={blocks}), "
        f"norm instance{affine}",
    }
    kind = options["discriminator" if is_discriminator else "generator"]
    if kind in classes:
        return JUNYANZ_FILES[part], f"{JUNYANZ}: {classes[kind]}"
    if model == "cyclegan":  # G_AB, D_A
        return f"{part[0]}_{part.split('_')[1]}".upper(), f"{PYTORCH_GAN}, its CycleGAN"
    return part, f"the {part.capitalize()} of the paper's listing"


def required_changes(options: Mapping[str, Any]) -> list[str]:
    """A note about what to change in the authors' StarGAN v2 to load these weights."""
    width, given = 2**14 // options["crop_size"], options["base_dim"]
    changes = []
    if given not in (None, width):
        changes.append(f"dim_in = {given} instead of {width}")
    if options["max_channels"] != 512:
        changes.append(f"max_conv_dim = {options['max_channels']} instead of 512")
    if options["hidden_dim"] != 512:
        changes.append(f"{options['hidden_dim']} instead of 512 in MappingNetwork")
    if not changes:
        return []
    return [f"the authors' code has fixed sizes; core/model.py needs {', '.join(changes)}"]


def targets(files: list[TorchFile], where: Path) -> dict[Path, TorchFile]:
    """The path of each file: in a folder, or the named file for one network."""
    if where.suffix in SUFFIXES:
        if len(files) > 1:
            many = ", ".join(file.name for file in files)
            raise InputError(f"--to-torch {where} is one file, but there are {many}; name a folder")
        paths = {where: files[0]}
    else:
        paths = {where / file.name: file for file in files}
    for path in paths:
        if path.exists():
            raise InputError(f"{path} exists; name another place for --to-torch")
    return paths


def write(paths: Mapping[Path, TorchFile]) -> None:
    """Write the files, each whole or not at all.

    Raises:
        InputError: one cannot be written.
    """
    for path, file in paths.items():
        with atomic_write(path) as opened:
            torch_file.dump(file.state, opened)
