"""Use multi-domain models: render images in random styles, reference styles, or between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from data_reader.errors import InputError
from data_reader.transforms import normalise, resize
from paddle_gans.fast_cpu import accelerate
from paddle_gans.networks.fan import FAN
from paddle_gans.training.fan_weights import SOURCE, load_fan
from paddle_gans.training.options import options_of, require_at_least

from . import align as faces
from .translator import Translator, run_tiled, split_alpha, to_rgb

MAX_BATCH = 4  # styles rendered in one pass; bounds the memory
DRAWN = ("domain", "num_styles", "seed")  # the options of random styles
FACE = ("align", "fan_weights")  # the options of a photograph of a face
CHANGE_FRAMES = 48  # of a video, from one style to the next


class DomainTranslator(Translator):
    """``translate(image, domain="dog")`` returns the image [S, S, 3] as a dog.

    For models whose ``data_class`` is Domains. With several styles (no ``domain``, or
    ``num_styles`` above 1) it returns a list, domain by domain. A style is an array [style_dim]:
    ``draw_styles`` and ``copy_style`` make some, interpolations between them are styles too, and
    ``render`` shows an image in each.
    """

    @property
    def domains(self) -> list[str]:
        return list(self.model.domains)

    @property
    def size(self) -> int:
        """The side of a training image, pixels."""
        return self.model.crop_size

    def prepare(
        self,
        image: np.ndarray,
        *,
        native_size: bool = False,  # translate the whole photograph at its own size
        align: bool = False,  # crop the face as the training faces were cropped
        fan_weights: str | None = None,  # face-alignment network, if the run has none
    ) -> np.ndarray:
        """Crop and resize a photograph, uint8 [H, W, C], to the generator's input [S, S, C]."""
        if native_size:
            return image
        if align:
            landmarks = faces.find_face(self.face_finder(fan_weights), image[..., :3])
            return faces.align(image, landmarks, self.size)
        height, width = image.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return resize(image[top : top + side, left : left + side], self.size, self.size)

    own_options = options_of(prepare)

    def check(self, **options):
        settings = super().check(**options)
        if settings["domain"] is not None:
            self.model.domain_index(settings["domain"])
        require_at_least({"num_styles": 1, "seed": 0}, settings)
        native, align = settings["native_size"], settings["align"]
        if native and align:
            raise InputError("--align crops the face to the training size; omit --native-size")
        if native and self.model.fan is not None:
            raise InputError("this model needs faces of the training size; omit --native-size")
        if settings["tile"] is not None and not native:
            raise InputError(f"--tile needs --native-size: images have {self.size} pixels")
        if align:
            self.face_finder(settings["fan_weights"])
        return settings

    def face_finder(self, path: str | None) -> FAN:
        """Return the face-alignment network of the file, or the run's own."""
        if path is None and self.model.fan is None:
            raise InputError(
                "--align needs the face-alignment network, and this run was trained without it; "
                f"give --fan-weights FILE; {SOURCE}"
            )
        return self.model.fan if path is None else open_fan(path)

    def draw_styles(
        self, domain: str | None = None, num_styles: int = 1, seed: int = 0
    ) -> np.ndarray:
        """Draw random styles [K, style_dim] of the domain, or of every domain in turn."""
        self.check(domain=domain, num_styles=num_styles, seed=seed)
        return self.compute(self.model.styles_from, domain, num_styles, seed)

    def copy_style(self, reference: np.ndarray, domain: str, **face: Any) -> np.ndarray:
        """Return the style [style_dim] of an image of this domain, uint8 [H, W, 3].

        ``face`` is ``align`` and ``fan_weights``, see ``prepare``.
        """
        rgb, _ = split_alpha(reference, "the reference")
        x, y = normalise(self.prepare(rgb, **face))[None], self.model.domain_index(domain)
        return self.compute(self.model.copied_styles, x, y)[0]

    def in_style_of(
        self, image: np.ndarray, reference: np.ndarray, domain: str, **options: Any
    ) -> np.ndarray:
        """Render an image in the style of a reference of this domain; options as for a call."""
        settings = self.check(domain=domain, **options)
        style = self.copy_style(reference, domain, **{key: settings[key] for key in FACE})
        return self.interpolate(image, [style], **options)[0]

    def interpolate(
        self, image: np.ndarray, styles: Sequence[np.ndarray], steps: int = 8, **options: Any
    ) -> list[np.ndarray]:
        """Render an image in the styles [K, style_dim] with ``steps`` from each to the next."""
        settings = self.check(**options)
        whole = split_alpha(image, "the image")
        return list(self._render_all(*whole, between(np.stack(styles), steps), settings))

    def _render_all(self, rgb, alpha, styles: np.ndarray, settings) -> Iterator[np.ndarray]:
        image = rgb if alpha is None else np.dstack([rgb, alpha])
        image = self.prepare(image, **{key: settings[key] for key in self.own_options})
        return self.render(image, styles, settings["tile"], settings["overlap"])

    def render(
        self,
        image: np.ndarray,
        styles: np.ndarray,
        tile: int | None = None,
        overlap: int | None = None,
    ) -> Iterator[np.ndarray]:
        """Render the result of ``prepare``, uint8 [H, W, 3 or 4], in each style [K, style_dim]."""
        rgb, alpha = image[..., :3], image[..., 3:]

        def network(x, s):
            return self.compute(self.model.render, x, s)

        if rgb.shape[:2] == (self.size, self.size):  # several at once: the face is found once
            x, starts = normalise(rgb)[None], range(0, len(styles), MAX_BATCH)
            batches = (network(x, styles[i : i + MAX_BATCH]) for i in starts)
            results = (to_rgb(output) for outputs in batches for output in outputs)
        else:
            tiling = self.tiling({"tile": tile, "overlap": overlap})
            networks = (partial(network, s=style[None]) for style in styles)
            results = (run_tiled(one, rgb, **tiling) for one in networks)
        for result in results:
            yield np.concatenate([result, alpha], axis=2)

    def _translate(self, rgb, alpha, settings) -> np.ndarray | list[np.ndarray]:
        styles = self.draw_styles(**{key: settings[key] for key in DRAWN})
        results = list(self._render_all(rgb, alpha, styles, settings))
        return results[0] if len(results) == 1 else results


@lru_cache(maxsize=1)
def open_fan(path: str) -> FAN:
    fan = load_fan(path)
    fan.eval()
    accelerate(fan)
    return fan


def between(styles: np.ndarray, steps: int) -> np.ndarray:
    """Interpolate linearly between neighbouring styles [K, D] in ``steps`` equal steps."""
    parts = [blend(a, b, np.arange(steps) / steps) for a, b in zip(styles, styles[1:])]
    return np.concatenate([*parts, styles[-1:]])


def round_trip(styles: np.ndarray) -> np.ndarray:
    """Return one style per video frame: from each style to the next, and back to the first.

    Each change eases in and out.
    """
    part = np.arange(CHANGE_FRAMES) / CHANGE_FRAMES
    eased = part * part * (3 - 2 * part)
    return np.concatenate([blend(a, b, eased) for a, b in zip(styles, np.roll(styles, -1, axis=0))])


def blend(first: np.ndarray, last: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Interpolate between two styles: [N, D] for parts [N] from 0 (first) to 1 (last)."""
    return (first + parts[:, None] * (last - first)).astype(np.float32)
