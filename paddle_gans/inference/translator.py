"""A trained model as a function from images to images."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from data_reader.errors import InputError, did_you_mean
from paddle_gans.training.mixed_precision import autocast
from paddle_gans.training.model import GANModel
from paddle_gans.training.options import Option, checked

from . import tiling


def takes_images(model: Any) -> bool:
    parameter = inspect.signature(model.translate).parameters["inputs"]
    return parameter.default is parameter.empty


def by_data(model: Any, choices: Mapping[type, Any], default: Any) -> Any:
    """Return the choice for the class of the data set that a model, or its class, reads."""
    kinds = (kind for kind in choices if issubclass(model.data_class, kind))
    return next((choices[kind] for kind in kinds), default)


class Translator:
    """``translate(image)`` returns the translated image at the same size.

    ``name`` is the model's name, ``options`` its constructor arguments, ``step`` the training step
    of the weights, ``path`` the (first) weights file, ``model`` the model itself, ``amp`` its
    precision. ``defaults`` are the keyword arguments of a call with their values; ``covered`` the
    combinations of them that the loaded networks were trained for.
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
        path: Path | None = None,
        amp: str = "off",
    ):
        self.model, self.name, self.options, self.step = model, name, dict(options), step
        self.path, self.amp = path, amp
        self.translate_options = dict(translate_options)
        self.defaults = {key: option.default for key, option in translate_options.items()}
        self.covered = [dict(choice) for choice in covered]
        model.eval()

    @contextmanager
    def computing(self) -> Iterator[None]:
        """The context of all calls of the model: no gradients, and the chosen precision."""
        with paddle.no_grad(), autocast(self.amp):
            yield

    def __repr__(self) -> str:
        return f"<Translator: {self.name}, step {self.step}>"

    @property
    def device(self) -> str:
        return paddle.get_device()

    @property
    def takes_images(self) -> bool:
        return takes_images(self.model)

    def __call__(
        self,
        images: np.ndarray | Sequence[np.ndarray] | None = None,
        *,
        tile: int | None = None,
        overlap: int | None = None,
        **options: Any,
    ) -> np.ndarray | list[np.ndarray]:
        """Translate an image, uint8 RGB [H, W, 3] of any size, or each image of a list.

        Greyscale input, [H, W] or [H, W, 1], returns RGB; the alpha of RGBA, [H, W, 4], is kept.
        ``tile`` and ``overlap`` (pixels; default: a quarter of the tile) process large images in
        blended tiles. ``options`` are the model's own, see ``defaults``. A model that generates
        from noise takes no image and returns a list.

        Raises:
            InputError: an image has another type or shape, an option is unknown or invalid, or
                the image does not fit into memory at once.
        """
        settings = self.check(tile, overlap, **options)
        if not self.takes_images:
            if images is not None:
                raise InputError(f"{self.name} generates from noise and takes no images")
            return [tiling.to_rgb(image).copy() for image in self._run(None, settings)]
        if images is None:
            raise InputError(f"{self.name} translates images: give one image or a list of them")
        if isinstance(images, (list, tuple)):
            parts = [split_alpha(image, f"image {i}") for i, image in enumerate(images)]
            return [self._translate(*each, tile, overlap, settings) for each in parts]
        return self._translate(*split_alpha(images, "the image"), tile, overlap, settings)

    def check(
        self, tile: int | None = None, overlap: int | None = None, **options: Any
    ) -> dict[str, Any]:
        """Check the arguments of a call; return the model's own options, defaults included."""
        tiling.tile_size(tile, overlap, self.model.size_multiple)
        settings = dict(self.defaults)
        for key, value in options.items():
            if key not in settings:
                known = [*settings, "tile", "overlap"]
                hint = did_you_mean(key, known, f"its options are {', '.join(known)}").strip()
                raise InputError(f"{self.name} has no option {key!r}; {hint}")
            settings[key] = checked(self.translate_options[key], value)
        if not any(matches(settings, choice) for choice in self.covered):
            needed = [n for n, choice in self.model.inference.items() if matches(settings, choice)]
            asked = ", ".join(f"{key} {settings[key]}" for key in self.covered[0])
            files = " and ".join(f"{name}.pdparams" for name in needed) or "other weights"
            raise InputError(f"{asked} needs {files} of the run; give that file or the run folder")
        return settings

    def _translate(self, rgb, alpha, tile, overlap, settings) -> np.ndarray:
        """Translate one image; subclasses add what a kind of model does around its network."""
        result = self._run_tiled(partial(self._run, settings=settings), rgb, tile, overlap)
        return result if alpha is None else np.dstack([result, alpha])

    def _run_tiled(self, network, rgb, tile, overlap) -> np.ndarray:
        multiple = self.model.size_multiple
        height, width = rgb.shape[:2]
        with memory_advice(height, width, tile):
            return tiling.run_tiled(network, rgb, multiple=multiple, tile=tile, overlap=overlap)

    def _run(self, inputs, settings) -> np.ndarray:
        """Call the model's translate(): [1, 3, h, w] in [-1, 1], or None, to [N, 3 or 1, h, w]."""
        options = {key: x for key, x in settings.items() if key not in self.own_options}
        with self.computing():
            x = None if inputs is None else paddle.to_tensor(inputs)
            return self.model.translate(x, **options).astype("float32").numpy()


@contextmanager
def memory_advice(height: int, width: int, tile: int | None) -> Iterator[None]:
    """Turn a MemoryError into an InputError that recommends a tile size."""
    try:
        yield
    except MemoryError as error:
        smaller = "a smaller tile" if tile else "--tile 512 (tile=512 in Python)"
        raise InputError(
            f"{width} x {height} pixels do not fit into memory at once; use {smaller}"
        ) from error


def matches(settings: Mapping[str, Any], choice: Mapping[str, Any]) -> bool:
    """Whether the settings hold every value of the choice."""
    return all(settings.get(key) == value for key, value in choice.items())


def split_alpha(image: Any, what: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Return an image's RGB [H, W, 3] and its alpha [H, W], None without."""
    if not isinstance(image, np.ndarray):
        raise InputError(
            f"{what} is a {type(image).__name__}, not a NumPy array; "
            "read a file with data_reader.images.read_image(path)"
        )
    shape = list(image.shape)
    if image.dtype != np.uint8:
        raise InputError(
            f"{what} is {image.dtype} {shape}; give uint8 [H, W, 3] in RGB with values 0 to 255"
        )
    channels = {2: 1, 3: shape[-1] if shape else 0}.get(image.ndim, 0)
    if channels not in (1, 3, 4) or image.size == 0:
        hint = "; give several images as a list" if image.ndim == 4 else ""
        raise InputError(f"{what} is {shape}, not [H, W, 3], [H, W, 4] or [H, W]{hint}")
    if channels == 1:
        return np.repeat(image.reshape(shape[0], shape[1], 1), 3, axis=2), None
    return image[..., :3], image[..., 3] if channels == 4 else None
