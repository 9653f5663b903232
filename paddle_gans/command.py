"""Command-line flags from a model's options; `Parser` and `run` are those of data_reader."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from data_reader.command import Parser, run

__all__ = ["Parser", "add_options", "run", "value_of"]

METAVARS = {  # what stands for a value in the help, where TEXT would say too little
    **dict.fromkeys(("data", "init_from", "input", "output"), "PATH"),
    **dict.fromkeys(("data_root", "out", "cache"), "DIR"),
    **dict.fromkeys(("features", "palette", "fan_weights"), "FILE"),
    **dict.fromkeys(("device", "metrics"), "NAME"),
    "weights": "PATH|NAME",
    "resume": "auto|never|PATH",
    "keep": "N|all",
    "best_by": "METRIC",
    "lpips": ("BACKBONE", "LINEAR"),
}


def value_of(flag: str, argv: Sequence[str], prog: str) -> str | None:
    """Return the first value of a flag, None without it: before all flags are known."""
    parser = Parser(prog=prog, add_help=False)
    parser.add_argument(flag, dest="values", nargs="+", default=[None])
    return parser.parse_known_args(argv)[0].values[0]


def typed(flag: str, value: Any) -> str:
    """What one types for a value, besides the flag if it has a value."""
    if isinstance(value, bool):
        return flag if value else f"--no-{flag[2:]}"
    return str(value)


def add_options(
    parser: argparse.ArgumentParser,
    title: str,
    options: Mapping[str, Any],
    defaults: Mapping[str, str] = {},
) -> None:
    """Add flags, one for each `paddle_gans.training.options.Option`.

    They are in a group called ``title``; without one, in groups by their own headings.
    ``defaults`` replaces what is shown for some defaults.
    """
    groups: dict[str, Any] = {}
    for name, option in options.items():
        heading = title or option.heading
        if heading not in groups:
            groups[heading] = parser.add_argument_group(heading)
        default = defaults.get(name, option.default)
        negative = name.startswith("no_")
        shown = [] if default is None or negative else [f"({typed(option.flag, default)})"]
        settings: dict[str, Any] = {"help": " ".join([option.help, *shown]).replace("%", "%%")}
        if option.kind is bool:
            settings["action"] = "store_true" if negative else argparse.BooleanOptionalAction
        elif option.choices:
            settings.update(choices=option.choices, metavar=METAVARS.get(name))
        else:
            kinds = {int: "N", float: "X", str: "TEXT", list: "TEXT"}
            settings["metavar"] = METAVARS.get(name) or kinds.get(option.kind, "VALUE")
        if option.kind is list:
            settings.update(nargs="+", action="extend")
        elif option.kind is not bool:
            settings["type"] = option.kind
        groups[heading].add_argument(option.flag, **settings)


def table(rows: Sequence[Sequence[str]]) -> str:
    """The rows of a table, aligned."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)
