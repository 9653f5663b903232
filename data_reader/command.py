"""What all commands share: flags with hints, and one line for what the user got wrong."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from .errors import InputError, did_you_mean


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
        """Parse the arguments.

        Raises:
            InputError: a flag is unknown, or a value has the wrong type.
        """
        known, unknown = self.parse_known_args(argv)
        if unknown:
            flag = unknown[0].split("=")[0]
            hint = did_you_mean(flag, self._option_string_actions, "unknown flag; ")
            raise InputError(f"{flag}: {hint}{self.prog} --help lists the flags")
        return known


def exit_code(main: Callable[[], int]) -> int:
    """Run a command and return its exit code; an InputError becomes one line and code 2."""
    try:
        code = main()
        sys.stdout.flush()
        return code
    except (InputError, ImportError) as error:
        if isinstance(error, ImportError) and "pip install" not in str(error):
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print(getattr(stop, "advice", "stopped"), file=sys.stderr)
        return 128 + getattr(stop, "signum", 2)
    except BrokenPipeError:  # the reader of our output is gone, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def run(main: Callable[[], int]) -> NoReturn:
    """Run a command and exit."""
    sys.exit(exit_code(main))
