"""What the commands share: one-line errors, and flags that follow from options."""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Callable, NoReturn, Optional

from data_reader.errors import InputError


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line and name similar flags."""

    def __init__(self, **settings: Any):
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, argument_default=argparse.SUPPRESS, **settings)

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; {self.prog} --help lists the flags")

    def parse_all(self, argv: Optional[Sequence[str]]) -> argparse.Namespace:
        """Parse; an unknown flag is an error that names similar ones.

        Raises:
            InputError: an unknown flag, or a value of the wrong kind.
        """
        known, unknown = self.parse_known_args(argv)
        if unknown:
            flag = unknown[0].split("=")[0]
            near = difflib.get_close_matches(flag, self._option_string_actions, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else "it is not known"
            raise InputError(f"{flag}: {hint} {self.prog} --help lists the flags")
        return known


def add_options(
    parser: argparse.ArgumentParser,
    title: str,
    options: Mapping[str, Any],
    defaults: Mapping[str, str] = {},
    metavars: Mapping[str, str] = {},
) -> None:
    """A group of flags, one for each `paddle_gans.training.options.Option`.

    ``defaults`` and ``metavars`` replace what is shown for some defaults and values.
    """
    group = parser.add_argument_group(title)
    for name, option in options.items():
        default = defaults.get(name, option.default)
        shown = [] if default is None else [f"({default})"]
        settings: dict[str, Any] = {"help": " ".join([option.help, *shown]).replace("%", "%%")}
        if option.kind is bool:
            settings["action"] = argparse.BooleanOptionalAction
        elif option.choices:
            settings["choices"] = option.choices
        else:
            kinds = {int: "N", float: "X", str: "TEXT", list: "TEXT"}
            settings["metavar"] = metavars.get(name) or kinds.get(option.kind, "VALUE")
        if option.kind is list:
            settings["nargs"] = "+"
        elif option.kind is not bool:
            settings["type"] = option.kind
        group.add_argument(option.flag, **settings)


def run(main: Callable[[], int]) -> NoReturn:
    """Run a command; a user's error is one line and exit code 2, without traceback."""
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
    except BrokenPipeError:  # the reader of our output closed, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    sys.exit(code)
