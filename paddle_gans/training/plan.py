"""Everything a run needs, resolved and checked before its first step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import paddle

from data_reader.datasets import ImageDataset
from data_reader.errors import InputError
from data_reader.loader import Loader
from paddle_gans.fast_cpu import accelerate

from . import parallel
from .loggers import check_loggers
from .model import GANModel, Recipe
from .options import resolve
from .run_folder import flag, versions
from .validation import HeldBack, figures_of, hold_back

RECIPE_SETTINGS = tuple(field.name for field in fields(Recipe) if field.name != "options")


@dataclass
class Plan:
    """A run with everything resolved: the model built, the data found, the length known."""

    model: GANModel
    loader: Loader
    panel: dict[str, np.ndarray]  # the batch that every panel shows
    held_back: Optional[HeldBack]  # what the model is validated on; None: nothing
    recipe: Recipe
    total: int  # steps
    config: dict[str, Any]
    remarks: list[str]  # what the user should know before it starts


def make_plan(
    model_class: type[GANModel],
    data: Union[str, Sequence[str], None],
    *,
    seed: int = 0,
    workers: int = 2,
    amp: str = "off",
    accumulate: int = 1,
    limit: Optional[int] = None,
    init_from: Optional[str] = None,
    best_by: Optional[str] = None,
    on_bad_file: str = "stop",
    on_nan: str = "stop",
    on_full_disk: str = "stop",
    log: Sequence[str] = (),
    **settings: Any,
) -> Plan:
    """Build the model and find the data; ``settings`` are the recipe's and the model's own.

    Raises:
        InputError: an option, a value or the data cannot be used.
    """
    root = None if data in (None, "demo") else data
    recipe, given = choose_recipe(model_class, root, settings)
    check_amp(amp)
    faults = {"on_bad_file": on_bad_file, "on_nan": on_nan, "on_full_disk": on_full_disk}
    check_faults(faults)
    log = check_loggers(log)
    bad: Optional[dict[str, None]] = {} if on_bad_file == "skip" else None
    found = model_class.options_from_data(root)
    options = resolve(model_class, {**recipe.options, **found, **given}, model_name(model_class))
    paddle.seed(seed)
    model = model_class(**options)
    about_ranks = parallel.synchronise_batch_norm(model)
    accelerate(model)

    dataset = model.dataset(root, train=True)
    if limit is not None:
        dataset = dataset.limited(at_least_one("limit", limit))
    shards = {"rank": parallel.rank(), "world_size": parallel.world_size(), "bad": bad}
    loader = Loader(dataset, recipe.batch_size, seed=seed, workers=workers, **shards)
    check_parts(accumulate, loader)
    test_set = model.dataset(root, train=False)
    held_back = hold_back(
        model,
        dataset,
        test_set,
        recipe,
        steps_per_epoch=loader.steps_per_epoch,
        batch_size=recipe.batch_size // (parallel.world_size() * accumulate),
        limit=limit,
        best_by=best_by,
        bad=bad,
    )
    total = recipe.steps if recipe.steps is not None else recipe.epochs * loader.steps_per_epoch

    config = {
        "model": model_name(model_class),
        "options": options,
        "data_path": data,
        "data": dataset.fingerprint(),
        "init_from": init_from,
        "seed": seed,
        "amp": amp,
        "accumulate": accumulate,
        "limit": limit,
        "workers": workers,
        "device": paddle.get_device(),
        "world_size": parallel.world_size(),
        "best_by": best_by,
        **faults,
        "log": log,
        **{key: getattr(recipe, key) for key in RECIPE_SETTINGS},
        "steps": total,
        "versions": versions(),
    }
    panel = panel_batch(model, test_set or dataset, seed, bad)
    remarks = remarks_on(dataset, root, bad)
    remarks += about_ranks
    if held_back:
        remarks.append(held_back.describe())
    elif figures_of(model) and recipe.validate_every != 0:
        remarks.append("no validation: the data has no test set")
    return Plan(model, loader, panel, held_back, recipe, total, config, remarks)


def panel_batch(
    model: GANModel, items: ImageDataset, seed: int, bad: Optional[dict[str, None]] = None
) -> dict:
    """The first items, those that every panel shows."""
    count = min(model.panel_images, len(items))
    return Loader(items, count, seed=seed, shuffle=False, workers=0, bad=bad).batch(0)


def remarks_on(
    dataset: ImageDataset, root: Any, bad: Optional[dict[str, None]] = None
) -> list[str]:
    """What the user should know of the data before the start."""
    embedded = (
        f"training on the embedded data in data_reader/demo ({dataset.describe()}); --data FOLDER "
        "trains on your own images"
    )
    try:
        remarks = dataset.warnings()
    except InputError as error:  # they look at a picture
        if bad is None:
            raise
        bad[str(error)], remarks = None, []
    return ([embedded] if root is None else []) + remarks


def model_name(model_class: type[GANModel]) -> str:
    """The name a model is called by: that of its file."""
    return model_class.__module__.rsplit(".", 1)[-1]


def choose_recipe(
    model_class: type[GANModel], root: Any, settings: Mapping[str, Any]
) -> tuple[Recipe, dict[str, Any]]:
    """The recipe with the user's values in it, and the settings that are the model's own.

    Raises:
        InputError: a number below 1 (--validate-every: 0), or both --steps and --epochs.
    """
    settings = {key: value for key, value in settings.items() if value is not None}
    mine = {key: settings.pop(key) for key in RECIPE_SETTINGS if key in settings}
    if "steps" in mine and "epochs" in mine:
        raise InputError("--steps and --epochs both say how long the run is; give one of them")
    for key, value in mine.items():
        if not (key == "validate_every" and value == 0):  # never
            at_least_one(key, value)
    recipe = model_class.demo if root is None else model_class.article
    if "steps" in mine or "epochs" in mine:
        recipe = replace(recipe, steps=None, epochs=None)
    return replace(recipe, **mine), settings


def at_least_one(name: str, value: int) -> int:
    """``value``, or InputError when it is below 1."""
    if not isinstance(value, int) or value < 1:
        raise InputError(f"{flag(name)} is a whole number from 1 on, not {value}")
    return value


def check_parts(accumulate: int, loader: Loader) -> None:
    """Raise InputError when this rank's batch does not divide into so many parts."""
    share = loader.batch_size // loader.world_size
    if share % at_least_one("accumulate", accumulate):
        raise InputError(
            f"--accumulate {accumulate} does not divide a batch of {share}; choose a divisor, "
            f"or a --batch-size that is a multiple"
        )


def check_amp(amp: str) -> None:
    """Raise InputError for a precision that is unknown, or that the CPU does not have."""
    if amp not in ("off", "bf16", "fp16"):
        raise InputError(f"--amp is off, bf16 or fp16, not {amp!r}")
    if amp != "off" and paddle.get_device().startswith("cpu"):
        raise InputError(f"--amp {amp} needs a GPU, and this run is on the CPU; leave it out")


def check_faults(chosen: Mapping[str, str]) -> None:
    """Raise InputError for what cannot be done about a fault."""
    for name, value in chosen.items():
        other = "go-on" if name == "on_full_disk" else "skip"
        if value not in ("stop", other):
            raise InputError(f"{flag(name)} is stop or {other}, not {value!r}")


def choose_device(device: str) -> None:
    """Decide where tensors live: "auto", "cpu", "gpu" or "gpu:K".

    Raises:
        InputError: this machine has no such device.
    """
    # Paddle ends the process when asked for a GPU that is not there.
    count = paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() else 0
    if device == "auto":
        device = "gpu" if count else "cpu"
    kind, _, number = device.partition(":")
    if kind not in ("cpu", "gpu") or (number and not (kind == "gpu" and number.isdigit())):
        raise InputError(f"--device {device} is none of auto, cpu, gpu, gpu:0, gpu:1 ...")
    if kind == "gpu" and int(number or 0) >= count:
        raise InputError(f"--device {device}: Paddle sees {count} GPUs here; use --device cpu")
    if device == "gpu" and parallel.world_size() > 1:
        device = f"gpu:{paddle.distributed.ParallelEnv().device_id}"
    paddle.set_device(device)


def place(model_class: type[GANModel], out: Optional[str], resume: str) -> Path:
    """The run folder: ``out``, else the run that ``resume`` names, else ``runs/<model>``.

    Raises:
        InputError: ``resume`` is neither auto, never nor a folder.
    """
    if resume in ("auto", "never"):
        return Path(out or Path("runs") / model_name(model_class))
    path = Path(resume)
    if not path.is_dir():
        raise InputError(
            f"--resume {resume} is not a folder; it is auto, never, a run folder, or one of the "
            "checkpoints in it"
        )
    return Path(out or (path.parent.parent if path.name.isdigit() else path))
