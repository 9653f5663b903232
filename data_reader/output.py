"""Print without ending the work: to a full disk, a closed pipe or terminal, or no stream at all."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress


class Output:
    """A standard stream by its name, which is looked up each time: notebooks replace it.

    What cannot be written is dropped; what its encoding cannot show is escaped.
    """

    def __init__(self, name: str):
        self.name = name
        self.failure: OSError | None = None  # the first that a user would want to hear of

    @property
    def stream(self):
        return getattr(sys, self.name)  # None for a daemon

    @property
    def encoding(self) -> str:
        """The stream's encoding, for tqdm as well."""
        return getattr(self.stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        with suppress(OSError, ValueError, AttributeError):
            return self.stream.isatty()
        return False  # closed, or absent

    def fileno(self) -> int:
        """For tqdm, which asks for the terminal's width."""
        return self.stream.fileno()

    def write(self, text: str) -> None:
        self._call("write", text.encode(self.encoding, "backslashreplace").decode(self.encoding))

    def flush(self) -> bool:
        """Return whether it succeeded."""
        return self._call("flush")

    def _call(self, method: str, *values: str) -> bool:
        try:
            if self.stream is not None:
                getattr(self.stream, method)(*values)
            return True
        except (OSError, ValueError) as error:  # ValueError: it is closed
            if isinstance(error, OSError) and error.errno != errno.EPIPE:
                self.failure = self.failure or error
            return False

    def say(self, text: str) -> None:
        self.write(f"{text}\n")
        self.flush()


STDOUT, STDERR = Output("stdout"), Output("stderr")


def say(text: str = "", *, error: bool = False) -> None:
    """Print a line on standard output, or on standard error."""
    (STDERR if error else STDOUT).say(text)


def on_terminal() -> bool:
    """Whether a bar can be shown."""
    return STDOUT.isatty() and STDERR.isatty()


def open_missing_streams() -> None:
    """Connect closed standard streams to nothing, as a daemon has them.

    Otherwise the next file that is opened has their number, and messages of native code end in it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # has the lowest free number
        if getattr(sys, name) is None:
            stream = open(os.devnull, "w" if number else "r", encoding="utf-8")  # noqa: SIM115
            setattr(sys, name, stream)


def finish() -> None:
    """Flush at the end of a command; lost output is said on standard error, not an error."""
    for output in (STDOUT, STDERR):
        if not output.flush():  # Python would try again at its exit, and change the exit code
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())
    if STDOUT.failure is not None:
        STDERR.say(f"warning: some output could not be written: {STDOUT.failure.strerror}")
