"""Prepares the process for Paddle; the one place for what must happen before its import."""

import importlib.util
import os
import zlib  # noqa: F401  Paddle 2.6 crashes in the process's first decompression unless zlib is in first

INSTALL = (
    "PaddlePaddle is not installed; `pip install 'paddle-gans[cpu]'` (or `[gpu]`) installs it, "
    "from a clone: `pip install -e '.[cpu]'`"
)


def cores() -> int:
    """Number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def prepare() -> None:
    """Give Paddle's matrix products the cores of this machine; a value the user set wins.

    Paddle takes one thread unless told before its import. Ranks of one machine share its cores.

    Raises:
        ImportError: the framework is not installed.
    """
    if importlib.util.find_spec("paddle") is None:
        raise ImportError(INSTALL)
    ranks = int(os.environ.get("PADDLE_LOCAL_SIZE") or os.environ.get("PADDLE_TRAINERS_NUM") or 1)
    threads = str(max(1, cores() // ranks))
    os.environ.setdefault("OMP_NUM_THREADS", threads)
    os.environ.setdefault("FLAGS_paddle_num_threads", threads)
