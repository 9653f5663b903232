"""The process that exports: ``python -m paddle_gans.exporting.worker REQUEST``.

The exporters are native code that may crash; a separate process lets the command report that.
``REQUEST`` is JSON with ``weights``, ``format``, ``output`` (a folder, written completely or not at
all), ``runtime`` (the archive that the page needs; null for no page) and ``report``, a file that
holds the current ``stage`` and in the end what the export is ``about``, or the ``error``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from data_reader import framework
from data_reader.errors import InputError

SEED = 0  # of the test inputs
TOLERANCE = 1e-3  # as a share of half the output's range: an eighth of a grey level of 255


def work(request: dict[str, Any]) -> dict[str, Any]:
    """Export the weights into the folder; returns the content of its ``export.json``."""
    framework.prepare()
    from data_reader.atomic import atomic_folder
    from paddle_gans.training.checkpoint import write_json

    output = Path(request["output"])
    with atomic_folder(output) as partial:
        about = write_programs(request, partial, output)
        about["files"] = sorted(path.name for path in partial.iterdir())
        write_json(partial / "export.json", about)
    return about


def write_programs(request: dict[str, Any], folder: Path, shown: Path) -> dict[str, Any]:
    """Write and test every program; ``shown`` is the folder's final path."""
    import paddle

    from paddle_gans import __version__
    from paddle_gans.inference import loading

    from .formats import FORMATS, graph_of
    from .page import write_page
    from .programs import for_page, make_traceable, programs_of

    report = Path(request["report"])
    save_report(report, stage=f"opening {request['weights']}")
    translate = loading.load(request["weights"], device="cpu")
    programs, chosen = programs_of(translate), FORMATS[request["format"]]
    expected = {program.name: samples(program) for program in programs}
    make_traceable(translate.model)
    about = []
    for program in programs:
        stem = folder / program.name
        save_report(report, stage=f"writing {program.name}")
        chosen.write(program, stem)
        save_report(report, stage=f"running the exported {program.name}")
        difference = compare(program.name, chosen.load(stem), expected[program.name])
        lines = chosen.code(program, shown / program.name, graph_of(stem).suffix)
        about.append({**program.about(), "largest_difference": difference, "run": lines})
    result = {
        "model": translate.name,
        "step": translate.step,
        "options": translate.options,
        "format": request["format"],
        "programs": about,
        "versions": {"paddle_gans": __version__, "paddle": paddle.__version__},
    }
    if request.get("runtime"):
        save_report(report, stage="writing the page")
        write_page(folder, for_page(translate, programs), Path(request["runtime"]))
    return result


def samples(program) -> list[tuple[dict[str, np.ndarray], np.ndarray]]:
    """Return random inputs of three sizes, and this package's outputs for them."""
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
    """Return the exported program's largest difference from the truth, over all samples."""
    largest = 0.0
    for arrays, truth in pairs:
        sizes = ", ".join(f"{key} {list(array.shape)}" for key, array in arrays.items())
        result = run(arrays)
        if result.shape != truth.shape:
            raise InputError(
                f"the exported {name} is wrong and was deleted: for {sizes} it returns "
                f"{list(result.shape)}, the network {list(truth.shape)}"
            )
        difference = float(np.abs(result - truth).max())
        allowed = TOLERANCE * float(np.ptp(truth)) / 2 + 1e-6
        if not difference <= allowed:  # NaN is not
            raise InputError(
                f"the exported {name} is wrong and was deleted: for {sizes} its output differs "
                f"from the network's by up to {difference:.3g} (allowed: {allowed:.3g}); try "
                "another version of the framework or the exporter, see docs/export.md"
            )
        largest = max(largest, difference)
    return largest


def save_report(report: Path, **content: Any) -> None:
    report.write_text(json.dumps(content), encoding="utf-8")


def main() -> int:
    """Carry out the request; returns 2 if that is not possible."""
    request = json.loads(sys.argv[1])
    report = Path(request["report"])
    try:
        save_report(report, about=work(request))
    except InputError as error:
        save_report(report, error=str(error))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
