"""Pictures to look at: grids of named images, and loss curves."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Callable

import numpy as np

from data_reader._opencv import cv2
from data_reader.atomic import atomic_path
from data_reader.errors import disk_errors
from data_reader.transforms import denormalise

CAPTION = 18  # pixels
GAP = 2
GAP_PADDING = ((0, GAP), (0, GAP), (0, 0))
MIN_TILE = 96  # smaller images are enlarged by a whole factor
MOST_POINTS = 800  # of a curve; a picture of the curves has fewer pixels across


def grid(
    images: Mapping[str, np.ndarray] | Iterable[tuple[str, Sequence[np.ndarray]]],
    columns: int = 0,
    tiled_rows: int = 0,
) -> np.ndarray:
    """Named images as one image, uint8 [h, w, 3], under their names.

    Images are [N, C, H, W] in [-1, 1], or uint8 [H, W, 3] each.

    A name is a column of its images; after ``columns`` names (0: all) the next ones go below.
    With ``tiled_rows`` each name is instead a block of so many rows, the blocks one below another.
    One channel is shown grey. All images have the same height and width.
    """
    named = list(images.items()) if isinstance(images, Mapping) else list(images)
    if tiled_rows:
        blocks = [block(name, shown, tiled_rows) for name, shown in named]
    else:
        step = columns or len(named)
        blocks = [
            np.concatenate([block(name, x, len(x)) for name, x in named[i : i + step]], 1)
            for i in range(0, len(named), step)
        ]
    width = max(b.shape[1] for b in blocks)
    return np.concatenate([np.pad(b, ((0, 0), (0, width - b.shape[1]), (0, 0))) for b in blocks])


def block(name: str, images: np.ndarray, rows: int) -> np.ndarray:
    """A name over its images in ``rows`` rows; single columns of small images are enlarged."""
    tiles = [x if x.dtype == np.uint8 else denormalise(x) for x in images]
    tiles = [np.broadcast_to(t, (*t.shape[:2], 3)) for t in tiles]
    across = -(-len(tiles) // rows)
    zoom = max(1, -(-MIN_TILE // tiles[0].shape[1])) if across == 1 else 2
    image = tile([t.repeat(zoom, 0).repeat(zoom, 1) for t in tiles], across)
    return np.concatenate([caption(name, image.shape[1]), image])


def tile(images: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Images of one size, uint8 [H, W, 3], in rows of ``columns``; GAP pixels follow each."""
    cells = [np.pad(image, GAP_PADDING) for image in images]
    cells += [np.zeros_like(cells[0])] * (-len(cells) % columns)
    rows = [np.concatenate(cells[i : i + columns], 1) for i in range(0, len(cells), columns)]
    return np.concatenate(rows)


def square_grid(images: Sequence[np.ndarray]) -> np.ndarray:
    """Images of one size, uint8 [H, W, 3], in about as many rows as columns."""
    return tile(images, math.ceil(math.sqrt(len(images))))[:-GAP, :-GAP]


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


class Curves:
    """A log to draw, in bounded memory: when it gets long, neighbouring lines are averaged."""

    def __init__(self, log: Iterable[dict] = ()):
        self._lines, self._latest = [], []  # means of ``_stride`` lines each; those of the next one
        self._stride = 1
        self._validations: list[dict] = []
        for line in log:
            self.add(line)

    def add(self, line: dict) -> None:
        """The next line of the log."""
        if "validation" in line:
            self._validations.append({"step": line["step"], "validation": line["validation"]})
        if "losses" not in line:
            return
        self._latest.append({"step": line["step"], "losses": line["losses"]})
        if len(self._latest) == self._stride:
            self._lines.append(mean_line(self._latest))
            self._latest = []
        if len(self._lines) == MOST_POINTS:
            self._lines = list(map(mean_line, zip(self._lines[::2], self._lines[1::2])))
            self._stride *= 2

    def lines(self) -> list[dict]:
        """What ``draw_curves`` draws."""
        latest = [mean_line(self._latest)] if self._latest else []
        return self._lines + latest + self._validations


def mean_line(lines: Sequence[dict]) -> dict:
    """Lines of a log as one: the last one's step, the mean of every loss."""
    values: dict[str, list[float]] = {}
    for line in lines:
        for name, value in line["losses"].items():
            values.setdefault(name, []).append(value)
    means = {name: sum(few) / len(few) for name, few in values.items()}
    return {"step": lines[-1]["step"], "losses": means}


def draw_curves(log: list[dict], path: Path, title: str) -> None:
    """Draw the losses of a log against the step, each as it is (faint) and smoothed.

    Losses of one side (``d_...``, ``g_...``) share an axis, so that both can be read; so do
    validated figures whose names begin with the same word. Those stand below the losses.

    Raises:
        InputError: the picture cannot be written.
    """
    from matplotlib import style

    buffer = io.BytesIO()
    with style.context("default"):  # whatever the user's matplotlibrc says
        figure = figure_of(log, title)
        if figure is None:
            return
        figure.savefig(buffer, format="png", dpi=90)
    with atomic_path(path) as temporary, disk_errors(f"cannot write {path}"):
        temporary.write_bytes(buffer.getbuffer())


def figure_of(log: list[dict], title: str):
    """The curves as a matplotlib ``Figure``, None for an empty log.

    Nothing here imports pyplot, which would choose a backend for the whole process.
    """
    from matplotlib.figure import Figure

    losses = shared(log, "losses", side)
    figures = shared(log, "validation", lambda name: name.partition("_")[0])
    charts = [("losses", names) for names in losses] + [("validation", names) for names in figures]
    if not charts:
        return None
    height = 2.6 if not figures else 2.0
    figure = Figure(figsize=(8, height * len(charts)))
    axes = figure.subplots(len(charts), 1, sharex=True, squeeze=False)
    for axis, (kind, names) in zip(axes[:, 0], charts):
        for name in names:
            draw = draw_loss if kind == "losses" else draw_figure
            draw(axis, *curve(log, kind, name), name)
        axis.legend(loc="upper right" if kind == "losses" else "best", fontsize=8)
        axis.grid(alpha=0.3)
        axis.set_ylabel("loss" if kind == "losses" else "validation")
    axes[0, 0].set_title(title, fontsize=10)
    axes[-1, 0].set_xlabel("step")
    figure.tight_layout()
    return figure


def draw_loss(axis, steps: np.ndarray, values: np.ndarray, name: str) -> None:
    """A loss as it is (faint) and smoothed."""
    smooth = running_mean(values, max(1, len(values) // 40))
    (line,) = axis.plot(steps, smooth, label=name)
    axis.plot(steps, values, color=line.get_color(), alpha=0.25, lw=0.7)


def draw_figure(axis, steps: np.ndarray, values: np.ndarray, name: str) -> None:
    """A validated figure; the few points are marked, what is not a number is a gap."""
    axis.plot(steps, values, label=name, marker="o", markersize=3)


def curve(log: list[dict], kind: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and values of what the log holds under ``kind`` and ``name``; null is NaN."""
    lines = [line for line in log if name in line.get(kind, ())]
    values = np.array([line[kind][name] for line in lines], "float64")
    return np.array([line["step"] for line in lines]), values


def shared(log: list[dict], kind: str, axis_of: Callable[[str], str]) -> list[list[str]]:
    """The names that the log holds under ``kind``, those that share an axis together."""
    names = list(dict.fromkeys(name for line in log for name in line.get(kind, ())))
    axes = dict.fromkeys(map(axis_of, names))
    return [[name for name in names if axis_of(name) == axis] for axis in axes]


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
