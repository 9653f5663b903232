"""--log visualdl and --log tensorboard: the run in the files of these programs.

Their own writers write them. ``log.jsonl`` and ``samples/`` stay the record: at each start the
files are written anew from these, so that nothing is missing or shown twice after a crash.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_reader.errors import InputError
from data_reader.framework import install_command
from data_reader.images import read_image

from .panels import read_log

PACKAGES = {"visualdl": "visualdl", "tensorboard": "tensorboardX"}
SAMPLES = "samples"


def check_installed(names: Sequence[str]) -> None:
    """Raise InputError if the package of a logger is not installed, or cannot be imported."""
    for name in names:
        if importlib.util.find_spec(PACKAGES[name]) is None:
            raise InputError(
                f"--log {name} needs {PACKAGES[name]}, which is not installed: "
                f"{install_command('log')}, or leave it out"
            )
        try:
            importlib.import_module(PACKAGES[name])
        except Exception as error:  # of many types: its requirements do not fit together
            raise InputError(
                f"--log {name} cannot be used: importing {PACKAGES[name]} fails with "
                f"{error!r:.200}; install it again, or leave it out"
            ) from error


def open_writer(name: str, folder: Path) -> Any:
    package = importlib.import_module(PACKAGES[name])
    if name == "visualdl":
        return package.LogWriter(logdir=str(folder))
    # A full disk ends its thread. A bounded queue would then block the run, and waiting for what is
    # queued the exit; `close` waits for it all the same while the thread lives.
    writer = package.SummaryWriter(str(folder), max_queue=0, flush_secs=10)
    writer.file_writer.event_writer._event_queue.cancel_join_thread()
    return writer


class Loggers:
    """Write a run for other programs; ``record`` is its config.json.

    A writer that fails is closed with a warning: what it shows is in ``log.jsonl`` too.
    """

    def __init__(
        self, record: Mapping[str, Any], run: Path, start: int, say: Callable[[str], None]
    ):
        self.writers, self.say = {}, say
        for name in record["log"]:
            folder = run / name
            try:
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"--log {name} cannot write {folder}: {error.strerror}") from error
            self.writers[name] = open_writer(name, folder)
        if not self.writers:
            return
        text = "\n".join("    " + row for row in json.dumps(record, indent=2).splitlines())
        self.each(lambda name, writer: writer.add_text("configuration", text, 0))
        for line in read_log(run / "log.jsonl"):
            self.add_line(line)
        for path in sorted((run / "samples").glob("*.png")):
            if int(path.stem) <= start:
                self.add_samples(int(path.stem), read_image(path))

    def each(self, write: Callable[[str, Any], None]) -> None:
        for name, writer in list(self.writers.items()):
            try:
                write(name, writer)
            except Exception as error:  # of another program: no reason to lose the run
                del self.writers[name]
                self.say(f"warning: --log {name} failed: {error!r}; training continues without it")

    def add_line(self, line: Mapping[str, Any]) -> None:
        values, step = scalars(line), line["step"]
        self.each(lambda name, writer: [writer.add_scalar(k, x, step) for k, x in values.items()])

    def add_samples(self, step: int, image: np.ndarray) -> None:
        """Add a sample grid, uint8 [H, W, 3]."""
        layout = {"tensorboard": {"dataformats": "HWC"}}
        self.each(
            lambda name, writer: writer.add_image(SAMPLES, image, step, **layout.get(name, {}))
        )

    def close(self) -> None:
        self.each(lambda name, writer: writer.close())


def scalars(line: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a line of ``log.jsonl`` by name."""
    found = {
        f"{group}/{name}": x
        for group in ("losses", "learning_rates", "validation")
        for name, x in line.get(group, {}).items()
        if x is not None
    }
    if "images_per_second" in line:
        found["speed/images_per_second"] = line["images_per_second"]
    return found
