"""What the command does with its inputs: which files come of them, and how each is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np

from . import files
from .files import Job, Tick
from .progress import counted


class Task:
    """The work of one command: ``plan`` names the jobs, ``do`` does one, ``finish`` ends it.

    ``translate`` is the trained model, ``settings`` what it is called with, ``output`` the value
    of --output, ``overwrite`` whether outputs may be replaced. A model may have a ``Task`` of its
    own in ``inference/<model>.py``; keyword-only arguments of its constructor, each with a default
    and a comment beside it, are flags of the command.

    Raises:
        InputError: a flag's value cannot be used.
    """

    example = ""  # lines of --help, in the place of the general examples
    needed = "read"  # "could not be ...": what an input must be for a job to be done
    video_size: Optional[tuple[int, int]] = None  # (width, height) of results; None: the video's
    writes_at_once = True  # whether a job's files are there when it is done, or at the finish

    def __init__(
        self, translate, settings: Mapping[str, Any], output: str, overwrite: bool = False
    ):
        self.translate, self.settings = translate, dict(settings)
        self.output, self.overwrite = output, overwrite

    @classmethod
    def answer(cls, weights, given: Mapping[str, Any]) -> Optional[str]:
        """What the given flags ask of the weights alone, without any work; None: nothing."""
        return None

    def plan(self, inputs: Sequence[str]) -> list[Job]:
        """Find the inputs, name and check all outputs; writes nothing.

        Raises:
            InputError: an input is missing or a folder empty; an output is there already, is one of
                the inputs, would be written twice, or cannot be in that place.
        """
        jobs = files.plan(inputs, self.output, self.suffix)
        files.check_targets([job.source for job in jobs], self.outputs(jobs), self.overwrite)
        return jobs

    def suffix(self, source: Path) -> str:
        """The suffix of a source's result, where the output is a folder."""
        return files.usual_suffix(source)

    def outputs(self, jobs: Sequence[Job]) -> list[Path]:
        """Every file that will be written."""
        return [job.target for job in jobs]

    def do(self, job: Job, tick: Tick) -> str:
        """Write what comes of one input; returns what there is to say of it.

        Raises:
            Unreadable: the input is no picture or video; the others are done without it.
            InputError: an output cannot be written, or the picture not be translated.
        """
        return self.video(job, tick) if job.is_video else self.picture(job)

    def picture(self, job: Job) -> str:
        """``do`` for a picture."""
        width, height = files.translate_picture(self.convert, job)
        return f"{width} x {height}"

    def video(self, job: Job, tick: Tick) -> str:
        """``do`` for a video."""
        frames, promised = files.translate_video(self.convert, job, tick, self.video_size)
        lost = f" (of {promised} that its header tells of)" if frames < promised else ""
        return counted(frames, "frame") + lost

    def convert(self, rgb: np.ndarray) -> np.ndarray:
        """The model's picture of a picture, uint8 [H, W, 3]."""
        return self.translate(rgb, **self.settings)

    def finish(self) -> list[str]:
        """Write what is of all inputs together; returns lines to print. Something was done."""
        return []
