"""python -m paddle_gans.export runs/pix2pix --format onnx"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data_reader import framework
from data_reader.atomic import atomic_folder
from data_reader.errors import InputError
from data_reader.output import say
from paddle_gans.command import Parser, run
from paddle_gans.exporting import page
from paddle_gans.weights import pretrained

EXAMPLE = """
examples:
  python -m paddle_gans.export runs/pix2pix
      for Paddle Inference, written to runs/pix2pix/export/paddle
  python -m paddle_gans.export runs/cyclegan --format onnx --output horse2zebra
      both directions, for onnxruntime and other programs that read ONNX
  python -m paddle_gans.export runs/cyclegan/generator_ab.pdparams --format onnx
      one direction
  python -m paddle_gans.export pix2pix_demo --format onnx --page
      and a page, index.html, that runs it in the browser: a double click opens it

Each exported program is run on random inputs and compared with the network; wrong programs are
deleted. docs/export.md lists the tested models and versions.
"""

WORKER = ("-m", "paddle_gans.exporting.worker")
ABOUT = "export.json"  # describes the programs in the folder; written by the worker
NEEDED = {"paddle": (), "onnx": ("paddle2onnx", "onnx", "onnxruntime")}  # packages of a format
LOG_TAIL = 2000  # characters of the output of an exporter that crashed


def build_parser() -> Parser:
    parser = Parser(
        prog="python -m paddle_gans.export",
        description="Export a trained model as programs that run without this package.",
        epilog=EXAMPLE,
    )
    parser.add_argument(
        "run",
        metavar="RUN",
        nargs="?",
        help="a run folder, a .pdparams file saved by training, or the name of trained weights",
    )
    parser.add_argument(
        "--format",
        choices=tuple(NEEDED),
        help="paddle: Paddle Inference; onnx: needs the extra `export` (paddle)",
    )
    parser.add_argument(
        "--output", metavar="DIR", help="output folder (export/FORMAT in the run folder)"
    )
    parser.add_argument(
        "--page",
        action="store_true",
        help="also write index.html, which runs the ONNX programs in the browser, without a "
        "server or a network; downloads onnxruntime-web once (33 MB)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing export")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, export in a separate process, report."""
    parser = build_parser()
    given = vars(parser.parse_all(argv))
    if "run" not in given:
        raise InputError(
            "RUN is missing: give a run folder, or a .pdparams file saved by training; "
            f"{parser.prog} --help lists the flags"
        )
    source, kind = pretrained.locate(given["run"]), given.get("format", "paddle")
    if given.get("page") and kind != "onnx":
        raise InputError("--page runs ONNX programs; add --format onnx")
    if not source.exists():
        raise InputError(f"{source} does not exist; give a run folder, or a .pdparams file in it")
    require_extra(kind)
    folder = source if source.is_dir() else source.parent
    output = folder / "export" / kind
    if pretrained.is_pretrained(source):
        output = Path("export") / folder.name / kind
    output = Path(given.get("output", output))
    check_output(output, given.get("overwrite", False))
    about = export(source, kind, output, page.fetch_runtime() if given.get("page") else None)
    report(about, output)
    return 0


def require_extra(kind: str) -> None:
    """Raise InputError or ImportError if a required package is not installed."""
    if importlib.util.find_spec("paddle") is None:
        raise ImportError(framework.INSTALL)
    missing = [name for name in NEEDED[kind] if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"--format {kind} needs {' and '.join(missing)}, which is not installed; run "
            f"{framework.install_command('export')}"
        )


def check_output(output: Path, overwrite: bool) -> None:
    """Raise InputError unless the folder is new, or an export that may be replaced."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    if not output.is_dir():
        raise InputError(f"{output} is a file; --output must be a folder")
    if not overwrite:
        raise InputError(f"{output} already exists; choose another --output, or add --overwrite")
    try:
        known = {ABOUT, *json.loads((output / ABOUT).read_text(encoding="utf-8"))["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        known = set()
    other = sorted(path.name for path in output.iterdir() if path.name not in known)
    if other:
        raise InputError(
            f"{output} contains {other[0]}, which is not part of an export; choose another --output"
        )


def export(source: Path, kind: str, output: Path, runtime: Path | None = None) -> dict[str, Any]:
    """Write the folder in a separate process; returns the content of its export.json.

    With the archive of a ``runtime``, the folder also holds a page.
    """
    paths = [str(Path(__file__).resolve().parent.parent), os.environ.get("PYTHONPATH")]
    # Only the framework's own kernels can be traced.
    environment = {**os.environ, "PADDLE_GANS_FAST_CPU": "0",
                   "PYTHONPATH": os.pathsep.join(filter(None, paths))}  # fmt: skip
    try:
        with tempfile.TemporaryDirectory() as place, atomic_folder(output) as folder:
            status, log = Path(place) / "status.json", Path(place) / "log.txt"
            request = {"weights": str(source), "format": kind, "folder": str(folder),
                       "shown": str(output), "status": str(status),
                       "runtime": runtime and str(runtime)}  # fmt: skip
            command = [sys.executable, *WORKER, json.dumps(request)]
            with log.open("wb") as stream:
                done = subprocess.run(command, env=environment, stdout=stream, stderr=stream)
            if done.returncode != 0:
                found = json.loads(status.read_text("utf-8")) if status.exists() else {}
                last = log.read_text("utf-8", errors="replace")[-LOG_TAIL:]
                raise failure(done.returncode, found, last)
            return json.loads((folder / ABOUT).read_text("utf-8"))
    finally:
        with contextlib.suppress(OSError):  # fails unless the folder is empty
            output.parent.rmdir()


def failure(code: int, status: dict[str, str], log: str) -> Exception:
    """The exception for a process that failed: a user's error, a crash, or a bug."""
    if "error" in status:
        return InputError(status["error"])
    stage = status.get("stage", "its start")
    if code > 0:
        return RuntimeError(f"the exporting process failed at {stage}:\n{log}")
    words = [f" ({line.strip()})" for line in log.splitlines() if "error]" in line.lower()]
    return InputError(
        f"the exporter crashed with {signal.Signals(-code).name} at {stage}{''.join(words[-1:])}; "
        "try another version of it, see docs/export.md"
    )


def report(about: dict[str, Any], output: Path) -> None:
    examples = {}  # one for each kind of inputs
    for program in about["programs"]:
        inputs = "; ".join(f"{x['name']} {axes(x['shape'])}" for x in program["inputs"])
        sides = program["sides_are_multiples_of"]
        more = f", sides are multiples of {sides}" if sides and sides > 1 else ""
        say(
            f"{program['name']}: {inputs} -> {axes(program['output']['shape'])}{more}; "
            f"largest difference from the network: {program['largest_difference']:.1e}"
        )
        examples.setdefault(tuple(x["name"] for x in program["inputs"]), program["run"])
    say(f"{len(about['files'])} files and {ABOUT} in {output}")
    if page.NAME in about["files"]:
        size = (output / page.NAME).stat().st_size / 1e6
        say(f"{output / page.NAME} ({size:.1f} MB) runs in the browser: open it by a double click")
    say("\nto run it:")
    for lines in examples.values():
        say("\n" + "\n".join(f"    {line}" for line in lines))


def axes(shape: Sequence[Any]) -> str:
    return f"[{', '.join(map(str, shape))}]"


if __name__ == "__main__":
    run(main)
