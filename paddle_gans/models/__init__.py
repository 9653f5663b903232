"""The models: one paper per file, whose constant ``MODEL`` is the class.

To add a model, add a file. Files that start with ``_`` are parts of models.
"""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

from data_reader.errors import InputError, did_you_mean


def names() -> list[str]:
    """Return the names of all models, which are their file names; imports nothing."""
    return sorted(p.stem for p in Path(__file__).parent.glob("*.py") if not p.stem.startswith("_"))


def descriptions() -> dict[str, str]:
    """Return what each model does, the first line of its file; imports nothing."""
    folder, found = Path(__file__).parent, {}
    for name in names():
        text = ast.get_docstring(ast.parse((folder / f"{name}.py").read_text(encoding="utf-8")))
        found[name] = (text or "").partition("\n")[0].partition(": ")[2].rstrip(".")
    return found


def find(name: str) -> type:
    """Import the class of the model ``name``.

    Raises:
        InputError: no model has this name; the message suggests similar names.
    """
    if name not in names():
        hint = did_you_mean(name, names())
        raise InputError(f"no model is named {name!r}; {hint}the models are {', '.join(names())}")
    return importlib.import_module(f"{__name__}.{name}").MODEL
