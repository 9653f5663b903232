"""Find the layout of a data folder, or fail with a list of the layouts that were tried."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from ._data_sets import DATA_SETS
from .errors import InputError
from .images import IMAGE_SUFFIXES, is_system_folder, list_images, natural_key

# What A and B end in where their names differ, in data sets that are in use.
KNOWN_ENDINGS = (
    ("_leftImg8bit", "_gtFine_color"),
    ("-real", "-label"),
    ("_real", "_label"),
    ("_A", "_B"),
    ("-A", "-B"),
)
ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz")
TRIED = "equal names, a common part (0_A and 0_B) and equal numbers"
MAX_DEPTH = 3  # folders around a data set
LINES_CHECKED = 50  # of a list, to find the folder that it is relative to

# Two image files on a line without a tab: names may contain spaces.
_SUFFIX = "|".join(re.escape(suffix) for suffix in sorted(IMAGE_SUFFIXES))
_TWO_FILES = re.compile(rf"(.+?(?:{_SUFFIX}))\W?[,;|\s]+\W?(.+(?:{_SUFFIX}))\W?$", re.IGNORECASE)

SPLITS = ("train", "test", "val")
WITHOUT_SPLIT = (("a", "b"), ("A", "B"))  # folders of pairs, or of two domains
MAX_VALIDATION = 500  # photographs of one folder that are kept from training


class Pair(NamedTuple):
    """Files of one pair; ``b`` is None if one image holds A and B side by side."""

    a: Path
    b: Path | None = None


class ListFile(os.PathLike):
    """A list file whose lines are relative to the folder ``root``: ``--data`` and ``--data-root``.

    Raises:
        InputError: one of them does not exist.
    """

    def __init__(self, path: str | os.PathLike, root: str | os.PathLike):
        self.path, self.root = Path(path), Path(root)
        if not self.path.is_file():
            raise InputError(f"--data-root is for a list file, and --data {path} is none")
        if not self.root.is_dir():
            raise InputError(f"--data-root {root} is not a folder")

    def __fspath__(self) -> str:
        return str(self.path)


def paired(
    root: str | os.PathLike, *, train: bool, allow_outside: bool = False
) -> tuple[list[Pair], str]:
    """Return the pairs under ``root`` in natural order, and a description of the layout.

    Layouts, in this order: a list file (``A<TAB>B`` per line, relative to its own folder or to one
    inside; the test list has ``test`` or ``val`` for ``train`` in its name, or is ``test.txt``);
    ``trainA/`` and ``trainB/`` (``testA``/``testB`` or ``valA``/``valB``); ``train/A`` and
    ``train/B``; ``A/train`` and ``B/train``; ``train/`` (``val/`` or ``test/``) with both sides in
    each image; ``a/`` and ``b/``; in ``root`` itself, images with both sides, or A and B with names
    that differ in a known ending. Two folders pair by ``match``. A folder of none of these
    may contain one that is. Returns an empty list if there is no test split. ``allow_outside``: see
    ``read_list``.

    Raises:
        InputError: no layout fits, a pair is incomplete, or a list is invalid.
    """
    given, root = root, one_path(root)
    require(root, "a folder, a list file, or `demo`")
    if root.is_dir():
        root = data_folder(root, lambda inner: _has_pairs(inner) or bool(train_lists(inner)))
        lists = [] if _has_pairs(root) else train_lists(root)
        root = lists[0] if lists else root
    if root.is_file():
        if hint := unpack_first([root]):
            raise InputError(f"{root} is no list; {hint}")
        found = [root] if train else [p for p in test_lists(root) if p.is_file()]
        if not found:
            return [], ""
        base = given.root if isinstance(given, ListFile) else None
        return read_list(found[0], base, allow_outside=allow_outside), f"list {found[0]}"

    for split in _splits(train):
        for a, b in _sides(split):
            if (root / a).is_dir() or (root / b).is_dir():
                return match_names(root, a, b), f"{a}/ and {b}/ with equal names"
        found = list_images(root / split) if (root / split).is_dir() else []
        if found:
            return [Pair(image) for image in found], f"{split}/ with A and B side by side"
    if not train:
        return [], ""
    for a, b in WITHOUT_SPLIT:
        if (root / a).is_dir() and (root / b).is_dir():
            return match_names(root, a, b), f"{a}/ and {b}/ with equal names"
    found = [path for path in list_images(root) if path.parent == root]
    if not found:
        wanted = (
            "trainA/ and trainB/, train/A and train/B, A/train and B/train, or a/ and b/, with "
            "equal names; train/ with A and B side by side in each image; a list such as "
            "train_list or train.txt with A<TAB>B on each line"
        )
        raise InputError(nothing_found(root, wanted))
    two, what = halves(found)
    if two:
        return [Pair(a, b) for a, b in two], what
    return [Pair(image) for image in found], "images with A and B side by side"


def _has_two_sides(root: Path) -> bool:
    sides = [pair for split in SPLITS for pair in _sides(split)]
    return any((root / a).is_dir() and (root / b).is_dir() for a, b in [*sides, *WITHOUT_SPLIT])


def _has_pairs(root: Path) -> bool:
    if _has_two_sides(root):
        return True
    sides = [pair for split in SPLITS for pair in _sides(split)]
    if any((root / a).is_dir() or (root / b).is_dir() for a, b in sides):
        return True
    return any((root / split).is_dir() and list_images(root / split) for split in SPLITS)


def unpaired(
    roots: Sequence[str | os.PathLike], *, train: bool
) -> tuple[list[Path], list[Path], str] | None:
    """Return the images of A, those of B, and a description of the layout.

    One folder with ``trainA/`` and ``trainB/`` (``testA``/``testB`` or ``valA``/``valB``),
    ``train/A`` and ``train/B``, or ``a/`` and ``b/``, or a folder around it; or two folders, A
    first. Returns None if there is no test split.

    Raises:
        InputError: no layout fits, or a side has no images.
    """
    if len(roots) > 2:
        raise InputError(f"--data names {len(roots)} folders; name one folder, or one for A and B")
    folders = [_folder(root, "a folder, two") for root in roots]
    if len(folders) == 2:
        a, b = folders
        return (images_in(a), images_in(b), f"{a} and {b}") if train else None
    root = data_folder(folders[0], _has_two_sides)
    sides = [pair for split in _splits(train) for pair in _sides(split)]
    for a, b in sides + (list(WITHOUT_SPLIT) if train else []):
        exist = [(root / side).is_dir() for side in (a, b)]
        if all(exist):
            return images_in(root / a), images_in(root / b), f"{a}/ and {b}/"
        if any(exist) and train:
            found, missing = (a, b) if exist[0] else (b, a)
            raise InputError(
                f"{root} has {found}/, but no {missing}/; this model needs trainA/ and trainB/, "
                "a/ and b/, or two --data folders"
            )
    if train:
        raise InputError(
            nothing_found(root, "trainA/ and trainB/, a/ and b/ (or name two folders)")
        )
    return None


def images(root: str | os.PathLike, *, train: bool) -> list[Path]:
    """Return the images of ``train/`` (``test/``, ``val/``), else all images under ``root``.

    Returns an empty list if there is no test split.

    Raises:
        InputError: ``root`` is not a folder, or has no images to train on.
    """
    root = _folder(root, "a folder of images")
    for split in _splits(train):
        if (root / split).is_dir():
            return images_in(root / split)
    return images_in(root) if train else []


def photos(
    root: str | os.PathLike | Sequence[str], *, train: bool, seed: int = 0
) -> tuple[list[Path], str]:
    """Return the photographs of the training or the validation set, and a description.

    Reads ``train/`` and ``val/`` or ``test/`` (COCO's ``train2017/`` and ``val2017/`` too). Without
    ``train/``, ``choose_validation`` splits all images under ``root``. Returns an empty list if
    there is no validation set.

    Raises:
        InputError: ``root`` is not a folder, or has no images to train on.
    """
    root = _folder(root, "a folder of images")
    for year in ("", "2017"):
        if (root / f"train{year}").is_dir():
            names = [f"train{year}"] if train else [f"val{year}", f"test{year}"]
            found = next((name for name in names if (root / name).is_dir()), None)
            return (images_in(root / found), f"photographs of {found}/") if found else ([], "")
    everything = images_in(root)
    chosen = choose_validation([path.relative_to(root).as_posix() for path in everything], seed)
    paths = [path for path, validates in zip(everything, chosen) if validates != train]
    what, count = f"photographs of {root.resolve().name}/", f"{sum(chosen)} of {len(everything)}"
    return paths, f"{what}, {count} {'kept for the' if train else 'in the'} validation set"


def choose_validation(names: Sequence[str], seed: int) -> list[bool]:
    """Choose about a twentieth of these names for validation, by a hash of name and seed.

    The choice of a name does not depend on the other names, except for the limits: at least 1, at
    most ``MAX_VALIDATION``, and none of fewer than 5.
    """
    if len(names) < 5:
        return [False] * len(names)
    numbers = [hashlib.sha256(os.fsencode(f"{seed}\t{name}")).digest() for name in names]
    twentieth = (2**64 // 20).to_bytes(8, "big")
    lowest = sorted(numbers)[:MAX_VALIDATION]
    return [
        number == lowest[0] or (number < twentieth and number <= lowest[-1]) for number in numbers
    ]


def domains(
    root: str | os.PathLike, *, train: bool
) -> tuple[dict[str, list[Path]], dict[str, list[Path]], str] | None:
    """Return the source images of each domain, the reference images, and a description.

    Layouts, in this order: ``train/<domain>/`` (``test/`` or ``val/``); ``src/<domain>/`` and
    ``ref/<domain>/`` with the same domains, pooled for training; ``<domain>/``. Without ``ref/``
    the sources are the references. Domains are in natural order; hidden folders are skipped. A
    folder of none of these may contain one that is. Returns None if there is no test split.

    Raises:
        InputError: no layout fits, there are fewer than two domains, a domain has no images, or
            the domains of two folders differ.
    """
    root = data_folder(_folder(root, "a folder of folders"), _has_domains)
    train_folder, src, ref = (root / name for name in ("train", "src", "ref"))
    tests = [root / name for name in ("test", "val") if (root / name).is_dir()]
    if train_folder.is_dir() or tests:
        if not (train or tests):
            return None
        folder = train_folder if train else tests[0]
        if not train and train_folder.is_dir():
            require_same_domains(train_folder, folder)
        found = domain_folders(folder)
        return found, found, f"{folder.name}/"
    if src.is_dir() or ref.is_dir():
        require_same_domains(src, ref)
        sources, references = domain_folders(src), domain_folders(ref)
        if not train:
            return sources, references, "src/ with references in ref/"
        pool = {name: sources[name] + references[name] for name in sources}
        return pool, pool, "src/ and ref/"
    if not train:
        return None
    found = domain_folders(root)
    return found, found, "a folder each"


def _has_domains(root: Path) -> bool:
    names = {folder.name for folder in subfolders(root)}
    return len(names) > 1 or bool(names & {*SPLITS, "src", "ref"})


def domain_folders(root: Path) -> dict[str, list[Path]]:
    """Return the images of every folder in ``root`` by its name, in natural order."""
    found = {folder.name: list_images(folder) for folder in subfolders(root)}
    if len(found) < 2:
        wanted = (
            "two folders or more, one a domain (in the folder itself, in train/ and test/ or "
            "val/, or in src/ and ref/)"
        )
        raise InputError(nothing_found(root, wanted))
    for name, paths in found.items():
        if "," in name or name != name.strip():
            raise InputError(
                f"the folder {str(root / name)!r} has a comma or an outer blank in its name, and "
                "the names of domains are separated by commas; rename it"
            )
        if not paths:
            raise InputError(
                f"{root / name} has no images, and each folder in {root} is a domain; add images "
                "or remove the folder"
            )
    return found


def require_same_domains(first: Path, second: Path) -> None:
    """Raise InputError unless two folders have subfolders of the same names."""
    names = [{folder.name for folder in subfolders(root)} for root in (first, second)]
    for here, there, extra in (
        (first, second, names[0] - names[1]),
        (second, first, names[1] - names[0]),
    ):
        if extra:
            raise InputError(
                f"{here} has {', '.join(sorted(extra))}, and {there} does not; both need a folder "
                "for each domain"
            )


def images_in(folder: Path) -> list[Path]:
    """Return the images of a folder in natural order; InputError if there are none."""
    found = list_images(folder)
    if not found:
        hint = unpack_first(sorted(folder.iterdir()))
        raise InputError(f"{folder} has no images{hint and '; '}{hint}")
    return found


def one_path(root: str | os.PathLike | Sequence[str]) -> Path:
    """Return ``root`` as a path, with ``~`` as the home; InputError if several are given."""
    if not isinstance(root, (str, os.PathLike)):
        raise InputError(f"--data names {len(root)} paths; this model reads one")
    return Path(root).expanduser()


def match_names(root: Path, a: str, b: str) -> list[Pair]:
    """Pair the images of ``root/a`` and ``root/b`` by name: see ``match``."""
    sides: list[dict[str, Path]] = []
    for folder, other in ((root / a, b), (root / b, a)):
        found = list_images(folder) if folder.is_dir() else []
        if not found:
            raise InputError(
                f"{folder} {'has no images' if folder.is_dir() else 'is missing'}, but {other}/ "
                f"exists; pairs need an image of the same name in {a}/ and {b}/"
            )
        sides.append({p.relative_to(folder).as_posix(): p for p in found})
    if set(sides[0]) != set(sides[1]):
        sides = [by_stem(folder, side) for folder, side in zip((root / a, root / b), sides)]
        sides = list(match(*sides))
    alone = sorted(set(sides[0]) ^ set(sides[1]))
    if alone:
        here, there = (a, b) if alone[0] in sides[0] else (b, a)
        raise InputError(
            f"{root / here}: {alone[0]} has no partner in {there}/ ({len(alone)} images have "
            f"none; tried {TRIED}); add the missing images or remove these"
        )
    return [Pair(path, sides[1][name]) for name, path in sides[0].items()]


def by_stem(folder: Path, names: Mapping[str, Path]) -> dict[str, Path]:
    """Return images by their names without suffixes.

    Raises:
        InputError: two images differ in their suffixes only.
    """
    stems: dict[str, Path] = {}
    for name, path in names.items():
        first = stems.setdefault(str(Path(name).with_suffix("")), path)
        if first != path:
            raise InputError(
                f"{folder} has {first.name} and {path.name}: which of them belongs to a pair? "
                "Remove or rename one, or give both sides the same suffixes"
            )
    return stems


def read_list(
    path: str | os.PathLike, root: str | os.PathLike | None = None, *, allow_outside: bool = False
) -> list[Pair]:
    """Read pairs from a list file: ``A<TAB>B`` per line, relative to ``root``; or one path.

    Commas, semicolons and spaces separate two image files too. Without ``root``, see
    ``list_root``. Lists may come from strangers, so paths must stay inside ``root`` unless
    ``allow_outside``. Links inside ``root`` are the user's and are followed.

    Raises:
        InputError: the list is unreadable or empty, or a path leaves ``root``.
    """
    path = Path(path)
    lines = list_lines(path)
    found = []
    for number, line in enumerate(lines, 1):
        names = split_line(line)
        if len(names) > 2:
            raise InputError(f"{path}, line {number}: {len(names)} columns; a pair is A<TAB>B")
        for name in names:
            if not allow_outside and leaves_folder(name):
                raise InputError(
                    f"{path}, line {number}: {name} is outside {root or path.parent}; paths are "
                    "relative to the list's folder, or to --data-root. Use --allow-outside if you "
                    "trust the list"
                )
        if names:
            found.append(names)
    if not found:
        raise InputError(f"the list {path} names no images; each line is A<TAB>B")
    names = [name for pair in found for name in pair]
    if root is None and not any(map(leaves_folder, names)):
        root = list_root(path, names)
    base = Path(path.parent if root is None else root)
    return [Pair(*(inside(base, name) for name in names)) for names in found]


def leaves_folder(name: str) -> bool:
    """Return whether a path is absolute or has "..", on this system or on Windows."""
    paths = (PurePosixPath(name), PureWindowsPath(name))
    return any(path.anchor or ".." in path.parts for path in paths)


def nothing_found(root: Path, wanted: str) -> str:
    """Return the message for a folder of no known layout: what was expected, what it contains."""
    paths = sorted(root.iterdir())
    names = [p.name + ("/" if p.is_dir() else "") for p in paths]
    hint = unpack_first(paths)
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    content = ", ".join(names[:8]) + more if names else "nothing, it is empty"
    return f"{root} has none of: {wanted}; it contains: {content}{hint and '; '}{hint}"


def _splits(train: bool) -> tuple[str, ...]:
    return ("train",) if train else ("test", "val")


def _sides(split: str) -> tuple[tuple[str, str], ...]:
    return (
        (f"{split}A", f"{split}B"),
        (f"{split}/A", f"{split}/B"),
        (f"A/{split}", f"B/{split}"),
        (f"leftImg8bit/{split}", f"gtFine/{split}"),
    )


def _folder(root: str | os.PathLike | Sequence[str], wanted: str) -> Path:
    root = one_path(root)
    if not root.is_dir():
        require(root, f"{wanted}, or `demo`")
        hint = unpack_first([root]) or f"--data takes {wanted}, or `demo`"
        raise InputError(f"{root} is not a folder; {hint}")
    return root


def require(root: Path, wanted: str) -> None:
    """Raise InputError if ``root`` does not exist; it may be a data set to download."""
    if not root.exists():
        to = "" if root == Path("data", root.name) else f" --to {shlex.quote(str(root))}"
        hint = f"; python -m data_reader.download {root.name}{to} downloads it"
        known = hint if root.name in DATA_SETS else ""
        raise InputError(f"{root} does not exist; --data takes {wanted}{known}")


def unpack_first(paths: Iterable[Path]) -> str:
    """Return what to do about the first packed archive among these files; "" if there is none."""
    for path in paths:
        unpacked = path.with_name(path.name.split(".")[0])
        if path.name.lower().endswith(ARCHIVES) and path.is_file() and not unpacked.exists():
            archive, folder = (shlex.quote(str(name)) for name in (path, path.parent))
            zipped = path.suffix.lower() == ".zip"
            command = (
                f"unzip -q {archive} -d {folder}" if zipped else f"tar xf {archive} -C {folder}"
            )
            return f"unpack {path} first: {command}"
    return ""


# Lists of pairs as others write them, and files whose names differ.


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
    """Return the path of a name in a list.

    Its backslashes may be Windows' separators, and GBK of a few letters is often valid UTF-8.
    """
    names = [name]
    with suppress(UnicodeDecodeError):
        names.append(name.encode().decode("gb18030"))
    names += [other.replace("\\", "/") for other in names]
    others = [root / other for other in names if other != name]
    if not others or (root / name).exists():
        return root / name
    return next((path for path in others if path.exists()), root / name)


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
    """Return the folders in a folder, without those of ``is_system_folder``, in natural order."""
    if not folder.is_dir():
        raise InputError(f"{folder} is missing, but there are folders of domains next to it")
    found = (path for path in folder.iterdir() if path.is_dir() and not is_system_folder(path.name))
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
        if sides[0].keys() & sides[1].keys():
            return sides
    cuts = [(_endings, _without_ending), (_beginnings, _without_beginning)]
    pairs = [
        (_renamed(a, cut(first)), _renamed(b, cut(second)))
        for parts, cut in cuts
        for first in parts(list(a))
        for second in parts(list(b))
    ]
    pairs += [(_renamed(a, numbers), _renamed(b, numbers)) for numbers in (_numbers, _last_number)]
    best = max(pairs, key=lambda sides: len(sides[0].keys() & sides[1].keys()))
    return best if best[0].keys() & best[1].keys() else (a, b)


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


def _without_ending(ending: str) -> Callable[[str], str | None]:
    return lambda name: name.removesuffix(ending) if name.endswith(ending) else None


def _without_beginning(start: str) -> Callable[[str], str | None]:
    return lambda name: name.removeprefix(start) if name.startswith(start) else None


def _endings(names: list[str]) -> list[str]:
    """Return what all names end in, from a separator on, longest first; the last is empty."""
    common = os.path.commonprefix([name[::-1] for name in names])[::-1]  # noqa: RUF071
    return [common[at.start() :] for at in re.finditer(r"[-_. ]", common)] + [""]


def _beginnings(names: list[str]) -> list[str]:
    """Return what all names begin with, up to a separator or number; the last is empty."""
    common = os.path.commonprefix(names)  # noqa: RUF071
    ends = {at.end() for at in re.finditer(r"[-_. /]", common)} | {len(common.rstrip("0123456789"))}
    return [common[:end] for end in sorted(ends - {0}, reverse=True)] + [""]


def _numbers(name: str) -> str | None:
    return " ".join(str(int(number)) for number in re.findall("[0-9]+", name)) or None


def _last_number(name: str) -> str | None:
    return (_numbers(name) or "").rpartition(" ")[2] or None
