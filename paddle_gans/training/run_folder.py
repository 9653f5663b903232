"""A run's folder: its configuration, its log, its lock."""

from __future__ import annotations

import json
import platform
import shutil
from pathlib import Path
from typing import Any, Optional

import cv2
import numpy as np
import paddle

from data_reader.errors import InputError
from paddle_gans import __version__

from .checkpoint import whole_file, write_json
from .panels import read_log

try:
    import fcntl
except ImportError:  # Windows has no flock; two trainers in one folder are not told apart there
    fcntl = None

# What a resumed run must share with the run it goes on with. Length, logging, sampling, saving,
# keep, workers and device are free to change.
SHAPES_TRAJECTORY = (
    "model", "seed", "batch_size", "accumulate", "amp", "limit", "init_from", "data", "options",
)  # fmt: skip


def versions() -> dict[str, str]:
    """The versions that a run's numbers depend on."""
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
        InputError: on entering, when another trainer is at work in the folder, or when it cannot
            be written to.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._lock = None

    def __enter__(self) -> RunFolder:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / ".lock").open("a")
            if fcntl:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise InputError(
                f"another trainer is at work in {self.path}; wait for it, or choose another --out"
            ) from error
        except OSError as error:
            raise InputError(f"{self.path} cannot be written to: {error.strerror}") from error
        return self

    def __exit__(self, *exc) -> None:
        self._lock.close()  # the system lets go of the lock, after a crash as well

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints are."""
        return self.path / "checkpoints"

    def config(self) -> Optional[dict[str, Any]]:
        """The configuration of the run that is here, None without one."""
        path = self.path / "config.json"
        if not path.exists():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(f"{path} is not JSON: {error}; choose another --out") from error

    def write_config(self, config: dict[str, Any]) -> None:
        """Keep the configuration."""
        write_json(self.path / "config.json", config)

    def append(self, line: dict[str, Any]) -> None:
        """Add one line to the log."""
        with (self.path / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def log(self) -> list[dict[str, Any]]:
        """The lines of the log."""
        return read_log(self.path / "log.jsonl")

    def truncate_log(self, step: int) -> None:
        """Forget what was logged after ``step``: it is about to be done again."""
        lines = [line for line in self.log() if line["step"] <= step]
        with whole_file(self.path / "log.jsonl") as file:
            file.write("".join(json.dumps(line) + "\n" for line in lines).encode())

    def need_space(self, need: int) -> None:
        """Raise InputError when the disk has less than ``need`` bytes left."""
        free = shutil.disk_usage(self.path).free
        if free < need:
            raise InputError(
                f"{self.path} is on a disk with {free / 2**20:.0f} MiB left; the checkpoints of "
                f"this run need {need / 2**20:.0f} MiB; free some, or lower --keep"
            )


def compare(old: dict[str, Any], new: dict[str, Any], folder: Path) -> None:
    """Check that a run can be gone on with.

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
                f"the data: {before['items']} items ({before['sha256'][:8]}) there, "
                f"{now['items']} items ({now['sha256'][:8]}) here"
            )
        else:
            differences.append(f"{flag(key)} {before} there, {now} here")
    if differences:
        raise InputError(
            f"{folder} holds another run than this command's: {'; '.join(differences)}. "
            "Give the same values to go on with it, or another --out"
        )


def flag(name: str) -> str:
    """An option as it is typed."""
    return "--" + name.replace("_", "-")
