"""python -m paddle_gans.evaluate --weights runs/pix2pix --data facades"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_reader import framework
from data_reader.errors import InputError
from data_reader.output import say
from paddle_gans import __version__
from paddle_gans.command import Parser, run
from paddle_gans.metrics import METRICS

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
    """Return the command's parser."""
    parser = Parser(
        prog="python -m paddle_gans.evaluate",
        description="Measure a trained model on images that it was not trained on.",
        epilog=EXAMPLE,
    )
    parser.add_argument(
        "--weights",
        metavar="PATH|NAME",
        help="a .pdparams file of a run folder, the folder, or the name of trained weights: "
        "`python -m paddle_gans.weights` lists them",
    )
    parser.add_argument(
        "--data",
        metavar="PATH",
        nargs="+",
        help="the data set, in a layout for training, or `demo`: the embedded images",
    )
    parser.add_argument(
        "--output", metavar="FILE", help="JSON file to write (metrics.json beside the weights)"
    )
    what = parser.add_argument_group("metrics")
    what.add_argument(
        "--metrics",
        metavar="NAME",
        nargs="+",
        choices=METRICS,
        help=f"of {', '.join(METRICS)} (all that the model and the given files allow)",
    )
    what.add_argument(
        "--features",
        metavar="FILE",
        help="for fid and kid: the weights of FID's Inception v3 (.pth or .pdparams), or a "
        "program of paddle.jit.save that returns features [N, D]",
    )
    what.add_argument(
        "--lpips",
        metavar=("BACKBONE", "LINEAR"),
        nargs="+",
        help="for lpips: AlexNet or VGG-16 of torchvision, and a file of linear weights (those of "
        "LPIPS 0.1, which come with the package)",
    )
    what.add_argument(
        "--palette",
        metavar="FILE",
        help="for labels: `R G B name` a line (the colours of the truth)",
    )
    what.add_argument(
        "--kid-subset", type=int, metavar="N", help="images in each of KID's 100 subsets (1000)"
    )
    images = parser.add_argument_group("images")
    images.add_argument(
        "--limit", type=int, metavar="N", help="the first N sources and real images of each set"
    )
    images.add_argument("--seed", type=int, metavar="N", help="seed of all random choices (0)")
    images.add_argument(
        "--outputs",
        type=int,
        metavar="N",
        help="StarGAN v2: styles of a source and domain (10); models that generate from noise: "
        "images (as many as are real, at most 10000)",
    )
    images.add_argument(
        "--real",
        choices=("train", "test"),
        help="images that fid and kid compare with (test; train for StarGAN v2, as in its paper, "
        "and for models that generate from noise)",
    )
    images.add_argument(
        "--paired",
        action="store_true",
        help="unpaired data: testA/ and testB/ hold partners of equal names, which are the truth",
    )
    machine = parser.add_argument_group("machine")
    machine.add_argument("--batch-size", type=int, metavar="N", help="images at a time (16)")
    machine.add_argument("--device", metavar="NAME", help="auto, cpu, gpu or gpu:K (auto)")
    machine.add_argument("--amp", choices=("off", "bf16", "fp16"), help="mixed precision (off)")
    machine.add_argument(
        "--cache",
        metavar="DIR",
        help="where features of real images are saved (metrics_cache beside the output)",
    )
    machine.add_argument("--no-cache", action="store_true", help="save no features")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, measure, report."""
    parser = build_parser()
    given = vars(parser.parse_all(list(sys.argv[1:] if argv is None else argv)))
    check(given, parser.prog)
    # Loading a program as a feature network prints warnings otherwise.
    os.environ.setdefault("GLOG_minloglevel", "1")
    framework.prepare()
    from paddle_gans.inference import loading
    from paddle_gans.metrics import measure, report, tasks

    path = report.output_file(given["weights"], given.get("output"))
    machine = {"device": given.get("device", "auto"), "amp": given.get("amp", "off")}
    translate = loading.load(given["weights"], **machine)
    tools = open_tools(given, path.parent)
    root = given["data"][0] if len(given["data"]) == 1 else given["data"]
    config = tasks.EvalConfig(
        **chosen(given, "limit", "batch_size", "seed", "real", "outputs", "paired")
    )
    found, notes = tasks.find_tasks(translate, None if root == "demo" else root, config)
    metrics, more = measure.choose(given.get("metrics"), found, tools)
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
    content["counts"] = {
        task.name: {"made": task.count, "real": task.reals.count} for task in found
    }
    report.write(path, {**content, "figures": rows, "means": means})
    say(f"\n{path}")
    return 0


def chosen(given: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return the arguments of these names that were given."""
    return {name: given[name] for name in names if name in given}


def check(given: Mapping[str, Any], program: str) -> None:
    """Raise InputError for missing or impossible arguments."""
    if "weights" not in given:
        raise InputError(
            "--weights is missing: give a .pdparams file of a run folder, or the folder; "
            f"{program} --help lists the flags"
        )
    if "data" not in given:
        raise InputError("--data is missing: give the data set to evaluate on, or `demo`")
    minimum = {"limit": 1, "batch_size": 1, "outputs": 1, "kid_subset": 2, "seed": 0}
    for name, number in minimum.items():
        if given.get(name, number) < number:
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"{flag} must be at least {number}, not {given[name]}")
    if len(given.get("lpips", [])) > 2:
        raise InputError(f"--lpips takes one or two files, not {len(given['lpips'])}")
    if given.get("no_cache") and "cache" in given:
        raise InputError("--cache and --no-cache exclude each other; give one of them")


def open_tools(given: Mapping[str, Any], folder: Path):
    """Open the networks and the palette that metrics need."""
    from paddle_gans.metrics import cache, features, labels, measure

    saved = None if given.get("no_cache") else Path(given.get("cache", folder / "metrics_cache"))
    return measure.Tools(
        features.open_features(given["features"]) if "features" in given else None,
        features.open_lpips(*given["lpips"]) if "lpips" in given else None,
        labels.read_palette(given["palette"]) if "palette" in given else None,
        cache=cache.Cache(saved),
        **chosen(given, "kid_subset", "seed", "batch_size"),
    )


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
        "kid_subset": tools.kid_subset if "kid" in metrics else None,
        **networks,
    }


if __name__ == "__main__":
    run(main)
