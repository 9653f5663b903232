"""What the command does for colorization: photographs, videos, and networks side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import numpy as np

from data_reader import colour
from data_reader.errors import InputError
from data_reader.images import JPEG_SUFFIXES, decode_image, write_image
from data_reader.metadata import read_metadata
from data_reader.photos import colour_stats
from data_reader.transforms import normalise, resize
from paddle_gans.training import panels

from . import files, loading, task
from .files import Job, Tick

if TYPE_CHECKING:
    from .colorization import Translator

SHOWN = 1024  # pixels of the longer side, in a comparison

# Mean difference in lightness, 0 to 100, from which two frames are of two shots. (Of 3,000 pairs of
# unlike photographs of BSDS500 99.9 % differ by more; photographs moved by a hundredth of their
# width, as in a quick pan, by less.)
CUT = 10.0


class Task(task.Task):
    """Colours photographs and videos, or shows what several networks make of the photographs.

    A JPEG becomes a JPEG, of quality 95 and with colour for each pixel, everything else a PNG.
    Between these two formats EXIF, XMP and resolution are kept, IPTC captions and comments of a
    JPEG in a JPEG, texts of a PNG in a PNG; see ``data_reader.metadata``.
    """

    example = """
  python -m paddle_gans.infer --weights runs/colorization --input album --output out
      every photograph in album/ in colour, at its size; a JPEG stays one and keeps its EXIF data
  python -m paddle_gans.infer --weights runs/colorization --input film.mp4 --output out --smooth 0.8
      a film, with colours that change more slowly than usual
  python -m paddle_gans.infer --compare runs/one runs/two --input test --output out --count 8
      eight pictures of test/, drawn by --seed, grey and as each of two networks colours them
"""

    def __init__(
        self,
        translate,
        settings: Mapping[str, Any],
        output: str,
        overwrite: bool = False,
        *,
        smooth: float = 0.6,  # share of a video's colours that stays from frame to frame, below 1
        compare: Optional[list[str]] = None,  # weights or runs, side by side in NAME_compare.png
        count: Optional[int] = None,  # of the inputs, drawn at random; all of them without
        seed: int = 0,  # which ones are drawn
    ):
        super().__init__(translate, settings, output, overwrite)
        if not 0 <= smooth < 1:
            raise InputError(f"--smooth is from 0 (not at all) to below 1, not {smooth}; 0.8 say")
        if count is not None and count < 1:
            raise InputError(f"--count is how many inputs to draw, from 1 on, not {count}")
        if seed < 0:
            raise InputError(f"--seed is from 0 on, not {seed}")
        self.smooth, self.count, self.seed = smooth, count, seed
        self.chosen = translate.check(**settings)
        self.tiles = [settings.get("tile"), settings.get("overlap")]
        self.compared = side_by_side(translate, compare) if compare else []
        self.steady = Steady(smooth)

    # Before the work.

    def plan(self, inputs):
        jobs = self.drawn(files.plan(inputs, self.output, self.suffix))
        if self.compared:
            video = next((job for job in jobs if job.is_video), None)
            if video is not None:
                raise InputError(f"{video.source} is a video; --compare is for pictures")
            jobs = [job._replace(target=self.compare_file(job.target)) for job in jobs]
        files.check_targets([job.source for job in jobs], self.outputs(jobs), self.overwrite)
        return jobs

    def drawn(self, jobs: Sequence[Job]) -> list[Job]:
        """As many of the jobs as were asked for, in their order."""
        if self.count is None:
            return list(jobs)
        places = np.random.default_rng(self.seed).permutation(len(jobs))[: self.count]
        return [jobs[i] for i in sorted(places)]

    def compare_file(self, target: Path) -> Path:
        """Where a comparison is written."""
        if files.names_a_file(Path(self.output)):
            return target
        return target.with_name(f"{target.stem}_compare.png")

    def suffix(self, source):
        is_jpeg = source.suffix.lower() in JPEG_SUFFIXES
        return ".jpg" if is_jpeg and not self.compared else super().suffix(source)

    # The work.

    def picture(self, job):
        with files.reading():
            picture = decode_image(job.source)
            metadata = read_metadata(job.source.read_bytes())
        if self.compared:
            write_image(job.target, self.comparison(picture.rgb))
        else:
            result = self.colorized(self.translate, picture.rgb)
            kept = {"metadata": metadata, "fine_colour": True}
            write_image(job.target, result, picture.alpha, **kept)
        return f"{picture.rgb.shape[1]} x {picture.rgb.shape[0]}"

    def video(self, job: Job, tick: Tick) -> str:
        self.steady = Steady(self.smooth)  # a frame's colours are those of its own video
        return super().video(job, tick)

    def convert(self, rgb):
        return self.colorized(self.translate, rgb, steady=self.steady)

    def colorized(self, translate: Translator, rgb: np.ndarray, **more: Any) -> np.ndarray:
        """A picture in colour, by the command's flags."""
        return translate.colorize(rgb, *self.tiles, **self.chosen, **more)

    def comparison(self, rgb: np.ndarray) -> np.ndarray:
        """A picture as it is (unless that is grey), grey, and as each network colours it."""
        columns = [] if colour_stats(rgb).grey else [("truth", rgb)]
        columns.append(("grey", without_colour(rgb)))
        for name, translate in self.compared:
            columns.append((name, self.colorized(translate, rgb)))
        scale = min(1, SHOWN / max(rgb.shape[:2]))
        sides = [max(1, round(side * scale)) for side in rgb.shape[1::-1]]
        shown = [(name, normalise(resize(image, *sides))[None]) for name, image in columns]
        return np.concatenate([panels.grid({name: image}) for name, image in shown], axis=1)


def side_by_side(translate: Translator, places: Sequence[str]) -> list[tuple[str, Translator]]:
    """The networks of a comparison under their names; that of the command first, or in its place.

    A network is called by its run folder, or by its file if that has a name of its own.

    Raises:
        InputError: weights cannot be opened, or are not of this model.
    """
    opened = {translate.path.resolve(): (translate.path, translate)}
    named = []
    for place in places:
        weights = loading.read(place)
        first = weights.networks[0]
        if first.model != translate.name:
            raise InputError(f"--compare {place} is of {first.model}, not {translate.name}")
        path = first.path.resolve()
        if path not in opened:
            opened[path] = (first.path, loading.build(weights, translate.device))
        named.append(path)
    order = dict.fromkeys(named if translate.path.resolve() in named else [*opened, *named])
    names = [path.parent.name if path.stem == "generator" else path.stem for path in order]
    if len(set(names)) < len(names):
        names = [str(opened[path][0]) for path in order]
    return [(name, opened[path][1]) for name, path in zip(names, order)]


def without_colour(rgb: np.ndarray) -> np.ndarray:
    """What a picture's lightness looks like alone, uint8 [H, W, 3] both."""
    lab = colour.rgb_to_lab(rgb)
    lab[..., 1:] = 0
    return colour.lab_to_rgb(lab)


class Steady:
    """Colours that do not flicker: a running mean over the frames of a video, within each shot.

    Called with L [h, w] and ab [h, w, 2] of one frame after the other, it gives the frame's ab: of
    what the one before had, the share ``smooth`` stays.
    """

    def __init__(self, smooth: float):
        self.smooth = smooth
        self.before: Optional[tuple[np.ndarray, np.ndarray]] = None

    def __call__(self, lightness: np.ndarray, ab: np.ndarray) -> np.ndarray:
        if self.before is not None:
            old_lightness, old_ab = self.before
            if np.abs(lightness - old_lightness).mean() < CUT:
                ab = ab + self.smooth * (old_ab - ab)
        self.before = lightness, ab
        return ab
