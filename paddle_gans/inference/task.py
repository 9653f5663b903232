"""What the infer command does with its inputs: which files it writes, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import files
from .files import Job, OnProgress
from .progress import counted


class Task:
    """The work of one command: ``plan`` returns jobs, ``process`` does one, ``finish`` ends.

    ``translate`` is the trained model, ``settings`` the arguments to call it with, ``output`` the
    value of --output, ``overwrite`` whether outputs may be replaced. Keyword-only arguments of a
    subclass's constructor, each with a default and a comment, are flags of the command.
    """

    example = ""  # lines of --help that replace the general examples
    needed = "read"  # completes "could not be ..." for inputs that are skipped
    video_size: tuple[int, int] | None = None  # (width, height) of results; None: as the input
    writes_at_once = True  # False if a job's files are written at the finish

    def __init__(
        self, translate, settings: Mapping[str, Any], output: str, overwrite: bool = False
    ):
        self.translate, self.settings = translate, dict(settings)
        self.output, self.overwrite = output, overwrite

    @classmethod
    def query(cls, weights, given: Mapping[str, Any]) -> str | None:
        """Answer flags that only ask about the weights; None if there are none."""
        return None

    def plan(self, inputs: Sequence[str]) -> list[Job]:
        """Find the inputs; name and check all outputs. Writes nothing.

        Raises:
            InputError: an input is missing or a folder empty; an output exists, is one of the
                inputs, would be written twice, or cannot be written there.
        """
        jobs = files.plan(inputs, self.output, self.suffix)
        files.check_targets([job.source for job in jobs], self.outputs(jobs), self.overwrite)
        return jobs

    def suffix(self, source: Path) -> str:
        return files.usual_suffix(source)

    def outputs(self, jobs: Sequence[Job]) -> list[Path]:
        return [job.target for job in jobs]

    def process(self, job: Job, on_progress: OnProgress) -> str:
        """Process one input; return what to print about it.

        Raises:
            Unreadable: the input is not an image or video; the command skips it.
            InputError: an output cannot be written, or the image cannot be translated.
        """
        if job.is_video:
            return self.video(job, on_progress)
        return self.image(job) + files.frames_note(job.source)

    def image(self, job: Job) -> str:
        width, height = files.translate_image(self.convert, job)
        return f"{width} x {height}"

    def video(self, job: Job, on_progress: OnProgress) -> str:
        frames, promised = files.translate_video(self.convert, job, on_progress, self.video_size)
        lost = f" (its header promises {promised})" if frames < promised else ""
        return counted(frames, "frame") + lost

    def convert(self, rgb: np.ndarray) -> np.ndarray:
        """Translate an image or frame, uint8 [H, W, 3]."""
        return self.translate(rgb, **self.settings)

    def finish(self) -> list[str]:
        """Write what shows all inputs together; return lines to print."""
        return []
