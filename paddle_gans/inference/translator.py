"""A trained model as a function from pictures to pictures."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
import paddle

from data_reader.errors import InputError
from paddle_gans.training.model import GANModel
from paddle_gans.training.options import Option, checked

from . import apply

Pictures = Union[np.ndarray, Sequence[np.ndarray]]


def takes_pictures(model: Any) -> bool:
    """Whether a model, or its class, translates pictures and does not draw from noise."""
    parameter = inspect.signature(model.translate).parameters["inputs"]
    return parameter.default is parameter.empty


class Translator:
    """``translate(image)`` gives the model's picture of a picture, at its size.

    ``name`` is the model's name, ``options`` what it was built with, ``step`` how long it was
    trained, ``path`` the file of its (first) weights, ``model`` the model itself. ``defaults`` are
    the keywords that a call takes, with their values. ``covered`` are the choices of these that
    the loaded networks were trained for.

    A model may have a ``Translator`` of its own in ``inference/<model>.py``.
    """

    own_options: Mapping[str, Option] = {}  # of a call, besides those of the model's translate()

    def __init__(
        self,
        model: GANModel,
        *,
        name: str,
        options: Mapping[str, Any],
        step: int,
        translate_options: Mapping[str, Option],
        covered: Sequence[Mapping[str, Any]] = ({},),
        path: Optional[Path] = None,
    ):
        self.model, self.name, self.options, self.step = model, name, dict(options), step
        self.path = path
        self.translate_options = dict(translate_options)
        self.defaults = {key: option.default for key, option in translate_options.items()}
        self.covered = [dict(choice) for choice in covered]
        model.eval()

    def __repr__(self) -> str:
        return f"<Translator: {self.name}, step {self.step}>"

    @property
    def device(self) -> str:
        """Where it is computed: cpu, gpu:0 ..."""
        return paddle.get_device()

    @property
    def takes_pictures(self) -> bool:
        """Whether the model translates pictures; one that draws them from noise does not."""
        return takes_pictures(self.model)

    def __call__(
        self,
        images: Optional[Pictures] = None,
        *,
        tile: Optional[int] = None,
        overlap: Optional[int] = None,
        **options: Any,
    ) -> Union[np.ndarray, list[np.ndarray]]:
        """Translate a picture, uint8 RGB [H, W, 3] of any size, or each picture of a list.

        A grey picture, [H, W] or [H, W, 1], gives RGB; of RGBA, [H, W, 4], alpha is kept. ``tile``
        and ``overlap`` (pixels; a quarter of the tile) work on parts that are blended, for pictures
        larger than memory. ``options`` are the model's own, see ``defaults``. A model that draws
        from noise takes no picture and gives a list.

        Raises:
            InputError: a picture is of another type or shape, an option is unknown or wrong, or
                the picture does not fit into memory at once.
        """
        settings = self.check(tile, overlap, **options)
        if not self.takes_pictures:
            if images is not None:
                raise InputError(f"{self.name} draws from noise: it takes no pictures")
            return self._draw(settings)
        if images is None:
            raise InputError(f"{self.name} translates pictures: give one, or a list of them")
        if isinstance(images, (list, tuple)):
            pictures = [split(image, f"picture {i}") for i, image in enumerate(images)]
            return [self._translate(*parts, tile, overlap, settings) for parts in pictures]
        return self._translate(*split(images, "the picture"), tile, overlap, settings)

    def check(
        self, tile: Optional[int] = None, overlap: Optional[int] = None, **options: Any
    ) -> dict[str, Any]:
        """Check what a call would be given; return the model's own options, defaults included.

        Raises:
            InputError: an option is unknown or its value wrong, or it asks for what the loaded
                networks were not trained for.
        """
        apply.tile_size(tile, overlap, self.model.size_multiple)
        settings = dict(self.defaults)
        for key, value in options.items():
            if key not in settings:
                known = [*settings, "tile", "overlap"]
                near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]}?" if near else f"it knows {', '.join(known)}"
                raise InputError(f"{self.name} translates with no option {key!r}; {hint}")
            settings[key] = checked(self.translate_options[key], value)
        if not any(agree(settings, choice) for choice in self.covered):
            needed = [n for n, choice in self.model.inference.items() if agree(settings, choice)]
            asked = ", ".join(f"{key} {settings[key]}" for key in self.covered[0])
            files = " and ".join(f"{name}.pdparams" for name in needed) or "other weights"
            raise InputError(f"{asked} needs {files} of the run; give that, or the run folder")
        return settings

    def _translate(self, rgb, alpha, tile, overlap, settings) -> np.ndarray:
        """One picture; what a model needs of its own before or after the network belongs here."""
        result = self._apply(partial(self._run, settings=settings), rgb, tile, overlap)
        return result if alpha is None else np.dstack([result, alpha])

    def _apply(self, network, rgb, tile, overlap) -> np.ndarray:
        """``apply.apply`` with what the model needs, and advice where memory is short."""
        multiple = self.model.size_multiple
        with memory_advice(*rgb.shape[:2], tile):
            return apply.apply(network, rgb, multiple=multiple, tile=tile, overlap=overlap)

    def _draw(self, settings) -> list[np.ndarray]:
        return [apply.to_rgb(image).copy() for image in self._run(None, settings)]

    def _run(self, inputs, settings) -> np.ndarray:
        """The model's translate(): [1, 3, h, w] in [-1, 1], or None, to [N, 3 or 1, h, w]."""
        options = {key: x for key, x in settings.items() if key not in self.own_options}
        with paddle.no_grad():
            x = None if inputs is None else paddle.to_tensor(inputs)
            return self.model.translate(x, **options).numpy()


@contextmanager
def memory_advice(height: int, width: int, tile: Optional[int]) -> Iterator[None]:
    """Turn a MemoryError into an InputError that says which tile will do."""
    try:
        yield
    except MemoryError as error:
        smaller = "a smaller tile" if tile else "--tile 512 (tile=512 in Python)"
        raise InputError(
            f"{width} x {height} pixels do not fit into memory at once; {smaller} will do"
        ) from error


def agree(settings: Mapping[str, Any], choice: Mapping[str, Any]) -> bool:
    """Whether the settings hold every value of the choice."""
    return all(settings.get(key) == value for key, value in choice.items())


def split(image: Any, what: str) -> tuple[np.ndarray, Optional[np.ndarray]]:
    """Return a picture's colours [H, W, 3] and its alpha [H, W], None without.

    Raises:
        InputError: it is no uint8 array of a picture's shape.
    """
    if not isinstance(image, np.ndarray):
        raise InputError(
            f"{what} is a {type(image).__name__}, not a NumPy array; "
            "data_reader.images.read_image(path) reads a file"
        )
    shape = list(image.shape)
    if image.dtype != np.uint8:
        raise InputError(
            f"{what} is {image.dtype} {shape}; give uint8 [H, W, 3] in RGB with values of 0 to 255"
        )
    channels = {2: 1, 3: shape[-1] if shape else 0}.get(image.ndim, 0)
    if channels not in (1, 3, 4) or image.size == 0:
        hint = "; give several pictures as a list" if image.ndim == 4 else ""
        raise InputError(f"{what} is {shape}, not [H, W, 3], [H, W, 4] or [H, W]{hint}")
    if channels == 1:
        return np.repeat(image.reshape(shape[0], shape[1], 1), 3, axis=2), None
    return image[..., :3], image[..., 3] if channels == 4 else None
