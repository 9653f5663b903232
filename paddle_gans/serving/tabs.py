"""The tabs of each kind of model, chosen by the class of its data set."""

from __future__ import annotations

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data_reader.datasets import Paired, Unpaired
from data_reader.domains import Domains
from data_reader.embedded import STREET_LABELS
from data_reader.errors import InputError
from data_reader.images import read_image
from data_reader.photos import Photos
from data_reader.transforms import looks_like_labels
from paddle_gans.inference.photos import without_colour
from paddle_gans.inference.translator import by_data
from paddle_gans.metrics.labels import Palette, read_palette
from paddle_gans.training.panels import square_grid

from .images import config_of, first_readable, read_upload, save_examples
from .model_tab import MAX_COUNT, Action, ModelTab, caption, timed, upload_box, widget

OPPOSITE = {"a2b": "b2a", "b2a": "a2b"}
EMBEDDED_SIDES = ("photo", "painting")  # what the embedded unpaired images show
EVERY = "every domain"
MAX_STYLES = 8
MAX_EXAMPLES = 6
DOMAIN_EXAMPLES = 3
RGB = tuple[int, int, int]
MAX_LABELS = 40  # colours; an image with more is not a label map to draw
MIN_SHARE = 0.002  # of the pixels; rarer colours are not labels


def tab_class(translate) -> type[ModelTab]:
    if not translate.takes_images:
        return GeneratedTab
    return by_data(translate.model, TABS, ModelTab)


class GeneratedTab(ModelTab):
    """Images generated from noise; moving a slider generates new ones."""

    description = "Move the sliders: the same seed generates the same images."
    has_webcam = False
    button = "Generate"

    def result(self, *values: Any) -> tuple[np.ndarray, str]:
        """Return a grid of generated images, and a caption."""
        options = self.chosen(values)
        if options.get("count", 0) > MAX_COUNT:
            raise InputError(f"--count must be at most {MAX_COUNT} here, not {options['count']}")
        images, seconds = timed(self.translate, **options)
        image = square_grid(images)
        return image, caption(image, seconds, f"{len(images)} images")

    def input_boxes(self, gr):
        return None, [widget(gr, option) for option in self.translate.translate_options.values()]

    def bind(self, gr, action, source):
        for box in action.inputs:
            if isinstance(box, (gr.Slider, gr.Checkbox)):
                self.on(gr, box.release if isinstance(box, gr.Slider) else box.input, action)


class PairedTab(ModelTab):
    """An editor for label maps if the input is one; otherwise an upload."""

    embedded_examples = False  # which may be of another kind than the run's images

    def __init__(self, translate, **settings):
        super().__init__(translate, **settings)
        self.palette = find_palette(self.example_images(), named_labels(self.translate))
        if self.palette:
            self.description = "Draw or upload a label map and see it as an image."
            self.image_name, self.button = "label map", "Translate it"
        else:
            self.description = "Upload an image and see its counterpart."

    def read_examples(self):
        side = 1 if self.translate.options.get("direction") == "b2a" else 0
        return first_readable(len(self.data), lambda i: self.data.read(i)[side], MAX_EXAMPLES)

    def result(self, path, *values):
        if not self.palette:
            return super().result(path, *values)
        given, note = read_upload(path, self.limits, "a label map", "nearest")
        rgb, changed = snap(given, self.palette)
        image, seconds = timed(self.translate, rgb, **self.chosen(values))
        share = f"{100 * changed:.2g}% of the pixels had no label's colour and got the nearest"
        return image, caption(image, seconds, note, share if changed else "")

    def cleaned(self, rgb):
        return snap(rgb, self.palette)[0] if self.palette else rgb

    def input_boxes(self, gr):
        if not self.palette:
            return super().input_boxes(gr)
        (start,) = save_examples(self.example_images()[:1], self.folder, "start")
        source = editor(gr, self.palette, start, f"{self.name}-editor")
        return source, [source]


# Label maps: the labels' colours, an editor that paints with them, and their exact values.


def find_palette(maps: list[np.ndarray], named: Mapping[str, RGB] = {}) -> dict[str, RGB]:
    """Return the labels' colours by name; {} if the images are not label maps.

    The names are those of ``named``, or of the embedded streets, if all colours are among them.
    """
    found = common_colours(maps) if maps and all(map(looks_like_labels, maps)) else {}
    for labels in (named, STREET_LABELS):
        if found and set(found.values()) <= set(labels.values()):
            return dict(labels)
    return found


def named_labels(translate) -> dict[str, RGB]:
    """Return the colours by name in ``palette.txt`` in the run's data; {} if there is none."""
    folder = config_of(translate).get("data_path")
    if not isinstance(folder, str) or not (file := Path(folder, "palette.txt")).is_file():
        return {}
    palette = read_palette(file)
    return {name: (r, g, b) for name, (r, g, b) in zip(palette.names, palette.colours.tolist())}


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


class UnpairedTab(ModelTab):
    """Translation in both directions, each followed by the way back, if both networks exist."""

    def __init__(self, translate, **settings):
        super().__init__(translate, **settings)
        self.directions = [x["direction"] for x in translate.covered if "direction" in x]
        a, b = self.side_names()
        self.names = {"a2b": f"{a} to {b}", "b2a": f"{b} to {a}"}
        both = ", and back again." if len(self.directions) == 2 else "."
        self.description = f"Translate an image from one domain to the other{both}"

    def side_names(self):
        """Return what the two sides are called: their folders' names, or A and B."""
        config = config_of(self.translate)
        path = config.get("data_path")
        if isinstance(path, list) and len(path) == 2 and all(isinstance(x, str) for x in path):
            names = [Path(one).name for one in path]
            if all(names) and names[0] != names[1]:
                return names
        return EMBEDDED_SIDES if "data_path" in config and path is None else "AB"

    def read_examples(self, direction: str | None = None):
        side = (direction or self.translate.model.direction)[0]
        count = len(getattr(self.data, side))
        return first_readable(count, lambda i: self.data.read(side, i), MAX_EXAMPLES)

    def there_and_back(self, path, direction: str) -> tuple[np.ndarray, np.ndarray | None, str]:
        """Return the translated image, that one translated back (or None), and a caption."""
        rgb, note = read_upload(path, self.limits)
        there, seconds = timed(self.translate, rgb, direction=direction)
        if OPPOSITE[direction] not in self.directions:
            return there, None, caption(there, seconds, note)
        back, more = timed(self.translate, there, direction=OPPOSITE[direction])
        error = np.abs(back.astype(np.int32) - rgb).mean()
        quality = f"translated back: {error:.1f} of 255 off on average"
        return there, back, caption(there, seconds + more, note, quality)

    def lay_out(self, gr):
        if not self.directions:
            super().lay_out(gr)
            return
        choices = [(self.names[direction], direction) for direction in self.directions]
        both = len(choices) == 2
        with gr.Row():
            with gr.Column():
                source = upload_box(gr, "Image")
                way = gr.Radio(choices, value=choices[0][1], label="Direction")
                run = gr.Button(self.button, variant="primary", elem_id=f"{self.name}-run")
            with gr.Column(scale=2 if both else 1):
                with gr.Row():
                    there = self.image_box(gr, "Translated")
                    back = self.image_box(gr, "Translated back", "back", visible=both)
                status = self.caption_box(gr)
        action = Action(self.there_and_back, [source, way], [there, back, status])
        self.on(gr, run.click, action)
        for direction in self.directions:
            label, images = self.names[direction], self.example_images(direction)
            self.example_row(gr, images, source, action, label, direction, (way, direction))


class DomainsTab(ModelTab):
    """An image in random styles of a domain, or in the style of a reference."""

    has_webcam = False

    def __init__(self, translate, **settings):
        super().__init__(translate, **settings)
        self.domains = translate.domains
        self.description = f"Show an image as {', '.join(self.domains[:-1])} or {self.domains[-1]}."

    def read_examples(self, domain: str | None = None):
        if domain is None:
            return [one for name in self.domains for one in self.read_examples(name)[:2]]
        items = self.data.references[domain]
        return first_readable(len(items), lambda i: read_image(items[i]), DOMAIN_EXAMPLES)

    def latent_guided(self, path, domain: str, num_styles, seed, align: bool = False):
        """Return the image in random styles, [(image, its name)], and a caption."""
        rgb, note = read_upload(path, self.limits)
        if not num_styles or num_styles > MAX_STYLES:
            raise InputError(f"the number of styles must be 1 to {MAX_STYLES} here")
        chosen: dict[str, Any] = {"num_styles": int(num_styles), "seed": int(seed or 0)}
        chosen["domain"] = None if domain == EVERY else domain
        shown, seconds = timed(self.translate, rgb, align=align, **chosen)
        images = shown if isinstance(shown, list) else [shown]
        domains = self.domains if domain == EVERY else [domain]
        names = [f"{name} {i + 1}" for name in domains for i in range(chosen["num_styles"])]
        return list(zip(images, names)), caption(images[0], seconds, note)

    def reference_guided(self, path, reference, domain: str, align: bool = False):
        """Return the image in the style of a reference, which is of the domain, and a caption."""
        rgb, _ = read_upload(path, self.limits)
        other, _ = read_upload(reference, self.limits, "a reference")
        function = self.translate.in_style_of
        shown, seconds = timed(function, rgb, other, domain, align=align)
        return [(shown, f"in the style of the {domain}")], caption(shown, seconds)

    def lay_out(self, gr):
        with gr.Row():
            with gr.Column():
                source = upload_box(gr, "Image", "small")
                align = gr.Checkbox(
                    label="align the face",
                    info="crop it like the training faces",
                    visible=self.translate.model.fan is not None,
                )
                with gr.Group():
                    domain = gr.Radio([*self.domains, EVERY], value=EVERY, label="Random styles of")
                    with gr.Row():
                        count = gr.Slider(1, MAX_STYLES, value=2, step=1, label="styles of each")
                        seed = gr.Slider(0, 200, value=0, step=1, label="seed")
                    run = gr.Button("Random styles", variant="primary", elem_id=f"{self.name}-run")
                reference = upload_box(gr, "Reference: its style is copied", "small")
                kind = gr.Radio(self.domains, value=self.domains[0], label="The reference shows a")
                copy = gr.Button("Copy its style", elem_id=f"{self.name}-copy")
            with gr.Column():
                result = gr.Gallery(
                    label="Result",
                    format="png",
                    columns=3,
                    object_fit="contain",
                    interactive=False,
                    elem_id=f"{self.name}-result",
                )
                outputs = [result, self.caption_box(gr)]
        action = Action(self.latent_guided, [source, domain, count, seed, align], outputs)
        self.on(gr, run.click, action)
        self.example_row(gr, self.example_images(), source, action, "Images")
        action = Action(self.reference_guided, [source, reference, kind, align], outputs)
        self.on(gr, copy.click, action)
        for name in self.domains:
            images, label, also = self.example_images(name), f"References: {name}", (kind, name)
            self.example_row(gr, images, reference, action, label, f"ref-{name}", also)


class PhotosTab(ModelTab):
    """A photograph in grey and in colour; only its lightness reaches the model."""

    description = "Upload a photograph, black-and-white or not: only its lightness is used."
    button = "Colour it"
    image_name = "photograph"

    def shown(self, source, image):
        return without_colour(source), image

    def read_examples(self):
        count = len(self.data)
        return first_readable(count, lambda i: without_colour(self.data.read(i)), MAX_EXAMPLES)

    def result_boxes(self, gr):
        name, label = f"{self.name}-result", "Grey and coloured: move the line"
        return [gr.ImageSlider(label=label, interactive=False, format="png", elem_id=name)]


TABS: dict[type, type[ModelTab]] = {
    Paired: PairedTab, Unpaired: UnpairedTab, Domains: DomainsTab, Photos: PhotosTab,
}  # fmt: skip
