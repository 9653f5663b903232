"""Import Paddle, and configure the process of a command before that."""

import contextlib
import importlib.util
import io
import os
import sys
import warnings
import zlib  # noqa: F401  Paddle 2.6 crashes on its first decompression unless zlib is loaded first
from pathlib import Path


def install_command(extra: str) -> str:
    """The command that installs an extra: in a checkout, or of the installed package."""
    is_checkout = (Path(__file__).parent.parent / "setup.py").is_file()
    name = "-e '." if is_checkout else "'paddle-gans"
    return f"`pip install {name}[{extra}]'`"


INSTALL = (
    f"PaddlePaddle is not installed: {install_command('cpu')} installs it for the CPU, "
    f"{install_command('gpu')} for an NVIDIA GPU"
)
OPENCV = {  # OpenCV reads these when it is imported, FFmpeg when the first video is opened
    "OPENCV_LOG_LEVEL": "SILENT",  # our exceptions contain what OpenCV would print
    "OPENCV_FFMPEG_LOGLEVEL": "-8",
    "OPENCV_FOR_THREADS_NUM": "1",  # the loader has its own threads
}


def cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_settings() -> dict[str, str]:
    """Return the environment by which Paddle uses all cores; ranks of one machine share them."""
    ranks = int(os.environ.get("PADDLE_LOCAL_SIZE") or os.environ.get("PADDLE_TRAINERS_NUM") or 1)
    threads = str(max(1, cores() // ranks))
    return {
        "OMP_NUM_THREADS": threads,
        "FLAGS_paddle_num_threads": threads,
        # Milliseconds that idle threads spin. The default of 200 keeps the loader off the cores.
        "KMP_BLOCKTIME": "1",
    }


def prepare() -> None:
    """Configure this process and import Paddle: for commands and notebooks, not for the library.

    Sets environment variables of Paddle and OpenCV, unless the user has set them, and hides two
    warnings of Paddle. Does nothing once Paddle is imported. Raises ImportError if Paddle is not
    installed; the message names the command that installs it.
    """
    if "paddle" in sys.modules:
        return
    for name, value in {**thread_settings(), **OPENCV}.items():
        os.environ.setdefault(name, value)
    import_paddle()
    # Batch norm warns at every first training step.
    warnings.filterwarnings("ignore", message="When training, we now always track")
    # Meant for users of another framework's `split`; we use Paddle's.
    warnings.filterwarnings("ignore", message=r"\s*Non compatible API")


def import_paddle() -> None:
    """Import Paddle with all cores and without its messages; the environment stays as it was.

    Paddle's matrix products use one thread unless the environment says otherwise on import. Raises
    ImportError if Paddle is not installed; the message names the command that installs it.
    """
    if "paddle" in sys.modules:
        return
    if importlib.util.find_spec("paddle") is None:
        raise ImportError(INSTALL)
    missing = {name: x for name, x in thread_settings().items() if name not in os.environ}
    os.environ.update(missing)
    messages = io.StringIO()  # "OMP_NUM_THREADS set to 2, not 1", "No ccache found"
    try:
        with contextlib.redirect_stderr(messages), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import paddle  # noqa: F401
    finally:
        for name in missing:
            os.environ.pop(name, None)
