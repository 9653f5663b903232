"""The process that exports: ``python -m paddle_gans.exporting.worker REQUEST``.

The exporters are native code that may crash; a separate process lets the command report that.
``REQUEST`` is JSON with ``weights``, ``format``, ``folder`` (where to write), ``shown`` (the
folder's final path), ``runtime`` (the archive that the page needs; null for no page) and
``status``, a file that holds the current ``stage``, or in the end the user's ``error``.
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
    """Write and test every program in the folder; returns the content of its ``export.json``."""
    framework.prepare()
    import paddle

    from paddle_gans import __version__
    from paddle_gans.inference import loading
    from paddle_gans.training.checkpoint import write_json

    from .formats import FORMATS, graph_of
    from .page import write_page
    from .programs import for_page, make_traceable, programs_of

    def stage(name: str) -> None:
        write_status(request, stage=name)

    folder, shown = Path(request["folder"]), Path(request["shown"])
    stage(f"opening {request['weights']}")
    translate = loading.load(request["weights"], device="cpu")
    programs, chosen = programs_of(translate), FORMATS[request["format"]]
    expected = {program.name: samples(program) for program in programs}
    make_traceable(translate.model)
    about = []
    for program in programs:
        stem = folder / program.name
        stage(f"writing {program.name}")
        chosen.write(program, stem)
        stage(f"running the exported {program.name}")
        difference = compare(program.name, chosen.load(stem), expected[program.name])
        lines = chosen.code(program, shown / program.name, graph_of(stem).suffix)
        about.append({**program.about(), "largest_difference": difference, "run": lines})
    if request.get("runtime"):
        stage("writing the page")
        write_page(folder, for_page(translate, programs), Path(request["runtime"]))
    result = {
        "model": translate.name,
        "step": translate.step,
        "options": translate.options,
        "format": request["format"],
        "programs": about,
        "versions": {"paddle_gans": __version__, "paddle": paddle.__version__},
        "files": sorted(path.name for path in folder.iterdir()),
    }
    write_json(folder / "export.json", result)
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


def write_status(request: dict[str, Any], **content: str) -> None:
    Path(request["status"]).write_text(json.dumps(content), encoding="utf-8")


def main() -> int:
    """Carry out the request; returns 2 if that is not possible."""
    request = json.loads(sys.argv[1])
    try:
        work(request)
    except InputError as error:
        write_status(request, error=str(error))
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
