"""python -m paddle_gans.infer --weights generator.pdparams --input photos --output out"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Optional

from data_reader import framework
from data_reader.errors import InputError
from paddle_gans.command import Parser, add_options, run

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

PAUSE = 5.0  # seconds between lines about a video where there is no terminal


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
        required=True,
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
        required=True,
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
        parser.parse_all(argv)
        return 0
    framework.prepare()
    from paddle_gans.inference import files, loading

    weights = loading.read(path)
    describe_model(parser, weights)
    given = vars(parser.parse_all(argv))
    settings = {key: value for key, value in given.items() if key in weights.translate_options}
    settings.update({key: given[key] for key in ("tile", "overlap") if key in given})
    output, overwrite = given["output"], given.get("overwrite", False)

    if ("input" in given) != weights.takes_pictures:
        raise InputError(
            f"{weights.networks[0].model} draws from noise; leave --input out"
            if "input" in given
            else f"--input is missing: {weights.networks[0].model} translates pictures or videos"
        )
    jobs = files.plan(given["input"], output, overwrite) if "input" in given else None
    translate = loading.build(weights, given.get("device", "auto"))
    translate.check(**settings)  # before the output folder is made
    if jobs is None:
        written = files.save_drawn(translate(**settings), output, overwrite)
        print(f"{counted(len(written), 'file')} in {output}")
        return 0
    what = f"{translate.name} of step {translate.step} on {translate.device}"
    print(f"{what}: {counted(len(jobs), noun_for(jobs))}", flush=True)
    translate_all(partial(translate, **settings), jobs, output)
    return 0


def named_weights(argv: Sequence[str]) -> Optional[str]:
    """The value of --weights, None without one."""
    parser = Parser(prog="python -m paddle_gans.infer", add_help=False)
    parser.add_argument("--weights", default=None)
    return parser.parse_known_args(argv)[0].weights


def describe_model(parser: Parser, weights) -> None:
    """Add the model's own flags to the parser, and so to the help."""
    first = weights.networks[0]
    if weights.translate_options:
        add_options(parser, f"{first.model}'s own options", weights.translate_options)
    else:
        parser.epilog += f"\n{first.model} has no options of its own.\n"


def translate_all(translate, jobs, output: str) -> None:
    """Translate one file after the other; what cannot be read is named and left out.

    Raises:
        InputError: the only input, or some of several, could not be read.
    """
    from paddle_gans.inference import files

    noun = noun_for(jobs)
    skipped = 0
    with Progress(len(jobs), noun) as progress:
        for job in jobs:
            progress.start(job)
            try:
                if job.is_video:
                    frames, promised = files.translate_video(translate, job, progress.frame)
                    lost = f" (of {promised} that its header tells of)" if frames < promised else ""
                    progress.done(counted(frames, "frame") + lost)
                else:
                    width, height = files.translate_picture(translate, job)
                    progress.done(f"{width} x {height}")
            except files.Unreadable as error:
                if len(jobs) == 1:
                    raise
                skipped += 1
                progress.skip(str(error))
            except KeyboardInterrupt as stop:
                stop.advice = f"stopped; {counted(progress.finished - skipped, noun)} in {output}"
                raise
    written = len(jobs) - skipped
    if written:
        print(f"{counted(written, noun)} in {output} ({progress.seconds:.1f} s)", flush=True)
    if skipped:
        raise InputError(f"{skipped} of {counted(len(jobs), noun)} could not be read")


def noun_for(jobs) -> str:
    """What the inputs are called."""
    kinds = {job.is_video for job in jobs}
    return "file" if len(kinds) > 1 else "video" if kinds == {True} else "picture"


def counted(count: int, noun: str) -> str:
    """A count with its noun: 1 picture, 2 pictures."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


class Progress:
    """A bar on a terminal, a line for each file elsewhere; skipped files on standard error."""

    def __init__(self, total: int, noun: str):
        self.total, self.finished = total, 0
        self.began = self.started = self.spoke = time.perf_counter()
        self.bar = None
        if sys.stdout.isatty() and sys.stderr.isatty():
            from tqdm import tqdm

            self.bar = tqdm(total=total, unit=noun, dynamic_ncols=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc) -> None:
        if self.bar is not None:
            self.bar.close()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.perf_counter() - self.began

    def start(self, job) -> None:
        """A file's turn."""
        self.job, self.started = job, time.perf_counter()
        if self.bar is not None:
            self.bar.set_postfix_str(job.source.name)

    def frame(self, done: int, total: Optional[int]) -> None:
        """A frame of a video is done."""
        text = f"{self.job.source.name}: frame {done}{f' of {total}' if total else ''}"
        if self.bar is not None:
            self.bar.set_postfix_str(text)
        elif time.perf_counter() - max(self.spoke, self.started) > PAUSE:
            self.spoke = time.perf_counter()
            print(text, flush=True)

    def done(self, what: str) -> None:
        """The file is written."""
        seconds = time.perf_counter() - self.started
        self._advance(f"{self.job.source} -> {self.job.target}  {what}  {seconds:.1f} s")

    def skip(self, reason: str) -> None:
        """The file could not be read."""
        self._advance(None)
        if self.bar is not None:
            self.bar.write(f"skipped: {reason}", file=sys.stderr)
        else:
            print(f"skipped: {reason}", file=sys.stderr, flush=True)

    def _advance(self, line: Optional[str]) -> None:
        self.finished += 1
        if self.bar is not None:
            self.bar.update(1)
        elif line:
            width = len(str(self.total))
            print(f"[{self.finished:{width}d}/{self.total}] {line}", flush=True)


if __name__ == "__main__":
    run(main)
