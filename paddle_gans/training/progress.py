"""Show the progress of training: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping

from tqdm import tqdm

from data_reader.output import STDERR, on_terminal, say


def duration(seconds: float) -> str:
    """Seconds as m:ss or h:mm:ss."""
    hours, rest = divmod(int(seconds + 0.5), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def terminal_width() -> int:
    return os.get_terminal_size(sys.stderr.fileno()).columns


class Bar(tqdm):
    """tqdm's bar with a monotonic clock; it would stop when the wall clock is set back."""

    monitor_interval = 0  # no monitor thread, which uses the wall clock

    def __init__(self, **settings):
        super().__init__(miniters=1, **settings)
        self._time = time.monotonic
        self.start_t = self.last_print_t = self._time()


class Progress:
    """Shows steps, losses, images/s and the time left; a context manager.

    ``verbose=False`` shows nothing (on all ranks but the first).
    """

    def __init__(self, start: int, total: int, *, verbose: bool = True):
        self.total, self.verbose = total, verbose
        self.bar = None
        if verbose and on_terminal():
            # A pseudo-terminal may not know its size, and tqdm draws nothing on 0 columns.
            size = {"dynamic_ncols": True} if terminal_width() else {"ncols": 80, "nrows": 20}
            self.bar = Bar(initial=start, total=total, unit="step", file=STDERR, **size)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *exc) -> None:
        if self.bar is not None:
            self.bar.close()

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        if self.bar is not None:
            self.bar.clear()
            say(text)
            self.bar.refresh()
        elif self.verbose:
            say(text)

    def advance(self) -> None:
        if self.bar is not None:
            self.bar.update(1)

    def report(
        self, step: int, epoch: int, losses: Mapping[str, float], rate: float, left: float
    ) -> None:
        """Show a logged step: ``rate`` in images/s, ``left`` in seconds."""
        terms = "  ".join(f"{name} {value:.4g}" for name, value in losses.items())
        if self.bar is not None:
            self.bar.set_postfix_str(f"epoch {epoch}  {terms}  {rate:.1f} images/s", refresh=False)
        else:
            width = len(str(self.total))
            self.say(
                f"step {step:{width}d}/{self.total}  epoch {epoch}  {terms}  {rate:.1f} images/s  "
                f"{duration(left)} left"
            )
