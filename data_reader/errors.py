"""The exception for user errors."""

from collections.abc import Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """Invalid user input; the message names what is wrong and what to do.

    Commands print it as one line that starts with ``error:`` and exit with code 2. Any other
    exception is a bug and keeps its traceback.
    """


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
