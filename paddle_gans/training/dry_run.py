"""--dry-run: describe a run and take one step of it, without writing anything."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import paddle

from . import parallel
from .experiment import Experiment, setup
from .model import GANModel, Update
from .progress import Bar
from .trainer import step_seed, training_step


def dry_run(model_class: type[GANModel], **settings: Any) -> str:
    """Describe the run that ``train`` would do with the same settings."""
    experiment = setup(model_class, settings)
    seconds, losses = time_step(experiment)
    batch_size, steps = experiment.config.batch_size, experiment.steps
    return "\n".join(
        [
            f"run folder   {experiment.out} (a dry run writes nothing)",
            *describe_config(experiment),
            *describe_data(experiment),
            *describe_networks(experiment.model),
            f"one step     {seconds:.2f} s, {batch_size / seconds:.2f} images/s",
            f"whole run    {steps} steps, about {Bar.format_interval(steps * seconds)}",
            "losses       " + "  ".join(f"{name} {x:.4g}" for name, x in losses.items()),
            *experiment.warnings,
        ]
    )


def describe_config(experiment: Experiment) -> list[str]:
    """The resolved configuration, one option a line."""
    config = {**experiment.record, **experiment.record["options"]}
    skip = ("options", "versions", "data", "data_path")
    rows = [f"  --{k.replace('_', '-')} {v}" for k, v in config.items() if k not in skip]
    versions = "  ".join(f"{k} {v}" for k, v in config["versions"].items())
    return ["configuration", *rows, f"versions     {versions}"]


def describe_data(experiment: Experiment) -> list[str]:
    """The number of items, their layout and statistics, and one batch's shapes and range."""
    loader = experiment.loader
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
    lines = ["networks"]
    for name, layer in model.named_children():
        sizes = [p.size for p in layer.parameters() if p.trainable]
        note = "" if sizes else ", not trained"
        count = sum(sizes or [p.size for p in layer.parameters()])
        lines.append(f"  {name:<20} {count / 1e6:8.2f} M parameters{note}")
    return lines


def time_step(experiment: Experiment) -> tuple[float, dict[str, float]]:
    """Seconds of the second training step (the first also allocates), and its losses."""
    config = experiment.config
    update = Update(config.amp, config.accumulate)
    for step in range(2):
        batch = {k: paddle.to_tensor(v) for k, v in experiment.loader.batch(step).items()}
        paddle.seed(step_seed(config.seed, parallel.rank(), step))
        start = time.perf_counter()
        losses = training_step(experiment.model, batch, step, update)
        losses = {name: loss.item() for name, loss in losses.items()}  # waits for a GPU
        seconds = time.perf_counter() - start
    return seconds, losses
