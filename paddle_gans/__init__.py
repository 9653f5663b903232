"""GANs for PaddlePaddle: pix2pix, CycleGAN, StarGAN v2, colorization and DCGAN.

``train("pix2pix", data="photos", out="runs/photos")`` is what ``python -m paddle_gans.train``
calls; ``translate = load("runs/photos/generator.pdparams")`` gives a function from pictures to
pictures. The framework is imported by the first call, not by this module.
"""

from __future__ import annotations

import sys
import types
from typing import Any

__version__ = "0.1.0"
__all__ = ["load", "train"]


def train(model: str, **settings: Any):
    """Train ``model``, or go on with its run; keywords are the command's flags, ``-`` as ``_``.

    Returns a result with the run folder ``out``, the ``step`` it stands at, and its last
    ``losses``.

    Raises:
        data_reader.InputError: something given cannot be used.
        KeyboardInterrupt: the run was asked to stop, and saved a checkpoint.
    """
    from data_reader import framework

    framework.import_paddle()
    from paddle_gans import models
    from paddle_gans.training import trainer

    return trainer.train(models.find(model), **settings)


def load(weights: str, **settings: Any):
    """The trained model in ``weights`` (a ``.pdparams`` file or a run folder), for inference.

    Returns a callable that takes and gives uint8 RGB [H, W, 3], or a list of them.

    Raises:
        data_reader.InputError: the file is missing, damaged, or not of this package.
    """
    from data_reader import framework

    framework.import_paddle()
    from paddle_gans.inference import loading

    return loading.load(weights, **settings)


class _Package(types.ModuleType):
    """Keeps ``paddle_gans.train`` the function; importing the command's module would replace it."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in __all__ and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
