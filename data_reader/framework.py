"""Prepares the process for Paddle; the one place for what must happen before its import."""

import contextlib
import importlib.util
import io
import os
import sys
import warnings
import zlib  # noqa: F401  Paddle 2.6 crashes in the process's first decompression unless zlib is in first

INSTALL = (
    "PaddlePaddle is not installed: `pip install -e '.[cpu]'` installs it for the CPU, "
    "`pip install -e '.[gpu]'` for an NVIDIA GPU"
)


def cores() -> int:
    """Number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def prepare() -> None:
    """Import Paddle with the cores of this machine and without its remarks about them.

    Paddle's matrix products take one thread unless told before its import; a value that the user
    set in the environment wins. Ranks of one machine share its cores.

    Raises:
        ImportError: the framework is not installed; the message says which command installs it.
    """
    if "paddle" in sys.modules:
        return
    if importlib.util.find_spec("paddle") is None:
        raise ImportError(INSTALL)
    ranks = int(os.environ.get("PADDLE_LOCAL_SIZE") or os.environ.get("PADDLE_TRAINERS_NUM") or 1)
    threads = str(max(1, cores() // ranks))
    os.environ.setdefault("OMP_NUM_THREADS", threads)
    os.environ.setdefault("FLAGS_paddle_num_threads", threads)
    # Milliseconds for which threads stay awake after their work; 200, the default, keeps whoever
    # reads pictures from the core.
    os.environ.setdefault("KMP_BLOCKTIME", "1")
    remarks = io.StringIO()  # "OMP_NUM_THREADS set to 2, not 1", "No ccache found"
    with contextlib.redirect_stderr(remarks), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import paddle  # noqa: F401
    # Batch norm says this at every first training step.
    warnings.filterwarnings("ignore", message="When training, we now always track")
    # For those who come from another framework's `split`, and use Paddle's own.
    warnings.filterwarnings("ignore", message=r"\s*Non compatible API")
