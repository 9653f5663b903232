"""The run folder: configuration, log and lock."""

from __future__ import annotations

import errno
import json
import math
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from data_reader.atomic import atomic_write, remove_stale
from data_reader.errors import InputError, disk_errors
from data_reader.images import cv2
from paddle_gans import __version__

from .checkpoint import read_json
from .loggers import Loggers
from .panels import Curves, read_log

try:
    import fcntl
except ImportError:  # Windows has no flock: folders are not locked there
    fcntl = None

# Entries of config.json that must not change on resume, since they determine the training.
FIXED_SETTINGS = (
    "model", "seed", "batch_size", "accumulate", "amp", "limit", "init_from", "data", "options",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Return the versions of the packages that affect a run's numbers."""
    return {
        "paddle_gans": __version__,
        "paddle": paddle.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "python": platform.python_version(),
    }


class RunFolder:
    """``config.json``, ``log.jsonl`` and the lock of a run; a context manager that locks it."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._lock = None
        self._curves: Curves | None = None
        self.loggers: Loggers | None = None  # also receive the log and the sample grids

    def __enter__(self) -> RunFolder:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / ".lock").open("a")
            if fcntl:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for folder in (self.path, self.checkpoints, self.path / "not_finite"):
                remove_stale(folder)
            for stale in [*self.path.glob(".*.png"), *self.path.glob("samples/.*.png")]:
                stale.unlink()
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
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        return self.path / "best"

    def config(self) -> dict[str, Any] | None:
        """Read the configuration of the run in this folder; None without a run."""
        path = self.path / "config.json"
        if not path.exists():
            return None
        config = read_json(path)
        for key in ("options", "data"):
            if type(config.get(key)) is not dict:
                raise InputError(f"{path} is damaged: {key} is missing; choose another --out")
        return config

    def append(self, line: dict[str, Any]) -> None:
        """Append one line to the log; if that fails, the log is unchanged."""
        if self._curves is not None:
            self._curves.add(line)
        path, text = self.path / "log.jsonl", (json.dumps(line) + "\n").encode()
        with disk_errors(f"cannot write {path}"), path.open("ab", buffering=0) as file:
            size = file.tell()
            if file.write(text) < len(text):  # remove the incomplete line
                file.truncate(size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.loggers is not None:
            self.loggers.add_line(line)

    def curves(self) -> list[dict[str, Any]]:
        """Return the log for plotting, of bounded length."""
        if self._curves is None:
            self._curves = Curves(self.log())
        return self._curves.lines()

    def log(self) -> list[dict[str, Any]]:
        """Read the lines of the log, with ``losses`` or a ``validation``."""
        return read_log(self.path / "log.jsonl")

    def validations(self, step: int) -> dict[int, dict[str, float]]:
        """Return the metrics of validations up to ``step``, by step; NaN if not finite."""
        return {
            line["step"]: {k: math.nan if v is None else v for k, v in line["validation"].items()}
            for line in self.log()
            if "validation" in line and line["step"] <= step
        }

    def truncate_log(self, step: int) -> None:
        """Remove the lines after ``step``, which will be logged again."""
        lines = [line for line in self.log() if line["step"] <= step]
        with atomic_write(self.path / "log.jsonl") as file:
            file.write("".join(json.dumps(line) + "\n" for line in lines).encode())
        self._curves = None


def compare(old: dict[str, Any], new: dict[str, Any], folder: Path) -> None:
    """Raise InputError, with both values, for options and data that must not differ on resume."""
    new = json.loads(json.dumps(new))
    differences = []
    for key in FIXED_SETTINGS:
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
    return "--" + name.replace("_", "-")
