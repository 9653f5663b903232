"""python benchmarks/reader.py [--model M]: how fast pictures are read, and whether a step waits.

For every model's reader: images/s from JPEGs of 256 pixels without threads and with 1, 2 and 4;
then the share of a training step (at the sizes of benchmarks/step.py) that is spent waiting for the
next batch, read by two threads beside it. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from picture_folders import make  # noqa: E402
from step import SETTINGS  # noqa: E402

SIDE, COUNT, READ, STEPS = 256, 48, 64, 6
LOAD_SIZE = ("pix2pix", "cyclegan", "colorization")


def experiment_of(name: str, data: str, workers: int):
    """What a run of this model would read and train, at the sizes of benchmarks/step.py."""
    from paddle_gans import models
    from paddle_gans.training.experiment import setup

    setting = SETTINGS[name]
    options: dict[str, Any] = {"crop_size": setting.size, **setting.options}
    if name in LOAD_SIZE:
        options["load_size"] = 256
    if name == "dcgan":
        options["channels"] = 3
    run = {"data": data, "batch_size": setting.batch, "steps": 1, "workers": workers}
    return setup(models.find(name), {**run, **options})


def rate(name: str, data: str, workers: int) -> float:
    """Images/s of the reader alone; a pair or a triple that trains together is one image."""
    loader = experiment_of(name, data, workers).loader
    batches = loader.batches()
    next(batches)  # starts the threads
    count = max(2, READ // loader.batch_size)
    start = time.perf_counter()
    for _ in islice(batches, count):
        pass
    seconds = time.perf_counter() - start
    batches.close()
    return count * loader.batch_size / seconds


def waiting(name: str, data: str) -> tuple[float, float]:
    """(the share of a step that waits for its batch, seconds of a step)."""
    from paddle_gans.fast_cpu.memory import from_numpy
    from paddle_gans.training.model import Update
    from paddle_gans.training.trainer import training_step

    experiment, update = experiment_of(name, data, 2), Update()
    experiment.model.train()
    batches, waited = experiment.loader.batches(), 0.0
    for step in range(STEPS + 1):
        if step == 1:  # the first one prepares
            start, waited = time.perf_counter(), 0.0
        asked = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - asked
        losses = training_step(
            experiment.model, {k: from_numpy(v) for k, v in batch.items()}, step, update
        )
        for term in losses.values():
            term.item()
    seconds = time.perf_counter() - start
    batches.close()
    return waited / seconds, seconds / STEPS


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--model", choices=SETTINGS, help="this one alone")
    given = parser.parse_args()
    from data_reader import framework

    framework.prepare()
    found = {}
    print("images/s from JPEGs, by reading threads; the share of a step that waits")
    print(f"{'model':<14}{'0':>8}{'1':>8}{'2':>8}{'4':>8}{'waits':>9}", flush=True)
    for name in [given.model] if given.model else SETTINGS:
        with tempfile.TemporaryDirectory() as place:
            data = str(make(name, Path(place), COUNT, SIDE))
            rates = {str(workers): round(rate(name, data, workers), 1) for workers in (0, 1, 2, 4)}
            share, seconds = waiting(name, data)
        found[name] = {
            "images_per_second": rates,
            "waits": round(share, 5),
            "step_seconds": round(seconds, 3),
        }
        columns = "".join(f"{value:8.0f}" for value in rates.values())
        print(f"{name:<14}{columns}{share:9.2%}", flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
