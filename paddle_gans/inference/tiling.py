"""Run a network on an image of any size: padded to what the network needs, whole or in tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from numbers import Integral

import numpy as np

from data_reader.errors import InputError
from data_reader.transforms import denormalise, normalise

MIN_SIDE = 32  # pixels; the deepest maps of a smaller image are too small for mirror padding

Network = Callable[[np.ndarray], np.ndarray]  # [1, 3, h, w] in [-1, 1] to [1, 3 or 1, h, w]
ForwardTile = Callable[[np.ndarray, np.ndarray], np.ndarray]  # rows [h], columns [w] to [C, h, w]


def run_tiled(
    network: Network,
    rgb: np.ndarray,
    *,
    multiple: int = 1,
    tile: int | None = None,
    overlap: int | None = None,
) -> np.ndarray:
    """Translate an image, uint8 [H, W, 3], at its own size.

    The sides are mirror-padded at the right and bottom to a multiple of ``multiple`` pixels, at
    least ``MIN_SIDE``, and cropped back. With ``tile`` the network runs on one square of about
    that many pixels at a time; squares overlap by ``overlap`` pixels (default: a quarter of the
    tile) and are blended. Memory is then bounded by one row of tiles and the result.

    Raises:
        InputError: ``tile`` or ``overlap`` is not a valid number of pixels.
    """

    def forward_tile(rows, columns):
        return network(normalise(rgb[np.ix_(rows, columns)])[None])[0]

    result = np.empty(rgb.shape, np.uint8)
    tiles = {"multiple": multiple, "tile": tile, "overlap": overlap}
    for rows, output in blended(forward_tile, *rgb.shape[:2], **tiles):
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
    """Yield the output of ``run_tiled`` as floats [C, h, W] with the rows they belong to.

    Rows are yielded once each, from top to bottom.
    """
    rows, columns = (mirrored(side, round_up(side, multiple)) for side in (height, width))
    size, shared = tile_size(tile, overlap, multiple) or (max(len(rows), len(columns)), 0)
    down, across = (split(len(places), size, shared, multiple) for places in (rows, columns))
    band = np.zeros(0, np.float32)  # [C, h, W]: blended rows that later tiles still add to

    for (top, row_weights), (bottom, _) in zip(down, [*down[1:], (len(rows), None)]):
        for left, column_weights in across:
            h, w = len(row_weights), len(column_weights)
            output = forward_tile(rows[top : top + h], columns[left : left + w])
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
    if not isinstance(tile, Integral) or tile < 1:
        raise InputError(f"tile must be a positive number of pixels, e.g. 512, not {tile!r}")
    size = round_up(tile, multiple)
    if overlap is not None and (not isinstance(overlap, Integral) or overlap < 0):
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
