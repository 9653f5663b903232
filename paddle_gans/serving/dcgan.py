"""DCGAN on the page: sliders for the noise, and what is drawn from it."""

from __future__ import annotations

from . import tab

SEEDS = 200


class Tab(tab.Tab):
    """Every move of a slider draws."""

    does = "Move the sliders: the same seed draws the same pictures."

    def lay_out(self, gr):
        options = self.options
        with gr.Row():
            with gr.Column():
                about = {"label": "seed", "info": "another seed, other noise"}
                seed = gr.Slider(0, SEEDS, value=0, step=1, elem_id=f"{self.name}-seed", **about)
                about = {"label": "count", "info": options["count"].help}
                count = gr.Slider(1, tab.LARGEST_COUNT, value=64, step=1, **about)
                walk = tab.widget(gr, options["interpolate"])
                run = gr.Button("Draw", variant="primary", elem_id=f"{self.name}-run")
            with gr.Column():
                result = self.picture_box(gr, "Drawn")
                told = self.caption_box(gr)
        widgets = {"count": count, "seed": seed, "interpolate": walk}
        inputs = [widgets[name] for name in options]
        click = self.on(gr, run.click, self.drawn, inputs, [result, told])
        for event in (seed.release, count.release, walk.input):
            click(event)
