"""Tensor memory seen from NumPy, and the C library's memory behind it."""

from __future__ import annotations

import ctypes
import functools

import numpy as np
from paddle import Tensor

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of the C library's mallopt


def array(tensor: Tensor) -> np.ndarray:
    """A float32 tensor's own memory; of one whose elements do not lie in order, a copy's."""
    if not tensor.is_contiguous():
        tensor = tensor.contiguous()
    memory = (ctypes.c_float * tensor.size).from_address(tensor.data_ptr())
    memory.tensor = tensor  # lives as long as the array does
    return np.frombuffer(memory, "float32").reshape(tensor.shape)


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
