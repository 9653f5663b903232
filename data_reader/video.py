"""Read and write videos frame by frame: uint8 RGB."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .atomic import atomic_path
from .errors import InputError, disk_errors
from .images import MAX_PIXELS, PathLike, cv2, existing_file
from .transforms import resize

if TYPE_CHECKING:  # imports PyAV, a tenth of a second; functions that need it import it
    from ._h264 import H264Writer

VIDEO_SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".ts", ".mts",
     ".m2ts", ".3gp", ".flv", ".vob")
)  # fmt: skip
# The headers of these count their frames. For others OpenCV estimates it from the duration.
COUNTED_SUFFIXES = frozenset((".mp4", ".m4v", ".mov", ".3gp", ".avi"))
MAX_PAUSE = 600.0  # seconds that one frame of a variable rate is shown
MAX_FPS = 240
MIN_SIDE = 16  # pixels; below, some encoders write out of bounds (MJPG, 4 x 4)

# Codecs of the FFmpeg in OpenCV's wheels (it has no H.264), the most widely supported first.
CODECS = {
    ".mp4": ("mp4v", "vp09"),
    ".m4v": ("mp4v",),
    ".mov": ("mp4v", "MJPG"),
    ".avi": ("XVID", "MJPG"),
    ".mkv": ("mp4v", "VP90"),
    ".webm": ("VP80", "VP90"),
}


class VideoReader(AbstractContextManager):
    """The frames of a video, uint8 RGB [H, W, 3], upright; each iteration starts at the first.

    Pixels that are not square are widened, see ``size``; for variable rates see ``timed``.

    ``fps`` is frames per second (25 if unknown), ``size`` is (width, height) in pixels. ``frames``
    is the number of frames in the file's header (None if unknown), or an estimate unless the suffix
    is one of ``COUNTED_SUFFIXES``; a damaged file can have fewer.

    Raises:
        InputError: the file is missing, a folder, empty, has no frame that can be decoded, or
            claims more than ``MAX_PIXELS`` pixels per frame.
    """

    def __init__(self, path: PathLike):
        self.path = existing_file(path)
        self._capture = cv2.VideoCapture()
        self._open_files = ExitStack()
        self._name = self._open_files.enter_context(name_for_opencv(self.path))
        first = next(iter(self), None)
        if first is None:
            self.close()
            raise InputError(
                f"{self.path} is not a video that OpenCV can read, or has no frame; copy it again "
                "or convert it to .mp4"
            )
        fps = self._capture.get(cv2.CAP_PROP_FPS)
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        if fps > MAX_FPS:  # the clock of a variable rate, as in browsers' recordings
            fps = 30.0
        self.fps: float = fps if math.isfinite(fps) and fps > 0 else 25.0
        self.frames: int | None = int(count) if count > 0 else None
        self.size: tuple[int, int] = (first.shape[1], first.shape[0])

    def timed(self) -> Iterator[tuple[np.ndarray, int]]:
        """Yield each frame, and how often a video of constant ``fps`` shows it.

        That is once, unless the frames of the file come at a variable rate. Of frames that come
        faster than ``fps``, some are shown 0 times; pauses are at most ``MAX_PAUSE`` long.
        """
        shown, start, before, last = 0, None, 0.0, None
        for frame in self:
            time = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            start = time if start is None else start
            if last is not None:
                step = min(time - before, MAX_PAUSE)
                start += time - before - step
                # Without times in the file, one frame follows the other.
                count = round((time - start) * self.fps) - shown if step > 0 else 1
                yield last, max(0, count)
                shown += max(0, count)
            last, before = frame, time
        if last is not None:
            yield last, 1

    def __iter__(self) -> Iterator[np.ndarray]:
        self._capture.open(self._name, cv2.CAP_FFMPEG)
        sides = cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT
        width, height = (int(self._capture.get(side)) for side in sides)
        if width * height > MAX_PIXELS:
            self.close()
            claim = f"{self.path} claims to have {width} x {height} pixels a frame"
            raise InputError(f"{claim}, more than the maximum of {MAX_PIXELS}; make it smaller")
        while (frame := self._capture.read()[1]) is not None:
            yield self._square(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))

    def _square(self, frame: np.ndarray) -> np.ndarray:
        """Widen a frame whose pixels are not square, as players do: videos are written square."""
        parts = [self._capture.get(x) for x in (cv2.CAP_PROP_SAR_NUM, cv2.CAP_PROP_SAR_DEN)]
        shape = parts[0] / parts[1] if min(parts) > 0 else 1.0
        if shape == 1 or not 0.1 < shape < 10:
            return frame
        return resize(frame, round(frame.shape[1] * shape), frame.shape[0], name=str(self.path))

    def close(self) -> None:
        self._capture.release()
        self._open_files.close()

    def __exit__(self, *error) -> None:
        self.close()


class VideoWriter:
    """Write a video atomically: it appears under its name when the ``with`` block ends.

    With PyAV installed, .mp4, .m4v, .mov and .mkv are H.264, which browsers play, with the sound of
    the video ``sound``. Otherwise OpenCV encodes, without sound.

    ``fps`` is frames per second, ``size`` is (width, height) in pixels, at least ``MIN_SIDE``; the
    suffix selects the format. Codecs need even sides, and OpenCV would drop an odd last column or
    row: it is repeated instead, so a video of 63 x 47 becomes 64 x 48.

    Raises:
        InputError: on creation or entry, if the suffix or size is not supported; on exit, if there
            was no frame or the disk is full. No partial file is left, and an existing file is kept,
            as after any exception in the block.
    """

    def __init__(
        self, path: PathLike, fps: float, size: tuple[int, int], sound: Path | None = None
    ):
        self.path, self.sound = Path(path), sound
        self.fps, self.size = float(fps), (int(size[0]), int(size[1]))
        self.frames = 0  # written so far
        self._encoder: cv2.VideoWriter | H264Writer | None = None  # within the block
        problem = ""
        if self.path.suffix.lower() not in CODECS:
            problem = f"its suffix is none of {', '.join(CODECS)}"
        elif not 0 < self.fps < math.inf:
            problem = f"{fps} frames a second; give more than 0"
        elif min(self.size) < MIN_SIDE:
            problem = f"{size[0]} x {size[1]} pixels; a video's sides are at least {MIN_SIDE}"
        if problem:
            raise InputError(f"cannot write {self.path}: {problem}")

    def write(self, rgb: np.ndarray) -> None:
        """Append a frame, uint8 RGB [H, W, 3] of the video's size."""
        width, height = self.size
        if rgb.dtype != np.uint8 or rgb.shape != (height, width, 3):
            given = f"{rgb.dtype} {list(rgb.shape)}"
            raise ValueError(f"a frame is uint8 [{height}, {width}, 3], not {given}")
        if self._encoder is None:
            raise ValueError("write frames within `with VideoWriter(...) as writer:`")
        frame = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2BGR)
        even = cv2.copyMakeBorder(frame, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        self._encoder.write(even)
        self.frames += 1

    def __enter__(self) -> VideoWriter:
        self._block = self._writing()
        self._block.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._block.__exit__(*error)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Encode to a temporary file and verify it before it gets the video's name."""
        with atomic_path(self.path) as temporary:
            with disk_errors(f"cannot write {self.path}"):
                temporary.touch()  # OpenCV would not report the reason
            with name_for_opencv(temporary) as name:
                self._encoder = self._open(name)
                try:
                    yield
                finally:
                    self._encoder.release()
                    self._encoder = None
                if self.frames == 0:
                    raise InputError(f"cannot write {self.path}: there is no frame to write")
                if not _has_frame(name, self.frames - 1):
                    raise InputError(
                        f"cannot write {self.path}: not all of its {self.frames} frames reached "
                        "the disk; free some space or choose another folder"
                    )

    def _open(self, temporary: str) -> cv2.VideoWriter | H264Writer:
        """Return an encoder with the first codec that supports this rate and size."""
        from . import _h264

        width, height = self.size
        even = (width + width % 2, height + height % 2)
        if _h264.av is not None and self.path.suffix.lower() in _h264.SUFFIXES:
            return _h264.H264Writer(temporary, self.fps, even, self.sound)
        encoder = cv2.VideoWriter()
        for codec in CODECS[self.path.suffix.lower()]:
            fourcc = cv2.VideoWriter_fourcc(*codec)
            if encoder.open(temporary, cv2.CAP_FFMPEG, fourcc, self.fps, even):
                return encoder
        raise InputError(
            f"cannot write {self.path}: no codec for {width} x {height} pixels at {self.fps:g} "
            f"frames a second in {self.path.suffix}; try another suffix: {', '.join(CODECS)}"
        )


def lacking(path: Path) -> str:
    """Return what a video that is written without PyAV lacks; "" if its format lacks nothing."""
    from . import _h264

    if _h264.av is not None or path.suffix.lower() not in _h264.SUFFIXES:
        return ""
    return "MPEG-4, which browsers do not play, and no sound: pip install av gives both"


@contextmanager
def name_for_opencv(path: Path) -> Iterator[str]:
    """Yield a name by which OpenCV can open an existing file.

    Absolute, for FFmpeg takes a name before a colon for a protocol. OpenCV crashes on names that
    are not UTF-8: those get a link with another name.
    """
    name = str(path.resolve())
    try:
        name.encode()
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory() as folder:
            link = Path(folder, f"video{path.suffix}")
            link.symlink_to(path.resolve())
            yield str(link)
    else:
        yield name


def _has_frame(path: str, index: int) -> bool:
    """Return whether a frame can be decoded; OpenCV does not report failed writes."""
    capture = cv2.VideoCapture(path, cv2.CAP_FFMPEG)
    capture.set(cv2.CAP_PROP_POS_FRAMES, index)
    decoded = capture.read()[0]
    capture.release()
    return decoded
