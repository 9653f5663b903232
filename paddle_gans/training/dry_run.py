"""--dry-run: everything a run would be, and one step of it; nothing is written."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Optional, Union

import numpy as np
import paddle

from . import parallel
from .model import GANModel, Update
from .plan import Plan, choose_device, make_plan, place
from .progress import duration
from .trainer import step_seed, train_on


def dry_run(
    model_class: type[GANModel],
    *,
    data: Union[str, Sequence[str], None] = None,
    out: Optional[str] = None,
    resume: str = "auto",
    device: str = "auto",
    **settings: Any,
) -> str:
    """Describe the run that ``train`` would do with the same arguments.

    Raises:
        InputError: what ``train`` would raise for options and data.
    """
    choose_device(device)
    parallel.start()
    plan = make_plan(model_class, data, **settings)
    lines = [f"run folder   {place(model_class, out, resume)} (nothing is written by a dry run)"]
    lines += describe_config(plan) + describe_data(plan) + describe_networks(plan.model)
    seconds, losses = time_step(plan, Update(plan.config["amp"], plan.config["accumulate"]))
    lines.append(f"one step     {seconds:.2f} s, {plan.recipe.batch_size / seconds:.2f} images/s")
    lines.append(f"whole run    {plan.total} steps, about {duration(plan.total * seconds)}")
    lines.append("losses       " + "  ".join(f"{k} {v:.4g}" for k, v in losses.items()))
    return "\n".join(lines + plan.remarks)


def describe_config(plan: Plan) -> list[str]:
    """The resolved configuration, one option a line."""
    config = {**plan.config, **plan.config["options"]}
    skip = ("options", "versions", "data", "data_path")
    rows = [f"  --{k.replace('_', '-')} {v}" for k, v in config.items() if k not in skip]
    versions = "  ".join(f"{k} {v}" for k, v in plan.config["versions"].items())
    return ["configuration", *rows, f"versions     {versions}"]


def describe_data(plan: Plan) -> list[str]:
    """Counts, the layout, the data's own figures, and one batch's shapes and range."""
    loader = plan.loader
    lines = [
        f"data         {len(loader.dataset)} items, {loader.dataset.describe()}; "
        f"{loader.steps_per_epoch} steps an epoch"
    ]
    lines += [f"  {line}" for line in loader.dataset.statistics()]
    for key, array in loader.batch(0).items():
        values = f"in [{np.min(array):.2f}, {np.max(array):.2f}]"
        lines.append(f"  batch[{key!r}] {list(array.shape)} {array.dtype} {values}")
    return lines


def describe_networks(model: GANModel) -> list[str]:
    """Trainable parameters of each network."""
    lines = ["networks"]
    for name, layer in model.named_children():
        count = sum(p.size for p in layer.parameters() if p.trainable)
        lines.append(f"  {name:<20} {count / 1e6:8.2f} M parameters")
    return lines


def time_step(plan: Plan, update: Update) -> tuple[float, dict[str, float]]:
    """Seconds of the second training step (the first one also prepares), and its losses."""
    for step in range(2):
        tensors = {k: paddle.to_tensor(v) for k, v in plan.loader.batch(step).items()}
        paddle.seed(step_seed(plan.config["seed"], parallel.rank(), step))
        start = time.perf_counter()
        losses = train_on(plan.model, tensors, step, update)
        losses = {name: term.item() for name, term in losses.items()}  # waits for a GPU
        seconds = time.perf_counter() - start
    return seconds, losses
