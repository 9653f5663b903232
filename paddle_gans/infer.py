"""python -m paddle_gans.infer --weights generator.pdparams --input photos --output out"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from data_reader import framework
from data_reader.errors import InputError
from paddle_gans.command import Parser, add_options, run
from paddle_gans.inference.progress import Progress, counted, noun_for

EXAMPLE = """
examples:
  python -m paddle_gans.infer --weights runs/pix2pix/generator.pdparams --input photos --output out
      translates every picture in photos/, and in the folders in it, into out/
  python -m paddle_gans.infer --weights runs/pix2pix --input 'trip/**/*.jpg' clip.mp4 --output out
      what a glob matches, and a video; out/clip.mp4 has its frames, rate and size
  python -m paddle_gans.infer --weights runs/pix2pix --input map.tif --output map.png --tile 1024
      one file, in parts: for pictures larger than memory
  python -m paddle_gans.infer --weights runs/pix2pix --help
      lists the options of that model too
"""


def build_parser() -> Parser:
    """The flags that every model has."""
    parser = Parser(
        prog="python -m paddle_gans.infer",
        description="Translate pictures and videos with a trained model.",
        epilog=EXAMPLE,
    )
    parser.add_argument(
        "--weights",
        metavar="PATH",
        help="a .pdparams file that training saved, or its run folder",
    )
    files = parser.add_argument_group("files")
    files.add_argument(
        "--input",
        metavar="PATH",
        nargs="+",
        action="extend",
        help="pictures, folders of pictures, globs, videos; a model that draws from noise has none",
    )
    files.add_argument(
        "--output",
        metavar="PATH",
        help="a file, if it ends in a picture's or video's suffix; else a folder, which gets "
        "NAME.png and NAME.mp4 in the folders of the input (NAME_jpg.png and NAME_png.png where "
        "both would be NAME.png)",
    )
    files.add_argument("--overwrite", action="store_true", help="replace outputs that are there")

    machine = parser.add_argument_group("machine")
    machine.add_argument("--device", metavar="NAME", help="auto, cpu, gpu or gpu:K (auto)")
    machine.add_argument(
        "--tile", type=int, metavar="N", help="pixels; work on squares of N, for large pictures"
    )
    machine.add_argument(
        "--overlap",
        type=int,
        metavar="M",
        help="pixels that tiles share; more hides their seams (a quarter of the tile)",
    )
    return parser


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Parse, translate, report.

    Raises:
        InputError: something given cannot be used, or some of the inputs could not be read.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = build_parser()
    path = named_weights(argv)
    if path is None:  # no model to ask for its options: --help, or an error
        parser.parse_known_args(argv)
        raise InputError(
            "--weights is missing: a .pdparams file that training saved, or its run folder; "
            f"{parser.prog} --help lists the flags"
        )
    framework.prepare()
    from paddle_gans.inference import files, loading

    weights = loading.read(path)
    describe_model(parser, weights)
    given = vars(parser.parse_all(argv))
    answer = weights.task_class.answer(weights, given)
    if answer is not None:
        print(answer)
        return 0

    require_files(weights, given)
    output, overwrite = given["output"], given.get("overwrite", False)
    settings = {
        key: given[key] for key in ("tile", "overlap", *weights.translate_options) if key in given
    }
    flags = {key: given[key] for key in weights.task_options if key in given}
    translate = loading.build(weights, given.get("device", "auto"))
    translate.check(**settings)  # before the output folder is made
    if not weights.takes_pictures:
        written = files.save_drawn(translate(**settings), output, overwrite)
        print(f"{counted(len(written), 'file')} in {output}")
        return 0
    task = weights.task_class(translate, settings, output, overwrite, **flags)
    jobs = task.plan(given["input"])
    what = f"{translate.name} of step {translate.step} on {translate.device}"
    print(f"{what}: {counted(len(jobs), noun_for(jobs))}", flush=True)
    translate_all(task, jobs)
    return 0


def named_weights(argv: Sequence[str]) -> Optional[str]:
    """The value of --weights, or the first one of --compare; None without either."""
    parser = Parser(prog="python -m paddle_gans.infer", add_help=False)
    parser.add_argument("--weights", default=None)
    parser.add_argument("--compare", nargs="+", default=[None])  # where a model has it
    known = parser.parse_known_args(argv)[0]
    return known.weights or known.compare[0]


def describe_model(parser: Parser, weights) -> None:
    """Add the model's own flags to the parser, and so to the help."""
    name = weights.networks[0].model
    options = {**weights.translate_options, **weights.task_options}
    if options:
        add_options(parser, f"{name}'s own options", options)
    else:
        parser.epilog += f"\n{name} has no options of its own.\n"
    example = weights.task_class.example
    if example:
        parser.epilog = f"\nexamples:{example}"


def require_files(weights, given: Mapping[str, Any]) -> None:
    """Raise InputError where --output is missing, or --input is or must not be there."""
    name = weights.networks[0].model
    if "output" not in given:
        raise InputError("--output is missing: the file or folder to write")
    if ("input" in given) != weights.takes_pictures:
        raise InputError(
            f"{name} draws from noise; leave --input out"
            if "input" in given
            else f"--input is missing: {name} translates pictures or videos"
        )


def translate_all(task, jobs) -> None:
    """Do one job after the other; what cannot be read is named and left out.

    Raises:
        InputError: the only input, or some of several, could not be read.
    """
    from paddle_gans.inference.files import Unreadable

    noun = noun_for(jobs)
    skipped = 0
    with Progress(len(jobs), noun) as progress:
        for job in jobs:
            progress.start(job)
            try:
                progress.done(task.do(job, progress.frame))
            except Unreadable as error:
                if len(jobs) == 1:
                    raise
                skipped += 1
                progress.skip(str(error))
            except KeyboardInterrupt as stop:
                done = progress.finished - skipped if task.writes_at_once else 0
                stop.advice = f"stopped; {counted(done, noun)} in {task.output}"
                raise
    written = len(jobs) - skipped
    if written:
        for line in task.finish():
            print(line, flush=True)
        where = f"{counted(written, noun)} in {task.output}"
        print(f"{where} ({progress.seconds:.1f} s)", flush=True)
    if skipped:
        raise InputError(f"{skipped} of {counted(len(jobs), noun)} could not be {task.needed}")


if __name__ == "__main__":
    run(main)
