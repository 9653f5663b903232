"""python -m data_reader.write_demo DIR: embedded drawings as files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Optional

from .errors import InputError


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Write drawings into the folders from which the articles' models read pictures."""
    parser = argparse.ArgumentParser(
        prog="python -m data_reader.write_demo",
        description="Write embedded drawings as pictures. Streets: photographs to <split>A/, their "
        "label maps to <split>B/. Landscapes: photo-like ones to <split>A/, painted ones to "
        "<split>B/. Faces: to <split>/cat/, <split>/dog/ and <split>/rabbit/. Colours: scenes to "
        "<split>/.",
    )
    parser.add_argument("folder", metavar="DIR", help="where to; made when it is not there")
    parser.add_argument("--what", choices=list(DRAWINGS), default="streets", help="(streets)")
    parser.add_argument("--split", choices=("train", "test"), default="test", help="(test)")
    parser.add_argument(
        "--count", type=int, default=12, metavar="N", help="scenes, or faces of each kind (12)"
    )
    parser.add_argument("--size", type=int, default=128, metavar="N", help="pixels a side (128)")
    arguments = parser.parse_args(argv)
    from .images import write_image

    folders, root = {}, Path(arguments.folder)
    draw = DRAWINGS[arguments.what]
    for folder, index, picture in draw(arguments.split, arguments.count, arguments.size):
        write_image(root / folder / f"{index:04d}.png", picture)
        folders[folder] = index + 1
    for folder, count in folders.items():
        print(f"{count} pictures in {root / folder}")
    return 0


def _streets(split: str, count: int, size: int) -> Iterator[tuple]:
    from . import demo

    for index in range(min(count, demo.COUNTS[split])):
        for side, picture in zip("AB", demo.street_scene(index, size, split)):
            yield f"{split}{side}", index, picture


def _landscapes(split: str, count: int, size: int) -> Iterator[tuple]:
    from . import demo_scenes

    for index in range(min(count, demo_scenes.LANDSCAPE_COUNTS[split])):
        for side, style in zip("AB", demo_scenes.STYLES):
            yield f"{split}{side}", index, demo_scenes.landscape(index, size, style, split)


def _faces(split: str, count: int, size: int) -> Iterator[tuple]:
    from . import demo_faces

    for index in range(min(count, demo_faces.FACE_COUNTS[split])):
        for kind in demo_faces.KINDS:
            yield f"{split}/{kind}", index, demo_faces.animal_face(index, size, kind, split)


def _colours(split: str, count: int, size: int) -> Iterator[tuple]:
    from . import demo_photos

    for index in range(min(count, demo_photos.PHOTO_COUNTS[split])):
        yield split, index, demo_photos.colour_scene(index, size, split)


DRAWINGS = {
    "streets": _streets,
    "landscapes": _landscapes,
    "faces": _faces,
    "colours": _colours,
}

if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
