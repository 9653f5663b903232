"""The settings of a training run, apart from the model's options."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from .options import checked, options_of, plain, require_at_least


class Keep(int):
    """A number of checkpoints, or "all", which is 0."""

    def __new__(cls, value: int | str = 0):
        number = 0 if value == "all" else int(value)
        if number < 0:
            raise ValueError(value)
        return super().__new__(cls, number)


KEEP = Keep(3)


@dataclass(frozen=True)
class RunConfig:
    """The settings of a training run.

    Each field is a keyword of ``paddle_gans.train``, a flag of ``python -m paddle_gans.train`` with
    its comment as help, and an entry of ``config.json``. Models have values of their own for some,
    in ``paper_config`` and ``demo_config``.
    """

    # data

    # a folder or list file in a layout that the model reads (CycleGAN: or two folders); without
    # it, or with `demo`: the embedded drawings, small images and few steps
    data: str | list[str] | None = None
    data_root: str | None = None  # what the lines of a list file in --data are relative to
    limit: int | None = None  # use only the first N items
    batch_size: int = 1  # images in a batch, over all processes
    accumulate: int = 1  # process each batch in N parts, to save memory
    workers: int = 2  # threads that read images; 0: none

    # quick: instead of the paper's settings, about an hour or two on a V100-class GPU (an estimate,
    # see docs/usage.md)
    preset: Literal["paper", "quick"] = "paper"

    # length (one of the two; learning-rate schedules do not depend on it)

    steps: int | None = None  # total training steps
    epochs: int | None = None  # the same in passes over the data

    # files

    out: str | None = None  # run folder (runs/<model>)
    # auto: resume if the run folder contains a run; never: fail if it does; PATH: resume from that
    # run folder or checkpoint
    resume: str = "auto"
    init_from: str | None = None  # start from the weights in a file, a run folder or of a name
    log_every: int = 50  # steps between logged losses
    sample_every: int = 500  # steps between sample grids
    # also write losses, learning rates, metrics and sample grids for VisualDL or TensorBoard, into
    # folders of the run; needs the extra `log`
    log: list[Literal["visualdl", "tensorboard"]] | None = None
    save_every: int = 1000  # steps between checkpoints
    keep: Keep = KEEP  # how many checkpoints to keep, or all
    keep_every: int | None = None  # besides, save and keep the checkpoint of every N-th step
    format: Literal["pdparams", "safetensors"] = "pdparams"  # of the networks for inference

    # validation (on a test set)

    # steps between validations: metrics, and the discriminator's mean output on training,
    # validation and generated images, with a warning when it overfits; 0: never (each epoch; with
    # each sample grid for a model without metrics)
    validate_every: int | None = None
    # keep the weights with the best value of this metric in the run folder's best/, and their
    # checkpoint besides those of --keep
    best_by: str | None = None

    # faults (stop: exit with code 2)

    # an image that cannot be read: stop, or use another one and list it in the run folder's
    # bad_files.txt
    on_bad_file: Literal["stop", "skip"] = "stop"
    # a loss that is not finite: stop, or skip that update, at most 20 steps in a row; skip checks
    # every loss, which is slower on a GPU
    on_nan: Literal["stop", "skip"] = "stop"
    # no space for a checkpoint, a sample grid or the log: stop, or continue and try again at the
    # next one; the last checkpoint is always required
    on_full_disk: Literal["stop", "go-on"] = "stop"

    # machine

    device: str = "auto"  # auto, cpu, gpu or gpu:K
    amp: Literal["off", "bf16", "fp16"] = "off"  # mixed precision; bf16 also on CPUs that have it
    seed: int = 0  # of all random numbers

    def __post_init__(self):
        for name, option in OPTIONS.items():
            value = getattr(self, name)
            # data are checked by the reader of their layout
            value = plain(value) if name == "data" else checked(option, value)
            if name in PATHS and isinstance(value, str):
                value = os.path.expanduser(value)
            object.__setattr__(self, name, value)
        counts = [name for name, option in OPTIONS.items() if option.kind is int]
        least = {name: 0 if name in ("workers", "validate_every", "seed") else 1 for name in counts}
        require_at_least(least, vars(self))


OPTIONS = options_of(RunConfig)
PATHS = ("data", "out", "resume", "init_from")
