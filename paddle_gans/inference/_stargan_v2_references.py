"""Which pictures styles are copied from, of which domains, and what files are called by them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Optional

from data_reader.errors import InputError
from data_reader.images import existing_file, list_images, natural_key


class Reference(NamedTuple):
    """A picture that shows a style of a domain."""

    domain: str
    path: Path


def find_references(place: str, domain: Optional[str], domains: Sequence[str]) -> list[Reference]:
    """The references that --reference names, domain by domain and in natural order.

    ``place`` is a folder with a folder for each domain (``domain`` then chooses one), or a folder
    of pictures or a picture, of the domain that is given or that its folder is named by.

    Raises:
        InputError: there is no such place, no picture in it, or it does not say of which domain.
    """
    path = Path(place)
    folder = path if path.is_dir() else existing_file(path).parent
    inner = subfolders(path) if path.is_dir() else {}
    there = [name for name in domains if name in inner]
    if there and domain is not None:
        if domain not in there:
            raise InputError(
                f"{path} has no folder {domain}, but {', '.join(there)}; leave --domain out, or "
                f"give a folder of {domain} pictures"
            )
        there = [domain]
    if there:
        if domain is None:
            refuse_strangers(path, inner, domains)
        return [Reference(name, p) for name in there for p in pictures_in(inner[name])]

    domain = domain or folder.resolve().name
    if domain not in domains:
        refuse_strangers(path, inner, domains)
        raise InputError(
            f"--reference {path} does not say of which domain it is; add --domain, one of "
            f"{', '.join(domains)}, or give a folder that holds folders of these names"
        )
    paths = pictures_in(path) if path.is_dir() else [path]
    return [Reference(domain, p) for p in paths]


def subfolders(folder: Path) -> dict[str, Path]:
    """The folders in a folder by name, hidden ones left out."""
    found = [p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")]
    return {p.name: p for p in sorted(found, key=natural_key)}


def refuse_strangers(path: Path, inner: dict[str, Path], domains: Sequence[str]) -> None:
    """Raise InputError if one of the folders has no domain's name."""
    strange = [name for name in inner if name not in domains]
    if strange:
        raise InputError(
            f"{inner[strange[0]]} is no domain; there are {', '.join(domains)}: rename the folder, "
            f"or give --domain if all pictures in {path} are of one"
        )


def pictures_in(folder: Path) -> list[Path]:
    """The pictures in a folder of references.

    Raises:
        InputError: there is none.
    """
    found = list_images(folder)
    if not found:
        raise InputError(f"{folder} holds no pictures to copy a style from")
    return found


def file_names(references: Sequence[Reference]) -> list[str]:
    """What results are called by their references: unlike names, with the domain if need be."""
    stems = [in_a_name(path.stem) for _, path in references]
    uses = Counter(stem.casefold() for stem in stems)
    names = [
        f"{in_a_name(reference.domain)}_{stem}" if uses[stem.casefold()] > 1 else stem
        for stem, reference in zip(stems, references)
    ]
    return unlike(names)


def unlike(names: Sequence[str]) -> list[str]:
    """The names, with ``_2``, ``_3`` ... where one was there before; capitals do not count."""
    chosen: dict[str, str] = {}
    for name in names:
        new, number = name, 1
        while new.casefold() in chosen:
            number += 1
            new = f"{name}_{number}"
        chosen[new.casefold()] = new
    return list(chosen.values())


def in_a_name(text: str) -> str:
    """Text as a part of a file's name: without slashes, colons, control characters and the like."""
    return re.sub(r"[^\w .()+-]", "_", text)
