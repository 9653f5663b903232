"""The page and its server."""

from __future__ import annotations

import contextlib
import importlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from paddle_gans.weights import pretrained

from .images import Limits
from .model_tab import ModelTab
from .tabs import tab_class

CSS = """
.gradio-container {width: 100% !important; max-width: 1160px !important; margin: 0 auto !important}
.caption p {font-size: 0.85em; opacity: 0.75}
.image .upload-container, .image button:has(img), .image .image-frame {width: 100% !important}
.image img {width: 100% !important; height: auto !important; max-height: 480px !important;
  object-fit: contain !important}
.small img {max-height: 240px !important}
.examples img {border-radius: 6px}
.label {display: inline-flex; gap: 5px; align-items: center; margin-right: 12px; font-size: 0.85em}
.label i {width: 1.1em; height: 1.1em; border-radius: 50%; border: 1px solid gray}
"""

# The browser may fetch nothing from other machines. Gradio compiles its components in the browser,
# hence 'unsafe-eval'.
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "frame-ancestors 'self'; object-src 'none'; base-uri 'self'"
)


def make_tabs(translators: Sequence, limits: Limits, folder: Path, pool) -> list[ModelTab]:
    """Return a tab for each model, with a unique name that can be used in ids."""
    tabs = []
    for i, translate in enumerate(translators, 1):
        name = re.sub(r"\W", "-", f"{translate.name}-{i}")
        settings = {"name": name, "limits": limits, "folder": folder / name, "pool": pool}
        tabs.append(tab_class(translate)(translate, **settings))
    return tabs


def titles(translators: Sequence) -> list[str]:
    """Return the tabs' titles: the model, with its folder if several are of the same model.

    Trained weights that come with the package have their name instead.
    """
    counts = Counter(translate.name for translate in translators)
    found = []
    for translate in translators:
        name, folder = translate.name, translate.path.resolve().parent.name
        if pretrained.is_pretrained(translate.path):
            name = folder
        elif counts[name] > 1 and folder != name:
            name = f"{name} ({folder})"
        found.append(name)
    counts = Counter(found)
    return [f"{one} {i}" if counts[one] > 1 else one for i, one in enumerate(found, 1)]


def build(gr, tabs: Sequence[ModelTab]):
    # Uploads and results are deleted after an hour, and when the page closes.
    settings = {"title": "paddle_gans", "analytics_enabled": False, "delete_cache": (600, 3600)}
    with gr.Blocks(**settings) as page:
        gr.Markdown("# paddle_gans")
        with gr.Tabs():
            for one, title in zip(tabs, titles([one.translate for one in tabs])):
                with gr.Tab(title):
                    weights = f"`{one.translate.path.name}`, step {one.translate.step}"
                    gr.Markdown(f"{one.description} {weights}".strip())
                    one.lay_out(gr)
                    if one.has_webcam:
                        one.lay_out_webcam(gr)
    return page


def launch(gr, page, *, host: str, port: int, share: bool, queue: int, limits: Limits):
    """Start the server; returns its addresses (local, public or None)."""
    theme = gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    page.queue(max_size=queue, default_concurrency_limit=1, api_open=False)
    Middleware = importlib.import_module("starlette.middleware").Middleware  # comes with Gradio
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
        app_kwargs={"middleware": [Middleware(Guard, limits=limits)]},
    )
    return local, public


class Guard:
    """Middleware that limits the size of requests and adds the content security policy."""

    def __init__(self, app, limits: Limits):
        self.disconnect = importlib.import_module("starlette.requests").ClientDisconnect
        self.app, self.max_bytes = app, 2 * limits.bytes + 2**20  # base64 needs 4/3, forms a bit

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self.max_bytes:
            head = [(b"content-type", b"text/plain"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": 413, "headers": head})
            await send({"type": "http.response.body", "body": b"too large; see --max-upload"})
            return

        async def with_policy(message):
            if message["type"] == "http.response.start":
                policy = (b"content-security-policy", POLICY.encode())
                message["headers"] = [*message["headers"], policy]
            await send(message)

        with contextlib.suppress(self.disconnect):  # the page was closed during an upload
            await self.app(scope, receive, with_policy)
