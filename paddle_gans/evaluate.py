"""python -m paddle_gans.evaluate --weights runs/pix2pix --data facades"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_reader import framework
from data_reader.errors import InputError
from data_reader.output import say
from paddle_gans import __version__
from paddle_gans.command import Parser, add_options, run
from paddle_gans.metrics import EvalConfig
from paddle_gans.training.options import options_of

EXAMPLE = """
examples:
  python -m paddle_gans.evaluate --weights runs/pix2pix --data facades
      PSNR, SSIM, CIEDE2000, chroma and grid artefacts (lattice) of the test pairs; accuracies if
      the truth is label maps
  ... --features pt_inception-2015-12-05-6726825d.pth --lpips alexnet-owt-7be5be79.pth
      adds FID, KID and LPIPS; for StarGAN v2 of each ordered pair of domains, latent-guided and
      reference-guided, 10 outputs a source, and their diversity
  python -m paddle_gans.evaluate --weights runs/dcgan --data mnist --features features/digits
      the Frechet distance in a feature network of your own; docs/evaluation.md makes one
"""
COLUMNS = {  # digits after the point, and which direction is better
    "fid": (2, "lower"),
    "kid": (5, "lower"),
    "kid_std": (5, ""),
    "lpips_diversity": (4, "higher"),
    "lpips": (4, "lower"),
    "psnr": (2, "higher"),
    "ssim": (4, "higher"),
    "ciede2000": (2, "lower"),
    "chroma": (2, ""),
    "chroma_truth": (2, ""),
    "pixel_accuracy": (4, "higher"),
    "class_accuracy": (4, "higher"),
    "class_iou": (4, "higher"),
    "lattice": (2, ""),
    "lattice_truth": (2, ""),
    "lattice_ratio": (2, "near 1"),
}


def build_parser() -> Parser:
    parser = Parser(
        prog="python -m paddle_gans.evaluate",
        description="Measure a trained model on images that it was not trained on.",
        epilog=EXAMPLE,
    )
    add_options(parser, "", options_of(EvalConfig))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, measure, report."""
    given = vars(build_parser().parse_all(argv))
    config = EvalConfig(**given)
    # Loading a program as a feature network prints warnings otherwise.
    os.environ.setdefault("GLOG_minloglevel", "1")
    framework.prepare()
    from paddle_gans.inference import loading
    from paddle_gans.metrics import measure, tasks
    from paddle_gans.training.checkpoint import write_json
    from paddle_gans.training.experiment import data_root

    path = output_file(config.weights, config.output)
    translate = loading.load(config.weights, device=config.device, amp=config.amp)
    tools = measure.Tools(config, path.parent)
    folders = config.data[0] if len(config.data) == 1 else config.data
    root = data_root(type(translate.model), folders, config.data_root)
    found, notes = tasks.find_tasks(translate, root, config)
    metrics, more = measure.choose(found, tools)
    say(f"{translate.name} of step {translate.step} on {translate.device}: {', '.join(metrics)}")
    for note in [*notes, *more]:
        say(f"note: {note}")

    rows = measure_all(found, metrics, tools)
    means = measure.group_means(rows, found)
    named_means = {f"mean, {name}": row for name, row in means.items()}
    say("\n" + "\n".join(table({**rows, **named_means})))
    fewest = min(min(task.count, task.reals.count) for task in found)
    if "fid" in metrics and fewest <= tools.features.dims:
        say(
            f"note: FID of {fewest} images and {tools.features.dims} features is far higher than "
            "with many images; compare it only with one of the same counts"
        )
    content = describe(translate, given, tools, metrics)
    counts = {task.name: {"made": task.count, "real": task.reals.count} for task in found}
    write_json(path, {**content, "counts": counts, "figures": rows, "means": means})
    say(f"\n{path}")
    return 0


def output_file(weights: str, output: str | None) -> Path:
    """Return where the metrics are written: ``output``, or metrics.json beside the weights.

    For weights that come with the package it is NAME_metrics.json in the working directory.
    """
    from paddle_gans.training.checkpoint import read_json
    from paddle_gans.weights import pretrained

    given = pretrained.locate(weights)
    folder = given if given.is_dir() else given.parent
    path = folder / "metrics.json" if output is None else Path(output)
    if output is None and pretrained.is_pretrained(given):
        path = Path(f"{folder.name}_metrics.json")
    if path.suffix.lower() != ".json":
        raise InputError(f"--output {path} must end in .json, e.g. {path}.json")
    if path.is_dir() or path.parent.is_file():
        raise InputError(f"--output {path} cannot be a file there; name another")
    if path.exists() and "figures" not in read_json(path):
        raise InputError(f"{path} holds something other than metrics; name another --output")
    return path


def measure_all(tasks, metrics: Sequence[str], tools) -> dict[str, dict[str, float]]:
    """Compute the metrics of every task, with progress."""
    from paddle_gans.metrics import measure
    from paddle_gans.training.progress import ItemProgress

    reads_real = tools.features is not None and {"fid", "kid"} & set(metrics)
    total = sum(task.count + (task.reals.count if reads_real else 0) for task in tasks)
    if "lattice" in metrics:
        total += sum(measure.lattice_count(task) for task in tasks if not task.has_truth)
    rows = {}
    with ItemProgress(total, "image") as progress:

        def on_progress(count: int) -> None:
            progress.advance(count)
            done = f"{progress.finished} of at most {progress.total} images"
            progress.tell(f"{progress.name}: {done}")

        for task in tasks:
            progress.start(task.name)
            rows[task.name] = measure.measure(task, metrics, tools, on_progress)
    return rows


def table(rows: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return the lines of a table with a column for each metric, and which direction is better."""
    names = [name for name in COLUMNS if any(name in row for row in rows.values())]
    cells = [["", *names]]
    for title, row in rows.items():
        shown = [f"{row[n]:.{COLUMNS[n][0]}f}" if n in row else "" for n in names]
        cells.append([title, *shown])
    cells.append(["better", *(COLUMNS[name][1] for name in names)])
    first, *widths = (max(map(len, column)) for column in zip(*cells))
    return [
        "  ".join([title.ljust(first), *(cell.rjust(w) for cell, w in zip(line, widths))])
        for title, *line in cells
    ]


def describe(translate, given: Mapping[str, Any], tools, metrics: Sequence[str]) -> dict[str, Any]:
    """Return what was evaluated, and with which networks."""
    networks = {}
    if tools.features is not None:
        networks["features"] = {"name": tools.features.name, "sha256": tools.features.fingerprint}
    if tools.lpips is not None:
        networks["lpips"] = {"name": f"LPIPS v0.1, {tools.lpips.backbone}"}
    return {
        "paddle_gans": __version__,
        "model": translate.name,
        "step": translate.step,
        "given": {key: value for key, value in given.items() if key != "output"},
        "metrics": list(metrics),
        "kid_subset": tools.config.kid_subset if "kid" in metrics else None,
        **networks,
    }


if __name__ == "__main__":
    run(main)
