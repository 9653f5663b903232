"""Example images: those that a run did not train on, or embedded ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from data_reader.errors import InputError
from data_reader.images import write_image
from data_reader.transforms import resize
from paddle_gans.training.checkpoint import read_json
from paddle_gans.weights import pretrained

MAX_SIDE = 512  # pixels


def config_of(translate) -> dict[str, Any]:
    """Return the run's config.json; {} for weights without one.

    Trained weights that come with the package have their examples beside them instead.
    """
    if pretrained.is_pretrained(translate.path):
        folder = translate.path.parent
        is_demo = pretrained.card(folder.name)["data"] == "demo"
        return {"data_path": None if is_demo else str(folder / "examples")}
    try:
        return read_json(translate.path.parent / "config.json")
    except InputError:
        return {}


def validation_set(translate, *, embedded: bool):
    """Return the data set that the run did not train on; None if its data cannot be found.

    With ``embedded``, the model's embedded data set is used in that case.
    """
    config = config_of(translate)
    places = [config["data_path"]] if "data_path" in config else []
    for place in [*places, None] if embedded else places:
        try:
            found = translate.model.dataset(place, train=False)
            found = found or translate.model.dataset(place, train=True)
        except (ValueError, TypeError, OSError):  # moved, or a config.json that is not ours
            continue
        if len(found):
            return found
    return None


def first(count: int, read: Callable[[int], np.ndarray], limit: int) -> list[np.ndarray]:
    """Return ``read(0)``, ``read(1)`` and so on, without those that cannot be read."""
    found = []
    for i in range(min(count, limit)):
        try:
            found.append(read(i))
        except InputError:
            continue
    return found


def save(images: list[np.ndarray], folder: Path, name: str) -> list[str]:
    """Write images, at most `MAX_SIDE` large; returns their paths."""
    paths = []
    for i, image in enumerate(images, 1):
        height, width = image.shape[:2]
        scale = min(1, MAX_SIDE / max(height, width))
        paths.append(str(folder / f"{name}-{i}.png"))
        write_image(paths[-1], resize(image, round(width * scale), round(height * scale)))
    return paths
