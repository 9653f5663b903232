"""CycleGAN on the page: a picture as one of the other kind, and back again."""

from __future__ import annotations

import numpy as np

from . import shelf, tab
from .uploads import read_upload

OTHER = {"a2b": "b2a", "b2a": "a2b"}
EMBEDDED = ("photo", "painting")  # what the two sides of the embedded landscapes are


class Tab(tab.Tab):
    """Both directions where both generators are there, each followed by the way back."""

    def __init__(self, translate, **about):
        super().__init__(translate, **about)
        self.directions = [choice["direction"] for choice in translate.covered]
        self.held_back = shelf.held_back(translate, drawings_will_do=True)
        is_drawn = shelf.config_of(translate).get("data_path", "") is None
        a, b = shelf.folder_names(translate) or (EMBEDDED if is_drawn else "AB")
        self.names = {"a2b": f"{a} to {b}", "b2a": f"{b} to {a}"}
        self.does = "Turn a picture of one kind into one of the other"
        self.does += ", and see it come back." if len(self.directions) == 2 else "."

    def examples(self, direction: str = "a2b"):
        """Pictures of the side that a direction starts from."""
        if self.held_back is None:
            return []
        side = direction[0]
        count = len(getattr(self.held_back, side))
        return shelf.first(count, lambda i: self.held_back.read(side, i), tab.EXAMPLES)

    def both_ways(self, path, direction: str) -> tuple[np.ndarray, object, str]:
        """The picture as one of the other kind, that one translated back (or None), a caption."""
        upload = read_upload(path, self.limits)
        there, seconds = tab.timed(self.translate, upload.rgb, direction=direction)
        if OTHER[direction] not in self.directions:
            return there, None, tab.caption(there, seconds, upload.remark)
        back, more = tab.timed(self.translate, there, direction=OTHER[direction])
        error = np.abs(back.astype(np.int32) - upload.rgb).mean()
        about = f"back again: {error:.1f} of 255 off on average"
        return there, back, tab.caption(there, seconds + more, upload.remark, about)

    def lay_out(self, gr):
        choices = [(self.names[direction], direction) for direction in self.directions]
        both = len(choices) == 2
        with gr.Row():
            with gr.Column():
                source = tab.upload_box(gr, "Picture")
                way = gr.Radio(choices, value=choices[0][1], label="Direction")
                run = gr.Button("Translate", variant="primary", elem_id=f"{self.name}-run")
            with gr.Column(scale=2 if both else 1):
                with gr.Row():
                    there = self.picture_box(gr, "Translated")
                    back = self.picture_box(gr, "And back again", "back", visible=both)
                told = self.caption_box(gr)
        click = self.on(gr, run.click, self.both_ways, [source, way], [there, back, told])
        for direction in self.directions:
            pictures = self.examples(direction)
            self.example_row(
                gr, pictures, source, click, self.names[direction], direction, (way, direction)
            )
