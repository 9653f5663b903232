"""One article a file; a file is a model by holding the constant ``MODEL``.

Nothing is registered: a sixth article is a sixth file. Files that start with ``_`` are parts.
"""

from __future__ import annotations

import importlib
from pathlib import Path

from data_reader.errors import InputError, did_you_mean


def names() -> list[str]:
    """The models that are there, by file name; imports nothing."""
    return sorted(p.stem for p in Path(__file__).parent.glob("*.py") if not p.stem.startswith("_"))


def find(name: str) -> type:
    """The class of the model ``name``.

    Raises:
        InputError: there is no such model; the message names the near ones.
    """
    if name not in names():
        hint = did_you_mean(name, names())
        raise InputError(f"there is no model {name!r}; {hint}the models are {', '.join(names())}")
    return importlib.import_module(f"{__name__}.{name}").MODEL
