"""A network on a picture of any size: padded to what the network needs, at once or in tiles."""

from __future__ import annotations

from collections.abc import Iterator
from numbers import Integral
from typing import Callable, Optional

import numpy as np

from data_reader.errors import InputError
from data_reader.transforms import denormalise, normalise

MIN_SIDE = 32  # pixels; a smaller picture leaves the deepest maps too small to be mirrored

Network = Callable[[np.ndarray], np.ndarray]  # [1, 3, h, w] in [-1, 1] to [1, 3 or 1, h, w]
Show = Callable[[np.ndarray, np.ndarray], np.ndarray]  # rows [h] and columns [w] to [C, h, w]


def apply(
    network: Network,
    rgb: np.ndarray,
    *,
    multiple: int = 1,
    tile: Optional[int] = None,
    overlap: Optional[int] = None,
) -> np.ndarray:
    """Give the network's picture of a picture, uint8 [H, W, 3] both.

    The sides are filled up to a multiple of ``multiple`` pixels, ``MIN_SIDE`` at least, by
    mirroring to the right and downwards, and cut back. With ``tile`` the network sees squares of
    about that many pixels, one after the other, that overlap by ``overlap`` pixels (a quarter of
    the tile) and are blended; memory is then what a tile needs, a band of tiles and the result.

    Raises:
        InputError: ``tile`` or ``overlap`` is no possible number of pixels.
    """

    def show(rows, columns):
        return network(normalise(rgb[np.ix_(rows, columns)])[None])[0]

    result = np.empty(rgb.shape, np.uint8)
    cutting = {"multiple": multiple, "tile": tile, "overlap": overlap}
    for rows, output in blended(show, *rgb.shape[:2], **cutting):
        result[rows] = to_rgb(output)
    return result


def blended(
    show: Show,
    height: int,
    width: int,
    *,
    multiple: int = 1,
    tile: Optional[int] = None,
    overlap: Optional[int] = None,
) -> Iterator[tuple[slice, np.ndarray]]:
    """What ``apply`` gives of any picture, before it is one: rows, and floats [C, h, W] for them.

    ``show`` gives the network's [C, h, w] of the pixels in these rows and columns. The rows come
    from the top to the bottom, each once.

    Raises:
        InputError: as of ``apply``.
    """
    rows, columns = (mirrored(side, round_up(side, multiple)) for side in (height, width))
    size, shared = tile_size(tile, overlap, multiple) or (max(len(rows), len(columns)), 0)
    down, across = (cut(len(places), size, shared, multiple) for places in (rows, columns))
    band = np.zeros(0, np.float32)  # [C, h, W]: what is blended of the rows that are not done

    for (top, row_weights), (bottom, _) in zip(down, [*down[1:], (len(rows), None)]):
        for left, column_weights in across:
            h, w = len(row_weights), len(column_weights)
            output = show(rows[top : top + h], columns[left : left + w])
            if output.shape[1:] != (h, w):
                raise ValueError(f"the network made {list(output.shape)} of {h} x {w} pixels")
            if band.size == 0:
                band = np.zeros((len(output), h, len(columns)), np.float32)
            band[:, :, left : left + w] += output * row_weights[:, None] * column_weights

        # Rows above the next tiles are done; the others move up.
        done = bottom - top
        kept = slice(top, min(bottom, height))
        yield kept, band[:, : kept.stop - kept.start, :width]
        band = np.concatenate([band[:, done:], np.zeros_like(band[:, :done])], axis=1)


def to_rgb(output: np.ndarray) -> np.ndarray:
    """Turn floats [3 or 1, H, W] in [-1, 1] into uint8 [H, W, 3]."""
    pixels = denormalise(output)
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3))


def mirrored(side: int, total: int) -> np.ndarray:
    """Indices of ``total`` pixels that read a side of ``side`` there and back, again and again."""
    period = max(2 * (side - 1), 1)
    places = np.arange(total) % period
    return np.minimum(places, period - places)


def round_up(side: int, multiple: int) -> int:
    """Return the least multiple that ``side`` and ``MIN_SIDE`` fit into."""
    return -(-max(side, MIN_SIDE) // multiple) * multiple


def tile_size(
    tile: Optional[int], overlap: Optional[int], multiple: int
) -> Optional[tuple[int, int]]:
    """Return the sides of tile and overlap, both rounded up to the multiple; None without tiles.

    Raises:
        InputError: they are no whole numbers, too small, or nothing but overlap.
    """
    if tile is None:
        if overlap is not None:
            raise InputError("an overlap is one of tiles: give a tile too, tile 512 say")
        return None
    if not isinstance(tile, Integral) or tile < 1:
        raise InputError(f"tile is a number of pixels from 1 on, not {tile!r}; 512 say")
    size = round_up(tile, multiple)
    if overlap is not None and (not isinstance(overlap, Integral) or overlap < 0):
        raise InputError(f"overlap is a number of pixels from 0 on, not {overlap!r}; 64 say")
    shared = -(-(size // 4 if overlap is None else overlap) // multiple) * multiple
    if shared >= size:
        raise InputError(
            f"tiles of {size} pixels cannot overlap by {shared} (multiples of {multiple}, as the "
            f"network needs); choose a tile of {size + shared} or a smaller overlap, 0 say"
        )
    return size, shared


def cut(total: int, size: int, overlap: int, multiple: int) -> list[tuple[int, np.ndarray]]:
    """Cut a side into tiles: where each begins, and its weight [size] at each of its pixels.

    Tiles begin at multiples, where the network's strides fall as in the whole picture. At every
    pixel the weights sum to 1.
    """
    size = min(size, total)
    count = -(-(total - size) // max(size - overlap, 1)) + 1
    free = (total - size) // multiple
    starts = [i * free // max(count - 1, 1) * multiple for i in range(count)]
    ramps = [ramp(start, size, total, overlap) for start in starts]
    sums = np.zeros(total)
    for start, weights in zip(starts, ramps):
        sums[start : start + size] += weights
    return [
        (start, (weights / sums[start : start + size]).astype(np.float32))
        for start, weights in zip(starts, ramps)
    ]


def ramp(start: int, size: int, total: int, overlap: int) -> np.ndarray:
    """Weights of a tile before they are shared out: 1 inside, falling to 0 at its inner edges.

    They fall within the middle half of the overlap: next to an edge, where the network sees the
    mirror instead of the picture, a tile has no say.
    """
    pixels = np.arange(size) + 0.5
    before = pixels if start > 0 else np.full(size, np.inf)
    behind = size - pixels if start + size < total else np.full(size, np.inf)
    distance = np.minimum(before, behind)
    return np.clip((distance - overlap / 4) / max(overlap / 2, 0.5), 0, 1)
