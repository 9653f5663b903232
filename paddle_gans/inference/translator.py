"""A trained model as a function from images to images of any size."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from data_reader.errors import InputError
from data_reader.transforms import denormalise, normalise
from paddle_gans.training.mixed_precision import autocast
from paddle_gans.training.model import GANModel
from paddle_gans.training.options import Option, options_of, resolve

MIN_SIDE = 32  # pixels; the deepest maps of a smaller image are too small for mirror padding

Network = Callable[[np.ndarray], np.ndarray]  # [1, 3, h, w] in [-1, 1] to [1, 3 or 1, h, w]
ForwardTile = Callable[[np.ndarray, np.ndarray], np.ndarray]  # rows [h], columns [w] to [C, h, w]


def takes_images(model: Any) -> bool:
    parameter = inspect.signature(model.translate).parameters["inputs"]
    return parameter.default is parameter.empty


def by_data(model: Any, choices: Mapping[type, Any], default: Any) -> Any:
    """Return the choice for the class of the data set that a model, or its class, reads."""
    kinds = (kind for kind in choices if issubclass(model.data_class, kind))
    return next((choices[kind] for kind in kinds), default)


@dataclass(frozen=True)
class Saved:
    """One network as it was saved: its arrays, and what its file says of it."""

    path: Path
    arrays: Mapping[str, np.ndarray]
    model: str
    options: Mapping[str, Any]
    network: str
    translate: Mapping[str, Any]  # the arguments of a call that it is for
    step: int


class Translator:
    """``translate(image)`` returns the translated image at the same size.

    ``options`` are the model's constructor arguments, ``step`` is the training step of the weights,
    ``path`` the (first) file of them. ``defaults`` are the keyword arguments of a call with their
    values; ``covered`` the combinations of them that the loaded networks were trained for.
    """

    own_options: Mapping[str, Option] = {}  # of a call, besides those of the model's translate()

    def __init__(
        self,
        model: GANModel,
        options: dict[str, Any],
        networks: Sequence[Saved],
        translate_options: dict[str, Option],
        amp: str = "off",
    ):
        first = networks[0]
        self.name, self.step, self.path = first.model, first.step, first.path
        self.model, self.options, self.amp = model, options, amp
        self.translate_options = translate_options
        self.defaults = {key: option.default for key, option in translate_options.items()}
        self.covered = [dict(saved.translate) for saved in networks]
        model.eval()

    def compute(self, function: Callable[..., Any], *inputs: Any, **options: Any) -> np.ndarray:
        """Call a function of the model with arrays, without gradients, in the chosen precision."""
        with paddle.no_grad(), autocast(self.amp):
            tensors = [paddle.to_tensor(x) if isinstance(x, np.ndarray) else x for x in inputs]
            return function(*tensors, **options).astype("float32").numpy()

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
        from noise takes no image and returns a list. InputError: an image or option is invalid,
        or the image does not fit into memory at once.
        """
        settings = self.check(tile=tile, overlap=overlap, **options)
        if not self.takes_images:
            if images is not None:
                raise InputError(f"{self.name} generates from noise and takes no images")
            return [to_rgb(image).copy() for image in self._run(None, settings)]
        if images is None:
            raise InputError(f"{self.name} translates images: give one image or a list of them")
        if isinstance(images, (list, tuple)):
            parts = [split_alpha(image, f"image {i}") for i, image in enumerate(images)]
            return [self._translate(*each, settings) for each in parts]
        return self._translate(*split_alpha(images, "the image"), settings)

    tiles = options_of(__call__)

    def check(self, **options: Any) -> dict[str, Any]:
        """Check the keyword arguments of a call; return all of them, defaults included."""
        settings = resolve({**self.translate_options, **self.tiles}, options, self.name)
        tile_size(**self.tiling(settings))
        if not any(matches(settings, choice) for choice in self.covered):
            needed = [n for n, choice in self.model.inference.items() if matches(settings, choice)]
            asked = ", ".join(f"{key} {settings[key]}" for key in self.covered[0])
            files = " and ".join(f"{name}.pdparams" for name in needed) or "other weights"
            raise InputError(f"{asked} needs {files} of the run; give that file or the run folder")
        return settings

    def _translate(self, rgb, alpha, settings) -> np.ndarray:
        """Translate one image; subclasses add what a kind of model does around its network."""
        result = run_tiled(partial(self._run, settings=settings), rgb, **self.tiling(settings))
        return result if alpha is None else np.dstack([result, alpha])

    def tiling(self, settings) -> dict[str, Any]:
        """The arguments of ``blended``."""
        return {"multiple": self.model.size_multiple, **{key: settings[key] for key in self.tiles}}

    def _run(self, inputs, settings) -> np.ndarray:
        """Call the model's translate(): [1, 3, h, w] in [-1, 1], or None, to [N, 3 or 1, h, w]."""
        own = {**self.own_options, **self.tiles}
        options = {key: x for key, x in settings.items() if key not in own}
        return self.compute(self.model.translate, inputs, **options)


def matches(settings: Mapping[str, Any], choice: Mapping[str, Any]) -> bool:
    """Whether the settings hold every value of the choice."""
    return all(settings.get(key) == value for key, value in choice.items())


def split_alpha(image: Any, what: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Return an image's RGB [H, W, 3] and its alpha [H, W], None without."""
    if not isinstance(image, np.ndarray):
        raise InputError(
            f"{what} is a {type(image).__name__}, not a NumPy array; see read_image(path)"
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


# Any size: mirrored at the border to what the network needs, or in blended tiles.


def run_tiled(network: Network, rgb: np.ndarray, **tiling: Any) -> np.ndarray:
    """Translate an image, uint8 [H, W, 3], at its own size; ``tiling`` as for ``blended``."""

    def forward_tile(rows, columns):
        return network(normalise(rgb[np.ix_(rows, columns)])[None])[0]

    result = np.empty(rgb.shape, np.uint8)
    for rows, output in blended(forward_tile, *rgb.shape[:2], **tiling):
        result[rows] = to_rgb(output)
    return result


def blended(
    forward_tile: ForwardTile,
    height: int,
    width: int,
    *,
    multiple: int = 1,
    tile: int | None = None,
    overlap: int | None = None,
) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the output of a network, floats [C, h, W], with the rows it belongs to, downwards.

    The sides are mirror-padded at the right and bottom to a multiple of ``multiple`` pixels, at
    least ``MIN_SIDE``, and cropped back. With ``tile`` the network runs on one square of about
    that many pixels at a time; squares overlap by ``overlap`` pixels (default: a quarter of the
    tile) and are blended. Memory is then bounded by one row of tiles and the result.
    """
    rows, columns = (mirrored(side, round_up(side, multiple)) for side in (height, width))
    size, shared = tile_size(tile, overlap, multiple) or (max(len(rows), len(columns)), 0)
    down, across = (split(len(places), size, shared, multiple) for places in (rows, columns))
    band = np.zeros(0, np.float32)  # [C, h, W]: blended rows that later tiles still add to

    for (top, row_weights), (bottom, _) in zip(down, [*down[1:], (len(rows), None)]):
        for left, column_weights in across:
            h, w = len(row_weights), len(column_weights)
            try:
                output = forward_tile(rows[top : top + h], columns[left : left + w])
            except MemoryError as error:
                smaller = "a smaller tile" if tile else "--tile 512 (tile=512 in Python)"
                raise InputError(
                    f"{width} x {height} pixels do not fit into memory at once; use {smaller}"
                ) from error
            if output.shape[1:] != (h, w):
                raise ValueError(f"the network turned {h} x {w} pixels into {list(output.shape)}")
            if band.size == 0:
                band = np.zeros((len(output), h, len(columns)), np.float32)
            band[:, :, left : left + w] += output * row_weights[:, None] * column_weights

        # Yield the rows above the next tiles and move the others up.
        done = bottom - top
        kept = slice(top, min(bottom, height))
        yield kept, band[:, : kept.stop - kept.start, :width]
        band = np.concatenate([band[:, done:], np.zeros_like(band[:, :done])], axis=1)


def to_rgb(output: np.ndarray) -> np.ndarray:
    """Convert floats [3 or 1, H, W] in [-1, 1] to uint8 [H, W, 3]."""
    pixels = denormalise(output)
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3))


def mirrored(side: int, total: int) -> np.ndarray:
    """Return ``total`` indices that read ``side`` pixels forwards and backwards, repeatedly."""
    period = max(2 * (side - 1), 1)
    places = np.arange(total) % period
    return np.minimum(places, period - places)


def round_up(side: int, multiple: int) -> int:
    """Return the smallest multiple that is at least ``side`` and ``MIN_SIDE``."""
    return -(-max(side, MIN_SIDE) // multiple) * multiple


def tile_size(tile: int | None, overlap: int | None, multiple: int) -> tuple[int, int] | None:
    """Return the tile's side and overlap, rounded up to the multiple; None without tiles."""
    if tile is None:
        if overlap is not None:
            raise InputError("overlap is given without a tile size; give a tile too, e.g. 512")
        return None
    if tile < 1:
        raise InputError(f"tile must be a positive number of pixels, e.g. 512, not {tile!r}")
    size = round_up(tile, multiple)
    if overlap is not None and overlap < 0:
        raise InputError(f"overlap must be 0 or more pixels, e.g. 64, not {overlap!r}")
    shared = -(-(size // 4 if overlap is None else overlap) // multiple) * multiple
    if shared >= size:
        raise InputError(
            f"tiles of {size} pixels cannot overlap by {shared} (the network needs multiples of "
            f"{multiple}); choose a tile of {size + shared} or a smaller overlap"
        )
    return size, shared


def split(total: int, size: int, overlap: int, multiple: int) -> list[tuple[int, np.ndarray]]:
    """Split a side into tiles: the start of each, and its weight [size] at each of its pixels.

    Starts are multiples, so that the network's strides fall as in the whole image. The weights
    sum to 1 at every pixel.
    """
    size = min(size, total)
    count = -(-(total - size) // max(size - overlap, 1)) + 1
    free = (total - size) // multiple
    starts = [i * free // max(count - 1, 1) * multiple for i in range(count)]
    windows = [blend_window(start, size, total, overlap) for start in starts]
    sums = np.zeros(total)
    for start, weights in zip(starts, windows):
        sums[start : start + size] += weights
    return [
        (start, (weights / sums[start : start + size]).astype(np.float32))
        for start, weights in zip(starts, windows)
    ]


def blend_window(start: int, size: int, total: int, overlap: int) -> np.ndarray:
    """Return a tile's weights before normalisation: 1 inside, falling to 0 at its inner edges.

    They fall within the middle half of the overlap. Pixels next to an edge, where the network
    sees mirror padding instead of the image, get no weight.
    """
    pixels = np.arange(size) + 0.5
    before = pixels if start > 0 else np.full(size, np.inf)
    behind = size - pixels if start + size < total else np.full(size, np.inf)
    distance = np.minimum(before, behind)
    return np.clip((distance - overlap / 4) / max(overlap / 2, 0.5), 0, 1)
