"""Options that follow from a signature: names, types, defaults, and their comments as help."""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any, Literal, Union

from data_reader.errors import InputError, did_you_mean


@dataclass(frozen=True)
class Option:
    """One keyword: its type, default, allowed values, help, and the heading it is under."""

    name: str
    kind: type
    default: Any
    choices: tuple
    help: str
    heading: str = ""

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")


def options_of(target: Any) -> dict[str, Option]:
    """The fields of a dataclass, or the keyword-only arguments of a class or function.

    A comment beside or above each is its help.
    """
    has_fields = is_dataclass(target)
    source = constructor_of(target) if inspect.isclass(target) and not has_fields else target
    hints = typing.get_type_hints(source)
    parameters = inspect.signature(source).parameters.values()
    defaults = {p.name: p.default for p in parameters if has_fields or p.kind is p.KEYWORD_ONLY}
    comments = {}
    if defaults:
        with contextlib.suppress(OSError):  # an installation without sources, as of PyInstaller
            comments = comments_of(inspect.getsource(source))
    found = {}
    for name, default in defaults.items():
        kind, choices = kind_of(hints[name])
        found[name] = Option(name, kind, default, choices, *comments.get(name, ("", "")))
    return found


def constructor_of(target: type) -> Any:
    """The constructor that has the options; a subclass's ``__init__(self, **options)`` has none."""
    for cls in target.__mro__:
        found = vars(cls).get("__init__")
        if inspect.isfunction(found):
            kinds = {p.kind for p in inspect.signature(found).parameters.values()}
            if inspect.Parameter.VAR_KEYWORD not in kinds:
                return found
    return target.__init__  # type: ignore[misc]


def kind_of(hint: Any) -> tuple[type, tuple]:
    """The type that values must have, and the values allowed if it is a ``Literal``."""
    if typing.get_origin(hint) in (Union, types.UnionType):  # Optional[X], or a list or one item
        kinds = [kind_of(part) for part in typing.get_args(hint) if part is not type(None)]
        return next((found for found in kinds if found[0] is list), kinds[0])
    if typing.get_origin(hint) is list:
        return list, kind_of(typing.get_args(hint)[0])[1]
    choices = typing.get_args(hint) if typing.get_origin(hint) is Literal else ()
    return (type(choices[0]) if choices else hint), choices


def comments_of(source: str) -> dict[str, tuple[str, str]]:
    """Help and heading of each ``name: type`` in a source text.

    Help is the comment beside it, or the comment lines above it; a comment with an empty line
    below it is a heading.
    """
    found: dict[str, tuple[str, str]] = {}
    heading, above = "", []
    for line in map(str.strip, source.splitlines()):
        if line.startswith("#"):
            above.append(line.lstrip("# "))
            continue
        if not line and above:
            heading = " ".join(above)
        elif match := re.match(r"(\w+): .*?(?:  # (.*))?$", line):
            found.setdefault(match[1], (match[2] or " ".join(above), heading))
        above = []
    return found


def resolve(target: Any, given: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return every option with the given value, which is checked, or its default.

    ``target`` has the options, see ``options_of``, or is what that returns.
    """
    known = target if isinstance(target, Mapping) else options_of(target)
    for name in given:
        if name not in known:
            hint = did_you_mean(name, known, f"it knows {', '.join(known)}")
            raise InputError(f"{what} has no option {name!r}; {hint.strip()}")
    return {
        name: checked(option, given[name]) if name in given else option.default
        for name, option in known.items()
    }


def require_at_least(least: Mapping[str, int], values: Mapping[str, Any]) -> None:
    """Raise InputError for a value that is given and below its bound."""
    for name, bound in least.items():
        value = values[name]
        if value is not None and value < bound:
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"{flag} must be at least {bound}, not {value}")


def plain(value: Any) -> Any:
    """NumPy's numbers and paths as Python's own, which ``config.json`` can hold."""
    numpy = sys.modules.get("numpy")  # without it nobody has its numbers
    if numpy is not None and isinstance(value, (numpy.generic, numpy.ndarray)):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def checked(option: Option, value: Any) -> Any:
    """``value`` as the option's type; InputError if it has another, or is not among the choices."""
    if value is None and option.default is None:
        return value
    value = plain(value)
    if option.kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if option.kind is int and isinstance(value, float) and value.is_integer():  # 1e5
        value = int(value)
    if option.kind not in (int, bool) and issubclass(option.kind, int):
        try:
            value = option.kind(value)
        except (TypeError, ValueError):
            raise InputError(f"{option.flag} cannot be {value!r}; {option.help}") from None
    if option.kind is list and isinstance(value, str):
        value = [value]
    if not isinstance(value, option.kind) or (option.kind is int and isinstance(value, bool)):
        raise InputError(f"{option.name} takes {option.kind.__name__}, not {value!r}")
    values = value if isinstance(value, list) else [value]
    unknown = [x for x in values if x not in option.choices]
    if option.choices and unknown:
        choices = ", ".join(map(str, option.choices))
        raise InputError(f"{option.flag} must be one of {choices}, not {unknown[0]!r}")
    return value
