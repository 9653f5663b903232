"""What the command says while it works."""

from __future__ import annotations

import sys
import time
from typing import Optional

PAUSE = 5.0  # seconds between lines about a video where there is no terminal


def noun_for(jobs) -> str:
    """What the inputs are called."""
    kinds = {job.is_video for job in jobs}
    return "file" if len(kinds) > 1 else "video" if kinds == {True} else "picture"


def counted(count: int, noun: str) -> str:
    """A count with its noun: 1 picture, 2 pictures."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


class Progress:
    """A bar on a terminal, a line for each file elsewhere; skipped files on standard error."""

    def __init__(self, total: int, noun: str):
        self.total, self.finished = total, 0
        self.began = self.started = self.spoke = time.perf_counter()
        self.bar = None
        if sys.stdout.isatty() and sys.stderr.isatty():
            from tqdm import tqdm

            self.bar = tqdm(total=total, unit=noun, dynamic_ncols=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc) -> None:
        if self.bar is not None:
            self.bar.close()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.perf_counter() - self.began

    def start(self, job) -> None:
        """A file's turn."""
        self.job, self.started = job, time.perf_counter()
        if self.bar is not None:
            self.bar.set_postfix_str(job.source.name)

    def frame(self, done: int, total: Optional[int]) -> None:
        """A frame of a video is done."""
        text = f"{self.job.source.name}: frame {done}{f' of {total}' if total else ''}"
        if self.bar is not None:
            self.bar.set_postfix_str(text)
        elif time.perf_counter() - max(self.spoke, self.started) > PAUSE:
            self.spoke = time.perf_counter()
            print(text, flush=True)

    def done(self, what: str) -> None:
        """The file is written."""
        seconds = time.perf_counter() - self.started
        self._advance(f"{self.job.source} -> {self.job.target}  {what}  {seconds:.1f} s")

    def skip(self, reason: str) -> None:
        """The file could not be read."""
        self._advance(None)
        if self.bar is not None:
            self.bar.write(f"skipped: {reason}", file=sys.stderr)
        else:
            print(f"skipped: {reason}", file=sys.stderr, flush=True)

    def _advance(self, line: Optional[str]) -> None:
        self.finished += 1
        if self.bar is not None:
            self.bar.update(1)
        elif line:
            width = len(str(self.total))
            print(f"[{self.finished:{width}d}/{self.total}] {line}", flush=True)
