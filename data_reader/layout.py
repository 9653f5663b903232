"""Find the layout of a data folder, or fail with a list of the layouts that were tried."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

from ._data_sets import DATA_SETS
from .errors import InputError, disk_errors
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

SPLITS = {True: ("train",), False: ("test", "val")}  # by whether it is for training
ALL_SPLITS = (*SPLITS[True], *SPLITS[False])
WITHOUT_SPLIT = [("a", "b"), ("A", "B")]  # folders of pairs, or of two domains
MAX_VALIDATION = 500  # photographs of one folder that are kept from training


class Pair(NamedTuple):
    """Files of one pair; ``b`` is None if one image holds A and B side by side."""

    a: Path
    b: Path | None = None


class ListFile(os.PathLike):
    """A list file whose lines are relative to the folder ``root``: ``--data`` and ``--data-root``.

    Raises InputError if one of them does not exist.
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
    ``train/B``; ``A/train`` and ``B/train``; ``train/`` (``test/`` or ``val/``) with both sides in
    each image; ``a/`` and ``b/``; in ``root`` itself, images with both sides, or A and B with names
    that differ in a known ending. Two folders pair by ``match``. A folder of none of these
    may contain one that is. Returns an empty list if there is no test split. ``allow_outside``: see
    ``read_list``. Raises InputError if no layout fits, a pair is incomplete, or a list is invalid.
    """
    given, root = root, _existing(root, "a folder, a list file", folder=False)
    if root.is_dir():
        root = data_folder(root, lambda inner: _has_pairs(inner) or bool(train_lists(inner)))
        if not _has_pairs(root):
            root = next(iter(train_lists(root)), root)
    if root.is_file():
        if hint := unpack_first([root]):
            raise InputError(f"{root} is no list; {hint}")
        found = [root] if train else [p for p in test_lists(root) if p.is_file()]
        if not found:
            return [], ""
        base = given.root if isinstance(given, ListFile) else None
        return read_list(found[0], base, allow_outside=allow_outside), f"list {found[0]}"

    sides = _two_folders(root, _sides(SPLITS[train]), any)
    if not sides:
        for split in SPLITS[train]:
            found = list_images(root / split) if (root / split).is_dir() else []
            if found:
                return [Pair(image) for image in found], f"{split}/ with A and B side by side"
    if not sides and train:
        sides = _two_folders(root, WITHOUT_SPLIT, all)
    if sides:
        return match_names(root, *sides), "{}/ and {}/ with equal names".format(*sides)
    if not train:
        return [], ""
    found = [path for path in list_images(root) if path.parent == root]
    if not found:
        raise nothing_found(
            root,
            "trainA/ and trainB/, train/A and train/B, A/train and B/train, or a/ and b/, with "
            "equal names; train/ with A and B side by side in each image; a list such as "
            "train_list or train.txt with A<TAB>B on each line",
        )
    return halves(found) or ([Pair(image) for image in found], "images with A and B side by side")


def _has_pairs(root: Path) -> bool:
    sides = _two_folders(root, WITHOUT_SPLIT, all) or _two_folders(root, _sides(ALL_SPLITS), any)
    folders = (root / split for split in ALL_SPLITS)
    return bool(sides) or any(folder.is_dir() and list_images(folder) for folder in folders)


def unpaired(
    roots: Sequence[str | os.PathLike], *, train: bool
) -> tuple[list[Path], list[Path], str] | None:
    """Return the images of A, those of B, and a description of the layout.

    One folder with ``trainA/`` and ``trainB/`` (``testA``/``testB`` or ``valA``/``valB``),
    ``train/A`` and ``train/B``, or ``a/`` and ``b/``, or a folder around it; or two folders, A
    first. Returns None if there is no test split. Raises InputError if no layout fits, or a side
    has no images.
    """
    if len(roots) > 2:
        raise InputError(f"--data names {len(roots)} folders; name one folder, or one for A and B")
    folders = [_existing(root, "a folder, two") for root in roots]
    if len(folders) == 2:
        a, b = folders
        return (images_in(a), images_in(b), f"{a} and {b}") if train else None
    every = _sides(ALL_SPLITS) + WITHOUT_SPLIT
    root = data_folder(folders[0], lambda inner: bool(_two_folders(inner, every, all)))
    wanted = _sides(SPLITS[train]) + (WITHOUT_SPLIT if train else [])
    if found := _two_folders(root, wanted, all):
        a, b = found
        return images_in(root / a), images_in(root / b), f"{a}/ and {b}/"
    if not train:
        return None
    if half := _two_folders(root, wanted, any):
        here, missing = half if (root / half[0]).is_dir() else half[::-1]
        raise InputError(
            f"{root} has {here}/, but no {missing}/; this model needs trainA/ and trainB/, "
            "a/ and b/, or two --data folders"
        )
    raise nothing_found(root, "trainA/ and trainB/, a/ and b/ (or name two folders)")


def images(root: str | os.PathLike, *, train: bool) -> list[Path]:
    """Return the images of ``train/`` (``test/``, ``val/``), else all images under ``root``.

    Returns an empty list if there is no test split. Raises InputError if ``root`` is not a folder
    or has no images to train on.
    """
    root = _existing(root, "a folder of images")
    folder = _first_folder(root, SPLITS[train])
    if folder is None and not train:
        return []
    return images_in(folder or root)


def photos(
    root: str | os.PathLike | Sequence[str], *, train: bool, seed: int = 0
) -> tuple[list[Path], str]:
    """Return the photographs of the training or the validation set, and a description.

    Reads ``train/`` and ``val/`` or ``test/`` (COCO's ``train2017/`` and ``val2017/`` too). Without
    ``train/``, ``choose_validation`` splits all images under ``root``. Returns an empty list if
    there is no validation set. Raises InputError if ``root`` is not a folder, or has no images to
    train on.
    """
    root = _existing(root, "a folder of images")
    if folder := _first_folder(root, ("train", "train2017")):
        if not train:
            year = folder.name.removeprefix("train")
            folder = _first_folder(root, (f"val{year}", f"test{year}"))
        return (images_in(folder), f"photographs of {folder.name}/") if folder else ([], "")
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
    folder of none of these may contain one that is. Returns None if there is no test split. Raises
    InputError if no layout fits, there are fewer than two domains, a domain has no images, or the
    domains of two folders differ.
    """
    root = data_folder(_existing(root, "a folder of folders"), _has_domains)
    train_folder, src, ref = (root / name for name in ("train", "src", "ref"))
    test_folder = _first_folder(root, SPLITS[False])
    if train_folder.is_dir() or test_folder:
        folder = train_folder if train else test_folder
        if folder is None:
            return None
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
    return len(names) > 1 or bool(names & {*ALL_SPLITS, "src", "ref"})


def domain_folders(root: Path) -> dict[str, list[Path]]:
    """Return the images of every folder in ``root`` by its name, in natural order."""
    found = {folder.name: list_images(folder) for folder in subfolders(root)}
    if len(found) < 2:
        wanted = "two folders or more, one a domain (in it, in train/ and test/, or src/ and ref/)"
        raise nothing_found(root, wanted)
    for name, paths in found.items():
        if "," in name or name != name.strip():
            problem = "has a comma or an outer blank in its name, which divide names of domains"
            raise InputError(f"the folder {str(root / name)!r} {problem}; rename it")
        if not paths:
            problem = f"has no images, and each folder in {root} is a domain"
            raise InputError(f"{root / name} {problem}; add some, or remove the folder")
    return found


def require_same_domains(first: Path, second: Path) -> None:
    """Raise InputError unless two folders have subfolders of the same names."""
    sides = [(root, {folder.name for folder in subfolders(root)}) for root in (first, second)]
    for (here, names), (there, others) in (sides, sides[::-1]):
        if names - others:
            raise InputError(
                f"{here} has {', '.join(sorted(names - others))}, and {there} does not; both need "
                "a folder for each domain"
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


def _existing(root: str | os.PathLike | Sequence[str], wanted: str, *, folder: bool = True) -> Path:
    """Return ``root`` as a path; InputError unless it exists and, with ``folder``, is one."""
    root, takes = one_path(root), f"--data takes {wanted}, or `demo`"
    if not root.exists():
        to = "" if root == Path("data", root.name) else f" --to {shlex.quote(str(root))}"
        hint = f"; python -m data_reader.download {root.name}{to} downloads it"
        raise InputError(f"{root} does not exist; {takes}{hint if root.name in DATA_SETS else ''}")
    if folder and not root.is_dir():
        raise InputError(f"{root} is not a folder; {unpack_first([root]) or takes}")
    return root


def nothing_found(root: Path, wanted: str) -> InputError:
    """Return the error for a folder of no known layout: what was expected, what it contains."""
    paths = sorted(root.iterdir())
    names = [p.name + ("/" if p.is_dir() else "") for p in paths]
    hint = unpack_first(paths)
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    content = ", ".join(names[:8]) + more if names else "nothing, it is empty"
    return InputError(f"{root} has none of: {wanted}; it contains: {content}{hint and '; '}{hint}")


def unpack_first(paths: Iterable[Path]) -> str:
    """Return what to do about the first packed archive among these files; "" if there is none."""
    for path in paths:
        unpacked = path.with_name(path.name.split(".")[0])
        if path.name.lower().endswith(ARCHIVES) and path.is_file() and not unpacked.exists():
            archive, folder = (shlex.quote(str(name)) for name in (path, path.parent))
            zipped = path.suffix.lower() == ".zip"
            command = f"unzip -q {archive} -d" if zipped else f"tar xf {archive} -C"
            return f"unpack {path} first: {command} {folder}"
    return ""


def data_folder(root: Path, fits: Callable[[Path], bool]) -> Path:
    """Return ``root``, or the one folder inside it that ``fits``, at most three levels deeper.

    Raises InputError if several folders of one level fit.
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


def _sides(splits: Iterable[str]) -> list[tuple[str, str]]:
    """Return the names that folders of A and B may have."""
    patterns = (
        ("{}A", "{}B"), ("{}/A", "{}/B"), ("A/{}", "B/{}"), ("leftImg8bit/{}", "gtFine/{}")
    )  # fmt: skip
    return [(a.format(split), b.format(split)) for split in splits for a, b in patterns]


def _two_folders(
    root: Path, names: Iterable[tuple[str, str]], how: Callable[[Iterable[bool]], bool]
) -> tuple[str, str] | None:
    """Return the first names of which ``any`` or ``all`` are folders in ``root``."""
    return next((two for two in names if how((root / name).is_dir() for name in two)), None)


def _first_folder(root: Path, names: Iterable[str]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None)


# Lists of pairs as others write them.


def read_list(
    path: str | os.PathLike, root: str | os.PathLike | None = None, *, allow_outside: bool = False
) -> list[Pair]:
    """Read pairs from a list file: ``A<TAB>B`` per line, relative to ``root``; or one path.

    Commas, semicolons and spaces separate two image files too. Without ``root``, see
    ``list_root``. Lists may come from strangers, so paths must stay inside ``root`` unless
    ``allow_outside``. Links inside ``root`` are the user's and are followed. Raises InputError if
    the list is unreadable or empty, or a path leaves ``root``.
    """
    path = Path(path)
    found = []
    for number, line in enumerate(list_lines(path), 1):
        names = split_line(line)
        if len(names) > 2:
            raise InputError(f"{path}, line {number}: {len(names)} columns; a pair is A<TAB>B")
        for name in names:
            if not allow_outside and leaves_folder(name):
                raise InputError(
                    f"{path}, line {number}: {name} is outside {root or path.parent}; give "
                    "--data-root, the folder of its paths, or --allow-outside if you trust the list"
                )
        if names:
            found.append(names)
    if not found:
        raise InputError(f"the list {path} names no images; each line is A<TAB>B")
    names = [name for pair in found for name in pair]
    if root is None:
        root = path.parent if any(map(leaves_folder, names)) else list_root(path, names)
    return [Pair(*(inside(Path(root), name) for name in names)) for names in found]


def leaves_folder(name: str) -> bool:
    """Return whether a path is absolute or has "..", on this system or on Windows."""
    paths = (PurePosixPath(name), PureWindowsPath(name))
    return any(path.anchor or ".." in path.parts for path in paths)


def list_lines(path: Path) -> list[str]:
    """Read a text file in UTF-8, UTF-16 with a byte-order mark, or GBK, as lines."""
    with disk_errors(f"cannot read the list {path}"):
        data = path.read_bytes()
    encodings = ["utf-16"] if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ["utf-8-sig", "gb18030"]
    for encoding in encodings:
        with suppress(UnicodeDecodeError):
            text = data.decode(encoding)
            if "\0" not in text:
                return text.splitlines()
    raise InputError(f"cannot read the list {path}: it is not a text file")


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
    if name.isascii() and "\\" not in name:
        return root / name
    names = [name]
    with suppress(UnicodeDecodeError):
        names.append(name.encode().decode("gb18030"))
    names += [other.replace("\\", "/") for other in names]
    return next((root / other for other in names if (root / other).exists()), root / name)


def list_root(path: Path, names: Iterable[str]) -> Path:
    """Return the folder that a list's names are relative to: its own, or one inside.

    Names that begin with the list's own folders (``cityscapes/train/A/0.jpg`` in
    ``cityscapes/train_list``) are relative to a folder further up, but stay inside. Raises
    InputError if none of these folders has any of the files.
    """
    names = list(names)[:LINES_CHECKED]
    folder = path.parent
    tried = [folder, *subfolders(folder)[:LINES_CHECKED]]
    first = PurePosixPath(names[0].replace("\\", "/")).parts
    for depth, above in enumerate(folder.absolute().parents, 1):
        if first[:depth] == folder.absolute().parts[-depth:] and depth < len(first):
            tried.append(above)
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
    names = [path.name.replace("train", split) for split in SPLITS[False]]
    names = [name for name in names if name != path.name] + ["test.txt"]
    return [path.with_name(name) for name in names]


def train_lists(folder: Path) -> list[Path]:
    """Return the files in a folder that are named as lists of training pairs."""
    found = [p for p in folder.glob("*train*") if p.suffix in ("", ".txt", ".lst", ".list", ".csv")]
    return sorted((p for p in found if p.is_file()), key=natural_key)


# Files whose names differ.


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
        sides = list(match(by_stem(root / a, sides[0]), by_stem(root / b, sides[1])))
    alone = sorted(set(sides[0]) ^ set(sides[1]))
    if alone:
        here, there = (a, b) if alone[0] in sides[0] else (b, a)
        raise InputError(
            f"{root / here}: {alone[0]} has no partner in {there}/ ({len(alone)} images have "
            f"none; tried {TRIED}); add the missing images or remove these"
        )
    return [Pair(path, sides[1][name]) for name, path in sides[0].items()]


def by_stem(folder: Path, names: Mapping[str, Path]) -> dict[str, Path]:
    """Return images by their names without suffixes; InputError if two become equal."""
    stems: dict[str, Path] = {}
    for name, path in names.items():
        first = stems.setdefault(str(Path(name).with_suffix("")), path)
        if first != path:
            raise InputError(
                f"{folder} has {first.name} and {path.name}: which of them belongs to a pair? "
                "Remove or rename one, or give both sides the same suffixes"
            )
    return stems


def match(a: dict[str, Path], b: dict[str, Path]) -> tuple[dict[str, Path], dict[str, Path]]:
    """Give files of A and B that belong together the same name.

    Equal names come first. Where none is equal: known endings, one common ending or beginning of
    all names of a side, or the numbers in them, whichever matches most. Sides that do not match at
    all stay as they are.
    """
    if a.keys() & b.keys():
        return a, b
    starts = product(_common_starts(a), _common_starts(b))
    ends = product(*(
        [end[::-1] for end in _common_starts(name[::-1] for name in side)] for side in (a, b)
    ))  # fmt: skip
    ways: list[tuple[Callable[[str], str | None], Callable[[str], str | None]]] = [
        *((_cut("", first), _cut("", second)) for first, second in (*KNOWN_ENDINGS, *ends)),
        *((_cut(first, ""), _cut(second, "")) for first, second in starts),
        (_numbers, _numbers),
        (_last_number, _last_number),
    ]
    pairs = ((_renamed(a, first), _renamed(b, second)) for first, second in ways)
    best = max(pairs, key=lambda sides: len(sides[0].keys() & sides[1].keys()))
    return best if best[0].keys() & best[1].keys() else (a, b)


def halves(images: Sequence[Path]) -> tuple[list[Pair], str] | None:
    """Pair images of one folder whose names differ in a known ending, or photo.jpg and .png.

    Returns None unless every image has a partner.
    """
    for first, second in (*KNOWN_ENDINGS, (".jpg", ".png")):
        suffix = first == ".jpg"  # else the suffixes do not count
        names = {path.stem + suffix * path.suffix.lower(): path for path in images}
        a, b = _renamed(names, _cut("", first)), _renamed(names, _cut("", second))
        if a.keys() == b.keys() and len(a) + len(b) == len(images):
            pairs = [Pair(path, b[name]) for name, path in a.items()]
            return pairs, f"names in {first} and {second}"
    return None


def _renamed(side: dict[str, Path], rename: Callable[[str], str | None]) -> dict[str, Path]:
    """Return files by their new names, without those of no new name; {} if two become equal."""
    found = [(rename(name), path) for name, path in side.items()]
    new = {name: path for name, path in found if name is not None}
    return new if len(new) == sum(name is not None for name, _ in found) else {}


def _cut(start: str, end: str) -> Callable[[str], str | None]:
    """Return a function that removes a beginning and an ending; None for a name without them."""
    return lambda name: (
        name.removeprefix(start).removesuffix(end)
        if name.startswith(start) and name.endswith(end)
        else None
    )


def _common_starts(names: Iterable[str]) -> list[str]:
    """Return what all names begin with, up to a separator or number, longest first; then ""."""
    common = os.path.commonprefix(list(names))  # noqa: RUF071
    ends = {at.end() for at in re.finditer(r"[-_. /]", common)} | {len(common.rstrip("0123456789"))}
    return [common[:end] for end in sorted(ends | {0}, reverse=True)]


def _numbers(name: str) -> str | None:
    return " ".join(str(int(number)) for number in re.findall("[0-9]+", name)) or None


def _last_number(name: str) -> str | None:
    return (_numbers(name) or "").rpartition(" ")[2] or None
