"""Ctrl-C, SIGTERM and SIGHUP (a closed terminal): finish the step, save, and stop."""

from __future__ import annotations

import signal
import threading

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if name in dir(signal)]


class Stopped(KeyboardInterrupt):
    """A run was stopped by a signal; it saved a checkpoint at ``step`` and can be resumed."""

    def __init__(self, signum: int, step: int):
        super().__init__(f"stopped at step {step}")
        self.signum, self.step = signum, step


class StopSignals:
    """Within the block, the first of these signals sets ``received``; a second one acts as usual.

    Outside the main thread, where Python has no signals, it does nothing. With ``patient``, all of
    them are kept: the launcher of several processes sends three to each within a second, and kills
    them half a minute later.
    """

    def __init__(self, *, patient: bool = False):
        self.received, self.patient = 0, patient
        self._before = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for signum in SIGNALS:
                if signum != signal.SIGINT and signal.getsignal(signum) is signal.SIG_IGN:
                    continue  # nohup keeps a run alive
                self._before[signum] = signal.signal(signum, self._receive)
        return self

    def __exit__(self, *exc) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def _receive(self, signum, frame) -> None:
        self.received = signum
        if self.patient:
            return
        for again, handler in self._before.items():
            signal.signal(again, handler)
