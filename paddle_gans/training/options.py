"""A model's constructor is its configuration: read its options, check values for them."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union

from data_reader.errors import InputError, did_you_mean


@dataclass(frozen=True)
class Option:
    """One keyword of a constructor: its value's type, the article's value, and what it is."""

    name: str
    kind: type
    default: Any
    choices: tuple
    help: str

    @property
    def flag(self) -> str:
        """As it is typed on the command line."""
        return "--" + self.name.replace("_", "-")


def options_of(function: Any) -> dict[str, Option]:
    """The keyword-only arguments of a class or function, with the comments beside them as help."""
    target = function.__init__ if inspect.isclass(function) else function
    hints = typing.get_type_hints(target)
    # `name: type = default,  # what it is`
    comments = dict(re.findall(r"^\s*(\w+):.*,\s+# (.*)$", inspect.getsource(target), re.MULTILINE))
    found = {}
    for name, parameter in inspect.signature(target).parameters.items():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        hint = hints[name]
        if typing.get_origin(hint) in (Union, types.UnionType):  # X | None
            hint = next(a for a in typing.get_args(hint) if a is not type(None))
        hint = list if typing.get_origin(hint) is list else hint
        choices = typing.get_args(hint) if typing.get_origin(hint) is Literal else ()
        kind = type(choices[0]) if choices else hint
        found[name] = Option(name, kind, parameter.default, choices, comments.get(name, ""))
    return found


def resolve(function: Any, given: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Every option of ``function`` with the given value or its default.

    Raises:
        InputError: an option that it does not know (the near ones are named), or a value of
            another type or outside the choices.
    """
    known = options_of(function)
    for name in given:
        if name not in known:
            hint = did_you_mean(name, known, f"it knows {', '.join(known)}")
            raise InputError(f"{what} has no option {name!r}; {hint.strip()}")
    return {
        name: checked(option, given[name]) if name in given else option.default
        for name, option in known.items()
    }


def checked(option: Option, value: Any) -> Any:
    """``value`` as the option's type.

    Raises:
        InputError: it is of another type, or not among the choices.
    """
    if value is None and option.default is None:
        return value
    if option.kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, option.kind) or (option.kind is int and isinstance(value, bool)):
        raise InputError(f"{option.name} takes {option.kind.__name__}, not {value!r}")
    if option.choices and value not in option.choices:
        raise InputError(f"{option.name} is one of {', '.join(option.choices)}, not {value!r}")
    return value
