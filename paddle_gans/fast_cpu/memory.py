"""Tensor memory seen from NumPy, and the C library's memory behind it."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc

import numpy as np
import paddle
from paddle import Tensor

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of the C library's mallopt


def in_order(tensor: Tensor) -> Tensor:
    """A tensor whose elements lie in order: itself, or a copy."""
    return tensor if tensor.is_contiguous() else tensor.contiguous()


def array(tensor: Tensor) -> np.ndarray:
    """A float32 tensor's own memory; of one whose elements do not lie in order, a copy's."""
    tensor = in_order(tensor)
    memory = (ctypes.c_float * tensor.size).from_address(tensor.data_ptr())
    memory.tensor = tensor  # lives as long as the array does
    return np.frombuffer(memory, "float32").reshape(tensor.shape)


def check_unchanged(tensor: Tensor, version: int, what: str) -> None:
    """Raise RuntimeError where ``what`` was changed in place since it had this version."""
    if tensor.inplace_version != version:
        raise RuntimeError(
            f"{what} was changed in place before its gradient was computed; use an operation that "
            "makes a new tensor"
        )


def from_numpy(values: np.ndarray) -> Tensor:
    """A tensor with a copy of an array: shape, type and values as they are, on the device in use.

    `paddle.to_tensor` does the same, and on Paddle 3.2 loses 112 bytes each time: in a run of some
    days that is a gigabyte.
    """
    tensor = paddle.empty(values.shape, dtype=values.dtype)
    tensor.set_value(values)
    return tensor


@functools.cache
def keep_freed() -> bool:
    """Let the C library keep freed memory instead of handing it back to the system each time.

    A tensor of more than some 100 KB otherwise costs more in fresh pages than an addition or a
    ReLU takes to fill it. The process's size then stays at its peak. Only glibc has this; returns
    whether it took it.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    # Some versions of glibc take no threshold above 32 MB.
    large = mallopt(MMAP_THRESHOLD, 2**30) or mallopt(MMAP_THRESHOLD, 2**25)
    return bool(large and mallopt(TRIM_THRESHOLD, 2**31 - 1))


def give_back() -> None:
    """Free what nothing refers to any more and, with glibc, hand it back to the system, once.

    For after something large and rare. A drawn figure refers to itself in circles and would wait
    for Python's rare full collection, dozens of them at a time; and what stays freed within the
    process lies in pieces that the next large thing may not fit in.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
