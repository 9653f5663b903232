"""Progress of a command: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time

from tqdm import tqdm

from data_reader.output import STDERR, on_terminal, say

LINE_SECONDS = 5.0  # between lines about a long item where there is no terminal


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: 1 image, 2 images."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


class Progress(tqdm):
    """Shows progress over ``total`` items called ``noun``; skipped ones on standard error.

    Without a terminal the bar is disabled: its own methods do nothing, and lines are printed.
    """

    def __init__(self, total: int, noun: str):
        lines = not on_terminal()
        super().__init__(total=total, unit=noun, dynamic_ncols=True, file=STDERR, disable=lines)
        self.finished = 0
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
            width, seconds = len(str(self.total)), time.perf_counter() - self.started
            place = f"[{self.finished:{width}d}/{self.total}]"
            say(f"{place} {line}  {seconds:.1f} s")

    def skip(self, reason: str) -> None:
        """Count an item that is skipped."""
        self.advance()
        self.clear()
        say(f"skipped: {reason}", error=True)
