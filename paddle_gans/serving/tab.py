"""What a model's part of the page does: its widgets, and what a click on its button computes."""

from __future__ import annotations

import functools
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable, Optional

import numpy as np

from data_reader.errors import InputError
from paddle_gans.training.options import Option
from paddle_gans.training.panels import square_grid

from . import shelf
from .uploads import Limits, read_upload

EXAMPLES = 6
LARGEST_COUNT = 256  # pictures that one click draws
BUG = "the program failed, which it should not; the terminal that started the page says more"


class Tab:
    """One trained model on the page.

    ``translate`` is the model, ``name`` the tab's own (a word for ids), ``limits`` what is taken
    from the browser, ``folder`` a place for examples, ``pool`` an executor of one thread: models
    are used by that thread alone, one click after the other.

    Methods that compute know no page: pictures and values in, pictures and a caption out. They
    raise InputError for what cannot be used. ``lay_out`` puts widgets around them.

    A model may have a ``Tab`` of its own in ``serving/<model>.py``; this one serves any other.
    """

    does = ""  # one sentence about the model, above the widgets
    button = "Translate"

    def __init__(self, translate, *, name: str, limits: Limits, folder: Path, pool):
        self.translate, self.name, self.limits = translate, name, limits
        self.folder, self.pool = folder, pool
        folder.mkdir(parents=True, exist_ok=True)

    # What is computed.

    def result(self, path: Optional[str], *values: Any) -> tuple[np.ndarray, str]:
        """The picture that the model makes of a file, and a caption."""
        upload = read_upload(path, self.limits)
        shown, seconds = timed(self.translate, upload.rgb, **self.chosen(values))
        picture = square_grid(shown) if isinstance(shown, list) else shown
        return picture, caption(picture, seconds, upload.remark)

    def drawn(self, *values: Any) -> tuple[np.ndarray, str]:
        """The pictures that the model draws from noise, in a grid, and a caption."""
        options = self.chosen(values)
        if options.get("count", 0) > LARGEST_COUNT:
            raise InputError(f"--count is at most {LARGEST_COUNT} here, not {options['count']}")
        pictures, seconds = timed(self.translate, **options)
        picture = square_grid(pictures)
        return picture, caption(picture, seconds, f"{len(pictures)} pictures")

    def examples(self) -> list[np.ndarray]:
        """Pictures to start with."""
        return []

    @property
    def options(self) -> Mapping[str, Option]:
        """The model's options that have a widget."""
        return self.translate.translate_options

    def chosen(self, values) -> dict[str, Any]:
        """The widgets' values by the names of the options."""
        pairs = zip(self.options.items(), values)
        return {key: given(option, value) for (key, option), value in pairs}

    # How it is shown.

    def lay_out(self, gr) -> None:
        """Put the widgets on the page; ``gr`` is Gradio."""
        takes = self.translate.takes_images
        with gr.Row():
            with gr.Column():
                source = [upload_box(gr, "Picture")] if takes else []
                widgets = self.widgets(gr)
                button = gr.Button(
                    self.button if takes else "Draw", variant="primary", elem_id=f"{self.name}-run"
                )
            with gr.Column():
                result = self.picture_box(gr, "Result")
                told = self.caption_box(gr)
        function = self.result if takes else self.drawn
        click = self.on(gr, button.click, function, [*source, *widgets], [result, told])
        if takes:
            self.example_row(gr, self.examples(), source[0], click)

    def widgets(self, gr) -> list:
        """A widget for each of ``options``."""
        return [widget(gr, option) for option in self.options.values()]

    def picture_box(self, gr, label: str, name: str = "result", **settings: Any):
        """Where a result appears."""
        names = {"elem_id": f"{self.name}-{name}", "elem_classes": "picture"}
        kind = {"interactive": False, "format": "png", "buttons": ["download", "fullscreen"]}
        return gr.Image(label=label, **names, **kind, **settings)

    def caption_box(self, gr):
        """Where the line below a result appears."""
        return gr.Markdown(elem_id=f"{self.name}-caption", elem_classes="caption")

    def example_row(
        self, gr, pictures, source, click, label="Examples", folder="example", also=None
    ) -> None:
        """Pictures to click on: one is put in ``source``, and ``click`` follows.

        ``also`` is another widget and the value that goes with these pictures.
        """
        paths = shelf.save(pictures, self.folder, folder)
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
        outputs, values = ([source, also[0]], (also[1],)) if also else ([source], ())

        def put(index):
            found = (paths[index], *values)
            return found if also else found[0]

        click(row.click(put, row, outputs, queue=False, api_visibility="private").then)

    def on(self, gr, event, function, inputs, outputs, **settings: Any) -> Callable:
        """Let ``event`` compute; returns what lets another event do the same."""

        def bind(event):
            return event(
                answering(gr, self.pool, function),
                inputs,
                outputs,
                concurrency_id="model",
                concurrency_limit=1,
                api_visibility="private",
                scroll_to_output=True,
                **settings,
            )

        bind(event)
        return bind


def answering(gr, pool, function: Callable) -> Callable:
    """The function in the models' thread; what the user got wrong is said on the page, in words."""

    @functools.wraps(function)
    def answer(*values):
        try:
            return pool.submit(function, *values).result()
        except InputError as error:
            raise gr.Error(str(error), title="That will not do", print_exception=False) from error
        except Exception as error:
            traceback.print_exc()
            raise gr.Error(BUG, print_exception=False) from error

    return answer


def upload_box(gr, label: str, *classes: str):
    """A widget for a picture of the user's, which it hands on as the file that it is."""
    sources = ["upload", "clipboard"]
    kind = {"type": "filepath", "image_mode": None, "elem_classes": ["picture", *classes]}
    box = gr.Image(label=label, sources=sources, **kind)

    def path_of(sent) -> Optional[str]:
        """In the place of Gradio's own decoding, which knows none of our limits and errors."""
        return sent.path if sent is not None else None

    box.preprocess = path_of
    return box


def widget(gr, option: Option, **settings: Any):
    """A widget for an option of a model."""
    text = option.help.split(";")[0]
    about = {"label": option.name.replace("_", " "), "info": text, **settings}
    if option.kind is bool:
        return gr.Checkbox(value=bool(option.default), **about)
    if option.choices:
        return gr.Radio(choices=list(option.choices), value=option.default, **about)
    if option.kind in (int, float):
        whole = {"precision": 0} if option.kind is int else {}
        return gr.Number(value=option.default, **whole, **about)
    return gr.Textbox(value="" if option.default is None else str(option.default), **about)


def given(option: Option, value: Any) -> Any:
    """A widget's value as the option takes it; an empty widget leaves the default."""
    if value is None or value == "":
        return option.default
    return option.kind(value) if option.kind in (int, float) else value


def timed(function: Callable, *arguments: Any, **settings: Any) -> tuple[Any, float]:
    """What the function returns, and how many seconds it took."""
    start = time.perf_counter()
    return function(*arguments, **settings), time.perf_counter() - start


def caption(picture: np.ndarray, seconds: float, *remarks: str) -> str:
    """The line below a result."""
    height, width = picture.shape[:2]
    parts = [f"{width} x {height} pixels", *filter(None, remarks), f"{seconds:.1f} s"]
    return " · ".join(parts)
