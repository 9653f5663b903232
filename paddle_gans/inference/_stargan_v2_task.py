"""What the command does for StarGAN v2: pictures in each style, grids, strips and videos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional

import numpy as np

from data_reader.errors import InputError
from data_reader.images import decode_image, read_image, write_image
from data_reader.video import VideoWriter
from paddle_gans.training.options import resolve

from . import files, task
from ._stargan_v2_pictures import (
    FPS,
    SHOWN,
    STRIP_STEPS,
    Row,
    between,
    latent_grid,
    reference_grid,
    round_trip,
    strip,
    thumbnail,
)
from ._stargan_v2_references import Reference, file_names, find_references, in_a_name, unlike
from .files import Job, Tick
from .progress import counted


class Task(task.Task):
    """Shows every input in styles that are drawn, or copied from references.

    In a folder each result is a file of its own, and a grid shows them together; an output that is
    a picture is that grid alone. With ``interpolate`` there are a strip and a video instead of
    each input, and an output that is a picture or a video is that one.
    """

    example = """
  python -m paddle_gans.infer --weights runs/stargan_v2 --input cats --output out --domain dog
      every picture in cats/ as a dog, and out/latent.png with all; --num-styles 4 for four dogs
  python -m paddle_gans.infer --weights runs/stargan_v2 --input cats --output out --reference refs
      in the styles of the pictures in refs/cat/, refs/dog/ ...; out/reference.png shows all
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
        reference: Optional[str] = None,  # copy the styles of pictures: a folder for each domain
        interpolate: bool = False,  # show the ways from style to style, in a strip and a video
        list_domains: bool = False,  # print the names of the domains, nothing else
    ):
        super().__init__(translate, settings, output, overwrite)
        self.chosen = translate.check(**settings)
        self.interpolate = interpolate
        self.out = Path(output)
        self.one_video = files.is_video(self.out)
        self.one_picture = files.names_a_file(self.out) and not self.one_video
        self.writes_at_once = not self.one_picture
        if self.chosen["align"]:
            self.needed = "read or aligned"
        if not self.chosen["native_size"]:
            self.video_size = (translate.size, translate.size)

        self.references, self.captions, self.names = self.find_styles(reference)
        if interpolate and len(self.names) < 2:
            more = "--num-styles 4 say" if reference is None else "a --reference with more pictures"
            raise InputError(f"--interpolate goes from style to style, and there is one; {more}")
        self.writes: dict[Job, list[Path]] = {}  # files of its own
        self.squares: list[np.ndarray] = []  # the references that the grid shows
        self.rows: list[Row] = []  # of the grid
        self.strips: list[np.ndarray] = []
        self.done = 0  # pictures

    @classmethod
    def answer(cls, weights, given):
        if not given.get("list_domains"):
            return None
        first = weights.networks[0]
        options = resolve(weights.model_class, first.options, first.model)
        return "\n".join(name.strip() for name in options["domains"].split(","))

    # Before the work.

    def find_styles(self, place: Optional[str]) -> tuple[list[Reference], list[str], list[str]]:
        """The references, the styles' captions, and what files are called by them.

        Raises:
            InputError: there are no references in the place, or a number of styles besides.
        """
        domain, count = self.chosen["domain"], self.chosen["num_styles"]
        if place is None:
            domains = self.translate.domains if domain is None else [domain]
            drawn = [(name, i) for name in domains for i in range(1, count + 1)]
            names = unlike([f"to_{in_a_name(name)}_{i}" for name, i in drawn])
            return [], [f"{name} {i}" for name, i in drawn], names
        if count > 1:
            raise InputError("--num-styles draws styles, --reference copies them; give one of both")
        found = find_references(place, domain, self.translate.domains)
        captions = [f"{name} {path.stem}" for name, path in found]
        return found, captions, [f"as_{name}" for name in file_names(found)]

    def plan(self, inputs):
        jobs = self.to_one_file(inputs) if self.makes_one_file else self.to_folder(inputs)
        self.check_videos(jobs)
        sources = [job.source for job in jobs] + [path for _, path in self.references]
        files.check_targets(sources, self.outputs(jobs), self.overwrite)
        self.make_styles()
        return jobs

    @property
    def makes_one_file(self) -> bool:
        """Whether pictures become one file: a grid, strips, or a video of the ways."""
        return self.one_picture or (self.one_video and self.interpolate)

    def to_one_file(self, inputs: Sequence[str]) -> list[Job]:
        """The jobs of what is one picture, or a video that is made of a picture.

        Raises:
            InputError: an input is missing, or there are several for a video.
        """
        found = files.find_all(inputs, self.out)
        files.check_place(self.out)
        if self.one_video and len(found) > 1:
            raise InputError(
                f"--output {self.out} is one video, and --input names {len(found)} pictures; give "
                f"a folder, --output {self.out.with_suffix('')} say"
            )
        jobs = [Job(path, self.out) for path, _ in found]
        self.writes = {job: [] for job in jobs}
        return jobs

    def to_folder(self, inputs: Sequence[str]) -> list[Job]:
        """The jobs of what becomes files of its own: each one's target is the first of these."""
        for source, target in files.plan(inputs, self.output):
            if self.one_video:
                targets = [target]
            elif self.interpolate:
                whole = target.with_name(f"{target.stem}_interpolation.png")
                targets = [whole, whole.with_suffix(".mp4")]
            else:
                names = [f"{target.stem}_{name}{target.suffix}" for name in self.names]
                targets = [target.with_name(name) for name in names]
            self.writes[Job(source, targets[0])] = targets
        return list(self.writes)

    def check_videos(self, jobs: Sequence[Job]) -> None:
        """Raise InputError for videos among the inputs that cannot be shown as asked for."""
        video = next((job for job in jobs if job.is_video), None)
        if video is None:
            return
        if self.interpolate or self.one_picture or self.chosen["align"]:
            what = "--align" if self.chosen["align"] else f"--output {self.output}"
            what = "--interpolate" if self.interpolate else what
            raise InputError(f"{video.source} is a video; {what} is for pictures")
        if len(self.names) > 1:
            raise InputError(
                f"{video.source} is a video, which is shown in one style, not {len(self.names)}: "
                + ("give one --reference" if self.references else "give --domain, no --num-styles")
            )

    def outputs(self, jobs):
        singles = [path for job in jobs for path in self.writes[job]]
        return singles + ([self.together] if self.shows_together(jobs) else [])

    @property
    def together(self) -> Path:
        """The file that shows all inputs."""
        if files.names_a_file(self.out):
            return self.out
        return self.out / ("reference.png" if self.references else "latent.png")

    def shows_together(self, jobs: Sequence[Job]) -> bool:
        """Whether there is such a file."""
        if self.interpolate or self.one_video:
            return self.makes_one_file
        return not all(job.is_video for job in jobs)

    def make_styles(self) -> None:
        """Draw the styles, or copy them from the references, of which the first ones are shown.

        Raises:
            InputError: a reference cannot be read, or has no face to align.
        """
        drawn = {key: self.chosen[key] for key in ("domain", "num_styles", "seed")}
        face = {key: self.chosen[key] for key in ("align", "fan_weights")}
        if not self.references:
            self.styles = self.translate.draw_styles(**drawn)
            return
        copied = []
        for domain, path in self.references:
            with naming(path):
                square = self.translate.prepare(read_image(path), **face)
            copied.append(self.translate.copy_style(square, domain))
            if len(self.squares) < SHOWN:
                self.squares.append(square)
        self.styles = np.stack(copied)

    # The work.

    def do(self, job, tick):
        if job.is_video:
            return self.video(job, tick)
        full = len(self.rows) + len(self.strips) == SHOWN
        if full and self.one_picture:
            self.done += 1
            return "left out"
        picture = self.prepared(job.source)
        height, width = picture.shape[:2]
        if self.interpolate:
            self.write_ways(job, picture, tick)
        else:
            self.write_styles(job, picture, keep=not full)
        self.done += 1
        return f"{width} x {height}, {counted(len(self.names), 'style')}"

    def prepared(self, path: Path) -> np.ndarray:
        """What the generator is given of a file.

        Raises:
            Unreadable: it is no picture, or shows no face to align.
        """
        own = {key: self.chosen[key] for key in self.translate.own_options}
        with files.reading(), naming(path):
            rgb, alpha, _ = decode_image(path)
            image = rgb if alpha is None else np.dstack([rgb, alpha])
            return self.translate.prepare(image, **own)

    def write_styles(self, job: Job, picture: np.ndarray, keep: bool) -> None:
        """The picture in every style: as files, and small for the grid."""
        shown, columns = [], self.columns
        wanted = columns if self.one_picture else list(range(len(self.names)))
        for i, result in zip(wanted, self.rendered(picture, self.styles[wanted])):
            if self.writes[job]:
                save(self.writes[job][i], result)
            if keep and i in columns:
                shown.append(self.small(result))
        if keep:
            self.rows.append(Row(job.source.stem, self.small(picture), shown))

    @property
    def columns(self) -> list[int]:
        """Which styles the grid shows: the first ones, of each domain if they are drawn."""
        count = len(self.names) if self.references else self.chosen["num_styles"]
        return [i for i in range(len(self.names)) if i % count < SHOWN]

    def write_ways(self, job: Job, picture: np.ndarray, tick: Tick) -> None:
        """The ways from style to style, as a strip and as a video; as one if the output is one."""
        if not self.one_video:
            way = between(self.styles, STRIP_STEPS)
            results = [self.small(result) for result in self.rendered(picture, way)]
            image = strip(Row(job.source.stem, self.small(picture), results), self.captions)
            if self.one_picture:
                self.strips.append(image)
                return
            write_image(job.target, image)
        way = round_trip(self.styles)
        target = self.out if self.one_video else self.writes[job][1]
        with VideoWriter(target, FPS, picture.shape[1::-1]) as writer:
            for result in self.rendered(picture, way):
                writer.write(result[..., :3])
                tick(writer.frames, len(way))

    def convert(self, rgb):
        """A frame in the one style."""
        picture = self.translate.prepare(rgb, native_size=self.chosen["native_size"])
        return next(self.rendered(picture, self.styles))

    def rendered(self, picture: np.ndarray, styles: np.ndarray) -> Iterator[np.ndarray]:
        """The picture in each style."""
        tiles = (self.settings.get("tile"), self.settings.get("overlap"))
        return self.translate.render(picture, styles, *tiles)

    def small(self, picture: np.ndarray) -> np.ndarray:
        """As a grid shows it."""
        return thumbnail(picture, self.translate.size)

    # After the work.

    def finish(self):
        shown = len(self.rows) + len(self.strips)
        if not shown:
            return []
        if self.strips:
            image, styles = np.concatenate(self.strips), len(self.names)
        elif self.references:
            names = unlike([row.name for row in self.rows])
            rows = [row._replace(name=name) for row, name in zip(self.rows, names)]
            image, styles = reference_grid(rows, self.squares), len(self.squares)
        else:
            captions = [self.captions[i] for i in self.columns]
            image, styles = latent_grid(self.rows, captions), len(captions)
        write_image(self.together, image)
        pictures, styles = of(shown, self.done, "picture"), of(styles, len(self.names), "style")
        return [f"{self.together}: {pictures} in {styles}"]


def of(shown: int, count: int, noun: str) -> str:
    """How many there are; "the first 12 of 20 pictures" if not all are shown."""
    return counted(count, noun) if shown == count else f"the first {shown} of {count} {noun}s"


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Within the block an InputError names the file."""
    try:
        yield
    except InputError as error:
        if str(path) in str(error):
            raise
        raise InputError(f"{path}: {error}") from error


def save(path: Path, picture: np.ndarray) -> None:
    """Write a picture, uint8 [H, W, 3 or 4]."""
    write_image(path, picture[..., :3], picture[..., 3] if picture.shape[2] == 4 else None)
