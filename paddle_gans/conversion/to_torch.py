"""Converts our weights to files that the authors' code loads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data_reader.atomic import atomic_write
from data_reader.errors import InputError
from paddle_gans.inference import loading
from paddle_gans.training import checkpoint
from paddle_gans.training.options import resolve
from paddle_gans.weights import formats, name_maps, torch_write
from paddle_gans.weights.arrays import load_state_strict

from .networks import (
    CLOVAAI,
    DISCRIMINATORS,
    JUNYANZ,
    PYTORCH_GAN,
    TAESUNGP,
    TUTORIAL,
    Row,
    blur_filters,
    network_of,
    require_known,
)

SUFFIXES = (".pth", ".pt", ".ckpt")
# The files of the authors' programs. Their D_A judges what G_A makes, images of B.
JUNYANZ_FILES = {
    "generator": "latest_net_G", "discriminator": "latest_net_D",
    "generator_ab": "latest_net_G_A", "generator_ba": "latest_net_G_B",
    "discriminator_b": "latest_net_D_A", "discriminator_a": "latest_net_D_B",
}  # fmt: skip
PYTORCH_GAN_FILES = {
    "generator_ab": "G_AB", "generator_ba": "G_BA",
    "discriminator_a": "D_A", "discriminator_b": "D_B",
}  # fmt: skip


class TorchFile:
    """One file to write: its content, what loads it, and a row for each of its arrays."""

    def __init__(self, name: str, loads: str):
        self.name, self.loads = name, loads
        self.state: dict[str, Any] = {}
        self.rows: list[Row] = []

    def add(self, part: str, arrays: Mapping[str, np.ndarray], options: Mapping, model: str):
        """Add a network. StarGAN v2 has all networks in one file, the others one in each."""
        layer, rename = network_of(model, part, options)
        load_state_strict(layer, arrays, part)
        state = {}
        for name, array in name_maps.to_reference(layer, rename).items():
            state[name] = np.ascontiguousarray(array, "float32")
            if name.endswith(".running_var"):
                state[name[: -len(".running_var")] + name_maps.COUNTER] = np.zeros((), "int64")
        filters = blur_filters(layer)
        state.update(filters)
        if model == "stargan_v2":
            self.state[part] = state
        else:
            self.state = state
        ours = {theirs: mine for mine, theirs in name_maps.reference_names(layer, rename).items()}
        for name, array in state.items():
            source = f"{part}.{ours[name]}" if name in ours else ""
            fixed = "a fixed filter" if name in filters else "a counter that its batch norm expects"
            note = "" if source else fixed
            self.rows.append(Row(source, array.shape, name, note))

    def load_line(self, path: Path) -> str:
        """The line of Python that loads the file at ``path``."""
        nested = "[name]" if any(isinstance(x, Mapping) for x in self.state.values()) else ""
        return f'network.load_state_dict(torch.load("{path}", weights_only=True){nested})'


def convert(source: Path) -> tuple[list[TorchFile], list[str]]:
    """The files for the weights in a file or a run folder, and notes; writes nothing."""
    weights = loading.read(source)
    first = weights.networks[0]
    model = first.model
    require_known(model)
    options = resolve(weights.model_class, first.options, model)
    parts = {saved.network: saved.arrays for saved in weights.networks}
    if model == "stargan_v2":
        file = TorchFile(f"{first.step:06d}_nets_ema.ckpt", f"{CLOVAAI}, as its nets_ema")
        for part, arrays in parts.items():
            file.add(part, arrays, options, model)
        return [file], required_changes(options)
    if source.is_dir():
        parts.update(discriminators(source, model))
    files = []
    for part, arrays in parts.items():
        name, loads = file_of(model, part, options)
        files.append(TorchFile(f"{name}.pth", loads))
        files[-1].add(part, arrays, options, model)
    return files, []


def discriminators(folder: Path, model: str) -> dict[str, np.ndarray]:
    """A run's discriminators: of its newest checkpoint, or beside its generators."""
    newest, _, _ = checkpoint.newest(folder / "checkpoints")
    files = {path.stem: path for path in formats.network_files(newest or folder)}
    names = [name for name in DISCRIMINATORS[model] if name in files]
    return {name: formats.read_network(files[name])[0] for name in names}


def file_of(model: str, part: str, options: Mapping[str, Any]) -> tuple[str, str]:
    """The name of a network's file, and whose code loads it."""
    is_discriminator = part.startswith("discriminator")
    if model == "dcgan":
        return "netD" if is_discriminator else "netG", TUTORIAL
    if model == "cut":
        generator = f"--netG resnet_{options['residual_num']}blocks --ngf"
        kind = "--netD basic --ndf" if is_discriminator else generator
        return JUNYANZ_FILES[part], f"{TAESUNGP}, {kind} {options['base_dim']}"
    kind = options["discriminator" if is_discriminator else "generator"]
    if kind in ("patch_gan", "paper", "unet_256", "unet_128", "resnet_9blocks"):
        return JUNYANZ_FILES[part], class_of(kind, options)
    if model == "cyclegan":
        return PYTORCH_GAN_FILES[part], f"{PYTORCH_GAN}, its CycleGAN"
    return (
        part,
        f"the {'Discriminator' if is_discriminator else 'Generator'} of the paper's listing",
    )


def class_of(kind: str, options: Mapping[str, Any]) -> str:
    """How the authors' code builds the network."""
    d = options["base_dim"]
    classes = {
        "patch_gan": f"NLayerDiscriminator(3, ndf={d}), norm instance",
        "paper": f"NLayerDiscriminator(6, ndf={d}), norm batch",
        "unet_256": f"UnetGenerator(3, 3, 8, ngf={d}), norm batch",
        "unet_128": f"UnetGenerator(3, 3, 7, ngf={d}), norm batch",
    }
    blocks = options.get("residual_num")
    affine = " with affine=True" if options.get("affine") else ""
    resnet = f"ResnetGenerator(3, 3, ngf={d}, n_blocks={blocks}), norm instance{affine}"
    return f"{JUNYANZ}: {classes.get(kind, resnet)}"


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
            torch_write.dump(file.state, opened)
