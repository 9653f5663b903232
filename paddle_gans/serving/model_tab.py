"""A model's tab on the page: its widgets, and what its buttons compute."""

from __future__ import annotations

import functools
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_reader.errors import InputError
from paddle_gans.training.options import Option
from paddle_gans.training.panels import square_grid

from .images import Limits, read_upload, reduce, save_examples, validation_set

MAX_COUNT = 256  # images per click
FRAME_MEGAPIXELS = 0.08  # of a webcam, 326 x 244: larger frames take seconds each on a CPU
FRAME_SECONDS = 0.1  # at least, from one frame to the next
FILM_SECONDS = 120  # until one must start the webcam again: only one visitor can use it at a time
# Options of `translate` that have a slider: its lowest and highest value, and its step.
SLIDERS = {"count": (1, MAX_COUNT, 1), "seed": (0, 200, 1), "saturation": (0, 2, 0.05)}
BUG = "this is a bug; the terminal that started the page shows the details"


class Action(NamedTuple):
    """A function, the widgets of its arguments, and those of its results."""

    function: Callable
    inputs: list
    outputs: list


class ModelTab:
    """One trained model on the page; this class serves any model, see `tabs` for others.

    ``translate`` is the model, ``name`` a unique word for ids, ``limits`` the limits on uploads,
    ``folder`` a place for examples, ``pool`` an executor of one thread, the only one that uses
    models.

    Methods that compute do not depend on the page: they take images and values, return images and
    a caption, and raise InputError for unusable input. ``lay_out`` adds the widgets.
    """

    description = ""  # one sentence about the model, above the widgets
    button = "Translate"
    image_name = "image"
    embedded_examples = True  # if the run's own data cannot be found
    has_webcam = True

    def __init__(self, translate, *, name: str, limits: Limits, folder: Path, pool):
        self.translate, self.name, self.limits = translate, name, limits
        self.folder, self.pool = folder, pool
        folder.mkdir(parents=True, exist_ok=True)
        self.data = None
        if translate.takes_images:
            self.data = validation_set(translate, embedded=self.embedded_examples)

    def result(self, path: str | None, *values: Any) -> tuple[Any, str]:
        """Return the model's image of an image file, and a caption."""
        rgb, note = read_upload(path, self.limits, f"the {self.image_name}")
        shown, seconds = timed(self.translate, rgb, **self.chosen(values))
        image = square_grid(shown) if isinstance(shown, list) else shown
        return self.shown(rgb, image), caption(image, seconds, note)

    def shown(self, source: np.ndarray, image: np.ndarray) -> Any:
        return image

    def film(self, frame: np.ndarray | None, *values: Any) -> tuple[Any, str]:
        """Return the model's image of a webcam's frame, and a caption."""
        if frame is None:  # the webcam stops
            raise InputError("the webcam sent no image; start it again")
        rgb = reduce(frame, min(FRAME_MEGAPIXELS, self.limits.megapixels))
        image, seconds = timed(self.translate, self.cleaned(rgb), **self.chosen(values))
        return image, caption(image, seconds)

    def cleaned(self, rgb: np.ndarray) -> np.ndarray:
        return rgb

    def example_images(self, *which: str) -> list[np.ndarray]:
        """Return images of the validation set, of a side or domain; [] without its data."""
        return [] if self.data is None else self.read_examples(*which)

    def read_examples(self) -> list[np.ndarray]:
        return []

    def chosen(self, values) -> dict[str, Any]:
        """Return the widgets' values, by the names of the options."""
        pairs = zip(self.translate.translate_options.items(), values)
        return {key: option_value(option, value) for (key, option), value in pairs}

    def lay_out(self, gr) -> None:
        """Add the widgets to the page; ``gr`` is Gradio."""
        with gr.Row():
            with gr.Column():
                source, inputs = self.input_boxes(gr)
                run = gr.Button(self.button, variant="primary", elem_id=f"{self.name}-run")
            with gr.Column():
                outputs = [*self.result_boxes(gr), self.caption_box(gr)]
        action = Action(self.result, inputs, outputs)
        self.on(gr, run.click, action)
        self.bind(gr, action, source)

    def lay_out_webcam(self, gr) -> None:
        """Add a webcam, whose newest frame is processed whenever the last one is done."""
        with gr.Accordion("Webcam", open=False, elem_id=f"{self.name}-webcam"), gr.Row():
            with gr.Column():
                camera = gr.Image(
                    label="Webcam",
                    sources=["webcam"],
                    streaming=True,
                    type="numpy",
                    webcam_options=gr.WebcamOptions(mirror=False),
                )
                options = [widget(gr, x) for x in self.translate.translate_options.values()]
            with gr.Column():
                outputs = [
                    self.image_box(gr, "Result", "film"),
                    self.caption_box(gr, "film-caption"),
                ]
        # Not in the group "model", whose only place it would hold for the whole film.
        camera.stream(
            in_pool(gr, self.pool, self.film),
            [camera, *options],
            outputs,
            stream_every=FRAME_SECONDS,
            time_limit=FILM_SECONDS,
            concurrency_id="webcam",
            concurrency_limit=1,
            api_visibility="private",
            show_progress="hidden",
        )

    def bind(self, gr, action: Action, source) -> None:
        """Let more than the button start the action: the examples."""
        self.example_row(gr, self.example_images(), source, action)

    def input_boxes(self, gr) -> tuple[Any, list]:
        source = upload_box(gr, self.image_name.capitalize())
        options = self.translate.translate_options.values()
        return source, [source, *(widget(gr, option) for option in options)]

    def result_boxes(self, gr) -> list:
        return [self.image_box(gr, "Result")]

    def image_box(self, gr, label: str, name: str = "result", **settings: Any):
        names = {"elem_id": f"{self.name}-{name}", "elem_classes": "image"}
        kind = {"interactive": False, "format": "png", "buttons": ["download", "fullscreen"]}
        return gr.Image(label=label, **names, **kind, **settings)

    def caption_box(self, gr, name: str = "caption"):
        return gr.Markdown(elem_id=f"{self.name}-{name}", elem_classes="caption")

    def example_row(
        self, gr, images, source, action, label="Examples", folder="example", also=None
    ) -> None:
        """Add images to click on: the image is put into ``source``, then the action starts.

        ``also`` is another widget, and the value that it gets.
        """
        paths = save_examples(images, self.folder, folder)
        if not paths:
            return
        row = gr.Dataset(
            components=[gr.Image(visible=False)],
            samples=[[path] for path in paths],
            type="index",
            label=label,
            elem_id=f"{self.name}-{folder}",
            elem_classes="examples",
        )
        at = next(i for i, box in enumerate(action.inputs) if box is source)

        def put(index):
            return (paths[index], also[1]) if also else paths[index]

        def run(*values):
            return action.function(*values[:at], paths[values[at]], *values[at + 1 :])

        outputs = [source, also[0]] if also else source
        done = row.click(put, row, outputs, queue=False, api_visibility="private")
        # Read the example itself: a widget may still hold its old value.
        inputs = [row if box is source else box for box in action.inputs]
        self.on(gr, done.then, Action(run, inputs, action.outputs))

    def on(self, gr, event, action: Action) -> None:
        event(
            in_pool(gr, self.pool, action.function),
            action.inputs,
            action.outputs,
            concurrency_id="model",
            concurrency_limit=1,
            api_visibility="private",
            scroll_to_output=True,
        )


def in_pool(gr, pool, function: Callable) -> Callable:
    """Wrap a function to run in the models' thread, and to show its errors on the page."""

    @functools.wraps(function)
    def run(*values):
        try:
            return pool.submit(function, *values).result()
        except InputError as error:
            raise gr.Error(str(error), title="Not possible", print_exception=False) from error
        except Exception as error:
            traceback.print_exc()
            raise gr.Error(BUG, print_exception=False) from error

    return run


def upload_box(gr, label: str, *classes: str):
    """Add a widget for an uploaded image, which passes on the file's path."""
    box = gr.Image(
        label=label,
        sources=["upload", "clipboard"],
        type="filepath",
        image_mode=None,
        elem_classes=["image", *classes],
    )
    # Instead of Gradio's own decoding, which knows neither our limits nor our errors.
    box.preprocess = lambda sent: sent.path if sent is not None else None
    return box


def widget(gr, option: Option):
    """Add a widget for an option of a model."""
    settings = {"label": option.name.replace("_", " "), "info": option.help.split(";")[0]}
    if option.name in SLIDERS:
        low, high, step = SLIDERS[option.name]
        return gr.Slider(low, high, value=option.default, step=step, **settings)
    if option.kind is bool:
        return gr.Checkbox(value=bool(option.default), **settings)
    if option.choices:
        return gr.Radio(choices=list(option.choices), value=option.default, **settings)
    if option.kind in (int, float):
        precision = 0 if option.kind is int else None
        return gr.Number(value=option.default, precision=precision, **settings)
    return gr.Textbox(value="" if option.default is None else str(option.default), **settings)


def option_value(option: Option, value: Any) -> Any:
    """Convert a widget's value to the option's type; an empty widget means the default."""
    if value is None or value == "":
        return option.default
    return option.kind(value) if option.kind in (int, float) else value


def timed(function: Callable, *arguments: Any, **settings: Any) -> tuple[Any, float]:
    start = time.perf_counter()
    return function(*arguments, **settings), time.perf_counter() - start


def caption(image: np.ndarray, seconds: float, *notes: str) -> str:
    """Return the line below a result."""
    height, width = image.shape[:2]
    return " · ".join([f"{width} x {height} pixels", *filter(None, notes), f"{seconds:.1f} s"])
