"""python -m data_reader.prepare FOLDER --out DIR: make a data set from folders of images."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import layout, transforms
from .atomic import atomic_folder
from .command import Parser, run
from .errors import InputError
from .images import cv2, read_image, write_image
from .output import say
from .photos import colour_stats, in_threads

THUMBNAIL = 16  # pixels a side, to find near-duplicates
ALIKE = 4.0  # of 255: root mean square difference up to which two thumbnails are alike
SHOWN = 10  # names of each kind on the screen; report.txt and --dry-run have all
FACE = 2.0  # sides of a face to the side of the square around it
EPILOG = """
The report names damaged images (always left out), near-duplicates, grey images, images without a
partner, and pairs of two sizes. --out receives train/ and val/, or trainA/, trainB/, valA/ and
valB/. Subfolders, as of domains, are kept and split one by one; near-duplicates stay on one side of
the split. Nothing in FOLDER is changed.

examples:
  python -m data_reader.prepare photos --dry-run
      reports only
  python -m data_reader.prepare photos --make edges --square 256 --out data/edges
      pairs of edges (A) and photographs (B), for pix2pix
  python -m data_reader.prepare scans drawings --side-by-side --out data/scans
      pairs whose names or numbers are equal, each as one wide image
  python -m data_reader.prepare horses zebras --unpaired --out data/horse2zebra
      two sets without pairs, for CycleGAN and CUT
  python -m data_reader.prepare portraits --square 256 --faces --out data/portraits
      squares around faces; subfolders become the domains of StarGAN v2
"""


class Item(NamedTuple):
    """An image, or a pair: its name below a split's folder, without suffix, and its files."""

    name: str
    paths: tuple[Path, ...]


class Checked(NamedTuple):
    """What the report says of an image."""

    size: tuple[int, int]  # width, height in pixels
    thumbnail: np.ndarray  # float32 [THUMBNAIL * THUMBNAIL * 3]
    grey: bool


def main(argv: Sequence[str] | None = None) -> int:
    """Check the images, print the report, and write the data set."""
    given = build_parser().parse_all(argv)
    check_flags(given)
    sides = [(Path(folder), layout.images_in(Path(folder))) for folder in given.folders]
    paths = [path for _, images in sides for path in images]
    found = dict(zip(paths, in_threads(examine, paths, "checking")))
    good = {path: image for path, image in found.items() if isinstance(image, Checked)}

    report = {"damaged, left out": [str(found[path]) for path in paths if path not in good]}
    small = [path for path in good if given.square and min(good[path].size) < given.square]
    report["smaller than --square, enlarged"] = [str(path) for path in small]
    named = [by_name(folder, [p for p in images if p in good]) for folder, images in sides]
    if len(named) == 2 and not given.unpaired:
        parts = [pairs(*named, good, report)]
    else:
        parts = [[Item(name, (path,)) for name, path in side.items()] for side in named]
    plans = [split(select(items, good, given, report), given.val, given.seed) for items in parts]

    lines = [f"{folder}: {len(images)} images" for folder, images in sides]
    say("\n".join(lines + report_lines(report, None if given.dry_run else SHOWN)))
    splits = [name for plan in plans for name, _ in plan]
    say(f"{splits.count('train')} to train on, {splits.count('val')} to validate")
    if not all(plans):
        raise InputError("no images are left")
    if given.dry_run:
        return 0

    out = Path(given.out)
    with atomic_folder(out) as folder:
        text = "\n".join(lines + report_lines(report)) + "\n"
        (folder / "report.txt").write_text(text, "utf-8", errors="backslashreplace")
        letters = "AB" if len(plans) == 2 else [""]
        jobs = [(folder / name, letter, item)
                for letter, plan in zip(letters, plans) for name, item in plan]  # fmt: skip
        faces = in_threads(partial(write_item, given), jobs, "writing")
    if given.faces:
        say(f"{sum(faces)} faces found; the other squares are from the centre")
    say(f"{out}; now: python -m paddle_gans.train --model {suggested(given)} --data {out}")
    return 0


def build_parser() -> Parser:
    """The command's flags."""
    parser = Parser(
        prog="python -m data_reader.prepare",
        description="Check folders of images and make a data set of them.",
        epilog=EPILOG,
        argument_default=None,
    )
    add = parser.add_argument
    add("folders", nargs="+", metavar="FOLDER", help="images; two folders: A and B")
    add("--out", metavar="DIR", help="the data set; it must not exist")
    add("--dry-run", action="store_true", help="report only")
    add("--unpaired", action="store_true", help="A and B are no pairs")
    add("--make", choices=list(MAKERS), help="make A from photographs, which become B")
    add("--square", type=int, metavar="N", help="cut squares from the centre; N pixels a side")
    add("--faces", action="store_true", help="centre the squares on the largest face")
    add("--side-by-side", action="store_true", help="write each pair as one image, A on the left")
    add("--leave-out", nargs="+", choices=("duplicates", "grey"), default=(), metavar="WHAT",
        help="duplicates (all but the first) or grey")  # fmt: skip
    add("--val", type=float, default=0.1, metavar="X", help="share to hold out (0.1)")
    add("--seed", type=int, default=0, metavar="N", help="of the split (0)")
    return parser


def check_flags(given: argparse.Namespace) -> None:
    """Raise InputError for flags that do not go together."""
    count, square, out = len(given.folders), given.square, given.out
    for wrong, message in (
        (count > 2, f"{count} folders are given; a data set has one or two"),
        (not out and not given.dry_run, "--out DIR is missing; --dry-run only reports"),
        (out and Path(out).exists(), f"{out} exists; give a new folder, or remove it"),
        (not 0 <= given.val < 1, f"--val is a share from 0 to below 1, not {given.val}"),
        (square is not None and square < 16, f"--square is at least 16 pixels, not {square}"),
        (given.faces and not square, "--faces needs --square N, the side of the squares"),
        (given.faces and not hasattr(cv2, "CascadeClassifier"),
         "--faces needs OpenCV 4: pip install 'opencv-python<5'"),
        (count == 2 and given.make, "--make takes one folder of photographs"),
        (given.unpaired and count < 2, "--unpaired takes two folders"),
        (given.side_by_side and (given.unpaired or not (count == 2 or given.make)),
         "--side-by-side takes pairs: two folders, or --make"),
    ):  # fmt: skip
        if wrong:
            raise InputError(message)


def examine(path: Path) -> Checked | InputError:
    """Look at an image; returns the error if it cannot be read."""
    try:
        rgb = read_image(path)
        small = transforms.resize(rgb, THUMBNAIL, THUMBNAIL)
    except InputError as error:
        return error
    thumbnail = small.astype(np.float32).ravel() - 128
    return Checked(rgb.shape[1::-1], thumbnail, colour_stats(rgb).grey)


def by_name(folder: Path, images: Iterable[Path]) -> dict[str, Path]:
    """Images by their names below a folder, without suffix; 1.jpg beside 1.png becomes 1_jpg."""
    names: dict[str, Path] = {}
    for path in images:
        inner = path.relative_to(folder)
        name = inner.with_suffix("").as_posix()
        if name in names:
            name = f"{name}_{path.suffix[1:]}"
        names[name] = path
    return names


def pairs(
    a: dict[str, Path], b: dict[str, Path], good: dict[Path, Checked], report: dict[str, list[str]]
) -> list[Item]:
    """Pair two sides by their names, as training does; reports what is alone or of two sizes."""
    a, b = layout.match(a, b)
    alone = [str((a | b)[name]) for name in a.keys() ^ b.keys()]
    report["without a partner, left out"] = sorted(alone)
    items = [Item(name, (path, b[name])) for name, path in a.items() if name in b]
    report["pairs of two sizes"] = [
        " and ".join("{} {} x {}".format(path, *good[path].size) for path in item.paths)
        for item in items
        if len({good[path].size for path in item.paths}) > 1
    ]
    return items


def select(
    items: Sequence[Item],
    good: dict[Path, Checked],
    given: argparse.Namespace,
    report: dict[str, list[str]],
) -> list[list[Item]]:
    """Group near-duplicates, without what --leave-out names; reports both."""
    groups = near_duplicates(items, good)
    same = [" = ".join(str(item.paths[-1]) for item in g) for g in groups if len(g) > 1]
    without_colour = [item for item in items if good[item.paths[-1]].grey]
    report["near-duplicates"] = report.get("near-duplicates", []) + same
    report["grey"] = report.get("grey", []) + [str(item.paths[-1]) for item in without_colour]
    if "duplicates" in given.leave_out:
        groups = [group[:1] for group in groups]
    if "grey" in given.leave_out:
        groups = [[item for item in group if item not in without_colour] for group in groups]
    return groups


def near_duplicates(items: Sequence[Item], good: dict[Path, Checked]) -> list[list[Item]]:
    """Group items whose thumbnails are alike, all of a pair's; most groups have one item."""
    if not items:
        return []
    x = np.stack([np.concatenate([good[p].thumbnail for p in item.paths]) for item in items])
    squares = (x * x).sum(1)
    group = np.arange(len(items))
    for start in range(0, len(x), 512):
        rows = slice(start, start + 512)
        distance = (squares[rows, None] + squares - 2 * x[rows] @ x.T) / x.shape[1]
        for i, j in zip(*np.nonzero(distance < ALIKE**2)):
            if group[start + i] != group[j]:
                first, second = sorted((group[start + i], group[j]))
                group[group == second] = first
    members: dict[int, list[Item]] = {}
    for number, item in zip(group.tolist(), items):
        members.setdefault(number, []).append(item)
    return list(members.values())


def split(groups: Sequence[Sequence[Item]], share: float, seed: int) -> list[tuple[str, Item]]:
    """Hold out a share of each subfolder, whole groups at a time; returns (split, item)."""
    rng = np.random.default_rng(seed)
    held: set[Item] = set()
    parents = sorted({Path(item.name).parent for group in groups for item in group})
    for parent in parents:
        here = [group for group in groups if group and Path(group[0].name).parent == parent]
        wanted = round(share * sum(map(len, here)))
        for i in rng.permutation(len(here)):
            if len(here[i]) <= wanted:
                held.update(here[i])
                wanted -= len(here[i])
    return [("val" if item in held else "train", item) for group in groups for item in group]


def report_lines(report: dict[str, list[str]], limit: int | None = None) -> list[str]:
    """The report: a heading with a count for each finding, then names."""
    lines = []
    for what, names in report.items():
        if names:
            lines += [f"{what}: {len(names)}", *(f"  {name}" for name in names[:limit])]
            if limit is not None and len(names) > limit:
                lines.append(f"  and {len(names) - limit} more")
    return lines


def write_item(given: argparse.Namespace, job: tuple[Path, str, Item]) -> bool:
    """Write an image or a pair for a split: ``trainA/NAME.png``; returns whether it has a face."""
    part, letter, item = job
    pair = len(item.paths) == 2 or bool(given.make)
    letters = "AB" if pair and not given.side_by_side else [letter]
    targets = [part.with_name(part.name + x) / f"{item.name}.png" for x in letters]
    if not (given.square or given.make or given.side_by_side):
        for path, target in zip(item.paths, targets):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target.with_suffix(path.suffix.lower()))
        return False

    images, face = [read_image(path) for path in item.paths], None
    if given.square:
        face = largest_face(images[-1]) if given.faces else None
        images = [
            square(transforms.fitted(x, images[-1].shape), face, given.square) for x in images
        ]
    if given.make:
        images.insert(0, MAKERS[given.make](images[0]))
    if given.side_by_side:
        images = [np.concatenate([transforms.fitted(x, images[-1].shape) for x in images], axis=1)]
    for image, target in zip(images, targets):
        write_image(target, image)
    return face is not None


def square(image: np.ndarray, face: tuple[int, ...] | None, size: int) -> np.ndarray:
    """Cut the largest square around the centre, or one around a face."""
    height, width = image.shape[:2]
    side, x, y = min(height, width), width / 2, height / 2
    if face is not None:
        x, y = face[0] + face[2] / 2, face[1] + face[3] / 2
        side = min(side, round(FACE * face[2]))
    left = round(np.clip(x - side / 2, 0, width - side))
    top = round(np.clip(y - side / 2, 0, height - side))
    return transforms.fitted(image[top : top + side, left : left + side], (size, size))


def largest_face(rgb: np.ndarray) -> tuple[int, ...] | None:
    """The largest face that OpenCV finds: x, y, width, height in pixels."""
    file = Path(cv2.data.haarcascades) / "haarcascade_frontalface_default.xml"
    grey = cv2.equalizeHist(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
    least = max(24, min(grey.shape) // 10)
    faces = cv2.CascadeClassifier(str(file)).detectMultiScale(
        grey, scaleFactor=1.1, minNeighbors=5, minSize=(least, least)
    )
    return max((tuple(map(int, face)) for face in faces), key=lambda f: f[2], default=None)


def edges(rgb: np.ndarray) -> np.ndarray:
    """Black lines on white, by Canny's method; its thresholds follow the image's gradients."""
    grey = cv2.GaussianBlur(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (0, 0), 1.0)
    steep = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    high = max(30.0, float(np.percentile(steep, 92)))
    return cv2.cvtColor(255 - cv2.Canny(grey, high / 2, high), cv2.COLOR_GRAY2RGB)


def grey(rgb: np.ndarray) -> np.ndarray:
    """The image without its colours."""
    return cv2.cvtColor(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def blur(rgb: np.ndarray) -> np.ndarray:
    """The image blurred by 1/64 of its short side."""
    return cv2.GaussianBlur(rgb, (0, 0), max(1.0, min(rgb.shape[:2]) / 64))


MAKERS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"edges": edges, "grey": grey, "blur": blur}


def suggested(given: argparse.Namespace) -> str:
    """The model that the data set's layout is for."""
    if given.unpaired:
        return "cyclegan"
    if len(given.folders) == 2 or given.make:
        return "pix2pix"
    inner = any(path.is_dir() for path in Path(given.out, "train").iterdir())
    return "stargan_v2" if inner else "colorization"


if __name__ == "__main__":
    run(main)
