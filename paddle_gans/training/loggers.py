"""``--log visualdl`` and ``--log tensorboard``: the run as these programs' files show it.

The messages are those packages' own; the bytes are written here. Their writers work in a thread,
where a full disk is lost (VisualDL) or stops the queue and so the run (tensorboardX).
"""

from __future__ import annotations

import errno
import importlib
import importlib.util
import json
import os
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Callable

from data_reader.errors import InputError, disk_errors

HEAD = struct.Struct("<Q")  # in front of a record: its bytes
CRC = struct.Struct("<I")
CONFIGURATION, PANEL, SETTINGS = "configuration", "panel", "settings"  # text, pictures, hparams
AGAIN = "training goes on, the next time it is tried again"


class VisualDL:
    """Records of ``visualdl.LogWriter``: a length, and a ``Record`` of one value."""

    package, pattern = "visualdl", "vdlrecords.{:010d}.log"

    def __init__(self):
        self.make = importlib.import_module("visualdl.component.base_component")

    def framed(self, record: bytes) -> bytes:
        """The record as it stands in the file."""
        return HEAD.pack(len(record)) + record

    def span(self, size: int) -> tuple[int, int]:
        """Where a record of this size begins and where the next one's head does, from the head."""
        return HEAD.size, HEAD.size + size

    def place(self, record: bytes) -> tuple[int, str]:
        """The step and the name of a record."""
        value = self.make.Record.FromString(record).values[0]
        return (0, SETTINGS) if value.HasField("hparam") else (value.id, value.tag)

    def scalar(self, name: str, value: float, step: int) -> bytes:
        """A point of a curve."""
        return self.make.scalar(name, value, step, now()).SerializeToString()

    def picture(self, name: str, png: bytes, shape: Sequence[int], step: int) -> bytes:
        """A picture at a step."""
        record, image = self.make.Record, self.make.Record.Image(encoded_image_string=png)
        value = record.Value(id=step, tag=name, timestamp=now(), image=image)
        return record(values=[value]).SerializeToString()

    def first(self) -> bytes:
        """What a file begins with."""
        return self.make.meta_data(display_name="", walltime=now()).SerializeToString()

    def settings(self, config: Mapping[str, Any], names: Sequence[str], step: int) -> list[bytes]:
        """The settings by which runs are compared, in the curves of these names."""
        hparams = self.make.hparam("", flat(config), list(names), now())
        return [hparams.SerializeToString()]

    def text(self, name: str, text: str, step: int) -> bytes:
        """A text at a step."""
        return self.make.text(name, text, step, now()).SerializeToString()


class TensorBoard:
    """TensorBoard's event files: a length, an ``Event``, and a checksum behind each."""

    package, pattern = "tensorboardX", "events.out.tfevents.{:010d}.paddle_gans"

    def __init__(self):
        self.make = importlib.import_module("tensorboardX.summary")
        self.event = importlib.import_module("tensorboardX.proto.event_pb2").Event
        self.crc = importlib.import_module("tensorboardX.record_writer").masked_crc32c

    def framed(self, record: bytes) -> bytes:
        """The record as it stands in the file."""
        head = HEAD.pack(len(record))
        return head + CRC.pack(self.crc(head)) + record + CRC.pack(self.crc(record))

    def span(self, size: int) -> tuple[int, int]:
        """Where a record of this size begins and where the next one's head does, from the head."""
        begin = HEAD.size + CRC.size
        return begin, begin + size + CRC.size

    def place(self, record: bytes) -> tuple[int, str]:
        """The step and the name of a record."""
        event = self.event.FromString(record)
        name = event.summary.value[0].tag if event.summary.value else ""
        known = {"_hparams_/experiment": SETTINGS, f"{CONFIGURATION}/text_summary": CONFIGURATION}
        return event.step, known.get(name, name)

    def scalar(self, name: str, value: float, step: int) -> bytes:
        """A point of a curve."""
        return self._at(step, self.make.scalar(name, value))

    def picture(self, name: str, png: bytes, shape: Sequence[int], step: int) -> bytes:
        """A picture at a step."""
        summary = self.make.Summary
        sizes = {"height": shape[0], "width": shape[1], "colorspace": 3}
        image = summary.Image(encoded_image_string=png, **sizes)
        return self._at(step, summary(value=[summary.Value(tag=name, image=image)]))

    def first(self) -> bytes:
        """What a file begins with."""
        event = self.event(wall_time=time.time(), file_version="brain.Event:2")
        return event.SerializeToString()

    def settings(self, config: Mapping[str, Any], names: Sequence[str], step: int) -> list[bytes]:
        """The settings by which runs are compared, in the curves of these names."""
        experiment, session, _ = self.make.hparams(flat(config), dict.fromkeys(names, 0.0))
        return [self._at(step, experiment), self._at(step, session)]

    def text(self, name: str, text: str, step: int) -> bytes:
        """A text at a step."""
        return self._at(step, self.make.text(name, text))

    def _at(self, step: int, summary: Any) -> bytes:
        event = self.event(wall_time=time.time(), step=step, summary=summary)
        return event.SerializeToString()


KINDS = {"visualdl": VisualDL, "tensorboard": TensorBoard}


def check_loggers(names: Sequence[str]) -> list[str]:
    """The names, each once; or InputError where one is unknown or its package not installed."""
    names = list(dict.fromkeys([names] if isinstance(names, str) else names))
    for name in names:
        if name not in KINDS:
            raise InputError(f"--log {name}: there are {' and '.join(KINDS)}")
        if importlib.util.find_spec(KINDS[name].package) is None:
            raise InputError(
                f"--log {name} needs {KINDS[name].package}, which is not installed: "
                "`pip install -e '.[log]'`, or leave it out; log.jsonl and losses.png are written "
                "in any case"
            )
    return names


class LogFile:
    """One program's file in its folder of the run; ``start`` is the step the run goes on from.

    What stands there of later steps is about to be done again, and cut off.

    Raises:
        OSError: it cannot be read or written.
    """

    def __init__(self, name: str, run: Path, start: int, config: Mapping[str, Any]):
        self.kind, self.config, folder = KINDS[name](), config, run / name
        folder.mkdir(parents=True, exist_ok=True)
        here = sorted(folder.glob(self.kind.pattern.replace("{:010d}", "*")))
        self.path = here[0] if here else folder / self.kind.pattern.format(int(time.time()))
        self.last: dict[str, int] = {}  # the step at which each name was written last
        self.path.touch()
        os.truncate(self.path, self._end_of(start))
        self.new = self.path.stat().st_size == 0

    def _end_of(self, start: int) -> int:
        """The first byte after what belongs to the steps up to ``start``; notes what that is."""
        content = self.path.read_bytes() if start else b""
        end = 0
        for first, after in records(content, self.kind):
            step, name = self.kind.place(content[first : after[0]])
            if step > start:
                break
            self.last[name], end = step, after[1]
        return end

    def append(self, *parts: bytes) -> None:
        """Write records, or none of them.

        Raises:
            OSError: they cannot be written.
        """
        text = b"".join(map(self.kind.framed, parts))
        with self.path.open("ab", buffering=0) as file:
            size = file.tell()
            if file.write(text) < len(text):  # half a record would end the file for its readers
                file.truncate(size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def line(self, line: Mapping[str, Any]) -> None:
        """Write what a line of ``log.jsonl`` says."""
        step, numbers = line["step"], scalars(line)
        if SETTINGS not in self.last:  # they name curves, and so wait for the first ones
            self.append(*self.kind.settings(self.config, list(numbers), step))
            self.last[SETTINGS] = step
        self.append(*(self.kind.scalar(name, x, step) for name, x in numbers.items()))

    def panel(self, step: int, path: Path, shape: Sequence[int]) -> None:
        """Write a PNG of ``shape`` [H, W, 3], unless it is there."""
        if self.last.get(PANEL, -1) < step:
            self.append(self.kind.picture(PANEL, path.read_bytes(), shape, step))
            self.last[PANEL] = step


def records(content: bytes, kind: Any) -> Iterator[tuple[int, tuple[int, int]]]:
    """Where each whole record begins, and where it and its frame end."""
    at = 0
    while at + HEAD.size <= len(content):
        size = HEAD.unpack_from(content, at)[0]
        begin, after = kind.span(size)
        if at + after > len(content):  # a crash cut it short
            return
        yield at + begin, (at + begin + size, at + after)
        at += after


class Loggers:
    """The programs' files of a run. What fails stops the run, or with ``goes_on`` is said once."""

    def __init__(
        self,
        config: Mapping[str, Any],
        run: Path,
        start: int,
        lines: Callable[[], Sequence[Mapping[str, Any]]],
        say: Callable[[str], None],
    ):
        self.goes_on, self.say = config["on_full_disk"] == "go-on", say
        self._said: set[str] = set()
        self.files: dict[str, LogFile] = {}
        for name in config["log"]:
            opening = partial(self._open, name, config, run, start, lines)
            self._try(name, opening, "training goes on without it")

    def _open(self, name, config, run, start, lines) -> None:
        """Open a file; a new one of an older run gets what ``log.jsonl`` knows."""
        file = LogFile(name, run, start, config)
        if file.new:
            file.append(file.kind.first())
        if file.last.get(CONFIGURATION, -1) < start:
            at = 0 if file.new else start
            file.append(file.kind.text(CONFIGURATION, readable(config), at))
        if file.new:
            for line in lines():
                file.line(line)
        self.files[name] = file

    def line(self, line: Mapping[str, Any]) -> None:
        """Write a line of the log.

        Raises:
            InputError: it cannot be written, and that stops the run.
        """
        for name, file in self.files.items():
            self._try(name, partial(file.line, line))

    def panel(self, step: int, path: Path, shape: Sequence[int]) -> None:
        """Write the panel that stands in a PNG of ``shape`` [H, W, 3].

        Raises:
            InputError: it cannot be written, and that stops the run.
        """
        for name, file in self.files.items():
            self._try(name, partial(file.panel, step, path, shape))

    def _try(self, name: str, work: Callable[[], None], then: str = AGAIN) -> None:
        try:
            with disk_errors(f"cannot write the log of --log {name}"):
                work()
        except Exception as error:
            text = str(error) if isinstance(error, InputError) else f"--log {name}: {error!r}"
            if not self.goes_on:
                raise InputError(f"{text}; or go on without --log {name}") from error
            if name not in self._said:
                self.say(f"warning: {text}; {then}")
            self._said.add(name)


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


def readable(config: Mapping[str, Any]) -> str:
    """The configuration as text, indented by what Markdown takes for code."""
    return "\n".join("    " + row for row in json.dumps(config, indent=2).splitlines())


def flat(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that runs are compared by: numbers and words by name."""
    settings = {**config, **config["options"]}
    return {
        name: int(x) if isinstance(x, bool) else x
        for name, x in settings.items()
        if isinstance(x, (bool, int, float, str))
    }


def now() -> int:
    """Milliseconds, as VisualDL counts."""
    return round(time.time() * 1000)
