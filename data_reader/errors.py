"""The exception for what a user got wrong, and the hint for a misspelt name."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something the user gave cannot be used; the message names it and what to do.

    Commands print it as one line that starts with ``error:`` and exit with code 2. Everything
    else that is raised is a bug and keeps its traceback.
    """


def did_you_mean(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return "did you mean a or b? " with the known names close to ``name``, else ``otherwise``."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}? " if near else otherwise
