"""python benchmarks/fuzz_pickles.py --minutes 10: random hostile weight files

Changes valid files and draws random instructions, and reads the results with the weights loader.
Each must give plain data or an InputError, must not run code, and must not need much memory. The
seed determines the whole series.
"""

from __future__ import annotations

import argparse
import pickle
import pickletools
import resource
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data_reader.errors import InputError
from paddle_gans.weights import paddle_file

LENGTHS = (0, 1, 2, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)
CODES = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]
# Whole instructions that fit together, so that random programs get further.
WORDS = [
    *(f"c{name}\n".encode() for name in (
        "numpy\nndarray", "numpy\ndtype", "numpy.core.multiarray\n_reconstruct",
        "numpy._core.multiarray\nscalar", "collections\nOrderedDict", "_codecs\nencode",
        "builtins\ntuple", "__builtin__\nbytes", "os\nsystem", "builtins\neval", "posix\nsystem",
    )),
    *(pickle.SHORT_BINUNICODE + bytes([len(text)]) + text for text in (
        b"f4", b"<", b"|", b"latin1", b"weight", b"O8", b"UnpackBigParamInfor@@", b"",
    )),
    b"K\x00\x85C\x01b\x87R", b"K\x01\x85", b"K\x02\x85", b"C\x04\0\0\0\0", b"\x89\x88\x87R",
    b"NNN", b"J\xff\xff\xff\xff", b"\x8a\x08" + b"\xff" * 7 + b"\x7f", b"q\x00", b"h\x00",
]  # fmt: skip


def sound_files() -> list[bytes]:
    """Small files as Paddle and this package write them, in all supported protocols."""
    rng = np.random.default_rng(0)
    arrays = {f"{i}.w": rng.random((2, 3), np.float32) for i in range(3)}
    state = {
        "model": arrays,
        "LR_Scheduler": {"last_lr": 2e-4, "last_epoch": 3},
        "names": ["a", ("b", None)],
        "half": np.arange(3, dtype=np.float16),
        "fortran": np.asfortranarray(np.ones((2, 2))),
        "scalar": np.float32(1),
        "tensor": ("linear_0.w_0", np.zeros(2, np.int64)),
    }
    return [pickle.dumps(state, protocol) for protocol in (2, 3, 4)] + [
        pickle.dumps({}, 4), pickle.dumps(arrays, 4)
    ]  # fmt: skip


def changed(rng: np.random.Generator, data: bytes, other: bytes) -> bytes:
    """``data`` with a few random changes; some copy parts of ``other``."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        at = int(rng.integers(0, len(data) + 1))
        span = slice(at, at + int(rng.integers(1, 40)))
        kind = rng.integers(0, 8)
        if kind == 0 and at < len(data):
            data[at] = rng.integers(256)
        elif kind == 1:
            data[at:at] = CODES[rng.integers(len(CODES))]
        elif kind == 2:
            del data[span]
        elif kind == 3:
            data[at:at] = data[span] * int(rng.integers(1, 5))
        elif kind == 4:
            start = int(rng.integers(0, len(other)))
            data[span] = other[start : start + int(rng.integers(1, 60))]
        elif kind == 5:
            data[at:at] = WORDS[rng.integers(len(WORDS))]
        elif kind == 6:
            length = LENGTHS[rng.integers(len(LENGTHS))]
            packed = struct.pack("<I" if rng.integers(2) else "<Q", length)
            data[at : at + len(packed)] = packed
        elif len(data) > 3:
            del data[int(rng.integers(3, len(data))) :]
    return bytes(data)


def drawn(rng: np.random.Generator) -> bytes:
    """A program of random instructions and words."""
    pieces = [pickle.PROTO + bytes([rng.integers(2, 5)])]
    for _ in range(rng.integers(1, 60)):
        words = WORDS if rng.integers(3) else CODES
        pieces.append(words[rng.integers(len(words))])
        if rng.integers(8) == 0:
            pieces.append(rng.bytes(rng.integers(1, 9)))
    return b"".join([*pieces, pickle.STOP])


def is_plain(value: object, depth: int = 0) -> bool:
    """Whether a value consists of arrays, numbers, text and containers of these."""
    if isinstance(value, dict):
        return all(type(key) is str and is_plain(x, depth + 1) for key, x in value.items())
    if type(value) in (list, tuple):
        return depth < 64 and all(is_plain(x, depth + 1) for x in value)
    if isinstance(value, (np.ndarray, np.generic)):
        return value.dtype.kind in "biufc"
    return value is None or type(value) in (str, int, float, bool)


FORBIDDEN = ("os.system", "subprocess.Popen", "exec", "pickle.find_class", "import", "open")


class Ran(BaseException):
    """A program ran code."""


def watch(event: str, arguments: tuple) -> None:
    """An audit hook that raises on events which only code from a file can cause."""
    if _watching and event in FORBIDDEN:
        raise Ran(f"{event} {arguments}"[:200])


_watching: list[bool] = []


def fuzz(seconds: float, seed: int, log: Callable[[str], None] = lambda text: None) -> Counter:
    """Read random programs for some seconds.

    Returns the counts ``tried``, ``read`` and ``refused``, and ``peak_growth`` in KiB, how
    much the process's peak memory has grown.

    Raises:
        AssertionError: a program broke a rule; the message contains it.
    """
    files, counts = sound_files(), Counter()
    rng, end = np.random.default_rng(seed), time.monotonic() + seconds
    before, told = None, time.monotonic()
    sys.addaudithook(watch)
    with tempfile.TemporaryFile() as file:  # reused: opening a file takes longer than reading it
        while time.monotonic() < end:
            one, other = (files[rng.integers(len(files))] for _ in range(2))
            data = drawn(rng) if rng.integers(4) == 0 else changed(rng, one, other)
            counts[attempt(file, data)] += 1
            counts["tried"] += 1
            if (
                before is None and counts["tried"] == 100
            ):  # after the first ones have imported everything
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            if time.monotonic() - told > 30:
                told = time.monotonic()
                log(f"{counts['tried']} programs, {counts['refused']} refused")
    now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts["peak_growth"] = now - (before or now)
    return counts


def attempt(file: BinaryIO, data: bytes) -> str:
    """Read one program: "read" or "refused"."""
    file.seek(0)
    file.truncate()
    file.write(data)
    file.flush()  # the reader asks for the size
    file.seek(0)
    _watching.append(True)
    try:
        state = paddle_file.read_open(Path("file.pdparams"), file)
    except InputError as error:
        told = str(error)
        if "\n" in told or len(told) > 1000:
            raise AssertionError(f"the message is {told!r}\nprogram: {data!r}") from error
        return "refused"
    except (Exception, Ran) as error:
        _watching.clear()  # formatting the traceback opens files
        raise AssertionError(f"{traceback.format_exc()}\nprogram: {data!r}") from error
    finally:
        _watching.clear()
    if not is_plain(state):
        raise AssertionError(f"read as {state!r}\nprogram: {data!r}")
    return "read"


def main() -> int:
    """Fuzz for some minutes; returns 1 if a program broke a rule."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    try:
        counts = fuzz(60 * given.minutes, given.seed, lambda text: print(text, flush=True))
    except AssertionError as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"{counts['tried']} programs: {counts['read']} read, {counts['refused']} refused, nothing "
        f"else; peak memory grew by {counts['peak_growth'] / 1024:.1f} MiB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
