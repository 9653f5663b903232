"""Save and load: every file is whole or absent, and no code in a file is ever run."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Optional

import numpy as np
import paddle
from paddle import nn
from paddle.base.layer_helper import LayerHelper
from paddle.optimizer import Optimizer

from data_reader.errors import InputError

from . import safe_pickle
from .model import GANModel
from .weights import fill, layer_arrays

ENTRY = "__paddle_gans__"  # a JSON string beside the weights: model, options, network


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Any]:
    """A binary file for writing that appears under its name only when it is complete.

    Raises:
        InputError: it cannot be written (disk full, no permission); nothing stays behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all."""
    with whole_file(path) as file:
        file.write((json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def save_network(path: Path, layer: nn.Layer, entry: Mapping[str, Any]) -> None:
    """Write a layer as ``.pdparams``, with what is needed to build it again as one extra entry."""
    state: dict[str, Any] = layer_arrays(layer)
    state[ENTRY] = json.dumps(entry, sort_keys=True)
    with whole_file(path) as file:
        safe_pickle.dump(state, file)


def read_network(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays of a ``.pdparams`` file and its entry, {} where another program wrote it.

    Raises:
        InputError: not such a file, damaged, or holding more than plain arrays.
    """
    state = safe_pickle.load(path)
    text = state.pop(ENTRY, "{}")
    try:
        entry = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: its entry {ENTRY} is not JSON; the file is damaged") from error
    if not isinstance(entry, dict):
        raise InputError(f"{path}: its entry {ENTRY} is not a JSON object; the file is damaged")
    return {k: v for k, v in state.items() if isinstance(v, np.ndarray)}, entry


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
    folder: Path, model: GANModel, state: Mapping[str, Any], keep: int = 0, suffix: str = ""
) -> Path:
    """Write ``folder/<step>/`` whole or not at all, then drop all but the newest ``keep``.

    ``state`` needs ``step``. Returns the new folder. ``suffix`` tells the ranks' files apart.

    Raises:
        InputError: it cannot be written; what was there before stays.
    """
    final = folder / f"{state['step']:06d}"
    partial = folder / f".{final.name}.{os.getpid()}.part"
    names = parameter_names(model)
    sums = {}

    def put(name: str, arrays: Mapping[str, Any]) -> None:
        buffer = io.BytesIO()
        safe_pickle.dump(arrays, buffer)
        sums[name] = hashlib.sha256(buffer.getbuffer()).hexdigest()
        with whole_file(partial / name) as file:
            file.write(buffer.getbuffer())

    try:
        partial.mkdir(parents=True, exist_ok=True)
        for name, layer in model.named_children():
            put(f"{name}.pdparams", layer_arrays(layer))
        for name, optimizer in model.optimizers.items():
            put(f"{name}.pdopt", optimizer_arrays(optimizer, names))
        write_json(partial / "state.json", {**state, "sha256": sums})
        if final.exists():  # the same step again, after a resume from an older checkpoint
            shutil.rmtree(final)
        os.replace(partial, final)
    except OSError as error:
        raise InputError(f"{final} cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    if keep > 0:
        for old in checkpoints(folder)[:-keep]:
            shutil.rmtree(old, ignore_errors=True)
    return final


def checkpoints(folder: Path) -> list[Path]:
    """The complete checkpoints of a run, oldest first."""
    if not folder.is_dir():
        return []
    found = [p for p in folder.iterdir() if p.name.isdigit() and (p / "state.json").is_file()]
    return sorted(found, key=lambda p: int(p.name))


def verify(path: Path) -> dict[str, Any]:
    """The state of a checkpoint whose files all have the checksums it names.

    Raises:
        InputError: a file is missing or has changed.
    """
    try:
        state = json.loads((path / "state.json").read_text(encoding="utf-8"))
        sums = state["sha256"]
        for name, expected in sums.items():
            if hashlib.sha256((path / name).read_bytes()).hexdigest() != expected:
                raise InputError(f"{path / name} is damaged: its checksum is not the one written")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"the checkpoint {path} cannot be read: {error}") from error
    return state


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

    Raises:
        InputError: it does not fit the model, or cannot be read.
    """
    for name, layer in model.named_children():
        fill(layer, safe_pickle.load(path / f"{name}.pdparams"), str(path / f"{name}.pdparams"))
    names = parameter_names(model)
    for name, optimizer in model.optimizers.items():
        source = path / f"{name}.pdopt"
        fill_optimizer(optimizer, safe_pickle.load(source), names, str(source))
