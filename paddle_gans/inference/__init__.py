"""Uses of trained models that translate images or draw them: what the user can choose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass
class InferConfig:
    """The flags that every model has, with their comments as help."""

    # files

    # a .pdparams file of a run folder, the folder, or the name of trained weights:
    # `python -m paddle_gans.weights` lists them
    weights: str | None = None
    # images, folders of images, globs, videos; omit it for models that generate from noise
    input: list[str] | None = None
    # a file if it has the suffix of an image or video; else a folder, which gets NAME.png and
    # NAME.mp4 in the subfolders of the input (NAME_jpg.png and NAME_png.png if both would be
    # NAME.png)
    output: str | None = None
    overwrite: bool = False  # replace existing outputs

    # machine

    device: str = "auto"  # auto, cpu, gpu or gpu:K
    amp: Literal["off", "bf16", "fp16"] = "off"  # mixed precision
    tile: int | None = None  # pixels; process large images in squares of N
    # pixels that tiles share; more hides seams better (a quarter of the tile)
    overlap: int | None = None
