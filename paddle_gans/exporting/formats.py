"""The export formats: how to write a program, how to run it, and code that runs it."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import paddle

from data_reader.errors import InputError

from .programs import Program

OPSET = 13  # of ONNX: old enough for any recent runtime, new enough for our layers

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Format:
    """One export format.

    ``write(program, stem)`` writes ``<stem>.<suffixes>``; ``load(stem)`` returns a function from
    the inputs' arrays, by name, to the output; ``code(program, stem, suffix)`` returns lines of
    Python that do the same, where ``suffix`` is the graph file's.
    """

    write: Callable[[Program, Path], None]
    load: Callable[[Path], Callable[[Arrays], np.ndarray]]
    code: Callable[[Program, Path, str], list[str]]


def write_paddle(program: Program, stem: Path) -> None:
    with input_errors(f"Paddle {paddle.__version__} cannot export {program.name}"):
        paddle.jit.save(program.layer, str(stem), input_spec=[f.spec() for f in program.inputs])


def graph_of(stem: Path) -> Path:
    """Return the path of the graph: .json in Paddle 3, .pdmodel in Paddle 2."""
    graphs = [stem.with_name(stem.name + suffix) for suffix in (".json", ".pdmodel")]
    return next((path for path in graphs if path.exists()), graphs[0])


def load_paddle(stem: Path) -> Callable[[Arrays], np.ndarray]:
    from paddle.inference import Config, create_predictor

    config = Config(str(graph_of(stem)), f"{stem}.pdiparams")
    config.disable_mkldnn()
    config.disable_glog_info()
    predictor = create_predictor(config)

    def run(arrays: Arrays) -> np.ndarray:
        for name, array in arrays.items():
            predictor.get_input_handle(name).copy_from_cpu(array)
        predictor.run()
        return predictor.get_output_handle(predictor.get_output_names()[0]).copy_to_cpu()

    return run


def paddle_code(program: Program, stem: Path, suffix: str) -> list[str]:
    """Return code that runs a program with Paddle Inference."""
    feeds = [f'p.get_input_handle("{f.name}").copy_from_cpu({f.name})' for f in program.inputs]
    return [
        "import numpy as np; from paddle.inference import Config, create_predictor",
        f'config = Config("{stem}{suffix}", "{stem}.pdiparams"); config.disable_mkldnn()',
        program.example_inputs(),
        f"p = create_predictor(config); {'; '.join(feeds)}; p.run()",
        "print(p.get_output_handle(p.get_output_names()[0]).copy_to_cpu().shape)",
    ]


def write_onnx(program: Program, stem: Path) -> None:
    """Write ``<stem>.onnx``, converted from Paddle's own format."""
    if getattr(program.layer, "fan", None) is not None:
        raise InputError(
            f"ONNX of {program.name} with --w-hpf above 0 is not possible: paddle2onnx does not "
            "support operators of the face-alignment network (amax, amin, roll, linspace, "
            "meshgrid); use --format paddle"
        )
    write_paddle(program, stem)
    with input_errors(
        f"paddle2onnx does not work with Paddle {paddle.__version__}, see docs/export.md"
    ):
        paddle2onnx = importlib.import_module("paddle2onnx")
    written = [p for p in stem.parent.glob(f"{stem.name}.*") if p.suffix != ".onnx"]
    version = getattr(paddle2onnx, "__version__", "")
    with input_errors(f"paddle2onnx {version} cannot export {program.name}"):
        # Do not pass the output file: version 2 then runs a tool that installs packages.
        files = str(graph_of(stem)), f"{stem}.pdiparams"
        graph = paddle2onnx.export(*files, opset_version=OPSET, enable_onnx_checker=True)
        if not graph:
            raise RuntimeError("it returned no graph")
    stem.with_name(f"{stem.name}.onnx").write_bytes(graph)
    for path in written:
        path.unlink()


def load_onnx(stem: Path) -> Callable[[Arrays], np.ndarray]:
    onnxruntime = importlib.import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    with input_errors("onnxruntime cannot load the exported file"):
        providers = ["CPUExecutionProvider"]
        session = onnxruntime.InferenceSession(f"{stem}.onnx", options, providers=providers)

    def run(arrays: Arrays) -> np.ndarray:
        with input_errors("onnxruntime cannot run the exported file"):
            return session.run(None, dict(arrays))[0]

    return run


def onnx_code(program: Program, stem: Path, suffix: str) -> list[str]:
    """Return code that runs a program with onnxruntime."""
    feeds = ", ".join(f'"{field.name}": {field.name}' for field in program.inputs)
    return [
        "import numpy as np; import onnxruntime",
        f'session = onnxruntime.InferenceSession("{stem}.onnx")',
        program.example_inputs(),
        f"y, = session.run(None, {{{feeds}}})",
        "print(y.shape)",
    ]


@contextlib.contextmanager
def input_errors(what: str) -> Iterator[None]:
    """Turn any exception of the exporter or the runtime into an InputError of one line."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[-1] if lines else ""
        raise InputError(f"{what}: {type(error).__name__}: {reason:.300}") from error


FORMATS = {
    "paddle": Format(write_paddle, load_paddle, paddle_code),
    "onnx": Format(write_onnx, load_onnx, onnx_code),
}
