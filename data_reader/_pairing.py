"""Which files belong together: lists of pairs as others write them, and names that differ."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

from .errors import InputError
from .images import IMAGE_SUFFIXES, natural_key

# What A and B end in where their names differ, in data sets that are in use.
KNOWN_ENDINGS = (
    ("_leftImg8bit", "_gtFine_color"),
    ("-real", "-label"),
    ("_real", "_label"),
    ("_A", "_B"),
    ("-A", "-B"),
)
TRIED = "equal names, a common part (0_A and 0_B) and equal numbers"
MAX_DEPTH = 3  # folders around a data set
LINES_CHECKED = 50  # of a list, to find the folder that it is relative to

# Two image files on a line without a tab: names may contain spaces.
_SUFFIX = "|".join(re.escape(suffix) for suffix in sorted(IMAGE_SUFFIXES))
_TWO_FILES = re.compile(rf"(.+?(?:{_SUFFIX}))\W?[,;|\s]+\W?(.+(?:{_SUFFIX}))\W?$", re.IGNORECASE)


def list_lines(path: Path) -> list[str]:
    """Read a text file in UTF-8, UTF-16 with a byte-order mark, or GBK, as lines.

    Raises:
        InputError: it cannot be read, or is not text.
    """
    try:
        data = path.read_bytes()
        if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return data.decode("utf-16").splitlines()
        if b"\0" in data:
            raise ValueError
        try:
            return data.decode("utf-8-sig").splitlines()
        except UnicodeDecodeError:
            return data.decode("gb18030").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file"
        raise InputError(f"cannot read the list {path}: {reason}") from error


def split_line(line: str) -> list[str]:
    """Return the names on a line of a list: separated by a tab, or ``, ; |`` or spaces."""
    names = line.split("\t")
    if len(names) == 1 and (both := _TWO_FILES.match(line.strip())):
        names = list(both.groups())
    return [name.strip().strip("\"'") for name in names if name.strip()]


def inside(root: Path, name: str) -> Path:
    """Return the path of a name in a list; its backslashes may be Windows' separators."""
    path, other = root / name, root / name.replace("\\", "/")
    return other if other != path and other.exists() and not path.exists() else path


def list_root(path: Path, names: Iterable[str]) -> Path:
    """Return the folder that a list's names are relative to: its own, or one inside.

    Names that begin with the list's own folders (``cityscapes/train/A/0.jpg`` in
    ``cityscapes/train_list``) are relative to a folder further up, but stay inside.

    Raises:
        InputError: none of these folders has any of the files.
    """
    names = list(names)[:LINES_CHECKED]
    folder = path.parent
    tried = [folder, *subfolders(folder)[:LINES_CHECKED]]
    first = PurePosixPath(names[0].replace("\\", "/")).parts
    full = folder.absolute()
    for depth in range(1, min(len(first), len(full.parts))):
        if first[:depth] == full.parts[-depth:]:
            tried.append(full.parents[depth - 1])
    found = {root: sum(inside(root, name).is_file() for name in names) for root in tried}
    best = max(tried, key=lambda root: found[root])
    if found[best] == 0:
        where = ", ".join(f"{root}/" for root in tried[:4])
        more = f" and {len(tried) - 4} more folders" if len(tried) > 4 else ""
        raise InputError(
            f"{path} names {names[0]}, which is not in {where}{more}; give --data-root DIR, the "
            "folder that its lines are relative to"
        )
    return best


def test_lists(path: Path) -> list[Path]:
    """Return the names that the test list of a training list may have, likeliest first."""
    names = [path.name.replace("train", split) for split in ("test", "val")]
    names = [name for name in names if name != path.name] + ["test.txt"]
    return [path.with_name(name) for name in names]


def train_lists(folder: Path) -> list[Path]:
    """Return the files in a folder that are named as lists of training pairs."""
    found = [p for p in folder.glob("*train*") if p.suffix in ("", ".txt", ".lst", ".list", ".csv")]
    return sorted((p for p in found if p.is_file()), key=natural_key)


def data_folder(root: Path, fits: Callable[[Path], bool]) -> Path:
    """Return ``root``, or the one folder inside it that ``fits``, at most three levels deeper.

    Raises:
        InputError: several folders of one level fit.
    """
    level = [root]
    for _ in range(MAX_DEPTH + 1):
        found = [folder for folder in level if fits(folder)]
        if len(found) > 1:
            names = ", ".join(str(folder) for folder in found[:8])
            raise InputError(f"{root} contains {len(found)} data sets: {names}; give one of them")
        if found:
            return found[0]
        level = [inner for folder in level for inner in subfolders(folder)][:1000]
    return root


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder, in natural order, without hidden ones."""
    found = (p for p in folder.iterdir() if p.name[0] not in "._" and p.is_dir())
    return sorted(found, key=natural_key)


def match(a: dict[str, Path], b: dict[str, Path]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Give files of A and B that belong together the same name.

    Equal names come first. Where none is equal: known endings, one common ending or beginning of
    all names of a side, then the numbers in them. Sides that do not match at all stay as they are.
    """
    if a.keys() & b.keys():
        return a, b
    for first, second in KNOWN_ENDINGS:
        sides = _renamed(a, _without_ending(first)), _renamed(b, _without_ending(second))
        if _fit(*sides):
            return sides
    cuts = [(_endings, _without_ending), (_beginnings, _without_beginning)]
    pairs = [
        (_renamed(a, cut(first)), _renamed(b, cut(second)))
        for parts, cut in cuts
        for first in parts(list(a))
        for second in parts(list(b))
    ]
    pairs += [(_renamed(a, numbers), _renamed(b, numbers)) for numbers in (_numbers, _last_number)]
    best = max(pairs, key=lambda sides: _fit(*sides))
    return best if _fit(*best) else (a, b)


def halves(images: Sequence[Path]) -> tuple[list[tuple[Path, Path]], str]:
    """Pair images of one folder whose names differ in a known ending, or photo.jpg and .png.

    Returns no pairs unless every image has a partner.
    """
    names = {p.with_suffix("").as_posix() for p in images}
    for first, second in KNOWN_ENDINGS:
        a = {p.stem.removesuffix(first): p for p in images if p.stem.endswith(first)}
        b = {p.stem.removesuffix(second): p for p in images if p.stem.endswith(second)}
        if a and a.keys() == b.keys() and len(a) + len(b) == len(images):
            return [(path, b[name]) for name, path in a.items()], f"names in {first} and {second}"
    kinds = sorted({p.suffix.lower() for p in images})
    if kinds == [".jpg", ".png"] and 2 * len(names) == len(images):
        a = {p.stem: p for p in images if p.suffix.lower() == ".jpg"}
        b = {p.stem: p for p in images if p.suffix.lower() == ".png"}
        if a.keys() == b.keys():
            return [(path, b[name]) for name, path in a.items()], "each A a .jpg, its B a .png"
    return [], ""


def _renamed(side: dict[str, Path], rename: Callable[[str], str | None]) -> dict[str, Path]:
    """Return files by their new names, without those of no new name; {} if two become equal."""
    found = [(rename(name), path) for name, path in side.items()]
    new = {name: path for name, path in found if name is not None}
    return new if len(new) == sum(name is not None for name, _ in found) else {}


def _fit(a: dict[str, Path], b: dict[str, Path]) -> int:
    return len(a.keys() & b.keys())


def _without_ending(ending: str) -> Callable[[str], str | None]:
    return lambda name: name.removesuffix(ending) if name.endswith(ending) else None


def _without_beginning(start: str) -> Callable[[str], str | None]:
    return lambda name: name.removeprefix(start) if name.startswith(start) else None


def _endings(names: list[str]) -> list[str]:
    """Return what all names end in, from a separator on, longest first; the last is empty."""
    common = _common([name[::-1] for name in names])[::-1]
    return [common[at.start() :] for at in re.finditer(r"[-_. ]", common)] + [""]


def _beginnings(names: list[str]) -> list[str]:
    """Return what all names begin with, up to a separator or number; the last is empty."""
    common = _common(names)
    ends = {at.end() for at in re.finditer(r"[-_. /]", common)} | {len(common.rstrip("0123456789"))}
    return [common[:end] for end in sorted(ends - {0}, reverse=True)] + [""]


def _common(names: list[str]) -> str:
    first, last = min(names), max(names)
    at = next((i for i, (x, y) in enumerate(zip(first, last)) if x != y), len(first))
    return first[:at]


def _numbers(name: str) -> str | None:
    return " ".join(str(int(number)) for number in re.findall("[0-9]+", name)) or None


def _last_number(name: str) -> str | None:
    return (_numbers(name) or "").rpartition(" ")[2] or None
