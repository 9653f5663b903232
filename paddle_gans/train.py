"""python -m paddle_gans.train --model pix2pix --data photos"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

if __package__ in (None, ""):  # run as a path: paddle.distributed.launch knows no -m
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from data_reader import framework
from paddle_gans import models
from paddle_gans.command import Parser, add_options, run

EXAMPLE = """
examples:
  python -m paddle_gans.train --model pix2pix
      trains on the embedded drawings for a few minutes
  python -m paddle_gans.train --model pix2pix --data facades --direction b2a --load-size 0
      trains on your pictures; the same command again goes on where it stopped
  python -m paddle_gans.train --model pix2pix --help
      lists the model's own options too
"""


def build_parser() -> Parser:
    """The flags that every model has; help values are the article's where models differ."""
    parser = Parser(
        prog="python -m paddle_gans.train",
        description="Train a GAN of the articles, or go on with a run that is there.",
        epilog=EXAMPLE,
    )
    parser.add_argument(
        "--model", metavar="NAME", required=True, help=f"one of {', '.join(models.names())}"
    )

    data = parser.add_argument_group("data")
    data.add_argument(
        "--data",
        metavar="PATH",
        nargs="+",
        help="a folder or list file in a layout that the model reads (CycleGAN: or two folders); "
        "without it, or `demo`: the embedded drawings, small and short",
    )
    data.add_argument("--limit", type=int, metavar="N", help="use the first N items alone")
    data.add_argument("--batch-size", type=int, metavar="N", help="images; all ranks together")
    data.add_argument(
        "--accumulate", type=int, metavar="N", help="train on the batch in N parts, to save memory"
    )
    data.add_argument("--workers", type=int, metavar="N", help="reading threads; 0: none (2)")

    length = parser.add_argument_group("length (one of the two; no schedule moves with it)")
    length.add_argument("--steps", type=int, metavar="N", help="where the run stops, in all")
    length.add_argument("--epochs", type=int, metavar="N", help="the same in passes over the data")

    files = parser.add_argument_group("files")
    files.add_argument("--out", metavar="DIR", help="run folder (runs/<model>)")
    files.add_argument(
        "--resume",
        metavar="auto|never|PATH",
        help="auto goes on where the run folder stands; never refuses a folder that holds a run; "
        "or a run folder, or a checkpoint in it (auto)",
    )
    files.add_argument(
        "--init-from", metavar="PATH", help="start from the weights of a .pdparams or a run"
    )
    files.add_argument("--log-every", type=int, metavar="N", help="steps between logged losses")
    files.add_argument("--sample-every", type=int, metavar="N", help="steps between panels")
    files.add_argument(
        "--log",
        nargs="+",
        metavar="NAME",
        choices=("visualdl", "tensorboard"),
        help="visualdl, tensorboard: write losses, learning rates, figures and panels for these "
        "too, into folders of the run; needs the extra `log`",
    )
    files.add_argument("--save-every", type=int, metavar="N", help="steps between checkpoints")
    files.add_argument("--keep", type=int, metavar="N", help="checkpoints that are kept")

    validation = parser.add_argument_group("validation (on a test set)")
    validation.add_argument(
        "--validate-every",
        type=int,
        metavar="N",
        help="steps between validations: metrics, and the discriminator's mean output on "
        "training, held-out and generated images, with a warning when it memorises the first; "
        "0: never (each epoch; with each panel for a model without metrics)",
    )
    validation.add_argument(
        "--best-by",
        metavar="FIGURE",
        help="keep the weights that this figure prefers in the run folder's best/, and their "
        "checkpoint besides those of --keep",
    )

    faults = parser.add_argument_group("when something goes wrong (stop ends with exit code 2)")
    faults.add_argument(
        "--on-bad-file",
        choices=("stop", "skip"),
        help="a picture that cannot be read: stop, or take another one and name it in the run "
        "folder's bad_files.txt (stop)",
    )
    faults.add_argument(
        "--on-nan",
        choices=("stop", "skip"),
        help="a loss that is not finite: stop, or leave that update out, at most 20 steps in a "
        "row; skip looks at every loss, for which a GPU waits (stop)",
    )
    faults.add_argument(
        "--on-full-disk",
        choices=("stop", "go-on"),
        help="no space for a checkpoint, a panel or the log: stop, or train on and try again at "
        "the next one; the last checkpoint is needed (stop)",
    )

    machine = parser.add_argument_group("machine")
    machine.add_argument("--device", metavar="NAME", help="auto, cpu, gpu or gpu:K (auto)")
    machine.add_argument("--amp", choices=("off", "bf16", "fp16"), help="mixed precision (off)")
    machine.add_argument("--seed", type=int, metavar="N", help="all random numbers (0)")
    machine.add_argument(
        "--dry-run",
        action="store_true",
        help="print configuration, data, parameter counts and a step's time; write nothing",
    )
    return parser


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Parse, train, report."""
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = build_parser()
    name = named_model(argv)
    if name is None:  # nothing to ask a model for: --help, or an error
        parser.parse_all(argv)
        return 0
    if name not in models.names():
        models.find(name)  # says which models there are, before the framework is imported
    framework.prepare()
    from paddle_gans.training import options, trainer
    from paddle_gans.training.signals import Stopped

    model_class = models.find(name)
    describe_recipe(parser, model_class)
    add_options(parser, f"{name}'s own options", options.options_of(model_class))
    given = vars(parser.parse_all(argv))
    given.pop("model")
    if len(given.get("data", ())) == 1:
        given["data"] = given["data"][0]
    if given.pop("dry_run", False):
        from paddle_gans.training.dry_run import dry_run

        print(dry_run(model_class, **given))
        return 0
    try:
        result = trainer.train(model_class, **given)
    except Stopped as stop:
        stop.advice = f"stopped at step {stop.step}, saved; the same command goes on from there"
        raise
    report(result, model_class)
    return 0


def named_model(argv: Sequence[str]) -> Optional[str]:
    """The value of --model, None without one."""
    for i, word in enumerate(argv):
        if word.startswith("--model="):
            return word.partition("=")[2]
        if word == "--model" and i + 1 < len(argv):
            return argv[i + 1]
    return None


def describe_recipe(parser: Parser, model_class) -> None:
    """Say in the help how long and how often this model's runs are."""
    article, demo = model_class.article, model_class.demo
    for key in (
        "batch_size", "steps", "epochs", "log_every", "sample_every", "save_every", "keep",
        "validate_every",
    ):  # fmt: skip
        flag = "--" + key.replace("_", "-")
        a, d = getattr(article, key), getattr(demo, key)
        if a is None and d is None:
            continue
        action = parser._option_string_actions[flag]
        values = f"{a if a is not None else '-'}; embedded data {d if d is not None else '-'}"
        action.help += f" ({values})"
    figures = [f"{name} ({how})" for name, how in model_class.figures.items() if how != "none"]
    choices = f"of {', '.join(figures)}" if figures else "which this model has none of"
    parser._option_string_actions["--best-by"].help += f"; {choices}"
    changed = ", ".join(f"--{k.replace('_', '-')} {v}" for k, v in demo.options.items())
    parser.epilog += f"\nOn the embedded data the defaults are: {changed}.\n" if changed else ""


def report(result, model_class) -> None:
    """Say where the pictures and the weights are, and how to use them."""
    from paddle_gans.inference.translator import takes_images

    weights = result.out / f"{next(iter(model_class.inference))}.pdparams"
    print(f"\npictures: {result.out / 'samples'}  curves: {result.out / 'losses.png'}")
    if (result.out / "best").is_dir():
        print(f"the best: {result.out / 'best'} (its best.json says of which step)")
    verb, source = ("translate", " --input PATH") if takes_images(model_class) else ("draw", "")
    print(f"{verb}: python -m paddle_gans.infer --weights {weights}{source} --output DIR")


if __name__ == "__main__":
    run(main)
