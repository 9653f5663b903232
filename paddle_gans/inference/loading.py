"""Opens saved weights, a file or a run folder, as a `Translator`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from data_reader.domains import Domains
from data_reader.errors import InputError
from data_reader.output import say
from data_reader.photos import Photos
from paddle_gans import models
from paddle_gans.fast_cpu import accelerate
from paddle_gans.training.checkpoint import read_json
from paddle_gans.training.experiment import choose_device
from paddle_gans.training.mixed_precision import check_amp
from paddle_gans.training.model import GANModel
from paddle_gans.training.options import Option, options_of, resolve
from paddle_gans.weights import formats, pretrained
from paddle_gans.weights.arrays import load_state_strict

from .domains import DomainTranslator
from .photos import PhotoTranslator
from .translator import Translator, by_data

# By the class of the model's data set; Translator serves every other kind.
TRANSLATORS = {Domains: DomainTranslator, Photos: PhotoTranslator}

# What a saved network's entry says of it, and of which type.
FIELDS = {"model": str, "options": dict, "network": str, "translate": dict, "step": int}


def load(weights: str | os.PathLike, *, device: str = "auto", amp: str = "off") -> Translator:
    """Open trained weights for inference, see ``paddle_gans.load``."""
    return build(read(weights), device, amp)


@dataclass(frozen=True)
class Saved:
    """One network as it was saved: its arrays, and its entry's fields."""

    path: Path
    arrays: Mapping[str, np.ndarray]
    model: str
    options: Mapping[str, Any]
    network: str
    translate: Mapping[str, Any]
    step: int


@dataclass(frozen=True)
class Weights:
    """The networks that are needed together, and the model that they are parts of."""

    model_class: type[GANModel]
    networks: list[Saved]  # the first one's `translate` is the default

    @property
    def translator_class(self) -> type[Translator]:
        """The class that calls these weights, by the kind of data that the model reads."""
        return by_data(self.model_class, TRANSLATORS, Translator)

    @property
    def translate_options(self) -> dict[str, Option]:
        """The keyword arguments of a call; their defaults are those of the weights."""
        first = self.networks[0]
        options = {**options_of(self.model_class.translate), **self.translator_class.own_options}
        unknown = sorted(set(first.translate) - set(options))
        if unknown:
            raise version_error(first, f"it was saved for the unknown option {unknown[0]}")
        return {
            key: replace(option, default=first.translate.get(key, option.default))
            for key, option in options.items()
        }


def read(weights: str | os.PathLike) -> Weights:
    """Read a weight file and its partners, or a folder of them, without building a model."""
    path = pretrained.locate(weights)
    if path.is_dir():
        found = in_checkpoint(path) if is_checkpoint(path) else in_folder(path)
    else:
        found = [open_network(path)]
    try:
        model_class = models.find(found[0].model)
    except InputError as error:
        raise InputError(
            f"{found[0].path}: {error}; install the version that wrote the file, or add the "
            "model's own file to paddle_gans/models"
        ) from error
    return Weights(model_class, complete(found, model_class))


def build(weights: Weights, device: str = "auto", amp: str = "off") -> Translator:
    """Build the model and load its networks; the others, which only train, have no weights."""
    first = weights.networks[0]
    choose_device(device)
    for warning in check_amp(amp):
        say(f"note: {warning}", error=True)
    try:
        options = resolve(weights.model_class, first.options, first.model)
        with paddle.LazyGuard():  # no random weights: the files have others
            model = weights.model_class(**options)
    except InputError as error:
        raise version_error(first, str(error)) from error
    for saved in weights.networks:
        load_state_strict(model.inference_network(saved.network), saved.arrays, str(saved.path))
    accelerate(model)
    return weights.translator_class(
        model,
        name=first.model,
        options=options,
        step=first.step,
        translate_options=weights.translate_options,
        covered=[saved.translate for saved in weights.networks],
        path=first.path,
        amp=amp,
    )


def open_network(path: Path) -> Saved:
    arrays, entry = formats.read_network(path)
    if not entry and is_checkpoint(path.parent):
        common, networks = checkpoint_run(path.parent)
        network = path.stem.removesuffix(AVERAGE)
        entry = {**common, "network": network, "translate": dict(networks.get(network, {}))}
    return described(path, arrays, entry)


AVERAGE = "_ema"  # ends the name of a network's moving average in a checkpoint


def is_checkpoint(folder: Path) -> bool:
    """Return whether a folder is a checkpoint in its run folder."""
    folder = folder.resolve()
    run = folder.parent.parent
    return folder.parent.name == "checkpoints" and (run / "config.json").is_file()


def checkpoint_run(folder: Path) -> tuple[dict[str, Any], Mapping[str, Mapping[str, Any]]]:
    """Return what all networks of a checkpoint say of themselves, and those that translate."""
    folder = folder.resolve()
    path = folder.parent.parent / "config.json"
    config = read_json(path)
    if not isinstance(config.get("model"), str) or not isinstance(config.get("options"), dict):
        raise InputError(f"{path} is damaged: model or options are missing; copy it again")
    model_class = models.find(config["model"])
    options = resolve(model_class, config["options"], config["model"])
    common = {"model": config["model"], "options": options, "step": int(folder.name)}
    return common, model_class.inference_for(options)


def in_checkpoint(folder: Path) -> list[Saved]:
    """Read the networks in a checkpoint that its model translates with, averages where they are."""
    found = []
    for name in checkpoint_run(folder)[1]:
        average = folder / f"{name}{AVERAGE}.pdparams"
        found.append(open_network(average if average.is_file() else folder / f"{name}.pdparams"))
    return found


def described(path: Path, arrays: Mapping[str, np.ndarray], entry: Any) -> Saved:
    """Join a file's arrays to what its entry says of them."""
    if not entry:
        raise InputError(without_entry(path))
    for field, kind in FIELDS.items():
        if not isinstance(entry, dict) or not isinstance(entry.get(field), kind):
            raise InputError(
                f"{path}: what it says of itself holds no {field!r}; the file is damaged, or of "
                "another version of paddle_gans: use that one, or train again"
            )
    return Saved(path, arrays, **{field: entry[field] for field in FIELDS})


def without_entry(path: Path) -> str:
    """The sentence for weights that do not say which model they belong to."""
    if path.resolve().parent.parent.name == "checkpoints":
        config = os.path.normpath(path.parent / ".." / ".." / "config.json")
        return f"{path} is part of a checkpoint, and its run's {config} is missing; copy it there"
    return (
        f"{path} does not say which model it is of: another program wrote it (python -m "
        "paddle_gans.convert brings such weights here), or a plain paddle.save; --weights takes "
        "what training writes into its run folder, runs/pix2pix/generator.pdparams say"
    )


def in_folder(folder: Path) -> list[Saved]:
    """Read the networks in a folder, each from the file of its name; other files do not matter."""
    files = formats.network_files(folder)
    if not files:
        raise InputError(
            f"{folder} holds no .pdparams file and no .safetensors file; give a run folder in "
            "which training has saved, or the file itself"
        )
    opened = [(path, *formats.read_network(path)) for path in files]
    known = [described(*file) for file in opened if file[2]]
    if not known:
        raise InputError(without_entry(files[0]))
    named = [saved for saved in known if saved.path.stem == saved.network]
    if not named:
        raise InputError(
            f"no file in {folder} has the name of its network ({known[0].path.name} holds "
            f"{known[0].network}); give the file itself"
        )
    return named


def complete(found: list[Saved], model_class: type[GANModel]) -> list[Saved]:
    """Add the partners of what was found, from beside it, and put all in the model's order."""
    first, saved = found[0], {}
    try:
        known = model_class.inference_for(resolve(model_class, first.options, first.model))
    except InputError as error:
        raise version_error(first, str(error)) from error
    for network in found:
        same_run(first, network)
        if network.network not in known:
            raise InputError(
                f"{network.path} holds the network {network.network}, which {network.model} does "
                f"not translate with; it needs {' or '.join(known)}"
            )
        saved[network.network] = network
    for network in found:
        for partner, options in known.items():  # they translate together with the same options
            if partner not in saved and options == known[network.network]:
                saved[partner] = beside(network, partner)
                same_run(network, saved[partner])
    return [saved[name] for name in known if name in saved]


def beside(network: Saved, partner: str) -> Saved:
    stem = network.path.stem
    ending = AVERAGE if stem == network.network + AVERAGE else ""
    if ending and not network.path.with_name(f"{partner}{ending}.pdparams").is_file():
        ending = ""  # a network that is not trained has no average
    path = network.path.with_name(f"{partner}{ending}{network.path.suffix}")
    others = [path, *(path.with_suffix(suffix) for suffix in formats.NATIVE)]
    path = next((file for file in others if file.is_file()), path)
    if not path.is_file():
        raise InputError(
            f"{network.path} needs {path.name} beside it, which is not there; copy it from the "
            "same run folder"
        )
    saved = open_network(path)
    if saved.network != partner:
        raise InputError(f"{path} holds the network {saved.network}; copy {path.name} again")
    return saved


def same_run(one: Saved, other: Saved) -> None:
    if one.model != other.model:
        difference = f"{one.model} and {other.model}"
    else:
        both = {**one.options, **other.options}
        names = [n for n in both if one.options.get(n) != other.options.get(n)]
        if not names:
            return
        values = f"{one.options.get(names[0])} and {other.options.get(names[0])}"
        difference = f"--{names[0].replace('_', '-')} {values}"
    raise InputError(
        f"{one.path} and {other.path.name} beside it are of different runs ({difference}); "
        "put files of one run together"
    )


def version_error(saved: Saved, reason: str) -> InputError:
    return InputError(
        f"{saved.path} does not fit this version's {saved.model}: {reason}; use the version of "
        "paddle_gans that wrote it, or train again"
    )
