"""The process that exports: ``python -m paddle_gans.exporting.worker REQUEST``.

The exporters are native code that may end their process; the command sees that from outside.
``REQUEST`` is JSON with ``weights``, ``format``, ``output`` (a folder that is written whole or not
at all) and ``report``, a file that is written as the work goes: it holds the ``stage``, at last
what the export is ``about``, or the ``error``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from data_reader import framework
from data_reader.errors import InputError

SEED = 0  # of the images that a program is tried with

# How far apart the outputs may lie, of half their own range: an eighth of a grey level of 255.
TOLERANCE = 1e-3


def work(request: dict[str, Any]) -> dict[str, Any]:
    """Export the weights into the folder; returns what ``export.json`` in it says.

    Raises:
        InputError: the weights cannot be opened, a program not be written, or it is wrong.
    """
    framework.prepare()
    from data_reader.atomic import atomic_folder
    from paddle_gans.training.checkpoint import write_json

    output = Path(request["output"])
    with atomic_folder(output) as partial:
        about = written(request, partial, output)
        about["files"] = sorted(path.name for path in partial.iterdir())
        write_json(partial / "export.json", about)
    return about


def written(request: dict[str, Any], folder: Path, shown: Path) -> dict[str, Any]:
    """Write every program into a folder, which will be called ``shown``, and compare it.

    Raises:
        InputError: as of ``work``.
    """
    import paddle

    from paddle_gans import __version__
    from paddle_gans.inference import loading

    from .formats import FORMATS, graph_of
    from .programs import programs_of
    from .traceable import make_traceable

    report = Path(request["report"])
    tell(report, stage=f"opening {request['weights']}")
    translate = loading.load(request["weights"], device="cpu")
    programs, chosen = programs_of(translate), FORMATS[request["format"]]
    tried = {program.name: samples(program) for program in programs}
    make_traceable(translate.model)
    about = []
    for program in programs:
        stem = folder / program.name
        tell(report, stage=f"writing {program.name}")
        chosen.write(program, stem)
        tell(report, stage=f"running the exported {program.name}")
        difference = compare(program.name, chosen.opened(stem), tried[program.name])
        lines = chosen.code(program, shown / program.name, graph_of(stem).suffix)
        about.append({**program.about(), "largest_difference": difference, "run": lines})
    return {
        "model": translate.name,
        "step": translate.step,
        "options": translate.options,
        "format": request["format"],
        "programs": about,
        "versions": {"paddle_gans": __version__, "paddle": paddle.__version__},
    }


def samples(program) -> list[tuple[dict[str, np.ndarray], np.ndarray]]:
    """Random inputs of three sizes, and what this package makes of them."""
    import paddle

    rng = np.random.default_rng(SEED)
    pairs = []
    for lengths in program.cases():
        arrays = {field.name: field.draw(rng, lengths) for field in program.inputs}
        with paddle.no_grad():
            truth = program.truth(*map(paddle.to_tensor, arrays.values())).numpy()
        pairs.append((arrays, truth))
    return pairs


def compare(name: str, run, pairs) -> float:
    """The largest difference of the exported program from the truth, over all samples.

    Raises:
        InputError: it is another shape, not finite, or too large.
    """
    largest = 0.0
    for arrays, truth in pairs:
        sizes = ", ".join(f"{key} {list(array.shape)}" for key, array in arrays.items())
        result = run(arrays)
        if result.shape != truth.shape:
            raise InputError(
                f"the exported {name} is wrong and was deleted: of {sizes} it makes "
                f"{list(result.shape)}, the network {list(truth.shape)}"
            )
        difference = float(np.abs(result - truth).max())
        allowed = TOLERANCE * float(np.ptp(truth)) / 2 + 1e-6
        if not difference <= allowed:  # NaN is not
            raise InputError(
                f"the exported {name} is wrong and was deleted: of {sizes} it makes something that "
                f"differs from the network's by up to {difference:.3g} (allowed: {allowed:.3g}); "
                "another version of the framework or the exporter may do better, see docs/export.md"
            )
        largest = max(largest, difference)
    return largest


def tell(report: Path, **what: Any) -> None:
    """Say how far the work is."""
    report.write_text(json.dumps(what), encoding="utf-8")


def main() -> int:
    """Do what the request says; 2 where it cannot be done."""
    request = json.loads(sys.argv[1])
    report = Path(request["report"])
    try:
        tell(report, about=work(request))
    except InputError as error:
        tell(report, error=str(error))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
