"""The page itself: a tab for each model, and the server that hands it out."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from . import painter
from .tab import Tab
from .uploads import Limits

CSS = """
.gradio-container {width: 100% !important; max-width: 1160px !important; margin: 0 auto !important}
.caption p {font-size: 0.85em; opacity: 0.75}
.picture .upload-container, .picture button:has(img), .picture .image-frame {
  width: 100% !important}
.picture img {width: 100% !important; height: auto !important; max-height: 480px !important;
  object-fit: contain !important}
.small img {max-height: 240px !important}
.examples img {border-radius: 6px}
.painter canvas {width: 100%; image-rendering: pixelated; touch-action: none; cursor: crosshair;
  border: 1px solid var(--border-color-primary); border-radius: 8px; display: block}
.painter .labels, .painter .tools, .painter .examples {display: flex; flex-wrap: wrap; gap: 6px;
  margin: 8px 0; align-items: center}
.painter button, .painter .upload {font-size: 0.85em; padding: 4px 9px; border-radius: 999px;
  border: 1px solid var(--border-color-primary); background: var(--background-fill-primary);
  display: inline-flex; gap: 6px; align-items: center; cursor: pointer}
.painter .label span {width: 1.1em; height: 1.1em; border-radius: 50%; display: inline-block;
  border: 1px solid rgba(128, 128, 128, 0.6)}
.painter .label[aria-pressed="true"] {outline: 2px solid var(--color-accent); font-weight: 600}
.painter .tools label {font-size: 0.85em; display: inline-flex; gap: 5px; align-items: center}
.painter .file {position: absolute; width: 1px; height: 1px; opacity: 0}
.painter .example {width: 64px; height: 64px; object-fit: cover; image-rendering: pixelated;
  border-radius: 6px; cursor: pointer; margin: 0}
.painter .example:hover {outline: 2px solid var(--color-accent)}
.painter .told {color: var(--error-text-color, #b00); min-height: 1.2em}
"""

# What a browser may fetch for the page: nothing from another machine. Gradio compiles its
# components in the browser, hence 'unsafe-eval'.
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "frame-ancestors 'self'; object-src 'none'; base-uri 'self'"
)


def tab_class(model: str) -> type[Tab]:
    """The class of ``serving/<model>.py``, or the one that serves any model."""
    module = f"{__package__}.{model}"
    if importlib.util.find_spec(module) is None:
        return Tab
    return importlib.import_module(module).Tab


def make_tabs(translators: Sequence, limits: Limits, folder: Path, pool) -> list[Tab]:
    """A tab for each model, with a name of its own that can be an id."""
    tabs = []
    for i, translate in enumerate(translators, 1):
        name = re.sub(r"\W", "-", f"{translate.name}-{i}")
        about = {"name": name, "limits": limits, "folder": folder / name, "pool": pool}
        tabs.append(tab_class(translate.name)(translate, **about))
    return tabs


def titles(translators: Sequence) -> list[str]:
    """What the tabs are called: the model, and its folder where several are of one model."""
    counts = Counter(translate.name for translate in translators)
    found = []
    for translate in translators:
        folder = translate.path.resolve().parent.name
        several = counts[translate.name] > 1 and folder != translate.name
        found.append(f"{translate.name} ({folder})" if several else translate.name)
    counts = Counter(found)
    return [f"{one} {i}" if counts[one] > 1 else one for i, one in enumerate(found, 1)]


def build(gr, tabs: Sequence[Tab]):
    """The page, not yet handed out."""
    names = titles([one.translate for one in tabs])
    # Files that were sent, and results, go after an hour; all of them when the page ends.
    settings = {"title": "paddle_gans", "analytics_enabled": False, "delete_cache": (600, 3600)}
    with gr.Blocks(**settings) as page:
        gr.Markdown("# paddle_gans")
        with gr.Tabs():
            for one, name in zip(tabs, names):
                with gr.Tab(name):
                    about = f"`{one.translate.path}`, step {one.translate.step}"
                    gr.Markdown(f"{one.does} {about}" if one.does else about)
                    one.lay_out(gr)
    return page


def launch(gr, page, *, host: str, port: int, share: bool, queue: int, limits: Limits):
    """Hand the page out; returns its addresses (local, public or None).

    Raises:
        OSError: something took the port since it was found free.
    """
    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    page.queue(max_size=queue, default_concurrency_limit=1, api_open=False)
    Middleware = importlib.import_module("starlette.middleware").Middleware
    _, local, public = page.launch(
        server_name=host,
        server_port=port,
        share=share,
        max_file_size=limits.bytes,
        quiet=True,
        prevent_thread_lock=True,
        ssr_mode=False,
        pwa=False,
        footer_links=[],
        theme=theme,
        css=CSS,
        head=painter.script(limits.bytes, int(limits.megapixels * 1e6)),
        app_kwargs={"middleware": [Middleware(Guard, limits=limits)]},
    )
    return local, public


class Guard:
    """Around the server: answers that may fetch nothing elsewhere, requests of a bounded size."""

    def __init__(self, app, limits: Limits):
        self.app, self.largest = app, 2 * limits.bytes + 2**20  # base64 takes 4/3, forms a little

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self.largest:
            head = [(b"content-type", b"text/plain"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": 413, "headers": head})
            await send({"type": "http.response.body", "body": b"too large; see --max-upload"})
            return

        async def with_policy(message):
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", POLICY.encode())
                message["headers"] = [*message["headers"], policy]
            await send(message)

        await self.app(scope, receive, with_policy)
