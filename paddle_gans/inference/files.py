"""What the infer command does with files: finds inputs, names outputs, translates each."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_reader.errors import InputError
from data_reader.images import (
    IMAGE_SUFFIXES,
    WRITTEN_SUFFIXES,
    count_frames,
    decode_image,
    disk_errors,
    left_out,
    list_images,
    natural_key,
    write_image,
)
from data_reader.video import (
    CODECS,
    COUNTED_SUFFIXES,
    VIDEO_SUFFIXES,
    VideoReader,
    VideoWriter,
    lacking,
)
from paddle_gans.training import panels
from paddle_gans.training.progress import counted

READABLE = IMAGE_SUFFIXES | VIDEO_SUFFIXES
OUTPUT_SUFFIXES = WRITTEN_SUFFIXES | set(CODECS)

Translate = Callable[[np.ndarray], np.ndarray]  # uint8 RGB [H, W, 3] both
OnProgress = Callable[[int, int | None], None]  # frames done, and of how many if known


class Unreadable(InputError):
    """An input that is not an image or video; the command skips it."""


class Job(NamedTuple):
    """An input and its outputs, the first of them as ``target``."""

    source: Path
    target: Path
    others: tuple[Path, ...] = ()

    @property
    def is_video(self) -> bool:
        return is_video(self.source)


def is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES


def usual_suffix(source: Path) -> str:
    return ".mp4" if is_video(source) else ".png"


def plan(
    inputs: Sequence[str], output: str, suffix: Callable[[Path], str] = usual_suffix
) -> list[Job]:
    """Find the inputs and name the outputs; writes nothing.

    ``inputs`` are images, videos, folders (searched recursively for images) or globs. ``output``
    is a file if it has the suffix of an image or video, else a folder, which gets ``<name>.png``
    and ``<name>.mp4`` in the subfolders of the input. Where two inputs would share a name, both
    keep their suffix: ``a_jpg.png`` and ``a_png.png``. ``suffix`` gives a source's suffix.
    """
    out = Path(output)
    found = find_all(inputs, out)
    jobs = [to_one_file(found, out)] if names_a_file(out) else to_folder(found, out, suffix)
    check_place(out)
    return jobs


def find_all(inputs: Sequence[str], output: Path) -> list[tuple[Path, Path]]:
    """Return the input files, each once, with their paths relative to the given input."""
    found = [item for text in inputs for item in find(text, output)]
    # Not by resolve(), which fails on links in a circle.
    return list({(os.path.realpath(path), below): (path, below) for path, below in found}.values())


def names_a_file(output: Path) -> bool:
    return output.suffix.lower() in READABLE


def find(text: str, output: Path) -> list[tuple[Path, Path]]:
    """Return the files of one input, with their paths in it; not those in the output folder."""
    path = Path(text)
    with disk_errors(f"cannot look for {text}"):
        if path.is_dir():
            root, files = path, list_images(path)
        elif path.exists() or path.is_symlink():
            return [(path, Path(path.name))]
        elif glob.has_magic(text):
            # A folder that exists is meant by its name, such as "[2020]", which is a pattern too.
            root = next(parent for parent in path.parents if parent.is_dir())
            pattern = os.path.join(glob.escape(str(root)), path.relative_to(root))
            files = [Path(match) for match in glob.glob(pattern, recursive=True)]
            files = [p for p in files if p.suffix.lower() in READABLE and not p.is_dir()]
        else:
            raise InputError(f"{path} does not exist; check the spelling")
        earlier = output.resolve()
        if root.resolve() in earlier.parents:
            files = [p for p in files if earlier not in Path(os.path.realpath(p)).parents]
        if not files:
            raise InputError(nothing_found(text, root))
    return [(p, p.relative_to(root)) for p in sorted(files, key=natural_key)]


def nothing_found(text: str, root: Path) -> str:
    if Path(text) != root:
        first, *more = Path(text).relative_to(root).parts
        if more and not glob.has_magic(first):
            return f"no file matches {text}: {root / first} does not exist; check the spelling"
        return f"no image or video matches {text}"
    if any(map(is_video, root.iterdir())):
        return f"{root} holds videos but no images; name videos by a glob: --input '{root}/*.mp4'"
    more = left_out([root])
    return f"{root} holds no images (.jpg, .png, .webp, .bmp, .tif ...)" + (more and f"; {more}")


def to_one_file(found: list[tuple[Path, Path]], out: Path) -> Job:
    if len(found) > 1:
        raise InputError(
            f"--output {out} is one file, but --input names {len(found)}; use a folder"
        )
    source = found[0][0]
    if is_video(source) != is_video(out):
        kinds = [("a video" if is_video(path) else "an image") for path in (source, out)]
        raise InputError(
            f"{source} is {kinds[0]}, and --output {out} is {kinds[1]}; "
            f"use --output {out.with_suffix(usual_suffix(source))}"
        )
    return Job(source, out)


def to_folder(
    found: list[tuple[Path, Path]], out: Path, suffix: Callable[[Path], str] = usual_suffix
) -> list[Job]:
    targets = [out / relative.with_suffix(suffix(path)) for path, relative in found]
    uses = Counter(str(target).casefold() for target in targets)  # some disks ignore case
    jobs: dict[Path, Job] = {}
    for (source, _), target in zip(found, targets):
        if uses[str(target).casefold()] > 1:
            target = target.with_name(f"{source.stem}_{source.suffix[1:]}{target.suffix}")
        if target in jobs:
            raise InputError(
                f"{jobs[target].source} and {source} would both be written to {target}; translate "
                "them separately into two folders, or give the folder that contains both"
            )
        jobs[target] = Job(source, target)
        # An output that is an input has a message of its own, see `check_targets`.
        place, origin = Path(os.path.realpath(target)), Path(os.path.realpath(source))
        if place.parent == origin.parent and place != origin:
            raise InputError(f"{target} would be beside its input {source}; give another --output")
    return list(jobs.values())


def check_place(out: Path) -> None:
    """Raise InputError if a file is in the place of a folder of the output, or a folder of it."""
    if names_a_file(out):
        if out.is_dir():
            raise InputError(f"--output {out} is a folder with a file's name; give a file in it")
        if out.suffix.lower() not in OUTPUT_SUFFIXES:
            raise InputError(
                f"--output {out}: no {out.suffix} is written; use .png, .jpg or .mp4, or a folder"
            )
        out = out.parent
    place = next((place for place in (out, *out.parents) if place.exists()), None)
    if place is not None and not place.is_dir():
        raise InputError(
            f"--output: {place} is a file, not a folder; an output file ends in .png, .mp4 ..."
        )


def check_targets(sources: Iterable[Path], targets: Sequence[Path], overwrite: bool) -> None:
    """Check every output before the first is written."""
    twice = [target for target, uses in Counter(targets).items() if uses > 1]
    if twice:
        raise InputError(f"{twice[0]} would be written twice; rename its inputs")
    existing = [target for target in targets if target.exists()]
    inputs = {file_id(source) for source in sources if source.exists()}
    for target in existing:
        if target.is_dir():
            raise InputError(f"{target} is a folder, where a file would be written; move it away")
        if file_id(target) in inputs:
            raise InputError(f"{target} is an input and would be replaced; give another --output")
    refuse_to_replace(existing, len(targets), overwrite)


def refuse_to_replace(existing: list[Path], count: int, overwrite: bool) -> None:
    if existing and not overwrite:
        raise InputError(
            f"{len(existing)} of {count} outputs exist already: {existing[0]} ...; add --overwrite"
        )


def file_id(path: Path) -> tuple[int, int]:
    """Return what identifies a file under all its names and links."""
    status = path.stat()
    return status.st_dev, status.st_ino


@contextmanager
def reading() -> Iterator[None]:
    """Turn what is wrong with an input into Unreadable, to tell it from the writer's errors."""
    try:
        with disk_errors("cannot read an input"):  # it may vanish between two looks
            yield
    except InputError as error:
        raise Unreadable(str(error)) from error


def frames_note(source: Path) -> str:
    """Say that an animation gives its first frame only; "" for other images."""
    count = count_frames(source)
    return f", the first of {count} frames (convert it to .mp4 for all)" if count > 1 else ""


def translate_video(
    translate: Translate, job: Job, on_progress: OnProgress, size: tuple[int, int] | None = None
) -> tuple[int, int]:
    """Translate a video frame by frame; the result has its duration and shape.

    ``size`` is the (width, height) of results, None for the video's own. Returns how many frames
    were read, and how many the header promises (as many if it does not count them).
    """
    with reading():
        reader = VideoReader(job.source)
    with reader, VideoWriter(job.target, reader.fps, size or reader.size, job.source) as writer:
        frames = 0
        for frame, count in reader.timed():
            frames += 1
            result = translate(frame) if count else frame
            for _ in range(count):
                writer.write(result)
            on_progress(frames, reader.frames)
    counted = job.source.suffix.lower() in COUNTED_SUFFIXES
    return frames, (reader.frames if counted else None) or frames


def save_generated(images: list[np.ndarray], output: str, overwrite: bool = False) -> list[Path]:
    """Save images that a model generated: one grid as a file, or each image in a folder."""
    out = Path(output)
    check_place(out)
    if names_a_file(out):
        named = {out: panels.square_grid(images)}
    else:
        digits = max(4, len(str(len(images))))
        named = {out / f"{i:0{digits}d}.png": image for i, image in enumerate(images, 1)}
    refuse_to_replace([path for path in named if path.exists()], len(named), overwrite)
    for path, image in named.items():
        write_image(path, image)
    return list(named)


class Task:
    """The work of one command: ``plan`` returns jobs, ``process`` does one, ``finish`` ends.

    ``translate`` is the trained model, ``settings`` are the arguments to call it with, ``output``
    and ``overwrite`` the values of these flags. Keyword-only arguments of a subclass's constructor,
    each with a default and a comment, are flags of the command.
    """

    example = ""  # lines of --help that replace the general examples
    needed = "read"  # completes "could not be ..." for inputs that are skipped
    video_size: tuple[int, int] | None = None  # (width, height) of results; None: as the input
    writes_at_once = True  # False if a job's files are written at the finish
    sources: Sequence[Path] = ()  # files that are read besides the inputs

    def __init__(
        self, translate, settings: Mapping[str, Any], output: str, overwrite: bool = False
    ):
        self.translate, self.settings = translate, translate.check(**settings)
        self.output, self.overwrite = output, overwrite

    @classmethod
    def query(cls, weights, given: Mapping[str, Any]) -> str | None:
        """Answer flags that only ask about the weights; None if there are none."""
        return None

    def plan(self, inputs: Sequence[str]) -> list[Job]:
        """Find the inputs; name and check all outputs. Writes nothing."""
        jobs = self.find_jobs(inputs)
        sources = [*(job.source for job in jobs), *self.sources]
        check_targets(sources, self.outputs(jobs), self.overwrite)
        return jobs

    def find_jobs(self, inputs: Sequence[str]) -> list[Job]:
        return plan(inputs, self.output, self.suffix)

    def suffix(self, source: Path) -> str:  # of the result in an output folder
        return usual_suffix(source)

    def outputs(self, jobs: Sequence[Job]) -> list[Path]:
        return [path for job in jobs for path in (job.target, *job.others)]

    def process(self, job: Job, on_progress: OnProgress) -> str:
        """Process one input; return what to print about it. Unreadable: the command skips it."""
        if job.is_video:
            return self.video(job, on_progress)
        return self.image(job) + frames_note(job.source)

    def image(self, job: Job) -> str:
        with reading():
            rgb, alpha, _ = decode_image(job.source)
        write_image(job.target, self.convert(rgb), alpha)
        return f"{rgb.shape[1]} x {rgb.shape[0]}"

    def video(self, job: Job, on_progress: OnProgress) -> str:
        frames, promised = translate_video(self.convert, job, on_progress, self.video_size)
        notes = [f"its header promises {promised}"] if frames < promised else []
        notes += filter(None, [lacking(job.target)])
        return counted(frames, "frame") + "".join(f" ({note})" for note in notes)

    def convert(self, rgb: np.ndarray) -> np.ndarray:
        """Translate an image or frame, uint8 [H, W, 3]."""
        return self.translate(rgb, **self.settings)

    def finish(self) -> list[str]:
        """Write what shows all inputs together; return lines to print."""
        return []
