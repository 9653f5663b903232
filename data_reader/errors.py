"""The one exception for what a user got wrong."""


class InputError(ValueError):
    """Something the user gave cannot be used; the message names the thing and the next step.

    Commands print it as one line that starts with ``error:`` and end with exit code 2. Everything
    else that is raised is a bug and keeps its traceback.
    """
