"""Grids of named images, and plots of losses and metrics."""

from __future__ import annotations

import io
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from data_reader.atomic import write_bytes
from data_reader.images import cv2
from data_reader.transforms import denormalise

CAPTION = 18  # height of a caption in pixels
GAP = 2  # pixels after each image
GAP_PADDING = ((0, GAP), (0, GAP), (0, 0))
MIN_TILE = 96  # pixels; smaller images are enlarged by an integer factor
MAX_POINTS = 800  # of a curve; the plot is not wider in pixels


def grid(
    images: Mapping[str, np.ndarray] | Iterable[tuple[str, Sequence[np.ndarray]]],
    columns: int = 0,
    tiled_rows: int = 0,
) -> np.ndarray:
    """Arrange named images, with captions, in one image uint8 [h, w, 3].

    Each name has images [N, C, H, W] in [-1, 1], or N of uint8 [H, W, 3]; all sizes are equal. One
    channel is shown as grey.

    Each name is a column, with ``columns`` names (0: all) side by side before the next ones go
    below. With ``tiled_rows`` each name is a block of that many rows, and blocks go below each
    other.
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
    """Arrange the images of a name in ``rows`` rows, with a caption; small ones are enlarged."""
    tiles = [x if x.dtype == np.uint8 else denormalise(x) for x in images]
    tiles = [np.broadcast_to(t, (*t.shape[:2], 3)) for t in tiles]
    across = -(-len(tiles) // rows)
    zoom = max(1, -(-MIN_TILE // tiles[0].shape[1])) if across == 1 else 2
    image = tile([t.repeat(zoom, 0).repeat(zoom, 1) for t in tiles], across)
    return np.concatenate([caption(name, image.shape[1]), image])


def tile(images: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Arrange images of one size, uint8 [H, W, 3], in rows of ``columns``, with gaps."""
    cells = [np.pad(image, GAP_PADDING) for image in images]
    cells += [np.zeros_like(cells[0])] * (-len(cells) % columns)
    rows = [np.concatenate(cells[i : i + columns], 1) for i in range(0, len(cells), columns)]
    return np.concatenate(rows)


def square_grid(images: Sequence[np.ndarray]) -> np.ndarray:
    """Arrange images of one size, uint8 [H, W, 3], in about as many rows as columns."""
    return tile(images, math.ceil(math.sqrt(len(images))))[:-GAP, :-GAP]


def caption(text: str, width: int) -> np.ndarray:
    """Draw white text, scaled to fit, on a strip [CAPTION, width, 3]."""
    strip = np.zeros((CAPTION, width, 3), "uint8")
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.42
    (text_width, _), _ = cv2.getTextSize(text, font, scale, 1)
    if text_width > width - 6:
        scale *= (width - 6) / text_width
    cv2.putText(strip, text, (3, 13), font, scale, (255, 255, 255), 1, cv2.LINE_AA)
    return strip


def read_log(path: Path) -> list[dict]:
    """Read the lines of a ``log.jsonl``; a line truncated by a crash is skipped."""
    lines = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                continue
    return lines


class Curves:
    """A log for plotting in bounded memory: long logs are averaged over neighbouring lines."""

    def __init__(self, log: Iterable[dict] = ()):
        self._lines: list[dict] = []  # means of ``_stride`` lines each
        self._latest: list[dict] = []  # lines of the next mean
        self._stride = 1
        self._validations: list[dict] = []
        for line in log:
            self.add(line)

    def add(self, line: dict) -> None:
        if "validation" in line:
            self._validations.append({"step": line["step"], "validation": line["validation"]})
        if "losses" not in line:
            return
        self._latest.append({"step": line["step"], "losses": line["losses"]})
        if len(self._latest) == self._stride:
            self._lines.append(mean_line(self._latest))
            self._latest = []
        if len(self._lines) == MAX_POINTS:
            self._lines = list(map(mean_line, zip(self._lines[::2], self._lines[1::2])))
            self._stride *= 2

    def lines(self) -> list[dict]:
        latest = [mean_line(self._latest)] if self._latest else []
        return self._lines + latest + self._validations


def mean_line(lines: Sequence[dict]) -> dict:
    """Average lines of a log: the last one's step, the mean of every loss."""
    values: dict[str, list[float]] = {}
    for line in lines:
        for name, value in line["losses"].items():
            values.setdefault(name, []).append(value)
    means = {name: sum(found) / len(found) for name, found in values.items()}
    return {"step": lines[-1]["step"], "losses": means}


def draw_curves(log: list[dict], path: Path, title: str) -> None:
    """Plot the losses of a log against the step, raw (faint) and smoothed, and metrics below.

    Losses share an axis by their side (``d_...``, ``g_...``), metrics if their names begin with
    the same word.
    """
    losses = group_names(log, "losses", loss_axis)
    metrics = group_names(log, "validation", lambda name: name.partition("_")[0])
    charts = [("losses", names) for names in losses] + [("validation", names) for names in metrics]
    if not charts:
        return
    import_matplotlib()
    from matplotlib import style
    from matplotlib.figure import Figure  # pyplot would choose a backend for the whole process

    buffer = io.BytesIO()
    with style.context("default"):  # ignore the user's matplotlibrc
        figure = Figure(figsize=(8, (2.0 if metrics else 2.6) * len(charts)))
        axes = figure.subplots(len(charts), 1, sharex=True, squeeze=False)[:, 0]
        for axis, (kind, names) in zip(axes, charts):
            draw_chart(axis, log, kind, names)
        axes[0].set_title(title, fontsize=10)
        axes[-1].set_xlabel("step")
        figure.tight_layout()
        figure.savefig(buffer, format="png", dpi=90)
    write_bytes(path, buffer.getbuffer())


def draw_chart(axis, log: list[dict], kind: str, names: list[str]) -> None:
    for name in names:
        steps, values = curve(log, kind, name)
        if kind == "validation":  # few points; NaN leaves a gap
            axis.plot(steps, values, label=name, marker="o", markersize=3)
            continue
        smooth = running_mean(values, max(1, len(values) // 40))
        (line,) = axis.plot(steps, smooth, label=name)
        axis.plot(steps, values, color=line.get_color(), alpha=0.25, lw=0.7)
    axis.legend(loc="upper right" if kind == "losses" else "best", fontsize=8)
    axis.grid(alpha=0.3)
    axis.set_ylabel("loss" if kind == "losses" else "validation")


def import_matplotlib() -> None:
    """Import matplotlib also if MPLBACKEND names no backend, which would fail; none is needed."""
    if "matplotlib" in sys.modules:
        return
    backend = os.environ.pop("MPLBACKEND", None)
    import matplotlib

    if backend is not None:
        os.environ["MPLBACKEND"] = backend
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = backend  # as its import does


def curve(log: list[dict], kind: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return steps and values of ``name`` under ``kind`` in the log; null becomes NaN."""
    lines = [line for line in log if name in line.get(kind, ())]
    values = np.array([line[kind][name] for line in lines], "float64")
    return np.array([line["step"] for line in lines]), values


def group_names(log: list[dict], kind: str, axis_of: Callable[[str], str]) -> list[list[str]]:
    """Group the names under ``kind`` in the log by their axis."""
    names = list(dict.fromkeys(name for line in log for name in line.get(kind, ())))
    axes = dict.fromkeys(map(axis_of, names))
    return [[name for name in names if axis_of(name) == axis] for axis in axes]


def loss_axis(name: str) -> str:
    """Return the axis of a loss: of discriminators, of L1-like distances, or the rest."""
    if name.startswith("d_"):
        return "discriminator"
    return "distance" if name.endswith(("_l1", "_cycle", "_identity")) else "generator"


def running_mean(values: np.ndarray, width: int) -> np.ndarray:
    """Average each value with up to ``width - 1`` values before it."""
    sums = np.cumsum(np.concatenate([np.zeros(1), values]))
    last = np.arange(1, len(values) + 1)
    first = np.maximum(0, last - width)
    return (sums[last] - sums[first]) / (last - first)
