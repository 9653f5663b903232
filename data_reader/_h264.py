"""Encode H.264 with PyAV, and take a video's sound along: the methods of cv2.VideoWriter."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

try:
    import av
except ImportError:
    av = None

from .errors import InputWarning

SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv")
COPIED = ("aac", "ac3", "eac3", "alac")  # kinds of sound that fit into all of them
SMPTE170M = 6  # the matrix by which swscale makes YUV of RGB, as FFmpeg numbers it
QUALITY = "18"  # of x264, hard to tell from the frames; 23 is its default


class H264Writer:
    """Writes frames of an even (width, height); ``sound`` is the video whose sound is copied.

    Failed writes are not reported, as by cv2.VideoWriter: whoever writes reads the file again.
    """

    def __init__(self, name: str, fps: float, size: tuple[int, int], sound: Path | None):
        # The index comes first where a format has one, so that a browser starts at once.
        options = {} if name.lower().endswith(".mkv") else {"movflags": "faststart"}
        self.output = av.open(name, "w", options=options)
        rate = Fraction(fps).limit_denominator(1001)
        self.video = self.output.add_stream("libx264", rate=rate, options={"crf": QUALITY})
        self.video.width, self.video.height = size
        self.video.pix_fmt = "yuv420p"  # what browsers play
        self.video.codec_context.colorspace = SMPTE170M
        self.step, self.frames = 1 / rate, 0
        self.sound = self.packets(sound) if sound else iter(())
        self.waiting = next(self.sound, None)

    def write(self, bgr: np.ndarray) -> None:
        frame = av.VideoFrame.from_ndarray(bgr, format="bgr24")
        frame.pts, frame.time_base = self.frames, self.step
        self.frames += 1
        with suppress(OSError):
            self.output.mux(self.video.encode(frame))
            self.mux_sound()

    def release(self) -> None:
        with suppress(OSError):
            self.output.mux(self.video.encode(None))
            self.mux_sound()
        with suppress(OSError):
            self.output.close()

    def mux_sound(self) -> None:
        """Write the sound of the frames so far, so that players find both side by side."""
        while self.waiting is not None and self.waiting.pts * self.waiting.time_base < (
            self.frames * self.step
        ):
            self.output.mux(self.waiting)
            self.waiting = next(self.sound, None)

    def packets(self, path: Path) -> Iterator[Any]:
        """Yield the sound for the output, copied, or as AAC if its kind does not fit there."""
        try:
            with av.open(str(path.resolve())) as source:
                if not source.streams.audio:
                    return
                stream = source.streams.audio[0]
                start = Fraction(source.start_time or 0, av.time_base)
                if stream.codec_context.name in COPIED:
                    target = self.output.add_stream_from_template(stream)
                    found = (packet for packet in source.demux(stream) if packet.pts is not None)
                else:
                    target = self.output.add_stream("aac", rate=stream.rate)
                    frames = (*source.decode(stream), None)
                    found = (packet for frame in frames for packet in target.encode(frame))
                for packet in found:
                    packet.stream = target
                    packet.pts -= round(start / packet.time_base)
                    packet.dts -= round(start / packet.time_base)
                    yield packet
        except (OSError, ValueError) as error:
            warnings.warn(
                f"the sound of {path} cannot be copied: {error}", InputWarning, stacklevel=2
            )
