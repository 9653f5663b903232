"""Whether a call takes the fast path: the switch, the machine, and what the tensors allow."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import paddle
from paddle import Tensor
from paddle.base import core, framework

from .onednn import OneDNN, OneDNNError, find

try:
    from paddle.jit.sot.psdb import in_sot  # whether the bytecode tracer reads the call
except ImportError:

    def in_sot() -> bool:
        """A version without that tracer."""
        return False


STARTING = threading.Lock()  # threads may come first together
SWITCH = "PADDLE_GANS_FAST_CPU"  # 0 in the environment: the framework's own kernels everywhere


class Paused:
    """How many ``plain`` blocks are open, and whether this process is a forked child."""

    blocks = 0
    forked = False


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Within the block every call takes the framework's own kernels."""
    Paused.blocks += 1
    try:
        yield
    finally:
        Paused.blocks -= 1


def stop_in_child() -> None:
    """A forked child has none of its parent's OpenMP threads, and would wait for them for ever."""
    Paused.forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=stop_in_child)


def engine() -> Optional[OneDNN]:
    """The process's oneDNN, or None where it cannot be used."""
    with STARTING:
        return start()


@functools.cache
def start() -> Optional[OneDNN]:
    """What `engine` gives, made at the first call."""
    library = find()
    if library is None:
        return None
    try:
        return OneDNN(library)
    except OneDNNError:
        return None


def switched_on() -> bool:
    """Whether the fast path may be taken at all, here and now."""
    off = Paused.blocks or Paused.forked or os.environ.get(SWITCH) == "0"
    return not off and engine() is not None


def usable(*tensors: Tensor) -> bool:
    """Whether a call on these tensors can be fast: float32 in main memory, run as it is written.

    A traced or static graph, autocast, and an empty tensor take the framework's own kernels.
    """
    if in_sot() or not paddle.in_dynamic_mode() or not switched_on():
        return False
    if framework._dygraph_tracer()._amp_level != core.AmpLevel.O0:
        return False
    return all(
        t.dtype == paddle.float32 and t.place.is_cpu_place() and 0 not in t.shape for t in tensors
    )


@functools.cache
def hide_from_tracer() -> None:
    """Have `to_static`'s bytecode tracer leave this package's functions alone.

    It traces what they call, but stumbles over addresses. A version that has no such list, or no
    such tracer, needs nothing.
    """
    with contextlib.suppress(ImportError, AttributeError):
        from paddle.jit.sot.opcode_translator import skip_files

        skip_files.skip_file_names.add(str(Path(__file__).parent) + os.sep)
        skip_files.setup_skip_files()
