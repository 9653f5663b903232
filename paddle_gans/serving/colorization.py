"""Colorization on the page: a grey photograph, its colours, and a slider between the two."""

from __future__ import annotations

import numpy as np

from data_reader.colour import lab_to_rgb, rgb_to_lab

from . import shelf, tab
from .uploads import read_upload


class Tab(tab.Tab):
    """A colour photograph is taken for a grey one: its lightness is all that the model sees."""

    does = "Upload a black-and-white photograph, or any other: its lightness alone is looked at."

    def __init__(self, translate, **about):
        super().__init__(translate, **about)
        self.held_back = shelf.held_back(translate, drawings_will_do=True)

    def examples(self):
        if self.held_back is None:
            return []
        count = len(self.held_back)
        return [grey(one) for one in shelf.first(count, self.held_back.read, tab.EXAMPLES)]

    def before_and_after(self, path, *values):
        """The photograph in grey and in colour, and a caption."""
        upload = read_upload(path, self.limits, "a photograph")
        after, seconds = tab.timed(self.translate, upload.rgb, **self.chosen(values))
        return (grey(upload.rgb), after), tab.caption(after, seconds, upload.remark)

    def lay_out(self, gr):
        with gr.Row():
            with gr.Column():
                source = tab.upload_box(gr, "Photograph")
                widgets = self.widgets(gr)
                run = gr.Button("Colour it", variant="primary", elem_id=f"{self.name}-run")
            with gr.Column():
                result = gr.ImageSlider(
                    label="Grey and coloured: move the line",
                    interactive=False,
                    format="png",
                    elem_id=f"{self.name}-result",
                )
                told = self.caption_box(gr)
        inputs = [source, *widgets]
        click = self.on(gr, run.click, self.before_and_after, inputs, [result, told])
        self.example_row(gr, self.examples(), source, click)

    def widgets(self, gr):
        sliders = {"saturation": {"minimum": 0, "maximum": 2, "step": 0.05}}
        return [
            gr.Slider(value=option.default, label=name, info=option.help, **sliders[name])
            if name in sliders
            else tab.widget(gr, option)
            for name, option in self.options.items()
        ]


def grey(rgb: np.ndarray) -> np.ndarray:
    """A picture's lightness alone, uint8 [H, W, 3]."""
    lab = rgb_to_lab(rgb)
    lab[..., 1:] = 0
    return lab_to_rgb(lab)
