"""GANs for PaddlePaddle: pix2pix, CycleGAN, StarGAN v2, colorization and DCGAN.

``train("pix2pix", data="photos", out="runs/photos")`` does what ``python -m paddle_gans.train``
does; ``translate = load("runs/photos/generator.pdparams")`` returns a function from images to
images. The framework is imported by the first call, not with this module.
"""

from __future__ import annotations

import inspect
import os
from typing import Any

from . import _beside  # noqa: F401  before anything that imports data_reader
from .training.config import RunConfig

__version__ = "0.1.0"
__all__ = ["load", "train"]


def train(model: str, **settings: Any):
    """Train ``model``, or resume its run.

    The keywords are the flags of ``python -m paddle_gans.train``, with ``_`` for ``-``: those of
    every model (see ``paddle_gans.training.config.RunConfig``), and the model's own. A keyword left
    out has the model's value, as listed by ``--model NAME --help``.

    Returns a result with the run folder ``out``, the ``step`` reached, and the last ``losses``.

    Raises:
        data_reader.InputError: something given cannot be used.
        KeyboardInterrupt: the run was stopped by a signal, and saved a checkpoint.
    """
    from data_reader import framework

    framework.import_paddle()
    from paddle_gans import models
    from paddle_gans.training import trainer

    return trainer.train(models.find(model), **settings)


# What help() and editors show: the parameters of every run, with their types and defaults.
train.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [
        inspect.Parameter("model", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation="str"),
        *(p.replace(kind=p.KEYWORD_ONLY) for p in inspect.signature(RunConfig).parameters.values()),
        inspect.Parameter("options", inspect.Parameter.VAR_KEYWORD, annotation="Any"),
    ]
)


def load(weights: str | os.PathLike[str], *, device: str = "auto"):
    """Load trained weights: a ``.pdparams`` file, or a run folder, for inference.

    ``device`` is "auto", "cpu", "gpu" or "gpu:K"; weights saved on a GPU open on a CPU. No code in
    a file is run. Returns a callable from uint8 RGB [H, W, 3], or a list of them, to the same.

    Raises:
        data_reader.InputError: a file is missing, damaged or not of this package, or the machine
            has no such device.
    """
    from data_reader import framework

    framework.import_paddle()
    from paddle_gans.inference import loading

    return loading.load(weights, device=device)
