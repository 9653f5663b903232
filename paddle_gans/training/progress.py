"""Show progress: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

from data_reader.output import STDERR, on_terminal, say

LINE_SECONDS = 5.0  # between lines about a long item where there is no terminal


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: 1 image, 2 images."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


class Bar(tqdm):
    """tqdm's bar with a monotonic clock; it would stop when the wall clock is set back.

    Disabled, its methods do nothing.
    """

    monitor_interval = 0  # no monitor thread, which uses the wall clock

    def __init__(self, disable: bool = False, **settings: Any):
        if not disable and "ncols" not in settings:
            # A pseudo-terminal may not know its size, and tqdm draws nothing on 0 columns.
            width = os.get_terminal_size(sys.stderr.fileno()).columns
            settings |= {"dynamic_ncols": True} if width else {"ncols": 80, "nrows": 20}
        super().__init__(miniters=1, disable=disable, **{"file": STDERR, **settings})
        self._time = time.monotonic
        self.start_t = self.last_print_t = self._time()


class Progress(Bar):
    """Shows training: steps, losses, images/s and the time left.

    ``verbose=False`` shows nothing (on all ranks but the first).
    """

    def __init__(self, start: int, total: int, *, verbose: bool = True):
        hidden = not (verbose and on_terminal())
        super().__init__(hidden, initial=start, total=total, unit="step")
        self.verbose = verbose
        self.said: set[str] = set()

    def say(self, text: str, once: str = "") -> None:
        """Print a line above the bar; the first of those with the same ``once`` only."""
        if self.verbose and once not in self.said:
            self.clear()
            say(text)
            self.refresh()
        self.said |= {once} if once else set()

    def report(
        self, step: int, epoch: int, losses: Mapping[str, float], rate: float, left: float
    ) -> None:
        """Show a logged step: ``rate`` in images/s, ``left`` in seconds."""
        terms = "  ".join(f"{name} {value:.4g}" for name, value in losses.items())
        shown = f"epoch {epoch}  {terms}  {rate:.1f} images/s"
        self.set_postfix_str(shown, refresh=False)
        if self.disable:
            place = f"step {step:{len(str(self.total))}d}/{self.total}"
            self.say(f"{place}  {shown}  {self.format_interval(left)} left")


class ItemProgress(Bar):
    """Shows the work on ``total`` items called ``noun``; skipped ones on standard error."""

    def __init__(self, total: int, noun: str):
        super().__init__(not on_terminal(), total=total, unit=noun)
        self.total, self.finished = total, 0
        self.began = self.started = self.spoke = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.began

    def start(self, name: str) -> None:
        self.name, self.started = name, time.perf_counter()
        self.set_postfix_str(name)

    def tell(self, text: str) -> None:
        """Show a detail of the current item: in the bar, or as a line every few seconds."""
        self.set_postfix_str(text)
        if self.disable and time.perf_counter() - self.spoke > LINE_SECONDS:
            self.spoke = time.perf_counter()
            say(text)

    def on_frame(self, done: int, total: int | None) -> None:
        self.tell(f"{self.name}: frame {done}{f' of {total}' if total else ''}")

    def advance(self, count: int = 1) -> None:
        """Count finished items."""
        self.finished += count
        self.update(count)

    def finish(self, line: str) -> None:
        """Count an item; without a terminal, print the line."""
        self.advance()
        if self.disable:
            place = f"[{self.finished:{len(str(self.total))}d}/{self.total}]"
            say(f"{place} {line}  {time.perf_counter() - self.started:.1f} s")

    def skip(self, reason: str) -> None:
        """Count an item that is skipped."""
        self.advance()
        self.clear()
        say(f"skipped: {reason}", error=True)
