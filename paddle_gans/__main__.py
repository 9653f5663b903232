"""python -m paddle_gans COMMAND, or paddle-gans COMMAND: all commands by one name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from data_reader.output import say
from paddle_gans import __version__, models
from paddle_gans.command import Parser, run

COMMANDS = {"train": "paddle_gans.train_command"} | {
    name: f"paddle_gans.{name}" for name in ("infer", "evaluate", "convert", "export", "serve")
}
COMMANDS["weights"] = "paddle_gans.weights.__main__"
HELP = """
commands:
  paddle-gans train --model NAME [--data PATH]       train a model, or resume its run
  paddle-gans infer --weights FILE --input PATH --output DIR
                                                     translate images and videos
  paddle-gans evaluate --weights FILE --data PATH    metrics: FID, LPIPS, PSNR ...
  paddle-gans convert FILE --to DIR                  weights of other projects, and back
  paddle-gans export RUN --format paddle|onnx        programs for other runtimes
  paddle-gans serve RUN [RUN ...]                    a page in the browser to try models
  paddle-gans weights [fetch NAME]                   trained weights: the package's, and others'
  python -m data_reader.download NAME                download a published data set
  python -m data_reader.prepare FOLDER --out DIR     make a data set from folders of images
  python -m data_reader.write_demo DIR               copy embedded images into a folder

`python -m paddle_gans.train` is the same as `paddle-gans train`, and so on. Each command has a
--help of its own; `--model NAME --help` lists that model's options too.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command by its name, list the commands and models, or print the version or the path."""
    argv = list(sys.argv[1:] if argv is None else argv)
    if argv and argv[0] in COMMANDS:
        return importlib.import_module(COMMANDS[argv[0]]).main(argv[1:])
    listed = "\n".join(f"  {name:13} {text}" for name, text in models.descriptions().items())
    parser = Parser(
        prog="python -m paddle_gans",
        description="GANs for PaddlePaddle.",
        epilog=f"\nmodels:\n{listed}\n{HELP}",
    )
    parser.add_argument(
        "command", nargs="?", choices=COMMANDS, default=None, metavar="COMMAND", help="see below"
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    parser.add_argument(
        "--path",
        action="store_true",
        help="print where train.py is, for `python -m paddle.distributed.launch`",
    )
    given = vars(parser.parse_all(argv))
    if given.get("version"):
        say(__version__)
    elif given.get("path"):
        say(Path(__file__).with_name("train.py"))
    else:
        parser.print_help()
    return 0


def entry() -> NoReturn:
    """The console script."""
    run(main)


if __name__ == "__main__":
    entry()
