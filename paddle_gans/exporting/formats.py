"""The two formats: how a program is written, run, and how a user runs it."""

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

OPSET = 13  # of ONNX: old enough for any runtime of the last years, new enough for our layers

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Format:
    """How programs become files and run again.

    ``write(program, stem)`` writes ``<stem>.<suffixes>``; ``opened(stem)`` gives a function from
    arrays by the inputs' names to the output; ``code(program, stem, suffix)`` are lines that do it,
    ``suffix`` being the graph's.
    """

    write: Callable[[Program, Path], None]
    opened: Callable[[Path], Callable[[Arrays], np.ndarray]]
    code: Callable[[Program, Path, str], list[str]]


def write_paddle(program: Program, stem: Path) -> None:
    """Save for Paddle Inference and ``paddle.jit.load``.

    Raises:
        InputError: the framework cannot trace the network.
    """
    with failing(f"Paddle {paddle.__version__} cannot export {program.name}"):
        paddle.jit.save(program.layer, str(stem), input_spec=[f.spec() for f in program.inputs])


def graph_of(stem: Path) -> Path:
    """The file of the graph: .json of Paddle 3, .pdmodel before."""
    graphs = [stem.with_name(stem.name + suffix) for suffix in (".json", ".pdmodel")]
    return next((path for path in graphs if path.exists()), graphs[0])


def open_paddle(stem: Path) -> Callable[[Arrays], np.ndarray]:
    """The program in Paddle Inference, as ``paddle_code`` has it."""
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
    """How to run it with Paddle Inference."""
    lengths = program.example()
    feeds = [f'p.get_input_handle("{f.name}").copy_from_cpu({f.name})' for f in program.inputs]
    return [
        "import numpy as np; from paddle.inference import Config, create_predictor",
        f'config = Config("{stem}{suffix}", "{stem}.pdiparams"); config.disable_mkldnn()',
        "; ".join(field.code(lengths) for field in program.inputs),
        f"p = create_predictor(config); {'; '.join(feeds)}; p.run()",
        "print(p.get_output_handle(p.get_output_names()[0]).copy_to_cpu().shape)",
    ]


def write_onnx(program: Program, stem: Path) -> None:
    """Write ``<stem>.onnx`` by way of Paddle's own file.

    Raises:
        InputError: the framework or paddle2onnx cannot export the network.
    """
    if getattr(program.layer, "fan", None) is not None:
        raise InputError(
            f"ONNX of {program.name} with --w-hpf above 0 is not possible: paddle2onnx ends with "
            "unsupported operators (amax, amin, roll, linspace, meshgrid) in the network that "
            "finds faces; --format paddle works"
        )
    write_paddle(program, stem)
    with failing(f"paddle2onnx does not work with Paddle {paddle.__version__}, see docs/export.md"):
        paddle2onnx = importlib.import_module("paddle2onnx")
    written = [p for p in stem.parent.glob(f"{stem.name}.*") if p.suffix != ".onnx"]
    version = getattr(paddle2onnx, "__version__", "")
    with failing(f"paddle2onnx {version} cannot export {program.name}"):
        # Without a file to write: given one, version 2 has a tool at work on the graph that
        # installs packages of its own accord.
        files = str(graph_of(stem)), f"{stem}.pdiparams"
        graph = paddle2onnx.export(*files, opset_version=OPSET, enable_onnx_checker=True)
        if not graph:
            raise RuntimeError("nothing came of it")
    stem.with_name(f"{stem.name}.onnx").write_bytes(graph)
    for path in written:
        path.unlink()


def open_onnx(stem: Path) -> Callable[[Arrays], np.ndarray]:
    """The program in onnxruntime."""
    onnxruntime = importlib.import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone
    with failing("onnxruntime does not take the exported file"):
        providers = ["CPUExecutionProvider"]
        session = onnxruntime.InferenceSession(f"{stem}.onnx", options, providers=providers)

    def run(arrays: Arrays) -> np.ndarray:
        with failing("onnxruntime cannot run the exported file"):
            return session.run(None, dict(arrays))[0]

    return run


def onnx_code(program: Program, stem: Path, suffix: str) -> list[str]:
    """How to run it with onnxruntime."""
    lengths = program.example()
    feeds = ", ".join(f'"{field.name}": {field.name}' for field in program.inputs)
    return [
        "import numpy as np; import onnxruntime",
        f'session = onnxruntime.InferenceSession("{stem}.onnx")',
        "; ".join(field.code(lengths) for field in program.inputs),
        f"y, = session.run(None, {{{feeds}}})",
        "print(y.shape)",
    ]


@contextlib.contextmanager
def failing(what: str) -> Iterator[None]:
    """Turn whatever the exporter or the runtime raises into an InputError of one line."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[-1] if lines else ""
        raise InputError(f"{what}: {type(error).__name__}: {reason:.300}") from error


FORMATS = {
    "paddle": Format(write_paddle, open_paddle, paddle_code),
    "onnx": Format(write_onnx, open_onnx, onnx_code),
}
