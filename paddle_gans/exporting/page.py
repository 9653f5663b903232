"""A page that runs exported ONNX programs in the browser: one HTML file that holds everything."""

from __future__ import annotations

import base64
import gzip
import json
import os
import tarfile
from pathlib import Path
from typing import Any

from data_reader import _fetching
from data_reader._data_sets import File
from data_reader.errors import InputError, disk_errors

NAME = "index.html"
REGISTRY = "npm_config_registry"  # npm's own environment variable for a mirror
RUNTIME = File(
    "https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-1.30.0.tgz",
    33106585,
    "sha512:ab4cbe26baedba45d2cec05610c71c55fa97db92d19a8b171c5f8269126683ca"
    "590a5cdc57bb2f35ce2b298de32f4d956fb42644c0ecd528a0a91e025c07ca61",
    mirror=REGISTRY,
)
# Of its files, those of the backend that runs in every browser, on one thread.
MEMBERS = {
    "runtime": "package/dist/ort.wasm.bundle.min.mjs",
    "wasm": "package/dist/ort-wasm-simd-threaded.wasm",
}
WEB = Path(__file__).parent / "web"
MAX_PROGRAM = 380_000_000  # bytes; Chromium's strings end at 2**29, and base64 needs 4/3


def fetch_runtime() -> Path:
    """Return the runtime's archive from the cache, downloading it there first if need be."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "paddle_gans"
    with disk_errors(f"cannot write to {folder}"):
        folder.mkdir(parents=True, exist_ok=True)
    base, _, path = RUNTIME.url.partition("/onnxruntime-web/")
    registry = os.environ.get(REGISTRY) or os.environ.get(REGISTRY.upper()) or base
    url = f"{registry.rstrip('/')}/onnxruntime-web/{path}"
    try:
        found = _fetching.fetch(RUNTIME, url, folder, checked=True, retries=5)
    except _fetching.Unusable:
        _fetching.discard(folder / f"{RUNTIME.name}.part")
        raise
    if found.suffix == ".part":
        found = found.replace(folder / RUNTIME.name)
        _fetching.discard(folder / f"{RUNTIME.name}.part")
    return found


def write_page(folder: Path, about: dict[str, Any], archive: Path) -> None:
    """Write the page for the programs in a folder; ``about`` is what `programs.for_page` returns.

    ``archive`` is the runtime's, see `fetch_runtime`.
    """
    blocks = {name: read_member(archive, member) for name, member in MEMBERS.items()}
    for program in about["programs"]:
        blocks[program["name"]] = (folder / f"{program['name']}.onnx").read_bytes()
    html = (WEB / NAME).read_text(encoding="utf-8")
    for name in ("style.css", "worker.js", "page.js"):
        html = html.replace(f"/* {name} */", (WEB / name).read_text(encoding="utf-8"))
    # "<" could end the element.
    html = html.replace("{}", json.dumps(about).replace("<", "\\u003c"), 1)
    head, _, tail = html.partition("<!-- data -->")
    with (folder / NAME).open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(head)
        for name, content in blocks.items():
            if len(content) > MAX_PROGRAM:
                raise InputError(
                    f"{name} has {len(content) / 1e6:.0f} MB, too many for a page (at most "
                    f"{MAX_PROGRAM // 10**6}); export without --page"
                )
            packed = base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()
            stream.write(f'<script type="text/plain" id="data-{name}">{packed}</script>\n')
        stream.write(tail)


def read_member(archive: Path, member: str) -> bytes:
    with tarfile.open(archive) as files:
        return files.extractfile(member).read()  # the archive's checksum was verified
