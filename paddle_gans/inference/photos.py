"""Use colorization models: keep a photograph's own lightness and size, and add colours."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from data_reader import colour, transforms
from data_reader.errors import InputError
from paddle_gans.training.options import options_of

from .translator import Translator, blended

MAX_SIZES = 4  # longest side in training sizes; a longer image is processed in tiles


class PhotoTranslator(Translator):
    """``translate(photograph)`` returns it in colour, at its size and with its own lightness.

    For models whose ``data_class`` is Photos: ``translate`` maps L / 50 - 1 to ab / 110. Only the
    lightness of the input counts, L of CIE Lab, so colour, greyscale, sepia and yellowed
    photographs give the same result. Faded contrast is not restored. Pixels are sRGB.
    """

    def prepare(
        self,
        lightness: np.ndarray,
        *,
        full_resolution: bool = False,  # run the network on every pixel, not at the training size
    ) -> np.ndarray:
        """Resize L [H, W] to the network's input [h, w]: its short side has the training size.

        Small images are enlarged, but not beyond ``MAX_SIZES`` training sizes.
        """
        if full_resolution:
            return lightness
        size, (height, width) = self.model.crop_size, lightness.shape
        scale = size / min(height, width)
        if scale > 1:
            scale = min(scale, max(1, MAX_SIZES * size / max(height, width)))
        sides = [max(1, round(side * scale)) for side in (width, height)]
        return transforms.resize(lightness[..., None], *sides)[..., 0]

    def join(
        self,
        lab: np.ndarray,
        ab: np.ndarray,
        *,
        saturation: float = 1.0,  # factor on the colours; 0 is grey
    ) -> np.ndarray:
        """Replace the colours of ``lab`` [H, W, 3] by ``ab`` [h, w, 2]; return uint8 [H, W, 3].

        Colours outside RGB keep their lightness and hue, see ``colour.lab_to_rgb``.
        """
        height, width = lab.shape[:2]
        lab[..., 1:] = transforms.resize(ab, width, height)
        lab[..., 1:] *= saturation
        return colour.lab_to_rgb(lab)

    own_options = {**options_of(prepare), **options_of(join)}

    def check(self, **options):
        settings = super().check(**options)
        saturation = settings["saturation"]
        if not (math.isfinite(saturation) and saturation >= 0):
            raise InputError(f"--saturation must be 0 or more, e.g. 1.2, not {saturation}")
        return settings

    def predict(self, lightness: np.ndarray, settings: dict[str, Any]) -> np.ndarray:
        """Predict colours: ab [h, w, 2] in Lab units from L [h, w] in [0, 100]."""

        def forward_tile(rows, columns):
            x = lightness[np.ix_(rows, columns)][None, None]
            return self._run(x / np.float32(colour.L_SCALE) - np.float32(1), settings)[0]

        ab = np.empty((*lightness.shape, 2), np.float32)
        for rows, output in blended(forward_tile, *lightness.shape, **self.tiling(settings)):
            ab[rows] = output.transpose(1, 2, 0)
        ab *= colour.AB_SCALE
        return ab

    def colorize(
        self,
        rgb: np.ndarray,
        settings: dict[str, Any],
        stabilise: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    ) -> np.ndarray:
        """Colorize an image, uint8 [H, W, 3]; ``settings`` are what ``check`` returns.

        ``stabilise`` maps L [h, w] and the predicted ab [h, w, 2] to the ab that is used; videos
        smooth colours over time with it.
        """
        full = settings["full_resolution"]
        if settings["tile"] is None and not full:  # only panoramas are larger
            settings = {**settings, "tile": MAX_SIZES * self.model.crop_size}
        lab = colour.rgb_to_lab(rgb)
        lightness = self.prepare(np.ascontiguousarray(lab[..., 0]), full_resolution=full)
        ab = self.predict(lightness, settings)
        if stabilise is not None:
            ab = stabilise(lightness, ab)
        return self.join(lab, ab, saturation=settings["saturation"])

    def _translate(self, rgb, alpha, settings) -> np.ndarray:
        result = self.colorize(rgb, settings)
        return result if alpha is None else np.dstack([result, alpha])


def without_colour(rgb: np.ndarray) -> np.ndarray:
    """Return the lightness of an image as grey, uint8 [H, W, 3] both."""
    lab = colour.rgb_to_lab(rgb)
    lab[..., 1:] = 0
    return colour.lab_to_rgb(lab)
