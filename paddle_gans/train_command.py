"""The command that trains: its flags follow from ``RunConfig`` and the model's options."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from data_reader import framework
from data_reader.output import say
from paddle_gans import models
from paddle_gans.command import Parser, add_options, typed, value_of
from paddle_gans.training.config import OPTIONS

PROG = "python -m paddle_gans.train"
EXAMPLES = """
Defaults are in parentheses; those of a model are shown by --model NAME --help.

examples:
  python -m paddle_gans.train --model pix2pix
      trains on the embedded drawings for a few minutes
  python -m paddle_gans.train --model pix2pix --data facades --direction b2a --load-size 0
      trains on your images; the same command again resumes where it stopped
  python -m paddle_gans.train --model pix2pix --help
      lists the model's own options too
"""


def build_parser(defaults: Mapping[str, str] = {}) -> Parser:
    """The flags that every model has; ``defaults`` are texts to show for some."""
    parser = Parser(
        prog=PROG,
        description="Train a GAN, or resume the run in its folder.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "--model", metavar="NAME", required=True, help=f"one of {', '.join(models.names())}"
    )
    add_options(parser, "", OPTIONS, defaults)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="print configuration, data, parameter counts and a step's time; write nothing",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    argv = list(sys.argv[1:] if argv is None else argv)
    name = value_of("--model", argv, PROG)
    if name is None:  # --help, or an error
        build_parser().parse_all(argv)
        return 0
    if name not in models.names():
        models.find(name)  # raises the error before the framework is imported
    framework.prepare()
    from paddle_gans.training import options, trainer
    from paddle_gans.training.guards import Stopped

    model_class = models.find(name)
    parser = build_parser(defaults_of(model_class))
    describe(parser, model_class)
    add_options(parser, f"{name}'s own options", options.options_of(model_class))
    given = vars(parser.parse_all(argv))
    given.pop("model")
    if len(given.get("data", ())) == 1:
        given["data"] = given["data"][0]
    if given.pop("dry_run", False):
        from paddle_gans.training.dry_run import dry_run

        say(dry_run(model_class, **given))
        return 0
    try:
        result = trainer.train(model_class, **given)
    except Stopped as stop:
        stop.advice = f"stopped at step {stop.step}, saved; the same command resumes from there"
        raise
    report(result, model_class, given.get("format", OPTIONS["format"].default))
    return 0


def defaults_of(model_class) -> dict[str, str]:
    """What the help says about the defaults that this model changes."""
    texts = {}
    for name, option in OPTIONS.items():
        paper, demo = (
            getattr(config, name) for config in (model_class.paper_config, model_class.demo_config)
        )
        if (paper, demo) != (option.default, option.default):
            shown = [] if paper is None else [str(paper)]
            shown += [] if demo is None else [f"embedded data {demo}"]
            texts[name] = "; ".join(shown) or "none"
    return texts


def describe(parser: Parser, model_class) -> None:
    """Add what the help of this model has: its metrics, and its options on the embedded data."""
    metrics = [f"{name} ({how})" for name, how in model_class.metrics.items() if how != "none"]
    choices = f"one of {', '.join(metrics)}" if metrics else "this model has no metrics"
    parser._option_string_actions["--best-by"].help += f"; {choices}"
    options = {f"--{n.replace('_', '-')}": value for n, value in model_class.demo_options.items()}
    changed = ", ".join(
        typed(flag, value) if isinstance(value, bool) else f"{flag} {value}"
        for flag, value in options.items()
    )
    parser.epilog += f"\nOn the embedded data the defaults are: {changed}.\n" if changed else ""


def report(result: Any, model_class, suffix: str) -> None:
    """Say where images and weights are, and how to use them."""
    from paddle_gans.inference.translator import takes_images

    weights = result.out / f"{next(iter(model_class.inference))}.{suffix}"
    say(f"\nsamples: {result.out / 'samples'}  curves: {result.out / 'losses.png'}")
    if (result.out / "best").is_dir():
        say(f"best weights: {result.out / 'best'} (their step is in best.json)")
    verb, source = ("translate", " --input PATH") if takes_images(model_class) else ("draw", "")
    say(f"{verb}: python -m paddle_gans.infer --weights {weights}{source} --output DIR")
