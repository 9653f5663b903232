"""Policies for faults during training: non-finite numbers, a full disk, signals."""

from __future__ import annotations

import contextlib
import errno
import math
import signal
import threading
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import paddle
from paddle import Tensor, nn
from paddle.optimizer import Optimizer

from data_reader.errors import InputError

from . import parallel

NONE: Mapping[str, Any] = MappingProxyType({})
MAX_CONSECUTIVE_SKIPS = 20  # steps, after which --on-nan skip stops
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
# A closed terminal sends SIGHUP; Windows has none.
SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if name in dir(signal)]


class NotFinite(ArithmeticError):
    """A loss or gradient is infinite or not a number, in the training step ``step``."""

    def __init__(self, reason: str, step: int = -1):
        super().__init__(reason)
        self.reason, self.step = reason, step


class NotFiniteError(InputError):
    """Training stopped because a loss became infinite or not a number."""


class FiniteGuard:
    """Stops or skips if losses are not finite (``--on-nan``).

    ``Update`` asks it before each backward pass. "stop" raises ``NotFinite``: before the update
    where checking is free (one process on a CPU), else when ``check`` is called, so that a GPU need
    not be waited for at every step. "skip" leaves out the update on all ranks, also if only its
    gradient is not finite, and undoes the step's effect on everything that no optimizer steps
    (running statistics, image pools, averages): a resumed run skips the same updates. "ignore"
    checks nothing.
    """

    def __init__(self, on_nan: str = "ignore", state: Mapping[str, Any] = NONE):
        self.skips = on_nan == "skip"
        on_cpu = paddle.get_device().startswith("cpu")
        self.stops_at_once = on_nan == "stop" and on_cpu and parallel.world_size() == 1
        self.skipped_steps = state.get("skipped_steps", 0)
        self.consecutive_skips = state.get("consecutive_skips", 0)
        self.losses: dict[str, float] = {}  # finite ones, of the last step that was checked
        self.reasons: list[str] = []  # why updates of this step were skipped
        self._pending: list[tuple[int, dict[str, Tensor]]] = []  # losses not checked yet

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        if not self.skips:
            return {}
        return {name: getattr(self, name) for name in ("skipped_steps", "consecutive_skips")}

    def accepts_losses(self, losses: Mapping[str, Tensor]) -> bool:
        """Whether an update may go backward from these losses."""
        if not (self.skips or self.stops_at_once):
            return True
        found = not_finite(losses)
        if found and self.stops_at_once:
            raise NotFinite(found[0])
        if not parallel.any_rank(bool(found)):
            return True
        self.reasons.append("; ".join(found) or "a loss of another process is not finite")
        return False

    def accepts_gradients(self, optimizers: tuple[Optimizer, ...], name: str) -> bool:
        """Whether optimizers may step by their gradients, which are those of all ranks."""
        if not self.skips:
            return True
        gradients = [p.grad for o in optimizers for p in o._parameter_list if p.grad is not None]
        # A sum of finite gradients that overflows is skipped as well, and rightly.
        sums = [gradient.abs().sum().astype("float32") for gradient in gradients]
        if not sums or math.isfinite(float(paddle.add_n(sums))):
            return True
        self.reasons.append(f"the gradient of {name} is not finite")
        return False

    @contextlib.contextmanager
    def watch_step(self, model: nn.Layer, step: int) -> Iterator[None]:
        """Around a training step: counts it if an update was skipped, and undoes its side effects.

        Raises NotFinite if a loss stops the run, or too many steps were skipped.
        """
        self.reasons.clear()
        before = []
        if self.skips:
            stepped = {p.name for o in model.optimizers.values() for p in o._parameter_list}
            others = (x for x in model.state_dict().values() if x.name not in stepped)
            before = [(x, x.clone()) for x in others]
        try:
            yield
        except NotFinite as error:
            error.step = step
            raise
        if not self.reasons:
            self.consecutive_skips = 0
            return
        for tensor, value in before:
            tensor.set_value(value)
        self.skipped_steps += 1
        self.consecutive_skips += 1
        if self.consecutive_skips > MAX_CONSECUTIVE_SKIPS:
            reason = f"{'; '.join(self.reasons)}, after {MAX_CONSECUTIVE_SKIPS} skipped steps,"
            raise NotFinite(reason, step)

    def add(self, step: int, losses: dict[str, Tensor]) -> None:
        self._pending.append((step, losses))

    def check(self) -> None:
        """Read the losses since the last check; NotFinite if one of them stops the run."""
        for step, losses in self._pending:
            values = {name: float(loss) for name, loss in losses.items()}
            self.losses = {name: x for name, x in values.items() if math.isfinite(x)}
            if len(self.losses) < len(values) and not self.skips:
                raise NotFinite(not_finite(values)[0], step)
        self._pending.clear()


def not_finite(losses: Mapping[str, Any]) -> list[str]:
    """The words "<name> is <value>" for each loss, a number or tensor, that is not finite."""
    values = {name: float(loss) for name, loss in losses.items()}
    return [f"{name} is {x}" for name, x in values.items() if not math.isfinite(x)]


def is_full_disk(error: BaseException | None) -> bool:
    """Whether an error, or one that caused it, says that a disk has no space."""
    if error is None or getattr(error, "errno", None) in NO_SPACE:
        return error is not None
    return is_full_disk(error.__cause__)


class Stopped(KeyboardInterrupt):
    """A run was stopped by a signal; it saved a checkpoint at ``step`` and can be resumed."""

    def __init__(self, signum: int, step: int):
        super().__init__(f"stopped at step {step}")
        self.signum, self.step = signum, step


class StopSignals:
    """Within the block, the first of these signals sets ``received``; a second one acts as usual.

    Outside the main thread, where Python has no signals, it does nothing. With ``patient``, all of
    them are kept: the launcher of several processes sends three to each within a second, and kills
    them half a minute later.
    """

    def __init__(self, *, patient: bool = False):
        self.received, self.patient = 0, patient
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for signum in SIGNALS:
                if signum != signal.SIGINT and signal.getsignal(signum) is signal.SIG_IGN:
                    continue  # nohup keeps a run alive
                self._before[signum] = signal.signal(signum, self._receive)
        return self

    def __exit__(self, *exc) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def _receive(self, signum, frame) -> None:
        self.received = signum
        if self.patient:
            return
        for again, handler in self._before.items():
            signal.signal(again, handler)
