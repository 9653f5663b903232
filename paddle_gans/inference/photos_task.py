"""The infer command for photographs: colorize images and videos, or compare several networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_reader.errors import InputError
from data_reader.images import JPEG_SUFFIXES, decode_image, write_image
from data_reader.metadata import read_metadata, write_photo
from data_reader.photos import colour_stats
from data_reader.transforms import resize
from paddle_gans.training.options import require_at_least
from paddle_gans.training.panels import grid

from . import files, loading
from .files import Job, OnProgress
from .photos import PhotoTranslator, without_colour

MAX_COMPARED = 1024  # pixels of the longer side, in a comparison

# Mean difference in lightness, 0 to 100, above which two frames belong to different shots. (Of
# 3,000 pairs of unlike photographs of BSDS500 99.9 % differ by more; photographs shifted by a
# hundredth of their width, as in a quick pan, by less.)
NEW_SHOT = 10.0


class PhotoTask(files.Task):
    """Colorizes photographs and videos, or shows what several networks make of the photographs.

    A JPEG becomes a JPEG of quality 95 without chroma subsampling, everything else a PNG. Within
    one format EXIF, XMP, resolution, captions and texts are kept; see ``data_reader.metadata``.
    """

    example = """
  python -m paddle_gans.infer --weights runs/colorization --input album --output out
      colorizes every photograph in album/ at its size; JPEG files keep their EXIF data
  python -m paddle_gans.infer --weights runs/colorization --input film.mp4 --output out --smooth 0.8
      a video, with colours that change more slowly than by default
  python -m paddle_gans.infer --compare runs/one runs/two --input test --output out --count 8
      eight random images of test/, in grey and as each of two networks colorizes them
"""

    def __init__(
        self,
        translate,
        settings: Mapping[str, Any],
        output: str,
        overwrite: bool = False,
        *,
        smooth: float = 0.6,  # share of the previous frame's colours in a video; below 1
        compare: list[str] | None = None,  # weights or runs to show side by side
        count: int | None = None,  # random inputs to process; default: all
        seed: int = 0,  # of the random choice
    ):
        super().__init__(translate, settings, output, overwrite)
        if not 0 <= smooth < 1:
            raise InputError(f"--smooth must be at least 0 and below 1, e.g. 0.8, not {smooth}")
        require_at_least({"count": 1, "seed": 0}, {"count": count, "seed": seed})
        self.smooth, self.count, self.seed = smooth, count, seed
        self.compared = open_compared(translate, compare) if compare else []
        self.stabilise = ColourSmoother(smooth)

    def find_jobs(self, inputs):
        jobs = super().find_jobs(inputs)
        if self.count is not None:
            chosen = np.random.default_rng(self.seed).permutation(len(jobs))[: self.count]
            jobs = [jobs[i] for i in sorted(chosen)]
        if self.compared:
            video = next((job for job in jobs if job.is_video), None)
            if video is not None:
                raise InputError(f"{video.source} is a video; --compare is for images")
            if not files.names_a_file(Path(self.output)):
                jobs = [
                    Job(job.source, job.target.with_name(f"{job.target.stem}_compare.png"))
                    for job in jobs
                ]
        return jobs

    def suffix(self, source):
        is_jpeg = source.suffix.lower() in JPEG_SUFFIXES
        return ".jpg" if is_jpeg and not self.compared else super().suffix(source)

    def image(self, job):
        with files.reading():
            image = decode_image(job.source)
            metadata = read_metadata(job.source.read_bytes())
        if self.compared:
            write_image(job.target, self.comparison(image.rgb))
        else:
            result = self.translate.colorize(image.rgb, self.settings)
            write_photo(job.target, result, image.alpha, metadata)
        return f"{image.rgb.shape[1]} x {image.rgb.shape[0]}"

    def video(self, job: Job, on_progress: OnProgress) -> str:
        self.stabilise = ColourSmoother(self.smooth)  # videos do not share colours
        return super().video(job, on_progress)

    def convert(self, rgb):
        return self.translate.colorize(rgb, self.settings, self.stabilise)

    def comparison(self, rgb: np.ndarray) -> np.ndarray:
        """Show an image as it is (unless it is grey), in grey, and as each network colorizes it."""
        columns = [] if colour_stats(rgb).grey else [("truth", rgb)]
        columns.append(("grey", without_colour(rgb)))
        columns += [(name, each.colorize(rgb, self.settings)) for name, each in self.compared]
        scale = min(1, MAX_COMPARED / max(rgb.shape[:2]))
        sides = [max(1, round(side * scale)) for side in rgb.shape[1::-1]]
        return grid([(name, [resize(image, *sides)]) for name, image in columns])


def open_compared(
    translate: PhotoTranslator, places: Sequence[str]
) -> list[tuple[str, PhotoTranslator]]:
    """Open the networks of a comparison under their names; the command's own comes first.

    A network is named after its run folder, or after its file if the file was renamed.
    """
    opened = {translate.path.resolve(): (translate.path, translate)}
    named = []
    for place in places:
        weights = loading.read(place)
        first = weights.networks[0]
        if first.model != translate.name:
            raise InputError(f"--compare {place} belongs to {first.model}, not {translate.name}")
        path = first.path.resolve()
        if path not in opened:
            opened[path] = (first.path, loading.build(weights, translate.device, translate.amp))
        named.append(path)
    order = dict.fromkeys(named if translate.path.resolve() in named else [*opened, *named])
    names = [path.parent.name if path.stem == "generator" else path.stem for path in order]
    if len(set(names)) < len(names):
        names = [str(opened[path][0]) for path in order]
    return [(name, opened[path][1]) for name, path in zip(names, order)]


class ColourSmoother:
    """Removes flicker: a running mean of the colours over the frames of a shot.

    Called with L [h, w] and ab [h, w, 2] of each frame in turn, it returns the frame's ab with
    the share ``smooth`` of the previous frame's.
    """

    def __init__(self, smooth: float):
        self.smooth = smooth
        self.before: tuple[np.ndarray, np.ndarray] | None = None

    def __call__(self, lightness: np.ndarray, ab: np.ndarray) -> np.ndarray:
        if self.before is not None:
            old_lightness, old_ab = self.before
            if np.abs(lightness - old_lightness).mean() < NEW_SHOT:
                ab = ab + self.smooth * (old_ab - ab)
        self.before = lightness, ab
        return ab
