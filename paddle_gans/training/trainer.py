"""train(): the loop, for every article alike."""

from __future__ import annotations

import contextlib
import math
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union

import paddle
from paddle import Tensor

from data_reader.errors import InputError
from data_reader.images import write_image

from . import checkpoint, parallel
from .model import GANModel, Update
from .panels import draw_curves, grid
from .plan import Plan, choose_device, make_plan, model_name, place
from .progress import Progress
from .resume import take_up
from .run_folder import RunFolder
from .signals import Stopped, StopSignals


class NotFiniteError(InputError):
    """A loss became infinite or not a number."""


@dataclass(frozen=True)
class Result:
    """Where a run stands: its folder, the steps done, the losses logged last."""

    out: Path
    step: int
    losses: dict[str, float]


def train(
    model_class: type[GANModel],
    *,
    data: Union[str, Sequence[str], None] = None,
    out: Optional[str] = None,
    resume: str = "auto",
    device: str = "auto",
    **settings: Any,
) -> Result:
    """Train a model, or go on with the run that is there.

    ``settings`` are ``steps``, ``epochs``, ``batch_size``, ``log_every``, ``sample_every``,
    ``save_every``, ``keep``, those of ``make_plan`` (``seed``, ``workers``, ``amp``,
    ``accumulate``, ``limit``, ``init_from``) and the model's own options; what is left out has the
    article's value, or the demo's on the embedded data.

    Raises:
        InputError: data, options or folder cannot be used, or a loss is not finite.
        Stopped: Ctrl-C or SIGTERM, after a checkpoint was saved.
    """
    choose_device(device)
    parallel.start()
    out = place(model_class, out, resume)
    plan = make_plan(model_class, data, **settings)
    leads = parallel.rank() == 0
    with contextlib.ExitStack() as stack:
        folder = RunFolder(out)
        if leads:
            stack.enter_context(folder)
        state, remarks = take_up(plan, folder, resume)
        start = state.get("step", 0)
        progress = stack.enter_context(Progress(start, plan.total, verbose=leads))
        for remark in plan.remarks + remarks:
            progress.say(remark)
        if start >= plan.total:
            progress.say(f"{out} stands at step {start} already; a higher --steps goes on")
            log = folder.log()
            return Result(out, start, log[-1]["losses"] if log else {})
        return Run(plan, folder, progress, state).go()


class Run:
    """One process's part in a run that is being trained."""

    def __init__(self, plan: Plan, folder: RunFolder, progress: Progress, state: dict[str, Any]):
        self.plan, self.model, self.folder, self.progress = plan, plan.model, folder, progress
        self.recipe, self.seed = plan.recipe, plan.config["seed"]
        self.start = state.get("step", 0)
        self.seconds = state.get("seconds", 0.0)  # of earlier sessions
        self.update = Update(plan.config["amp"], plan.config["accumulate"])
        self.update.load_state(state.get("scaler", {}))
        self.rates = {name: o.get_lr() for name, o in self.model.optimizers.items()}
        self.leads = parallel.rank() == 0
        self.on_cpu = paddle.get_device().startswith("cpu")
        self.pending: list[tuple[int, dict[str, Tensor]]] = []  # losses not looked at yet
        self.losses: dict[str, float] = {}
        self.saved = self.start

    def go(self) -> Result:
        """Train until the end; a signal saves and stops."""
        if self.leads:
            self.folder.need_space(self.bytes_needed())
            self.folder.write_config(self.plan.config)
            self.folder.truncate_log(self.start)
        self.clock = self.logged_at = time.perf_counter()
        self.idle = 0.0  # seconds since the last logged step that were not training
        self.logged = self.start
        batches = self.plan.loader.batches(self.start)
        with StopSignals() as signals, contextlib.closing(batches):
            for step in range(self.start, self.plan.total):
                try:
                    batch = next(batches)
                except InputError:
                    self.save(step)  # what was learned until the bad file is not lost
                    raise
                self.step(step, batch)
                self.after(step + 1, bool(signals.received))
                if signals.received:
                    raise Stopped(signals.received, step + 1)
        return Result(self.folder.path, self.plan.total, self.losses)

    def step(self, step: int, batch: dict[str, Any]) -> None:
        """One training step."""
        # Every random number follows from (seed, rank, step): there is no generator to save.
        paddle.seed(step_seed(self.seed, parallel.rank(), step))
        self.set_rates(step)
        tensors = {key: paddle.to_tensor(array) for key, array in batch.items()}
        losses = train_on(self.model, tensors, step, self.update)
        parallel.average_statistics(self.model)
        self.pending.append((step + 1, losses))

    def set_rates(self, step: int) -> None:
        """Set each optimizer's learning rate for this step."""
        scale = self.model.lr_scale(step, self.plan.loader.steps_per_epoch)
        for name, optimizer in self.model.optimizers.items():
            optimizer.set_lr(self.rates[name] * scale)

    def after(self, done: int, stops: bool) -> None:
        """Look, log, draw and save when it is time; ``done`` steps are done."""
        last = stops or done == self.plan.total
        logs = last or done == 1 or done % self.recipe.log_every == 0
        draws = last or done % self.recipe.sample_every == 0
        saves = last or done % self.recipe.save_every == 0
        if self.on_cpu or logs or draws or saves:  # on a GPU, looking waits for the device
            self.look()
        if logs:
            self.log(done)
        pause = time.perf_counter()
        if draws and self.leads:
            self.draw(done)
        if saves:
            self.save(done)
        self.idle += time.perf_counter() - pause
        self.progress.advance()

    def look(self) -> None:
        """Bring the pending losses from the device and check them.

        Raises:
            NotFiniteError: a loss is infinite or not a number.
        """
        for done, losses in self.pending:
            self.losses = {name: term.item() for name, term in losses.items()}
            for name, value in self.losses.items():
                if not math.isfinite(value):
                    files = ", ".join(self.plan.loader.files(done - 1)[:8])
                    kept = (
                        f"the checkpoint of step {self.saved} stays"
                        if self.saved
                        else ("there is no checkpoint yet")
                    )
                    raise NotFiniteError(
                        f"{name} is {value} at step {done}; its batch: {files}; {kept}. A lower "
                        "--learning-rate or a look at these pictures is the next step"
                    )
        self.pending.clear()

    def log(self, done: int) -> None:
        """Write one line of the log and show it."""
        now = time.perf_counter()
        training = max(now - self.logged_at - self.idle, 1e-9)
        rate = (done - self.logged) * self.recipe.batch_size / training
        seconds = self.seconds + now - self.clock
        left = (self.plan.total - done) * training / max(done - self.logged, 1)
        self.logged_at, self.logged, self.idle = now, done, 0.0
        self.progress.report(done, self.losses, rate, left)
        if self.leads:
            self.folder.append(
                {
                    "step": done,
                    "epoch": (done - 1) // self.plan.loader.steps_per_epoch,
                    "losses": self.losses,
                    "learning_rates": {n: o.get_lr() for n, o in self.model.optimizers.items()},
                    "images_per_second": round(rate, 3),
                    "seconds": round(seconds, 3),
                }
            )

    def draw(self, done: int) -> None:
        """Draw the panel and the curves."""
        paddle.seed(self.seed)  # the same noise in every panel
        self.model.eval()
        with paddle.no_grad():
            images = self.model.sample({k: paddle.to_tensor(v) for k, v in self.plan.panel.items()})
        self.model.train()
        panel = grid(
            {name: image.numpy() for name, image in images.items()},
            self.model.panel_columns,
            self.model.panel_tiled_rows,
        )
        write_image(self.folder.path / "samples" / f"{done:06d}.png", panel)
        title = f"{model_name(type(self.model))}, step {done}"
        draw_curves(self.folder.log(), self.folder.path / "losses.png", title)

    def save(self, done: int) -> None:
        """Save a checkpoint and the networks for inference, whole or not at all."""
        if not self.leads or done == self.saved:
            return
        state = {
            "step": done,
            "epoch": done // self.plan.loader.steps_per_epoch,
            "seed": self.seed,
            "seconds": self.seconds + time.perf_counter() - self.clock,
            "world_size": self.plan.config["world_size"],
            "scaler": self.update.state(),
            "versions": self.plan.config["versions"],
        }
        checkpoint.save_checkpoint(self.folder.checkpoints, self.model, state, self.recipe.keep)
        self.saved = done
        for name, translate in self.model.inference.items():
            entry = {
                "model": self.plan.config["model"],
                "options": self.plan.config["options"],
                "network": name,
                "translate": dict(translate),
                "step": done,
            }
            path = self.folder.path / f"{name}.pdparams"
            checkpoint.save_network(path, self.model.inference_network(name), entry)

    def bytes_needed(self) -> int:
        """What the checkpoints that are kept, and one being written, take on the disk."""
        state = sum(t.size * 4 for t in self.model.state_dict().values())
        # A checkpoint holds the weights and Adam's two moments.
        return 3 * state * (self.recipe.keep + 1)


def train_on(
    model: GANModel, batch: dict[str, Tensor], step: int, update: Update
) -> dict[str, Tensor]:
    """One training step on a batch, in parts where the update accumulates; the mean terms."""
    sums: dict[str, Tensor] = {}
    for part in update.parts(batch):
        with update.autocast():
            terms = model.train_step(part, step, update)
        sums = {name: sums[name] + term if name in sums else term for name, term in terms.items()}
    return {name: total / update.accumulate for name, total in sums.items()}


def step_seed(seed: int, rank: int, step: int) -> int:
    """The framework's seed for one step of one rank."""
    return zlib.crc32(f"{seed}/{rank}/{step}".encode())
