"""The exception for user errors, and the hint for a misspelt name."""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """Invalid user input; the message names what is wrong and what to do.

    Commands print it as one line that starts with ``error:`` and exit with code 2. Any other
    exception is a bug and keeps its traceback.
    """


class InputWarning(UserWarning):
    """Something given is probably not what the user meant; commands print it as ``warning:``."""


@contextmanager
def disk_errors(failure: str) -> Iterator[None]:
    """Turn an OSError into an InputError whose message starts with ``failure``."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise InputError(
            f"{failure}: {error.strerror or error}{where}; check the permissions and the free space"
        ) from error


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return "did you mean a or b? " with the known names close to ``name``, else ``otherwise``."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}? " if near else otherwise
