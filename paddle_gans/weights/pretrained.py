"""The trained weights that come with the package: a folder for each name, with its model card."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from data_reader.errors import InputError, did_you_mean

from .published import PUBLISHED

FOLDER = Path(__file__).resolve().parent.parent / "pretrained"
CARD = "card.json"
LIST = "python -m paddle_gans.weights lists the trained weights"


def names() -> list[str]:
    """The names that ``load`` and ``--weights`` take instead of a path."""
    return sorted(path.parent.name for path in FOLDER.glob(f"*/{CARD}"))


def card(name: str) -> dict[str, Any]:
    """Return a model card: what the weights were trained on, how, and how well they do.

    Raises:
        InputError: there are no weights of this name.
    """
    if name not in names():
        raise InputError(f"there are no trained weights {name!r}; {near(name)}{LIST}")
    return json.loads((FOLDER / name / CARD).read_text(encoding="utf-8"))


def is_pretrained(path: Path) -> bool:
    """Whether a path is, or is in, the folder of trained weights that come with the package."""
    return FOLDER in path.resolve().parents


def locate(weights: str | os.PathLike[str]) -> Path:
    """Return the path of weights given as a path, or by the name of trained weights.

    A file or folder of that name in the working directory comes first.

    Raises:
        InputError: there are none.
    """
    path = Path(weights)
    if path.exists():
        return path
    if path.suffix or path.name != str(weights):
        raise InputError(
            f"{path} does not exist; give a run folder or a weight file, or a name: {LIST}"
        )
    if path.name in names():
        return FOLDER / path.name
    if path.name in PUBLISHED:
        raise InputError(
            f"{path} is not here yet: python -m paddle_gans.weights fetch {path} downloads it"
        )
    raise InputError(f"{path} does not exist; {near(path.name)}{LIST}")


def near(name: str) -> str:
    """A hint at weights of almost this name, the package's or published ones."""
    return did_you_mean(name, [*names(), *PUBLISHED])
