"""What benchmarks/faults.py makes its faults with: runs in processes of their own, small disks."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
SIZES = {"base-dim": 4, "residual-num": 1, "load-size": 0, "crop-size": 32, "workers": 2}
TINY = [word for name, value in SIZES.items() for word in (f"--{name}", str(value))]

# A library that sets the clock of one process back: LD_PRELOAD takes it.
CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
static long back(void) {  /* an hour, from 6 seconds after the first question on */
    static long first;
    struct timespec now;
    int (*ask)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    ask(CLOCK_MONOTONIC, &now);
    if (!first) first = now.tv_sec;
    return now.tv_sec > first + 6 ? 3600 : 0;
}
int clock_gettime(clockid_t which, struct timespec *t) {
    int (*ask)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = ask(which, t);
    if (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE) t->tv_sec -= back();
    return failed;
}
int gettimeofday(struct timeval *t, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    t->tv_sec = now.tv_sec; t->tv_usec = now.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *t) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t) *t = now.tv_sec;
    return now.tv_sec;
}
"""


# Training whose pictures are not finite at steps 5 and 6.
POISON = """
import importlib, math
from data_reader import framework
framework.prepare()
from paddle_gans.command import run
from paddle_gans.models.pix2pix import Pix2Pix
sound = Pix2Pix.train_step
def train_step(self, batch, step, update):
    if step in (4, 5):
        batch = {**batch, "a": batch["a"] * math.nan}
    return sound(self, batch, step, update)
Pix2Pix.train_step = train_step
run(importlib.import_module("paddle_gans.train_command").main)
"""


class NotTried(Exception):
    """This machine does not allow it."""


class Lost(AssertionError):
    """Something was lost."""


def check(is_so: Any, otherwise: str) -> None:
    """Raise Lost unless it is so."""
    if not is_so:
        raise Lost(otherwise)


# Runs, and what they leave.


def start(
    data: Path, out: Path, *flags: str, code: str = "", **environment: str
) -> subprocess.Popen:
    """A trainer in a process (and a process group) of its own; ``code`` runs another command."""
    command = ["-c", code] if code else ["-m", "paddle_gans.train"]
    words = [sys.executable, *command, "--model", "pix2pix", "--data", str(data),
             "--out", str(out), "--log-every", "1", *TINY, *flags]  # fmt: skip
    return subprocess.Popen(
        words, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, **environment}, start_new_session=True,
    )  # fmt: skip


def finish(process: subprocess.Popen, code: int) -> str:
    """Wait for a trainer to end with this exit code; returns what it said."""
    said, _ = process.communicate(timeout=600)
    check(process.returncode == code, f"exit code {process.returncode}, not {code}: {said[-600:]}")
    check("Traceback" not in said, said[-600:])
    return said


def logged(out: Path) -> int:
    """The step that a run has logged last."""
    with contextlib.suppress(OSError, ValueError, IndexError, KeyError):
        return json.loads((out / "log.jsonl").read_text().splitlines()[-1])["step"]
    return 0


def wait_for(is_so: Callable[[], Any], process: subprocess.Popen) -> None:
    """Until something is so, or the process has ended."""
    end = time.monotonic() + 300
    while not is_so() and process.poll() is None:
        check(time.monotonic() < end, "nothing happened for 5 minutes")
        time.sleep(0.005)


def newest(out: Path) -> int:
    """The step of the newest checkpoint; every one that is there has to be sound."""
    from paddle_gans.training import checkpoint

    found = [p for p in (out / "checkpoints").glob("*") if p.name.isdigit()]
    for path in found:
        checkpoint.verify(path)
    return max([int(path.name) for path in found], default=0)


def same(out: Path, other: Path) -> None:
    """Raise Lost where two finished runs differ in a byte of their weights or optimizers."""
    step = newest(other)
    check(newest(out) == step, "it did not get as far")
    for path in sorted((other / "checkpoints" / f"{step:06d}").glob("*.pd*")):
        mine = out / path.relative_to(other)
        check(mine.read_bytes() == path.read_bytes(), f"{path.name} is not that of the quiet run")
    check(not list(out.rglob("*.part")), "something half-written stays")


def pictures(root: Path) -> Path:
    """Eight pairs of small pictures."""
    import numpy as np

    from data_reader.images import write_image

    for i in range(8):
        image = np.random.default_rng(i).integers(0, 256, (40, 40, 3), dtype="uint8")
        write_image(root / "trainA" / f"{i}.png", image)
        write_image(root / "trainB" / f"{i}.png", 255 - image)
    return root


@contextlib.contextmanager
def small_disk(place: Path):
    """A real disk of 3 MB."""
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    if subprocess.run(words, capture_output=True).returncode:
        raise NotTried("mounting a small disk is not permitted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> None:
    """Leave no byte on a disk."""
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while file.write(b"\0" * 4096):
            pass


def newest_listed(out: Path) -> int:
    """The step of the newest checkpoint of a run at work."""
    with contextlib.suppress(OSError):
        names = [p.name for p in (out / "checkpoints").iterdir() if p.name.isdigit()]
        return max(map(int, names), default=0)
    return 0


def long_run(place: Path, steps: int) -> dict[str, Any]:
    """``steps`` steps of a tiny model here: memory, handles and threads at 1,000 and at the end.

    Memory is looked at as many steps after a panel both times, for it gives some back.
    """
    from data_reader import framework

    framework.prepare()
    from paddle_gans.models.dcgan import DCGAN
    from paddle_gans.training import trainer

    seen: dict[int, tuple[int, int, int, float]] = {}
    look_at = {1000, 1099, 2000, steps - 1000, steps - 1}

    class Watched(DCGAN):
        __module__ = DCGAN.__module__

        def train_step(self, batch, step, update):
            if step in look_at:
                seen[step] = (*resources(), time.perf_counter())
            return super().train_step(batch, step, update)

    trainer.train(
        Watched, out=str(place / "run"), base_dim=2, batch_size=2, steps=steps, workers=2,
        log_every=1, sample_every=100, save_every=500,
    )  # fmt: skip
    first, last = seen[1099], seen[steps - 1]
    return {
        "steps": steps,
        "memory_mib": [round(first[0] / 1024), round(last[0] / 1024)],
        "memory_growth": round(last[0] / first[0] - 1, 4),
        "handles": [first[1], last[1]],
        "threads": [first[2], last[2]],
        "ms_per_step": [
            round(seen[2000][3] - seen[1000][3], 2),
            round((last[3] - seen[steps - 1000][3]) * 1000 / 999, 2),
        ],
    }


def resources() -> tuple[int, int, int]:
    """Resident memory in KiB, open files and threads of this process."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    handles = len(os.listdir("/proc/self/fd"))
    return int(status["VmRSS"].split()[0]), handles, int(status["Threads"])
