"""Command-line flags from a model's options; `Parser` and `run` are those of data_reader."""

from __future__ import annotations

import argparse

from data_reader.command import Parser, run

__all__ = ["Parser", "add_options", "run"]


def add_options(parser: argparse.ArgumentParser, title: str, options: dict) -> None:
    """Add a group of flags, one for each `paddle_gans.training.options.Option`."""
    group = parser.add_argument_group(title)
    for option in options.values():
        text = f"{option.help} ({option.default})" if option.help else f"({option.default})"
        text = text.replace("%", "%%")
        if option.kind is bool:
            group.add_argument(option.flag, action=argparse.BooleanOptionalAction, help=text)
        elif option.kind is list:
            group.add_argument(option.flag, nargs="+", metavar="TEXT", help=text)
        elif option.choices:
            group.add_argument(option.flag, type=option.kind, choices=option.choices, help=text)
        else:
            metavar = {int: "N", float: "X", str: "TEXT"}.get(option.kind, "VALUE")
            group.add_argument(option.flag, type=option.kind, metavar=metavar, help=text)
