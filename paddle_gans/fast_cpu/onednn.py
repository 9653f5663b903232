"""ctypes bindings of the oneDNN (v3 C interface) in the framework's wheel.

Paddle ships this library for its inference engine; dynamic mode does not use it. This file knows
neither tensors nor convolutions.
"""

from __future__ import annotations

import ctypes
import platform
import threading
from collections.abc import Sequence
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_size_t, c_void_p
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import paddle

CPU = 1  # engine kind
IN_ORDER = 1  # stream flag
BF16, F32 = 2, 3  # data types
ANY = 1  # format tag: the primitive chooses
USER = 1  # scratchpad mode: the caller provides the memory
AVX2 = 0x7  # every later x86 instruction set has these bits
AVX512_BF16 = 0xE7
TRAINING = 64  # propagation kind of a forward pass
DIRECT = 1  # algorithm of a convolution
# Execution arguments, as most primitives call them.
SOURCE, SECOND, TARGET, WEIGHTS, WORKSPACE, SCRATCHPAD = 1, 2, 17, 33, 64, 80
SOURCE_GRADIENT, TARGET_GRADIENT = 129, 145
QUERY_SCRATCHPAD, QUERY_ARGUMENT = 136, 255  # which memory descriptor to query
ALIGNMENT = 64  # bytes, a cache line
KEPT_BYTES = 512 * 2**20  # more working memory than this is freed after the call


class OneDNNError(RuntimeError):
    """A call returned an error status."""


class Argument(ctypes.Structure):
    """``dnnl_exec_arg_t``: which argument of a primitive, and its memory."""

    _fields_ = (("kind", c_int), ("memory", c_void_p))


class Version(ctypes.Structure):
    """The beginning of ``dnnl_version_t``."""

    _fields_ = (("major", c_int),)


# The functions that take addresses or sizes as Python integers, which ctypes would cut to 32 bits.
ARGUMENT_TYPES = {
    "engine_create": (c_void_p, c_int, c_size_t),
    "memory_set_data_handle": (c_void_p, c_void_p),
    "memory_desc_equal": (c_void_p, c_void_p),
    "memory_desc_get_size": (c_void_p,),
}
RETURN_TYPES = {"memory_desc_get_size": c_size_t, "primitive_desc_query_md": c_void_p}
NAMES = {
    ("prop_kind", 64): b"forward_training",
    ("alg_kind", 1): b"convolution_direct",
    ("alg_kind", 0x1FFF0): b"binary_add",
    ("alg_kind", 0x1FF): b"pooling_max",
    ("alg_kind", 0x3FF): b"pooling_avg_exclude_padding",
    ("dt", BF16): b"bf16",
    ("dt", F32): b"f32",
    ("fmt_tag", ANY): b"any",
    ("scratchpad_mode", USER): b"user",
}  # the library's names for the constants that are used here


def find() -> ctypes.CDLL | None:
    """Load the framework's oneDNN; None if the system, version or processor does not fit."""
    path = Path(paddle.__file__).parent / "libs" / "libdnnl.so.3"
    if platform.machine() not in ("x86_64", "AMD64") or not path.is_file():
        return None
    try:
        library = ctypes.CDLL(str(path))
        library.dnnl_version.restype = POINTER(Version)
        major = library.dnnl_version().contents.major
        if major != 3 or library.dnnl_get_effective_cpu_isa() & AVX2 != AVX2:
            return None
        for name, arguments in ARGUMENT_TYPES.items():
            getattr(library, f"dnnl_{name}").argtypes = arguments
        for name, result in RETURN_TYPES.items():
            getattr(library, f"dnnl_{name}").restype = result
        for (kind, value), name in NAMES.items():
            function = getattr(library, f"dnnl_{kind}2str")
            function.restype = c_char_p
            if function(value) != name:
                return None
    except (OSError, AttributeError):
        return None
    return library


class Layout(NamedTuple):
    """An array's shape, its axes from outermost to innermost in memory, and its numbers' type."""

    shape: Sequence[int]
    order: Sequence[int] | None  # None: the primitive chooses
    dtype: int = F32


def c_order(shape: Sequence[int]) -> Layout:
    """Return the framework's layout."""
    return Layout(shape, range(len(shape)))


def any_order(shape: Sequence[int], dtype: int = F32) -> Layout:
    """Return the layout that lets the primitive choose."""
    return Layout(shape, None, dtype)


class OneDNN:
    """The library with its engine and stream, and the working memory that all primitives share.

    Primitives run one at a time: each uses every core anyway, and they share that memory.

    Raises:
        OneDNNError: the library failed to start.
    """

    def __init__(self, library: ctypes.CDLL):
        self.library = library
        self.lock = threading.RLock()
        self.engine = self.make("engine_create", CPU, 0)
        self.stream = self.make("stream_create", self.engine, IN_ORDER)
        self.attributes = self.make("primitive_attr_create")
        self.call("primitive_attr_set_scratchpad_mode", self.attributes, USER)
        self.memory = np.empty(0, "uint8")
        # Whether the processor multiplies bfloat16 faster than float32.
        self.has_bf16 = library.dnnl_get_effective_cpu_isa() & AVX512_BF16 == AVX512_BF16

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function that returns a status."""
        function = getattr(self.library, f"dnnl_{name}", None)
        if function is None:
            raise OneDNNError(f"oneDNN has no {name}")
        status = function(*arguments)
        if status:
            raise OneDNNError(f"oneDNN's {name} returned status {status}")

    def make(self, name: str, *arguments: Any) -> c_void_p:
        """Call a function that returns a new handle through its first argument."""
        handle = c_void_p()
        self.call(name, byref(handle), *arguments)
        return handle

    def gradient(self, name: str, hint: c_void_p, *arguments: Any) -> c_void_p:
        """Create the descriptor of a backward pass, and destroy its forward pass's, ``hint``."""
        try:
            return self.make(name, self.engine, *arguments, hint, self.attributes)
        finally:
            self.library.dnnl_primitive_desc_destroy(hint)

    def describe(self, layout: Layout) -> c_void_p:
        """Create a memory descriptor."""
        shape, order = numbers(layout.shape), layout.order
        if order is None:
            name = "memory_desc_create_with_tag"
            return self.make(name, len(shape), shape, layout.dtype, ANY)
        strides, step = [0] * len(shape), 1
        for axis in reversed(order):
            strides[axis], step = step, step * shape[axis]
        name = "memory_desc_create_with_strides"
        return self.make(name, len(shape), shape, layout.dtype, numbers(strides))

    def reserve(self, size: int) -> tuple[int, np.ndarray]:
        """Return the aligned address of ``size`` bytes of working memory, and the array to keep."""
        memory = self.memory
        if memory.size < size + ALIGNMENT:
            memory = np.empty(size + ALIGNMENT, "uint8")
            if size <= KEPT_BYTES:
                self.memory = memory
        return align(memory.ctypes.data), memory


def numbers(values: Sequence[int]) -> Any:
    """Return a C array of 64-bit integers."""
    return (c_int64 * len(values))(*values)


def align(value: int) -> int:
    """Round up to the alignment."""
    return -(-value // ALIGNMENT) * ALIGNMENT
