"""StarGAN v2 for use: photographs in styles that are drawn, copied from references, or between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Optional, Union

import numpy as np
import paddle

from data_reader.errors import InputError
from data_reader.transforms import normalise, resize
from paddle_gans.fast_cpu import accelerate
from paddle_gans.networks.fan import FAN
from paddle_gans.training.fan_weights import SOURCE, load_fan
from paddle_gans.training.options import options_of

from . import align as faces
from . import apply, translator
from ._stargan_v2_pictures import between
from ._stargan_v2_task import Task
from .translator import split

__all__ = ["Task", "Translator"]

AT_ONCE = 4  # styles that one pass renders; bounds the memory


class Translator(translator.Translator):
    """``translate(image, domain="dog")`` gives the picture [S, S, 3] of a photograph as a dog.

    With several styles (no ``domain``, or ``num_styles`` above 1) it gives a list, domain by
    domain. A style is an array [style_dim]: ``draw_styles`` and ``copy_style`` make some, what lies
    between them is one too, and ``render`` shows a picture in each.
    """

    def __init__(self, model, **about: Any):
        super().__init__(model, **about)
        self._fans: dict[str, FAN] = {}  # opened from files

    @property
    def domains(self) -> list[str]:
        """The names of what pictures can be turned into."""
        return list(self.model.domains)

    @property
    def size(self) -> int:
        """The side of a training picture, pixels."""
        return self.model.crop_size

    def prepare(
        self,
        image: np.ndarray,
        *,
        native_size: bool = False,  # the whole photograph, not its middle at the training size
        align: bool = False,  # cut out the face as the training faces were cut; for photographs
        fan_weights: Optional[str] = None,  # face-alignment network, if the run has none
    ) -> np.ndarray:
        """What the generator is given of a photograph: uint8 [H, W, C] to [S, S, C], its middle.

        Raises:
            InputError: no face is found to align, or there is no network to find it with.
        """
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

    def check(self, tile=None, overlap=None, **options):
        settings = super().check(tile, overlap, **options)
        if settings["domain"] is not None:
            self.model.domain_index(settings["domain"])
        for name, least in (("num_styles", 1), ("seed", 0)):
            if settings[name] < least:
                flag = self.translate_options[name].flag
                raise InputError(f"{flag} is at least {least}, not {settings[name]}")
        native, align = settings["native_size"], settings["align"]
        if native and align:
            raise InputError("--align cuts the face out at the training size; no --native-size")
        if native and self.model.fan is not None:
            raise InputError(
                "this model looks for the parts of a face in a picture of the training size; "
                "leave --native-size out"
            )
        if tile is not None and not native:
            raise InputError(
                f"pictures are brought to {self.size} pixels and need no --tile; it is for large "
                "ones with --native-size"
            )
        if align:
            self.face_finder(settings["fan_weights"])
        return settings

    def face_finder(self, path: Optional[str]) -> FAN:
        """The face-alignment network of the file, or else of the run.

        Raises:
            InputError: there is neither, or the file holds something else.
        """
        if path is None and self.model.fan is None:
            raise InputError(
                "--align finds the face with the face-alignment network, which this run was "
                f"trained without: --fan-weights FILE; {SOURCE}"
            )
        if path is None:
            return self.model.fan
        if path not in self._fans:
            self._fans[path] = load_fan(path)
            self._fans[path].eval()
            accelerate(self._fans[path])
        return self._fans[path]

    @paddle.no_grad()
    def draw_styles(
        self, domain: Optional[str] = None, num_styles: int = 1, seed: int = 0
    ) -> np.ndarray:
        """Styles [K, style_dim] of the domain, or of every domain in turn, that the seed draws.

        Raises:
            InputError: there is no such domain, no style to draw, or the seed is below 0.
        """
        self.check(domain=domain, num_styles=num_styles, seed=seed)
        return self.model.styles_from(domain, num_styles, seed).numpy()

    @paddle.no_grad()
    def copy_style(
        self,
        reference: np.ndarray,
        domain: str,
        align: bool = False,
        fan_weights: Optional[str] = None,
    ) -> np.ndarray:
        """The style [style_dim] of a picture of this domain, uint8 [H, W, 3].

        Raises:
            InputError: there is no such domain, or no face to align.
        """
        rgb, _ = split(reference, "the reference")
        square = self.prepare(rgb, align=align, fan_weights=fan_weights)
        x = paddle.to_tensor(normalise(square)[None])
        return self.model.copied_styles(x, self.model.domain_index(domain)).numpy()[0]

    def in_style_of(
        self, image: np.ndarray, reference: np.ndarray, domain: str, **options: Any
    ) -> np.ndarray:
        """A picture in the style of another one, which is of this domain.

        ``options`` are those of a call.

        Raises:
            InputError: as of a call.
        """
        settings = self.check(domain=domain, **options)
        face = {key: settings[key] for key in ("align", "fan_weights")}
        style = self.copy_style(reference, domain, **face)
        return self.interpolate(image, [style], **options)[0]

    def interpolate(
        self, image: np.ndarray, styles: Sequence[np.ndarray], steps: int = 8, **options: Any
    ) -> list[np.ndarray]:
        """A picture in the styles [K, style_dim], with ``steps`` from each to the next.

        ``options`` are those of a call.

        Raises:
            InputError: as of a call.
        """
        settings = self.check(**options)
        rgb, alpha = split(image, "the picture")
        tiles = (options.get("tile"), options.get("overlap"))
        return self._shown(rgb, alpha, between(np.stack(styles), steps), *tiles, settings)

    def render(
        self,
        picture: np.ndarray,
        styles: np.ndarray,
        tile: Optional[int] = None,
        overlap: Optional[int] = None,
    ) -> Iterator[np.ndarray]:
        """Show what ``prepare`` gave, uint8 [H, W, 3 or 4], in each of the styles [K, style_dim].

        Raises:
            InputError: the picture does not fit into memory.
        """
        rgb, alpha = picture[..., :3], picture[..., 3:]
        whole = rgb.shape[:2] == (self.size, self.size)
        show = self._many if whole else partial(self._one_by_one, tile=tile, overlap=overlap)
        for result in show(rgb, styles):
            yield np.concatenate([result, alpha], axis=2)

    def _many(self, rgb, styles) -> Iterator[np.ndarray]:
        """A picture of the training size: several styles in one pass, the face found once."""
        x = paddle.to_tensor(normalise(rgb)[None])
        for i in range(0, len(styles), AT_ONCE):
            with paddle.no_grad():
                shown = self.model.render(x, paddle.to_tensor(styles[i : i + AT_ONCE])).numpy()
            yield from map(apply.to_rgb, shown)

    def _one_by_one(self, rgb, styles, tile, overlap) -> Iterator[np.ndarray]:
        """A picture of any size, padded or in tiles."""
        for style in styles:
            yield self._apply(partial(self._piece, style=style), rgb, tile, overlap)

    def _piece(self, piece, style) -> np.ndarray:
        with paddle.no_grad():
            s = paddle.to_tensor(style[None])
            return self.model.render(paddle.to_tensor(piece), s).numpy()

    def _translate(
        self, rgb, alpha, tile, overlap, settings
    ) -> Union[np.ndarray, list[np.ndarray]]:
        chosen = {key: settings[key] for key in ("domain", "num_styles", "seed")}
        shown = self._shown(rgb, alpha, self.draw_styles(**chosen), tile, overlap, settings)
        return shown[0] if len(shown) == 1 else shown

    def _shown(self, rgb, alpha, styles, tile, overlap, settings) -> list[np.ndarray]:
        image = rgb if alpha is None else np.dstack([rgb, alpha])
        prepared = self.prepare(image, **{key: settings[key] for key in self.own_options})
        return list(self.render(prepared, styles, tile, overlap))
