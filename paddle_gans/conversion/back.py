"""From our weights to files that the authors' code loads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

import numpy as np

from data_reader.atomic import atomic_write
from data_reader.errors import InputError
from paddle_gans.inference import loading
from paddle_gans.interop import names
from paddle_gans.training import checkpoint
from paddle_gans.training.options import resolve
from paddle_gans.training.weights import fill

from . import torch_write
from .fit import Row
from .networks import CLOVAAI, DISCRIMINATORS, JUNYANZ, PYTORCH_GAN, network_of, require_known

SUFFIXES = (".pth", ".pt", ".ckpt")
# What the authors' programs call their files: theirs D_A judges what G_A makes, pictures of B.
JUNYANZ_FILES = {
    "generator": "latest_net_G", "discriminator": "latest_net_D",
    "generator_ab": "latest_net_G_A", "generator_ba": "latest_net_G_B",
    "discriminator_b": "latest_net_D_A", "discriminator_a": "latest_net_D_B",
}  # fmt: skip
PYTORCH_GAN_FILES = {
    "generator_ab": "G_AB", "generator_ba": "G_BA",
    "discriminator_a": "D_A", "discriminator_b": "D_B",
}  # fmt: skip


class Export:
    """One file to write: what the authors' code gets, and a row for each of its arrays."""

    def __init__(self, name: str, loads: str):
        self.name, self.loads = name, loads
        self.state: dict[str, Any] = {}
        self.rows: list[Row] = []

    def add(self, part: str, arrays: Mapping[str, np.ndarray], options: Mapping, model: str):
        """Add a network; StarGAN v2 has its networks in one file, the others in one each."""
        layer, rename = network_of(model, part, options)
        fill(layer, arrays, part)
        state = {}
        for name, array in names.to_reference(layer, rename).items():
            state[name] = np.ascontiguousarray(array, "float32")
            if name.endswith(".running_var"):
                state[name[: -len(".running_var")] + names.COUNTER] = np.zeros((), "int64")
        ours = {theirs: mine for mine, theirs in names.reference_names(layer, rename).items()}
        if model == "stargan_v2":
            self.state[part] = state
        else:
            self.state = state
        for name, array in state.items():
            note = "" if name in ours else "a counter that its batch norm expects"
            self.rows.append(
                Row(f"{part}.{ours[name]}" if name in ours else "", array.shape, name, note)
            )


def exports(source: Path) -> tuple[list[Export], list[str]]:
    """The files for the weights in a ``.pdparams`` or a run folder, and remarks; writes nothing.

    Raises:
        InputError: there are no weights, or the authors' code has no such network.
    """
    weights = loading.read(source)
    first = weights.networks[0]
    require_known(first.model)
    model, options = first.model, resolve(weights.model_class, first.options, first.model)
    parts = {saved.network: saved.arrays for saved in weights.networks}
    if source.is_dir():
        parts.update(discriminators(source, model))
    if model == "stargan_v2":
        export = Export(f"{first.step:06d}_nets_ema.ckpt", f"{CLOVAAI}, as its nets_ema")
        for part, arrays in parts.items():
            if part != "discriminator":
                export.add(part, arrays, options, model)
        return [export], unusual(options)
    found = []
    for part, arrays in parts.items():
        name, loads = file_of(model, part, options)
        found.append(Export(f"{name}.pth", loads))
        found[-1].add(part, arrays, options, model)
    return found, []


def discriminators(folder: Path, model: str) -> dict[str, np.ndarray]:
    """A run's discriminators: of its newest checkpoint, or beside its generators."""
    newest, _, _ = checkpoint.newest(folder / "checkpoints")
    found = {}
    for name in DISCRIMINATORS.get(model, []):
        path = (newest or folder) / f"{name}.pdparams"
        if path.is_file():
            found[name], _ = checkpoint.read_network(path)
    return found


def file_of(model: str, part: str, options: Mapping[str, Any]) -> tuple[str, str]:
    """The name of a network's file, and whose code loads it."""
    judges = part.startswith("discriminator")
    kind = options["discriminator" if judges else "generator"]
    if kind in ("patch_gan", "paper", "unet_256", "unet_128", "resnet_9blocks"):
        return JUNYANZ_FILES[part], class_of(kind, options)
    if model == "cyclegan":
        return PYTORCH_GAN_FILES[part], f"{PYTORCH_GAN}, its CycleGAN"
    return part, f"the {'Discriminator' if judges else 'Generator'} of the article's listing"


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
    usual = f"ResnetGenerator(3, 3, ngf={d}, n_blocks={blocks}), norm instance"
    return f"{JUNYANZ}: {classes.get(kind, usual)}"


def unusual(options: Mapping[str, Any]) -> list[str]:
    """What the authors' StarGAN v2 has to be changed for, to load these weights."""
    width, given = 2**14 // options["crop_size"], options["base_dim"]
    wrong = []
    if given not in (None, width):
        wrong.append(f"dim_in = {given} instead of {width}")
    if options["max_channels"] != 512:
        wrong.append(f"max_conv_dim = {options['max_channels']} instead of 512")
    if options["hidden_dim"] != 512:
        wrong.append(f"{options['hidden_dim']} instead of 512 in MappingNetwork")
    if not wrong:
        return []
    return [f"the authors' code has fixed sizes; core/model.py needs {', '.join(wrong)}"]


def targets(found: list[Export], where: Path) -> dict[Path, Export]:
    """Where each file goes: into a folder, or one network into the file that is named.

    Raises:
        InputError: a file is named for several, or something is there already.
    """
    if where.suffix in SUFFIXES:
        if len(found) > 1:
            many = ", ".join(export.name for export in found)
            raise InputError(f"--to-torch {where} is one file, but there are {many}; name a folder")
        planned = {where: found[0]}
    else:
        planned = {where / export.name: export for export in found}
    for path in planned:
        if path.exists():
            raise InputError(f"{path} is there already; name another place for --to-torch")
    return planned


def write(planned: Mapping[Path, Export]) -> None:
    """Write the files, each whole or not at all.

    Raises:
        InputError: one cannot be written.
    """
    for path, export in planned.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as file:
            torch_write.dump(export.state, file)


def load_line(path: Path, export: Export) -> Optional[str]:
    """The line of Python that loads a file there."""
    nested = "[name]" if any(isinstance(x, Mapping) for x in export.state.values()) else ""
    return f'network.load_state_dict(torch.load("{path}", weights_only=True){nested})'
