"""python -m data_reader.write_demo DIR: copy embedded images into a folder."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

from .command import Parser, run
from .embedded import demo_path
from .errors import InputError, disk_errors
from .output import say

SIZE = 128  # pixels a side of the embedded images
# For each set, the folders of a split.
FOLDERS = {
    "streets": ("{}A", "{}B"),
    "landscapes": ("{}A", "{}B"),
    "faces": ("{}/cat", "{}/dog", "{}/rabbit"),
    "colours": ("{}",),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Copy images of an embedded data set in the layout that its model reads."""
    parser = Parser(
        formatter_class=argparse.HelpFormatter,
        prog="python -m data_reader.write_demo",
        description="Copy images of an embedded data set. Streets: photographs to <split>A/, their "
        "label maps to <split>B/. Landscapes: photographs to <split>A/, paintings to <split>B/. "
        "Faces: to <split>/cat/, <split>/dog/ and <split>/rabbit/. Colours: scenes to <split>/.",
    )
    add = parser.add_argument
    add("folder", metavar="DIR", help="target folder; created if missing")
    add("--what", choices=list(FOLDERS), default="streets", help="(streets)")
    add("--split", choices=("train", "test"), default="test", help="(test)")
    add("--count", type=int, default=12, metavar="N", help="scenes, or faces of each kind (12)")
    add("--size", type=int, default=SIZE, metavar="N",
        help=f"pixels a side; other sizes than {SIZE} are resized and written as PNG ({SIZE})",
    )  # fmt: skip
    arguments = parser.parse_all(argv)
    if arguments.count < 1 or arguments.size < 32:
        raise InputError("--count is at least 1, and --size at least 32")
    source, split = demo_path(arguments.what), arguments.split
    stored = "val" if split == "test" and (source / "val").is_dir() else split
    for pattern in FOLDERS[arguments.what]:
        target = Path(arguments.folder) / pattern.format(split)
        images = sorted((source / pattern.format(stored)).iterdir())[: arguments.count]
        with disk_errors(f"cannot write to {target}"):
            target.mkdir(parents=True, exist_ok=True)
            for path in images:
                if arguments.size == SIZE:
                    shutil.copyfile(path, target / path.name)
                else:  # label maps keep their colours
                    from .images import read_image, write_image  # here: --help needs no OpenCV
                    from .transforms import fitted

                    resized = fitted(read_image(path), (arguments.size, arguments.size))
                    write_image(target / f"{path.stem}.png", resized)
        say(f"{len(images)} images in {target}")
    return 0


if __name__ == "__main__":
    run(main)
