"""python benchmarks/process.py [--torch-python PATH]: whole commands, from the shell to the file.

``infer`` translates one image with pix2pix's default generator: ``python -m paddle_gans.infer``
beside a script in plain PyTorch with the same network, weights from a file. ``train`` starts, reads
pairs, and takes two training steps: ``python -m paddle_gans.train --dry-run`` beside two steps of
torch_reference.py. Processes alternate; printed are the medians of seconds, of processor seconds
and of the peak memory, and the median of their ratios (above 1: ours is faster, or smaller). The
last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

PAIRS = HERE.parent / "data_reader" / "demo" / "streets"
FIGURES = {"seconds": "{:.2f} s", "cpu_seconds": "{:.2f} s of processors", "peak_mib": "{:.0f} MiB"}


def make(folder: Path, side: int) -> None:
    """Write an image and the weights of our generator, which are random."""
    from data_reader import framework

    framework.prepare()
    import numpy as np

    from data_reader.images import write_image
    from paddle_gans.models.pix2pix import Pix2Pix
    from paddle_gans.weights import formats

    noise = np.random.default_rng(0).integers(0, 256, [side, side, 3], dtype=np.uint8)
    write_image(folder / "in.png", noise)
    entry = {"model": "pix2pix", "options": {}, "network": "generator", "translate": {}, "step": 1}
    formats.save_network(folder / "generator.pdparams", Pix2Pix().generator, entry)


def theirs(what: str, folder: Path, side: int) -> None:
    """One of the commands in plain PyTorch."""
    import cv2
    import torch
    import torch.nn.functional as F
    from torch_reference import Pix2Pix
    from torch_reference import resnet_generator as generator

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1))

    def build():
        return generator(64, 7, norm=torch.nn.BatchNorm2d, bias=False, upsamples=False)

    def read(path: Path):
        pixels = torch.from_numpy(cv2.imread(str(path))[..., ::-1].copy())
        return pixels.permute(2, 0, 1)[None].float() / 127.5 - 1

    if what == "make":
        torch.save(build().state_dict(), folder / "generator.pth")
    elif what == "infer":
        network = build().eval()
        network.load_state_dict(torch.load(folder / "generator.pth", weights_only=True))
        with torch.no_grad():
            y = network(read(folder / "in.png").contiguous(memory_format=torch.channels_last))[0]
        pixels = ((y + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
        cv2.imwrite(str(folder / "torch.png"), pixels[..., ::-1])
    else:
        model = Pix2Pix(torch.channels_last, side, 1)
        folders = [sorted((PAIRS / name).iterdir()) for name in ("trainA", "trainB")]
        for pair in [*zip(*folders)][:2]:
            images = [F.interpolate(read(path), [side, side], mode="bilinear") for path in pair]
            model.step(images)


def run(words: Sequence[str]) -> dict[str, float]:
    """Seconds, processor seconds and peak memory of a command."""
    start = time.perf_counter()
    process = subprocess.Popen(words, cwd=HERE.parent, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
    used = usage.ru_utime + usage.ru_stime
    return {"seconds": seconds, "cpu_seconds": used, "peak_mib": usage.ru_maxrss / 1024}


def commands(folder: Path, side: int, step_side: int, python: str) -> dict[str, list[list[str]]]:
    """Ours and theirs, by name."""
    infer = [sys.executable, "-m", "paddle_gans.infer", "--overwrite"]
    infer += ["--weights", str(folder / "generator.pdparams")]
    infer += ["--input", str(folder / "in.png"), "--output", str(folder / "ours.png")]
    train = [sys.executable, "-m", "paddle_gans.train", "--model", "pix2pix", "--dry-run"]
    train += ["--data", str(PAIRS), "--crop-size", str(step_side), "--load-size", str(step_side)]
    other = [python, __file__, "--worker"]
    return {
        "infer": [infer, [*other, "infer", str(folder), str(side)]],
        "train": [train, [*other, "train", str(folder), str(step_side)]],
    }


def processor() -> str:
    """The processor's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), "unknown")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="alternations (7)")
    parser.add_argument("--size", type=int, default=256, metavar="N", help="pixels of the image")
    parser.add_argument("--step-size", type=int, default=128, metavar="N", help="of training (128)")
    parser.add_argument("--only", choices=["infer", "train"], help="one of the two")
    parser.add_argument(
        "--torch-python", default=sys.executable, metavar="PATH",
        help="the Python that has PyTorch, if it is another one",
    )  # fmt: skip
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        what, folder, side = given.worker
        theirs(what, Path(folder), int(side))
        return
    found: dict[str, Any] = {"processor": processor(), "rounds": given.rounds}
    found["threads"] = int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory() as place:
        make(Path(place), given.size)
        run([given.torch_python, __file__, "--worker", "make", place, "0"])
        pairs = commands(Path(place), given.size, given.step_size, given.torch_python)
        print(f"{found['processor']}, {found['threads']} threads, {given.rounds} rounds")
        for name in [given.only] if given.only else pairs:
            rows = [[run(words) for words in pairs[name]] for _ in range(given.rounds)]
            found[name] = report(name, rows)
    found["load"] = round(os.getloadavg()[0], 2)
    print(json.dumps(found))


def report(name: str, rows: list[list[dict[str, float]]]) -> dict[str, Any]:
    """Print and return the medians of a command's rounds."""
    found: dict[str, Any] = {}
    for key, form in FIGURES.items():
        ours, other = (statistics.median(row[side][key] for row in rows) for side in (0, 1))
        ratios = sorted(row[1][key] / row[0][key] for row in rows)
        middle = statistics.median(ratios)
        print(
            f"  {name}: ours {form.format(ours)}, PyTorch {form.format(other)}: {middle:.2f} "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f})",
            flush=True,
        )
        found[key] = {
            "ours": round(ours, 3),
            "torch": round(other, 3),
            "ratio": round(middle, 3),
            "spread": [round(ratios[0], 3), round(ratios[-1], 3)],
        }
    return found


if __name__ == "__main__":
    main()
