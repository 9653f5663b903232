"""Validation: figures of held-back items while a model trains, and the checkpoint they prefer."""

from __future__ import annotations

import collections
import contextlib
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np
import paddle
from paddle import Tensor, nn

from data_reader.datasets import ImageDataset, without_randomness
from data_reader.errors import InputError, did_you_mean
from data_reader.loader import read_item
from paddle_gans.fast_cpu.memory import from_numpy

from .checkpoint import read_json, whole_folder, write_json
from .model import GANModel, Recipe
from .run_folder import RunFolder

MOST = 200  # items that a validation takes
D_ITEMS = 32  # of each set, for the discriminator's outputs
# The discriminator's mean output; the same word at the start puts them into one chart.
D_FIGURES = {"d_real_train": "none", "d_real_validation": "none", "d_generated": "none"}
OVERFITTING = 0.6  # the largest share that Karras et al. 2020 allow, see `memorises`
IN_A_ROW = 3  # validations above it before the warning
SEED = 0  # of everything random in it, whatever the run's own


@dataclass(frozen=True)
class HeldBack:
    """The items that a model is validated on, how often, and the figure that chooses the best."""

    items: ImageDataset
    every: int  # steps
    batch_size: int
    figures: Mapping[str, str]  # what is measured: see ``figures_of``
    train_items: Optional[ImageDataset] = None  # the training set, nothing drawn at random
    best_by: Optional[str] = None
    bad: Optional[dict[str, None]] = None  # see data_reader.loader.read_item

    @property
    def indices(self) -> list[int]:
        """The items that are taken: all, or ``MOST`` at equal distances; always the same ones."""
        return spread(len(self.items), MOST)

    def describe(self) -> str:
        """What is measured, on how much, and how often."""
        named = [
            k if how == "none" else f"{k} ({how} is better)" for k, how in self.figures.items()
        ]
        return (
            f"validation every {self.every} steps and at the end, on {len(self.indices)} of "
            f"{len(self.items)} held-back items: {', '.join(named)}"
        )


@dataclass(frozen=True)
class Best:
    """What the run folder's ``best/`` holds: the weights of ``step``, by a figure's value."""

    figure: str
    value: float
    step: int


def hold_back(
    model: GANModel,
    train_set: ImageDataset,
    test_set: Optional[ImageDataset],
    recipe: Recipe,
    *,
    steps_per_epoch: int,
    batch_size: int,
    limit: Optional[int] = None,
    best_by: Optional[str] = None,
    bad: Optional[dict[str, None]] = None,
) -> Optional[HeldBack]:
    """What a run validates on; None where there is nothing to measure, or nothing to measure it on.

    Raises:
        InputError: the user asks for a validation that cannot be.
    """
    check_best_by(best_by, model.figures, test_set, recipe.validate_every)
    figures = figures_of(model)
    if recipe.validate_every and not figures:
        raise InputError(
            f"--validate-every {recipe.validate_every}: this model measures nothing on held-back "
            "items; leave it out"
        )
    if not figures or not test_set or recipe.validate_every == 0:
        return None
    items = test_set if limit is None else test_set.limited(limit)
    # The discriminator's outputs alone are measured with each panel: an epoch may be short.
    every = recipe.validate_every or (steps_per_epoch if model.figures else recipe.sample_every)
    train_items = without_randomness(train_set)
    return HeldBack(items, every, batch_size, figures, train_items, best_by, bad)


def figures_of(model: GANModel) -> dict[str, str]:
    """Everything a validation measures, and its direction: see ``GANModel.figures``."""
    judged = type(model).discriminator_outputs is not GANModel.discriminator_outputs
    return {**model.figures, **(D_FIGURES if judged else {})}


def check_best_by(
    best_by: Optional[str],
    figures: Mapping[str, str],
    test_set: Optional[ImageDataset],
    validate_every: Optional[int],
) -> None:
    """Raise InputError for a figure that cannot choose the best checkpoint."""
    if best_by is None:
        return
    flag = f"--best-by {best_by}"
    choices = [name for name, better in figures.items() if better != "none"]
    if not choices:
        raise InputError(f"{flag}: this model has no figure to choose by; leave it out")
    if best_by not in choices:
        hint = did_you_mean(best_by, choices)
        if best_by in figures:
            hint = "it is only watched, neither more nor less of it is better; "
        raise InputError(f"{flag}: {hint}this model can choose by {' or '.join(choices)}")
    if not test_set:
        raise InputError(
            f"{flag} needs held-back items, and this data has no test set; put one beside the "
            "training set, or leave it out"
        )
    if validate_every == 0:
        raise InputError(f"{flag} needs the validation that --validate-every 0 leaves out")


@contextlib.contextmanager
def evaluating(model: nn.Layer) -> Iterator[None]:
    """Within the block the model is in evaluation mode, and no gradient is recorded."""
    model.eval()
    try:
        with paddle.no_grad():
            yield
    finally:
        model.train()


def measure(
    model: GANModel, held_back: HeldBack, stopped: Callable[[], bool] = lambda: False
) -> dict[str, float]:
    """Average of each figure over the images; {} when ``stopped`` says to leave off.

    A figure that is infinite or not a number is NaN. Training is not touched: each of its steps
    has random numbers of its own.

    Raises:
        InputError: an item cannot be read.
    """
    means: dict[str, float] = {}
    with evaluating(model):
        if model.figures:
            batches = batches_of(held_back, held_back.items, held_back.indices)
            means.update(mean_of(model.validate, batches, stopped))
        if "d_generated" in held_back.figures:
            means.update(discriminator_figures(model, held_back, stopped))
    if stopped():
        return {}
    return {
        name: means[name] if math.isfinite(means[name]) else math.nan for name in held_back.figures
    }


def discriminator_figures(
    model: GANModel, held_back: HeldBack, stopped: Callable[[], bool]
) -> dict[str, float]:
    """The discriminator's mean output on training, held-out and generated images."""
    train, held_out = (
        mean_of(
            model.discriminator_outputs,
            batches_of(held_back, items, spread(len(items), D_ITEMS)),
            stopped,
        )
        for items in (held_back.train_items, held_back.items)
    )
    return {
        "d_real_train": train.get("real", math.nan),
        "d_real_validation": held_out.get("real", math.nan),
        "d_generated": held_out.get("generated", math.nan),
    }


def batches_of(
    held_back: HeldBack, items: ImageDataset, indices: list[int]
) -> Iterator[tuple[int, dict[str, Tensor]]]:
    """Batches of items, always the same ones, each with its size; the framework is seeded."""
    for start in range(0, len(indices), held_back.batch_size):
        part = indices[start : start + held_back.batch_size]
        rngs = [np.random.default_rng([SEED, i]) for i in part]
        read = [read_item(items, i, rng, held_back.bad) for i, rng in zip(part, rngs)]
        paddle.seed(SEED + start)
        yield len(part), {key: from_numpy(np.stack([x[key] for x in read])) for key in read[0]}


def mean_of(
    function: Callable[[dict[str, Tensor]], Mapping[str, Any]],
    batches: Iterator[tuple[int, dict[str, Tensor]]],
    stopped: Callable[[], bool],
) -> dict[str, float]:
    """Means over all images of what ``function`` gives for batches; {} once ``stopped``."""
    sums: dict[str, float] = collections.defaultdict(float)
    count = 0
    for size, batch in batches:
        if stopped():
            return {}
        for name, value in function(batch).items():
            sums[name] += float(value) * size
        count += size
    return {name: total / count for name, total in sums.items()}


def spread(count: int, most: int) -> list[int]:
    """Indices below ``count``: all of them, or ``most`` at equal distances."""
    few = min(count, most)
    return [i * count // few for i in range(few)]


def memorises(history: list[Mapping[str, float]]) -> list[str]:
    """Warn when the discriminator has memorised the training images.

    Then its output for held-out images is close to that for generated ones: of the way from its
    mean output on training images to that on generated images, held-out ones are more than 60 %
    down, in each of the last three validations. Source: Karras et al. 2020, "Training Generative
    Adversarial Networks with Limited Data", equation 1.
    """
    shares = []
    for figures in history[-IN_A_ROW:]:
        train, held_out, generated = (figures.get(name, math.nan) for name in D_FIGURES)
        shares.append((train - held_out) / (train - generated) if train > generated else 0.0)
    if len(shares) < IN_A_ROW or not all(share > OVERFITTING for share in shares):
        return []
    return [
        "the discriminator memorises the training images: its mean output is "
        f"{train:.2f} on them, {held_out:.2f} on held-out images and {generated:.2f} on generated "
        "ones. --diff-augment color,translation,cutout, more images, or a lower --d-learning-rate "
        "may help"
    ]


class Validation:
    """A run's validations until now, and the best of them; ``start`` is where the run goes on."""

    def __init__(
        self,
        model: GANModel,
        held_back: Optional[HeldBack],
        folder: RunFolder,
        *,
        start: int,
        total: int,
    ):
        self.model, self.held_back, self.folder = model, held_back, folder
        self.total = total
        self.history = folder.validations(start)  # figures by step
        self.best = read_best(folder.best)
        self.best_by = held_back.best_by if held_back else None
        self.remarks: list[str] = []
        if self.best_by and not self._is_of_this_run(self.best, start):
            if self.best or self.history:
                self.remarks.append(
                    f"the best {self.best_by} counts from here on: what stood before step {start} "
                    "was not kept by it"
                )
            self.best = None
        self._said: set[str] = set()

    def _is_of_this_run(self, best: Optional[Best], start: int) -> bool:
        """Whether it was chosen by the same figure, and at a step that is not done again."""
        return best is not None and best.figure == self.best_by and best.step <= start

    def due(self, done: int) -> bool:
        """Whether it is time after ``done`` steps, and not done yet."""
        if self.held_back is None or done == 0 or done in self.history:
            return False
        return done % self.held_back.every == 0 or done == self.total

    def improves(self, figures: Mapping[str, float]) -> bool:
        """Whether these figures are the best so far, by the one that was chosen."""
        if self.best_by is None or math.isnan(figures[self.best_by]):
            return False
        if self.best is None:
            return True
        value, before = figures[self.best_by], self.best.value
        return value > before if self.model.figures[self.best_by] == "higher" else value < before

    def keep(
        self, done: int, figures: Mapping[str, float], save_networks: Callable[[Path, int], None]
    ) -> None:
        """Put the networks for inference into ``best/``, with ``best.json`` beside them.

        Raises:
            InputError: they cannot be written; what was there before stays.
        """
        best = Best(self.best_by, figures[self.best_by], done)
        with whole_folder(self.folder.best) as partial:
            save_networks(partial, done)
            write_json(partial / "best.json", asdict(best))
        self.best = best

    def record(self, done: int, epoch: int, figures: Mapping[str, float]) -> list[str]:
        """Log the figures; returns what there is to say: them, and warnings that are new.

        The discriminator's outputs alone are in the line of the losses already.
        """
        self.history[done] = dict(figures)
        if self.model.figures:
            self.folder.append({"step": done, "epoch": epoch, "validation": as_json(figures)})

        terms = "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
        is_best = self.best_by is not None and self.best is not None and self.best.step == done
        said = [f"validation at step {done}  {terms}" + ("  (the best)" if is_best else "")]
        history = [self.history[step] for step in sorted(self.history)]
        for remark in self.model.judge(history) + memorises(history):
            text = re.sub(r"-?[\d.]+", "#", remark)  # the same with other numbers is not new
            if text not in self._said:
                said.append(f"warning: {remark}")
            self._said.add(text)
        return said


def as_json(figures: Mapping[str, float]) -> dict[str, Optional[float]]:
    """Figures as the log holds them: NaN, which is not JSON, is null."""
    return {name: None if math.isnan(x) else x for name, x in figures.items()}


def read_best(folder: Path) -> Optional[Best]:
    """What ``best/`` holds, None where there is none.

    Raises:
        InputError: its ``best.json`` is damaged.
    """
    path = folder / "best.json"
    if not path.exists():
        return None
    try:
        best = Best(**read_json(path))
        if type(best.step) is not int or type(best.value) not in (int, float):
            raise TypeError("step and value are numbers")
        return best
    except (InputError, TypeError) as error:
        raise InputError(
            f"{path} is damaged ({error}); remove {folder}, and the best counts from here on"
        ) from error
