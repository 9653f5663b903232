"""The infer command for several domains: images in each style, grids, strips and videos."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_reader.errors import InputError
from data_reader.images import (
    decode_image,
    existing_file,
    is_system_folder,
    list_images,
    natural_key,
    read_image,
    write_image,
)
from data_reader.transforms import resize
from data_reader.video import VideoWriter
from paddle_gans.training.options import resolve
from paddle_gans.training.panels import grid
from paddle_gans.training.progress import counted

from . import files
from .domains import DRAWN, FACE, between, round_trip
from .files import Job, OnProgress

MAX_SHOWN = 12  # sources, references, or random styles of a domain, in one grid
STRIP_STEPS = 8  # from one style to the next
FPS = 24


class DomainTask(files.Task):
    """Renders every input in random styles, or in the styles of references.

    In a folder each result is a file, and a grid shows them together; an output that is an image
    is that grid alone. With ``interpolate`` each input becomes a strip and a video instead, or the
    one image or video that the output names.
    """

    example = """
  python -m paddle_gans.infer --weights runs/stargan_v2 --input cats --output out --domain dog
      every image in cats/ as a dog, and all in out/latent.png; --num-styles 4 for four dogs each
  python -m paddle_gans.infer --weights runs/stargan_v2 --input cats --output out --reference refs
      in the styles of the images in refs/cat/, refs/dog/ ...; out/reference.png shows all
  python -m paddle_gans.infer --weights runs/stargan_v2 --input a.jpg --output a.mp4 --interpolate
      a video from domain to domain; --domain dog --num-styles 4 goes from dog to dog
"""

    def __init__(
        self,
        translate,
        settings: Mapping[str, Any],
        output: str,
        overwrite: bool = False,
        *,
        reference: str | None = None,  # copy styles from images: a folder for each domain
        interpolate: bool = False,  # show the way from style to style as a strip and a video
        list_domains: bool = False,  # print the names of the domains and exit
    ):
        super().__init__(translate, settings, output, overwrite)
        self.interpolate = interpolate
        self.out = Path(output)
        self.one_video = files.is_video(self.out)
        self.one_image = files.names_a_file(self.out) and not self.one_video
        self.writes_at_once = not self.one_image
        if self.settings["align"]:
            self.needed = "read or aligned"
        if not self.settings["native_size"]:
            self.video_size = (translate.size, translate.size)

        self.references, self.captions, self.names = self.find_styles(reference)
        self.sources = [path for _, path in self.references]
        if interpolate and len(self.names) < 2:
            more = "e.g. --num-styles 4" if reference is None else "a --reference with more images"
            raise InputError(f"--interpolate needs two styles or more; give {more}")
        self.reference_images: list[np.ndarray] = []  # those that the grid shows
        self.rows: list[Row] = []  # of the grid
        self.strips: list[np.ndarray] = []
        self.finished = 0  # images

    @classmethod
    def query(cls, weights, given):
        if not given.get("list_domains"):
            return None
        first = weights.networks[0]
        options = resolve(weights.model_class, first.options, first.model)
        return "\n".join(name.strip() for name in options["domains"].split(","))

    # Before the work.

    def find_styles(self, place: str | None) -> tuple[list[Reference], list[str], list[str]]:
        """Return the references, the captions of the styles, and their parts of file names."""
        domain, count = self.settings["domain"], self.settings["num_styles"]
        if place is None:
            domains = self.translate.domains if domain is None else [domain]
            styles = [(name, i) for name in domains for i in range(1, count + 1)]
            names = unique_names([f"to_{safe_name(name)}_{i}" for name, i in styles])
            return [], [f"{name} {i}" for name, i in styles], names
        if count > 1:
            raise InputError("--num-styles is for random styles; omit it with --reference")
        found = find_references(place, domain, self.translate.domains)
        captions = [f"{name} {path.stem}" for name, path in found]
        return found, captions, [f"as_{name}" for name in file_names(found)]

    def plan(self, inputs):
        jobs = super().plan(inputs)
        self.make_styles()
        return jobs

    def find_jobs(self, inputs):
        jobs = self.to_one_file(inputs) if self.makes_one_file else self.to_folder(inputs)
        self.check_videos(jobs)
        return jobs

    @property
    def makes_one_file(self) -> bool:
        """Whether all images become one file: a grid, strips, or a video of interpolations."""
        return self.one_image or (self.one_video and self.interpolate)

    def to_one_file(self, inputs: Sequence[str]) -> list[Job]:
        """Return the jobs if the output is one image, or a video made from an image."""
        found = files.find_all(inputs, self.out)
        files.check_place(self.out)
        if self.one_video and len(found) > 1:
            raise InputError(
                f"--output {self.out} is one video, but --input names {len(found)} images"
            )
        return [Job(path, self.out) for path, _ in found]

    def to_folder(self, inputs: Sequence[str]) -> list[Job]:
        """Return the jobs if each input gets files of its own."""
        jobs = files.plan(inputs, self.output)
        if self.one_video:
            return jobs
        endings = [f"_{name}" for name in self.names]
        if self.interpolate:
            endings = ["_interpolation.png", "_interpolation.mp4"]
        named = []
        for source, path, _ in jobs:
            suffix = "" if self.interpolate else path.suffix
            target, *others = (path.with_name(f"{path.stem}{end}{suffix}") for end in endings)
            named.append(Job(source, target, tuple(others)))
        return named

    def check_videos(self, jobs: Sequence[Job]) -> None:
        """Raise InputError for input videos that cannot be rendered as the flags ask."""
        video = next((job for job in jobs if job.is_video), None)
        if video is None:
            return
        if self.interpolate or self.one_image or self.settings["align"]:
            what = "--align" if self.settings["align"] else f"--output {self.output}"
            what = "--interpolate" if self.interpolate else what
            raise InputError(f"{video.source} is a video; {what} is for images")
        if len(self.names) > 1:
            raise InputError(
                f"{video.source} is a video, which needs one style, not {len(self.names)}: "
                + ("give one --reference" if self.references else "give --domain, no --num-styles")
            )

    def outputs(self, jobs):
        if self.makes_one_file:
            return [self.out]
        has_grid = not (self.interpolate or all(job.is_video for job in jobs))
        return super().outputs(jobs) + [self.overview] * has_grid

    @property
    def overview(self) -> Path:
        if self.one_image:
            return self.out
        return self.out / ("reference.png" if self.references else "latent.png")

    def make_styles(self) -> None:
        """Draw the styles, or copy them from the references and keep the first ones to show."""
        if not self.references:
            self.styles = self.translate.draw_styles(**{key: self.settings[key] for key in DRAWN})
            return
        face = {key: self.settings[key] for key in FACE}
        copied = []
        for domain, path in self.references:
            with naming(path):
                image = self.translate.prepare(read_image(path), **face)
            copied.append(self.translate.copy_style(image, domain))
            if len(self.reference_images) < MAX_SHOWN:
                self.reference_images.append(image)
        self.styles = np.stack(copied)

    # The work.

    def process(self, job, on_progress):
        if job.is_video:
            return self.video(job, on_progress)
        full = len(self.rows) + len(self.strips) == MAX_SHOWN
        if full and self.one_image:
            self.finished += 1
            return "left out"
        own = {key: self.settings[key] for key in self.translate.own_options}
        with files.reading(), naming(job.source):
            rgb, alpha, _ = decode_image(job.source)
            image = rgb if alpha is None else np.dstack([rgb, alpha])
            image = self.translate.prepare(image, **own)
        height, width = image.shape[:2]
        if self.interpolate:
            self.write_interpolation(job, image, on_progress)
        else:
            self.write_styles(job, image, keep=not full)
        self.finished += 1
        note = files.frames_note(job.source)
        return f"{width} x {height}, {counted(len(self.names), 'style')}{note}"

    def write_styles(self, job: Job, image: np.ndarray, keep: bool) -> None:
        """Render the image in every style: as files, and small for the grid."""
        shown, columns = [], self.columns
        wanted = columns if self.one_image else list(range(len(self.names)))
        for i, result in zip(wanted, self.rendered(image, self.styles[wanted])):
            if not self.one_image:
                alpha = result[..., 3] if result.shape[2] == 4 else None
                write_image((job.target, *job.others)[i], result[..., :3], alpha)
            if keep and i in columns:
                shown.append(self.small(result))
        if keep:
            self.rows.append(Row(job.source.stem, self.small(image), shown))

    @property
    def columns(self) -> list[int]:
        """The styles that the grid shows: the first ones, of each domain if they are random."""
        count = len(self.names) if self.references else self.settings["num_styles"]
        return [i for i in range(len(self.names)) if i % count < MAX_SHOWN]

    def write_interpolation(self, job: Job, image: np.ndarray, on_progress: OnProgress) -> None:
        """Write the way from style to style as a strip and a video, or as the one that is asked."""
        if not self.one_video:
            results = self.rendered(image, between(self.styles, STRIP_STEPS))
            row = Row(job.source.stem, self.small(image), list(map(self.small, results)))
            drawn = strip(row, self.captions)
            if self.one_image:
                self.strips.append(drawn)
                return
            write_image(job.target, drawn)
        styles = round_trip(self.styles)
        target = self.out if self.one_video else job.others[0]
        with VideoWriter(target, FPS, image.shape[1::-1]) as writer:
            for result in self.rendered(image, styles):
                writer.write(result[..., :3])
                on_progress(writer.frames, len(styles))

    def convert(self, rgb):
        image = self.translate.prepare(rgb, native_size=self.settings["native_size"])
        return next(self.rendered(image, self.styles))

    def rendered(self, image: np.ndarray, styles: np.ndarray) -> Iterator[np.ndarray]:
        return self.translate.render(image, styles, self.settings["tile"], self.settings["overlap"])

    def small(self, image: np.ndarray) -> np.ndarray:
        return thumbnail(image, self.translate.size)

    # After the work.

    def finish(self):
        shown = len(self.rows) + len(self.strips)
        if not shown:
            return []
        if self.strips:
            image, styles = np.concatenate(self.strips), len(self.names)
        elif self.references:
            names, styles = unique_names([row.name for row in self.rows]), len(self.columns)
            first = [np.zeros_like(self.rows[0].source), *self.reference_images]
            columns = [[row.source, *row.results] for row in self.rows]
            image = grid([("reference", first), *zip(names, columns)])  # sources across
        else:
            captions, styles = [self.captions[i] for i in self.columns], len(self.columns)
            columns = zip(*(row.results for row in self.rows))
            sources = [row.source for row in self.rows]
            image = grid([("source", sources), *zip(captions, columns)])  # sources down
        write_image(self.overview, image)
        images = counted_of(shown, self.finished, "image")
        return [f"{self.overview}: {images} in {counted_of(styles, len(self.names), 'style')}"]


def counted_of(shown: int, count: int, noun: str) -> str:
    """Return "20 images", or "the first 12 of 20 images" if not all are shown."""
    return counted(count, noun) if shown == count else f"the first {shown} of {count} {noun}s"


@contextmanager
def naming(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        if str(path) in str(error):
            raise
        raise InputError(f"{path}: {error}") from error


class Row(NamedTuple):
    """A source and its results, uint8 [S, S, 3]."""

    name: str
    source: np.ndarray
    results: list[np.ndarray]


def thumbnail(image: np.ndarray, size: int) -> np.ndarray:
    """Fit an image, uint8 [H, W, 3 or 4], into a black square [size, size, 3], without alpha."""
    rgb = image[..., :3]
    scale = size / max(rgb.shape[:2])
    height, width = (max(1, round(side * scale)) for side in rgb.shape[:2])
    top, left = (size - height) // 2, (size - width) // 2
    square = np.zeros((size, size, 3), np.uint8)
    square[top : top + height, left : left + width] = resize(rgb, width, height)
    return square


def strip(row: Row, captions: Sequence[str]) -> np.ndarray:
    """Draw the interpolations between neighbouring styles, one below the other.

    The results of the row are those of ``between(styles, STRIP_STEPS)``.
    """
    lines = []
    for i, (first, last) in enumerate(zip(captions, captions[1:])):
        parts = [f"{100 * step / STRIP_STEPS:.0f} %" for step in range(1, STRIP_STEPS)]
        results = row.results[i * STRIP_STEPS : (i + 1) * STRIP_STEPS + 1]
        columns = [(caption, [x]) for caption, x in zip([first, *parts, last], results)]
        lines.append(grid([(row.name, [row.source]), *columns]))
    return np.concatenate(lines)


class Reference(NamedTuple):
    """An image that shows a style of a domain."""

    domain: str
    path: Path


def find_references(place: str, domain: str | None, domains: Sequence[str]) -> list[Reference]:
    """Return the references that --reference names, domain by domain and in natural order.

    ``place`` is a folder with a subfolder for each domain (``domain`` then chooses one), or an
    image or folder of images whose domain is given or is the name of its folder.
    """
    path = Path(place)
    folder = path if path.is_dir() else existing_file(path).parent
    inside = sorted(path.iterdir(), key=natural_key) if path.is_dir() else []
    inner = {p.name: p for p in inside if p.is_dir() and not is_system_folder(p.name)}
    present = [name for name in domains if name in inner]
    if present and domain is not None:
        if domain not in present:
            raise InputError(
                f"{path} has no folder {domain}, only {', '.join(present)}; omit --domain, or "
                f"give a folder of {domain} images"
            )
        present = [domain]
    shown = domain or folder.resolve().name
    unknown = [name for name in inner if name not in domains]
    if unknown and domain is None and (present or shown not in domains):
        raise InputError(
            f"{inner[unknown[0]]} is not a domain (they are {', '.join(domains)}); rename the "
            f"folder, or give --domain if all images in {path} belong to one"
        )
    if present:
        return [Reference(name, p) for name in present for p in images_in(inner[name])]
    if shown not in domains:
        raise InputError(
            f"--reference {path}: its domain is unknown; add --domain, one of "
            f"{', '.join(domains)}, or give a folder with subfolders of these names"
        )
    return [Reference(shown, p) for p in (images_in(path) if path.is_dir() else [path])]


def images_in(folder: Path) -> list[Path]:
    found = list_images(folder)
    if not found:
        raise InputError(f"{folder} holds no images to copy a style from")
    return found


def file_names(references: Sequence[Reference]) -> list[str]:
    stems = [safe_name(path.stem) for _, path in references]
    uses = Counter(stem.casefold() for stem in stems)
    return unique_names(
        [
            f"{safe_name(domain)}_{stem}" if uses[stem.casefold()] > 1 else stem
            for stem, (domain, _) in zip(stems, references)
        ]
    )


def unique_names(names: Sequence[str]) -> list[str]:
    """Append ``_2``, ``_3`` ... to repeated names, ignoring case."""
    chosen: dict[str, str] = {}
    for name in names:
        candidates = itertools.chain([name], (f"{name}_{i}" for i in itertools.count(2)))
        new = next(new for new in candidates if new.casefold() not in chosen)
        chosen[new.casefold()] = new
    return list(chosen.values())


def safe_name(text: str) -> str:
    """Replace slashes, colons, control characters and the like for use in a file name."""
    return re.sub(r"[^\w .()+-]", "_", text)
