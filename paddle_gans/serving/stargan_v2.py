"""StarGAN v2 on the page: a photograph in drawn styles of a domain, or in that of a reference."""

from __future__ import annotations

from typing import Any, Optional

from data_reader.errors import InputError

from . import shelf, tab
from .uploads import read_upload

EVERY = "every domain"
MOST_STYLES = 8
PER_DOMAIN = 3  # examples


class Tab(tab.Tab):
    """Two ways to a style, one below the other, for one photograph."""

    def __init__(self, translate, **about):
        super().__init__(translate, **about)
        self.held_back = shelf.held_back(translate, drawings_will_do=True)
        self.domains = translate.domains
        self.does = f"Show a picture as {', '.join(self.domains[:-1])} or {self.domains[-1]}."

    def examples(self, domain: Optional[str] = None):
        """Pictures of a domain, or of each."""
        if self.held_back is None:
            return []
        if domain is None:
            return [one for name in self.domains for one in self.examples(name)[:2]]
        y, items = self.domains.index(domain), self.held_back.references[domain]
        count = len(items)
        return shelf.first(count, lambda i: self.held_back.read(y, items[i]), PER_DOMAIN)

    def in_drawn_styles(self, path, domain: str, num_styles, seed, align: bool = False):
        """The photograph in styles that the seed draws: [(picture, its name)], a caption."""
        upload = read_upload(path, self.limits, "a photograph")
        if not num_styles or num_styles > MOST_STYLES:
            raise InputError(f"the number of styles is 1 to {MOST_STYLES} here")
        chosen: dict[str, Any] = {"num_styles": int(num_styles), "seed": int(seed or 0)}
        chosen["domain"] = None if domain == EVERY else domain
        shown, seconds = tab.timed(self.translate, upload.rgb, align=align, **chosen)
        pictures = shown if isinstance(shown, list) else [shown]
        names = [
            f"{name} {i + 1}"
            for name in (self.domains if domain == EVERY else [domain])
            for i in range(chosen["num_styles"])
        ]
        return list(zip(pictures, names)), tab.caption(pictures[0], seconds, upload.remark)

    def in_copied_style(self, path, reference, domain: str, align: bool = False):
        """The photograph in the style of the reference, which is of the domain; a caption."""
        rgb = read_upload(path, self.limits, "a photograph").rgb
        other = read_upload(reference, self.limits, "a reference").rgb
        function = self.translate.in_style_of
        shown, seconds = tab.timed(function, rgb, other, domain, align=align)
        return [(shown, f"as the {domain} of the reference")], tab.caption(shown, seconds)

    def lay_out(self, gr):
        with gr.Row():
            with gr.Column():
                source = tab.upload_box(gr, "Picture", "small")
                align = gr.Checkbox(
                    label="cut out the face",
                    info="as the training faces were cut",
                    visible=self.translate.model.fan is not None,
                )
                drawn, drawn_inputs = self.drawn_box(gr)
                copied, copied_inputs, reference = self.copied_box(gr)
            with gr.Column():
                result = gr.Gallery(
                    label="Result",
                    format="png",
                    columns=3,
                    object_fit="contain",
                    interactive=False,
                    elem_id=f"{self.name}-result",
                )
                told = self.caption_box(gr)
        outputs = [result, told]
        inputs = [source, *drawn_inputs, align]
        click = self.on(gr, drawn.click, self.in_drawn_styles, inputs, outputs)
        self.example_row(gr, self.examples(), source, click, "Pictures")
        inputs = [source, *copied_inputs, align]
        click = self.on(gr, copied.click, self.in_copied_style, inputs, outputs)
        for domain in self.domains:
            pictures = self.examples(domain)
            also = (copied_inputs[1], domain)
            label = f"References: {domain}"
            self.example_row(gr, pictures, reference, click, label, f"ref-{domain}", also)

    def drawn_box(self, gr):
        """The widgets of drawn styles: the button, and what it reads."""
        with gr.Group():
            domain = gr.Radio([*self.domains, EVERY], value=EVERY, label="Drawn styles of")
            with gr.Row():
                count = gr.Slider(1, MOST_STYLES, value=2, step=1, label="styles of each")
                seed = gr.Slider(0, 200, value=0, step=1, label="seed")
            run = gr.Button("Draw styles", variant="primary", elem_id=f"{self.name}-run")
        return run, [domain, count, seed]

    def copied_box(self, gr):
        """The widgets of a copied style: the button, what it reads, and the reference's own."""
        with gr.Column():
            reference = tab.upload_box(gr, "Reference: whose style is copied", "small")
            domain = gr.Radio(self.domains, value=self.domains[0], label="The reference is a")
            run = gr.Button("Copy its style", elem_id=f"{self.name}-copy")
        return run, [reference, domain], reference
