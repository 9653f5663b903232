"""Pictures to look at: grids of named images, and loss curves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from data_reader.transforms import denormalise

CAPTION = 18  # pixels
GAP = 2
GAP_PADDING = ((0, GAP), (0, GAP), (0, 0))
MIN_TILE = 96  # smaller images are enlarged by a whole factor


def grid(images: Mapping[str, np.ndarray], columns: int = 0, tiled_rows: int = 0) -> np.ndarray:
    """Named images [N, C, H, W] in [-1, 1] as one picture, uint8 [h, w, 3], under their names.

    A name is a column of its images; after ``columns`` names (0: all) the next ones go below.
    With ``tiled_rows`` each name is instead a block of so many rows, the blocks one below another.
    One channel is shown grey. All images have the same height and width.
    """
    names = list(images)
    if tiled_rows:
        blocks = [block(name, images[name], tiled_rows) for name in names]
    else:
        step = columns or len(names)
        blocks = [
            np.concatenate([block(n, images[n], len(images[n])) for n in names[i : i + step]], 1)
            for i in range(0, len(names), step)
        ]
    width = max(b.shape[1] for b in blocks)
    return np.concatenate([np.pad(b, ((0, 0), (0, width - b.shape[1]), (0, 0))) for b in blocks])


def block(name: str, images: np.ndarray, rows: int) -> np.ndarray:
    """A name over its images in ``rows`` rows; single columns of small images are enlarged."""
    tiles = [np.broadcast_to(t, (*t.shape[:2], 3)) for t in map(denormalise, images)]
    across = -(-len(tiles) // rows)
    zoom = max(1, -(-MIN_TILE // tiles[0].shape[1])) if across == 1 else 2
    tiles = [np.pad(t.repeat(zoom, 0).repeat(zoom, 1), GAP_PADDING) for t in tiles]
    tiles += [np.zeros_like(tiles[0])] * (rows * across - len(tiles))
    lines = [np.concatenate(tiles[i : i + across], 1) for i in range(0, len(tiles), across)]
    picture = np.concatenate(lines)
    return np.concatenate([caption(name, picture.shape[1]), picture])


def caption(text: str, width: int) -> np.ndarray:
    """A strip [CAPTION, width, 3] with the text in white, made to fit."""
    strip = np.zeros((CAPTION, width, 3), "uint8")
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.42
    (text_width, _), _ = cv2.getTextSize(text, font, scale, 1)
    if text_width > width - 6:
        scale *= (width - 6) / text_width
    cv2.putText(strip, text, (3, 13), font, scale, (255, 255, 255), 1, cv2.LINE_AA)
    return strip


def read_log(path: Path) -> list[dict]:
    """The lines of a ``log.jsonl``; a last line that a crash cut short is left out."""
    lines = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                continue
    return lines


def draw_curves(log: list[dict], path: Path, title: str) -> None:
    """Draw the losses of a log against the step, each as it is (faint) and smoothed.

    Losses of one side (``d_...``, ``g_...``) share an axis, so that both can be read.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(name for line in log for name in line["losses"]))
    sides = list(dict.fromkeys(side(name) for name in names))
    if not sides:
        return
    figure, axes = plt.subplots(
        len(sides), 1, figsize=(8, 2.6 * len(sides)), sharex=True, squeeze=False
    )
    stride = max(1, len(log) // 1000)  # the cost of a drawing does not grow with the run
    for axis, which in zip(axes[:, 0], sides):
        for name in [n for n in names if side(n) == which]:
            lines = [line for line in log if name in line["losses"]]
            steps = np.array([line["step"] for line in lines])
            values = np.array([line["losses"][name] for line in lines], "float64")
            smooth = running_mean(values, max(1, len(values) // 40))
            (curve,) = axis.plot(steps[::stride], smooth[::stride], label=name)
            color = curve.get_color()
            axis.plot(steps[::stride], values[::stride], color=color, alpha=0.25, lw=0.7)
        axis.legend(loc="upper right", fontsize=8)
        axis.grid(alpha=0.3)
        axis.set_ylabel("loss")
    axes[0, 0].set_title(title, fontsize=10)
    axes[-1, 0].set_xlabel("step")
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)


def side(name: str) -> str:
    """Which axis a loss belongs on: the discriminators', L1-like terms', or the rest."""
    if name.startswith("d_"):
        return "discriminator"
    return "distance" if name.endswith(("_l1", "_cycle", "_identity")) else "generator"


def running_mean(values: np.ndarray, width: int) -> np.ndarray:
    """Mean of each value and up to ``width - 1`` before it."""
    sums = np.cumsum(np.concatenate([np.zeros(1), values]))
    last = np.arange(1, len(values) + 1)
    first = np.maximum(0, last - width)
    return (sums[last] - sums[first]) / (last - first)
