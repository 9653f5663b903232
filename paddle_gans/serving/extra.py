"""Gradio, which is an extra: found or not, and never sending anything home."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys

OLDEST = 6
INSTALL = "`pip install -e '.[serve]'` installs it (Python 3.10 or newer)"


def gradio():
    """Import Gradio without its telemetry.

    Raises:
        ImportError: it is not installed, or too old; the message says what installs it.
    """
    if importlib.util.find_spec("gradio") is None:
        version = ".".join(map(str, sys.version_info[:2]))
        raise ImportError(f"the page needs Gradio, which Python {version} here lacks: {INSTALL}")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    found = importlib.import_module("gradio")
    if int(found.__version__.split(".")[0]) < OLDEST:
        raise ImportError(
            f"the page needs Gradio {OLDEST} or newer, not {found.__version__}: {INSTALL}"
        )
    return found
