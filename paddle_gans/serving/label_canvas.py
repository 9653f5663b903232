"""Draw label maps: the labels' colours, an editor that paints with them, and their exact values."""

from __future__ import annotations

import html
from collections.abc import Mapping

import numpy as np

from data_reader.embedded import STREET_LABELS
from data_reader.transforms import looks_like_labels
from paddle_gans.metrics.labels import Palette

RGB = tuple[int, int, int]
MAX_LABELS = 40  # colours; an image with more is not a label map to draw
MIN_SHARE = 0.002  # of the pixels; rarer colours are not labels


def find_palette(maps: list[np.ndarray]) -> dict[str, RGB]:
    """Return the labels' colours by name; {} if the images are not label maps."""
    if not maps or not all(map(looks_like_labels, maps)):
        return {}
    found = common_colours(maps)
    is_street = found and set(found.values()) <= set(STREET_LABELS.values())
    return dict(STREET_LABELS) if is_street else found


def common_colours(maps: list[np.ndarray]) -> dict[str, RGB]:
    """Return the colours of label maps, the most frequent first; {} if there are too many."""
    pixels = np.concatenate([one.reshape(-1, 3) for one in maps])
    values, counts = np.unique(pixels, axis=0, return_counts=True)
    order = [i for i in np.argsort(-counts) if counts[i] >= MIN_SHARE * len(pixels)]
    covered = counts[order].sum() / len(pixels)
    if not 2 <= len(order) <= MAX_LABELS or covered < 0.9:
        return {}
    return {f"label {n}": tuple(map(int, values[i])) for n, i in enumerate(order, 1)}


def snap(rgb: np.ndarray, palette: Mapping[str, RGB]) -> tuple[np.ndarray, float]:
    """Set every pixel to the nearest label's colour; also returns the share that changed."""
    known = Palette(np.array(list(palette.values()), np.uint8), list(palette))
    result = known.colours[known.classes(rgb)].reshape(rgb.shape)
    return result, float((result != rgb).any(axis=2).mean())


def editor(gr, palette: Mapping[str, RGB], start: str, name: str):
    """Add Gradio's image editor, with the labels' colours as brushes and the file ``start``.

    Its brush has hard edges, so a drawing has no other colours. It passes on the drawing's path.
    """
    colours = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in palette.values()]
    gr.HTML(legend(palette))
    box = gr.ImageEditor(
        value=start,
        label="Label map",
        brush=gr.Brush(6, colours, colours[0], "fixed"),
        layers=False,
        transforms=(),
        sources=["upload"],
        type="filepath",
        format="png",
        elem_id=name,
    )
    # Instead of Gradio's own decoding, which knows neither our limits nor our errors.
    box.preprocess = lambda sent: sent.composite.path if sent and sent.composite else None
    return box


def legend(palette: Mapping[str, RGB]) -> str:
    """Return the labels' names in HTML, each beside its colour."""
    return "".join(
        f'<span class="label"><i style="background:rgb{colour}"></i>{html.escape(label)}</span>'
        for label, colour in palette.items()
    )
