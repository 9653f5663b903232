"""What the commands share: one line for what the user got wrong, flags from a model's options."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any, Callable, NoReturn, Optional

from data_reader.errors import InputError, did_you_mean


class Parser(argparse.ArgumentParser):
    """An argument parser whose error is one line, and names the flags that are near."""

    def __init__(self, **settings: Any):
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, argument_default=argparse.SUPPRESS, **settings)

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; {self.prog} --help lists the flags")

    def parse_all(self, argv: Optional[Sequence[str]]) -> argparse.Namespace:
        """Parse, and name the near flags where one is unknown.

        Raises:
            InputError: an unknown flag, or a value of the wrong kind.
        """
        known, unknown = self.parse_known_args(argv)
        if unknown:
            flag = unknown[0].split("=")[0]
            hint = did_you_mean(flag, self._option_string_actions, "unknown flag; ")
            raise InputError(f"{flag}: {hint}{self.prog} --help lists the flags")
        return known


def add_options(parser: argparse.ArgumentParser, title: str, options: dict) -> None:
    """A group of flags, one for each `paddle_gans.training.options.Option`."""
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


def run(main: Callable[[], int]) -> NoReturn:
    """Run a command; what the user got wrong is one line and exit code 2, no traceback."""
    try:
        code = main()
        sys.stdout.flush()
    except (InputError, ImportError) as error:
        if isinstance(error, ImportError) and "pip install" not in str(error):
            raise
        print(f"error: {error}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt as stop:
        code = 128 + getattr(stop, "signum", 2)
        print(getattr(stop, "advice", "stopped"), file=sys.stderr)
    except BrokenPipeError:  # the reader of our output left, `| head` say
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    sys.exit(code)
