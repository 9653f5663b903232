"""Save and load: every file is whole or absent, and no code in a file is ever run."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np
import paddle
from paddle import nn
from paddle.base.layer_helper import LayerHelper
from paddle.optimizer import Optimizer

from data_reader.atomic import atomic_folder, atomic_write, remove_folder
from data_reader.errors import InputError, disk_errors
from paddle_gans.weights import paddle_file
from paddle_gans.weights.arrays import layer_arrays, load_state_strict
from paddle_gans.weights.formats import checksum

from . import parallel
from .image_pool import ImagePool, name_of
from .model import NONE, GANModel

MAX_JSON = 2**24  # bytes
STATE = {"step": (int,), "world_size": (int,), "seconds": (int, float), "scaler": (dict,),
         "sha256": (dict,)}  # what a state is taken up by; numbers from 0 on  # fmt: skip


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    with atomic_write(path) as file:
        file.write((json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


# Paddle keys an optimizer's accumulators by automatic names (conv2d_0.w_0_moment1_0) that change
# with the order in which layers are built; we key them by the parameter's structured name.


def optimizer_arrays(optimizer: Optimizer, names: Mapping[str, str]) -> dict[str, np.ndarray]:
    """An optimizer's accumulators as ``{structured parameter name}/{accumulator}``."""
    arrays = {}
    for accumulator, by_parameter in optimizer._accumulators.items():
        for automatic, tensor in by_parameter.items():
            arrays[f"{names[automatic]}/{accumulator}"] = np.asarray(tensor.numpy())
    return arrays


def fill_optimizer(
    optimizer: Optimizer, arrays: Mapping[str, np.ndarray], names: Mapping[str, str], source: str
) -> None:
    """Set an optimizer's accumulators; one that a file does not hold starts fresh, as it was.

    Raises:
        InputError: the file holds an accumulator that this optimizer does not have.
    """
    # As the first step would; Paddle offers no public way that leaves weights and powers alone.
    if optimizer.helper is None:
        optimizer.helper = LayerHelper(type(optimizer).__name__)
    block = paddle.static.default_main_program().global_block()
    optimizer._create_accumulators(block, optimizer._parameter_list)
    rest = dict(arrays)
    for accumulator, by_parameter in optimizer._accumulators.items():
        for automatic, tensor in by_parameter.items():
            array = rest.pop(f"{names[automatic]}/{accumulator}", None)
            if array is None:
                continue
            if list(array.shape) != list(tensor.shape):
                raise InputError(f"{source}: {names[automatic]}/{accumulator} has another shape")
            tensor.set_value(array)
    if rest:
        raise InputError(f"{source} does not fit this optimizer: unknown {sorted(rest)[:3]}")


def parameter_names(model: nn.Layer) -> dict[str, str]:
    """Paddle's automatic parameter names -> structured names."""
    return {parameter.name: name for name, parameter in model.named_parameters()}


def save_checkpoint(
    folder: Path,
    model: GANModel,
    state: Mapping[str, Any],
    keep: int = 0,
    spare: Optional[int] = None,
    others: Mapping[str, Mapping[str, np.ndarray]] = NONE,
) -> Path:
    """Write ``folder/<step>/`` whole or not at all, then drop all but the newest ``keep``.

    ``state`` needs ``step``. Returns the new folder. That of step ``spare`` is kept, and not
    counted. ``others`` as in ``write_checkpoint``.

    Raises:
        InputError: it cannot be written; what was there before stays.
    """
    final = folder / f"{state['step']:06d}"
    write_checkpoint(final, model, state, others=others)
    if keep > 0:
        for old in [p for p in checkpoints(folder) if int(p.name) != spare][:-keep]:
            remove_folder(old)
    return final


def write_checkpoint(
    path: Path,
    model: GANModel,
    state: Mapping[str, Any],
    batch: Optional[Mapping[str, np.ndarray]] = None,
    others: Mapping[str, Mapping[str, np.ndarray]] = NONE,
) -> None:
    """Write the folder ``path``, with checksums, whole or not at all; ``batch`` as ``batch.npz``.

    ``others`` are the states that other ranks hold for themselves, each ``<name>.pdparams``.

    Raises:
        InputError: it cannot be written; what was there before stays.
    """
    names, sums = parameter_names(model), {}

    def put(name: str, write: Callable[[io.BytesIO], None]) -> None:
        buffer = io.BytesIO()
        write(buffer)
        sums[name] = hashlib.sha256(buffer.getbuffer()).hexdigest()
        with atomic_write(partial / name) as file:
            file.write(buffer.getbuffer())

    def put_arrays(name: str, arrays: Mapping[str, Any]) -> None:
        put(name, lambda buffer: paddle_file.dump(arrays, buffer))

    with atomic_folder(path) as partial:
        for name, layer in model.named_children():
            put_arrays(f"{name}.pdparams", layer_arrays(layer))
        for name, optimizer in model.optimizers.items():
            put_arrays(f"{name}.pdopt", optimizer_arrays(optimizer, names))
        for name, arrays in others.items():
            put_arrays(f"{name}.pdparams", arrays)
        if batch is not None:
            put("batch.npz", lambda buffer: np.savez(buffer, **batch))
        write_json(partial / "state.json", {**state, "sha256": sums})


def bytes_needed(model: GANModel, count: int) -> int:
    """What ``count`` checkpoints take on the disk: the weights, and Adam's two moments of each."""
    return 3 * count * sum(tensor.size * 4 for tensor in model.state_dict().values())


def checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints of a run, oldest first."""
    if not folder.is_dir():
        return []
    found = [p for p in folder.iterdir() if p.name.isdigit() and (p / "state.json").is_file()]
    return sorted(found, key=lambda p: int(p.name))


def verify(path: Path) -> dict[str, Any]:
    """The state of a checkpoint whose files all have the checksums it names.

    Raises:
        InputError: a file is missing or has changed, or the state is none that was written here.
    """
    state = read_json(path / "state.json")
    for key, kinds in STATE.items():
        value = state.get(key)
        if type(value) not in kinds or (type(value) is not dict and not 0 <= value < 2**53):
            raise InputError(f"the checkpoint {path} is damaged: its {key} is {ascii(value)[:40]}")
    for name, expected in state["sha256"].items():
        if Path(name).name != name or not (path / name).is_file():
            raise InputError(f"the checkpoint {path} is damaged: {ascii(name)[:80]} is not there")
        if checksum(path / name) != expected:
            raise InputError(f"{path / name} is damaged: its checksum is not the one written")
    return state


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file, which may be a stranger's.

    Raises:
        InputError: it is absent, larger than ``MAX_JSON``, no JSON, or no object.
    """
    with disk_errors(f"cannot read {path}"), path.open("rb") as file:
        data = file.read(MAX_JSON + 1)
    try:
        if len(data) > MAX_JSON:
            raise ValueError(f"it is larger than {MAX_JSON >> 20} MiB")
        found = json.loads(data)
        if type(found) is not dict:
            raise ValueError("it is no object")
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: {error}; copy it again, or take it away") from error
    return found


def newest(folder: Path) -> tuple[Optional[Path], Optional[dict[str, Any]], list[str]]:
    """The newest checkpoint that is sound, its state, and a sentence for each damaged one."""
    remarks = []
    for path in reversed(checkpoints(folder)):
        try:
            return path, verify(path), remarks
        except InputError as error:
            remarks.append(f"{error}; the one before is used")
    return None, None, remarks


def load_checkpoint(path: Path, model: GANModel) -> None:
    """Put the networks and the optimizers where the checkpoint stood.

    A rank that has no pool of its own there starts with that of the first.

    Raises:
        InputError: it does not fit the model, or cannot be read.
    """
    for name, layer in model.named_children():
        source = path / f"{name_of(name, parallel.rank())}.pdparams"
        if not (isinstance(layer, ImagePool) and source.exists()):
            source = path / f"{name}.pdparams"
        load_state_strict(layer, paddle_file.load(source), str(source))
    names = parameter_names(model)
    for name, optimizer in model.optimizers.items():
        source = path / f"{name}.pdopt"
        fill_optimizer(optimizer, paddle_file.load(source), names, str(source))
