"""NumPy views of tensor memory, and settings of the C library's allocator."""

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
    """Return the tensor if it is contiguous, otherwise a contiguous copy."""
    return tensor if tensor.is_contiguous() else tensor.contiguous()


def array(tensor: Tensor) -> np.ndarray:
    """View a float32 tensor's memory as an array; a copy's if it is not contiguous."""
    tensor = in_order(tensor)
    memory = (ctypes.c_float * tensor.size).from_address(tensor.data_ptr())
    memory.tensor = tensor  # lives as long as the array does
    return np.frombuffer(memory, "float32").reshape(tensor.shape)


def check_unchanged(tensor: Tensor, version: int, what: str) -> None:
    """Raise RuntimeError if ``what`` was changed in place since it had this version."""
    if tensor.inplace_version != version:
        raise RuntimeError(
            f"{what} was changed in place before its gradient was computed; use an operation that "
            "makes a new tensor"
        )


def from_numpy(values: np.ndarray) -> Tensor:
    """Copy an array to a tensor of the same shape and type on the current device.

    `paddle.to_tensor` does the same, but on Paddle 3.2 leaks 112 bytes per call, about a gigabyte
    in a training run of several days.
    """
    tensor = paddle.empty(values.shape, dtype=values.dtype)
    tensor.set_value(values)
    return tensor


@functools.cache
def keep_freed() -> bool:
    """Let the C library keep freed memory instead of returning it to the system each time.

    Otherwise the new pages of a tensor above about 100 KB cost more time than an addition or a
    ReLU on it. The process then stays at its peak size. Needs glibc; returns whether it worked.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    # Some versions of glibc accept no threshold above 32 MB.
    large = mallopt(MMAP_THRESHOLD, 2**30) or mallopt(MMAP_THRESHOLD, 2**25)
    return bool(large and mallopt(TRIM_THRESHOLD, 2**31 - 1))


def give_back() -> None:
    """Run the garbage collector and, with glibc, return freed memory to the system, once.

    Call it after something large and rare. A drawn figure contains reference cycles, so dozens
    would wait for Python's next full collection; and memory that stays with the process is
    fragmented, so that the next large allocation may not fit.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
