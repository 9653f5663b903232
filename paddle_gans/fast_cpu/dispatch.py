"""Decide whether a call uses the fast path: environment switch, machine, tensors."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import paddle
from paddle import Tensor
from paddle.base import core, framework

from .onednn import OneDNN, OneDNNError, find

try:
    from paddle.jit.sot.psdb import in_sot  # whether the bytecode tracer is reading the call
except ImportError:

    def in_sot() -> bool:
        """Return False: this version has no such tracer."""
        return False


STARTING = threading.Lock()  # several threads may make the first call
SWITCH = "PADDLE_GANS_FAST_CPU"  # 0: use the framework's own kernels everywhere


class State:
    """How many blocks are open of each kind, and whether this process is a forked child."""

    disabled = bfloat16 = 0
    forked = False


def has_bf16() -> bool:
    """Whether the fast path can multiply bfloat16 faster than float32 on this processor."""
    return enabled() and engine().has_bf16


@contextlib.contextmanager
def bfloat16(enable: bool = True) -> Iterator[None]:
    """Multiply in bfloat16, and add in float32, within the block, if the processor can.

    Convolutions and linear layers round their inputs, weights and incoming gradients; parameters,
    results and everything else stay float32. A gradient has the precision of its forward pass.
    """
    State.bfloat16 += enable
    try:
        yield
    finally:
        State.bfloat16 -= enable


def in_bf16() -> bool:
    """Whether a product is to be computed in bfloat16."""
    return State.bfloat16 > 0 and has_bf16()


@contextlib.contextmanager
def disabled() -> Iterator[None]:
    """Use the framework's own kernels within the block."""
    State.disabled += 1
    try:
        yield
    finally:
        State.disabled -= 1


def stop_in_child() -> None:
    """Disable the fast path in a forked child, where waiting for OpenMP's threads never ends."""
    State.forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=stop_in_child)


def engine() -> OneDNN | None:
    """Return the process's oneDNN, or None if it cannot be used."""
    with STARTING:
        return start()


@functools.cache
def start() -> OneDNN | None:
    """Start oneDNN at the first call."""
    library = find()
    if library is None:
        return None
    try:
        return OneDNN(library)
    except OneDNNError:
        return None


def enabled() -> bool:
    """Whether the fast path is enabled and available."""
    off = State.disabled or State.forked or os.environ.get(SWITCH) == "0"
    return not off and engine() is not None


def usable(*tensors: Tensor) -> bool:
    """Whether the fast path supports a call: dynamic mode, no autocast, float32 tensors on the CPU.

    Traced and static graphs and empty tensors use the framework's own kernels.
    """
    if in_sot() or not paddle.in_dynamic_mode() or not enabled():
        return False
    if framework._dygraph_tracer()._amp_level != core.AmpLevel.O0:
        return False
    return all(
        t.dtype == paddle.float32 and t.place.is_cpu_place() and 0 not in t.shape for t in tensors
    )


@functools.cache
def hide_from_tracer() -> None:
    """Exclude this package's functions from `to_static`'s bytecode tracer.

    The tracer fails on memory addresses. Versions without the tracer or its list need nothing.
    """
    with contextlib.suppress(ImportError, AttributeError):
        from paddle.jit.sot.opcode_translator import skip_files

        skip_files.skip_file_names.add(str(Path(__file__).parent) + os.sep)
        skip_files.setup_skip_files()
