"""Which pictures and videos are translated, into which files; decided before any work starts."""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, NamedTuple, Optional

import numpy as np

from data_reader.errors import InputError
from data_reader.images import (
    IMAGE_SUFFIXES,
    decode_image,
    disk_errors,
    list_images,
    natural_key,
    write_image,
)
from data_reader.video import VIDEO_SUFFIXES, VideoReader, VideoWriter

READABLE = IMAGE_SUFFIXES | VIDEO_SUFFIXES
GRID_GAP = 2  # pixels

Translate = Callable[[np.ndarray], np.ndarray]  # uint8 RGB [H, W, 3] both
Tick = Callable[[int, Optional[int]], None]  # frames done, and of how many


class Unreadable(InputError):
    """An input that is no picture or video; others may be."""


class Job(NamedTuple):
    """One file to be translated, and where to."""

    source: Path
    target: Path

    @property
    def is_video(self) -> bool:
        return is_video(self.source)


def is_video(path: Path) -> bool:
    """Whether a file's name is a video's."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def usual_suffix(source: Path) -> str:
    """The suffix that a result gets in a folder."""
    return ".mp4" if is_video(source) else ".png"


def plan(
    inputs: Sequence[str], output: str, suffix: Callable[[Path], str] = usual_suffix
) -> list[Job]:
    """Find the inputs and name the outputs; writes nothing.

    ``inputs`` are pictures, videos, folders (of pictures, and of those in the folders in them) or
    globs. ``output`` is a file if it ends in a picture's or video's suffix, else a folder, in which
    pictures become ``<name>.png`` and videos ``<name>.mp4``, in the same folders as below the
    input. Where two would get one name, both keep their suffix: ``a_jpg.png`` and ``a_png.png``.
    ``suffix`` may give another one for a source.

    Raises:
        InputError: an input is missing or a folder empty; two would have one output, or it cannot
            be in that place.
    """
    out = Path(output)
    found = find_all(inputs, out)
    jobs = [to_one_file(found, out)] if names_a_file(out) else to_folder(found, out, suffix)
    check_place(out)
    return jobs


def find_all(inputs: Sequence[str], output: Path) -> list[tuple[Path, Path]]:
    """The files that the inputs name, each once, with its path below its input.

    Raises:
        InputError: one of them names nothing.
    """
    found = [item for text in inputs for item in find(text, output)]
    return list({(path.resolve(), below): (path, below) for path, below in found}.values())


def names_a_file(output: Path) -> bool:
    """Whether ``--output`` is one file; a folder otherwise."""
    return output.suffix.lower() in READABLE


def find(text: str, output: Path) -> list[tuple[Path, Path]]:
    """The files that one input names, each with its path below the input.

    What lies in an output folder within the input folder is left out.

    Raises:
        InputError: there is nothing.
    """
    path = Path(text)
    with disk_errors(f"cannot look for {text}"):
        if path.is_dir():
            root, files = path, list_images(path)
        elif path.exists():
            return [(path, Path(path.name))]
        elif glob.has_magic(text):
            root = fixed_part(path)
            files = [Path(match) for match in glob.glob(text, recursive=True)]
            files = [p for p in files if p.suffix.lower() in READABLE and p.is_file()]
        else:
            raise InputError(f"{path} does not exist; check the spelling")
        earlier = output.resolve()
        if root.resolve() in earlier.parents:
            files = [p for p in files if earlier not in p.resolve().parents]
        if not files:
            raise InputError(nothing_found(text, root))
    return [(p, p.relative_to(root)) for p in sorted(files, key=natural_key)]


def nothing_found(text: str, root: Path) -> str:
    """The sentence for a folder or glob without pictures: what is there instead."""
    if not root.is_dir():
        return f"no file matches {text}: there is no folder {root}; check the spelling"
    names = sorted(path.name for path in root.iterdir() if not path.name.startswith("."))
    there = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    if Path(text) != root:
        return f"no picture or video matches {text}; in {root} there is {there or 'nothing'}"
    if any(is_video(Path(name)) for name in names):
        return f"{root} holds no pictures but videos; name these by a glob, --input '{root}/*.mp4'"
    return (
        f"{root} holds no pictures (.jpg, .png, .webp, .bmp, .tif ...); there is "
        f"{there or 'nothing'} in it"
    )


def fixed_part(pattern: Path) -> Path:
    """The folder that all matches of a glob are below."""
    parts = []
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        parts.append(part)
    return Path(*parts)


def to_one_file(found: list[tuple[Path, Path]], out: Path) -> Job:
    """The job of ``--output`` as a file.

    Raises:
        InputError: there is more than one input, or it is a video and the output a picture.
    """
    if len(found) > 1:
        raise InputError(
            f"--output {out} is one file, and --input names {len(found)}; give a folder, "
            f"--output {out.with_suffix('')} say"
        )
    source = found[0][0]
    if is_video(source) != is_video(out):
        kinds = [("a video" if is_video(path) else "a picture") for path in (source, out)]
        right = ".mp4" if is_video(source) else ".png"
        raise InputError(
            f"{source} is {kinds[0]}, and --output {out} is {kinds[1]}; "
            f"--output {out.with_suffix(right)} would do"
        )
    return Job(source, out)


def to_folder(
    found: list[tuple[Path, Path]], out: Path, suffix: Callable[[Path], str] = usual_suffix
) -> list[Job]:
    """The jobs of ``--output`` as a folder.

    Raises:
        InputError: two inputs would get the same name even with their suffixes.
    """
    targets = [out / relative.with_suffix(suffix(path)) for path, relative in found]
    uses = Counter(map(folded, targets))
    jobs: dict[Path, Job] = {}
    for (source, _), target in zip(found, targets):
        if uses[folded(target)] > 1:
            target = target.with_name(f"{source.stem}_{source.suffix[1:]}{target.suffix}")
        if target in jobs:
            raise InputError(
                f"{jobs[target].source} and {source} would both be written to {target}; translate "
                "them one after the other into two folders, or give the folder that both are in"
            )
        jobs[target] = Job(source, target)
    return list(jobs.values())


def check_place(out: Path) -> None:
    """Raise InputError if the output cannot be in its place: a file is where a folder must be."""
    if names_a_file(out):
        if out.is_dir():
            raise InputError(f"--output {out} is a folder with a file's name; give a file in it")
        out = out.parent
    for place in (out, *out.parents):
        if place.exists():
            if not place.is_dir():
                raise InputError(
                    f"--output: {place} is a file, not a folder; a file to write ends in .png, "
                    ".jpg, .mp4 ..."
                )
            return


def check_targets(sources: Iterable[Path], targets: Sequence[Path], overwrite: bool) -> None:
    """Look at every output before the first is written.

    Raises:
        InputError: one is an input, or a folder, or would be written twice, or is there and must
            not be replaced.
    """
    twice = [target for target, uses in Counter(targets).items() if uses > 1]
    if twice:
        raise InputError(f"{twice[0]} would be written twice; give its inputs other names")
    there = [target for target in targets if target.exists()]
    inputs = {file_id(source) for source in sources}
    for target in there:
        if target.is_dir():
            raise InputError(f"{target} is a folder, where a file would be written; move it away")
        if file_id(target) in inputs:
            raise InputError(f"{target} is an input, and would be replaced; give another --output")
    refuse_to_replace(there, len(targets), overwrite)


def folded(path: Path) -> str:
    """A path as disks see it that do not tell a.png from A.png."""
    return str(path).casefold()


def refuse_to_replace(there: list[Path], count: int, overwrite: bool) -> None:
    """Raise InputError for outputs that are there, unless they may be replaced."""
    if there and not overwrite:
        raise InputError(
            f"{len(there)} of {count} outputs exist already, {there[0]} the first; --overwrite "
            "replaces them, another --output keeps them"
        )


def file_id(path: Path) -> tuple[int, int]:
    """What tells a file from every other, whatever names and links lead to it."""
    status = path.stat()
    return status.st_dev, status.st_ino


@contextmanager
def reading() -> Iterator[None]:
    """Turn the reader's InputError into Unreadable, so that it differs from the writer's."""
    try:
        yield
    except InputError as error:
        raise Unreadable(str(error)) from error


def translate_picture(translate: Translate, job: Job) -> tuple[int, int]:
    """Translate one picture; alpha is kept where the output's format has it. Returns its size.

    Raises:
        Unreadable: the input is no picture.
        InputError: the output cannot be written, or the picture not be translated.
    """
    with reading():
        picture = decode_image(job.source)
    write_image(job.target, translate(picture.rgb), picture.alpha)
    return picture.rgb.shape[1], picture.rgb.shape[0]


def translate_video(
    translate: Translate, job: Job, tick: Tick, size: Optional[tuple[int, int]] = None
) -> tuple[int, int]:
    """Translate a video frame by frame, in its order and rate.

    ``size`` is (width, height) of what ``translate`` gives, None for the video's own. ``tick`` is
    called after each frame with how many are done, and how many the header promises, None where it
    does not say. Returns how many there were, and were promised.

    Raises:
        Unreadable: the input is no video.
        InputError: the output cannot be written, or a frame not be translated.
    """
    with reading():
        reader = VideoReader(job.source)
    with reader, VideoWriter(job.target, reader.fps, size or reader.size) as writer:
        for frame in reader:
            writer.write(translate(frame))
            tick(writer.frames, reader.frames)
    return writer.frames, reader.frames or writer.frames


def save_drawn(pictures: list[np.ndarray], output: str, overwrite: bool = False) -> list[Path]:
    """Save what a model drew from noise: one grid as a file, or each picture in a folder.

    Raises:
        InputError: an output is there already, or cannot be in that place.
    """
    out = Path(output)
    check_place(out)
    if names_a_file(out):
        images = {out: grid(pictures)}
    else:
        digits = max(4, len(str(len(pictures))))
        images = {out / f"{i:0{digits}d}.png": image for i, image in enumerate(pictures, 1)}
    refuse_to_replace([path for path in images if path.exists()], len(images), overwrite)
    for path, image in images.items():
        write_image(path, image)
    return list(images)


def grid(pictures: list[np.ndarray]) -> np.ndarray:
    """Pictures of one size in rows, about as many rows as columns."""
    columns = int(np.ceil(np.sqrt(len(pictures))))
    padded = [np.pad(p, ((0, GRID_GAP), (0, GRID_GAP), (0, 0))) for p in pictures]
    padded += [np.zeros_like(padded[0])] * (-len(padded) % columns)
    rows = [np.concatenate(padded[i : i + columns], 1) for i in range(0, len(padded), columns)]
    return np.concatenate(rows, 0)[:-GRID_GAP, :-GRID_GAP]
