"""pix2pix on the page: draw or upload a label map, see what it becomes; or upload a photograph."""

from __future__ import annotations

import numpy as np

from data_reader.embedded import STREET_LABELS
from data_reader.transforms import looks_like_labels

from . import painter, shelf, tab
from .uploads import read_data_url

MOST_LABELS = 40  # colours; a picture with more is no map to draw
COMMON = 0.002  # share of the pixels; rarer colours are no labels


class Tab(tab.Tab):
    """With label maps on the input side there is a canvas, else the usual upload."""

    def __init__(self, translate, **about):
        super().__init__(translate, **about)
        self.held_back = shelf.held_back(translate)
        self.palette = self.find_palette()
        if self.palette:
            self.does = "Draw a label map, or upload one, and see the picture it becomes."
        else:
            self.does = "Upload a picture and see its partner."

    def find_palette(self) -> dict[str, tuple[int, int, int]]:
        """The labels' colours by name; {} where the input is no label map."""
        maps = self.examples()
        if not maps or not all(map(looks_like_labels, maps)):
            return {}
        if shelf.config_of(self.translate).get("data_path") is None:
            return dict(STREET_LABELS)
        return common_colours(maps)

    def examples(self):
        if self.held_back is None:
            return []
        side = 1 if self.translate.options["direction"] == "b2a" else 0
        read = self.held_back.read
        return shelf.first(len(self.held_back), lambda i: read(i)[side], tab.EXAMPLES)

    def street(self, url) -> tuple[np.ndarray, str]:
        """What becomes of the canvas' drawing."""
        rgb, changed = snap(read_data_url(url, self.limits), self.palette)
        picture, seconds = tab.timed(self.translate, rgb)
        share = f"{100 * changed:.0f}% of the map had no label's colour and took the nearest"
        return picture, tab.caption(picture, seconds, share if changed > 0.005 else "")

    def lay_out(self, gr):
        if not self.palette:
            super().lay_out(gr)
            return
        canvas, button = f"{self.name}-painter", f"{self.name}-run"
        with gr.Row():
            with gr.Column():
                gr.HTML(painter.markup(canvas, self.palette, self.examples(), button))
            with gr.Column():
                run = gr.Button("Paint it", variant="primary", elem_id=button)
                result = self.picture_box(gr, "Result")
                told = self.caption_box(gr)
        drawing = gr.Textbox(visible=False)
        js = painter.drawing_of(canvas)
        self.on(gr, run.click, self.street, drawing, [result, told], js=js)


def snap(rgb: np.ndarray, palette) -> tuple[np.ndarray, float]:
    """Every pixel in the nearest of the palette's colours; the share that had another."""
    colours = np.array(list(palette.values()), np.int32)
    packed = np.int32(rgb) @ np.array([65536, 256, 1], np.int32)
    values, inverse = np.unique(packed.reshape(-1), return_inverse=True)
    known = np.stack([values >> 16, values >> 8 & 255, values & 255], 1)
    distance = ((known[:, None] - colours) ** 2).sum(2)
    nearest = colours[distance.argmin(1)].astype(np.uint8)
    changed = (distance.min(1) > 0)[inverse].mean()
    return nearest[inverse].reshape(rgb.shape), float(changed)


def common_colours(maps: list[np.ndarray]) -> dict[str, tuple[int, int, int]]:
    """The colours of label maps, the most frequent first; {} where they are too many."""
    pixels = np.concatenate([one.reshape(-1, 3) for one in maps])
    values, counts = np.unique(pixels, axis=0, return_counts=True)
    order = [i for i in np.argsort(-counts) if counts[i] >= COMMON * len(pixels)]
    covered = counts[order].sum() / len(pixels)
    if not 2 <= len(order) <= MOST_LABELS or covered < 0.9:
        return {}
    return {f"label {n}": tuple(map(int, values[i])) for n, i in enumerate(order, 1)}
