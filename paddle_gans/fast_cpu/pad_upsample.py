"""Padding, and upsampling by 2, nearest or bilinear, which NumPy writes into tensor memory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import paddle
import paddle.nn.functional as F
from paddle import Tensor, nn
from paddle.jit import not_to_static

from .autograd import linear_op
from .dispatch import usable
from .memory import array

DOUBLED = 0x1_0000_0001  # a 32-bit pattern times this is the pattern twice


def widen(x: Tensor, border: tuple[int, int, int, int], mirror: bool) -> Tensor:
    """Pad [N, C, H, W] by ``(left, right, top, bottom)`` columns and rows, mirrored or zero."""
    left, right, top, bottom = border
    source = array(x)
    n, c, h, w = source.shape
    result = paddle.empty([n, c, top + h + bottom, left + w + right], "float32")
    target = array(result)
    rows = target[:, :, top : top + h]
    rows[..., left : left + w] = source
    if mirror:
        rows[..., :left] = source[..., left:0:-1]
        rows[..., left + w :] = source[..., w - 1 - right : w - 1][..., ::-1]
        target[:, :, :top] = rows[:, :, top:0:-1]
        target[:, :, top + h :] = rows[:, :, h - 1 - bottom : h - 1][:, :, ::-1]
    else:
        rows[..., :left] = rows[..., left + w :] = 0
        target[:, :, :top] = target[:, :, top + h :] = 0
    return result


def fold(x: Tensor, border: tuple[int, int, int, int], mirror: bool) -> Tensor:
    """Apply the adjoint of `widen`: crop the border and add it to the pixels that it mirrors."""
    left, right, top, bottom = border
    source = array(x)
    n, c, h, w = source.shape
    h, w = h - top - bottom, w - left - right
    result = paddle.empty([n, c, h, w], "float32")
    target, middle = array(result), slice(left, left + w)
    target[:] = source[:, :, top : top + h, middle]
    if mirror:
        target[:, :, 1 : top + 1] += source[:, :, :top, middle][:, :, ::-1]
        target[:, :, h - 1 - bottom : h - 1] += source[:, :, top + h :, middle][:, :, ::-1]
        # Fold the columns beside the middle over the rows first, then over the columns.
        for beside, place in (
            (source[..., :left], slice(1, left + 1)),
            (source[..., left + w :], slice(w - 1 - right, w - 1)),
        ):
            strip = beside[:, :, top : top + h].copy()
            strip[:, :, 1 : top + 1] += beside[:, :, :top][:, :, ::-1]
            strip[:, :, h - 1 - bottom : h - 1] += beside[:, :, top + h :][:, :, ::-1]
            target[..., place] += strip[..., ::-1]
    return result


def double(x: Tensor) -> Tensor:
    """Repeat every pixel of [N, C, H, W] as a square of four."""
    source = array(x)
    n, c, h, w = source.shape
    result = paddle.empty([n, c, 2 * h, 2 * w], "float32")
    # Two equal neighbours as one 64-bit number: half the writes, and none of them strided.
    twice = source.view("uint32").astype("uint64")
    twice *= DOUBLED
    target = array(result).view("uint64")
    target[:, :, 0::2] = twice
    target[:, :, 1::2] = twice
    return result


def halve(x: Tensor) -> Tensor:
    """Apply the adjoint of `double`: sum every square of four pixels."""
    source = array(x)
    n, c, h, w = source.shape
    result = paddle.empty([n, c, h // 2, w // 2], "float32")
    rows = source[:, :, 0::2] + source[:, :, 1::2]
    np.add(rows[..., 0::2], rows[..., 1::2], out=array(result))
    return result


def stretch(x: Tensor) -> Tensor:
    """Double the sides of [N, C, H, W]: a new pixel is 3/4 the nearest and 1/4 the next one."""
    source = array(x)
    n, c, h, w = source.shape
    result = paddle.empty([n, c, 2 * h, 2 * w], "float32")
    for axis, target in ((2, np.empty([n, c, 2 * h, w], "float32")), (3, array(result))):
        new, old = np.moveaxis(target, axis, 0), np.moveaxis(source, axis, 0)
        quarter = old / 4
        new[0::2] = new[1::2] = old - quarter
        new[2::2] += quarter[:-1]
        new[1:-1:2] += quarter[1:]
        new[[0, -1]] += quarter[[0, -1]]  # no pixel beyond the border: twice the same
        source = target
    return result


def shrink(x: Tensor) -> Tensor:
    """Apply the adjoint of `stretch`."""
    source = array(x)
    n, c, h, w = source.shape
    result = paddle.empty([n, c, h // 2, w // 2], "float32")
    for axis, target in ((3, np.empty([n, c, h, w // 2], "float32")), (2, array(result))):
        new, old = np.moveaxis(target, axis, 0), np.moveaxis(source, axis, 0)
        np.add(old[0::2], old[1::2], out=new)
        new *= 3
        new[:-1] += old[2::2]
        new[1:] += old[1:-1:2]
        new[0] += old[0]
        new[-1] += old[-1]
        new /= 4
        source = target
    return result


def pad(x: Tensor, padding: Sequence[int], mode: str = "constant") -> Tensor:
    """`paddle.nn.functional.pad` of [N, C, H, W] by (left, right, top, bottom)."""
    border = tuple(padding) if isinstance(padding, (list, tuple)) else ()
    simple = len(border) == 4 and all(isinstance(p, int) and p >= 0 for p in border)
    if simple and mode in ("constant", "reflect") and usable(x) and x.ndim == 4:
        mirror = mode == "reflect"
        if not mirror or (max(border[:2]) < x.shape[3] and max(border[2:]) < x.shape[2]):
            how = {"border": border, "mirror": mirror}
            return linear_op(x, partial(widen, **how), partial(fold, **how))
    return F.pad(x, padding, mode=mode)


def upsample(x: Tensor, mode: str = "nearest") -> Tensor:
    """`paddle.nn.functional.interpolate` of [N, C, H, W] by 2; "nearest" or "bilinear"."""
    if usable(x) and x.ndim == 4:
        return linear_op(x, *((double, halve) if mode == "nearest" else (stretch, shrink)))
    return F.interpolate(x, scale_factor=2, mode=mode)


class FastPad2D(nn.Pad2D):
    """nn.Pad2D on the fast path for reflection and zero padding."""

    @not_to_static
    def forward(self, x):
        own = vars(self)  # Paddle 3.3 renamed two of these
        padding, value = own.get("_pad", own.get("padding")), own.get("_value", own.get("value"))
        known = self._mode == "reflect" or (self._mode == "constant" and value == 0)
        if padding is None or not known or self._data_format != "NCHW":
            return nn.Pad2D.forward(self, x)
        return pad(x, padding, self._mode)


class FastUpsample(nn.Upsample):
    """nn.Upsample on the fast path for doubling, nearest or bilinear."""

    @not_to_static
    def forward(self, x):
        doubles = self.size is None and self.scale_factor in (2, [2, 2], (2, 2))
        known = self.mode in ("nearest", "bilinear") and not self.align_corners
        if not doubles or not known or self.align_mode or self.data_format not in ("NCHW", None):
            return nn.Upsample.forward(self, x)
        return upsample(x, self.mode)
