"""Metrics on a validation set during training, and the checkpoint with the best of them."""

from __future__ import annotations

import collections
import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from data_reader.atomic import atomic_folder
from data_reader.datasets import ImageDataset, without_randomness
from data_reader.errors import InputError, did_you_mean
from data_reader.loader import read_item
from paddle_gans.fast_cpu.memory import from_numpy

from .checkpoint import read_json, write_json
from .config import RunConfig
from .model import GANModel
from .run_folder import RunFolder

MAX_ITEMS = 200  # items that a validation takes
D_ITEMS = 32  # of each set, for the discriminator's outputs
# The discriminator's mean output; the same word at the start puts them into one chart.
D_METRICS = {"d_real_train": "none", "d_real_validation": "none", "d_generated": "none"}
OVERFITTING = 0.6  # the largest share that Karras et al. 2020 allow, see `overfitting_warnings`
MIN_CONSECUTIVE = 3  # validations above it before the warning
SEED = 0  # of everything random in it, whatever the run's own


@dataclass(frozen=True)
class Best:
    """What the run folder's ``best/`` holds: the weights of ``step``, and the metric's value."""

    metric: str
    value: float
    step: int


class Validation:
    """Measures a model on a validation set, and remembers the metrics and the best of them.

    ``metrics`` are names and directions; ``train_items`` have no random augmentation; ``bad`` as in
    ``read_item``. Without ``items`` nothing is ever due.
    """

    def __init__(
        self,
        model: GANModel,
        items: ImageDataset | None,
        *,
        metrics: Mapping[str, str],
        every: int = 1,  # steps between validations
        batch_size: int = 1,
        train_items: ImageDataset | None = None,
        best_by: str | None = None,
        bad: dict[str, None] | None = None,
    ):
        self.model, self.items, self.train_items = model, items, train_items
        self.metrics, self.every, self.batch_size = metrics, every, batch_size
        self.best_by, self.bad = best_by, bad

    def resume(self, folder: RunFolder, start: int, total: int) -> list[str]:
        """Read the validations up to ``start`` of a run of ``total`` steps; returns warnings."""
        self.folder, self.total = folder, total
        self.history = folder.validations(start)  # metrics by step
        best = self.best = read_best(folder.best)
        # It must be chosen by the same metric, and at a step that is not repeated.
        if not self.best_by or (best and best.metric == self.best_by and best.step <= start):
            return []
        self.best = None
        warning = (
            f"the best {self.best_by} is searched from here on: weights before step {start} were "
            "not kept by it"
        )
        return [warning] if best or self.history else []

    def describe(self) -> str:
        """One line that says what is measured, on what, and how often."""
        named = [
            k if how == "none" else f"{k} ({how} is better)" for k, how in self.metrics.items()
        ]
        count = len(self.items)
        return (
            f"validation every {self.every} steps and at the end, on {min(count, MAX_ITEMS)} of "
            f"{count} validation items: {', '.join(named)}"
        )

    def is_due(self, done: int) -> bool:
        """Whether to validate after ``done`` steps; not twice."""
        if not self.items or done == 0 or done in self.history:
            return False
        return done % self.every == 0 or done == self.total

    def measure(self, stopped: Callable[[], bool] = lambda: False) -> dict[str, float]:
        """The mean of each metric over the images; {} once ``stopped`` returns true.

        A metric that is not finite is NaN. Training is not affected: each step seeds itself.
        """
        means: dict[str, float] = {}
        with evaluating(self.model):
            if self.model.metrics:
                means.update(self._means(self.model.validate, self.items, MAX_ITEMS, stopped))
            if "d_generated" in self.metrics:
                train, held_out = (
                    self._means(self.model.discriminator_outputs, items, D_ITEMS, stopped)
                    for items in (self.train_items, self.items)
                )
                means["d_real_train"] = train.get("real", math.nan)
                means["d_real_validation"] = held_out.get("real", math.nan)
                means["d_generated"] = held_out.get("generated", math.nan)
        if stopped():
            return {}
        return {
            name: means[name] if math.isfinite(means[name]) else math.nan for name in self.metrics
        }

    def _means(self, function, items: ImageDataset, most: int, stopped) -> dict[str, float]:
        """The means of what ``function`` returns for batches of items, the same every time."""
        indices = spread(len(items), most)
        sums: dict[str, float] = collections.defaultdict(float)
        for start in range(0, len(indices), self.batch_size):
            if stopped():
                return {}
            part = indices[start : start + self.batch_size]
            read = [read_item(items, i, np.random.default_rng([SEED, i]), self.bad) for i in part]
            paddle.seed(SEED + start)
            batch = {key: from_numpy(np.stack([x[key] for x in read])) for key in read[0]}
            for name, value in function(batch).items():
                sums[name] += float(value) * len(part)
        return {name: total / len(indices) for name, total in sums.items()}

    def improves(self, metrics: Mapping[str, float]) -> bool:
        """Whether these metrics are the best so far."""
        if self.best_by is None or math.isnan(metrics[self.best_by]):
            return False
        if self.best is None:
            return True
        value, before = metrics[self.best_by], self.best.value
        return value > before if self.metrics[self.best_by] == "higher" else value < before

    def keep(
        self, done: int, metrics: Mapping[str, float], save_networks: Callable[[Path, int], None]
    ) -> None:
        """Save the networks for inference to ``best/``, with ``best.json``."""
        best = Best(self.best_by, metrics[self.best_by], done)
        with atomic_folder(self.folder.best) as partial:
            save_networks(partial, done)
            write_json(partial / "best.json", asdict(best))
        self.best = best

    def record(self, done: int, epoch: int, metrics: Mapping[str, float]) -> str:
        """Log the metrics; returns a line that shows them.

        A model without metrics has the discriminator's outputs in the lines of its losses.
        """
        self.history[done] = dict(metrics)
        if self.model.metrics:
            self.folder.append({"step": done, "epoch": epoch, "validation": as_json(metrics)})

        terms = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        is_best = self.best_by is not None and self.best is not None and self.best.step == done
        return f"validation at step {done}  {terms}" + ("  (the best)" if is_best else "")

    def warnings(self) -> list[str]:
        """Warnings about the metrics so far."""
        history = [self.history[step] for step in sorted(self.history)]
        return self.model.validation_warnings(history) + overfitting_warnings(history)


def make_validation(
    model: GANModel,
    train_set: ImageDataset,
    test_set: ImageDataset | None,
    config: RunConfig,
    steps_per_epoch: int,
    batch_size: int,
    bad: dict[str, None] | None,
) -> Validation:
    """The validation of a run; without items if it has no metrics, no test set, or wants none."""
    has_outputs = type(model).discriminator_outputs is not GANModel.discriminator_outputs
    metrics = {**model.metrics, **(D_METRICS if has_outputs else {})}
    every = config.validate_every
    if config.best_by is not None:
        check_best_by(config.best_by, model.metrics, test_set, every)
    if every and not metrics:
        raise InputError(f"--validate-every {every}: this model has no metrics; leave it out")
    if not metrics or not test_set or every == 0:
        return Validation(model, None, metrics=metrics)
    return Validation(
        model,
        test_set if config.limit is None else test_set.limited(config.limit),
        metrics=metrics,
        # The discriminator's outputs alone are measured with each sample grid: epochs may be short.
        every=every or (steps_per_epoch if model.metrics else config.sample_every),
        batch_size=batch_size,
        train_items=without_randomness(train_set),
        best_by=config.best_by,
        bad=bad,
    )


def check_best_by(
    best_by: str, metrics: Mapping[str, str], test_set: ImageDataset | None, every: int | None
) -> None:
    """Raise InputError for a metric that cannot choose the best checkpoint."""
    flag = f"--best-by {best_by}"
    choices = [name for name, better in metrics.items() if better != "none"]
    if not choices:
        raise InputError(f"{flag}: this model has no metric to choose by; leave it out")
    if best_by not in choices:
        hint = did_you_mean(best_by, choices)
        if best_by in metrics:
            hint = "it is logged only, without a better direction; "
        raise InputError(f"{flag}: {hint}this model can choose by {' or '.join(choices)}")
    if not test_set:
        raise InputError(f"{flag}: this data has no test set; add one, or leave it out")
    if every == 0:
        raise InputError(f"{flag} needs validation, and --validate-every 0 turns it off")


@contextlib.contextmanager
def evaluating(model: nn.Layer) -> Iterator[None]:
    """Within the block the model is in evaluation mode, and no gradient is recorded."""
    model.eval()
    try:
        with paddle.no_grad():
            yield
    finally:
        model.train()


def spread(count: int, most: int) -> list[int]:
    """Indices below ``count``: all of them, or ``most`` evenly spaced ones."""
    few = min(count, most)
    return [i * count // few for i in range(few)]


def overfitting_warnings(history: list[Mapping[str, float]]) -> list[str]:
    """Warn if the discriminator has memorised the training images.

    Its output for validation images is then close to that for generated ones: more than 60 % of
    the way from training to generated images, in each of the last three validations. Source: Karras
    et al. 2020, "Training Generative Adversarial Networks with Limited Data", equation 1.
    """
    shares = []
    for metrics in history[-MIN_CONSECUTIVE:]:
        train, held_out, generated = (metrics.get(name, math.nan) for name in D_METRICS)
        shares.append((train - held_out) / (train - generated) if train > generated else 0.0)
    if len(shares) < MIN_CONSECUTIVE or not all(share > OVERFITTING for share in shares):
        return []
    return [
        "the discriminator memorises the training images: its mean output is "
        f"{train:.2f} on them, {held_out:.2f} on validation images and {generated:.2f} on "
        "generated ones. --diff-augment color,translation,cutout, more images, or a lower "
        "--d-learning-rate may help"
    ]


def as_json(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """Metrics for the log: NaN, which is not JSON, becomes null."""
    return {name: None if math.isnan(x) else x for name, x in metrics.items()}


def read_best(folder: Path) -> Best | None:
    """What ``best/`` holds; None without it."""
    path = folder / "best.json"
    if not path.exists():
        return None
    try:
        content = read_json(path)
        content.setdefault("metric", content.pop("figure", None))  # its former name
        best = Best(**content)
        if type(best.step) is not int or type(best.value) not in (int, float):
            raise TypeError("step and value are numbers")
        return best
    except (InputError, TypeError) as error:
        raise InputError(
            f"{path} is damaged ({error}); remove {folder} to search for the best from here on"
        ) from error
