"""Save and load checkpoints, atomically and without running code from a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.base.layer_helper import LayerHelper
from paddle.optimizer import Optimizer

from data_reader.atomic import atomic_folder, atomic_write, remove_folder
from data_reader.errors import InputError, disk_errors
from paddle_gans.weights import paddle_file
from paddle_gans.weights.arrays import layer_arrays, load_state_strict
from paddle_gans.weights.formats import checksum

from . import parallel
from .image_pool import ImagePool, pool_name
from .model import NONE, GANModel

MAX_JSON = 2**24  # bytes
# The entries of state.json that a resumed run needs; numbers are at least 0.
STATE_TYPES = {
    "step": (int,), "world_size": (int,), "seconds": (int, float), "scaler": (dict,),
    "sha256": (dict,),
}  # fmt: skip


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file atomically."""
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    with atomic_write(path) as file:  # names that are not UTF-8 become JSON's own escapes
        file.write(text.encode(errors="backslashreplace"))


# Paddle names an optimizer's accumulators by automatic names (conv2d_0.w_0_moment1_0) that depend
# on the order in which layers are built; we use the parameter's structured name instead.


def accumulators(optimizer: Optimizer, names: Mapping[str, str]) -> dict[str, Tensor]:
    """Return an optimizer's accumulators as ``{structured parameter name}/{accumulator}``."""
    return {
        f"{names[automatic]}/{accumulator}": tensor
        for accumulator, by_parameter in optimizer._accumulators.items()
        for automatic, tensor in by_parameter.items()
    }


def optimizer_arrays(optimizer: Optimizer, names: Mapping[str, str]) -> dict[str, np.ndarray]:
    return {name: np.asarray(x.numpy()) for name, x in accumulators(optimizer, names).items()}


def load_optimizer(
    optimizer: Optimizer, arrays: Mapping[str, np.ndarray], names: Mapping[str, str], source: str
) -> None:
    """Set an optimizer's accumulators; those missing in the file keep their initial values."""
    # As the first step does; no public method of Paddle leaves weights and powers unchanged.
    if optimizer.helper is None:
        optimizer.helper = LayerHelper(type(optimizer).__name__)
    block = paddle.static.default_main_program().global_block()
    optimizer._create_accumulators(block, optimizer._parameter_list)
    known = accumulators(optimizer, names)
    unknown = sorted(set(arrays) - set(known))
    if unknown:
        raise InputError(f"{source} does not fit this optimizer: unknown {unknown[:3]}")
    for name, array in arrays.items():
        if list(array.shape) != list(known[name].shape):
            raise InputError(f"{source}: {name} has another shape")
        known[name].set_value(array)


def parameter_names(model: nn.Layer) -> dict[str, str]:
    return {parameter.name: name for name, parameter in model.named_parameters()}


def save_checkpoint(
    folder: Path,
    model: GANModel,
    state: Mapping[str, Any],
    keep: int = 0,
    spare: int | None = None,
    others: Mapping[str, Mapping[str, np.ndarray]] = NONE,
    keep_every: int | None = None,
) -> Path:
    """Write ``folder/<step>/`` atomically, remove all but the newest ``keep``, and return it.

    ``state`` must contain ``step``. The checkpoints of step ``spare`` and of every
    ``keep_every``-th step are kept and not counted; ``keep`` 0 keeps all. ``others`` as in
    ``write_checkpoint``.
    """
    final = folder / f"{state['step']:06d}"
    write_checkpoint(final, model, state, others=others)
    if keep > 0:
        steps = {p: int(p.name) for p in checkpoints(folder)}
        kept = {p for p, n in steps.items() if n == spare or (keep_every and n % keep_every == 0)}
        for old in [p for p in steps if p not in kept][:-keep]:
            remove_folder(old)
    return final


def write_checkpoint(
    path: Path,
    model: GANModel,
    state: Mapping[str, Any],
    batch: Mapping[str, np.ndarray] | None = None,
    others: Mapping[str, Mapping[str, np.ndarray]] = NONE,
) -> None:
    """Write the folder ``path``, with checksums, atomically; ``batch`` as ``batch.npz``.

    ``others`` are states of other ranks, each written as ``<name>.pdparams``. An InputError leaves
    the previous folder unchanged.
    """
    names = parameter_names(model)

    def put(name: str, arrays: Mapping[str, Any]) -> None:
        with atomic_write(partial / name) as file:
            paddle_file.dump(arrays, file)

    with atomic_folder(path) as partial:
        for name, layer in model.named_children():
            put(f"{name}.pdparams", layer_arrays(layer))
        for name, optimizer in model.optimizers.items():
            put(f"{name}.pdopt", optimizer_arrays(optimizer, names))
        for name, arrays in others.items():
            put(f"{name}.pdparams", arrays)
        if batch is not None:
            with atomic_write(partial / "batch.npz") as file:
                np.savez(file, **batch)
        sums = {file.name: checksum(file) for file in sorted(partial.iterdir())}
        write_json(partial / "state.json", {**state, "sha256": sums})


def checkpoints(folder: Path) -> list[Path]:
    """Return the complete checkpoints of a run, oldest first."""
    if not folder.is_dir():
        return []
    found = [p for p in folder.iterdir() if p.name.isdigit() and (p / "state.json").is_file()]
    return sorted(found, key=lambda p: int(p.name))


def verify(path: Path) -> dict[str, Any]:
    """Check all files of a checkpoint against their checksums, and return its state."""
    state = read_json(path / "state.json")
    for key, kinds in STATE_TYPES.items():
        value = state.get(key)
        if type(value) not in kinds or (type(value) is not dict and not 0 <= value < 2**53):
            raise InputError(f"the checkpoint {path} is damaged: its {key} is {ascii(value)[:40]}")
    for name, expected in state["sha256"].items():
        if Path(name).name != name or not (path / name).is_file():
            raise InputError(f"the checkpoint {path} is damaged: {ascii(name)[:80]} is missing")
        if checksum(path / name) != expected:
            raise InputError(f"{path / name} is damaged: its checksum does not match")
    return state


def read_json(path: Path) -> dict[str, Any]:
    """Read the object in a JSON file, which is not trusted."""
    with disk_errors(f"cannot read {path}"), path.open("rb") as file:
        data = file.read(MAX_JSON + 1)
    try:
        if len(data) > MAX_JSON:
            raise ValueError(f"it is larger than {MAX_JSON >> 20} MiB")
        found = json.loads(data)
        if type(found) is not dict:
            raise ValueError("it is not a JSON object")
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: {error}; copy it again, or remove it") from error
    return found


def newest(folder: Path) -> tuple[Path | None, dict[str, Any] | None, list[str]]:
    """Return the newest intact checkpoint, its state, and a warning about each damaged one."""
    warnings = []
    for path in reversed(checkpoints(folder)):
        try:
            return path, verify(path), warnings
        except InputError as error:
            warnings.append(f"{error}; using the previous checkpoint")
    return None, None, warnings


def load_checkpoint(path: Path, model: GANModel) -> None:
    """Load networks and optimizers; a rank without a pool of its own loads the first rank's."""
    for name, layer in model.named_children():
        source = path / f"{pool_name(name, parallel.rank())}.pdparams"
        if not (isinstance(layer, ImagePool) and source.exists()):
            source = path / f"{name}.pdparams"
        load_state_strict(layer, paddle_file.load(source), str(source))
    names = parameter_names(model)
    for name, optimizer in model.optimizers.items():
        source = path / f"{name}.pdopt"
        load_optimizer(optimizer, paddle_file.load(source), names, str(source))
