"""Which layout does this folder have? The answer, or an error that lists what was looked for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple, Optional

from .errors import InputError
from .images import list_images, natural_key

MAX_VALIDATION = 500  # photographs of one folder that are kept for validation


class Pair(NamedTuple):
    """Files of one pair; ``b`` is None where one picture holds A and B side by side."""

    a: Path
    b: Optional[Path] = None


def paired(
    root: str | os.PathLike, *, train: bool, allow_outside: bool = False
) -> tuple[list[Pair], str]:
    """The pairs under ``root`` in their natural order, and a description of the layout.

    Looked for, in this order: a list file (``A<TAB>B`` a line, relative to the file's folder);
    ``trainA/`` and ``trainB/`` with equal names (``testA``/``testB`` or ``valA``/``valB``);
    ``train/A`` and ``train/B``; ``train/`` (``val/`` or ``test/``) with pictures that hold both
    side by side; ``a/`` and ``b/``; pictures side by side in ``root`` itself. A test set that is
    not there is an empty list. ``allow_outside`` as in ``read_list``.

    Raises:
        InputError: none of these is there, a pair is incomplete, or a list cannot be used.
    """
    root = one_path(root)
    if not root.exists():
        raise InputError(f"{root} does not exist; --data takes a folder, a list file, or `demo`")
    if root.is_file():
        listing = root if train else root.with_name("test.txt")
        if not (train or listing.exists()):
            return [], ""
        return read_list(listing, root.parent, allow_outside=allow_outside), f"list {listing}"

    for split in ("train",) if train else ("test", "val"):
        for a, b in ((f"{split}A", f"{split}B"), (f"{split}/A", f"{split}/B")):
            if (root / a).is_dir() or (root / b).is_dir():
                return match_names(root, a, b), f"{a}/ and {b}/ with equal names"
        if (root / split).is_dir():
            images = list_images(root / split)
            if images:
                return [Pair(image) for image in images], f"{split}/ with A and B side by side"
    if not train:
        return [], ""
    for a, b in (("a", "b"), ("A", "B")):
        if (root / a).is_dir() and (root / b).is_dir():
            return match_names(root, a, b), f"{a}/ and {b}/ with equal names"
    images = [p for p in list_images(root) if p.parent == root]
    if images:
        return [Pair(image) for image in images], "pictures with A and B side by side"
    raise InputError(
        nothing_found(
            root,
            "trainA/ and trainB/ with equal names, a/ and b/ with equal "
            "names, or train/ with A and B side by side in each picture",
        )
    )


def unpaired(
    roots: Sequence[str | os.PathLike], *, train: bool
) -> tuple[list[Path], list[Path], str] | None:
    """The pictures of A, those of B, and a description of the layout.

    One folder with ``trainA/`` and ``trainB/`` (``testA``/``testB`` or ``valA``/``valB``),
    ``train/A`` and ``train/B``, or ``a/`` and ``b/``; or two folders, A first. None: no test set.

    Raises:
        InputError: none of these is there, or a side holds no pictures.
    """
    if len(roots) > 2:
        raise InputError(f"--data names {len(roots)} folders; two domains are one folder, or two")
    for root in map(Path, roots):
        if not root.is_dir():
            raise InputError(f"{root} is not a folder; --data takes a folder, two, or `demo`")
    if len(roots) == 2:
        a, b = map(Path, roots)
        return (images_in(a), images_in(b), f"{a} and {b}") if train else None
    root = Path(roots[0])
    splits = ("train",) if train else ("test", "val")
    names = [pair for s in splits for pair in ((f"{s}A", f"{s}B"), (f"{s}/A", f"{s}/B"))]
    for a, b in names + ([("a", "b"), ("A", "B")] if train else []):
        here = [(root / side).is_dir() for side in (a, b)]
        if any(here) and train and not all(here):
            there, missing = (a, b) if here[0] else (b, a)
            raise InputError(
                f"{root} holds {there}/ but there is no {missing}/; CycleGAN needs trainA/ and "
                "trainB/, a/ and b/, or two --data folders"
            )
        if all(here):
            return images_in(root / a), images_in(root / b), f"{a}/ and {b}/"
    if train:
        raise InputError(
            nothing_found(root, "trainA/ and trainB/, a/ and b/ (or name two folders)")
        )
    return None


def images(root: str | os.PathLike, *, train: bool) -> list[Path]:
    """Single pictures: those of ``train/`` (``test/``, ``val/``), else all under ``root``.

    A test set that is not there is an empty list.

    Raises:
        InputError: ``root`` is not a folder, or there is no picture to train on.
    """
    root = one_path(root)
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; --data takes a folder of pictures, or `demo`")
    for split in ("train",) if train else ("test", "val"):
        if (root / split).is_dir():
            return images_in(root / split)
    return images_in(root) if train else []


def photos(
    root: str | os.PathLike | Sequence[str], *, train: bool, seed: int = 0
) -> tuple[list[Path], str]:
    """The photographs to train on, or those held back for validation, and a description.

    ``train/`` and ``val/`` or ``test/`` (COCO's ``train2017/`` and ``val2017/`` too); where there
    is no such ``train/``, all under ``root``, see ``choose_validation``.
    A validation set that is not there is an empty list.

    Raises:
        InputError: ``root`` is not a folder, or there is no picture to train on.
    """
    root = one_path(root)
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; --data takes a folder of pictures, or `demo`")
    for year in ("", "2017"):
        if (root / f"train{year}").is_dir():
            names = [f"train{year}"] if train else [f"val{year}", f"test{year}"]
            found = next((name for name in names if (root / name).is_dir()), None)
            return (images_in(root / found), f"photographs of {found}/") if found else ([], "")
    everything = images_in(root)
    back = choose_validation([path.relative_to(root).as_posix() for path in everything], seed)
    chosen = [path for path, is_back in zip(everything, back) if is_back != train]
    share, name = f"{sum(back)} of {len(everything)}", root.resolve().name
    if train:
        return chosen, f"photographs of {name}/, {share} held back"
    return chosen, f"photographs held back of {name}/, {share}"


def choose_validation(names: Sequence[str], seed: int) -> list[bool]:
    """Which of these names are kept from training: about a twentieth, by a hash of name and seed.

    A name's fate does not depend on the other names, except for the bounds: at least 1 and at most
    ``MAX_VALIDATION``, and none of fewer than 5.
    """
    if len(names) < 5:
        return [False] * len(names)
    numbers = [hashlib.sha256(f"{seed}\t{name}".encode()).digest() for name in names]
    twentieth = (2**64 // 20).to_bytes(8, "big")
    lowest = sorted(numbers)[:MAX_VALIDATION]
    return [
        number == lowest[0] or (number < twentieth and number <= lowest[-1]) for number in numbers
    ]


def domains(
    root: str | os.PathLike, *, train: bool
) -> tuple[dict[str, list[Path]], dict[str, list[Path]], str] | None:
    """The pictures of each domain, those that styles are taken from, and a description.

    Looked for, in this order: ``train/<domain>/`` (for the test set ``test/`` or ``val/``);
    ``src/<domain>/`` and ``ref/<domain>/`` with the same domains, which are one pool for training,
    and sources and references for testing; ``<domain>/``, which has no test set: None. Elsewhere
    the references are the sources. Domains stand in the natural order of their names; hidden
    folders are none.

    Raises:
        InputError: none of these is there, there are fewer than two domains, a domain holds no
            pictures, or the domains of two folders are not the same.
    """
    root = one_path(root)
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; --data takes a folder of folders, or `demo`")
    train_folder, src, ref = (root / name for name in ("train", "src", "ref"))
    tests = [root / name for name in ("test", "val") if (root / name).is_dir()]
    if train_folder.is_dir() or tests:
        if train:
            found = domain_folders(train_folder)
            return found, found, "train/"
        if not tests:
            return None
        if train_folder.is_dir():
            same_domains(train_folder, tests[0])
        found = domain_folders(tests[0])
        return found, found, f"{tests[0].name}/"
    if src.is_dir() or ref.is_dir():
        same_domains(src, ref)
        sources, references = domain_folders(src), domain_folders(ref)
        if not train:
            return sources, references, "src/ with references in ref/"
        pool = {name: sources[name] + references[name] for name in sources}
        return pool, pool, "src/ and ref/"
    if not train:
        return None
    found = domain_folders(root)
    return found, found, "a folder each"


def domain_folders(root: Path) -> dict[str, list[Path]]:
    """The pictures of every folder in ``root`` by its name, in natural order.

    Raises:
        InputError: there are fewer than two folders, or one holds no pictures.
    """
    folders = _subfolders(root)
    if len(folders) < 2:
        raise InputError(
            nothing_found(
                root,
                "two folders or more, one a domain (in the folder itself, in train/ and test/ or "
                "val/, or in src/ and ref/)",
            )
        )
    found = {folder.name: list_images(folder) for folder in folders}
    for name, images in found.items():
        if not images:
            raise InputError(
                f"{root / name} holds no pictures, and each folder in {root} is a domain; put some "
                "in, or take it away"
            )
    return found


def same_domains(first: Path, second: Path) -> None:
    """Raise InputError where two folders do not hold folders of the same names."""
    names = [{folder.name for folder in _subfolders(root)} for root in (first, second)]
    for here, there, more in ((first, second, 0), (second, first, 1)):
        alone = names[more] - names[1 - more]
        if alone:
            raise InputError(
                f"{here} holds {', '.join(sorted(alone))}, and {there} does not; both need a "
                "folder for each domain"
            )


def _subfolders(root: Path) -> list[Path]:
    """The folders in ``root`` that are not hidden, in natural order."""
    if not root.is_dir():
        raise InputError(f"{root} is missing, but there are folders of domains beside it")
    folders = (path for path in root.iterdir() if path.is_dir() and path.name[0] != ".")
    return sorted(folders, key=natural_key)


def images_in(folder: Path) -> list[Path]:
    """The pictures of a folder in natural order; InputError where there are none."""
    images = list_images(folder)
    if not images:
        raise InputError(f"{folder} holds no pictures")
    return images


def one_path(root: str | os.PathLike | Sequence[str]) -> Path:
    """``root`` as a path; InputError where several were named."""
    if not isinstance(root, (str, os.PathLike)):
        raise InputError(f"--data names {len(root)} places; this model reads one")
    return Path(root)


def match_names(root: Path, a: str, b: str) -> list[Pair]:
    """Pairs of ``root/a`` and ``root/b``: the same name, whatever the suffix.

    Raises:
        InputError: a folder is missing or empty, or pictures have no partner.
    """
    sides = []
    for mine, other in ((a, b), (b, a)):
        images = list_images(root / mine) if (root / mine).is_dir() else []
        if not images:
            state = "holds no pictures" if (root / mine).is_dir() else "is missing"
            raise InputError(
                f"{root / mine} {state}, but {other}/ is there; pairs need a picture of the same "
                f"name in {a}/ and {b}/"
            )
        sides.append({p.relative_to(root / mine).with_suffix("").as_posix(): p for p in images})
    alone = sorted(set(sides[0]) ^ set(sides[1]))
    if alone:
        here, there = (a, b) if alone[0] in sides[0] else (b, a)
        raise InputError(
            f"{root / here}: {alone[0]} has no partner in {there}/ ({len(alone)} pictures have "
            "none); add the missing ones or take these away"
        )
    return [Pair(path, sides[1][name]) for name, path in sides[0].items()]


def read_list(
    path: str | os.PathLike, root: str | os.PathLike, *, allow_outside: bool = False
) -> list[Pair]:
    """Pairs of a list file: ``A<TAB>B`` a line, relative to ``root``; one path: side by side.

    A list comes with the data, perhaps from a stranger: by itself it names nothing outside
    ``root``. Links in ``root`` are the user's, and followed.

    Raises:
        InputError: the list cannot be read, is empty, or, without ``allow_outside``, names what
            lies outside ``root``.
    """
    path, root = Path(path), Path(root)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file"
        raise InputError(f"the list {path} cannot be read: {reason}") from error
    pairs = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        names = line.rstrip("\r\n").split("\t")
        if len(names) > 2:
            raise InputError(f"{path}, line {number}: {len(names)} columns; a pair is A<TAB>B")
        for name in names:
            if not allow_outside and leaves_folder(name.strip()):
                raise InputError(
                    f"{path}, line {number}: {name} lies outside {root}; paths in a list are "
                    "relative to its folder. --allow-outside reads it nevertheless, if you trust "
                    "the list"
                )
        pairs.append(Pair(*(root / name.strip() for name in names)))
    if not pairs:
        raise InputError(f"the list {path} names no pictures; each line is A<TAB>B")
    return pairs


def leaves_folder(name: str) -> bool:
    """Whether a path is absolute or climbs, on this system or as Windows writes it."""
    paths = (PurePosixPath(name), PureWindowsPath(name))
    return any(path.anchor or ".." in path.parts for path in paths)


def nothing_found(root: Path, wanted: str) -> str:
    """The sentence for a folder of no known layout: what was looked for, and what is there."""
    names = sorted(p.name + ("/" if p.is_dir() else "") for p in root.iterdir())
    there = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return f"{root} holds none of: {wanted}; what is there: {there or 'nothing, it is empty'}"
