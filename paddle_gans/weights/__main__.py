"""python -m paddle_gans.weights: list the trained weights that come with the package."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence

from data_reader.output import say
from paddle_gans.command import Parser, run

from . import pretrained

EXAMPLE = """
examples:
  python -m paddle_gans.weights
      a line for each: model, data, size of the images, training steps
  python -m paddle_gans.weights pix2pix_demo
      its model card: data and terms of use, training command, metrics on held-out images, limits
  python -m paddle_gans.infer --weights pix2pix_demo --input maps --output scenes
      use them: all commands take the name where they take a path
"""
COLUMNS = ("name", "model", "trained on", "pixels", "steps", "MB")


def main(argv: Sequence[str] | None = None) -> int:
    """List the weights, or print the model cards of those named."""
    parser = Parser(
        prog="python -m paddle_gans.weights",
        description="List the trained weights that come with the package, or print a model card.",
        epilog=EXAMPLE,
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help="print the model cards of these")
    given = vars(parser.parse_all(list(sys.argv[1:] if argv is None else argv)))
    chosen = [(name, pretrained.card(name)) for name in given.get("names", [])]
    for name, card in chosen:
        say("\n".join(describe(name, card)) + "\n")
    if not chosen:
        say("\n".join(listed()))
    return 0


def listed() -> list[str]:
    """The lines of a table of all weights."""
    rows = [COLUMNS]
    for name in pretrained.names():
        card = pretrained.card(name)
        files = (pretrained.FOLDER / name).glob("*.pdparams")
        size = sum(file.stat().st_size for file in files) / 1e6
        rows.append(
            (
                name,
                card["model"],
                card["data"],
                f"{card['pixels']}",
                f"{card['steps']}",
                f"{size:.1f}",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows]
    return [line.rstrip() for line in lines]


def describe(name: str, card: dict) -> list[str]:
    """The lines of a model card."""
    fields = {
        "model": card["model"],
        "trained on": f"{card['data']}: {card['source']}",
        "terms of use": card["terms"],
        "images": f"{card['pixels']} pixels",
        "training": f"{card['steps']} steps, {card['hours']} hours on {card['machine']}",
        "limits": card["limits"],
    }
    lines = [f"{name}: {card['title']}"]
    for title, text in fields.items():
        indent = f"  {title:<13} "
        lines += textwrap.wrap(text, 96, initial_indent=indent, subsequent_indent=" " * len(indent))
    lines += ["  trained by", *(f"    {command}" for command in card["commands"])]
    for command, figures in card["figures"].items():
        lines.append(f"  {command}")
        lines += [f"    {key:<24} {value}" for key, value in figures.items()]
    return lines


if __name__ == "__main__":
    run(main)
