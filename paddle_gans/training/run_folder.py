"""The folder of a run: configuration, log and lock."""

from __future__ import annotations

import errno
import json
import math
import os
import platform
import shutil
from pathlib import Path
from typing import Any, Optional

import numpy as np
import paddle

from data_reader._opencv import cv2
from data_reader.atomic import atomic_write, remove_stale
from data_reader.errors import InputError, disk_errors
from paddle_gans import __version__

from .checkpoint import read_json, write_json
from .loggers import Loggers
from .panels import Curves, read_log

try:
    import fcntl
except ImportError:  # Windows has no flock: nothing keeps two trainers out of one folder there
    fcntl = None

# What a resumed run must have in common with the run before. Length, logging, sampling, saving,
# keep, validation, --log, workers, device and the handling of faults may change.
SHAPES_TRAJECTORY = (
    "model", "seed", "batch_size", "accumulate", "amp", "limit", "init_from", "data", "options",
)  # fmt: skip


def versions() -> dict[str, str]:
    """The versions on which a run's numbers depend."""
    return {
        "paddle_gans": __version__,
        "paddle": paddle.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "python": platform.python_version(),
    }


class RunFolder:
    """``config.json``, ``log.jsonl`` and the lock of one run; a context manager.

    Raises:
        InputError: on entering, if another trainer uses the folder, or it cannot be written to.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._lock = None
        self._curves: Optional[Curves] = None
        self.loggers: Optional[Loggers] = None  # also get the log and the sample grids

    def __enter__(self) -> RunFolder:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / ".lock").open("a")
            if fcntl:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for folder in (self.path, self.checkpoints, self.path / "not_finite"):
                remove_stale(folder)
            for left in [*self.path.glob(".*.png"), *self.path.glob("samples/.*.png")]:
                left.unlink()
        except BlockingIOError as error:
            self._lock.close()
            raise InputError(
                f"another trainer is using {self.path}; wait for it, or choose another --out"
            ) from error
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be written to: {error.strerror}; choose another --out"
            ) from error
        return self

    def __exit__(self, *exc) -> None:
        if self.loggers is not None:
            self.loggers.close()
        self._lock.close()  # the system releases the lock, after a crash as well

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """Where the weights with the best metric are."""
        return self.path / "best"

    def config(self) -> Optional[dict[str, Any]]:
        """The configuration of the run in this folder, None without one."""
        path = self.path / "config.json"
        if not path.exists():
            return None
        config = read_json(path)
        for key in ("options", "data"):
            if type(config.get(key)) is not dict:
                raise InputError(f"{path} is damaged: it has no {key}; choose another --out")
        return config

    def write_config(self, config: dict[str, Any]) -> None:
        """Write the configuration."""
        write_json(self.path / "config.json", config)

    def append(self, line: dict[str, Any]) -> None:
        """Add one line to the log, or nothing.

        Raises:
            InputError: it cannot be written.
        """
        if self._curves is not None:
            self._curves.add(line)
        path, text = self.path / "log.jsonl", (json.dumps(line) + "\n").encode()
        with disk_errors(f"cannot write {path}"), path.open("ab", buffering=0) as file:
            size = file.tell()
            if file.write(text) < len(text):  # half a line would spoil the next one
                file.truncate(size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.loggers is not None:
            self.loggers.add_line(line)

    def curves(self) -> list[dict[str, Any]]:
        """The log to draw, bounded: drawing a long run costs no more than a short one."""
        if self._curves is None:
            self._curves = Curves(self.log())
        return self._curves.lines()

    def log(self) -> list[dict[str, Any]]:
        """The lines of the log: those with ``losses``, and those with a ``validation``."""
        return read_log(self.path / "log.jsonl")

    def losses(self) -> dict[str, float]:
        """The losses logged last, {} before the first."""
        logged = [line["losses"] for line in self.log() if "losses" in line]
        return logged[-1] if logged else {}

    def validations(self, step: int) -> dict[int, dict[str, float]]:
        """The metrics of every validation up to ``step``, by step; NaN where not finite."""
        return {
            line["step"]: {k: math.nan if v is None else v for k, v in line["validation"].items()}
            for line in self.log()
            if "validation" in line and line["step"] <= step
        }

    def truncate_log(self, step: int) -> None:
        """Drop what was logged after ``step``, which will be done again."""
        lines = [line for line in self.log() if line["step"] <= step]
        with atomic_write(self.path / "log.jsonl") as file:
            file.write("".join(json.dumps(line) + "\n" for line in lines).encode())
        self._curves = None

    def need_space(self, need: int) -> None:
        """Raise InputError if the disk has less than ``need`` bytes left."""
        free = shutil.disk_usage(self.path).free
        if free < need:
            raise InputError(
                f"the disk of {self.path} has {free / 2**20:.0f} MiB left, and the checkpoints of "
                f"this run need {need / 2**20:.0f} MiB; free some, or lower --keep"
            )


def compare(old: dict[str, Any], new: dict[str, Any], folder: Path) -> None:
    """Check that a run can be resumed.

    Raises:
        InputError: options or data differ; the message names both values.
    """
    new = json.loads(json.dumps(new))
    differences = []
    for key in SHAPES_TRAJECTORY:
        before, now = old.get(key), new.get(key)
        if before == now:
            continue
        if key == "options":
            names = [n for n in {**before, **now} if before.get(n) != now.get(n)]
            differences += [f"{flag(n)} {before.get(n)} there, {now.get(n)} here" for n in names]
        elif key == "data":
            differences.append(
                f"the data: {before.get('items')} items ({before.get('sha256', '')!s:.8}) there, "
                f"{now['items']} items ({now['sha256'][:8]}) here"
            )
        else:
            differences.append(f"{flag(key)} {before} there, {now} here")
    if differences:
        raise InputError(
            f"{folder} contains a different run: {'; '.join(differences)}. "
            "Give the same values to resume it, or another --out"
        )


def flag(name: str) -> str:
    """An option as it is typed."""
    return "--" + name.replace("_", "-")
