"""python benchmarks/step.py --model M [--against torch]: how fast a step and inference are.

Measured for one model at a stated size and batch: images/s, peak memory, and the share of the
machine's own sgemm peak (measured in the same run) that the step's convolutions and matrix products
reach, counting those that the article's step needs. ``--against torch`` runs the same step in plain
PyTorch (torch_reference.py) in a process of its own, in alternation, with as many threads, in the
faster of NCHW and channels-last; a ratio above 1 means that ours is faster. ``--against plain`` and
the other names do the same with our own step without that part of the fast path: what it gave.
``--amp bf16`` measures both sides in mixed precision, ``--against float32`` what that gave.
Printed are medians; the last line is one JSON object. ``--model all`` measures one after the other.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from memory import resident  # noqa: E402


class Setting(NamedTuple):
    """The size in pixels, the batch, and what else differs from the article."""

    size: int
    batch: int
    options: dict[str, Any] = {}


SETTINGS = {
    "dcgan": Setting(28, 128),
    "pix2pix": Setting(128, 1),
    "cyclegan": Setting(128, 1),
    "cut": Setting(128, 1),
    "stargan_v2": Setting(64, 4, {"base_dim": 64, "max_channels": 256}),
    "colorization": Setting(128, 4),
}
# The parts of the fast path that are layers of their own.
LAYERS = {
    "pooling": ("AvgPool2D", "MaxPool2D"),
    "linear": ("Linear",),
}
PARTS = ("plain", "float32", "winograd", *LAYERS)
NAMES = {"torch": "PyTorch", "plain": "the framework's own kernels"}
LEAST = 0.5  # seconds of work between two looks at the clock
REST = 0.3  # seconds after which the other process's threads have gone to sleep


def without(part: str) -> None:
    """Take a part of the fast path away from this process."""
    from paddle import nn

    from paddle_gans import fast_cpu
    from paddle_gans.fast_cpu import winograd

    if part == "plain":
        os.environ["PADDLE_GANS_FAST_CPU"] = "0"
    if part == "winograd":
        winograd.MIN_CHANNELS = sys.maxsize
    for layer in LAYERS.get(part, ()):
        del fast_cpu.FAST[getattr(nn, layer)]


# What a worker does: each side in a process of its own, told what to do line by line.


def ours(name: str, size: int, batch: int, amp: str, part: str = ""):
    """(one training step, one inference, what is known of them) of this package's model.

    ``part`` is one of PARTS, which it does without.
    """
    from data_reader import framework

    framework.prepare()
    import numpy as np
    import paddle

    without(part)
    from operations import Count

    from paddle_gans import models
    from paddle_gans.fast_cpu import accelerate, linear
    from paddle_gans.training.model import Update
    from paddle_gans.training.trainer import training_step
    from paddle_gans.training.validation import evaluating

    paddle.seed(0)
    model = models.find(name)(crop_size=size, **SETTINGS[name].options)
    accelerate(model)
    model.train()
    update, data = Update(amp), random_batch(name, paddle, size, batch)

    def train() -> None:
        losses = training_step(model, data, 0, update)
        for term in losses.values():
            term.item()

    def infer() -> None:
        with evaluating(model), paddle.no_grad(), update.autocast():
            if name == "dcgan":
                model.translate(count=batch).numpy()
            elif name == "stargan_v2":
                model.translate(data["x_real"][:1], domain="dog").numpy()
            else:
                model.translate(data["l" if name == "colorization" else "a"]).numpy()

    with Count(model) as train_count:
        train()
    with Count(model) as infer_count:
        infer()
    matrix = paddle.to_tensor(np.random.default_rng(0).random((2048, 2048), "float32"))
    peak = sgemm(lambda: linear(matrix, matrix).numpy())  # paddle.matmul is slow on some processors
    counts = {"train": train_count.operations, "infer": infer_count.operations}
    return train, infer, {"operations": counts, "peak": peak, "version": paddle.__version__}


def random_batch(name: str, paddle, size: int, batch: int) -> dict[str, Any]:
    """What a step of the model takes, of random numbers."""

    def images(channels=3):
        return paddle.rand([batch, channels, size, size]) * 2 - 1

    if name == "dcgan":
        return {"image": images(1)}
    if name == "colorization":
        return {"l": images(1), "ab": images(2)}
    if name != "stargan_v2":
        return {"a": images(), "b": images()}
    found = {key: images() for key in ("x_real", "x_ref", "x_ref2")}
    found.update({key: paddle.randint(0, 3, [batch]) for key in ("y_org", "y_trg")})
    return {**found, **{key: paddle.randn([batch, 16]) for key in ("z_trg", "z_trg2")}}


def theirs(name: str, size: int, batch: int, amp: str):
    """The same of the PyTorch reference, in the faster memory format."""
    import torch
    from torch_reference import MODELS

    torch.set_num_threads(threads())
    torch.manual_seed(0)

    def built(memory_format):
        model = MODELS[name](memory_format, size, batch)
        data = model.batch()

        def autocast():
            return torch.autocast("cpu", torch.bfloat16, enabled=amp == "bf16")

        def train() -> None:
            with autocast():
                model.step(data)

        def infer() -> None:
            networks = [n for n in vars(model).values() if isinstance(n, torch.nn.Module)]
            for network in networks:
                network.eval()
            with torch.no_grad(), autocast():
                model.infer(data)
            for network in networks:
                network.train()

        train()
        infer()
        seconds = min(clock(train) for _ in range(2))
        return seconds, train, infer, str(memory_format).partition(".")[2]

    formats = (torch.contiguous_format, torch.channels_last)
    _, train, infer, kind = min(map(built, formats), key=lambda found: found[0])
    matrix = torch.rand(2048, 2048)
    peak = sgemm(lambda: torch.mm(matrix, matrix))
    return train, infer, {"format": kind, "peak": peak, "version": torch.__version__}


def threads() -> int:
    """Threads that both sides may use."""
    return int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))


def clock(work: Callable[[], None]) -> float:
    """Seconds that the work takes, repeated until the clock can tell."""
    times, start = 0, time.perf_counter()
    while times == 0 or time.perf_counter() - start < LEAST:
        work()
        times += 1
    return (time.perf_counter() - start) / times


def sgemm(multiply: Callable[[], Any]) -> float:
    """Operations/s of a product of two 2048 x 2048 matrices, the best of ten."""
    multiply()
    best = min(clock_once(multiply) for _ in range(10))
    return 2 * 2048**3 / best


def clock_once(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def work(side: str, name: str, size: int, batch: int, amp: str) -> None:
    """Answer every line on standard input by one of JSON, until there are no more."""
    lines = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        if side == "torch":
            train, infer, known = theirs(name, size, batch, amp)
        else:
            amp = "off" if side == "float32" else amp
            train, infer, known = ours(name, size, batch, amp, "" if side == "ours" else side)
        print(json.dumps(known), file=lines, flush=True)
        for line in sys.stdin:
            seconds = clock({"train": train, "infer": infer}[line.strip()])
            answer = {"seconds": seconds, "peak_mib": round(resident("VmHWM"))}
            print(json.dumps(answer), file=lines, flush=True)


class Worker:
    """One side's process."""

    def __init__(self, side: str, name: str, size: int, batch: int, amp: str, python: str):
        words = [python, __file__, "--worker", side, "--model", name]
        words += ["--size", str(size), "--batch", str(batch), "--amp", amp]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.known = self.answer()

    def answer(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"a measured process ended with {self.process.wait()}")
        return json.loads(line)

    def ask(self, what: str) -> dict[str, Any]:
        time.sleep(REST)
        print(what, file=self.process.stdin, flush=True)
        return self.answer()


# The run.


def measure(
    name: str, size: int, batch: int, amp: str, rounds: int, other: str | None, python: str
) -> dict:
    """Everything about one model, as the JSON object says it."""
    mine = Worker("ours", name, size, batch, amp, sys.executable)
    python = python if other == "torch" else sys.executable
    sides = [mine] + ([Worker(other, name, size, batch, amp, python)] if other else [])
    seconds: dict[str, list[list[float]]] = {"train": [], "infer": []}
    for _ in range(rounds):
        for what, rows in seconds.items():
            rows.append([side.ask(what)["seconds"] for side in sides])
    memory = [side.ask("infer")["peak_mib"] for side in sides]
    for side in sides:
        side.process.stdin.close()
        side.process.wait()
    peak = max(side.known["peak"] for side in sides)
    found: dict[str, Any] = {
        "model": name,
        "size": size,
        "batch": batch,
        "amp": amp,
        "rounds": rounds,
        "threads": threads(),
        "load": round(os.getloadavg()[0], 2),
        "sgemm_gflops": round(peak / 1e9, 1),
        "paddle": mine.known["version"],
        "peak_mib": memory[0],
    }
    for what, rows in seconds.items():
        median = statistics.median(row[0] for row in rows)
        images = 1 if (name, what) == ("stargan_v2", "infer") else batch
        operations = mine.known["operations"][what]
        found[f"{what}_images_per_second"] = round(images / median, 3)
        found[f"{what}_gflop"] = round(operations / 1e9, 1)
        found[f"{what}_share"] = round(operations / median / peak, 3)
        if other:
            ratios = sorted(row[1] / row[0] for row in rows)
            found[f"{what}_ratio"] = round(statistics.median(ratios), 3)
            found[f"{what}_spread"] = [round(ratios[0], 3), round(ratios[-1], 3)]
    found["peak_share"] = found["train_share"]
    if other:
        found["spread"] = found["train_spread"]
        found["against"] = other
        found["their_version"] = sides[1].known["version"]
        found["their_peak_mib"] = memory[1]
        if other == "torch":
            found["torch_format"] = sides[1].known["format"]
    return found


def say(found: dict[str, Any]) -> None:
    """A few lines for readers."""
    print(f"{found['model']}, {found['size']} pixels, batch {found['batch']}:", end=" ")
    print(f"{found['threads']} threads, load {found['load']}, {found['peak_mib']} MiB at most")
    for what in ("train", "infer"):
        rate, share = found[f"{what}_images_per_second"], found[f"{what}_share"]
        line = (
            f"  {what}: {rate:.2f} images/s, {share:.0%} of sgemm's {found['sgemm_gflops']} GFLOP/s"
        )
        if f"{what}_ratio" in found:
            low, high = found[f"{what}_spread"]
            name = NAMES.get(found["against"], f"without {found['against']}")
            line += f"; {found[f'{what}_ratio']:.2f} x {name} ({low:.2f} to {high:.2f})"
        print(line, flush=True)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--model", required=True, choices=[*SETTINGS, "all"])
    parser.add_argument("--size", type=int, metavar="N", help="pixels a side")
    parser.add_argument("--batch", type=int, metavar="N", help="images")
    parser.add_argument("--amp", choices=["off", "bf16"], default="off", help="precision (off)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="alternations (5)")
    parser.add_argument(
        "--against", choices=["torch", *PARTS],
        help="PyTorch (needs the extra `bench`), or this package without a part of its fast path",
    )  # fmt: skip
    parser.add_argument(
        "--torch-python", default=sys.executable, metavar="PATH",
        help="the Python that has PyTorch, if it is another one",
    )  # fmt: skip
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        work(given.worker, given.model, given.size, given.batch, given.amp)
        return
    found = []
    for name in SETTINGS if given.model == "all" else [given.model]:
        size, batch = given.size or SETTINGS[name].size, given.batch or SETTINGS[name].batch
        how = given.amp, given.rounds, given.against, given.torch_python
        one = measure(name, size, batch, *how)
        say(one)
        found.append(one)
    print(json.dumps(found if given.model == "all" else found[0]))


if __name__ == "__main__":
    main()
