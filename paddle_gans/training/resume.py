"""Where a run starts: anew, at a checkpoint, or from other weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paddle import nn

from data_reader.errors import InputError
from paddle_gans.weights import formats
from paddle_gans.weights.arrays import load_state_strict

from . import checkpoint
from .options import options_of
from .plan import Plan
from .run_folder import RunFolder, compare


def take_up(plan: Plan, folder: RunFolder, resume: str) -> tuple[dict[str, Any], list[str]]:
    """Put the model where the run stands; returns the state ({} for a new run) and remarks.

    Raises:
        InputError: the folder holds a run that may not or cannot be gone on with.
    """
    config = folder.config()
    if resume == "never" and (config is not None or checkpoint.checkpoints(folder.checkpoints)):
        raise InputError(
            f"{folder.path} holds a run already; choose another --out, or leave --resume out to "
            "go on with it"
        )
    source, state, remarks = find(folder, resume)
    if source is not None:
        run = RunFolder(source.parent.parent)
        config = run.config() or config
    if config is not None:
        # An option that did not exist when the run began had what is its default now.
        options = options_of(type(plan.model)).values()
        config["options"] = {o.name: o.default for o in options} | config["options"]
        compare(config, plan.config, folder.path)
    if source is None:
        plan.model.load_pretrained()
        if plan.config["init_from"]:
            remarks.append(init_from(plan.model, Path(plan.config["init_from"])))
        return {}, remarks
    checkpoint.load_checkpoint(source, plan.model)
    if state["world_size"] != plan.config["world_size"]:
        remarks.append(
            f"the run had {state['world_size']} processes and has {plan.config['world_size']} "
            "now: it goes on, but not as the uninterrupted one would have, for each process has "
            "random numbers, batch norm and image pools of its own"
        )
    remarks.append(f"going on from {source}, step {state['step']}")
    return state, remarks


def find(folder: RunFolder, resume: str):
    """The checkpoint to start from (None: anew), its state, and remarks about damaged ones."""
    if resume in ("auto", "never"):
        return checkpoint.newest(folder.checkpoints)
    path = Path(resume)
    if path.name.isdigit():
        return path, checkpoint.verify(path), []
    source, state, remarks = checkpoint.newest(RunFolder(path).checkpoints)
    if source is None:
        raise InputError(f"--resume {resume}: there is no checkpoint in {path / 'checkpoints'}")
    return source, state, remarks


def init_from(model: nn.Layer, path: Path) -> str:
    """Load weights only: of one file, or every network of a run's newest checkpoint.

    Raises:
        InputError: no weights there, or they do not fit.
    """
    networks = dict(model.named_children())
    if path.is_dir():
        source, _, _ = checkpoint.newest(path / "checkpoints")
        files = formats.network_files(source or path)
        files = [file for file in files if "." not in file.stem]  # no pool of another rank
        if not files:
            raise InputError(
                f"--init-from {path}: it holds no checkpoint, .pdparams or .safetensors"
            )
    else:
        files = [path]
    for file in files:
        arrays, entry = formats.read_network(file)
        name = entry.get("network", file.stem)
        if name.endswith("_ema") and name not in networks and path.is_dir():
            continue  # the average of a run, whose network has a file of its own
        if name not in networks:
            raise InputError(
                f"--init-from {file} holds the network {name!r}; this model has "
                f"{', '.join(networks)}"
            )
        load_state_strict(networks[name], arrays, str(file))
        # A moving average starts where its network does; a file of its own comes later and wins.
        if f"{name}_ema" in networks:
            load_state_strict(networks[f"{name}_ema"], arrays, str(file))
    return f"weights from {', '.join(map(str, files))}"
