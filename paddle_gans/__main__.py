"""python -m paddle_gans: what there is to type."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from paddle_gans import __version__, models
from paddle_gans.command import Parser, run

COMMANDS = """
commands:
  python -m paddle_gans.train --model NAME [--data PATH]      train, or go on with a run
  python -m paddle_gans.infer --weights FILE --input PATH --output DIR
                                                              translate pictures and videos
  python -m paddle_gans.evaluate --weights FILE --data PATH   figures: FID, LPIPS, PSNR ...
  python -m paddle_gans.convert FILE --to DIR                 other people's weights, and back
  python -m paddle_gans.export RUN --format paddle|onnx       programs for other runtimes
  python -m paddle_gans.serve RUN [RUN ...]                   a page in the browser to try models
  python -m data_reader.download NAME                         fetch a published data set
  python -m data_reader.write_demo DIR                        copy embedded images into a folder

Each explains itself with --help; `--model NAME --help` lists that model's options too.
"""


def main(argv: Optional[Sequence[str]] = None) -> int:
    """List the commands and models, or say the version or the place."""
    parser = Parser(
        prog="python -m paddle_gans",
        description=f"GANs for PaddlePaddle. Models: {', '.join(models.names())}.",
        epilog=COMMANDS,
    )
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    parser.add_argument(
        "--path",
        action="store_true",
        help="print where train.py is, for `python -m paddle.distributed.launch`",
    )
    given = vars(parser.parse_all(argv))
    if given.get("version"):
        print(__version__)
    elif given.get("path"):
        print(Path(__file__).with_name("train.py"))
    else:
        parser.print_help()
    return 0


if __name__ == "__main__":
    run(main)
