"""GANs for PaddlePaddle: pix2pix, CycleGAN, CUT, StarGAN v2, colorization and DCGAN.

``train("pix2pix", data="photos", out="runs/photos")`` does what ``python -m paddle_gans.train``
does; ``translate = load("runs/photos/generator.pdparams")`` returns a function from images to
images. The framework is imported by the first call, not with this module.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any

from . import _beside  # noqa: F401  before anything that imports data_reader
from .training.config import RunConfig

__version__ = "0.1.0"
__all__ = ["load", "train"]


def train(
    model: str | type,
    *,
    on_log: Callable[[dict[str, Any]], None] | None = None,
    on_sample: Callable[[int, Any], None] | None = None,
    **settings: Any,
):
    """Train ``model``, or resume its run: a name, or a subclass of a model of this package.

    The keywords are the flags of ``python -m paddle_gans.train``, with ``_`` for ``-``: those of
    every model (see ``paddle_gans.training.config.RunConfig``), and the model's own. A keyword left
    out has the model's value, as listed by ``--model NAME --help``. ``data`` may also be the reader
    of ``data_reader(cfg).make_data()``.

    ``on_log(line)`` is called with each logged line, a dict with ``step``, ``epoch`` and
    ``losses``; ``on_sample(step, image)`` with each sample grid, uint8 RGB [H, W, 3].

    Returns a result with the run folder ``out``, the ``step`` reached, and the last ``losses``.

    Raises:
        data_reader.InputError: something given cannot be used.
        KeyboardInterrupt: the run was stopped by a signal, and saved a checkpoint.
    """
    from data_reader import framework

    framework.import_paddle()
    from paddle_gans import models
    from paddle_gans.training import trainer

    found = models.find(model) if isinstance(model, str) else model
    return trainer.train(found, on_log=on_log, on_sample=on_sample, **settings)


# What help() and editors show: the parameters of every run, with their types and defaults.
train.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [
        inspect.Parameter("model", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation="str"),
        *(p.replace(kind=p.KEYWORD_ONLY) for p in inspect.signature(RunConfig).parameters.values()),
        inspect.Parameter("on_log", inspect.Parameter.KEYWORD_ONLY, default=None),
        inspect.Parameter("on_sample", inspect.Parameter.KEYWORD_ONLY, default=None),
        inspect.Parameter("options", inspect.Parameter.VAR_KEYWORD, annotation="Any"),
    ]
)


def load(weights: str | os.PathLike[str], *, device: str = "auto", amp: str = "off"):
    """Load trained weights for inference: a ``.pdparams`` file, a run folder, or a name.

    ``python -m paddle_gans.weights`` lists the names of the weights that come with the package.

    ``device`` is "auto", "cpu", "gpu" or "gpu:K"; weights saved on a GPU open on a CPU. ``amp``
    is "off", "bf16" (faster on a GPU, and on CPUs with bfloat16 instructions) or, on a GPU, "fp16".
    No code in a file is run. Returns a callable from uint8 RGB [H, W, 3], or a list of them, to
    the same.

    Raises:
        data_reader.InputError: a file is missing, damaged or not of this package, or the machine
            has no such device.
    """
    from data_reader import framework

    framework.import_paddle()
    from paddle_gans.inference import loading

    return loading.load(weights, device=device, amp=amp)
