"""python tools/draw_demo [DIR]: draw the embedded data sets again."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TOOLS), str(TOOLS.parent)]

from data_reader.embedded import DEMO  # noqa: E402
from draw_demo.write import WRITERS  # noqa: E402


def main() -> int:
    """Write all sets, or those that are named."""
    parser = argparse.ArgumentParser(
        prog="python tools/draw_demo",
        description="Draw the embedded data sets and write them as files, in about two minutes.",
    )
    parser.add_argument(
        "folder", nargs="?", type=Path, default=DEMO, metavar="DIR", help="(data_reader/demo)"
    )
    parser.add_argument("--what", choices=WRITERS, help="this set alone")
    given = parser.parse_args()
    for name in [given.what] if given.what else WRITERS:
        WRITERS[name](given.folder / name)
        files = [path for path in (given.folder / name).rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files) / 1e6
        print(f"{given.folder / name}: {len(files)} files, {size:.2f} MB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
