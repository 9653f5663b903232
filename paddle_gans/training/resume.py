"""Start a run from scratch, from a checkpoint, or from weights."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paddle import nn

from data_reader.errors import InputError
from paddle_gans.weights import formats, pretrained
from paddle_gans.weights.arrays import load_state_strict

from . import checkpoint
from .experiment import Experiment
from .options import options_of
from .run_folder import RunFolder, compare


def restore(experiment: Experiment, folder: RunFolder) -> tuple[dict[str, Any], list[str]]:
    """Restore the model; returns the checkpoint's state ({} for a new run) and warnings."""
    model, record, resume = experiment.model, experiment.record, experiment.config.resume
    config = folder.config()
    if resume == "never" and (config is not None or checkpoint.checkpoints(folder.checkpoints)):
        raise InputError(
            f"{folder.path} already contains a run; use another --out, or omit --resume"
        )
    source, state, warnings = find(folder, resume)
    if source is not None:
        run = RunFolder(source.parent.parent)
        config = run.config() or config
    if config is not None:
        # Options added since the run began have their defaults.
        options = options_of(type(model)).values()
        config["options"] = {o.name: o.default for o in options} | config["options"]
        compare(config, record, folder.path)
    if source is None:
        model.load_pretrained()
        if experiment.config.init_from:
            options = record["options"]
            warnings.append(init_from(model, experiment.config.init_from, options))
        return {}, warnings
    checkpoint.load_checkpoint(source, model)
    if state["world_size"] != record["world_size"]:
        warnings.append(
            f"the run had {state['world_size']} processes and now has {record['world_size']}: it "
            "will differ from an uninterrupted one, since each process has its own random numbers, "
            "batch norm and image pools"
        )
    warnings.append(f"resuming from {source}, step {state['step']}")
    return state, warnings


def find(folder: RunFolder, resume: str):
    """Return the checkpoint to resume (None: new run), its state, and warnings."""
    if resume in ("auto", "never"):
        return checkpoint.newest(folder.checkpoints)
    path = Path(resume)
    if path.name.isdigit():
        return path, checkpoint.verify(path), []
    source, state, warnings = checkpoint.newest(RunFolder(path).checkpoints)
    if source is None:
        raise InputError(f"--resume {resume}: {path / 'checkpoints'} contains no checkpoint")
    return source, state, warnings


def init_from(
    model: nn.Layer, weights: str | os.PathLike[str], options: Mapping[str, Any] = {}
) -> str:
    """Load weights from one file, or those of a run's newest checkpoint; returns a message.

    ``weights`` is a path, or the name of trained weights that come with the package; ``options``
    are those of the model, for the errors.
    """
    path = pretrained.locate(weights)
    networks = dict(model.named_children())
    if path.is_dir():
        source, _, _ = checkpoint.newest(path / "checkpoints")
        files = formats.network_files(source or path)
        files = [file for file in files if "." not in file.stem]  # without the pools of other ranks
        if not files:
            raise InputError(
                f"--init-from {path} has no checkpoint and no .pdparams or .safetensors file"
            )
    else:
        files = [path]
    for file in files:
        arrays, entry = formats.read_network(file)
        name = entry.get("network", file.stem)
        # One file of the whole model has the networks' names before those of the weights.
        if name not in networks and {key.partition(".")[0] for key in arrays} <= set(networks):
            load_state_strict(model, arrays, str(file))
            continue
        if name.endswith("_ema") and name not in networks and path.is_dir():
            continue  # this model keeps no average; the network has its own file
        if name not in networks:
            raise InputError(
                f"--init-from {file} contains the network {name!r}; this model has "
                f"{', '.join(networks)}"
            )
        try:
            load_state_strict(networks[name], arrays, str(file))
        except InputError as error:
            raise InputError(f"{error}{other_options(options, entry)}") from error
        # An average starts from its network's weights; a file <name>_ema comes later.
        if f"{name}_ema" in networks:
            load_state_strict(networks[f"{name}_ema"], arrays, str(file))
    shown = [path.name] if pretrained.is_pretrained(path) else map(str, files)
    return f"weights from {', '.join(shown)}"


def other_options(options: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    """The end of an error: the options that the weights' run had and this one has not."""
    saved = entry.get("options", {})
    flags = " ".join(
        f"--{name.replace('_', '-')} {saved[name]}"
        for name, value in options.items()
        if name in saved and saved[name] != value
    )
    return f"; its run had {flags}" if flags else ""
