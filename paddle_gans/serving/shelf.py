"""Pictures to start with: those that a run held back, or embedded drawings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import numpy as np

from data_reader.errors import InputError
from data_reader.images import write_image
from data_reader.transforms import resize
from paddle_gans.training.checkpoint import read_json

LARGEST = 512  # pixels of an example's longer side


def config_of(translate) -> dict[str, Any]:
    """The run's config.json; {} where the weights stand alone."""
    try:
        return read_json(translate.path.parent / "config.json")
    except InputError:
        return {}


def held_back(translate, *, drawings_will_do: bool = False):
    """The data set of what the run did not train on; None where its data cannot be found.

    ``drawings_will_do`` offers the embedded pictures in its place.
    """
    config = config_of(translate)
    places = [config["data_path"]] if "data_path" in config else []
    if drawings_will_do:
        places.append(None)
    for place in places:
        try:
            found = translate.model.dataset(place, train=False)
            found = found or translate.model.dataset(place, train=True)
        except (ValueError, TypeError, OSError):  # gone, or a stranger's configuration
            continue
        if len(found):
            return found
    return None


def folder_names(translate) -> Optional[list[str]]:
    """What the two folders of a CycleGAN's data are called; None where they say nothing."""
    path = config_of(translate).get("data_path")
    if isinstance(path, list) and len(path) == 2 and all(isinstance(one, str) for one in path):
        names = [Path(one).name for one in path]
        return names if all(names) and names[0] != names[1] else None
    return None


def save(pictures: list[np.ndarray], folder: Path, name: str) -> list[str]:
    """Write examples, reduced where they are large; returns the paths."""
    paths = []
    for i, picture in enumerate(pictures, 1):
        height, width = picture.shape[:2]
        scale = min(1, LARGEST / max(height, width))
        if scale < 1:
            picture = resize(picture, round(width * scale), round(height * scale))
        paths.append(str(folder / f"{name}-{i}.png"))
        write_image(paths[-1], picture)
    return paths


def first(count: int, read, at_most: int) -> list[np.ndarray]:
    """``read(0)``, ``read(1)`` ...: those that can be read."""
    found = []
    for i in range(min(count, at_most)):
        try:
            found.append(read(i))
        except InputError:
            continue
    return found
