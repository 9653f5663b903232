"""Colorization for use: the photograph's own lightness at its size, and colours for it."""

from __future__ import annotations

import math
from typing import Any, Callable, Optional

import numpy as np

from data_reader import colour, transforms
from data_reader.errors import InputError
from paddle_gans.training.options import options_of

from . import apply, translator
from ._colorization_task import Task

__all__ = ["Task", "Translator"]

LONGEST = 4  # training sizes; a longer picture is seen in parts

Steady = Callable[[np.ndarray, np.ndarray], np.ndarray]  # L [h, w] and ab [h, w, 2] to ab


class Translator(translator.Translator):
    """``translate(photograph)`` gives it in colour, at its size and with its own lightness.

    Of a picture only the lightness is used, L of CIE Lab: a colour photograph, one of grey, of
    sepia or on yellowed paper are the same to the network, and the tint of an old one is gone from
    the result. Nothing makes up for what has faded: contrast is the photograph's own. Its pixels
    are taken to be sRGB.
    """

    def prepare(
        self,
        lightness: np.ndarray,
        *,
        full_resolution: bool = False,  # look at every pixel, not at the training size
    ) -> np.ndarray:
        """What the network is given: L [H, W] with its short side at the training size, [h, w].

        A small picture is enlarged, but a long one not beyond ``LONGEST`` training sizes.
        """
        if full_resolution:
            return lightness
        size, (height, width) = self.options["crop_size"], lightness.shape
        scale = size / min(height, width)
        if scale > 1:
            scale = min(scale, max(1, LONGEST * size / max(height, width)))
        sides = [max(1, round(side * scale)) for side in (width, height)]
        return transforms.resize(lightness[..., None], *sides)[..., 0]

    def join(
        self,
        lab: np.ndarray,
        ab: np.ndarray,
        *,
        saturation: float = 1.0,  # of the colours: 0 is grey, 1 as the network gives them
    ) -> np.ndarray:
        """The lightness of a picture with these colours: uint8 [H, W, 3].

        ``lab`` is [H, W, 3], whose colours are replaced; ``ab`` [h, w, 2] is enlarged to it. A
        colour that RGB does not have keeps its lightness and hue, see ``colour.lab_to_rgb``.
        """
        height, width = lab.shape[:2]
        lab[..., 1:] = transforms.resize(ab, width, height)
        lab[..., 1:] *= saturation
        return colour.lab_to_rgb(lab)

    own_options = {**options_of(prepare), **options_of(join)}

    def check(self, tile=None, overlap=None, **options):
        settings = super().check(tile, overlap, **options)
        saturation = settings["saturation"]
        if not (math.isfinite(saturation) and saturation >= 0):
            raise InputError(f"--saturation is a factor from 0 on, not {saturation}; 1.2 say")
        return settings

    def predict(
        self,
        lightness: np.ndarray,
        tile: Optional[int] = None,
        overlap: Optional[int] = None,
        **settings: Any,
    ) -> np.ndarray:
        """The colours that the network gives: ab [h, w, 2] in Lab units of L [h, w], 0 to 100.

        Raises:
            InputError: the picture does not fit into memory.
        """

        def show(rows, columns):
            piece = lightness[np.ix_(rows, columns)][None, None]
            return self._run(piece / np.float32(colour.L_SCALE) - np.float32(1), settings)[0]

        ab = np.empty((*lightness.shape, 2), np.float32)
        cutting = {"multiple": self.model.size_multiple, "tile": tile, "overlap": overlap}
        with translator.memory_advice(*lightness.shape, tile):
            for rows, output in apply.blended(show, *lightness.shape, **cutting):
                ab[rows] = output.transpose(1, 2, 0)
        ab *= colour.AB_SCALE
        return ab

    def colorize(
        self,
        rgb: np.ndarray,
        tile: Optional[int] = None,
        overlap: Optional[int] = None,
        *,
        steady: Optional[Steady] = None,
        **settings: Any,
    ) -> np.ndarray:
        """A picture in colour, uint8 [H, W, 3] both; ``settings`` are all that ``check`` returns.

        ``steady`` may change the colours before they are enlarged, as it does from frame to frame.

        Raises:
            InputError: the picture does not fit into memory.
        """
        full = settings["full_resolution"]
        if tile is None and not full:
            tile = LONGEST * self.options["crop_size"]  # matters to a panorama alone
        lab = colour.rgb_to_lab(rgb)
        lightness = self.prepare(np.ascontiguousarray(lab[..., 0]), full_resolution=full)
        ab = self.predict(lightness, tile, overlap, **settings)
        if steady is not None:
            ab = steady(lightness, ab)
        return self.join(lab, ab, saturation=settings["saturation"])

    def _translate(self, rgb, alpha, tile, overlap, settings) -> np.ndarray:
        result = self.colorize(rgb, tile, overlap, **settings)
        return result if alpha is None else np.dstack([result, alpha])
