"""python benchmarks/learn.py --model pix2pix --data PATH --minutes 15: what is learned in a time.

Trains on real pictures for the given wall-clock time, measures on held-back ones beside simple
baselines, and prints a table; the last line is one JSON object with the same figures.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import paddle_gans  # noqa: E402
from data_reader.errors import InputError  # noqa: E402


def train_for(minutes: float, model: str, *, data: str, out: str, **settings):
    """Train for so many minutes, as a user with a clock would: SIGTERM saves and stops.

    Returns (steps done, minutes it took).
    """
    from paddle_gans.training.signals import Stopped

    start = time.monotonic()
    alarm = threading.Timer(minutes * 60, os.kill, (os.getpid(), signal.SIGTERM))
    alarm.daemon = True
    alarm.start()
    try:
        step = paddle_gans.train(model, data=data, out=out, steps=10**9, **settings).step
    except Stopped as stop:
        step = stop.step
    finally:
        alarm.cancel()
    return step, (time.monotonic() - start) / 60


def main() -> int:
    """Measure one model."""
    measures = sorted(p.stem for p in (HERE / "measures").glob("[!_]*.py"))
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--model", required=True, choices=measures)
    parser.add_argument("--data", required=True, metavar="PATH", help="real pictures")
    parser.add_argument("--minutes", type=float, default=15, metavar="X", help="training (15)")
    parser.add_argument("--out", metavar="DIR", help="run folder (runs/learn/<model>)")
    arguments, options = parser.parse_known_args()
    out = arguments.out or f"runs/learn/{arguments.model}"
    if (Path(out) / "config.json").exists():
        raise InputError(f"{out} holds a run already; choose another --out")
    measure = importlib.import_module(f"measures.{arguments.model}").measure
    figures = measure(arguments.data, arguments.minutes, out, train_for, options)
    figures = {"model": arguments.model, "cores": os.cpu_count(), **figures}
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    from paddle_gans.command import run

    run(main)
