"""python -m data_reader.write_demo DIR: copy embedded images into a folder."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from .command import Parser, run
from .embedded import demo_path
from .errors import InputError

SIZE = 128  # pixels a side of the embedded images
# For each set, the folders of a split.
FOLDERS = {
    "streets": ("{}A", "{}B"),
    "landscapes": ("{}A", "{}B"),
    "faces": ("{}/cat", "{}/dog", "{}/rabbit"),
    "colours": ("{}",),
}


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Copy images of an embedded data set in the layout that its model reads."""
    parser = Parser(
        formatter_class=argparse.HelpFormatter,
        prog="python -m data_reader.write_demo",
        description="Copy images of an embedded data set. Streets: photographs to <split>A/, their "
        "label maps to <split>B/. Landscapes: photographs to <split>A/, paintings to <split>B/. "
        "Faces: to <split>/cat/, <split>/dog/ and <split>/rabbit/. Colours: scenes to <split>/.",
    )
    parser.add_argument("folder", metavar="DIR", help="target folder; created if missing")
    parser.add_argument("--what", choices=list(FOLDERS), default="streets", help="(streets)")
    parser.add_argument("--split", choices=("train", "test"), default="test", help="(test)")
    parser.add_argument(
        "--count", type=int, default=12, metavar="N", help="scenes, or faces of each kind (12)"
    )
    parser.add_argument(
        "--size", type=int, default=SIZE, metavar="N",
        help=f"pixels a side; other sizes than {SIZE} are resized, and written as PNG ({SIZE})",
    )  # fmt: skip
    arguments = parser.parse_all(argv)
    if arguments.count < 1 or arguments.size < 32:
        raise InputError("--count is at least 1, and --size at least 32")
    from .images import disk_errors, list_images

    root, source = Path(arguments.folder), demo_path(arguments.what)
    has_val = (source / "val").is_dir()
    stored = "val" if has_val and arguments.split == "test" else arguments.split
    for pattern in FOLDERS[arguments.what]:
        target = root / pattern.format(arguments.split)
        images = list_images(source / pattern.format(stored))[: arguments.count]
        with disk_errors(f"cannot write to {target}"):
            target.mkdir(parents=True, exist_ok=True)
            for path in images:
                if arguments.size == SIZE:
                    shutil.copyfile(path, target / path.name)
                else:
                    write_resized(path, target, arguments.size)
        print(f"{len(images)} images in {target}")
    return 0


def write_resized(path: Path, target: Path, size: int) -> None:
    """Write an image at another size; a label map keeps its colours."""
    from .images import read_image, write_image
    from .transforms import looks_like_labels, resize

    image = read_image(path)
    how = "nearest" if looks_like_labels(image) else "cubic"
    write_image(target / f"{path.stem}.png", resize(image, size, size, how))


if __name__ == "__main__":
    run(main)
