"""The one interface that every article implements, and the one place where gradients are made."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Optional

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.optimizer import Adam, Optimizer

from data_reader.datasets import ImageDataset
from data_reader.errors import InputError
from paddle_gans.networks.field import Field

from . import parallel
from .ema import average_of, move_average, warm_up_decay

NONE: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Recipe:
    """How long and how often: a run's settings that are not options of the model.

    ``steps`` or ``epochs`` is the length, the other None; ``options`` are constructor keywords
    that differ from the article's (the embedded demo is smaller).
    """

    batch_size: int
    steps: Optional[int] = None
    epochs: Optional[int] = None
    log_every: int = 50
    sample_every: int = 500
    save_every: int = 1000
    keep: int = 3
    validate_every: Optional[int] = None  # steps; None: once an epoch, 0: never
    options: Mapping[str, Any] = field(default_factory=dict)


class GANModel(nn.Layer):
    """One article: its networks, its optimizers, one training step, one way to draw samples.

    Constructor arguments are keyword-only, carry the article's values, and are the configuration
    and the command-line flags. Networks, EMA copies and image pools are sublayers, so that a
    checkpoint cannot forget one.
    """

    article: Recipe  # what the article trains with
    demo: Recipe  # what trains in a few minutes on the embedded data
    optimizers: dict[str, Optimizer]
    # The class of what `dataset` returns: Paired, Unpaired, Domains or Photos, which say how the
    # model is translated with, evaluated, exported and served; ImageDataset: images from noise.
    data_class: type[ImageDataset] = ImageDataset
    size_multiple: int = 1  # what the sides of an input image must divide by

    panel_images: int = 6  # how many of each name a panel shows
    panel_columns: int = 0  # names beside each other before the next ones go below; 0: all
    panel_tiled_rows: int = 0  # each name as a block of so many rows instead of a column

    # The networks that inference loads, each with the `translate` options it stands for; networks
    # with the same options are needed together.
    inference: Mapping[str, Mapping[str, Any]] = {"generator": {}}

    # What `validate` measures, each with what is better: "higher", "lower", or "none" for what is
    # only watched. Names that begin with the same word (chroma_result, chroma_truth) share an axis.
    figures: Mapping[str, str] = NONE

    # Of which networks a moving average is kept, and how; see `keep_averages`.
    ema_names: tuple[str, ...] = ()
    ema_decay: float = 0.0
    ema_warm_up: bool = True

    def dataset(self, root: Optional[str], *, train: bool) -> Optional[ImageDataset]:
        """The training or test items under ``root`` (None: the embedded data set).

        A test set that the data does not have is None.
        """
        raise NotImplementedError

    def train_step(self, batch: dict[str, Tensor], step: int, update: Update) -> dict[str, Tensor]:
        """Do one step of the article's training; returns its detached, unweighted loss terms."""
        raise NotImplementedError

    def sample(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Named images [N, C, H, W] in [-1, 1]: the columns of the panel."""
        raise NotImplementedError

    def validate(self, batch: dict[str, Tensor]) -> dict[str, float]:
        """Each of ``figures`` for a batch of held-back items, as means over its images."""
        raise NotImplementedError

    def discriminator_outputs(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """D's mean output on a batch's real images, and on images generated from it.

        The keys are "real" and "generated". A model without a discriminator returns {}.
        """
        return {}

    def judge(self, history: list[dict[str, float]]) -> list[str]:
        """Sentences of warning about the figures so far, oldest first; NaN is not a number."""
        return []

    def translate(self, inputs: Tensor) -> Tensor:
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
        """What the learning rates are multiplied by at ``step``; 1 unless the article decays."""
        return 1.0

    @classmethod
    def options_from_data(cls, root: Optional[str]) -> dict[str, Any]:
        """Options that the data decides where the user leaves them out, as the domains' names.

        Raises:
            InputError: the data is not there, or of no layout that the model reads.
        """
        return {}

    def load_pretrained(self) -> None:
        """Load the parts that others have trained; a new run does it, one that goes on does not.

        Raises:
            InputError: a file that the options name cannot be used.
        """

    def information(self, data: str, batch_size: int, steps: int) -> list[str]:
        """Lines about the settings that a run begins with, as the article prints them."""
        return []

    @classmethod
    def inference_for(cls, options: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        """What ``inference`` is for a model with these options."""
        return cls.inference

    def inference_network(self, name: str) -> nn.Layer:
        """The layer whose weights are saved as ``<name>.pdparams``; the EMA where there is one."""
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
        """Move each average towards its network."""
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
    weight_decay: Optional[float] = None,
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

    Gradients still pass through to the inputs. A discriminator that only judges saves a third of
    its backward pass; what is learned does not change.
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


class NotFinite(ArithmeticError):
    """Terms of an update that are infinite or not a number; none has reached a weight."""


class Update:
    """One optimizer step from named loss terms: the mechanics that no model file repeats.

    ``update(losses, *optimizers, weights={})`` clears the gradients, sums weight x term (1 where
    no weight is named), scales, goes backward, averages over ranks, steps, and returns the terms
    detached. ``amp`` is "off", "bf16" or "fp16". With ``accumulate`` N, a step is done in N parts
    of the batch: gradients are averaged over the parts, and the last part steps.

    ``on_nan`` is what is done where a term is not finite: "ignore"; "stop" raises, before any
    weight has changed (on a GPU, or among several ranks, looking costs time: there the trainer
    looks at the terms later); "skip" leaves the update out, where its gradient is not finite too,
    and adds a few words to ``left_out``.

    Raises:
        InputError: a weight names no term; parts, and an optimizer that steps twice a step.
        NotFinite: see ``on_nan``.
    """

    def __init__(self, amp: str = "off", accumulate: int = 1, on_nan: str = "ignore"):
        self.amp, self.accumulate = amp, accumulate
        quick = paddle.get_device().startswith("cpu") and parallel.world_size() == 1
        self.skips, self.stops = on_nan == "skip", on_nan == "stop" and quick
        self.left_out: list[str] = []  # updates of this step, and why
        self._bad: set[int] = set()  # optimizers whose update is left out
        self.part = 0  # of the batch, from 0
        self._stepped: list[Optimizer] = []
        # bf16 has float32's range and needs no scaling.
        self.scaler = paddle.amp.GradScaler(enable=amp == "fp16", init_loss_scaling=2.0**15)

    def autocast(self):
        """The context in which a training step runs."""
        dtype = "float16" if self.amp == "fp16" else "bfloat16"
        return paddle.amp.auto_cast(enable=self.amp != "off", dtype=dtype)

    def parts(self, batch: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
        """The parts of a batch in turn; the whole one without accumulation."""
        self.left_out.clear()
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
                self._bad.discard(id(optimizer))
        if self._not_finite(losses):
            self._bad.update(map(id, optimizers))
            return {name: term.detach() for name, term in losses.items()}
        total = sum(term * weights.get(name, 1.0) for name, term in losses.items())
        self.scaler.scale(total / self.accumulate if self.accumulate > 1 else total).backward()
        if self.part == self.accumulate - 1 and id(optimizers[0]) not in self._bad:
            self._step(optimizers, " + ".join(losses))
        return {name: term.detach() for name, term in losses.items()}

    def _not_finite(self, losses: Mapping[str, Tensor]) -> bool:
        """Whether a term is not finite, on any rank; raises where that stops the run."""
        if not (self.skips or self.stops):
            return False
        values = {name: term.item() for name, term in losses.items()}
        found = [f"{name} is {x}" for name, x in values.items() if not math.isfinite(x)]
        if found and self.stops:
            raise NotFinite(found[0])
        if not parallel.anywhere(bool(found)):
            return False
        self.left_out.append("; ".join(found) or "a loss of another process is not finite")
        return True

    def _step(self, optimizers: tuple[Optimizer, ...], what: str) -> None:
        """Step by gradients that are averaged over ranks; in skip mode, by finite ones alone."""
        for optimizer in optimizers:
            parallel.average_gradients(optimizer)
        # The loss scaling of fp16 leaves such steps out by itself.
        if self.skips and not self.scaler.is_enable() and not finite_gradients(optimizers):
            self.left_out.append(f"the gradient of {what} is not finite")
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
        """What a checkpoint keeps of the loss scaling; empty without fp16."""
        if not self.scaler.is_enable():
            return {}
        return {key: np.asarray(x).tolist() for key, x in self.scaler.state_dict().items()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on with the loss scaling of a checkpoint."""
        if state:
            self.scaler.load_state_dict(dict(state))


def finite_gradients(optimizers: tuple[Optimizer, ...]) -> bool:
    """Whether every gradient of these optimizers' parameters is finite."""
    gradients = [p.grad for o in optimizers for p in o._parameter_list if p.grad is not None]
    # A sum is finite where all are; the few that overflow are left out rightly.
    sums = [gradient.abs().sum().astype("float32") for gradient in gradients]
    return not sums or math.isfinite(paddle.add_n(sums).item())
