"""python -m paddle_gans.evaluate --weights runs/pix2pix --data facades"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

from data_reader import framework
from data_reader.errors import InputError
from paddle_gans import __version__
from paddle_gans.command import Parser, run
from paddle_gans.metrics import METRICS

EXAMPLE = """
examples:
  python -m paddle_gans.evaluate --weights runs/pix2pix --data facades
      PSNR, SSIM, CIEDE2000, chroma and grid artefacts (lattice) of the test pairs; accuracies,
      where the truth is labels
  ... --features pt_inception-2015-12-05-6726825d.pth --lpips alexnet-owt-7be5be79.pth alex.pth
      FID, KID and LPIPS too; of StarGAN v2 for each ordered pair of domains, in drawn and in
      copied styles, 10 outputs a source, and their diversity
  python -m paddle_gans.evaluate --weights runs/dcgan --data mnist --features features/digits
      the Frechet distance in a feature network of your own; docs/evaluation.md makes one
"""


def build_parser() -> Parser:
    """The flags."""
    parser = Parser(
        prog="python -m paddle_gans.evaluate",
        description="Measure a trained model on pictures that it was not trained on.",
        epilog=EXAMPLE,
    )
    parser.add_argument(
        "--weights", metavar="PATH", help="a .pdparams file that training saved, or its run folder"
    )
    parser.add_argument(
        "--data",
        metavar="PATH",
        nargs="+",
        help="the data set, laid out as for training, or `demo`: the embedded drawings",
    )
    parser.add_argument(
        "--output", metavar="FILE", help="the figures as JSON (metrics.json beside the weights)"
    )
    what = parser.add_argument_group("what is measured")
    what.add_argument(
        "--metrics",
        metavar="NAME",
        nargs="+",
        choices=METRICS,
        help=f"of {', '.join(METRICS)} (all that the model and the files given allow)",
    )
    what.add_argument(
        "--features",
        metavar="FILE",
        help="for fid and kid: the weights of FID's Inception v3 (.pth or .pdparams), or a "
        "program of paddle.jit.save that gives features [N, D]",
    )
    what.add_argument(
        "--lpips",
        metavar=("BACKBONE", "LINEAR"),
        nargs=2,
        help="for lpips: AlexNet or VGG-16 of torchvision, and the authors' linear weights",
    )
    what.add_argument(
        "--palette",
        metavar="FILE",
        help="for labels: `R G B name` a line (the colours that the truth holds)",
    )
    what.add_argument(
        "--kid-subset", type=int, metavar="N", help="pictures of each of KID's 100 subsets (1000)"
    )
    add_pictures(parser)
    machine = parser.add_argument_group("machine")
    machine.add_argument("--batch-size", type=int, metavar="N", help="pictures at a time (16)")
    machine.add_argument("--device", metavar="NAME", help="auto, cpu, gpu or gpu:K (auto)")
    machine.add_argument(
        "--cache",
        metavar="DIR",
        help="keeps the features of real pictures (metrics_cache beside the output)",
    )
    machine.add_argument("--no-cache", action="store_true", help="keep nothing")
    return parser


def add_pictures(parser: Parser) -> None:
    """The flags of which pictures are made and compared."""
    pictures = parser.add_argument_group("pictures")
    pictures.add_argument(
        "--limit", type=int, metavar="N", help="the first N sources and real pictures of each set"
    )
    pictures.add_argument("--seed", type=int, metavar="N", help="of all that is drawn (0)")
    pictures.add_argument(
        "--outputs",
        type=int,
        metavar="N",
        help="StarGAN v2: styles of a source and domain (10); a model that draws: pictures (as "
        "many as are real, 10000 at most)",
    )
    pictures.add_argument(
        "--real",
        choices=("train", "test"),
        help="which pictures fid and kid compare with (test; of StarGAN v2, as its paper does, "
        "and of models that draw: train)",
    )
    pictures.add_argument(
        "--paired",
        action="store_true",
        help="CycleGAN: testA/ and testB/ hold partners of the same names, which are the truth",
    )


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Parse, measure, report.

    Raises:
        InputError: something given cannot be used; nothing is written then.
    """
    parser = build_parser()
    given = vars(parser.parse_all(list(sys.argv[1:] if argv is None else argv)))
    check(given, parser.prog)
    # A program that runs as a feature network says of itself that it does.
    os.environ.setdefault("GLOG_minloglevel", "1")
    framework.prepare()
    from paddle_gans.inference import loading
    from paddle_gans.metrics import measure, report, subjects

    path = report.place(given["weights"], given.get("output"))
    translate = loading.load(given["weights"], device=given.get("device", "auto"))
    tools = open_tools(given, path.parent)
    root = given["data"][0] if len(given["data"]) == 1 else given["data"]
    names = ("limit", "batch_size", "seed", "real", "outputs", "paired")
    choice = subjects.Choice(**{name: given[name] for name in names if name in given})
    found, notes = subjects.find_subjects(translate, None if root == "demo" else root, choice)
    metrics, more = measure.choose(given.get("metrics"), found, tools)
    print(f"{translate.name} of step {translate.step} on {translate.device}: {', '.join(metrics)}")
    for note in [*notes, *more]:
        print(f"note: {note}", flush=True)

    figures = measure_all(found, metrics, tools)
    groups: dict[str, list[str]] = {}
    for one in found:
        if one.group:
            groups.setdefault(one.group, []).append(one.name)
    means = measure.means(figures, groups)
    rows = {**figures, **{f"mean, {name}": row for name, row in means.items()}}
    print("\n" + "\n".join(report.table(rows)))
    for note in remarks(found, metrics, tools):
        print(f"note: {note}")
    content = about(translate, given, tools, metrics)
    content["counts"] = {s.name: {"made": s.count, "real": s.reals.count} for s in found}
    report.write(path, {**content, "figures": figures, "means": means})
    print(f"\n{path}")
    return 0


def check(given: Mapping[str, Any], program: str) -> None:
    """Raise InputError for what is missing or cannot be."""
    if "weights" not in given:
        raise InputError(
            "--weights is missing: a .pdparams file that training saved, or its run folder; "
            f"{program} --help lists the flags"
        )
    if "data" not in given:
        raise InputError("--data is missing: the data set to measure on, or `demo`")
    least = {"limit": 1, "batch_size": 1, "outputs": 1, "kid_subset": 2, "seed": 0}
    for name, number in least.items():
        if given.get(name, number) < number:
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"{flag} is a whole number from {number} on, not {given[name]}")
    if given.get("no_cache") and "cache" in given:
        raise InputError("--cache names a folder and --no-cache wants none; give one of them")


def open_tools(given: Mapping[str, Any], folder: Path):
    """The networks and the palette that figures are found with.

    Raises:
        InputError: a file of theirs cannot be used.
    """
    from paddle_gans.metrics import cache, features, labels, measure

    kept = None if given.get("no_cache") else Path(given.get("cache", folder / "metrics_cache"))
    names = ("kid_subset", "seed", "batch_size")
    return measure.Tools(
        features.open_features(given["features"]) if "features" in given else None,
        features.open_lpips(*given["lpips"]) if "lpips" in given else None,
        labels.read_palette(given["palette"]) if "palette" in given else None,
        cache=cache.Cache(kept),
        **{name: given[name] for name in names if name in given},
    )


def measure_all(found, metrics: Sequence[str], tools) -> dict[str, dict[str, float]]:
    """The figures of every row, with a bar."""
    from paddle_gans.metrics import measure, report

    looks_at_real = tools.features is not None and {"fid", "kid"} & set(metrics)
    total = sum(one.count + (one.reals.count if looks_at_real else 0) for one in found)
    if "lattice" in metrics:
        total += sum(measure.lattice_reals(one) for one in found if not one.has_truth)
    figures = {}
    with report.Meter(total, "picture") as meter:
        for one in found:
            meter.row(one.name)
            figures[one.name] = measure.measure(one, metrics, tools, meter.tick)
    return figures


def remarks(found, metrics: Sequence[str], tools) -> list[str]:
    """What to know of the figures."""
    if "fid" not in metrics:
        return []
    fewest = min(min(one.count, one.reals.count) for one in found)
    if fewest > tools.features.dims:
        return []
    return [
        f"FID from {fewest} pictures and {tools.features.dims} features is far above what many "
        "pictures would give; compare it only with one of the same counts"
    ]


def about(translate, given: Mapping[str, Any], tools, metrics: Sequence[str]) -> dict[str, Any]:
    """What the figures are of, and what they were found with."""
    networks = {}
    if tools.features is not None:
        networks["features"] = {"name": tools.features.name, "sha256": tools.features.fingerprint}
    if tools.lpips is not None:
        networks["lpips"] = {"name": tools.lpips.name}
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
