"""train(): the loop, for every article alike."""

from __future__ import annotations

import contextlib
import signal
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import paddle

from data_reader.errors import InputError
from data_reader.images import write_image
from paddle_gans.fast_cpu.memory import from_numpy, give_back
from paddle_gans.weights import formats

from . import checkpoint, parallel
from .faults import BadFiles, Disk, NotFiniteError, Watch, run_state, train_on
from .image_pool import pools_of_others
from .loggers import Loggers
from .model import GANModel
from .panels import draw_curves, grid
from .plan import Plan, choose_device, make_plan, model_name, place
from .progress import Progress
from .resume import take_up
from .run_folder import RunFolder
from .signals import Stopped, StopSignals
from .validation import Validation, as_json, evaluating, measure

__all__ = ["NotFiniteError", "Result", "Run", "step_seed", "train", "train_on"]


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
    ``save_every``, ``keep``, ``validate_every``, those of ``make_plan`` (``seed``, ``workers``,
    ``amp``, ``accumulate``, ``limit``, ``init_from``, ``best_by``, ``on_bad_file``, ``on_nan``,
    ``on_full_disk``, ``log``) and the model's own options; what is left out has the article's
    value, or the demo's on the embedded data.

    Raises:
        InputError: data, options or folder cannot be used, or a loss is not finite.
        Stopped: Ctrl-C or SIGTERM, after a checkpoint was saved.
    """
    choose_device(device)
    parallel.start()
    leads = parallel.rank() == 0
    with contextlib.ExitStack() as stack:
        stack.enter_context(parallel.leaving())
        with parallel.together():
            out = place(model_class, out, resume)
            plan = make_plan(model_class, data, **settings)
        folder = RunFolder(out)
        with parallel.together():
            if leads:
                stack.enter_context(folder)
        with parallel.together():
            state, remarks = take_up(plan, folder, resume)
        start = state.get("step", 0)
        parallel.same_start(start, out)
        progress = stack.enter_context(Progress(start, plan.total, verbose=leads))
        dataset = plan.loader.dataset.describe()
        for line in plan.model.information(dataset, plan.recipe.batch_size, plan.total):
            progress.say(line)
        run = Run(plan, folder, progress, state)
        for remark in plan.remarks + remarks + run.validation.remarks:
            progress.say(remark)
        if start >= plan.total:
            progress.say(f"{out} stands at step {start} already; a higher --steps goes on")
            run.catch_up()
            return Result(out, start, folder.losses())
        return run.go()


class Run:
    """One process's part in a run that is being trained."""

    def __init__(self, plan: Plan, folder: RunFolder, progress: Progress, state: dict[str, Any]):
        self.plan, self.model, self.folder, self.progress = plan, plan.model, folder, progress
        self.recipe, self.seed = plan.recipe, plan.config["seed"]
        self.start = state.get("step", 0)
        self.seconds = state.get("seconds", 0.0)  # of earlier sessions
        self.idle = 0.0  # seconds since the last logged step that were not training
        self.watch = Watch(plan, folder, state, progress.say)
        self.disk = Disk(plan.config["on_full_disk"] == "go-on", progress.say)
        self.bad_files = BadFiles(plan, folder, progress.say)
        self.rates = {name: o.get_lr() for name, o in self.model.optimizers.items()}
        self.leads = parallel.rank() == 0
        self.on_cpu = paddle.get_device().startswith("cpu")
        self.saved = self.start
        self.validation = Validation(
            self.model, plan.held_back, folder, start=self.start, total=plan.total
        )
        self.signals = StopSignals(patient=parallel.world_size() > 1)

    def go(self) -> Result:
        """Train until the end; a signal saves and stops."""
        if self.leads:
            kept = self.recipe.keep + (self.validation.best_by is not None)
            self.folder.need_space(checkpoint.bytes_needed(self.model, kept + 1))
            self.folder.write_config(self.plan.config)
            self.folder.truncate_log(self.start)
            at = (self.folder.path, self.start, self.folder.log)
            self.folder.loggers = Loggers(self.plan.config, *at, self.progress.say)
        self.clock = time.perf_counter()
        batches = self.plan.loader.batches(self.start)
        with self.signals, contextlib.closing(batches):
            self.catch_up()
            self.logged, self.logged_at, self.idle = self.start, time.perf_counter(), 0.0
            for step in range(self.start, self.plan.total):
                try:
                    with parallel.together():
                        batch = next(batches)
                except InputError:
                    self.save(step)  # what was learned until the bad file is not lost
                    raise
                self.step(step, batch)
                if self.after(step + 1):
                    raise Stopped(self.signals.received or signal.SIGTERM, step + 1)
        if self.watch.left_out:
            self.progress.say(f"{self.watch.left_out} steps were left out")
        if self.bad_files.told:
            self.progress.say(f"{self.bad_files.path} names {self.bad_files.told} bad files")
        return Result(self.folder.path, self.plan.total, self.watch.losses)

    def step(self, step: int, batch: dict[str, Any]) -> None:
        """One training step."""
        # Every random number follows from (seed, rank, step): there is no generator to save.
        paddle.seed(step_seed(self.seed, parallel.rank(), step))
        self.set_rates(step)
        tensors = {key: from_numpy(array) for key, array in batch.items()}
        self.watch.step(step, tensors)
        parallel.average_statistics(self.model)

    def set_rates(self, step: int) -> None:
        """Set each optimizer's learning rate for this step."""
        scale = self.model.lr_scale(step, self.plan.loader.steps_per_epoch)
        for name, optimizer in self.model.optimizers.items():
            optimizer.set_lr(self.rates[name] * scale)

    def after(self, done: int) -> bool:
        """Validate, log, draw and save when it is time; ``done`` steps are done.

        Returns whether a signal asked to stop, so that everything is saved.

        Raises:
            InputError: something cannot be written; NotFiniteError: a loss is not finite.
        """
        figures = self.measure(done)
        stops = parallel.anywhere(self.signals.received)
        last = stops or done == self.plan.total
        # The discriminator's outputs alone have no line of the log of their own.
        joint = {} if self.model.figures else figures
        logs = last or done == 1 or done % self.recipe.log_every == 0 or bool(joint)
        draws = last or done % self.recipe.sample_every == 0
        saves = last or done % self.recipe.save_every == 0
        if self.on_cpu or logs or draws or saves:  # on a GPU, looking waits for the device
            with parallel.together():
                self.watch.look()
        with self.disk.writing("log"):
            self.bad_files.tell()
            if logs:
                self.log(done, joint)
        pause = time.perf_counter()
        if figures:
            with self.disk.writing("best"):
                self.record(done, figures)
        if (draws or figures) and self.leads:
            with self.disk.writing("panel"):
                self.draw(done)
        if saves:
            self.save(done, needed=last)
        if figures or draws or saves:
            give_back()
        self.idle += time.perf_counter() - pause
        self.progress.advance()
        return stops

    def measure(self, done: int) -> dict[str, float]:
        """The figures of the held-back items; {} when it is not time, or a signal came.

        Every rank measures everything, for where one is busy too long the others give up waiting.

        Raises:
            InputError: an item cannot be read; what was learned is saved.
        """
        if not self.validation.due(done):
            return {}
        with parallel.together():
            self.watch.look()
        pause = time.perf_counter()
        try:
            with parallel.together():
                figures = measure(
                    self.model, self.plan.held_back, lambda: bool(self.signals.received)
                )
            return {} if parallel.anywhere(not figures) else figures
        except InputError:
            self.save(done)
            raise
        finally:
            self.idle += time.perf_counter() - pause

    def record(self, done: int, figures: dict[str, float]) -> None:
        """Keep what is the best, then log the figures and show them."""
        improves = parallel.anywhere(self.leads and self.validation.improves(figures))
        if improves:
            self.save(done)  # to go on from; best/ is to translate with
        if not self.leads:
            return
        if improves:
            self.validation.keep(done, figures, self.save_networks)
        # Logged last: a run that is killed before does this step's validation again.
        epoch = (done - 1) // self.plan.loader.steps_per_epoch
        for text in self.validation.record(done, epoch, figures):
            self.progress.say(text)

    def catch_up(self) -> None:
        """The validation of the step at which the run stopped, where it stopped before it.

        Raises:
            Stopped: a signal came.
        """
        figures = self.measure(self.start) if self.model.figures else {}
        if figures:
            self.record(self.start, figures)
        if figures and self.leads:
            self.draw(self.start)
        if parallel.anywhere(self.signals.received):
            raise Stopped(self.signals.received or signal.SIGTERM, self.start)

    def log(self, done: int, figures: Mapping[str, float]) -> None:
        """Write one line of the log, with ``figures`` if there are any, and show it."""
        now = time.perf_counter()
        training = max(now - self.logged_at - self.idle, 1e-9)
        rate = (done - self.logged) * self.recipe.batch_size / training
        seconds = self.seconds + now - self.clock
        left = (self.plan.total - done) * training / max(done - self.logged, 1)
        self.logged_at, self.logged, self.idle = now, done, 0.0
        self.progress.report(done, self.watch.losses, rate, left)
        if self.leads:
            self.folder.append(
                {
                    "step": done,
                    "epoch": (done - 1) // self.plan.loader.steps_per_epoch,
                    "losses": self.watch.losses,
                    "learning_rates": {n: o.get_lr() for n, o in self.model.optimizers.items()},
                    "images_per_second": round(rate, 3),
                    "seconds": round(seconds, 3),
                    **({"validation": as_json(figures)} if figures else {}),
                }
            )

    def draw(self, done: int) -> None:
        """Draw the panel and the curves."""
        paddle.seed(self.seed)  # the same noise in every panel
        with evaluating(self.model):
            images = self.model.sample({k: from_numpy(v) for k, v in self.plan.panel.items()})
        panel = grid(
            {name: image.numpy() for name, image in images.items()},
            self.model.panel_columns,
            self.model.panel_tiled_rows,
        )
        path = self.folder.path / "samples" / f"{done:06d}.png"
        write_image(path, panel)
        if self.folder.loggers is not None:
            self.folder.loggers.panel(done, path, panel.shape)
        title = f"{model_name(type(self.model))}, step {done}"
        draw_curves(self.folder.curves(), self.folder.path / "losses.png", title)

    def save(self, done: int, *, needed: bool = True) -> None:
        """Save the networks for inference and a checkpoint, each whole or not at all.

        Raises:
            InputError: it cannot be written; on a full disk, and not ``needed``, the run may go on.
        """
        if done == self.saved:
            return
        others = pools_of_others(self.model)
        written = False
        try:
            if self.leads:
                with contextlib.nullcontext() if needed else self.disk.writing("checkpoint"):
                    self.write(done, others)
                    written = True
        finally:
            if parallel.anywhere(written):  # all wait for rank 0
                self.saved = done

    def write(self, done: int, others: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Write the networks for inference and a checkpoint; ``others`` as in write_checkpoint."""
        seconds = self.seconds + time.perf_counter() - self.clock
        state = {**run_state(self.plan, done), **self.watch.state(), "seconds": seconds}
        best = self.validation.best
        # The checkpoint comes last: a run that is killed in between does both again.
        self.save_networks(self.folder.path, done)
        checkpoint.save_checkpoint(
            self.folder.checkpoints,
            self.model,
            state,
            self.recipe.keep,
            spare=best.step if best else None,
            others=others,
        )

    def save_networks(self, folder: Path, done: int) -> None:
        """Write the networks for inference into a folder, each file whole or not at all."""
        for name, translate in self.model.inference.items():
            entry = {
                "model": self.plan.config["model"],
                "options": self.plan.config["options"],
                "network": name,
                "translate": dict(translate),
                "step": done,
            }
            path = folder / f"{name}.pdparams"
            formats.save_network(path, self.model.inference_network(name), entry)


def step_seed(seed: int, rank: int, step: int) -> int:
    """The framework's seed for one step of one rank."""
    return zlib.crc32(f"{seed}/{rank}/{step}".encode())
