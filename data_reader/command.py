"""What all commands share: flags with hints, and one line for what the user got wrong."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from . import output
from .errors import InputError, InputWarning, did_you_mean
from .output import say


class Parser(argparse.ArgumentParser):
    """An argument parser that raises InputError, with hints for unknown flags.

    Arguments that are not given are absent from the result, unless ``argument_default`` is set.
    """

    def __init__(self, **settings: Any):
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        settings.setdefault("argument_default", argparse.SUPPRESS)
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; {self.prog} --help lists the flags")

    def parse_all(self, argv: Sequence[str] | None) -> argparse.Namespace:
        """Parse the arguments; InputError if a flag is unknown, or a value has the wrong type."""
        known, unknown = self.parse_known_args(argv)
        if unknown:
            flag = unknown[0].split("=")[0]
            hint = did_you_mean(flag, self._option_string_actions, "unknown flag; ")
            raise InputError(f"{flag}: {hint}{self.prog} --help lists the flags")
        return known


def exit_code(main: Callable[[], int]) -> int:
    """Run a command and return its exit code; an InputError becomes one line and code 2."""
    try:
        with warnings_as_lines():
            require_folder()
            return main()
    except (InputError, ImportError) as error:
        if isinstance(error, ImportError) and "pip install" not in str(error):
            raise
        say(f"error: {error}", error=True)
        return 2
    except KeyboardInterrupt as stop:
        say(getattr(stop, "advice", "stopped"), error=True)
        return 128 + getattr(stop, "signum", 2)


def require_folder() -> None:
    """Raise InputError if the working directory was deleted, which Paddle cannot bear."""
    try:
        os.getcwd()
    except OSError as error:
        raise InputError("the working directory does not exist any more; cd to another") from error


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Print each InputWarning as one line on standard error."""
    usual = warnings.showwarning

    def show(message: Any, category: type, *where: Any) -> None:
        if issubclass(category, InputWarning):
            say(f"warning: {message}", error=True)
        else:
            usual(message, category, *where)

    with warnings.catch_warnings():
        warnings.simplefilter("always", InputWarning)
        warnings.showwarning = show
        yield


def run(main: Callable[[], int]) -> NoReturn:
    output.open_missing_streams()
    try:
        sys.exit(exit_code(main))
    finally:
        output.finish()
