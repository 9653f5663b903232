"""python -m data_reader.write_demo DIR: the embedded street scenes as files."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from .errors import InputError


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Write photographs to ``<split>A/`` and their label maps to ``<split>B/``."""
    parser = argparse.ArgumentParser(
        prog="python -m data_reader.write_demo",
        description="Write the embedded street scenes as pictures: photographs to <split>A/, "
        "their label maps to <split>B/.",
    )
    parser.add_argument("folder", metavar="DIR", help="where to; made when it is not there")
    parser.add_argument("--split", choices=("train", "test"), default="test", help="(test)")
    parser.add_argument("--count", type=int, default=12, metavar="N", help="scenes (12)")
    parser.add_argument("--size", type=int, default=128, metavar="N", help="pixels a side (128)")
    arguments = parser.parse_args(argv)
    from . import demo
    from .images import write_image

    root, split = Path(arguments.folder), arguments.split
    count = min(arguments.count, demo.COUNTS[split])
    for i in range(count):
        photo, labels = demo.street_scene(i, arguments.size, split)
        write_image(root / f"{split}A" / f"{i:04d}.png", photo)
        write_image(root / f"{split}B" / f"{i:04d}.png", labels)
    print(f"{count} scenes in {root / split}A and {root / split}B")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
