"""Opens saved weights, a file or a run folder, as a `Translator`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
from .translator import Saved, Translator, by_data

# By the class of the model's data set; Translator serves every other kind.
TRANSLATORS = {Domains: DomainTranslator, Photos: PhotoTranslator}

AVERAGE = "_ema"  # ends the name of a network's moving average in a checkpoint

# What a saved network's entry says of it, and of which type.
FIELDS = {"model": str, "options": dict, "network": str, "translate": dict, "step": int}


def load(weights: str | os.PathLike, *, device: str = "auto", amp: str = "off") -> Translator:
    """Open trained weights for inference, see ``paddle_gans.load``."""
    return build(read(weights), device, amp)


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
            with version_errors(first):
                raise InputError(f"it was saved for the unknown option {unknown[0]}")
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
    with version_errors(found[0]):
        model_class = models.find(found[0].model)
    return Weights(model_class, complete(found, model_class))


def build(weights: Weights, device: str = "auto", amp: str = "off") -> Translator:
    """Build the model and load its networks; the others, which only train, have no weights."""
    first = weights.networks[0]
    choose_device(device)
    for warning in check_amp(amp):
        say(f"note: {warning}", error=True)
    with version_errors(first), paddle.LazyGuard():  # no random weights: the files have others
        options = resolve(weights.model_class, first.options, first.model)
        model = weights.model_class(**options)
    for saved in weights.networks:
        load_state_strict(model.inference_network(saved.network), saved.arrays, str(saved.path))
    accelerate(model)
    networks, translate_options = weights.networks, weights.translate_options
    return weights.translator_class(model, options, networks, translate_options, amp)


def open_network(path: Path) -> Saved:
    arrays, entry = formats.read_network(path)
    if not entry and is_checkpoint(path.parent):
        common, networks = checkpoint_run(path.parent)
        network = path.stem.removesuffix(AVERAGE)
        entry = {**common, "network": network, "translate": dict(networks.get(network, {}))}
    return described(path, arrays, entry)


def is_checkpoint(folder: Path) -> bool:
    """Return whether a folder is a checkpoint in its run folder."""
    checkpoints = folder.resolve().parent
    return checkpoints.name == "checkpoints" and (checkpoints.parent / "config.json").is_file()


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


def in_folder(folder: Path) -> list[Saved]:
    """Read the networks in a folder, each from the file of its name; other files do not matter."""
    files = formats.network_files(folder)
    if not files:
        raise InputError(f"{folder} holds no .pdparams or .safetensors file; give a run folder")
    opened = [(path, *formats.read_network(path)) for path in files]
    known = [described(*file) for file in opened if file[2]] or [described(*opened[0])]
    named = [saved for saved in known if saved.path.stem == saved.network]
    if not named:
        raise InputError(
            f"no file in {folder} has the name of its network ({known[0].path.name} holds "
            f"{known[0].network}); give the file itself"
        )
    return named


def described(path: Path, arrays: Mapping[str, np.ndarray], entry: Any) -> Saved:
    """Join a file's arrays to what its entry says of them."""
    if not entry and path.resolve().parent.parent.name == "checkpoints":
        config = os.path.normpath(path.parent / ".." / ".." / "config.json")
        raise InputError(
            f"{path} is part of a checkpoint, and its run's {config} is missing; copy it there"
        )
    if not entry:
        raise InputError(
            f"{path} does not say which model it is of: another program wrote it (python -m "
            "paddle_gans.convert brings such weights here), or a plain paddle.save"
        )
    for field, kind in FIELDS.items():
        if not isinstance(entry, dict) or not isinstance(entry.get(field), kind):
            raise InputError(
                f"{path}: what it says of itself holds no {field!r}; the file is damaged, or of "
                "another version of paddle_gans: use that one, or train again"
            )
    return Saved(path, arrays, **{field: entry[field] for field in FIELDS})


def complete(found: list[Saved], model_class: type[GANModel]) -> list[Saved]:
    """Add the partners of what was found, from beside it, and put all in the model's order."""
    first, saved = found[0], {}
    with version_errors(first):
        known = model_class.inference_for(resolve(model_class, first.options, first.model))
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
    """Read the partner of a network: its average beside an average, in any format."""
    path = network.path.with_name(f"{partner}{network.path.suffix}")
    average = path.with_stem(partner + AVERAGE)
    if network.path.stem.endswith(AVERAGE) and average.is_file():
        path = average  # a network that is not trained has none
    others = [path, *(path.with_suffix(suffix) for suffix in formats.NATIVE)]
    path = next((file for file in others if file.is_file()), path)
    if not path.is_file():
        raise InputError(f"{network.path} needs {path.name} beside it; copy it there from its run")
    saved = open_network(path)
    if saved.network != partner:
        raise InputError(f"{path} holds the network {saved.network}; copy {path.name} again")
    return saved


def same_run(one: Saved, other: Saved) -> None:
    """Raise InputError if the networks are of different models, or have different options."""
    first, second = ({"model": saved.model, **saved.options} for saved in (one, other))
    for name in {**first, **second}:
        if first.get(name) != second.get(name):
            values = f"--{name.replace('_', '-')} {first.get(name)} and {second.get(name)}"
            raise InputError(
                f"{one.path} and {other.path.name} beside it are of different runs ({values}); "
                "put files of one run together"
            )


@contextmanager
def version_errors(saved: Saved) -> Iterator[None]:
    """Say that options of a file which do not fit may be those of another version."""
    try:
        yield
    except InputError as error:
        raise InputError(
            f"{saved.path} does not fit this version's {saved.model}: {error}; install the "
            "version of paddle_gans that wrote it, or train again"
        ) from error
