"""Train any model: load a batch, take a step, then log, validate, sample and save."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import Tensor

from data_reader.errors import InputError, disk_errors
from data_reader.images import write_image
from paddle_gans.fast_cpu.memory import from_numpy, give_back
from paddle_gans.weights import formats

from . import checkpoint, parallel
from .experiment import Experiment, model_name, setup
from .guards import FiniteGuard, NotFinite, NotFiniteError, Stopped, StopSignals, is_full_disk
from .image_pool import gather_pools
from .loggers import Loggers
from .model import GANModel, Update
from .panels import draw_curves, grid
from .progress import Progress
from .resume import restore
from .run_folder import RunFolder
from .validation import as_json, evaluating

CLOCK = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True)
class Result:
    """A run after training: its folder, the steps done, the losses logged last."""

    out: Path
    step: int
    losses: dict[str, float]


OnLog = Callable[[dict[str, Any]], None]
OnSample = Callable[[int, np.ndarray], None]


def train(
    model_class: type[GANModel],
    *,
    on_log: OnLog | None = None,
    on_sample: OnSample | None = None,
    **settings: Any,
) -> Result:
    """Train a model, or resume its run.

    ``settings`` are fields of ``RunConfig`` and the model's own options. ``on_log(line)`` is called
    with each logged line, a dict as in ``log.jsonl``; ``on_sample(step, image)`` with each sample
    grid, uint8 RGB [H, W, 3]. After a signal, ``Stopped`` is raised when a checkpoint is saved.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(parallel.report_lost_rank())
        # Each block compares errors across ranks at its end, so that none waits for a failed one.
        with parallel.sync_errors():
            experiment = setup(model_class, settings)
        folder, is_rank0 = RunFolder(experiment.out), parallel.rank() == 0
        with parallel.sync_errors():
            if is_rank0:
                stack.enter_context(folder)  # locks it
        with parallel.sync_errors():
            state, warnings = restore(experiment, folder)
        start = state.get("step", 0)
        parallel.require_same_start(start, experiment.out)
        progress = stack.enter_context(Progress(start, experiment.steps, verbose=is_rank0))
        warnings += experiment.validation.resume(folder, start, experiment.steps)
        trainer = Trainer(experiment, folder, progress, state, on_log, on_sample)
        data, batch_size = experiment.loader.dataset.describe(), experiment.config.batch_size
        lines = experiment.model.information(data, batch_size, experiment.steps)
        for line in lines + experiment.warnings + warnings:
            progress.say(line)
        if start >= experiment.steps:
            progress.say(f"{experiment.out} is already at step {start}; --steps N trains longer")
            trainer.run_missed_validation()
            logged = [line["losses"] for line in folder.log() if "losses" in line]
            return Result(experiment.out, start, logged[-1] if logged else {})
        progress.say(f"start time: {time.strftime(CLOCK)}")
        result = trainer.run()
        progress.say(f"end time: {time.strftime(CLOCK)}")
        return result


def training_step(
    model: GANModel, batch: Mapping[str, Tensor], step: int, update: Update
) -> dict[str, Tensor]:
    """Take one training step, in parts if gradients accumulate; returns the mean losses.

    A function, so that tests and benchmarks can train without a run folder.
    """
    sums: dict[str, Tensor] = {}
    for part in update.parts(batch):
        with update.autocast():
            losses = model.train_step(part, step, update)
        sums = {name: sums[name] + x if name in sums else x for name, x in losses.items()}
    model.update_averages(step)
    return {name: total / update.accumulate for name, total in sums.items()}


def step_seed(seed: int, rank: int, step: int) -> int:
    """The framework's seed for one step of one rank."""
    return zlib.crc32(f"{seed}/{rank}/{step}".encode())


class Trainer:
    """One process's part in training a run; ``state`` is that of the checkpoint it resumes."""

    def __init__(
        self,
        experiment: Experiment,
        folder: RunFolder,
        progress: Progress,
        state: dict[str, Any],
        on_log: OnLog | None,
        on_sample: OnSample | None,
    ):
        self.experiment, self.model, self.loader = experiment, experiment.model, experiment.loader
        self.config, self.steps = experiment.config, experiment.steps
        self.folder, self.progress = folder, progress
        self.start = self.saved = state.get("step", 0)
        self.seconds = state.get("seconds", 0.0)  # of earlier sessions
        self.clock = time.perf_counter()  # of this session
        self.pause = 0.0  # seconds since the last log line spent on validation, samples and saving
        self.base_lrs = {name: o.get_lr() for name, o in self.model.optimizers.items()}
        self.guard = FiniteGuard(self.config.on_nan, state)
        self.update = Update(self.config.amp, self.config.accumulate, self.guard)
        self.update.load_state(state.get("scaler", {}))
        self.bad_files = folder.path / "bad_files.txt"
        self.bad_num = 0  # of those in it
        self.validation = experiment.validation
        self.signals = StopSignals(patient=parallel.world_size() > 1)
        self.is_rank0 = parallel.rank() == 0
        self.saved_not_finite = False  # in this session
        self.on_log, self.on_sample = on_log, on_sample
        self.on_cpu = paddle.get_device().startswith("cpu")

    def run(self) -> Result:
        """Train to the end; a signal saves and stops."""
        if self.is_rank0:
            self.require_space()
            checkpoint.write_json(self.folder.path / "config.json", self.experiment.record)
            self.folder.truncate_log(self.start)
            self.folder.loggers = Loggers(
                self.experiment.record, self.folder.path, self.start, self.progress.say
            )
        batches = self.loader.batches(self.start)
        with self.signals, contextlib.closing(batches):
            self.run_missed_validation()
            self.logged, self.logged_at, self.pause = self.start, time.perf_counter(), 0.0
            for step in range(self.start, self.steps):
                try:
                    with parallel.sync_errors(at_once=self.on_cpu):
                        batch = next(batches)
                except InputError:
                    if self.on_cpu or parallel.world_size() == 1:  # every rank is here
                        self.save(step)  # keep what was learned before the bad file
                    raise
                self.train_step(step, batch)
                if self.after_step(step + 1):
                    raise Stopped(self.signals.received or signal.SIGTERM, step + 1)
        if self.guard.skipped_steps:
            self.progress.say(f"{self.guard.skipped_steps} steps were skipped")
        if self.bad_num:
            self.progress.say(f"{self.bad_files} lists {self.bad_num} bad files")
        return Result(self.folder.path, self.steps, self.guard.losses)

    def require_space(self) -> None:
        """Raise an InputError if the checkpoints of this run do not fit on the disk."""
        config, steps = self.config, self.steps - self.start
        count = config.keep or -(-steps // config.save_every)
        if config.keep_every:
            count += steps // config.keep_every
        count += (self.validation.best_by is not None) + 1  # one is being written
        # Weights, and Adam's two moments of each.
        need = 3 * count * sum(tensor.size * 4 for tensor in self.model.state_dict().values())
        free = shutil.disk_usage(self.folder.path).free
        if free < need:
            raise InputError(
                f"the disk of {self.folder.path} has {free / 2**20:.0f} MiB left, and this run "
                f"needs {need / 2**20:.0f} MiB; free some space, or lower --keep"
            )

    # One step

    def train_step(self, step: int, batch: Mapping[str, np.ndarray]) -> None:
        # All random numbers follow from (seed, rank, step), so no generator state is saved.
        paddle.seed(step_seed(self.config.seed, parallel.rank(), step))
        scale = self.model.lr_scale(step, self.loader.steps_per_epoch)
        for name, optimizer in self.model.optimizers.items():
            optimizer.set_lr(self.base_lrs[name] * scale)
        tensors = {name: from_numpy(array) for name, array in batch.items()}
        # Update checks the losses, and the guard undoes a skipped step.
        with self.explain_not_finite(), self.guard.watch_step(self.model, step):
            losses = training_step(self.model, tensors, step, self.update)
        self.guard.add(step, losses)
        if self.guard.reasons:
            self.report_skip(step)
        parallel.average_statistics(self.model)

    def after_step(self, done: int) -> bool:
        """Validate, log, sample and save if it is time; ``done`` steps are done.

        Returns whether a signal asked to stop; everything is saved then.
        """
        last = done == self.steps
        logs = last or done == 1 or done % self.config.log_every == 0
        samples = last or done % self.config.sample_every == 0
        saves = last or done % self.config.save_every == 0
        saves |= self.config.keep_every is not None and done % self.config.keep_every == 0
        validates = self.validation.is_due(done)
        # On GPUs, checking losses and asking the other ranks would wait for the device.
        if not (self.on_cpu or logs or samples or saves or validates):
            self.progress.update()
            return False

        with parallel.sync_errors(), self.explain_not_finite():
            self.guard.check()
        metrics = self.measure(done) if validates else {}
        stops = parallel.any_rank(self.signals.received)
        logs, samples, saves = logs or stops, samples or stops, saves or stops
        with self.tolerate_full_disk("log"):
            self.report_bad_files()
            # A model without metrics validates D's outputs only; they go into the losses' line.
            with_losses = {} if self.model.metrics else metrics
            if logs or with_losses:
                self.log(done, with_losses)
        began = time.perf_counter()
        if metrics:
            with self.tolerate_full_disk("best"):
                self.record_metrics(done, metrics)
        if (samples or metrics) and self.is_rank0:
            with self.tolerate_full_disk("samples"):
                self.draw(done)
        if saves:
            self.save(done, required=last or stops)
        if metrics or samples or saves:
            give_back()
        self.pause += time.perf_counter() - began
        self.progress.update()
        return stops

    def log(self, done: int, metrics: Mapping[str, float]) -> None:
        """Write and show one line of the log, with metrics if there are any."""
        now = time.perf_counter()
        training = max(now - self.logged_at - self.pause, 1e-9)
        rate = (done - self.logged) * self.config.batch_size / training
        left = (self.steps - done) * training / max(done - self.logged, 1)
        self.logged_at, self.logged, self.pause = now, done, 0.0
        epoch = (done - 1) // self.loader.steps_per_epoch
        self.progress.report(done, epoch, self.guard.losses, rate, left)
        if not self.is_rank0:
            return
        line = {
            "step": done,
            "epoch": epoch,
            "losses": self.guard.losses,
            "learning_rates": {n: o.get_lr() for n, o in self.model.optimizers.items()},
            "images_per_second": round(rate, 3),
            "seconds": round(self.seconds + now - self.clock, 3),
            **({"validation": as_json(metrics)} if metrics else {}),
        }
        self.folder.append(line)
        if self.on_log is not None:
            self.on_log(line)

    # Validation

    def measure(self, done: int) -> dict[str, float]:
        """Metrics on the validation set; {} if a signal came.

        Every rank measures the whole set: sharing the work would save little.
        """
        began = time.perf_counter()
        try:
            with parallel.sync_errors():
                metrics = self.validation.measure(lambda: bool(self.signals.received))
            return {} if parallel.any_rank(not metrics) else metrics
        except InputError:  # an item cannot be read
            self.save(done)
            raise
        finally:
            self.pause += time.perf_counter() - began

    def record_metrics(self, done: int, metrics: Mapping[str, float]) -> None:
        """Keep the weights if they are the best, then log and show the metrics."""
        improves = parallel.any_rank(self.is_rank0 and self.validation.improves(metrics))
        if improves:
            self.save(done)  # to resume from; best/ is for inference
        if not self.is_rank0:
            return
        if improves:
            self.validation.keep(done, metrics, self.save_networks)
        # Logged last: if the run is killed before, this validation is done again.
        epoch = (done - 1) // self.loader.steps_per_epoch
        self.progress.say(self.validation.record(done, epoch, metrics))
        for warning in self.validation.warnings():
            # The same with other numbers is not new.
            self.progress.say(f"warning: {warning}", once=re.sub(r"-?[\d.]+", "#", warning))

    def run_missed_validation(self) -> None:
        """Repeat a validation that was due at the start step but is not in the log."""
        due = bool(self.model.metrics) and self.validation.is_due(self.start)
        metrics = self.measure(self.start) if due else {}
        if metrics:
            self.record_metrics(self.start, metrics)
        if metrics and self.is_rank0:
            self.draw(self.start)
        if parallel.any_rank(self.signals.received):
            raise Stopped(self.signals.received or signal.SIGTERM, self.start)

    # Samples and checkpoints

    def sample(self, done: int) -> np.ndarray:
        """Draw the sample grid, uint8 [H, W, 3]."""
        paddle.seed(self.config.seed)  # the same noise in every grid
        batch = {name: from_numpy(array) for name, array in self.experiment.sample_batch.items()}
        with evaluating(self.model):
            images = self.model.sample(batch)
        layout = self.model.sample_grid
        image = grid({name: x.numpy() for name, x in images.items()}, layout.columns, layout.rows)
        write_image(self.folder.path / "samples" / f"{done:06d}.png", image)
        if self.folder.loggers is not None:
            self.folder.loggers.add_samples(done, image)
        return image

    def draw(self, done: int) -> None:
        """Draw all images of a step. They are a courtesy: one that fails does not end the run."""
        title = f"{model_name(type(self.model))}, step {done}"
        image = None
        with self.tolerate("sample grid"):
            image = self.sample(done)
        with self.tolerate("loss curves"):
            draw_curves(self.folder.curves(), self.folder.path / "losses.png", title)
        if self.on_sample is not None and image is not None:
            self.on_sample(done, image)

    @contextlib.contextmanager
    def tolerate(self, what: str) -> Iterator[None]:
        """Warn once of a drawing that fails, in matplotlib or in a model's own sample()."""
        try:
            yield
        except InputError:  # it cannot be written: --on-full-disk decides
            raise
        except Exception as error:
            text = f"warning: the {what} cannot be drawn: {error!r:.200}; the run continues"
            self.progress.say(text, once=what)

    @contextlib.contextmanager
    def tolerate_full_disk(self, what: str) -> Iterator[None]:
        """Apply --on-full-disk to writing ``what``; without a name it is required."""
        try:
            yield
        except InputError as error:
            if not what or self.config.on_full_disk == "stop" or not is_full_disk(error):
                raise
            text = f"warning: {error}; training continues and will try again"
            self.progress.say(text, once=what)

    def save(self, done: int, *, required: bool = True) -> None:
        """Save the networks for inference and a checkpoint, each whole or not at all.

        Unless ``required``, --on-full-disk may allow that they cannot be written.
        """
        if done == self.saved:
            return
        pools = gather_pools(self.model)
        written = False
        try:
            if self.is_rank0:
                with self.tolerate_full_disk("" if required else "checkpoint"):
                    # The checkpoint comes last: killed in between, the run writes both again.
                    self.save_networks(self.folder.path, done)
                    best = self.validation.best
                    path = checkpoint.save_checkpoint(
                        self.folder.checkpoints,
                        self.model,
                        self.state(done),
                        self.config.keep,
                        spare=best.step if best else None,
                        others=pools,
                        keep_every=self.config.keep_every,
                    )
                    self.progress.say(f"model saved: {path}")
                    written = True
        finally:
            if parallel.any_rank(written):  # all ranks wait for the first
                self.saved = done

    def state(self, done: int) -> dict[str, Any]:
        """What a checkpoint holds besides networks and optimizers."""
        record = self.experiment.record
        return {
            "step": done,
            "epoch": done // self.loader.steps_per_epoch,
            "seconds": self.seconds + time.perf_counter() - self.clock,
            **{key: record[key] for key in ("seed", "world_size", "versions")},
            "scaler": self.update.state(),
            **self.guard.state(),
        }

    def save_networks(self, folder: Path, done: int) -> None:
        """Write the networks for inference into a folder, each file whole or not at all."""
        for name, translate in self.model.inference.items():
            entry = {key: self.experiment.record[key] for key in ("model", "options")}
            entry |= {"network": name, "translate": dict(translate), "step": done}
            path = folder / f"{name}.{self.config.format}"
            formats.save_network(path, self.model.inference_network(name), entry)
            # Older weights in the other format would be loaded instead of these.
            for suffix in set(formats.NATIVE) - {path.suffix}:
                path.with_suffix(suffix).unlink(missing_ok=True)

    # Faults

    @contextlib.contextmanager
    def explain_not_finite(self) -> Iterator[None]:
        """Say what happened and what helps, and save what is needed to look into it."""
        try:
            yield
        except NotFinite as error:
            saved = checkpoint.checkpoints(self.folder.checkpoints)
            step = int(saved[-1].name) if saved else None
            last = f"the last checkpoint is that of step {step}" if saved else "no checkpoint yet"
            raise NotFiniteError(
                f"{error.reason} at step {error.step + 1}; its batch: {self.files(error.step)}; "
                f"{last}; {self.save_not_finite(error.step)}. Try a lower "
                "--learning-rate or --on-nan skip, or look at these images"
            ) from None

    def report_bad_files(self) -> None:
        """List each item that was replaced (``--on-bad-file skip``) once, in ``bad_files.txt``."""
        new = list(self.loader.bad or ())[self.bad_num :]
        self.bad_num += len(new)
        for text in new:
            self.progress.say(f"warning: {text}; another item is used")
        if new:
            with (
                disk_errors(f"cannot write {self.bad_files}"),
                self.bad_files.open("a+", encoding="utf-8", errors="surrogateescape") as file,
            ):
                file.seek(0)
                known = set(file.read().splitlines())
                file.writelines(f"{text}\n" for text in new if text not in known)

    def report_skip(self, step: int) -> None:
        """Warn about a skipped step; of the first one, batch and state are saved."""
        where = "" if self.saved_not_finite else f"; {self.save_not_finite(step)}"
        self.saved_not_finite = True
        reason = "; ".join(self.guard.reasons)
        self.progress.say(
            f"warning: step {step + 1} is skipped: {reason}; batch: {self.files(step)}{where}"
        )

    def files(self, step: int) -> str:
        return ", ".join(self.loader.files(step)[:8])

    def save_not_finite(self, step: int) -> str:
        """Save batch and state of a step, as a checkpoint to repeat it from; says where."""
        rank = parallel.rank()
        name = f"{step + 1:06d}.{rank}" if rank else f"{step + 1:06d}"
        path = self.folder.path / "not_finite" / name
        try:
            checkpoint.write_checkpoint(path, self.model, self.state(step), self.loader.batch(step))
        except InputError as error:
            return f"batch and state could not be saved: {error}"
        return f"batch and state are in {path}"
