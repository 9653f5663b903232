"""The interface that every model implements, and the one place where optimizers step."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.optimizer import Adam, Optimizer

from data_reader.datasets import ImageDataset
from data_reader.errors import InputError
from paddle_gans.networks.field import Field

from . import parallel
from .config import RunConfig
from .ema import average_of, move_average, warm_up_decay
from .guards import NONE, FiniteGuard
from .mixed_precision import autocast


@dataclass(frozen=True)
class SampleGrid:
    """The layout of a model's sample grid."""

    count: int = 6  # images of each name
    columns: int = 0  # names side by side before the next ones go below; 0: all
    rows: int = 0  # rows of each name, in a block of its own; 0: a name is a column


class GANModel(nn.Layer):
    """One paper's networks, optimizers, training step, and samples.

    Constructor arguments are keyword-only and have the tutorial's values as defaults; they are the
    configuration and the command-line flags. Networks, moving averages and image pools are
    sublayers, so that a checkpoint cannot miss one.
    """

    paper_config: RunConfig  # for the user's own data: the paper's or its tutorial's schedule
    demo_config: RunConfig  # for the embedded data: a few minutes of training
    demo_options: Mapping[str, Any] = NONE  # options that differ from the tutorial's there
    # For --preset quick: settings of `paper_config`, and options, that differ. The estimates beside
    # them are 3 x 2 x the multiplications of a forward pass, at 6e12 operations a second.
    quick_config: Mapping[str, Any] = NONE
    quick_options: Mapping[str, Any] = NONE
    optimizers: dict[str, Optimizer]
    sample_grid = SampleGrid()
    # The class of what `dataset` returns: Paired, Unpaired, Domains or Photos, which say how the
    # model is translated with, evaluated, exported and served; ImageDataset: images from noise.
    data_class: type[ImageDataset] = ImageDataset
    # Paired, and Unpaired with one network: which side is translated, "a2b" or "b2a".
    direction: str = "a2b"
    size_multiple: int = 1  # what the sides of an input image must divide by

    # The networks that inference loads, each with its `translate` options; networks with the same
    # options are needed together.
    inference: Mapping[str, Mapping[str, Any]] = {"generator": {}}

    # What `validate` measures, each with the better direction: "higher", "lower", or "none" (logged
    # only). Names that begin with the same word (chroma_result, chroma_truth) share a chart.
    metrics: Mapping[str, str] = NONE

    # Of which networks a moving average is kept, and how; see `keep_averages`.
    ema_names: tuple[str, ...] = ()
    ema_decay: float = 0.0
    ema_warm_up: bool = True

    def dataset(self, root: Any, *, train: bool) -> ImageDataset | None:
        """The training or test items under ``root`` (None: the embedded data).

        Returns None if there is no test split.
        """
        raise NotImplementedError

    def train_step(self, batch: dict[str, Tensor], step: int, update: Update) -> dict[str, Tensor]:
        """Take one training step; returns its detached, unweighted losses."""
        raise NotImplementedError

    def sample(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Named images [N, C, H, W] in [-1, 1] for the sample grid."""
        raise NotImplementedError

    def validate(self, batch: dict[str, Tensor]) -> dict[str, float]:
        """Each of ``metrics`` on a batch of the validation set, as means over its images."""
        raise NotImplementedError

    def discriminator_outputs(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """D's mean output on a batch's real images ("real") and on generated ones ("generated").

        A model without a discriminator returns {}.
        """
        return {}

    def validation_warnings(self, history: list[dict[str, float]]) -> list[str]:
        """Warnings about the metrics so far, oldest first; NaN: not finite."""
        return []

    def translate(self, inputs: Any) -> Tensor:
        """Inference on [N, C, H, W] in [-1, 1]; keyword-only arguments are the infer flags."""
        raise NotImplementedError

    def generator_inputs(self) -> list[Field]:
        """Return the inputs of a generator that draws from noise, for `paddle_gans.export`.

        Raises:
            InputError: the model does not describe them.
        """
        raise InputError(
            f"{type(self).__name__} cannot be exported: it does not describe what its generator "
            "reads; add a method generator_inputs() to the model, as in models/dcgan.py"
        )

    def lr_scale(self, step: int, steps_per_epoch: int) -> float:
        """What the learning rates are multiplied by at ``step``; 1 unless the tutorial decays."""
        return 1.0

    @classmethod
    def options_from_data(cls, root: Any) -> dict[str, Any]:
        """Defaults that depend on the data, such as the names of its domains.

        Raises:
            InputError: the data is missing, or in no layout that the model reads.
        """
        return {}

    def load_pretrained(self) -> None:
        """Load pretrained sub-networks. Called for new runs only, not on resume.

        Raises:
            InputError: a file named by the options cannot be used.
        """

    def information(self, data: str, batch_size: int, steps: int) -> list[str]:
        """Lines to print at the start of a run, as the tutorial does."""
        return []

    @classmethod
    def inference_for(cls, options: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        """The value of ``inference`` for a model with these options."""
        return cls.inference

    def inference_network(self, name: str) -> nn.Layer:
        """The layer saved as ``<name>.pdparams``: the moving average if there is one."""
        return self.averaged(name)

    def keep_averages(self, decay: float, *names: str, warm_up: bool = True) -> None:
        """Keep the moving average of each named network as the sublayer ``<name>_ema``.

        The trainer moves the averages after each step. ``decay`` is the weight of the average;
        0 keeps none. With ``warm_up`` it starts low (``warm_up_decay``).

        Raises:
            InputError: ``decay`` is neither 0 nor in [0.5, 1).
        """
        if decay != 0 and not 0.5 <= decay < 1:
            raise InputError(
                f"--ema-decay {decay:g} must be 0 (no average) or at least 0.5 and below 1; "
                "0.999 is common"
            )
        self.ema_decay, self.ema_warm_up = decay, warm_up
        self.ema_names = names if decay > 0 else ()
        for name in self.ema_names:
            setattr(self, f"{name}_ema", average_of(getattr(self, name)))

    def update_averages(self, step: int) -> None:
        decay = warm_up_decay(self.ema_decay, step) if self.ema_warm_up else self.ema_decay
        for name in self.ema_names:
            move_average(getattr(self, f"{name}_ema"), getattr(self, name), decay)

    def averaged(self, name: str) -> nn.Layer:
        """The moving average of a network where one is kept, otherwise the network itself."""
        return getattr(self, f"{name}_ema" if name in self.ema_names else name)


def adam(
    *networks: nn.Layer,
    learning_rate: float,
    beta1: float,
    beta2: float,
    weight_decay: float | None = None,
) -> Adam:
    """Adam over the trainable parameters of the networks; weight decay is L2 in the gradient."""
    # Paddle counts batch norm's running statistics among the parameters, not trainable.
    parameters = [p for net in networks for p in net.parameters() if p.trainable]
    return Adam(
        learning_rate=learning_rate,
        beta1=beta1,
        beta2=beta2,
        parameters=parameters,
        weight_decay=weight_decay,
    )


@contextlib.contextmanager
def frozen(*networks: nn.Layer):
    """Within the block no gradient is computed for these networks' parameters.

    Gradients still reach the inputs. This saves a third of a discriminator's backward pass while
    the generator learns.
    """
    parameters = [p for net in networks for p in net.parameters() if not p.stop_gradient]
    for p in parameters:
        p.stop_gradient = True
    try:
        yield
    finally:
        for p in parameters:
            p.stop_gradient = False


def share(x: Tensor, part: int, parts: int) -> Tensor:
    """Part number ``part`` of the first axis; the tensor itself where there is only one."""
    size = x.shape[0] // parts
    return x if parts == 1 else x[part * size : (part + 1) * size]


class Update:
    """One optimizer step from named losses: the mechanics that no model file repeats.

    ``update(losses, *optimizers, weights={})`` clears the gradients, sums weight x loss (weight 1
    by default), scales, goes backward, averages gradients over ranks, steps, and returns the
    losses detached. ``amp`` is "off", "bf16" or "fp16". With ``accumulate`` N, gradients are
    averaged over N parts of the batch, and the last part steps. ``guard`` stops at, or skips,
    losses and gradients that are not finite.

    Raises:
        InputError: a weight names no loss; an optimizer steps twice in a step of several parts.
        NotFinite: the guard stops.
    """

    def __init__(self, amp: str = "off", accumulate: int = 1, guard: FiniteGuard | None = None):
        self.amp, self.accumulate, self.guard = amp, accumulate, guard or FiniteGuard()
        self.part = 0  # of the batch, from 0
        self._skipped: set[int] = set()  # optimizers that do not step
        self._stepped: list[Optimizer] = []
        # bf16 has float32's range and needs no scaling.
        self.scaler = paddle.amp.GradScaler(enable=amp == "fp16", init_loss_scaling=2.0**15)

    def autocast(self):
        return autocast(self.amp)

    def parts(self, batch: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
        """The parts of a batch in turn; the whole batch without accumulation."""
        for part in range(self.accumulate):
            self.part = part
            self._stepped.clear()
            yield {key: share(x, part, self.accumulate) for key, x in batch.items()}

    def __call__(
        self,
        losses: Mapping[str, Tensor],
        *optimizers: Optimizer,
        weights: Mapping[str, float] = NONE,
    ) -> dict[str, Tensor]:
        unknown = set(weights) - set(losses)
        if unknown:
            raise InputError(f"weights for {sorted(unknown)}, but the losses are {sorted(losses)}")
        if self.accumulate > 1:
            self._refuse_second_step(optimizers)
        if self.part == 0:
            for optimizer in optimizers:
                optimizer.clear_grad(set_to_zero=False)
                self._skipped.discard(id(optimizer))
        if not self.guard.accepts_losses(losses):
            self._skipped.update(map(id, optimizers))
            return {name: loss.detach() for name, loss in losses.items()}
        total: Any = sum(loss * weights.get(name, 1.0) for name, loss in losses.items())
        self.scaler.scale(total / self.accumulate if self.accumulate > 1 else total).backward()
        if self.part == self.accumulate - 1 and id(optimizers[0]) not in self._skipped:
            self._step(optimizers, " + ".join(losses))
        return {name: loss.detach() for name, loss in losses.items()}

    def _step(self, optimizers: tuple[Optimizer, ...], name: str) -> None:
        """Step by gradients averaged over ranks."""
        for optimizer in optimizers:
            parallel.average_gradients(optimizer)
        # fp16's loss scaling skips gradients that are not finite by itself.
        if not (self.scaler.is_enable() or self.guard.accepts_gradients(optimizers, name)):
            return
        for optimizer in optimizers:
            self.scaler.step(optimizer)
        if self.scaler.is_enable():
            self.scaler.update()

    def _refuse_second_step(self, optimizers: tuple[Optimizer, ...]) -> None:
        """Two updates of one optimizer within a step would add up in the same gradients."""
        for optimizer in optimizers:
            if any(optimizer is other for other in self._stepped):
                raise InputError(
                    "this model updates a network twice in a step, which --accumulate cannot "
                    "divide; a smaller --batch-size or --crop-size needs less memory"
                )
            self._stepped.append(optimizer)

    def state(self) -> dict[str, Any]:
        """The loss scaling, for a checkpoint; empty without fp16."""
        if not self.scaler.is_enable():
            return {}
        return {key: np.asarray(x).tolist() for key, x in self.scaler.state_dict().items()}

    def load_state(self, state: Any) -> None:
        """Restore the loss scaling of a checkpoint."""
        if state:
            content: Any = dict(state)
            self.scaler.load_state_dict(content)
