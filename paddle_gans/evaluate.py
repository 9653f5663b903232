"""python -m paddle_gans.evaluate --weights runs/pix2pix --data facades"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from data_reader import framework
from data_reader.output import say
from paddle_gans import __version__
from paddle_gans.command import Parser, add_options, run
from paddle_gans.metrics import METAVARS, EvalConfig
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


def build_parser() -> Parser:
    parser = Parser(
        prog="python -m paddle_gans.evaluate",
        description="Measure a trained model on images that it was not trained on.",
        epilog=EXAMPLE,
    )
    add_options(parser, "", options_of(EvalConfig), metavars=METAVARS)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, measure, report."""
    given = vars(build_parser().parse_all(argv))
    config = EvalConfig(**given)
    # Loading a program as a feature network prints warnings otherwise.
    os.environ.setdefault("GLOG_minloglevel", "1")
    framework.prepare()
    from paddle_gans.inference import loading
    from paddle_gans.metrics import measure, report, tasks
    from paddle_gans.training.checkpoint import write_json
    from paddle_gans.training.experiment import data_root

    path = report.output_file(config.weights, config.output)
    translate = loading.load(config.weights, device=config.device, amp=config.amp)
    tools = measure.open_tools(config, path.parent)
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
    say("\n" + "\n".join(report.table({**rows, **named_means})))
    if "fid" in metrics:
        warn_of_few_images(found, tools)
    content = describe(translate, given, tools, metrics)
    counts = {task.name: {"made": task.count, "real": task.reals.count} for task in found}
    write_json(path, {**content, "counts": counts, "figures": rows, "means": means})
    say(f"\n{path}")
    return 0


def measure_all(tasks, metrics: Sequence[str], tools) -> dict[str, dict[str, float]]:
    """Compute the metrics of every task, with progress."""
    from paddle_gans.inference.progress import Progress
    from paddle_gans.metrics import measure

    reads_real = tools.features is not None and {"fid", "kid"} & set(metrics)
    total = sum(task.count + (task.reals.count if reads_real else 0) for task in tasks)
    if "lattice" in metrics:
        total += sum(measure.lattice_count(task) for task in tasks if not task.has_truth)
    rows = {}
    with Progress(total, "image") as progress:

        def on_progress(count: int) -> None:
            progress.advance(count)
            done = f"{progress.finished} of at most {progress.total} images"
            progress.tell(f"{progress.name}: {done}")

        for task in tasks:
            progress.start(task.name)
            rows[task.name] = measure.measure(task, metrics, tools, on_progress)
    return rows


def warn_of_few_images(tasks, tools) -> None:
    """Print a note if there are too few images for a meaningful FID."""
    fewest = min(min(task.count, task.reals.count) for task in tasks)
    if fewest <= tools.features.dims:
        say(
            f"note: FID of {fewest} images and {tools.features.dims} features is far higher than "
            "with many images; compare it only with one of the same counts"
        )


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
