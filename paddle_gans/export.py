"""python -m paddle_gans.export runs/pix2pix --format onnx"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

from data_reader import framework
from data_reader.errors import InputError
from paddle_gans.command import Parser, run

EXAMPLE = """
examples:
  python -m paddle_gans.export runs/pix2pix
      for Paddle Inference, into runs/pix2pix/export/paddle
  python -m paddle_gans.export runs/cyclegan --format onnx --output horse2zebra
      both directions, for onnxruntime and what else reads ONNX
  python -m paddle_gans.export runs/cyclegan/generator_ab.pdparams --format onnx
      one of them

Each exported program is run on random inputs and compared with the network; one that is wrong is
not kept. docs/export.md says what was tried, and with which versions.
"""

WORKER = ("-m", "paddle_gans.exporting.worker")
ABOUT = "export.json"  # what is in the folder, and how it is used; the worker writes it
NEEDED = {"paddle": (), "onnx": ("paddle2onnx", "onnx", "onnxruntime")}  # packages of a format
LAST_LINES = 2000  # characters of what an exporter that died has said


def build_parser() -> Parser:
    """The flags."""
    parser = Parser(
        prog="python -m paddle_gans.export",
        description="Write a trained model as programs that run without this package.",
        epilog=EXAMPLE,
    )
    parser.add_argument(
        "run",
        metavar="RUN",
        nargs="?",
        help="a run folder, or a .pdparams file that training saved",
    )
    parser.add_argument(
        "--format",
        choices=tuple(NEEDED),
        help="paddle, for Paddle Inference; or onnx, which needs the extra `export` (paddle)",
    )
    parser.add_argument(
        "--output", metavar="DIR", help="the folder to write (export/FORMAT in the run folder)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an export that is there")
    return parser


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Parse, export in a process of its own, report.

    Raises:
        InputError: something given cannot be used, or the export is wrong; nothing is left then.
    """
    parser = build_parser()
    given = vars(parser.parse_all(argv))
    if "run" not in given:
        raise InputError(
            "RUN is missing: a run folder, or a .pdparams file that training saved; "
            f"{parser.prog} --help lists the flags"
        )
    source, kind = Path(given["run"]), given.get("format", "paddle")
    if not source.exists():
        raise InputError(f"there is no {source}; give a run folder, or a .pdparams file in it")
    require_extra(kind)
    folder = source if source.is_dir() else source.parent
    output = Path(given["output"]) if "output" in given else folder / "export" / kind
    check_output(output, given.get("overwrite", False))
    about = export(source, kind, output)
    report(about, output)
    return 0


def require_extra(kind: str) -> None:
    """Raise InputError or ImportError where a package that is needed is not installed."""
    if importlib.util.find_spec("paddle") is None:
        raise ImportError(framework.INSTALL)
    missing = [name for name in NEEDED[kind] if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"--format {kind} needs {' and '.join(missing)}, which is not installed: "
            "`pip install -e '.[export]'`"
        )


def check_output(output: Path, overwrite: bool) -> None:
    """Raise InputError where the folder may not be made or replaced; only exports ever are."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    if not output.is_dir():
        raise InputError(f"{output} is a file; --output is the folder to write")
    if not overwrite:
        raise InputError(f"{output} is there already; choose another --output, or --overwrite")
    try:
        known = {ABOUT, *json.loads((output / ABOUT).read_text(encoding="utf-8"))["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        known = set()
    other = sorted(path.name for path in output.iterdir() if path.name not in known)
    if other:
        raise InputError(
            f"{output} holds {other[0]}, which is not of an export; choose another --output"
        )


def export(source: Path, kind: str, output: Path) -> dict[str, Any]:
    """Have a process of its own write the folder; returns what that holds.

    Raises:
        InputError: it cannot be done, or the exporter ended its process; nothing is written.
        RuntimeError: a bug.
    """
    with tempfile.TemporaryDirectory() as place:
        told, log = Path(place) / "report.json", Path(place) / "log.txt"
        request = {"weights": str(source), "format": kind, "output": str(output),
                   "report": str(told)}  # fmt: skip
        # The framework's own kernels alone can be traced.
        environment = {**os.environ, "PADDLE_GANS_FAST_CPU": "0", "PYTHONPATH": python_path()}
        command = [sys.executable, *WORKER, json.dumps(request)]
        with log.open("wb") as said:
            process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
            try:
                process.wait()
            finally:
                process.kill()
                process.wait()
                # What it was writing, where it could not clean up after itself.
                for left in output.parent.glob(f".{output.name}.{process.pid}.*"):
                    shutil.rmtree(left, ignore_errors=True)
                with contextlib.suppress(OSError):  # the folder that only this export would need
                    output.parent.rmdir()
        found = json.loads(told.read_text(encoding="utf-8")) if told.exists() else {}
        last = log.read_text(encoding="utf-8", errors="replace")[-LAST_LINES:]
    if "about" in found:
        return found["about"]
    if "error" in found:
        raise InputError(found["error"])
    stage = found.get("stage", "its start")
    words = [line.strip() for line in last.splitlines() if "error]" in line.lower()]
    if process.returncode >= 0:
        raise RuntimeError(f"the exporting process failed at {stage}:\n{last}")
    raise InputError(
        f"the exporter ended with {signal.Signals(-process.returncode).name} at {stage}"
        f"{''.join(f' ({line})' for line in words[-1:])}; another version of it may do better, see "
        "docs/export.md"
    )


def python_path() -> str:
    """Where the other process finds this package, from whatever folder the command is run."""
    here = str(Path(__file__).resolve().parent.parent)
    return os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))


def report(about: dict[str, Any], output: Path) -> None:
    """Say what is there, how close it is, and how it is run."""
    shown = []
    for program in about["programs"]:
        inputs = "; ".join(f"{x['name']} {axes(x['shape'])}" for x in program["inputs"])
        sides = program["sides_are_multiples_of"]
        more = f", sides that divide by {sides}" if sides and sides > 1 else ""
        print(
            f"{program['name']}: {inputs} -> {axes(program['output']['shape'])}{more}; "
            f"differs from the network by {program['largest_difference']:.1e} at most"
        )
        taken = [x["name"] for x in program["inputs"]]
        if taken not in shown:
            shown.append(taken)
    print(f"{len(about['files'])} files and {ABOUT} in {output}\n\nto run it:")
    for program in about["programs"]:
        taken = [x["name"] for x in program["inputs"]]
        if taken in shown:
            shown.remove(taken)
            print("\n" + "\n".join(f"    {line}" for line in program["run"]))


def axes(shape: Sequence[Any]) -> str:
    """A shape as it is read."""
    return f"[{', '.join(map(str, shape))}]"


if __name__ == "__main__":
    run(main)
