"""python -m paddle_gans.infer --weights generator.pdparams --input photos --output out"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_reader import framework
from data_reader.errors import InputError
from data_reader.output import say
from paddle_gans.command import Parser, add_options, run, value_of
from paddle_gans.inference import InferConfig
from paddle_gans.training.options import options_of

EXAMPLE = """
examples:
  python -m paddle_gans.infer --weights runs/pix2pix/generator.pdparams --input photos --output out
      translates every image in photos/ and its subfolders into out/
  python -m paddle_gans.infer --weights runs/pix2pix --input 'trip/**/*.jpg' clip.mp4 --output out
      a glob and a video; out/clip.mp4 keeps its frames, rate and size
  python -m paddle_gans.infer --weights runs/pix2pix --input map.tif --output map.png --tile 1024
      one file, in tiles: for images that do not fit in memory
  python -m paddle_gans.infer --weights runs/pix2pix --help
      lists the options of that model too
"""


def build_parser() -> Parser:
    parser = Parser(
        prog="python -m paddle_gans.infer",
        description="Translate images and videos with a trained model.",
        epilog=EXAMPLE,
    )
    add_options(parser, "", options_of(InferConfig))
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, translate, report."""
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = build_parser()
    path = value_of("--weights", argv, parser.prog)
    path = path or value_of("--compare", argv, parser.prog)  # of some tasks
    if path is None:  # no model whose options --help could list
        parser.parse_known_args(argv)
        raise InputError("--weights is missing: give a run folder, a file of it, or a name")
    framework.prepare()
    from data_reader.images import left_out
    from paddle_gans.inference import files, loading
    from paddle_gans.inference.translator import takes_images
    from paddle_gans.training.progress import counted

    weights = loading.read(path)
    task_class = find_task(weights.model_class)
    task_options = options_of(task_class)
    describe_model(parser, weights, task_options, task_class.example)
    given = vars(parser.parse_all(argv))
    answer = task_class.query(weights, given)
    if answer is not None:
        say(answer)
        return 0

    needs_input = takes_images(weights.model_class)
    require_files(weights.networks[0].model, needs_input, given)
    output, overwrite = given["output"], given.get("overwrite", False)
    settings = {
        key: given[key] for key in ("tile", "overlap", *weights.translate_options) if key in given
    }
    translate = loading.build(weights, given.get("device", "auto"), given.get("amp", "off"))
    if not needs_input:
        written = files.save_generated(translate(**settings), output, overwrite)
        say(f"{counted(len(written), 'file')} in {output}")
        return 0
    flags = {key: given[key] for key in task_options if key in given}
    task = task_class(translate, settings, output, overwrite, **flags)
    jobs = task.plan(given["input"])
    what = f"{translate.name} of step {translate.step} on {translate.device}"
    direction = {**translate.defaults, **settings}.get("direction")
    what += f", {direction}" if direction else ""  # the default of weights of both directions
    say(f"{what}: {counted(len(jobs), noun_for(jobs))}")
    more = left_out(path for path in map(Path, given["input"]) if path.is_dir())
    if more:
        say(more)
    process_all(task, jobs)
    return 0


def find_task(model_class: type) -> type:
    """Return the Task for the kind of data that the model reads."""
    from data_reader.domains import Domains
    from data_reader.photos import Photos
    from paddle_gans.inference.domains_task import DomainTask
    from paddle_gans.inference.files import Task
    from paddle_gans.inference.photos_task import PhotoTask
    from paddle_gans.inference.translator import by_data

    return by_data(model_class, {Domains: DomainTask, Photos: PhotoTask}, Task)


def describe_model(parser: Parser, weights, task_options: Mapping[str, Any], example: str) -> None:
    """Add the model's own flags and examples to the parser and its help."""
    name = weights.networks[0].model
    options = {**weights.translate_options, **task_options}
    if options:
        add_options(parser, f"{name}'s own options", options)
    else:
        parser.epilog += f"\n{name} has no options of its own.\n"
    if example:
        parser.epilog = f"\nexamples:{example}"


def require_files(name: str, needs_input: bool, given: Mapping[str, Any]) -> None:
    """Raise InputError if --output is missing, or --input is missing or superfluous."""
    if "output" not in given:
        raise InputError("--output is missing: give the file or folder to write")
    if ("input" in given) != needs_input:
        raise InputError(
            f"{name} generates from noise; omit --input"
            if "input" in given
            else f"--input is missing: {name} translates images or videos"
        )


def noun_for(jobs) -> str:
    kinds = {job.is_video for job in jobs}
    return "file" if len(kinds) > 1 else "video" if kinds == {True} else "image"


def process_all(task, jobs) -> None:
    """Process the jobs in turn; report and skip what cannot be read."""
    from paddle_gans.inference.files import Unreadable
    from paddle_gans.training.progress import ItemProgress, counted

    noun = noun_for(jobs)
    skipped = 0
    with ItemProgress(len(jobs), noun) as progress:
        for job in jobs:
            progress.start(job.source.name)
            try:
                result = task.process(job, progress.on_frame)
            except Unreadable as error:
                if len(jobs) == 1:
                    raise
                skipped += 1
                progress.skip(str(error))
            except KeyboardInterrupt as stop:
                done = progress.finished - skipped if task.writes_at_once else 0
                stop.advice = f"stopped; {counted(done, noun)} in {task.output}"
                raise
            else:
                progress.finish(f"{job.source} -> {job.target}  {result}")
    written = len(jobs) - skipped
    if written:
        for line in task.finish():
            say(line)
        where = f"{counted(written, noun)} in {task.output}"
        say(f"{where} ({progress.seconds:.1f} s)")
    if skipped:
        raise InputError(f"{skipped} of {counted(len(jobs), noun)} could not be {task.needed}")


if __name__ == "__main__":
    run(main)
