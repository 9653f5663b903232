"""What a run does when numbers, files or the disk go wrong: stop with a reason, or go on."""

from __future__ import annotations

import contextlib
import errno
import math
from collections.abc import Iterator
from typing import Any, Callable

from paddle import Tensor

from data_reader.errors import InputError, disk_errors

from . import checkpoint, parallel
from .model import GANModel, NotFinite, Update
from .plan import Plan
from .run_folder import RunFolder

MOST_IN_A_ROW = 20  # steps that --on-nan skip leaves out before it stops
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


class NotFiniteError(InputError):
    """A loss became infinite or not a number."""


class Watch:
    """Takes a run's steps and looks at their losses: what is not finite stops, or is left out.

    With ``--on-nan skip``, a step of which an update is left out leaves nothing of that update:
    what no optimizer steps (running statistics, image pools, averages) is put back too. So a run
    depends on its state alone, and one that is resumed skips what it would have skipped.
    """

    def __init__(
        self, plan: Plan, folder: RunFolder, state: dict[str, Any], say: Callable[[str], None]
    ):
        self.plan, self.model, self.folder, self.say = plan, plan.model, folder, say
        self.skips = plan.config["on_nan"] == "skip"
        self.update = Update(plan.config["amp"], plan.config["accumulate"], plan.config["on_nan"])
        self.update.load_state(state.get("scaler", {}))
        self.left_out = state.get("left_out", 0)  # steps
        self.in_a_row = state.get("left_out_in_a_row", 0)
        self.pending: list[tuple[int, dict[str, Tensor]]] = []  # losses not looked at yet
        self.losses: dict[str, float] = {}  # of the last step that was looked at; finite
        self._kept = False  # what is needed to look at was saved in this session

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        counts = {"left_out": self.left_out, "left_out_in_a_row": self.in_a_row}
        return {"scaler": self.update.state(), **(counts if self.skips else {})}

    def step(self, step: int, batch: dict[str, Tensor]) -> None:
        """One training step.

        Raises:
            NotFiniteError: a loss is not finite, and is not to be left out.
        """
        spare = [(t, t.clone()) for t in not_stepped(self.model)] if self.skips else []
        try:
            losses = train_on(self.model, batch, step, self.update)
        except NotFinite as found:
            raise self._error(step, str(found)) from None
        self.pending.append((step, losses))
        if not self.update.left_out:
            self.in_a_row = 0
            return
        for tensor, before in spare:
            tensor.set_value(before)
        self._leave_out(step, "; ".join(self.update.left_out))

    def _leave_out(self, step: int, reason: str) -> None:
        self.left_out += 1
        self.in_a_row += 1
        if self.in_a_row > MOST_IN_A_ROW:
            raise self._error(step, f"{reason}, after {MOST_IN_A_ROW} steps like it,")
        kept = "" if self._kept else f"; {self._keep(step)}"
        self._kept = True
        self.say(
            f"warning: step {step + 1} is left out: {reason}; batch: {self._files(step)}{kept}"
        )

    def look(self) -> None:
        """Bring the pending losses from the device and check them.

        Raises:
            NotFiniteError: a loss is infinite or not a number, and is not to be left out.
        """
        for step, losses in self.pending:
            values = {name: term.item() for name, term in losses.items()}
            self.losses = {name: x for name, x in values.items() if math.isfinite(x)}
            bad = [f"{name} is {x}" for name, x in values.items() if name not in self.losses]
            if bad and not self.skips:
                raise self._error(step, bad[0])
        self.pending.clear()

    def _error(self, step: int, found: str) -> NotFiniteError:
        saved = checkpoint.checkpoints(self.folder.checkpoints)
        last = (
            f"the checkpoint of step {int(saved[-1].name)} stays"
            if saved
            else "there is no checkpoint yet"
        )
        return NotFiniteError(
            f"{found} at step {step + 1}; its batch: {self._files(step)}; {last}; "
            f"{self._keep(step)}. A lower --learning-rate, a look at these pictures or --on-nan "
            "skip is the next step"
        )

    def _files(self, step: int) -> str:
        return ", ".join(self.plan.loader.files(step)[:8])

    def _keep(self, step: int) -> str:
        """Save batch and state to look at, a checkpoint to repeat the step from; says where."""
        rank = parallel.rank()
        path = self.folder.path / "not_finite" / (f"{step + 1:06d}" + (f".{rank}" if rank else ""))
        state = {**run_state(self.plan, step), **self.state()}
        try:
            checkpoint.write_checkpoint(path, self.model, state, self.plan.loader.batch(step))
        except InputError as error:
            return f"batch and state are not saved: {error}"
        return f"{path} holds the batch and the state"


class Disk:
    """What a full disk does to a run: it stops it, or is said once while the run goes on."""

    def __init__(self, goes_on: bool, say: Callable[[str], None]):
        self.goes_on, self.say = goes_on, say
        self._said: set[str] = set()

    @contextlib.contextmanager
    def writing(self, what: str) -> Iterator[None]:
        """Around what is written, and can be left out.

        Raises:
            InputError: it cannot be written, and not for lack of space alone, or that stops.
        """
        try:
            yield
        except InputError as error:
            if not (self.goes_on and for_lack_of_space(error)):
                raise
            if what not in self._said:
                self.say(f"warning: {error}; training goes on, the next time it is tried again")
            self._said.add(what)


class BadFiles:
    """Names every item that was replaced once: on the screen, and in ``bad_files.txt``."""

    def __init__(self, plan: Plan, folder: RunFolder, say: Callable[[str], None]):
        self.path, self.say = folder.path / "bad_files.txt", say
        self.found = {} if plan.loader.bad is None else plan.loader.bad
        self.told = 0

    def tell(self) -> None:
        """Tell of what was found since the last time.

        Raises:
            InputError: it cannot be written down.
        """
        new = list(self.found)[self.told :]
        if not new:
            return
        self.told += len(new)
        for text in new:
            self.say(f"warning: {text}; another item is taken")
        with disk_errors(f"cannot write {self.path}"), self.path.open("a+") as file:
            file.seek(0)
            known = set(file.read().splitlines())
            file.write("".join(f"{text}\n" for text in new if text not in known))


def for_lack_of_space(error: BaseException) -> bool:
    """Whether an error comes from a full disk or a quota."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in NO_SPACE:
        return True
    return cause is not None and for_lack_of_space(cause)


def not_stepped(model: GANModel) -> list[Tensor]:
    """What a model holds besides the parameters that its optimizers step."""
    stepped = {p.name for o in model.optimizers.values() for p in o._parameter_list}
    return [tensor for tensor in model.state_dict().values() if tensor.name not in stepped]


def run_state(plan: Plan, done: int) -> dict[str, Any]:
    """Where a run stands after ``done`` steps, as checkpoints say it."""
    return {
        "step": done,
        "epoch": done // plan.loader.steps_per_epoch,
        "seconds": 0.0,
        **{key: plan.config[key] for key in ("seed", "world_size", "versions")},
    }


def train_on(
    model: GANModel, batch: dict[str, Tensor], step: int, update: Update
) -> dict[str, Tensor]:
    """One training step on a batch, in parts where the update accumulates; the mean terms.

    The moving averages follow once, at the end.
    """
    sums: dict[str, Tensor] = {}
    for part in update.parts(batch):
        with update.autocast():
            terms = model.train_step(part, step, update)
        sums = {name: sums[name] + term if name in sums else term for name, term in terms.items()}
    model.update_averages(step)
    return {name: total / update.accumulate for name, total in sums.items()}
