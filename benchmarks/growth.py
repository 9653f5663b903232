"""python benchmarks/growth.py: time and memory as pictures, batches and data sets grow.

Each row is measured in a process of its own. A network that translates and one that trains should
take time and memory in proportion to the pixels; opening a folder, in proportion to its names, with
bounded memory. Printed are seconds, peak memory above that of the empty process, and what a
doubling costs; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from memory import resident  # noqa: E402
from picture_folders import make  # noqa: E402

SIDES, BATCHES, NAMES = (64, 128, 256), (1, 2, 4), (1_000, 10_000, 100_000)


def translating(side: int):
    """The article's generator of pix2pix on one picture."""
    import paddle

    from paddle_gans.fast_cpu import accelerate
    from paddle_gans.models.pix2pix import Pix2Pix

    model = Pix2Pix(crop_size=224)
    accelerate(model)
    model.eval()
    x = paddle.rand([1, 3, side, side]) * 2 - 1
    with paddle.no_grad():
        yield
        for _ in range(2):
            model.translate(x).numpy()
            yield


def training(batch: int, side: int = 64):
    """A step of pix2pix, the article's width."""
    import paddle

    from paddle_gans.fast_cpu import accelerate
    from paddle_gans.models.pix2pix import Pix2Pix
    from paddle_gans.training.model import Update
    from paddle_gans.training.trainer import training_step

    model, update = Pix2Pix(crop_size=side), Update()
    accelerate(model)
    data = {key: paddle.rand([batch, 3, side, side]) * 2 - 1 for key in "ab"}
    yield
    for step in range(2):
        losses = training_step(model, data, step, update)
        [term.item() for term in losses.values()]
        yield


def opening(names: int, place: str):
    """A folder of so many photographs: found, fingerprinted, and the first batch read."""
    from paddle_gans.models.colorization import Colorization
    from paddle_gans.training.experiment import setup

    settings = {"data": place, "batch_size": 1, "steps": 1, "base_dim": 4, "crop_size": 64}
    yield
    for _ in range(2):
        setup(Colorization, settings).loader.batch(0)
        yield


def worker(what: str, size: int, place: str) -> dict[str, Any]:
    """Seconds of the second time and the peak, in this process."""
    from data_reader import framework

    framework.prepare()
    work = {
        "side": lambda: translating(size),
        "batch": lambda: training(size),
        "training side": lambda: training(1, size),
        "names": lambda: opening(size, place),
    }[what]()
    next(work)
    before = resident("VmRSS")
    next(work)
    start = time.perf_counter()
    next(work)
    seconds = time.perf_counter() - start
    return {"seconds": round(seconds, 3), "mib": round(max(0.0, resident("VmHWM") - before))}


def rows(what: str, sizes, title: str) -> dict[str, Any]:
    """Measure and print one table."""
    print(f"\n{title}\n{'':>10}{'seconds':>10}{'MiB':>8}   a doubling: time, memory", flush=True)
    found: dict[str, Any] = {}
    last = None
    for size in sizes:
        with tempfile.TemporaryDirectory() as place:
            if what == "names":
                make("colorization", Path(place), size, 96, links=True)
            words = [sys.executable, __file__, "--worker", what, str(size), place]
            done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
        one = found[str(size)] = json.loads(done.stdout.splitlines()[-1])
        text = f"{size:>10}{one['seconds']:>10.3f}{one['mib']:>8}"
        if last is not None:
            doublings = math.log2(size / last[0])
            ratios = [
                (one[key] / max(last[1][key], 1e-3)) ** (1 / doublings)
                for key in ("seconds", "mib")
            ]
            text += f"   x {ratios[0]:.2f}, x {ratios[1]:.2f}"
        print(text, flush=True)
        last = (size, one)
    return found


def main() -> None:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        what, size, place = given.worker
        print(json.dumps(worker(what, int(size), place)))
        return
    found = {
        "translate_side": rows("side", (128, 256, 512), "translating one picture, pixels a side"),
        "train_side": rows("training side", SIDES, "a training step, pixels a side"),
        "train_batch": rows("batch", BATCHES, "a training step at 64 pixels, images"),
        "names": rows("names", NAMES, "opening a folder and reading a batch, pictures"),
        "cores": len(os.sched_getaffinity(0)),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
