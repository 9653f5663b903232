"""python benchmarks/memory.py [--crop-size N]: what --recompute, --accumulate and CUT save.

Each setting trains two steps in a process of its own; printed are the peak resident memory above
that of the process before its first step, and the seconds of the second step. The last line is one
JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

SETTINGS = {
    "plain, batch 1": {},
    "recompute, batch 1": {"recompute": True},
    "plain, batch 2": {"batch": 2},
    "accumulate 2, batch 2": {"batch": 2, "accumulate": 2},
    "cut, batch 1": {"model": "cut"},
    "fastcut, batch 1": {"model": "cut", "variant": "fastcut"},
}


def resident(field: str) -> float:
    """VmHWM (the peak) or VmRSS (now) of this process, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


def measure(
    crop_size: int, batch: int = 1, accumulate: int = 1, model: str = "cyclegan", **options
) -> dict:
    """Two training steps of the default networks, here and now."""
    from data_reader import framework

    framework.prepare()
    import paddle

    from paddle_gans import models
    from paddle_gans.fast_cpu import accelerate
    from paddle_gans.training.model import Update
    from paddle_gans.training.trainer import training_step

    network = models.find(model)(crop_size=crop_size, **options)
    accelerate(network)
    update = Update(accumulate=accumulate)
    before = resident("VmRSS")
    for step in range(2):
        images = {side: paddle.rand([batch, 3, crop_size, crop_size]) * 2 - 1 for side in "ab"}
        start = time.perf_counter()
        training_step(network, images, step, update)
        seconds = time.perf_counter() - start
    return {"peak_mib": round(resident("VmHWM") - before), "seconds": round(seconds, 2)}


def main() -> None:
    """Measure every setting, or with --setting one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crop-size", type=int, default=256, metavar="N", help="pixels (256)")
    parser.add_argument("--setting", choices=SETTINGS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.setting:
        print(json.dumps(measure(arguments.crop_size, **SETTINGS[arguments.setting])))
        return
    figures = {}
    for name in SETTINGS:
        words = [
            sys.executable,
            __file__,
            "--crop-size",
            str(arguments.crop_size),
            "--setting",
            name,
        ]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        figures[name] = json.loads(done.stdout.splitlines()[-1])
        print(f"{name:<24} {figures[name]['peak_mib']:6d} MiB  {figures[name]['seconds']:6.2f} s")
    print(json.dumps({"crop_size": arguments.crop_size, **figures}))


if __name__ == "__main__":
    main()
